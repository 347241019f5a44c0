//! `out[m][tap][c] = Σ_q grad[m][q] * x[c][q + tap]`: the product behind weight gradients.
//!
//! With a vector of channels of `x` innermost, a register tile holds a few output channels by four vectors of (channels, tap)
//! and sums one outer product for each output pixel. Its vectors are mostly neighbouring taps of one plane, which overlap in
//! the cache.
//!
//! The samples are cut into chunks whose number depends on the shapes alone; each chunk sums on
//! its own and the chunks are added in order. The result is the same on any number of threads and
//! any number of lanes.

use rayon::prelude::*;

use super::super::memory::with_scratch;
use super::super::simd::{Isa, Kernel, TILE_VECTORS, Vector};
use super::layout::{Geometry, Phased, Strip, Tap};
use super::pack::{self, Rows, Source, rows_of};
use super::tile::Sums;

/// Output pixels of a strip: enough to be worth loading and storing the sums of a tile, not more than the first cache holds of it.
const STRIP_PIXELS: usize = 512;

/// Pixels of a run that a tile takes at a time, where rows are a multiple of it.
const RUN: usize = 4;

/// Rows and lanes of the largest tile of any instruction set.
const WIDEST: (usize, usize) = (6, 16);

/// Independent parts to cut the work into, and floats that their sums may take together.
pub const PARTS: usize = 8;
pub const CHUNK_FLOATS: usize = 1 << 21;

/// A weight gradient to compute.
pub struct Product<'a> {
    pub batch: usize,
    pub x: &'a [f32],
    pub channels: usize,
    pub grad: &'a [f32],
    pub out: usize,
    pub geometry: &'a Geometry,
    pub phased: &'a Phased,
}

/// One part of the work: some samples, some rows, and where their sums go.
struct Item<'a> {
    samples: std::ops::Range<usize>,
    rows: &'a [Rows],
    sums: &'a mut [f32],
}

