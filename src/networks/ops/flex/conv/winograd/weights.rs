//! Gradients of weights: the products of [`super::outputs`] transposed. For each place a matrix product over tiles, whose result is
//! `G' u G`-transformed to the kernel's gradient.

use std::ops::Range;

use rayon::prelude::*;

use super::super::super::memory::with_scratch;
use super::super::super::simd::{Isa, Kernel, TILE_VECTORS, Vector};
use super::super::blocked::Tile;
use super::super::layout::Strip;
use super::super::outer::{CHUNK_FLOATS, PARTS, Product};
use super::super::pack::{self, Rows, Source, rows_of};
use super::{APART, PLACES, WIDEST, of_gradients, of_inputs, to_kernel};

/// Tiles of a strip: enough to be worth loading and storing the sums.
const STRIP_TILES: usize = 128;

/// Floats that a thread takes for a strip.
struct Lens {
    /// Packed planes of a vector of channels.
    planes: usize,
    /// From a place to the next among transformed inputs, and among transformed gradients.
    inputs: usize,
    gradients: usize,
}

impl Lens {
    fn all(&self) -> usize {
        self.planes + PLACES * (self.inputs + self.gradients)
    }
}

/// Some samples and rows: output channels, and where their sums go.
struct Item<'a> {
    samples: Range<usize>,
    rows: &'a [Rows],
    sums: &'a mut [f32],
}

/// Computes a weight gradient on the grid of [`super::phased`].
pub fn compute(product: &Product, isa: Isa) -> Vec<f32> {
    let (rows, line) = (rows_of(product.out, isa.rows()), line(product, isa));
    let (parts, len) = (parts(product), PLACES * tiles(&rows) * line);
    // Every part of the rows transforms the inputs anew.
    let share = rows.len().div_ceil(rayon::current_num_threads().div_ceil(parts)).max(1);
    let samples = |part: usize| product.batch * part / parts..product.batch * (part + 1) / parts;
    with_scratch(parts * len, |sums| {
        let mut items = Vec::new();
        let mut rest = &mut *sums;
        for part in 0..parts {
            for rows in rows.chunks(share) {
                let (sums, tail) = rest.split_at_mut(PLACES * tiles(rows) * line);
                rest = tail;
                items.push(Item { samples: samples(part), rows, sums });
            }
        }
        items.par_iter_mut().for_each(|item| compute_item(product, isa, item));
        let mut weights = vec![0.0; product.out * product.channels * 9];
        let mut rest = &mut weights[..];
        let per_part = items.len() / parts;
        for number in 0..per_part {
            let rows = items[number].rows;
            let used: usize = rows.iter().map(|rows| rows.used).sum();
            let (to, tail) = rest.split_at_mut(used * product.channels * 9);
            rest = tail;
            let sums: Vec<&[f32]> = items.iter().skip(number).step_by(per_part).map(|item| &*item.sums).collect();
            let rows = tiles(rows);
            to.par_chunks_mut(product.channels * 9).enumerate().for_each(|(row, to)| {
                isa.run(Kernels { sums: &sums, row, rows, line, to });
            });
        }
        weights
    })
}

/// Parts of the batch that sum on their own. Shapes alone decide, so that the sums have one order on any number of threads.
fn parts(product: &Product) -> usize {
    let grid = product.phased.grid.output;
    let strips = (product.batch * grid[0] * grid[1]).div_ceil(STRIP_TILES);
    let floats = PLACES * product.out * product.channels;
    PARTS.min(product.batch).min(strips).min(CHUNK_FLOATS / floats.max(1)).max(1)
}

/// Floats that computing it takes beside `x`, the gradient and the result.
pub fn workspace(product: &Product) -> usize {
    let isa = Isa::detect();
    let rows = rows_of(product.out, isa.rows());
    let strips = Strip::cut(0..product.batch, &product.phased.grid, STRIP_TILES);
    let strip = strips.iter().map(|strip| lens(product, isa, strip, tiles(&rows)).all()).max();
    rayon::current_num_threads() * strip.unwrap_or_default()
        + parts(product) * PLACES * tiles(&rows) * line(product, isa)
}

/// The sums of an output channel at a place: all channels of `x`, in whole vectors.
fn line(product: &Product, isa: Isa) -> usize {
    product.channels.next_multiple_of(isa.lanes())
}

fn lens(product: &Product, isa: Isa, strip: &Strip, rows: usize) -> Lens {
    let grid = &product.phased.grid;
    let tiles = strip.samples * strip.rows * grid.output[1];
    Lens {
        planes: product.phased.source_phases.len() * grid.plane(strip) * isa.lanes(),
        inputs: tiles * line(product, isa) + APART,
        gradients: tiles * rows + APART,
    }
}

