//! One source for every instruction set, chosen at run time.
//!
//! AVX-512 and AVX2 give the same bits: every sum has one order whatever the number of lanes, and every product that is
//! added is rounded once, also in what is left of a line. The portable code rounds twice.
//!
//! A [`Kernel`] is generic code that must be inlined into a function with the right target
//! features: its `run` and everything below carries `#[inline(always)]`.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether [`Isa::detect`] leaves AVX-512 out.
static WITHOUT_AVX512: AtomicBool = AtomicBool::new(false);

/// A vector register of `f32`.
///
/// # Safety
/// The methods may use instructions that only exist where [`Isa::run`] chose the type.
pub trait Vector: Copy {
    const LANES: usize;

    /// Four lanes that round as these do, for what is left of a line.
    type Four: Vector;

    /// # Safety
    /// See the trait.
    unsafe fn splat(value: f32) -> Self;

    /// # Safety
    /// See the trait; `LANES` floats must be readable at `from`, which may be unaligned.
    unsafe fn load(from: *const f32) -> Self;

    /// # Safety
    /// See the trait; `LANES` floats must be writable at `to`, which may be unaligned.
    unsafe fn store(self, to: *mut f32);

    /// # Safety
    /// See the trait.
    unsafe fn add(self, other: Self) -> Self;

    /// # Safety
    /// See the trait.
    unsafe fn sub(self, other: Self) -> Self;

    /// `self * factor + sum`, rounded once where the CPU can.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn mul_add(self, factor: Self, sum: Self) -> Self;

    /// The same of single numbers, rounded as in a vector.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn mul_add_one(number: f32, factor: f32, sum: f32) -> f32;
}

/// Vectors in a line of a product's register tile.
pub const TILE_VECTORS: usize = 4;

/// Code to be compiled once for each instruction set.
///
/// `ROWS` by [`TILE_VECTORS`] is the register tile of a product: as large as the registers allow.
pub trait Kernel {
    type Output;

    /// # Safety
    /// `V` must exist on this CPU.
    unsafe fn run<V: Vector, const ROWS: usize>(self) -> Self::Output;
}

/// An instruction set that this CPU has. Nobody else can make one, so code that runs on it needs no further proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Set);

/// The instruction sets with code of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Isa {
    /// The best one of this CPU.
    pub fn detect() -> Self {
        #[cfg(test)]
        if let Some(isa) = INSTEAD.get() {
            return isa;
        }
        #[cfg(target_arch = "x86_64")]
        {
            let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma");
            if wide && !WITHOUT_AVX512.load(Ordering::Relaxed) {
                return Self(Set::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self(Set::Avx2);
            }
        }
        Self(Set::Portable)
    }

    /// From here on [`Self::detect`] gives what a processor without AVX-512 has. Results are the same bits.
    pub fn leave_out_avx512() {
        WITHOUT_AVX512.store(true, Ordering::Relaxed);
    }

    /// Its name, as processors' makers write it.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "AVX2",
            Set::Portable => "no vector instructions of its own",
        }
    }

    /// All that this CPU can run, the best first and the portable one last, for tests.
    #[cfg(test)]
    pub fn available() -> Vec<Self> {
        let sets = match Self::detect().0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => vec![Set::Avx512, Set::Avx2, Set::Portable],
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => vec![Set::Avx2, Set::Portable],
            Set::Portable => vec![Set::Portable],
        };
        sets.into_iter().map(Self).collect()
    }

    /// Runs `f`, in which [`Isa::detect`] gives this one.
    #[cfg(test)]
    pub fn instead<R>(self, f: impl FnOnce() -> R) -> R {
        INSTEAD.set(Some(self));
        let result = f();
        INSTEAD.set(None);
        result
    }

    /// The one that every CPU has, for tests.
    #[cfg(test)]
    pub fn portable() -> Self {
        Self(Set::Portable)
    }

    /// The `ROWS` that [`Self::run`] will pass.
    pub fn rows(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => 6,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => 3,
            Set::Portable => 3,
        }
    }

    /// The lanes of the vector that [`Self::run`] will pass.
    pub fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => 8,
            Set::Portable => Portable::LANES,
        }
    }

    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: only this module makes an `Isa`, and only of what the CPU has.
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { x86::avx512(kernel) },
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { x86::avx2(kernel) },
            Set::Portable => unsafe { kernel.run::<Portable, 3>() },
        }
    }
}

