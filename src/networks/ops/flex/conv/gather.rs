//! `out[m][q] = Σ_k weight[k][m] * source[offset[k] + q]`: the product behind outputs and input
//! gradients.
//!
//! A register tile holds a few output channels by three vectors of columns and walks all of `k`
//! once, so partial sums never touch memory and each output has one order of summation.

use rayon::prelude::*;

use super::super::memory::{Output, Writer, with_scratch};
use super::super::simd::{Isa, Kernel, Vector};
use super::layout::Phased;
use super::pack::{self, Rows, Weight, WeightOrder, rows_of};

/// Vectors of columns in a register tile.
const TILE_VECTORS: usize = 3;

/// Floats past the last plane that a tile's last columns may read and write.
const SLACK: usize = 64;

/// Columns that make a product worth its overhead: samples are grouped up to this.
const GROUP_COLUMNS: usize = 768;

/// Floats of packed source that a group may take: half a second-level cache.
const GROUP_FLOATS: usize = 128 * 1024;

/// A convolution to compute.
pub struct Product<'a> {
    pub batch: usize,
    pub source: &'a [f32],
    pub source_channels: usize,
    pub source_size: [usize; 2],
    pub weight: &'a [f32],
    pub order: WeightOrder,
    pub kernel: [usize; 2],
    /// Output channels and size of an output plane.
    pub channels: usize,
    pub size: [usize; 2],
    pub phased: &'a Phased,
}

/// Some rows of the weight, packed.
struct Block {
    rows: Rows,
    /// Where each output phase's weights start.
    starts: Vec<usize>,
}

/// The part of a product that one thread computes at a time.
struct Item {
    first_sample: usize,
    samples: usize,
    blocks: std::ops::Range<usize>,
}

