//! Products of small matrices that lie in a core's own cache. Every sum goes through its terms in their order, so that AVX-512 and
//! AVX2 give the same bits.

use super::simd::Vector;

/// Rows of right factors and results are multiples of this many floats: of every vector's lanes.
pub const WIDTH: usize = 16;

/// Rows and vectors of the result that are computed at a time: they stay in registers.
const ROWS: usize = 4;
const VECTORS: usize = 2;

/// A left factor `[rows, depth]`; its elements lie so many floats apart.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    pub values: &'a [f32],
    /// From a row to the next, and from a column to the next.
    pub strides: [usize; 2],
    pub rows: usize,
    pub depth: usize,
}

/// Writes `left right`, `[rows, width]`, with `right` `[depth, width]`.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
pub unsafe fn product<V: Vector>(left: Left<'_>, right: &[f32], out: &mut [f32], width: usize) {
    let Left { values, strides: [row, column], rows, depth } = left;
    assert!(rows > 0 && depth > 0 && width.is_multiple_of(WIDTH), "shapes of a product");
    assert!(values.len() > (rows - 1) * row + (depth - 1) * column, "the left factor");
    assert!(right.len() >= depth * width && out.len() >= rows * width, "the right factor and the result");
    let wide = VECTORS * V::LANES;
    let mut at = 0;
    while at < width {
        let is_wide = at + wide <= width;
        let mut first = 0;
        while first < rows {
            let many = first + ROWS <= rows;
            // SAFETY: in bounds by the assertions above, as `first + R <= rows` and `at + C * LANES <= width`.
            unsafe {
                match (many, is_wide) {
                    (true, true) => tile::<V, ROWS, VECTORS>(left, first, right, out, (at, width)),
                    (true, false) => tile::<V, ROWS, 1>(left, first, right, out, (at, width)),
                    (false, true) => tile::<V, 1, VECTORS>(left, first, right, out, (at, width)),
                    (false, false) => tile::<V, 1, 1>(left, first, right, out, (at, width)),
                }
            }
            first += if many { ROWS } else { 1 };
        }
        at += if is_wide { wide } else { V::LANES };
    }
}

/// `R` rows and `C` vectors of the result, from row `first` and column `at` on.
///
/// # Safety
/// `V` must exist on this CPU, and the tile must lie within the result.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // Indices show the tile; they all unroll.
unsafe fn tile<V: Vector, const R: usize, const C: usize>(
    left: Left<'_>,
    first: usize,
    right: &[f32],
    out: &mut [f32],
    (at, width): (usize, usize),
) {
    let [row, column] = left.strides;
    // SAFETY: by contract.
    unsafe {
        let factors = left.values.as_ptr().add(first * row);
        let mut sums = [[V::splat(0.0); C]; R];
        for k in 0..left.depth {
            let from = right.as_ptr().add(k * width + at);
            let mut columns = [V::splat(0.0); C];
            for c in 0..C {
                columns[c] = V::load(from.add(c * V::LANES));
            }
            for r in 0..R {
                let factor = V::splat(*factors.add(r * row + k * column));
                for c in 0..C {
                    sums[r][c] = factor.mul_add(columns[c], sums[r][c]);
                }
            }
        }
        for r in 0..R {
            let to = out.as_mut_ptr().add((first + r) * width + at);
            for c in 0..C {
                sums[r][c].store(to.add(c * V::LANES));
            }
        }
    }
}

/// The sum of a line, always in the same order; its length is a multiple of [`WIDTH`].
#[inline(always)]
pub fn sum(line: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; WIDTH];
    for part in line.chunks_exact(WIDTH) {
        for (lane, value) in lanes.iter_mut().zip(part) {
            *lane += value;
        }
    }
    let mut sum = 0.0;
    for lane in lanes {
        sum += lane;
    }
    sum
}