#[cfg(test)]
thread_local! {
    static INSTEAD: std::cell::Cell<Option<Isa>> = const { std::cell::Cell::new(None) };
}

/// Four rows of four as four columns.
#[inline(always)]
pub fn transpose(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
    #[cfg(target_arch = "x86_64")]
    return x86::transpose(rows);
    #[cfg(not(target_arch = "x86_64"))]
    std::array::from_fn(|i| rows.map(|row| row[i]))
}

/// Four floats that any compiler target can put into a register.
#[derive(Clone, Copy)]
pub struct Portable([f32; 4]);

impl Vector for Portable {
    const LANES: usize = 4;

    type Four = Self;

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
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
        // Not `f32::mul_add`: without the instruction that is a slow library call.
        Self(std::array::from_fn(|i| self.0[i] * factor.0[i] + sum.0[i]))
    }

    #[inline(always)]
    unsafe fn mul_add_one(number: f32, factor: f32, sum: f32) -> f32 {
        number * factor + sum
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Kernel, Vector};

    #[target_feature(enable = "avx512f,fma")]
    pub unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the feature is enabled here.
        unsafe { kernel.run::<__m512, 6>() }
    }

    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn avx2<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the features are enabled here.
        unsafe { kernel.run::<__m256, 3>() }
    }

    /// SSE belongs to every x86-64; the compiler does not find these shuffles by itself.
    #[inline(always)]
    pub fn transpose(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
        // SAFETY: the arrays are four floats each, read and written unaligned.
        unsafe {
            let [a, b, c, d] = rows.map(|row| _mm_loadu_ps(row.as_ptr()));
            let (ab_low, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
            let (cd_low, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
            let columns = [
                _mm_movelh_ps(ab_low, cd_low),
                _mm_movehl_ps(cd_low, ab_low),
                _mm_movelh_ps(ab_high, cd_high),
                _mm_movehl_ps(cd_high, ab_high),
            ];
            columns.map(|column| {
                let mut four = [0.0; 4];
                _mm_storeu_ps(four.as_mut_ptr(), column);
                four
            })
        }
    }

    // SAFETY of the bodies below: the callers promise the feature and the memory.

    impl Vector for __m512 {
        const LANES: usize = 16;

        type Four = __m128;

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
        unsafe fn add(self, other: Self) -> Self {
            unsafe { _mm512_add_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { _mm512_sub_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
            unsafe { _mm512_fmadd_ps(self, factor, sum) }
        }

        #[inline(always)]
        unsafe fn mul_add_one(number: f32, factor: f32, sum: f32) -> f32 {
            // One instruction, as it is inlined where FMA is enabled.
            number.mul_add(factor, sum)
        }
    }

    impl Vector for __m256 {
        const LANES: usize = 8;

        type Four = __m128;

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
        unsafe fn add(self, other: Self) -> Self {
            unsafe { _mm256_add_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { _mm256_sub_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
            unsafe { _mm256_fmadd_ps(self, factor, sum) }
        }

        #[inline(always)]
        unsafe fn mul_add_one(number: f32, factor: f32, sum: f32) -> f32 {
            // One instruction, as it is inlined where FMA is enabled.
            number.mul_add(factor, sum)
        }
    }

    /// Four lanes with the fused instruction: AVX-512 and AVX2 come with it.
    impl Vector for __m128 {
        const LANES: usize = 4;

        type Four = Self;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe { _mm_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { _mm_add_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { _mm_sub_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
            unsafe { _mm_fmadd_ps(self, factor, sum) }
        }

        #[inline(always)]
        unsafe fn mul_add_one(number: f32, factor: f32, sum: f32) -> f32 {
            // One instruction, as it is inlined where FMA is enabled.
            number.mul_add(factor, sum)
        }
    }
}