impl Product<'_> {
    pub fn compute(&self) -> Vec<f32> {
        self.compute_on(Isa::detect())
    }

    /// The same with a given instruction set.
    pub fn compute_on(&self, isa: Isa) -> Vec<f32> {
        let rows = rows_of(self.out, isa.rows());
        let line = self.line(isa);
        let len = rows.iter().map(|rows| rows.tile * line).sum::<usize>();
        let chunks = self.chunks();
        let chunk = self.batch.div_ceil(self.group()).div_ceil(chunks) * self.group();
        let parts = PARTS.min(2 * rayon::current_num_threads());
        let share = rows.len().div_ceil(parts.div_ceil(chunks)).max(1);
        with_scratch(chunks * len, |sums| {
            let mut items = Vec::new();
            let mut rest = &mut *sums;
            for number in 0..chunks {
                let samples = (number * chunk).min(self.batch)..((number + 1) * chunk).min(self.batch);
                for rows in rows.chunks(share) {
                    let len = rows.iter().map(|rows| rows.tile * line).sum();
                    let (sums, tail) = rest.split_at_mut(len);
                    rest = tail;
                    items.push(Item { samples: samples.clone(), rows, sums });
                }
            }
            items.into_par_iter().for_each(|item| self.compute_item(isa, item));
            self.total(isa, &rows, sums)
        })
    }

    /// The channels of `x`, in whole vectors.
    fn vectors(&self, isa: Isa) -> usize {
        self.channels.div_ceil(isa.lanes())
    }

    /// The sums of all output channels where most of them are padding.
    fn widest(&self) -> usize {
        let (tile, lanes) = WIDEST;
        let rows: usize = rows_of(self.out, tile).iter().map(|rows| rows.tile).sum();
        rows * self.taps() * self.channels.next_multiple_of(lanes)
    }

    fn taps(&self) -> usize {
        self.phased.taps[0].len()
    }

    /// The sums of one output channel.
    fn line(&self, isa: Isa) -> usize {
        self.taps() * self.vectors(isa) * isa.lanes()
    }

    /// Samples that are worth summing on their own.
    fn group(&self) -> usize {
        let [rows, columns] = self.phased.grid.output;
        STRIP_PIXELS.div_ceil(rows * columns).clamp(1, self.batch.max(1))
    }

    /// Parts of the batch that sum on their own.
    fn chunks(&self) -> usize {
        let groups = self.batch.div_ceil(self.group());
        groups.min(PARTS).min(CHUNK_FLOATS / self.widest().max(1)).max(1)
    }

    /// Floats that a thread takes for a strip: the planes of `x`, and those of the gradient of so many rows of tiles.
    fn scratch(&self, isa: Isa, strip: &Strip, rows: usize) -> [usize; 2] {
        let phases = self.phased.source_phases.len();
        let x = phases * self.phased.grid.plane(strip) * self.vectors(isa) * isa.lanes();
        [x, rows * strip.samples * strip.rows * self.phased.grid.output[1]]
    }

    /// Floats that computing it takes beside `x`, the gradient and the result: packed planes of a strip in each thread, and the
    /// sums of every part of the batch.
    pub fn workspace(&self) -> usize {
        let isa = Isa::detect();
        let rows = self.out.next_multiple_of(isa.rows());
        let strips = Strip::cut(0..self.batch, &self.phased.grid, STRIP_PIXELS);
        let strip = strips.iter().map(|strip| self.scratch(isa, strip, rows).iter().sum::<usize>()).max();
        let chunks = self.chunks();
        rayon::current_num_threads() * strip.unwrap_or_default() + chunks * self.widest()
    }

    fn compute_item(&self, isa: Isa, item: Item) {
        let grid = &self.phased.grid;
        let phases = &self.phased.source_phases;
        let lanes = isa.lanes();
        let x = Source {
            values: self.x,
            channels: self.channels,
            size: self.geometry.input,
            step: self.phased.source_step,
        };
        let grad = Source { values: self.grad, channels: self.out, size: self.geometry.output, step: 1 };
        let tiles: usize = item.rows.iter().map(|rows| rows.tile).sum();
        if item.samples.is_empty() {
            item.sums.fill(0.0);
        }
        let first = item.samples.start;
        for strip in Strip::cut(item.samples, grid, STRIP_PIXELS) {
            let plane = grid.plane(&strip) * lanes;
            let offset =
                |vector: usize, tap: &Tap| (vector * phases.len() + tap.phase) * plane + grid.offset(tap) * lanes;
            let taps = &self.phased.taps[0];
            let offsets: Vec<usize> =
                (0..self.vectors(isa)).flat_map(|vector| taps.iter().map(move |tap| offset(vector, tap))).collect();
            let lens = self.scratch(isa, &strip, tiles);
            with_scratch(lens.iter().sum(), |scratch| {
                let (planes, pixels) = scratch.split_at_mut(lens[0]);
                for (number, to) in planes.chunks_exact_mut(plane).enumerate() {
                    let first = number / phases.len() * lanes;
                    let channels = first..self.channels.min(first + lanes);
                    pack::channels_last(&x, channels, phases[number % phases.len()], grid, &strip, lanes, to);
                }
                let mut rest = &mut *pixels;
                for rows in item.rows {
                    let (to, tail) = rest.split_at_mut(rows.tile * lens[1] / tiles);
                    pack::pixels(&grad, rows, &strip, to);
                    rest = tail;
                }
                let starts = self.starts(&strip, lanes);
                let factors = Factors { grad: pixels, x: planes, starts: &starts, run: self.run() };
                let adds = (strip.first_sample, strip.first_row) != (first, 0);
                isa.run(WeightTiles { factors, rows: item.rows, offsets: &offsets, sums: item.sums, adds });
            });
        }
    }

    /// Pixels that a tile takes at a time.
    fn run(&self) -> usize {
        if self.phased.grid.output[1].is_multiple_of(RUN) { RUN } else { 1 }
    }

    /// Where in a plane of `x` each run of a strip's pixels begins.
    fn starts(&self, strip: &Strip, lanes: usize) -> Vec<usize> {
        let grid = &self.phased.grid;
        let lines = (0..strip.samples).flat_map(|n| (0..strip.rows).map(move |row| grid.start(n, row)));
        let places = lines.flat_map(|start| (start..start + grid.output[1]).step_by(self.run()));
        places.map(|place| place * lanes).collect()
    }

    /// Adds up the parts, in their order, as `[out, channels, kh, kw]`.
    fn total(&self, isa: Isa, rows: &[Rows], sums: &[f32]) -> Vec<f32> {
        let (lanes, taps, line) = (isa.lanes(), self.taps(), self.line(isa));
        let part: usize = rows.iter().map(|rows| rows.tile * line).sum();
        let output = self.channels * taps;
        let mut weights = vec![0.0; self.out * output];
        let blocks = weights.par_chunks_mut((isa.rows() * output).max(1)).zip(rows);
        blocks.enumerate().for_each(|(number, (weights, rows))| {
            for sums in sums.chunks_exact(part.max(1)) {
                let sums = &sums[number * isa.rows() * line..][..rows.tile * line];
                for (row, weights) in weights.chunks_exact_mut(output).enumerate() {
                    let vectors = sums.chunks_exact(taps * rows.tile * lanes);
                    for (weights, sums) in weights.chunks_mut(lanes * taps).zip(vectors) {
                        for (lane, weights) in weights.chunks_exact_mut(taps).enumerate() {
                            let sums = sums[row * lanes + lane..].iter().step_by(rows.tile * lanes);
                            weights.iter_mut().zip(sums).for_each(|(weight, sum)| *weight += sum);
                        }
                    }
                }
            }
        });
        weights
    }
}

