//! Some source channels at a time, where they are many.
//!
//! A strip of output pixels is computed for all output channels together. What some source channels give to a register tile's
//! pixels is copied into a panel (`im2col`, but never more than the first cache holds), which every block of weights then
//! reads; the weights come one after another. Partial sums wait in memory meanwhile.

use std::ops::Range;

use rayon::prelude::*;

use super::super::memory::{Writer, with_scratch};
use super::super::simd::{Isa, Kernel, TILE_VECTORS, Vector};
use super::layout::{Grid, Strip, Tap};
use super::pack::{self, rows_of};
use super::product::{Block, Item, Lines, Product};
use super::tile::Sums;

/// Floats of a panel: half a first-level cache.
pub const PANEL_FLOATS: usize = 6 * 1024;

/// Output pixels of a strip.
pub const STRIP_PIXELS: usize = 256;

/// Floats past the planes that a panel's last columns may read.
pub const SLACK: usize = 64;

/// The columns of a strip's product, as short runs of places on the grid.
pub struct Columns {
    /// Columns of a run: a vector, four or (where rows are cut anywhere) a vector again.
    pub run: usize,
    /// Where on the grid each run begins.
    pub starts: Vec<usize>,
    /// Columns from a sample to the next, from a row to the next.
    pub steps: [usize; 2],
    /// Vectors in all.
    pub vectors: usize,
}

impl Columns {
    /// All columns of a strip.
    pub fn new(grid: &Grid, strip: &Strip, lanes: usize) -> Self {
        Self::of(grid, strip, [strip.rows, grid.output[1]], lanes)
    }

    /// Those of so many rows and columns of each sample: an output phase may have a row or column less than another.
    fn of(grid: &Grid, strip: &Strip, [rows, width]: [usize; 2], lanes: usize) -> Self {
        let dense = [lanes, 4].into_iter().find(|run| width.is_multiple_of(*run) && lanes.is_multiple_of(*run));
        let (run, steps, mut starts) = match dense {
            // Pixels alone.
            Some(run) => {
                let lines = (0..strip.samples).flat_map(|n| (0..rows).map(move |row| grid.start(n, row)));
                let starts = lines.flat_map(|start| (start..start + width).step_by(run)).collect();
                (run, [rows * width, width], starts)
            }
            // All of the grid from the first pixel to the last.
            None => {
                let last = rows.checked_sub(1).map_or(0, |row| grid.start(strip.samples - 1, row) + width);
                let starts: Vec<usize> = (0..last).step_by(lanes).collect();
                (lanes, [grid.rows * grid.pitch, grid.pitch], starts)
            }
        };
        let vectors = (starts.len() * run).div_ceil(lanes);
        // What is left of the last tile reads anything.
        starts.resize(vectors.next_multiple_of(TILE_VECTORS) * lanes / run, 0);
        Self { run, starts, steps, vectors }
    }

    /// Floats of a line of results.
    pub fn line(&self, lanes: usize) -> usize {
        self.vectors.next_multiple_of(TILE_VECTORS) * lanes
    }
}

/// The columns of each output phase.
fn columns_of_phases(product: &Product, isa: Isa, strip: &Strip) -> Vec<Columns> {
    let step = product.phased.output_step;
    let columns = |phase| {
        let [rows, width] =
            [0, 1].map(|axis| product.size[axis].saturating_sub([phase / step, phase % step][axis]).div_ceil(step));
        let rows = rows.saturating_sub(strip.first_row).min(strip.rows);
        Columns::of(&product.phased.grid, strip, [rows, width], isa.lanes())
    };
    (0..product.phased.taps.len()).map(columns).collect()
}

/// Floats of a line of results: as many as the phase with most columns has.
fn line_of(columns: &[Columns], isa: Isa) -> usize {
    columns.iter().map(|columns| columns.line(isa.lanes())).max().unwrap_or_default()
}

/// Source channels that a panel holds the columns of.
fn channels_at_a_time(product: &Product, isa: Isa) -> usize {
    let fitting = PANEL_FLOATS / (most_taps(product) * TILE_VECTORS * isa.lanes()).max(1);
    let parts = product.source_channels.div_ceil(fitting.max(1));
    product.source_channels.div_ceil(parts.max(1)).max(1)
}

