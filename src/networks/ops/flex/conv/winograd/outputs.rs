//! Outputs and input gradients.
//!
//! For a strip of tiles each thread transforms all source channels, multiplies place by place, and transforms the results back where
//! they lie.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::super::super::memory::{Output, Writer, with_scratch};
use super::super::super::simd::{Isa, Kernel, TILE_VECTORS, Vector};
use super::super::blocked::{Columns, PANEL_FLOATS, SLACK, Tile, rows};
use super::super::layout::{Strip, Tap, positions};
use super::super::pack::{self, Source, WeightOrder, rows_of};
use super::super::product::{Block, Item, Lines, Product};
use super::{APART, PLACES, WIDEST, of_inputs, of_kernel, to_outputs};

/// Tiles of a strip.
const STRIP_TILES: usize = 64;

/// Source channels that are packed and transformed at a time.
const CHANNELS: usize = 8;

/// Computes a product on the grid of [`super::phased`].
pub fn compute(product: &Product, isa: Isa) -> Vec<f32> {
    let output = Output::new(product.batch * product.channels * product.size[0] * product.size[1]);
    let (blocks, _) = product.blocks(isa.rows());
    let order = Weights::new(product, isa);
    with_scratch(order.floats(), |weights| {
        pack_weights(product, isa, &order, &blocks, Writer::of(weights));
        let items = items(product, &blocks, weights);
        // SAFETY: the items cover every strip and every block once, an item writes its strip's rows of its channels' planes,
        // and the outputs of a strip's tiles cover them.
        let fill = |writer: Writer| items.par_iter().for_each(|item| compute_item(product, isa, &order, item, writer));
        unsafe { output.filled_by(fill) }
    })
}

/// Floats that computing it takes beside its source, its weight and its result.
pub fn workspace(product: &Product) -> usize {
    let isa = Isa::detect();
    let (blocks, _) = product.blocks(isa.rows());
    let items = items(product, &blocks, &[]);
    let scratch = |item: &Item| Lens::new(product, isa, item).all();
    rayon::current_num_threads() * items.iter().map(scratch).max().unwrap_or_default()
        + Weights::new(product, isa).floats()
}

/// Weights in the order of their use: for each place, part of the source channels, block of rows and source channel one float a row.
struct Weights {
    /// Rows of all blocks.
    rows: usize,
    sources: usize,
    /// Source channels of a part: those whose columns fill a panel.
    part: usize,
}

impl Weights {
    fn new(product: &Product, isa: Isa) -> Self {
        let sources = product.source_channels;
        let fitting = PANEL_FLOATS / (TILE_VECTORS * isa.lanes());
        let part = sources.div_ceil(sources.div_ceil(fitting).max(1)).max(1);
        let rows = rows_of(product.channels, isa.rows()).iter().map(|rows| rows.tile).sum();
        Self { rows, sources, part }
    }

    /// Where a block's weights begin. `done` rows lie before the block, and the part begins with `first`.
    fn start(&self, place: usize, first: usize, done: usize) -> usize {
        place * (self.sources * self.rows + APART) + first * self.rows + done * self.part.min(self.sources - first)
    }

    fn floats(&self) -> usize {
        PLACES * (self.sources * self.rows + APART)
    }
}

/// Strips, and where they are too few for all threads, parts of the output channels.
fn items<'a>(product: &Product, blocks: &'a [Block], weights: &'a [f32]) -> Vec<Item<'a>> {
    let threads = rayon::current_num_threads();
    let strips = Strip::cut(0..product.batch, &product.phased.grid, STRIP_TILES);
    let split = match strips.len() {
        count if count >= 4 * threads || count.is_multiple_of(threads) => 1,
        count => (2 * threads).div_ceil(count.max(1)),
    };
    let share = blocks.len().div_ceil(split).max(1);
    let parts = strips.into_iter().flat_map(|strip| blocks.chunks(share).map(move |blocks| (strip, blocks)));
    parts.map(|(strip, blocks)| Item { strip, blocks, weights }).collect()
}

