//! `out[m][q] = Σ_k weight[k][m] * source[offset[k] + q]`: outputs and input gradients.
//!
//! This file holds what is to be computed and how the work is cut; [`gather`] and [`blocked`] compute a part of it. Each output
//! has one order of summation, channel by channel and within one tap by tap, whoever computes it.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::super::memory::{Output, Writer, with_scratch};
use super::super::simd::{Isa, TILE_VECTORS};
use super::layout::{Phased, Strip};
use super::pack::{self, Rows, Source, Weight, WeightOrder, rows_of};
use super::{blocked, gather};

/// Floats of packed source that a strip may take where all of it is packed: half a second-level cache.
const SOURCE_FLOATS: usize = 128 * 1024;

/// Pixels of a strip: enough to be worth its overhead.
const STRIP_PIXELS: usize = 1024;

/// Floats of partial sums that a strip may take.
const RESULT_FLOATS: usize = 128 * 1024;

/// Weights of an output from which on a register tile's are too many for a first-level cache, and what fetching them costs.
const DEEP: usize = 1024;
const DEEP_COST: f64 = 0.1;

/// Copying columns into panels costs a product of so many outputs as much as the product itself.
const PANEL_OUTPUTS: f64 = 6.0;

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

/// An order of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// [`gather`].
    Gather,
    /// [`blocked`].
    Blocked,
}

/// Some rows of the weight, packed.
pub struct Block {
    pub rows: Rows,
    /// Where each output phase's weights start.
    pub starts: Vec<usize>,
}

/// The part of a product that one thread computes at a time.
pub struct Item<'a> {
    pub strip: Strip,
    pub blocks: &'a [Block],
    pub weights: &'a [f32],
}

/// Results of a product: a line of columns for each row of the weight, and that for each output phase.
#[derive(Clone, Copy)]
pub struct Lines<'a> {
    pub values: &'a [f32],
    /// Floats from a line to the next, and from a phase to the next.
    pub line: usize,
    pub phase: usize,
}