fn compute_item(product: &Product, isa: Isa, item: &mut Item) {
    let grid = &product.phased.grid;
    let x = Source {
        values: product.x,
        channels: product.channels,
        size: product.geometry.input,
        step: product.phased.source_step,
    };
    if item.samples.is_empty() {
        item.sums.fill(0.0);
    }
    let (rows, first) = (tiles(item.rows), item.samples.start);
    for strip in Strip::cut(item.samples.clone(), grid, STRIP_TILES) {
        let (plane, lens) = (grid.plane(&strip) * isa.lanes(), lens(product, isa, &strip, rows));
        let taps: [usize; PLACES] = std::array::from_fn(|i| {
            let tap = &product.phased.taps[0][i];
            tap.phase * plane + grid.offset(tap) * isa.lanes()
        });
        let starts = starts(product, &strip, isa.lanes());
        with_scratch(lens.all(), |scratch| {
            let (planes, scratch) = scratch.split_at_mut(lens.planes);
            let (inputs, gradients) = scratch.split_at_mut(PLACES * lens.inputs);
            for first in (0..line(product, isa)).step_by(isa.lanes()) {
                let channels = first.min(product.channels)..product.channels.min(first + isa.lanes());
                for (phase, to) in product.phased.source_phases.iter().zip(planes.chunks_exact_mut(plane)) {
                    pack::channels_last(&x, channels.clone(), *phase, grid, &strip, isa.lanes(), to);
                }
                let (taps, starts, planes, step) = (&taps, &starts[..], &*planes, lens.inputs);
                isa.run(Inputs { taps, starts, planes, first, line: line(product, isa), to: inputs, step });
            }
            let grad = Source { values: product.grad, channels: product.out, size: product.geometry.output, step: 1 };
            let (rows, step) = (item.rows, lens.gradients);
            isa.run(Gradients { grad: &grad, strip: &strip, rows, to: gradients, step });
            let (line, tiles, steps) = (line(product, isa), starts.len(), [lens.inputs, lens.gradients]);
            let adds = (strip.first_sample, strip.first_row) != (first, 0);
            let (rows, sums) = (item.rows, &mut *item.sums);
            isa.run(Products { rows, tiles, line, inputs, gradients, steps, sums, adds });
        });
    }
}

/// Where each tile of a strip begins in a plane of vectors.
fn starts(product: &Product, strip: &Strip, lanes: usize) -> Vec<usize> {
    let grid = &product.phased.grid;
    let lines = (0..strip.samples).flat_map(|n| (0..strip.rows).map(move |row| grid.start(n, row)));
    lines.flat_map(|start| start..start + grid.output[1]).map(|place| place * lanes).collect()
}

/// Channels of the register tile that begins with `first` of `line`.
#[inline(always)]
fn width<V: Vector>(line: usize, first: usize) -> usize {
    (line - first).min(TILE_VECTORS * V::LANES)
}

/// Rows of all tiles.
fn tiles(rows: &[Rows]) -> usize {
    rows.iter().map(|rows| rows.tile).sum()
}

/// Transforms the tiles of a vector of channels.
struct Inputs<'a> {
    taps: &'a [usize; PLACES],
    starts: &'a [usize],
    planes: &'a [f32],
    /// The first of the channels, and how many there are of all, in whole vectors.
    first: usize,
    line: usize,
    /// For each place, `step` floats apart: for each register tile's channels and each tile these channels.
    to: &'a mut [f32],
    step: usize,
}

impl Kernel for Inputs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let panel = self.first / (TILE_VECTORS * V::LANES) * TILE_VECTORS * V::LANES;
        let width = width::<V>(self.line, panel);
        let furthest = self.starts.iter().max().copied().unwrap_or(0) + self.taps.iter().max().copied().unwrap_or(0);
        let first = panel * self.starts.len() + self.first - panel;
        let last = first + self.starts.len().saturating_sub(1) * width + (PLACES - 1) * self.step;
        assert!(furthest + V::LANES <= self.planes.len() && last + V::LANES <= self.to.len());
        let mut to = self.to[first..].as_mut_ptr();
        for start in self.starts {
            // SAFETY: the assert above; `V` exists by contract.
            unsafe {
                let from = self.planes.as_ptr().add(*start);
                let read = |y: usize, x: usize| V::load(from.add(self.taps[4 * y + x]));
                of_inputs(read, |place, value: V| value.store(to.add(place * self.step)));
                to = to.wrapping_add(width);
            }
        }
    }
}

/// Transforms the gradients of the outputs.
struct Gradients<'a, 'b> {
    grad: &'a Source<'b>,
    strip: &'a Strip,
    rows: &'a [Rows],
    /// For each place, `step` floats apart: for each block of rows and each tile one float a row.
    to: &'a mut [f32],
    step: usize,
}

impl Kernel for Gradients<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        // SAFETY: by contract, and `V::Four` comes with `V`.
        unsafe { if ROWS <= V::Four::LANES { self.transform::<V::Four>() } else { self.transform::<V>() } }
    }
}