/// Transforms the kernels of all blocks.
fn pack_weights(product: &Product, isa: Isa, order: &Weights, blocks: &[Block], to: Writer) {
    let weight = product.weight();
    let taps: Vec<Tap> = positions([3, 3]).map(|at| Tap { phase: 0, shift: [0, 0], at }).collect();
    blocks.par_iter().for_each(|block| {
        let rows = &block.rows;
        let len = order.sources * 9 * rows.tile;
        with_scratch(len + WIDEST, |kernels| {
            pack::weights(&weight, 0, rows, &taps, &mut kernels[..len]);
            for first in (0..order.sources).step_by(order.part) {
                let k = order.part.min(order.sources - first);
                // SAFETY: what belongs to this block and these source channels alone.
                let to = std::array::from_fn(|place| unsafe {
                    to.uninit(order.start(place, first, block.before), k * rows.tile)
                });
                // What an output gave to its neighbour comes back from the other side.
                let flipped = weight.order == WeightOrder::InputFirst;
                isa.run(Kernels { kernels: &kernels[first * 9 * rows.tile..], rows: rows.tile, k, flipped, to });
            }
        });
    });
}

/// Transforms the kernels of a block's rows and `k` source channels.
struct Kernels<'a> {
    /// For each source channel and tap one float a row.
    kernels: &'a [f32],
    rows: usize,
    k: usize,
    flipped: bool,
    /// For each place and source channel one float a row.
    to: [&'a mut [MaybeUninit<f32>]; PLACES],
}

impl Kernel for Kernels<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        // SAFETY: by contract, and `V::Four` comes with `V`.
        unsafe { if ROWS <= V::Four::LANES { self.transform::<V::Four>() } else { self.transform::<V>() } }
    }
}

impl Kernels<'_> {
    /// Rows are the first lanes of a vector. What is stored beyond them the next source channel's take.
    ///
    /// # Safety
    /// `V` must exist on this CPU.
    #[inline(always)]
    unsafe fn transform<V: Vector>(mut self) {
        let (rows, k) = (self.rows, self.k);
        assert!(rows <= V::LANES && V::LANES <= WIDEST && self.to.iter().all(|to| to.len() == k * rows));
        assert!(k * 9 * rows + V::LANES <= self.kernels.len() + rows);
        for channel in 0..k {
            let tap = |tap: usize| if self.flipped { 8 - tap } else { tap };
            // SAFETY: the asserts above; `V` exists by contract.
            unsafe {
                let from = self.kernels.as_ptr().add(channel * 9 * rows);
                let values = of_kernel(std::array::from_fn(|i| V::load(from.add(tap(i) * rows))));
                let whole = channel * rows + V::LANES <= k * rows;
                for (to, value) in self.to.iter_mut().zip(values) {
                    let to = to.as_mut_ptr().cast::<f32>().add(channel * rows);
                    if whole {
                        value.store(to);
                    } else {
                        let mut last = [0.0; WIDEST];
                        value.store(last.as_mut_ptr());
                        to.copy_from_nonoverlapping(last.as_ptr(), rows);
                    }
                }
            }
        }
    }
}

/// Floats that a thread takes for a part.
struct Lens {
    /// Packed planes of some channels.
    planes: usize,
    /// From a place to the next among transformed inputs, and among results.
    inputs: usize,
    results: usize,
}

impl Lens {
    fn new(product: &Product, isa: Isa, item: &Item) -> Self {
        let (grid, phases) = (&product.phased.grid, product.phased.source_phases.len());
        let line = Columns::new(grid, &item.strip, isa.lanes()).line(isa.lanes());
        Self {
            planes: (CHANNELS * phases * grid.plane(&item.strip) + SLACK).next_multiple_of(isa.lanes()),
            inputs: product.source_channels * line + APART,
            results: rows(item) * line + APART,
        }
    }

    fn all(&self) -> usize {
        self.planes + PLACES * (self.inputs + self.results)
    }
}