/// The factors of a strip: `grad` holds as many floats for each pixel as the tile has rows, one tile after the other; `x` a
/// vector of channels at each place of the grid.
#[derive(Clone, Copy)]
struct Factors<'a> {
    grad: &'a [f32],
    x: &'a [f32],
    /// Where `x` has each run of pixels, for an offset of zero, and how many pixels that are.
    starts: &'a [usize],
    run: usize,
}

/// The outer products of a strip, added to the sums of some rows: for each offset one vector a row.
struct WeightTiles<'a> {
    factors: Factors<'a>,
    rows: &'a [Rows],
    offsets: &'a [usize],
    sums: &'a mut [f32],
    /// Whether to add to what is there.
    adds: bool,
}

impl Kernel for WeightTiles<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        // SAFETY: `V` exists by contract.
        unsafe {
            match self.factors.run {
                RUN => self.tiles::<V, ROWS, RUN>(),
                _ => self.tiles::<V, ROWS, 1>(),
            }
        }
    }
}

impl WeightTiles<'_> {
    /// # Safety
    /// `V` must exist on this CPU.
    #[inline(always)]
    unsafe fn tiles<V: Vector, const ROWS: usize, const RUN: usize>(self) {
        let Factors { grad, x, starts, run } = self.factors;
        let furthest = self.offsets.iter().max().copied().unwrap_or(0);
        let last = starts.iter().max().copied().unwrap_or(0) + (RUN - 1) * V::LANES;
        let rows: usize = self.rows.iter().map(|rows| rows.tile).sum();
        assert!(run == RUN && grad.len() >= starts.len() * RUN * rows);
        assert!(furthest + last + V::LANES <= x.len());
        assert!(self.sums.len() >= self.offsets.len() * rows * V::LANES);
        for (number, offsets) in self.offsets.chunks(TILE_VECTORS).enumerate() {
            let mut done = 0;
            for rows in self.rows {
                let grad = grad[done * starts.len() * RUN..].as_ptr();
                let place = (done * self.offsets.len() + number * TILE_VECTORS * rows.tile) * V::LANES;
                let tile = Tile { grad, x: x.as_ptr(), starts, sums: self.sums[place..].as_mut_ptr(), adds: self.adds };
                // SAFETY: the asserts above bound all reads and writes.
                unsafe {
                    match rows.tile {
                        1 => tile.of_offsets::<V, 1, RUN>(offsets),
                        2 => tile.of_offsets::<V, 2, RUN>(offsets),
                        4 => tile.of_offsets::<V, 4, RUN>(offsets),
                        _ => tile.of_offsets::<V, ROWS, RUN>(offsets),
                    }
                }
                done += rows.tile;
            }
        }
    }
}

/// A register tile of sums, over all pixels of a strip.
struct Tile<'a> {
    grad: *const f32,
    x: *const f32,
    starts: &'a [usize],
    sums: *mut f32,
    adds: bool,
}

impl Tile<'_> {
    /// # Safety
    /// As [`Self::compute`].
    #[inline(always)]
    unsafe fn of_offsets<V: Vector, const R: usize, const RUN: usize>(&self, offsets: &[usize]) {
        // SAFETY: by contract.
        unsafe {
            match *offsets {
                [a, b, c, d] => self.compute::<V, R, 4, RUN>([a, b, c, d]),
                [a, b, c] => self.compute::<V, R, 3, RUN>([a, b, c]),
                [a, b] => self.compute::<V, R, 2, RUN>([a, b]),
                [a] => self.compute::<V, R, 1, RUN>([a]),
                _ => {}
            }
        }
    }

    /// `R` rows by `C` vectors.
    ///
    /// # Safety
    /// `V` must exist on this CPU; `RUN` vectors must be readable at each offset from each start, `R` floats for each pixel at
    /// `grad`, and `sums` must hold `R * C` vectors.
    #[inline(always)]
    unsafe fn compute<V: Vector, const R: usize, const C: usize, const RUN: usize>(&self, offsets: [usize; C]) {
        let mut grad = self.grad;
        let place = |r: usize, c: usize| self.sums.wrapping_add((c * R + r) * V::LANES);
        // SAFETY: by contract.
        unsafe {
            let mut sums = if self.adds { Sums::<V, R, C>::load(|r, c| place(r, c)) } else { Sums::zero() };
            for start in self.starts {
                let from = self.x.add(*start);
                for pixel in 0..RUN {
                    sums.add(grad, |c| from.add(offsets[c] + pixel * V::LANES));
                    grad = grad.add(R);
                }
            }
            sums.store(place);
        }
    }
}
