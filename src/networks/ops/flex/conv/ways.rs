//! How a product is computed: the work is cut into strips and blocks, and [`gather`] or [`blocked`] computes each part.

use rayon::prelude::*;

use super::super::memory::{Output, Writer, with_scratch};
use super::super::simd::{Isa, TILE_VECTORS};
use super::layout::Strip;
use super::product::{Block, Item, Product};
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

/// An order of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// [`gather`].
    Gather,
    /// [`blocked`].
    Blocked,
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
            match way {
                Way::Gather => self.pack_weights(&blocks, weights),
                Way::Blocked => blocked::pack_weights(self, isa, &blocks, weights),
            }
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
}