fn compute_item(product: &Product, isa: Isa, order: &Weights, item: &Item, writer: Writer) {
    let (phased, grid, strip) = (product.phased, &product.phased.grid, &item.strip);
    let columns = Columns::new(grid, strip, isa.lanes());
    let (line, plane, sources) = (columns.line(isa.lanes()), grid.plane(strip), product.source_channels);
    let taps: [usize; PLACES] =
        std::array::from_fn(|i| phased.taps[0][i].phase * plane + grid.offset(&phased.taps[0][i]));
    let lens = Lens::new(product, isa, item);
    with_scratch(lens.all(), |scratch| {
        let (planes, scratch) = scratch.split_at_mut(lens.planes);
        let (inputs, results) = scratch.split_at_mut(PLACES * lens.inputs);
        for first in (0..sources).step_by(CHANNELS) {
            let channels = first..sources.min(first + CHANNELS);
            pack_planes(product, strip, channels.clone(), planes);
            let channel = phased.source_phases.len() * plane;
            let (columns, taps, planes, step) = (&columns, &taps, &*planes, lens.inputs);
            isa.run(Inputs { columns, taps, planes, channel, channels, sources, to: inputs, step });
        }
        let steps = [lens.inputs, lens.results];
        isa.run(Products { columns: &columns, item, order, line, inputs, results, steps });
        let rows = rows(item);
        isa.run(Outputs { results, step: lens.results, len: rows * line });
        let mut done = 0;
        for block in item.blocks {
            let steps = &[columns.steps; 4];
            let lines = Lines { values: &results[done * line..], line, phase: lens.results, steps };
            product.write(strip, &block.rows, lines, writer);
            done += block.rows.tile;
        }
    });
}

/// Copies the planes of some channels for a strip onto the grid, even and odd columns apart, and zeros behind them.
fn pack_planes(product: &Product, strip: &Strip, channels: Range<usize>, to: &mut [f32]) {
    let (phases, grid) = (&product.phased.source_phases, &product.phased.grid);
    let (plane, [h, w]) = (grid.plane(strip), product.source_size);
    let source = Source { values: product.source, channels: product.source_channels, size: [h, w], step: 2 };
    let (planes, slack) = to.split_at_mut(channels.len() * 4 * plane);
    slack.fill(0.0);
    for (channel, planes) in channels.zip(planes.chunks_exact_mut(4 * plane)) {
        let place = |phase: [usize; 2]| phases.iter().position(|known| *known == phase).unwrap_or_default() * plane;
        for y in 0..2 {
            let places = [place([y, 0]), place([y, 1])];
            let rows = h.saturating_sub(y).div_ceil(2);
            for (line, at) in grid.lines(strip, rows).enumerate() {
                let start = line * grid.pitch;
                let Some([sample, row]) = at else {
                    places.iter().for_each(|place| planes[place + start..][..grid.pitch].fill(0.0));
                    continue;
                };
                let from = source.row(strip.first_sample + sample, channel, y + 2 * row);
                let before = grid.before[1];
                for (place, columns) in places.into_iter().zip([w.div_ceil(2), w / 2]) {
                    let to = &mut planes[place + start..][..grid.pitch];
                    to[..before].fill(0.0);
                    to[before + columns..].fill(0.0);
                }
                let start = start + before;
                let (pairs, last) = from.as_chunks::<2>();
                if let Ok([even, odd]) =
                    planes.get_disjoint_mut(places.map(|place| place + start..place + start + w / 2))
                {
                    for ((pair, even), odd) in pairs.iter().zip(even).zip(odd) {
                        [*even, *odd] = *pair;
                    }
                }
                if let [last] = last {
                    planes[places[0] + start + w / 2] = *last;
                }
            }
        }
    }
}

/// Transforms the tiles of some channels.
struct Inputs<'a> {
    columns: &'a Columns,
    taps: &'a [usize; PLACES],
    planes: &'a [f32],
    /// Floats from a channel's planes to the next.
    channel: usize,
    channels: Range<usize>,
    sources: usize,
    /// For each place, `step` floats apart: for each register tile's columns and each source channel the columns.
    to: &'a mut [f32],
    step: usize,
}

impl Kernel for Inputs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(mut self) {
        let runs = V::LANES / self.columns.run;
        let mut vector = 0;
        while vector < self.columns.vectors {
            let vectors = vectors_from(self.columns, vector);
            let columns = self.columns;
            let starts = &columns.starts[vector * runs..][..vectors * runs];
            let to = vector * V::LANES * self.sources + self.channels.start * vectors * V::LANES;
            // SAFETY: `V` exists by contract.
            unsafe {
                if columns.run == V::LANES {
                    self.transform::<V>(starts, to);
                } else {
                    self.transform::<V::Four>(starts, to);
                }
            }
            vector += vectors;
        }
    }
}

