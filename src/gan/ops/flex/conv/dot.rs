//! `out[m][k] = Σ_q grad[m][q] * x[offset[k] + q]`: the product behind weight gradients.
//!
//! Both factors lie on the convolution's grid, the gradient with zeros on the padding, so a
//! weight's gradient is a dot product of two runs of memory. A register tile holds a few weights
//! by a few taps, each lane summing its own columns.
//!
//! The samples are cut into chunks whose number depends on the shapes alone; each chunk sums on
//! its own and the chunks are added in order. The result is the same on any number of threads.

use rayon::prelude::*;

use super::super::memory::with_scratch;
use super::super::simd::{Isa, Kernel, Vector};
use super::layout::{Geometry, Phased};
use super::pack;

/// Zeros past the last plane that a tile's last columns may read.
const SLACK: usize = 64;

/// Columns of one dot product: long enough to be worth summing the lanes at its end.
const GROUP_COLUMNS: usize = 1024;

/// Floats of packed planes that a group may take: half a second-level cache.
const GROUP_FLOATS: usize = 128 * 1024;

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

/// One part of the work: some samples, some output channels.
struct Item<'a> {
    samples: std::ops::Range<usize>,
    outputs: std::ops::Range<usize>,
    sums: &'a mut [f32],
}

impl Product<'_> {
    pub fn compute(&self) -> Vec<f32> {
        self.compute_on(Isa::detect())
    }

    fn compute_on(&self, isa: Isa) -> Vec<f32> {
        let taps = self.geometry.kernel[0] * self.geometry.kernel[1];
        let line = self.channels * taps;
        let len = self.out * line;
        let groups = self.batch.div_ceil(self.group()).max(1);
        let chunks = groups.min(PARTS).min(CHUNK_FLOATS / len.max(1)).max(1);
        let chunk = groups.div_ceil(chunks) * self.group();
        let share = self.out.div_ceil(PARTS.div_ceil(chunks)).next_multiple_of(4);

        let mut sums = vec![0.0; chunks * len];
        let mut items = Vec::new();
        for (number, sums) in sums.chunks_exact_mut(len.max(1)).enumerate() {
            let samples = (number * chunk).min(self.batch)..((number + 1) * chunk).min(self.batch);
            for (part, sums) in sums.chunks_mut(share * line).enumerate() {
                let first = part * share;
                items.push(Item { samples: samples.clone(), outputs: first..first + sums.len() / line, sums });
            }
        }
        items.into_par_iter().for_each(|item| self.compute_item(isa, item));

        let (total, rest) = sums.split_at_mut(len);
        for part in rest.chunks_exact(len.max(1)) {
            for (total, part) in total.iter_mut().zip(part) {
                *total += part;
            }
        }
        sums.truncate(len);
        sums
    }

    /// How many samples share a dot product.
    fn group(&self) -> usize {
        let grid = &self.phased.grid;
        let planes = self.channels * self.phased.source_phases.len() + self.out;
        let wanted = GROUP_COLUMNS.div_ceil(grid.rows * grid.pitch);
        let fitting = GROUP_FLOATS / (planes * grid.rows * grid.pitch);
        wanted.min(fitting).clamp(1, self.batch.max(1))
    }

    fn compute_item(&self, isa: Isa, item: Item) {
        let group = self.group();
        let grid = &self.phased.grid;
        let taps = &self.phased.taps[0];
        let phases = &self.phased.source_phases;
        let [h, w] = self.geometry.input;
        let [oh, ow] = self.geometry.output;
        let mut first = item.samples.start;
        while first < item.samples.end {
            let samples = group.min(item.samples.end - first);
            let plane = grid.plane(samples);
            let columns = grid.columns(samples);
            let line = columns + SLACK;
            let x_len = self.channels * phases.len() * plane + SLACK;
            with_scratch(x_len + item.outputs.len() * line, |scratch| {
                let (x, grad) = scratch.split_at_mut(x_len);
                let (planes, slack) = x.split_at_mut(self.channels * phases.len() * plane);
                for (number, to) in planes.chunks_exact_mut(plane).enumerate() {
                    pack::plane(
                        &self.x[(first * self.channels + number / phases.len()) * h * w..],
                        self.channels * h * w,
                        samples,
                        [h, w],
                        self.phased.source_step,
                        phases[number % phases.len()],
                        grid,
                        to,
                    );
                }
                slack.fill(0.0);
                for (output, to) in item.outputs.clone().zip(grad.chunks_exact_mut(line)) {
                    let from = &self.grad[(first * self.out + output) * oh * ow..];
                    pack::columns(from, self.out * oh * ow, samples, grid, to);
                }
                let offsets: Vec<usize> = (0..self.channels)
                    .flat_map(|c| taps.iter().map(move |tap| (c, tap)))
                    .map(|(c, tap)| (c * phases.len() + tap.phase) * plane + grid.offset(tap))
                    .collect();
                isa.run(Tiles { grad, line, x, offsets: &offsets, columns, sums: &mut *item.sums });
            });
            first += samples;
        }
    }
}