impl Product<'_> {
    pub fn compute(&self) -> Vec<f32> {
        self.compute_by(self.way(), Isa::detect())
    }

    /// The faster way. Results are the same.
    ///
    /// `gather` multiplies the padding between rows as well, `blocked` copies every column out first.
    pub fn way(&self) -> Way {
        let grid = &self.phased.grid;
        let pixels = grid.output[0] * grid.output[1];
        let padding = (grid.rows * grid.pitch) as f64 / pixels as f64 - 1.0;
        let taps = self.kernel[0] * self.kernel[1];
        let misses = if self.source_channels * taps >= DEEP { DEEP_COST } else { 0.0 };
        let pays = taps > 1 && (padding + misses) * self.channels as f64 > PANEL_OUTPUTS;
        if pays { Way::Blocked } else { Way::Gather }
    }

    /// The same in a given way, with a given instruction set.
    pub fn compute_by(&self, way: Way, isa: Isa) -> Vec<f32> {
        let output = Output::new(self.batch * self.channels * self.size[0] * self.size[1]);
        let (blocks, len) = self.blocks(isa.rows());
        with_scratch(len, |weights| {
            self.pack_weights(&blocks, weights);
            let items = self.items(way, isa, &blocks, weights);
            // SAFETY: the items cover every strip and every block once, an item writes its strip's rows of its channels' planes,
            // and the phases of a plane cover it.
            let fill = |writer: Writer| {
                items.par_iter().for_each(|item| match way {
                    Way::Gather => gather::compute(self, isa, item, writer),
                    Way::Blocked => blocked::compute(self, isa, item, writer),
                });
            };
            unsafe { output.filled_by(fill) }
        })
    }

    /// Floats that computing it takes beside its source, its weight and its result.
    pub fn workspace(&self) -> usize {
        let (isa, way) = (Isa::detect(), self.way());
        let (blocks, weights) = self.blocks(isa.rows());
        let scratch = |item: &Item| match way {
            Way::Gather => gather::scratch(self, isa, &item.strip).iter().sum::<usize>(),
            Way::Blocked => blocked::scratch(self, isa, item).iter().sum(),
        };
        let items = self.items(way, isa, &blocks, &[]);
        rayon::current_num_threads() * items.iter().map(scratch).max().unwrap_or_default() + weights
    }

    /// Splits the work into strips, and by output channels where those are too few or partial sums too many.
    fn items<'a>(&self, way: Way, isa: Isa, blocks: &'a [Block], weights: &'a [f32]) -> Vec<Item<'a>> {
        let threads = rayon::current_num_threads();
        let phases = self.phased.taps.len();
        let pixels = match way {
            Way::Gather => {
                (SOURCE_FLOATS / (self.source_channels * self.phased.source_phases.len()).max(1)).min(STRIP_PIXELS)
            }
            Way::Blocked => blocked::STRIP_PIXELS,
        };
        let tile = TILE_VECTORS * isa.lanes();
        let even = self.batch * self.phased.grid.output[0] * self.phased.grid.output[1] / threads;
        let strips = Strip::cut(0..self.batch, &self.phased.grid, pixels.min(even.max(tile)).max(1));
        let split = match strips.len() {
            count if count >= 4 * threads || count.is_multiple_of(threads) => 1,
            count => (2 * threads).div_ceil(count.max(1)),
        };
        let most = match way {
            Way::Gather => blocks.len(),
            Way::Blocked => RESULT_FLOATS / (pixels.max(tile) * phases * isa.rows()),
        };
        let share = blocks.len().div_ceil(split).min(most).max(1);
        let parts = strips.into_iter().flat_map(|strip| blocks.chunks(share).map(move |blocks| (strip, blocks)));
        parts.map(|(strip, blocks)| Item { strip, blocks, weights }).collect()
    }

    /// Blocks as tall as the tile, the last ones as tall as needed, and the floats of their weights.
    fn blocks(&self, tile: usize) -> (Vec<Block>, usize) {
        let mut len = 0;
        let mut place = |rows: usize, taps: usize| {
            let start = len;
            len += rows * self.source_channels * taps;
            start
        };
        let block = |rows: Rows| {
            let starts = self.phased.taps.iter().map(|taps| place(rows.tile, taps.len())).collect();
            Block { rows, starts }
        };
        (rows_of(self.channels, tile).into_iter().map(block).collect(), len)
    }

    /// The weights in tile order.
    fn pack_weights(&self, blocks: &[Block], packed: &mut [f32]) {
        let weight = Weight {
            values: self.weight,
            order: self.order,
            kernel: self.kernel,
            outputs: self.channels,
            sources: self.source_channels,
        };
        let few = packed.len() < 1 << 16;
        let mut parts = Vec::new();
        let mut rest = packed;
        for block in blocks {
            for taps in &self.phased.taps {
                let (part, tail) = rest.split_at_mut(block.rows.tile * self.source_channels * taps.len());
                parts.push((block, taps, part));
                rest = tail;
            }
        }
        let pack = |(block, taps, part): (&Block, &Vec<_>, &mut [f32])| {
            pack::weights(&weight, &block.rows, taps, part);
        };
        if few {
            parts.into_iter().for_each(pack);
        } else {
            parts.into_par_iter().for_each(pack);
        }
    }

    /// Copies the planes of some channels for a strip onto the grid, and zeros behind them.
    pub fn pack_source(&self, strip: &Strip, channels: Range<usize>, to: &mut [f32]) {
        let phases = &self.phased.source_phases;
        let grid = &self.phased.grid;
        let plane = grid.plane(strip);
        let source = Source {
            values: self.source,
            channels: self.source_channels,
            size: self.source_size,
            step: self.phased.source_step,
        };
        let (planes, slack) = to.split_at_mut(channels.len() * phases.len() * plane);
        for (number, to) in planes.chunks_exact_mut(plane).enumerate() {
            let channel = channels.start + number / phases.len();
            pack::plane(&source, channel, phases[number % phases.len()], grid, strip, to);
        }
        slack.fill(0.0);
    }

    /// Copies the results of some rows to the output planes, interleaving the phases. In a line of results a sample begins
    /// `steps[0]` columns after the one before, and a row `steps[1]`.
    pub fn write(&self, strip: &Strip, rows: &Rows, results: Lines, steps: [usize; 2], writer: Writer) {
        let [h, w] = self.size;
        let step = self.phased.output_step;
        let lines = (strip.first_row * step).min(h)..((strip.first_row + strip.rows) * step).min(h);
        for n in 0..strip.samples {
            for row in 0..rows.used {
                let channel = (strip.first_sample + n) * self.channels + rows.first + row;
                // SAFETY: these lines of this plane belong to this strip and these rows alone.
                let plane = unsafe { writer.uninit((channel * h + lines.start) * w, lines.len() * w) };
                for (y, to) in lines.clone().zip(plane.chunks_exact_mut(w)) {
                    let start = row * results.line + n * steps[0] + (y / step - strip.first_row) * steps[1];
                    let phases = y % step * step;
                    let from = |x: usize| &results.values[(phases + x) * results.phase + start..];
                    match step {
                        1 => _ = to.write_copy_of_slice(&from(0)[..w]),
                        2 => interleave(to, from(0), from(1)),
                        _ => {
                            for (x, to) in to.iter_mut().enumerate() {
                                to.write(from(x % step)[x / step]);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `to = [even[0], odd[0], even[1], …]`.
fn interleave(to: &mut [MaybeUninit<f32>], even: &[f32], odd: &[f32]) {
    let half = to.len() / 2;
    let (pairs, last) = to.as_chunks_mut::<2>();
    for ((pair, even), odd) in pairs.iter_mut().zip(&even[..half]).zip(&odd[..half]) {
        *pair = [MaybeUninit::new(*even), MaybeUninit::new(*odd)];
    }
    if let [last] = last {
        last.write(even[half]);
    }
}