/// Vectors of the register tile that begins with a vector.
fn vectors_from(columns: &Columns, vector: usize) -> usize {
    (columns.vectors - vector).next_power_of_two().min(TILE_VECTORS)
}

impl Inputs<'_> {
    /// # Safety
    /// `V` must exist on this CPU.
    #[inline(always)]
    unsafe fn transform<V: Vector>(&mut self, starts: &[usize], to: usize) {
        let furthest = starts.iter().max().copied().unwrap_or(0) + self.taps.iter().max().copied().unwrap_or(0);
        let channels = self.channels.len();
        assert!(furthest + (channels - 1) * self.channel + V::LANES <= self.planes.len());
        assert!(to + (PLACES - 1) * self.step + channels * starts.len() * V::LANES <= self.to.len());
        let mut to = self.to[to..].as_mut_ptr();
        for channel in 0..channels {
            for start in starts {
                // SAFETY: the asserts above.
                unsafe {
                    let from = self.planes.as_ptr().add(channel * self.channel + start);
                    let read = |y: usize, x: usize| V::load(from.add(self.taps[4 * y + x]));
                    of_inputs(read, |place, value: V| value.store(to.add(place * self.step)));
                    to = to.add(V::LANES);
                }
            }
        }
    }
}

/// The products of all places.
struct Products<'a, 'b> {
    columns: &'a Columns,
    item: &'a Item<'b>,
    order: &'a Weights,
    line: usize,
    inputs: &'a [f32],
    results: &'a mut [f32],
    /// Floats from a place to the next, of inputs and results.
    steps: [usize; 2],
}

impl Kernel for Products<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let Weights { sources, part, .. } = *self.order;
        let before = self.item.blocks.first().map_or(0, |block| block.before);
        for place in 0..PLACES {
            for first in (0..sources).step_by(part) {
                let k = part.min(sources - first);
                let mut vector = 0;
                while vector < self.columns.vectors {
                    let vectors = vectors_from(self.columns, vector);
                    let panel = place * self.steps[0] + (vector * sources + first * vectors) * V::LANES;
                    let panel = self.inputs[panel..][..k * vectors * V::LANES].as_ptr();
                    for block in self.item.blocks {
                        let (rows, done) = (block.rows.tile, block.before - before);
                        let weights = self.order.start(place, first, block.before);
                        let weights = self.item.weights[weights..][..k * rows].as_ptr();
                        let to = place * self.steps[1] + done * self.line + vector * V::LANES;
                        assert!(self.results.len() >= to + (rows - 1) * self.line + vectors * V::LANES);
                        let to = self.results[to..].as_mut_ptr();
                        let tile = Tile { k, weights, panel, to, line: self.line, adds: first > 0 };
                        // SAFETY: the slices and the assert above; `V` exists by contract.
                        unsafe {
                            match vectors {
                                1 => tile.of_rows::<V, ROWS, 1>(rows),
                                2 => tile.of_rows::<V, ROWS, 2>(rows),
                                _ => tile.of_rows::<V, ROWS, TILE_VECTORS>(rows),
                            }
                        }
                    }
                    vector += vectors;
                }
            }
        }
    }
}

/// Transforms results into outputs, which take the memory of the first four places.
struct Outputs<'a> {
    results: &'a mut [f32],
    /// Floats from a place to the next, and how many there are of each, in whole vectors.
    step: usize,
    len: usize,
}

impl Kernel for Outputs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        assert!(self.len.is_multiple_of(V::LANES) && self.results.len() >= (PLACES - 1) * self.step + self.len);
        let results = self.results.as_mut_ptr();
        for at in (0..self.len).step_by(V::LANES) {
            // SAFETY: the assert above; `V` exists by contract.
            unsafe {
                let outputs = to_outputs(|place| V::load(results.add(place * self.step + at)));
                for (phase, value) in outputs.into_iter().enumerate() {
                    value.store(results.add(phase * self.step + at));
                }
            }
        }
    }
}