impl Product<'_> {
    pub fn compute(&self) -> Vec<f32> {
        self.compute_on(Isa::detect())
    }

    /// The same with a given instruction set.
    pub fn compute_on(&self, isa: Isa) -> Vec<f32> {
        let output = Output::new(self.batch * self.channels * self.size[0] * self.size[1]);
        let (blocks, weights) = self.pack_weights(isa.rows());
        let offsets = self.offsets();
        let items = self.items(blocks.len());
        // SAFETY: the items cover every sample and every block once, an item writes the planes
        // of its samples and channels, and the phases of a plane cover it.
        let fill = |writer: Writer| {
            items.par_iter().for_each(|item| {
                let blocks = &blocks[item.blocks.clone()];
                self.compute_item(isa, item, blocks, &weights, &offsets, writer);
            });
        };
        unsafe { output.filled_by(fill) }
    }

    /// How many samples share a product: enough columns to be worth it, not more than the cache
    /// holds, and evenly.
    fn group(&self) -> usize {
        let grid = &self.phased.grid;
        let planes = self.source_channels * self.phased.source_phases.len();
        let wanted = GROUP_COLUMNS.div_ceil(grid.rows * grid.pitch);
        let fitting = GROUP_FLOATS / (planes * grid.rows * grid.pitch);
        let group = wanted.min(fitting).clamp(1, self.batch.max(1));
        self.batch.div_ceil(self.batch.div_ceil(group).max(1)).max(1)
    }

    /// Floats that a thread takes for so many samples at a time: packed planes, and a block of results.
    fn scratch(&self, isa: Isa, samples: usize) -> [usize; 2] {
        let grid = &self.phased.grid;
        let planes = self.source_channels * self.phased.source_phases.len();
        let line = grid.columns(samples) + SLACK;
        [planes * grid.plane(samples) + SLACK, self.phased.taps.len() * isa.rows() * line]
    }

    /// Floats that computing it takes beside its source, its weight and its result.
    pub fn workspace(&self) -> usize {
        let isa = Isa::detect();
        let samples = self.items(1).iter().map(|item| item.samples).max().unwrap_or_default();
        let weights =
            self.channels.next_multiple_of(isa.rows()) * self.source_channels * self.kernel[0] * self.kernel[1];
        rayon::current_num_threads() * self.scratch(isa, samples.max(1)).iter().sum::<usize>() + weights
    }

    /// Splits the work by samples, and by output channels where samples are too few.
    fn items(&self, blocks: usize) -> Vec<Item> {
        let threads = rayon::current_num_threads();
        let mut group = self.group();
        if self.batch.div_ceil(group) < threads && self.batch >= threads {
            group = self.batch.div_ceil(threads);
        }
        let groups = self.batch.div_ceil(group);
        let even = groups >= 4 * threads || groups.is_multiple_of(threads);
        let split = if even { 1 } else { (2 * threads).div_ceil(groups.max(1)) };
        let share = blocks.div_ceil(split).max(1);
        let mut items = Vec::new();
        for first_sample in (0..self.batch).step_by(group) {
            for first in (0..blocks).step_by(share) {
                items.push(Item {
                    first_sample,
                    samples: group.min(self.batch - first_sample),
                    blocks: first..blocks.min(first + share),
                });
            }
        }
        items
    }

    /// The weights in tile order. Blocks are as tall as the tile, the last ones as tall as needed.
    fn pack_weights(&self, tile: usize) -> (Vec<Block>, Vec<f32>) {
        let mut len = 0;
        let mut place = |rows: usize, taps: usize| {
            let start = len;
            len += rows * self.source_channels * taps;
            start
        };
        let blocks: Vec<Block> = rows_of(self.channels, tile)
            .into_iter()
            .map(|rows| {
                let taps = self.phased.taps.iter();
                let starts = taps.map(|taps| place(rows.tile, taps.len())).collect();
                Block { rows, starts }
            })
            .collect();
        let weight = Weight {
            values: self.weight,
            order: self.order,
            kernel: self.kernel,
            outputs: self.channels,
            sources: self.source_channels,
        };
        let mut packed = vec![0.0; len];
        let mut parts = Vec::new();
        let mut rest = packed.as_mut_slice();
        for block in &blocks {
            for taps in &self.phased.taps {
                let len = block.rows.tile * self.source_channels * taps.len();
                let (part, tail) = rest.split_at_mut(len);
                parts.push((block, taps, part));
                rest = tail;
            }
        }
        let pack = |(block, taps, part): (&Block, &Vec<_>, &mut [f32])| {
            pack::weights(&weight, &block.rows, taps, part);
        };
        if len < 1 << 16 {
            parts.into_iter().for_each(pack);
        } else {
            parts.into_par_iter().for_each(pack);
        }
        (blocks, packed)
    }

    /// For each output phase, where `k` reads, relative to a plane of a single sample: the plane
    /// number and the offset within.
    fn offsets(&self) -> Vec<Vec<(usize, usize)>> {
        let phases = self.phased.source_phases.len();
        let grid = &self.phased.grid;
        let taps = |taps: &Vec<super::layout::Tap>| {
            (0..self.source_channels)
                .flat_map(|c| taps.iter().map(move |t| (c * phases + t.phase, grid.offset(t))))
                .collect()
        };
        self.phased.taps.iter().map(taps).collect()
    }

    fn compute_item(
        &self,
        isa: Isa,
        item: &Item,
        blocks: &[Block],
        weights: &[f32],
        offsets: &[Vec<(usize, usize)>],
        writer: Writer,
    ) {
        let grid = &self.phased.grid;
        let plane = grid.plane(item.samples);
        let columns = grid.columns(item.samples);
        let line = columns + SLACK;
        let [source_len, results_len] = self.scratch(isa, item.samples);
        let tile_rows = isa.rows();

        let offsets: Vec<Vec<usize>> =
            offsets.iter().map(|k| k.iter().map(|(number, within)| number * plane + within).collect()).collect();

        with_scratch(source_len + results_len, |scratch| {
            let (source, results) = scratch.split_at_mut(source_len);
            self.pack_source(item, plane, source);
            for block in blocks {
                for (phase, offsets) in offsets.iter().enumerate() {
                    isa.run(OutputTiles {
                        weights: &weights[block.starts[phase]..],
                        rows: block.rows.tile,
                        offsets,
                        source,
                        columns,
                        out: &mut results[phase * tile_rows * line..][..tile_rows * line],
                        line,
                    });
                }
                self.write(item, block, results, tile_rows * line, line, writer);
            }
        });
    }

    fn pack_source(&self, item: &Item, plane: usize, to: &mut [f32]) {
        let [h, w] = self.source_size;
        let sample = self.source_channels * h * w;
        let phases = &self.phased.source_phases;
        let (planes, slack) = to.split_at_mut(self.source_channels * phases.len() * plane);
        for (number, to) in planes.chunks_exact_mut(plane).enumerate() {
            let channel = number / phases.len();
            pack::plane(
                &self.source[item.first_sample * sample + channel * h * w..],
                sample,
                [item.samples, h, w],
                self.phased.source_step,
                phases[number % phases.len()],
                &self.phased.grid,
                to,
            );
        }
        slack.fill(0.0);
    }

    /// Copies a block's columns to the output planes, interleaving the phases.
    fn write(&self, item: &Item, block: &Block, results: &[f32], phase_len: usize, line: usize, writer: Writer) {
        let [h, w] = self.size;
        let grid = &self.phased.grid;
        let step = self.phased.output_step;
        for n in 0..item.samples {
            for row in 0..block.rows.used {
                let channel = (item.first_sample + n) * self.channels + block.rows.first + row;
                // SAFETY: this plane belongs to this item and this block alone.
                let plane = unsafe { writer.slice(channel * h * w, h * w) };
                for (y, to) in plane.chunks_exact_mut(w).enumerate() {
                    let start = row * line + grid.start(n, y / step);
                    let phases = y % step * step;
                    let from = |x: usize| &results[(phases + x) * phase_len + start..];
                    match step {
                        1 => to.copy_from_slice(&from(0)[..w]),
                        2 => interleave(to, from(0), from(1)),
                        _ => {
                            for (x, to) in to.iter_mut().enumerate() {
                                *to = from(x % step)[x / step];
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `to = [even[0], odd[0], even[1], …]`.
fn interleave(to: &mut [f32], even: &[f32], odd: &[f32]) {
    let half = to.len() / 2;
    for ((pair, even), odd) in to.chunks_exact_mut(2).zip(&even[..half]).zip(&odd[..half]) {
        pair[0] = *even;
        pair[1] = *odd;
    }
    if to.len() % 2 == 1 {
        to[2 * half] = even[half];
    }
}

/// All columns of one block.
struct OutputTiles<'a> {
    weights: &'a [f32],
    rows: usize,
    offsets: &'a [usize],
    source: &'a [f32],
    columns: usize,
    out: &'a mut [f32],
    line: usize,
}

impl Kernel for OutputTiles<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        // SAFETY: `V` exists by contract; `columns` bounds the reads and writes.
        unsafe {
            match self.rows {
                1 => self.columns::<V, 1>(),
                2 => self.columns::<V, 2>(),
                4 => self.columns::<V, 4>(),
                _ => self.columns::<V, ROWS>(),
            }
        }
    }
}

impl OutputTiles<'_> {
    /// # Safety
    /// `V` must exist on this CPU.
    #[inline(always)]
    unsafe fn columns<V: Vector, const R: usize>(self) {
        let full = TILE_VECTORS * V::LANES;
        let furthest = self.offsets.iter().max().copied().unwrap_or(0);
        assert!(R == self.rows && self.weights.len() >= R * self.offsets.len());
        // A tile may run over the last column by less than one vector.
        assert!(furthest + self.columns + V::LANES <= self.source.len() + 1);
        assert!(self.columns + V::LANES <= self.line + 1 && self.out.len() >= R * self.line);
        let (weights, source) = (self.weights.as_ptr(), self.source.as_ptr());
        let out = self.out.as_mut_ptr();
        let mut q = 0;
        // SAFETY: the asserts above.
        unsafe {
            while q < self.columns {
                let (from, to) = (source.add(q), out.add(q));
                let left = self.columns - q;
                if left > 2 * V::LANES {
                    tile::<V, R, TILE_VECTORS>(weights, self.offsets, from, to, self.line);
                } else if left > V::LANES {
                    tile::<V, R, 2>(weights, self.offsets, from, to, self.line);
                } else {
                    tile::<V, R, 1>(weights, self.offsets, from, to, self.line);
                }
                q += full;
            }
        }
    }
}

/// `R` rows by `C` vectors of the result.
///
/// # Safety
/// `V` must exist on this CPU; `C` vectors must be readable at each offset from `source`, `R`
/// floats per offset at `weights`, and `C` vectors writable in each of `R` lines at `out`.
#[allow(clippy::needless_range_loop)] // Indices show the tile; they all unroll.
#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const C: usize>(
    mut weights: *const f32,
    offsets: &[usize],
    source: *const f32,
    out: *mut f32,
    line: usize,
) {
    // SAFETY: by contract.
    unsafe {
        let mut sums = [[V::splat(0.0); C]; R];
        for offset in offsets {
            let from = source.add(*offset);
            let mut columns = [V::splat(0.0); C];
            for c in 0..C {
                columns[c] = V::load(from.add(c * V::LANES));
            }
            for r in 0..R {
                let weight = V::splat(*weights.add(r));
                for c in 0..C {
                    sums[r][c] = weight.mul_add(columns[c], sums[r][c]);
                }
            }
            weights = weights.add(R);
        }
        for r in 0..R {
            for c in 0..C {
                sums[r][c].store(out.add(r * line + c * V::LANES));
            }
        }
    }
}
