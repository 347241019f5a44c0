//! GELU and its gradient, in one pass over memory each. Sums and products are rounded one by one, so that every instruction
//! set gives the same bits.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::exponential::exp_of_negative;
use super::memory::{Values, tensor};
use super::simd::{Isa, Kernel, Vector};

/// Floats that make a task worth handing to a thread, and that a task takes.
const TASK_FLOATS: usize = 16 * 1024;

pub fn gelu(x: &FlexTensor) -> FlexTensor {
    let x = Values::of(x);
    let shape = x.dims::<2>();
    let x = x.as_slice();
    let isa = Isa::detect();
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(TASK_FLOATS).zip(x.par_chunks(TASK_FLOATS)).for_each(|(out, x)| {
        isa.run(Forward { x, out });
    });
    tensor(out, shape)
}

pub fn gelu_grad(x: &FlexTensor, grad: &FlexTensor) -> FlexTensor {
    let (x, grad) = (Values::of(x), Values::of(grad));
    let shape = x.dims::<2>();
    assert_eq!(grad.dims(), shape, "gelu: shape of the gradient");
    let (x, grad) = (x.as_slice(), grad.as_slice());
    let isa = Isa::detect();
    let mut out = vec![0.0; x.len()];
    let inputs = x.par_chunks(TASK_FLOATS).zip(grad.par_chunks(TASK_FLOATS));
    out.par_chunks_mut(TASK_FLOATS).zip(inputs).for_each(|(out, (x, grad))| {
        isa.run(Backward { x, grad, out });
    });
    tensor(out, shape)
}

struct Forward<'a> {
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            *out = x * normal(x).0;
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    grad: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        for (out, (&x, &grad)) in self.out.iter_mut().zip(self.x.iter().zip(self.grad)) {
            let (below, density) = normal(x);
            *out = grad * (below + x * density);
        }
    }
}

/// The normal distribution at `x`: the probability of less, and the density. Abramowitz and Stegun's 7.1.26, off by 1.5e-7 at
/// most.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    const SQRT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
    /// `1 / sqrt(2 pi)`.
    const DENSITY: f32 = 0.398_942_3;
    let t = x.abs() * SQRT_HALF;
    let bell = exp_of_negative(-(t * t));
    let k = 1.0 / (1.0 + 0.327_591_1 * t);
    let tail = k * (0.254_829_6 + k * (-0.284_496_74 + k * (1.421_413_7 + k * (-1.453_152_1 + k * 1.061_405_4))));
    let above = 0.5 * tail * bell;
    let below = if x < 0.0 { above } else { 1.0 - above };
    (below, DENSITY * bell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_what_a_precise_one_is() {
        for step in -1200..=1200 {
            let x = step as f32 / 100.0;
            let (below, density) = normal(x);
            let precise = 0.5 * libm::erfc(-f64::from(x) / 2.0_f64.sqrt());
            assert!((f64::from(below) - precise).abs() < 4e-7, "{x}: {below} for {precise}");
            let precise = (-0.5 * f64::from(x).powi(2)).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((f64::from(density) - precise).abs() < 1e-7, "{x}: {density} for {precise}");
        }
        assert!(normal(f32::NAN).0.is_nan());
        assert_eq!((normal(1e9).0, normal(-1e9).0.abs() < 1e-30), (1.0, true));
    }
}