/// Writes the weights in the order of their use: for each part of the source channels, output phase and block for each channel and
/// tap one float a row.
pub fn pack_weights(product: &Product, isa: Isa, blocks: &[Block], packed: &mut [f32]) {
    let (weight, part) = (product.weight(), channels_at_a_time(product, isa));
    let mut parts = Vec::new();
    let mut rest = packed;
    for first in (0..product.source_channels).step_by(part) {
        let channels = part.min(product.source_channels - first);
        for taps in &product.phased.taps {
            for block in blocks {
                let (to, tail) = rest.split_at_mut(channels * taps.len() * block.rows.tile);
                parts.push((first, taps, &block.rows, to));
                rest = tail;
            }
        }
    }
    parts.into_par_iter().with_min_len(16).for_each(|(first, taps, rows, to)| {
        pack::weights(&weight, first, rows, taps, to);
    });
}

/// Where they begin for some source channels, an output phase and a block, of so many rows of all blocks.
fn weights_start(taps: &[Vec<usize>], rows: usize, channels: &Range<usize>, phase: usize, block: &Block) -> usize {
    let count = |taps: &[Vec<usize>]| taps.iter().map(Vec::len).sum::<usize>();
    let before = channels.start * count(taps) + channels.len() * count(&taps[..phase]);
    rows * before + block.before * channels.len() * taps[phase].len()
}

/// Taps of the output phase that has most of them.
fn most_taps(product: &Product) -> usize {
    product.phased.taps.iter().map(Vec::len).max().unwrap_or_default()
}

/// Floats that a thread takes for a part: packed planes, a panel, and all results.
pub fn scratch(product: &Product, isa: Isa, item: &Item) -> [usize; 3] {
    let (phased, lanes) = (product.phased, isa.lanes());
    let channels = channels_at_a_time(product, isa);
    let planes = channels * phased.source_phases.len() * phased.grid.plane(&item.strip) + SLACK;
    let line = line_of(&columns_of_phases(product, isa, &item.strip), isa);
    let panel = channels * most_taps(product) * TILE_VECTORS * lanes;
    [planes.next_multiple_of(lanes), panel, phased.taps.len() * rows(item) * line]
}

/// Rows of a part's tiles.
pub fn rows(item: &Item) -> usize {
    item.blocks.iter().map(|block| block.rows.tile).sum()
}

/// Computes a part of a product and writes its outputs.
pub fn compute(product: &Product, isa: Isa, item: &Item, writer: Writer) {
    let (phased, grid, strip) = (product.phased, &product.phased.grid, &item.strip);
    let columns = columns_of_phases(product, isa, strip);
    let steps: Vec<[usize; 2]> = columns.iter().map(|columns| columns.steps).collect();
    let (rows, line, plane) = (rows(item), line_of(&columns, isa), grid.plane(strip));
    let lens = scratch(product, isa, item);
    let taps = |taps: &Vec<Tap>| taps.iter().map(|tap| tap.phase * plane + grid.offset(tap)).collect();
    let taps: Vec<Vec<usize>> = phased.taps.iter().map(taps).collect();
    let (all, part) = (product.source_channels, channels_at_a_time(product, isa));
    let all_rows = rows_of(product.channels, isa.rows()).iter().map(|rows| rows.tile).sum();
    with_scratch(lens.iter().sum(), |scratch| {
        let (source, scratch) = scratch.split_at_mut(lens[0]);
        let (panel, results) = scratch.split_at_mut(lens[1]);
        for first in (0..all).step_by(part) {
            let channels = first..all.min(first + part);
            product.pack_source(strip, channels.clone(), source);
            isa.run(Step {
                columns: &columns,
                source,
                channel: phased.source_phases.len() * plane,
                taps: &taps,
                weights: item.weights,
                blocks: item.blocks,
                all_rows,
                channels,
                panel,
                results,
                rows,
                line,
            });
        }
        let mut done = 0;
        for block in item.blocks {
            let lines = Lines { values: &results[done * line..], line, phase: rows * line, steps: &steps };
            product.write(strip, &block.rows, lines, writer);
            done += block.rows.tile;
        }
    });
}

