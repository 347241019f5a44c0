//! `out[m][q] = Σ_k weight[k][m] * source[offset[k] + q]`: outputs and input gradients.
//!
//! This file holds what is to be computed; `ways` cuts the work and lets `gather` or `blocked` compute each part. Each output
//! has one order of summation, channel by channel and within one tap by tap, whoever computes it.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::super::memory::Writer;
use super::layout::{Phased, Strip};
use super::pack::{self, Rows, Source, Weight, WeightOrder, rows_of};

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
pub struct Block {
    pub rows: Rows,
    /// Rows of the blocks before it.
    pub before: usize,
    /// Where each output phase's weights start, if they lie block by block.
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
    /// Of each output phase: columns from a sample to the next, from a row to the next.
    pub steps: &'a [[usize; 2]],
}

impl Product<'_> {
    /// Blocks as tall as the tile, the last ones as tall as needed, and the floats of their weights.
    pub fn blocks(&self, tile: usize) -> (Vec<Block>, usize) {
        let mut len = 0;
        let mut place = |rows: usize, taps: usize| {
            let start = len;
            len += rows * self.source_channels * taps;
            start
        };
        let mut before = 0;
        let block = |rows: Rows| {
            let starts = self.phased.taps.iter().map(|taps| place(rows.tile, taps.len())).collect();
            before += rows.tile;
            Block { rows, before: before - rows.tile, starts }
        };
        (rows_of(self.channels, tile).into_iter().map(block).collect(), len)
    }

    pub fn weight(&self) -> Weight<'_> {
        Weight {
            values: self.weight,
            order: self.order,
            kernel: self.kernel,
            outputs: self.channels,
            sources: self.source_channels,
        }
    }

    /// The weights in tile order, block by block.
    pub fn pack_weights(&self, blocks: &[Block], packed: &mut [f32]) {
        let weight = self.weight();
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
            pack::weights(&weight, 0, &block.rows, taps, part);
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

    /// Copies the results of some rows to the output planes, interleaving the phases.
    pub fn write(&self, strip: &Strip, rows: &Rows, results: Lines, writer: Writer) {
        let [h, w] = self.size;
        let step = self.phased.output_step;
        let lines = (strip.first_row * step).min(h)..((strip.first_row + strip.rows) * step).min(h);
        for n in 0..strip.samples {
            for row in 0..rows.used {
                let channel = (strip.first_sample + n) * self.channels + rows.first + row;
                // SAFETY: these lines of this plane belong to this strip and these rows alone.
                let plane = unsafe { writer.uninit((channel * h + lines.start) * w, lines.len() * w) };
                for (y, to) in lines.clone().zip(plane.chunks_exact_mut(w)) {
                    let from = |x: usize| {
                        let phase = y % step * step + x;
                        let [sample, line] = results.steps[phase];
                        let start = row * results.line + n * sample + (y / step - strip.first_row) * line;
                        &results.values[phase * results.phase + start..]
                    };
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