/// Adds one group's dot products to the sums.
struct Tiles<'a> {
    grad: &'a [f32],
    line: usize,
    x: &'a [f32],
    offsets: &'a [usize],
    columns: usize,
    sums: &'a mut [f32],
}

impl Kernel for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize, const DM: usize, const DK: usize>(self) {
        let taps = self.offsets.len();
        let furthest = self.offsets.iter().max().copied().unwrap_or(0);
        let outputs = self.sums.len() / taps.max(1);
        assert!(self.grad.len() >= outputs * self.line);
        assert!(self.columns + V::LANES <= self.line + 1);
        assert!(furthest + self.columns + V::LANES <= self.x.len() + 1);
        let (grad, x) = (self.grad.as_ptr(), self.x.as_ptr());
        // A few rows of the gradient stay in the first-level cache while all of `x` passes by once.
        for m in (0..outputs).step_by(DM) {
            // The last tile repeats its last row and its last tap, and drops the copies.
            let rows: [usize; DM] = std::array::from_fn(|i| (m + i).min(outputs - 1) * self.line);
            for k in (0..taps).step_by(DK) {
                let reads: [usize; DK] = std::array::from_fn(|i| self.offsets[(k + i).min(taps - 1)]);
                // SAFETY: `V` exists by contract; the asserts above bound the reads.
                let tile = unsafe { tile::<V, DM, DK>(grad, rows, x, reads, self.columns) };
                for (i, line) in tile.iter().enumerate().take(outputs - m) {
                    let sums = &mut self.sums[(m + i) * taps + k..(m + i + 1) * taps];
                    for (sum, value) in sums.iter_mut().zip(line) {
                        *sum += value;
                    }
                }
            }
        }
    }
}

/// `DM` by `DK` dot products of `columns` terms, rounded up to whole vectors.
///
/// # Safety
/// `V` must exist on this CPU; the rounded columns must be readable from each row and each read.
#[inline(always)]
unsafe fn tile<V: Vector, const DM: usize, const DK: usize>(
    grad: *const f32,
    rows: [usize; DM],
    x: *const f32,
    reads: [usize; DK],
    columns: usize,
) -> [[f32; DK]; DM] {
    // SAFETY: by contract.
    unsafe {
        let mut sums = [[V::splat(0.0); DK]; DM];
        let mut q = 0;
        while q < columns {
            let mut left = [V::splat(0.0); DM];
            for m in 0..DM {
                left[m] = V::load(grad.add(rows[m] + q));
            }
            for k in 0..DK {
                let right = V::load(x.add(reads[k] + q));
                for m in 0..DM {
                    sums[m][k] = left[m].mul_add(right, sums[m][k]);
                }
            }
            q += V::LANES;
        }
        let mut total = [[0.0; DK]; DM];
        for m in 0..DM {
            for k in 0..DK {
                total[m][k] = sums[m][k].sum();
            }
        }
        total
    }
}
