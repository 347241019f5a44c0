//! The sums of a product that stay in registers.

use super::super::simd::Vector;

/// `R` rows by `C` vectors of sums.
pub struct Sums<V, const R: usize, const C: usize>([[V; C]; R]);

// SAFETY of the functions: `V` must exist on this CPU, and memory must be readable or writable wherever it is asked for.
#[allow(clippy::needless_range_loop)] // Indices show the tile; they all unroll.
impl<V: Vector, const R: usize, const C: usize> Sums<V, R, C> {
    /// # Safety
    /// `V` must exist on this CPU.
    #[inline(always)]
    pub unsafe fn zero() -> Self {
        // SAFETY: by contract.
        Self([[unsafe { V::splat(0.0) }; C]; R])
    }

    /// What is stored at `from(row, vector)`.
    ///
    /// # Safety
    /// `V` must exist on this CPU, and a vector be readable at each place.
    #[inline(always)]
    pub unsafe fn load(from: impl Fn(usize, usize) -> *const f32) -> Self {
        // SAFETY: by contract.
        unsafe {
            let mut sums = Self::zero();
            for r in 0..R {
                for c in 0..C {
                    sums.0[r][c] = V::load(from(r, c));
                }
            }
            sums
        }
    }

    /// Adds the products of `R` factors, one a row, and `C` vectors.
    ///
    /// Few registers are left beside the sums: one factor a row and one vector at a time are as many as sixteen hold.
    ///
    /// # Safety
    /// `V` must exist on this CPU, `R` floats be readable at `factors` and a vector at each of `columns`.
    #[inline(always)]
    pub unsafe fn add(&mut self, factors: *const f32, columns: impl Fn(usize) -> *const f32) {
        // SAFETY: by contract.
        unsafe {
            let mut factor = [V::splat(0.0); R];
            for r in 0..R {
                factor[r] = V::splat(*factors.add(r));
            }
            for c in 0..C {
                let column = V::load(columns(c));
                for r in 0..R {
                    self.0[r][c] = factor[r].mul_add(column, self.0[r][c]);
                }
            }
        }
    }

    /// Writes them to `to(row, vector)`.
    ///
    /// # Safety
    /// `V` must exist on this CPU, and a vector be writable at each place.
    #[inline(always)]
    pub unsafe fn store(self, to: impl Fn(usize, usize) -> *mut f32) {
        // SAFETY: by contract.
        unsafe {
            for r in 0..R {
                for c in 0..C {
                    self.0[r][c].store(to(r, c));
                }
            }
        }
    }
}
