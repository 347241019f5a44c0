//! `out[m][tap][c] = Σ_q grad[m][q] * x[c][q + tap]`: the product behind weight gradients.
//!
//! With the channels of `x` innermost, a register tile holds a few output channels by three
//! vectors of (tap, channels) and sums one outer product for each output pixel.
//!
//! The samples are cut into chunks whose number depends on the shapes alone; each chunk sums on
//! its own and the chunks are added in order. The result is the same on any number of threads and
//! any number of lanes.

use rayon::prelude::*;

use super::super::memory::with_scratch;
use super::super::simd::{Isa, Kernel, Vector};
use super::layout::{Geometry, Grid, Phased, positions};
use super::pack::{self, Rows, rows_of};

/// Vectors in a register tile.
const TILE_VECTORS: usize = 3;

/// Output pixels that make it worth loading and storing the sums of a tile.
const GROUP_PIXELS: usize = 256;

/// Floats of packed planes that a group may take: half a second-level cache.
const GROUP_FLOATS: usize = 128 * 1024;

/// Rows and lanes of the largest tile of any instruction set.
const WIDEST: (usize, usize) = (8, 16);

/// Independent parts to cut the work into, and floats that their sums may take together.
const PARTS: usize = 8;
const CHUNK_FLOATS: usize = 1 << 21;

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
        let group = self.group();
        let groups = self.batch.div_ceil(group).max(1);
        let chunks = self.chunks(groups);
        let chunk = groups.div_ceil(chunks) * group;
        let share = rows.len().div_ceil(PARTS.div_ceil(chunks)).max(1);

        let mut sums = vec![0.0; chunks * len];
        let mut items = Vec::new();
        let mut rest = sums.as_mut_slice();
        for number in 0..chunks {
            for rows in rows.chunks(share) {
                let len = rows.iter().map(|rows| rows.tile * line).sum();
                let (sums, tail) = rest.split_at_mut(len);
                rest = tail;
                items.push(Item {
                    samples: (number * chunk).min(self.batch)..((number + 1) * chunk).min(self.batch),
                    rows,
                    sums,
                });
            }
        }
        items.into_par_iter().for_each(|item| self.compute_item(isa, item));

        let (total, rest) = sums.split_at_mut(len);
        for part in rest.chunks_exact(len.max(1)) {
            for (total, part) in total.iter_mut().zip(part) {
                *total += part;
            }
        }
        self.unpack(isa, &rows, total)
    }

    /// The channels of `x`, rounded up to whole vectors.
    fn width(&self, isa: Isa) -> usize {
        self.channels.next_multiple_of(isa.lanes())
    }

    /// The sums of all output channels where most of them are padding.
    fn widest(&self) -> usize {
        let (tile, lanes) = WIDEST;
        let rows: usize = rows_of(self.out, tile).iter().map(|rows| rows.tile).sum();
        rows * self.phased.taps[0].len() * self.channels.next_multiple_of(lanes)
    }

    /// The sums of one output channel.
    fn line(&self, isa: Isa) -> usize {
        self.phased.taps[0].len() * self.width(isa)
    }

    /// How many samples a tile's sums stay in registers for.
    fn group(&self) -> usize {
        let grid = &self.phased.grid;
        let planes = self.channels * self.phased.source_phases.len() + self.out;
        let wanted = GROUP_PIXELS.div_ceil(grid.output[0] * grid.output[1]);
        let fitting = GROUP_FLOATS / (planes * grid.rows * grid.pitch);
        wanted.min(fitting).clamp(1, self.batch.max(1))
    }

    /// Parts of the batch that sum on their own.
    fn chunks(&self, groups: usize) -> usize {
        groups.min(PARTS).min(CHUNK_FLOATS / self.widest().max(1)).max(1)
    }

    /// Floats that computing it takes beside `x`, the gradient and the result: packed planes of a group in each thread, and the
    /// sums of every part of the batch.
    pub fn workspace(&self) -> usize {
        let (isa, group) = (Isa::detect(), self.group());
        let [h, w] = self.geometry.output;
        let x = self.phased.source_phases.len() * self.phased.grid.plane(group) * self.width(isa);
        let grad = self.out.next_multiple_of(isa.rows()) * group * h * w;
        let chunks = self.chunks(self.batch.div_ceil(group).max(1));
        rayon::current_num_threads() * (x + grad) + chunks * self.widest()
    }

    fn compute_item(&self, isa: Isa, item: Item) {
        let grid = &self.phased.grid;
        let phases = &self.phased.source_phases;
        let width = self.width(isa);
        let [h, w] = self.geometry.input;
        let [oh, ow] = self.geometry.output;
        let group = self.group();
        let plane = grid.plane(group) * width;
        let taps = self.phased.taps[0].iter();
        let offsets: Vec<usize> = taps
            .flat_map(|tap| {
                let start = tap.phase * plane + grid.offset(tap) * width;
                (start..start + width).step_by(isa.lanes())
            })
            .collect();
        let pixels = group * oh * ow;
        let tiles: usize = item.rows.iter().map(|rows| rows.tile).sum();

        let mut first = item.samples.start;
        while first < item.samples.end {
            let samples = group.min(item.samples.end - first);
            with_scratch(phases.len() * plane + tiles * pixels, |scratch| {
                let (x, grad) = scratch.split_at_mut(phases.len() * plane);
                for (phase, to) in phases.iter().zip(x.chunks_exact_mut(plane)) {
                    pack::channels_last(
                        &self.x[first * self.channels * h * w..],
                        [samples, self.channels, h, w],
                        self.phased.source_step,
                        *phase,
                        grid,
                        width,
                        to,
                    );
                }
                let (mut to, mut sums) = (&mut *grad, &mut *item.sums);
                for rows in item.rows {
                    let (grad, grad_tail) = to.split_at_mut(rows.tile * pixels);
                    let from = &self.grad[first * self.out * oh * ow..];
                    pack::pixels(from, [samples, self.out, oh, ow], rows, grad);
                    let (block, sums_tail) = sums.split_at_mut(rows.tile * self.line(isa));
                    let factors = Factors { grad, x, samples, grid, width };
                    isa.run(WeightTiles { factors, rows: rows.tile, offsets: &offsets, sums: block });
                    (to, sums) = (grad_tail, sums_tail);
                }
            });
            first += samples;
        }
    }

    /// From tile order to `[out, channels, kh, kw]`.
    fn unpack(&self, isa: Isa, rows: &[Rows], sums: &[f32]) -> Vec<f32> {
        let (lanes, line) = (isa.lanes(), self.line(isa));
        let vectors = self.width(isa) / lanes;
        // The gradient keeps this memory, so there is no more of it than values.
        let mut weights = Vec::with_capacity(self.out * self.channels * self.phased.taps[0].len());
        let mut start = 0;
        for rows in rows {
            for row in 0..rows.used {
                for c in 0..self.channels {
                    for (tap, _) in positions(self.geometry.kernel).enumerate() {
                        let vector = tap * vectors + c / lanes;
                        let place = (vector * rows.tile + row) * lanes + c % lanes;
                        weights.push(sums[start + place]);
                    }
                }
            }
            start += rows.tile * line;
        }
        weights
    }
}