/// Adds what some source channels give to all columns of some blocks.
struct Step<'a> {
    /// Of each output phase.
    columns: &'a [Columns],
    source: &'a [f32],
    /// Floats from a source channel to the next, and where in one each tap of each output phase reads.
    channel: usize,
    taps: &'a [Vec<usize>],
    weights: &'a [f32],
    blocks: &'a [Block],
    /// Rows of all blocks, those of other parts included.
    all_rows: usize,
    channels: Range<usize>,
    panel: &'a mut [f32],
    results: &'a mut [f32],
    rows: usize,
    line: usize,
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(mut self) {
        for (phase, (taps, columns)) in self.taps.iter().zip(self.columns).enumerate() {
            let runs = V::LANES / columns.run;
            let k = self.channels.len() * taps.len();
            let mut vector = 0;
            while vector < columns.vectors {
                let vectors = (columns.vectors - vector).next_power_of_two().min(TILE_VECTORS);
                let starts = &columns.starts[vector * runs..][..vectors * runs];
                // SAFETY: `V` exists by contract.
                unsafe {
                    if columns.run == V::LANES {
                        self.pack::<V>(taps, starts);
                    } else {
                        self.pack::<V::Four>(taps, starts);
                    }
                }
                let mut done = phase * self.rows;
                for block in self.blocks {
                    let rows = block.rows.tile;
                    let start = weights_start(self.taps, self.all_rows, &self.channels, phase, block);
                    let weights = &self.weights[start..][..k * rows];
                    let place = done * self.line + vector * V::LANES;
                    assert!(self.panel.len() >= k * vectors * V::LANES);
                    assert!(self.results.len() >= place + (rows - 1) * self.line + vectors * V::LANES);
                    let to = self.results[place..].as_mut_ptr();
                    let tile = Tile {
                        k,
                        weights: weights.as_ptr(),
                        panel: self.panel.as_ptr(),
                        to,
                        line: self.line,
                        adds: self.channels.start > 0,
                    };
                    // SAFETY: the asserts above.
                    unsafe {
                        match vectors {
                            1 => tile.of_rows::<V, ROWS, 1>(rows),
                            2 => tile.of_rows::<V, ROWS, 2>(rows),
                            _ => tile.of_rows::<V, ROWS, TILE_VECTORS>(rows),
                        }
                    }
                    done += rows;
                }
                vector += vectors;
            }
        }
    }
}

impl Step<'_> {
    /// Copies the columns of a tile into the panel: for each channel and tap the runs at `starts`, of `V`'s lanes.
    ///
    /// # Safety
    /// `V` must exist on this CPU.
    #[inline(always)]
    unsafe fn pack<V: Vector>(&mut self, taps: &[usize], starts: &[usize]) {
        let furthest = starts.iter().max().copied().unwrap_or(0) + taps.iter().max().copied().unwrap_or(0);
        assert!(furthest + (self.channels.len() - 1) * self.channel + V::LANES <= self.source.len());
        assert!(self.panel.len() >= self.channels.len() * taps.len() * starts.len() * V::LANES);
        let mut to = self.panel.as_mut_ptr();
        // SAFETY: the asserts above.
        unsafe {
            for c in 0..self.channels.len() {
                let channel = self.source.as_ptr().add(c * self.channel);
                for tap in taps {
                    let from = channel.add(*tap);
                    for start in starts {
                        V::load(from.add(*start)).store(to);
                        to = to.add(V::LANES);
                    }
                }
            }
        }
    }
}

/// A register tile of results: `k` steps, each of which adds `rows` weights times some vectors of the panel.
pub struct Tile {
    pub k: usize,
    pub weights: *const f32,
    pub panel: *const f32,
    pub to: *mut f32,
    pub line: usize,
    /// Whether to add to what is there.
    pub adds: bool,
}

impl Tile {
    /// # Safety
    /// As [`Self::compute`], for so many rows.
    #[inline(always)]
    pub unsafe fn of_rows<V: Vector, const ROWS: usize, const C: usize>(&self, rows: usize) {
        // SAFETY: by contract.
        unsafe {
            match rows {
                1 => self.compute::<V, 1, C>(),
                2 => self.compute::<V, 2, C>(),
                4 => self.compute::<V, 4, C>(),
                _ => self.compute::<V, ROWS, C>(),
            }
        }
    }

    /// # Safety
    /// `V` must exist on this CPU; `k * R` weights and `k * C` vectors must be readable, and `C` vectors writable in each of `R`
    /// lines.
    #[inline(always)]
    unsafe fn compute<V: Vector, const R: usize, const C: usize>(&self) {
        let (mut weights, mut panel) = (self.weights, self.panel);
        let place = |r: usize, c: usize| self.to.wrapping_add(r * self.line + c * V::LANES);
        // SAFETY: by contract.
        unsafe {
            let mut sums = if self.adds { Sums::<V, R, C>::load(|r, c| place(r, c)) } else { Sums::zero() };
            for _ in 0..self.k {
                sums.add(weights, |c| panel.add(c * V::LANES));
                weights = weights.add(R);
                panel = panel.add(C * V::LANES);
            }
            sums.store(place);
        }
    }
}