impl Gradients<'_, '_> {
    /// Rows are the first lanes of a vector. What is stored beyond them the next tile's take, or the next block's.
    ///
    /// # Safety
    /// `V` must exist on this CPU.
    #[inline(always)]
    unsafe fn transform<V: Vector>(self) {
        let Self { grad, strip, rows: blocks, to, step } = self;
        let [h, w] = grad.size;
        let (first, width) = (2 * strip.first_row, w.div_ceil(2));
        let pixels = Strip { first_row: first, rows: (2 * strip.rows).min(h - first), ..*strip };
        let all: usize = tiles(blocks);
        assert!(to.len() >= (PLACES - 1) * step + strip.samples * strip.rows * width * all + WIDEST);
        let mut to = to.as_mut_ptr();
        for rows in blocks {
            let tile = rows.tile;
            assert!(tile <= V::LANES && V::LANES <= WIDEST);
            let len = pixels.samples * pixels.rows * w * tile;
            with_scratch(len + WIDEST, |packed| {
                pack::pixels(grad, rows, &pixels, &mut packed[..len]);
                let packed = packed.as_ptr();
                for n in 0..pixels.samples {
                    for y in (0..pixels.rows).step_by(2) {
                        for x in (0..w).step_by(2) {
                            // SAFETY: pixels below the sizes are there, and a vector behind the last; the assert above bounds
                            // what is written; `V` exists by contract.
                            unsafe {
                                let pixel = |dy: usize, dx: usize| match y + dy < pixels.rows && x + dx < w {
                                    true => V::load(packed.add(((n * pixels.rows + y + dy) * w + x + dx) * tile)),
                                    false => V::splat(0.0),
                                };
                                let values = of_gradients([pixel(0, 0), pixel(0, 1), pixel(1, 0), pixel(1, 1)]);
                                for (place, value) in values.into_iter().enumerate() {
                                    value.store(to.add(place * step));
                                }
                                to = to.add(tile);
                            }
                        }
                    }
                }
            });
        }
    }
}

/// Adds up the sums of an output channel, part after part, and transforms them into its kernels' gradients.
struct Kernels<'a> {
    sums: &'a [&'a [f32]],
    row: usize,
    /// Of all rows, and of all channels.
    rows: usize,
    line: usize,
    to: &'a mut [f32],
}

impl Kernel for Kernels<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let mut taps = [[0.0; WIDEST]; 9];
        for (number, kernels) in self.to.chunks_mut(9 * V::LANES).enumerate() {
            let first = number * V::LANES;
            let panel = first / (TILE_VECTORS * V::LANES) * TILE_VECTORS * V::LANES;
            let at = panel * self.rows + self.row * width::<V>(self.line, panel) + first - panel;
            // SAFETY: all hold as many floats as the vector; `V` exists by contract.
            unsafe {
                let sum = |place: usize| {
                    let at = place * self.rows * self.line + at;
                    let parts = self.sums.iter().map(|sums| V::load(sums[at..][..V::LANES].as_ptr()));
                    parts.reduce(|a, b| a.add(b)).unwrap_or(V::splat(0.0))
                };
                let kernel = to_kernel(std::array::from_fn(sum));
                kernel.into_iter().zip(&mut taps).for_each(|(value, tap)| value.store(tap.as_mut_ptr()));
            }
            for (lane, kernel) in kernels.as_chunks_mut::<9>().0.iter_mut().enumerate() {
                *kernel = std::array::from_fn(|tap| taps[tap][lane]);
            }
        }
    }
}

/// The products of all places over the tiles of a strip.
struct Products<'a> {
    rows: &'a [Rows],
    tiles: usize,
    line: usize,
    inputs: &'a [f32],
    gradients: &'a [f32],
    /// Floats from a place to the next, of inputs and gradients.
    steps: [usize; 2],
    /// For each place, each register tile's channels and each row one float a channel: one after the other as they are added to.
    sums: &'a mut [f32],
    /// Whether to add to what is there.
    adds: bool,
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let (k, line, adds) = (self.tiles, self.line, self.adds);
        let all = tiles(self.rows);
        for place in 0..PLACES {
            for first in (0..line).step_by(TILE_VECTORS * V::LANES) {
                let width = width::<V>(line, first);
                let panel = self.inputs[place * self.steps[0] + first * k..][..k * width].as_ptr();
                let mut done = 0;
                for rows in self.rows {
                    let rows = rows.tile;
                    let weights = self.gradients[place * self.steps[1] + done * k..][..k * rows].as_ptr();
                    let to = place * all * line + first * all + done * width;
                    let to = self.sums[to..][..rows * width].as_mut_ptr();
                    let tile = Tile { k, weights, panel, to, line: width, adds };
                    // SAFETY: the slices above; `V` exists by contract.
                    unsafe {
                        match width / V::LANES {
                            1 => tile.of_rows::<V, ROWS, 1>(rows),
                            2 => tile.of_rows::<V, ROWS, 2>(rows),
                            3 => tile.of_rows::<V, ROWS, 3>(rows),
                            _ => tile.of_rows::<V, ROWS, TILE_VECTORS>(rows),
                        }
                    }
                    done += rows;
                }
            }
        }
    }
}
