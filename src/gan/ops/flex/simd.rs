//! One source for every instruction set, chosen at run time.
//!
//! A [`Kernel`] is generic code that must be inlined into a function with the right target
//! features: its `run` and everything below carries `#[inline(always)]`.

/// A vector register of `f32`.
///
/// # Safety
/// The methods may use instructions that only exist where [`Isa::run`] chose the type.
pub trait Vector: Copy {
    const LANES: usize;

    /// # Safety
    /// See the trait.
    unsafe fn splat(value: f32) -> Self;

    /// # Safety
    /// See the trait; `LANES` floats must be readable at `from`, which may be unaligned.
    unsafe fn load(from: *const f32) -> Self;

    /// # Safety
    /// See the trait; `LANES` floats must be writable at `to`, which may be unaligned.
    unsafe fn store(self, to: *mut f32);

    /// `self * factor + sum`.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn mul_add(self, factor: Self, sum: Self) -> Self;

    /// The sum of the lanes.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn sum(self) -> f32;
}

/// Code to be compiled once for each instruction set.
///
/// `ROWS` by three vectors is the register tile of a product with broadcasts; `DM` by `DK` that
/// of dot products. Both are as large as the register file allows.
pub trait Kernel {
    type Output;

    /// # Safety
    /// `V` must exist on this CPU.
    unsafe fn run<V: Vector, const ROWS: usize, const DM: usize, const DK: usize>(self) -> Self::Output;
}

/// The instruction sets with code of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Isa {
    /// The best one of this CPU.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// All that this CPU can run, for tests.
    #[cfg(test)]
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        return match Self::detect() {
            Self::Avx512 => vec![Self::Avx512, Self::Avx2, Self::Portable],
            Self::Avx2 => vec![Self::Avx2, Self::Portable],
            Self::Portable => vec![Self::Portable],
        };
        #[cfg(not(target_arch = "x86_64"))]
        vec![Self::Portable]
    }

    /// The `ROWS` that [`Self::run`] will pass.
    pub fn rows(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 8,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 4,
            Self::Portable => 4,
        }
    }

    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `detect` (and `available` in tests) only return what the CPU has.
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::avx512(kernel) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::avx2(kernel) },
            Self::Portable => unsafe { kernel.run::<Portable, 4, 2, 4>() },
        }
    }
}

/// Four floats that any compiler target can put into a register.
#[derive(Clone, Copy)]
pub struct Portable([f32; 4]);

impl Vector for Portable {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: four floats are readable by contract; the array type has a float's alignment.
        Self(unsafe { *from.cast::<[f32; 4]>() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as in `load`.
        unsafe { *to.cast::<[f32; 4]>() = self.0 }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
        // Not `f32::mul_add`: without the instruction that is a slow library call.
        Self(std::array::from_fn(|i| self.0[i] * factor.0[i] + sum.0[i]))
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        (self.0[0] + self.0[2]) + (self.0[1] + self.0[3])
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Kernel, Vector};

    #[target_feature(enable = "avx512f")]
    pub unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the feature is enabled here.
        unsafe { kernel.run::<__m512, 8, 4, 6>() }
    }

    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn avx2<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the features are enabled here.
        unsafe { kernel.run::<__m256, 4, 3, 3>() }
    }

    // SAFETY of the bodies below: the callers promise the feature and the memory.

    impl Vector for __m512 {
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
            unsafe { _mm512_fmadd_ps(self, factor, sum) }
        }

        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe { _mm512_reduce_add_ps(self) }
        }
    }

    impl Vector for __m256 {
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe { _mm256_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
            unsafe { _mm256_fmadd_ps(self, factor, sum) }
        }

        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe {
                let low = _mm256_castps256_ps128(self);
                let four = _mm_add_ps(low, _mm256_extractf128_ps::<1>(self));
                let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
            }
        }
    }
}
