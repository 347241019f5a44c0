//! All source channels at once, where they are few enough to lie in a cache.
//!
//! A register tile of a few output channels by four vectors of columns walks all of `k` once, so that partial sums never touch
//! memory. The columns are the grid itself, padding and all.

use super::super::memory::{Writer, with_scratch};
use super::super::simd::{Isa, Kernel, TILE_VECTORS, Vector};
use super::layout::{Strip, Tap};
use super::product::{Item, Lines, Product};
use super::tile::Sums;

/// Floats past the last plane that a tile's last columns may read and write.
const SLACK: usize = 64;

/// Floats that a thread takes for a strip: packed planes, and a block of results.
pub fn scratch(product: &Product, isa: Isa, strip: &Strip) -> [usize; 2] {
    let phased = product.phased;
    let planes = product.source_channels * phased.source_phases.len();
    let line = phased.grid.columns(strip) + SLACK;
    [planes * phased.grid.plane(strip) + SLACK, phased.taps.len() * isa.rows() * line]
}

/// Computes a part of a product and writes its outputs.
pub fn compute(product: &Product, isa: Isa, item: &Item, writer: Writer) {
    let (grid, strip) = (&product.phased.grid, &item.strip);
    let columns = grid.columns(strip);
    let line = columns + SLACK;
    let phase_len = isa.rows() * line;
    let [source_len, results_len] = scratch(product, isa, strip);
    let (plane, phases) = (grid.plane(strip), product.phased.source_phases.len());
    // For each output phase, where `k` reads.
    let offsets = |taps: &Vec<Tap>| -> Vec<usize> {
        let tap = |c: usize, tap: &Tap| (c * phases + tap.phase) * plane + grid.offset(tap);
        (0..product.source_channels).flat_map(|c| taps.iter().map(move |t| tap(c, t))).collect()
    };
    let offsets: Vec<Vec<usize>> = product.phased.taps.iter().map(offsets).collect();
    let steps = vec![[grid.rows * grid.pitch, grid.pitch]; offsets.len()];
    with_scratch(source_len + results_len, |scratch| {
        let (source, results) = scratch.split_at_mut(source_len);
        product.pack_source(strip, 0..product.source_channels, source);
        for block in item.blocks {
            for (phase, offsets) in offsets.iter().enumerate() {
                isa.run(OutputTiles {
                    weights: &item.weights[block.starts[phase]..],
                    rows: block.rows.tile,
                    offsets,
                    source,
                    columns,
                    out: &mut results[phase * phase_len..][..phase_len],
                    line,
                });
            }
            let lines = Lines { values: results, line, phase: phase_len, steps: &steps };
            product.write(strip, &block.rows, lines, writer);
        }
    });
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
        let mut sums = Sums::<V, R, C>::zero();
        for offset in offsets {
            let from = source.add(*offset);
            sums.add(weights, |c| from.add(c * V::LANES));
            weights = weights.add(R);
        }
        sums.store(|r, c| out.add(r * line + c * V::LANES));
    }
}