/// The factors of a group of samples: `grad` holds as many floats for each pixel as the tile has
/// rows, `x` has `width` channels at each place of the grid.
#[derive(Clone, Copy)]
struct Factors<'a> {
    grad: &'a [f32],
    x: &'a [f32],
    samples: usize,
    grid: &'a Grid,
    width: usize,
}

/// Adds the outer products of a group to the sums of some rows: for each offset one vector a row.
struct WeightTiles<'a> {
    factors: Factors<'a>,
    rows: usize,
    offsets: &'a [usize],
    sums: &'a mut [f32],
}

impl Kernel for WeightTiles<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        // SAFETY: `V` exists by contract.
        unsafe {
            match self.rows {
                1 => self.vectors::<V, 1>(),
                2 => self.vectors::<V, 2>(),
                4 => self.vectors::<V, 4>(),
                _ => self.vectors::<V, ROWS>(),
            }
        }
    }
}

impl WeightTiles<'_> {
    /// # Safety
    /// `V` must exist on this CPU.
    #[inline(always)]
    unsafe fn vectors<V: Vector, const R: usize>(self) {
        let Factors { grad, x, samples, grid, width } = self.factors;
        let [oh, ow] = grid.output;
        let furthest = self.offsets.iter().max().copied().unwrap_or(0);
        let last = (grid.columns(samples) - 1) * width;
        assert!(R == self.rows && grad.len() >= samples * oh * ow * R);
        assert!(furthest + last + V::LANES <= x.len());
        assert!(self.sums.len() >= self.offsets.len() * R * V::LANES);
        let sums = self.sums.chunks_mut(TILE_VECTORS * R * V::LANES);
        for (offsets, sums) in self.offsets.chunks(TILE_VECTORS).zip(sums) {
            // SAFETY: the asserts above bound all reads and writes.
            unsafe {
                match *offsets {
                    [a, b, c] => tile::<V, R, 3>(self.factors, [a, b, c], sums),
                    [a, b] => tile::<V, R, 2>(self.factors, [a, b], sums),
                    [a] => tile::<V, R, 1>(self.factors, [a], sums),
                    _ => {}
                }
            }
        }
    }
}

/// `R` rows by `C` vectors of sums, over all pixels.
///
/// # Safety
/// `V` must exist on this CPU; a vector must be readable at each offset from each pixel's place,
/// and `sums` must hold `R * C` vectors.
#[allow(clippy::needless_range_loop)] // Indices show the tile; they all unroll.
#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const C: usize>(factors: Factors, offsets: [usize; C], sums: &mut [f32]) {
    let Factors { grad, x, samples, grid, width } = factors;
    let [oh, ow] = grid.output;
    let mut grad = grad.as_ptr();
    let sums = sums.as_mut_ptr();
    // SAFETY: by contract.
    unsafe {
        let mut total = [[V::splat(0.0); C]; R];
        for r in 0..R {
            for c in 0..C {
                total[r][c] = V::load(sums.add((c * R + r) * V::LANES));
            }
        }
        for n in 0..samples {
            for y in 0..oh {
                let mut from = x.as_ptr().add(grid.start(n, y) * width);
                for _ in 0..ow {
                    let mut columns = [V::splat(0.0); C];
                    for c in 0..C {
                        columns[c] = V::load(from.add(offsets[c]));
                    }
                    for r in 0..R {
                        let grad = V::splat(*grad.add(r));
                        for c in 0..C {
                            total[r][c] = grad.mul_add(columns[c], total[r][c]);
                        }
                    }
                    grad = grad.add(R);
                    from = from.add(width);
                }
            }
        }
        for r in 0..R {
            for c in 0..C {
                total[r][c].store(sums.add((c * R + r) * V::LANES));
            }
        }
    }
}
