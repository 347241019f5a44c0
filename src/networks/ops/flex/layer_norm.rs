//! Layer normalisation and its gradients, in one pass over memory each.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::memory::{Values, tensor};
use super::product::WIDTH;
use super::simd::{Isa, Kernel, Vector};

/// Rows of a task. It does not depend on the number of threads, so that the sums of gradients have one order.
const TASK_ROWS: usize = 64;

pub fn layer_norm(x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor, epsilon: f32) -> FlexTensor {
    let [x, weight, bias] = [x, weight, bias].map(Values::of);
    let shape @ [_, width] = x.dims::<2>();
    assert!(width > 0 && [&weight, &bias].iter().all(|table| table.dims() == [width]), "layer normalisation: shapes");
    let (x, weight, bias) = (x.as_slice(), weight.as_slice(), bias.as_slice());
    let isa = Isa::detect();
    let mut out = vec![0.0; x.len()];
    let task = TASK_ROWS * width;
    out.par_chunks_mut(task).zip(x.par_chunks(task)).for_each(|(out, x)| {
        isa.run(Forward { x, weight, bias, epsilon, out });
    });
    tensor(out, shape)
}

/// The gradients for `x`, the weight and the bias.
pub fn layer_norm_grad(x: &FlexTensor, weight: &FlexTensor, grad: &FlexTensor, epsilon: f32) -> [FlexTensor; 3] {
    let [x, weight, grad] = [x, weight, grad].map(Values::of);
    let shape @ [_, width] = x.dims::<2>();
    assert!(width > 0 && grad.dims() == shape && weight.dims() == [width], "layer normalisation: shapes");
    let (x, weight, grad) = (x.as_slice(), weight.as_slice(), grad.as_slice());
    let isa = Isa::detect();
    let mut dx = vec![0.0; x.len()];
    let task = TASK_ROWS * width;
    let inputs = x.par_chunks(task).zip(grad.par_chunks(task));
    let parts: Vec<[Vec<f32>; 2]> = dx
        .par_chunks_mut(task)
        .zip(inputs)
        .map(|(dx, (x, grad))| {
            let mut sums = [vec![0.0; width], vec![0.0; width]];
            let [dweight, dbias] = &mut sums;
            isa.run(Backward { x, weight, grad, epsilon, dx, dweight, dbias });
            sums
        })
        .collect();
    let mut sums = [vec![0.0; width], vec![0.0; width]];
    for part in parts {
        for (sum, part) in sums.iter_mut().zip(part) {
            sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
    }
    let [dweight, dbias] = sums;
    [tensor(dx, shape), tensor(dweight, [width]), tensor(dbias, [width])]
}

struct Forward<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    epsilon: f32,
    out: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let Self { x, weight, bias, epsilon, out } = self;
        let width = weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let (mean, inverse) = statistics(x, epsilon);
            let tables = weight.iter().zip(bias);
            for ((out, x), (weight, bias)) in out.iter_mut().zip(x).zip(tables) {
                *out = (x - mean) * inverse * weight + bias;
            }
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    grad: &'a [f32],
    epsilon: f32,
    dx: &'a mut [f32],
    dweight: &'a mut [f32],
    dbias: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let Self { x, weight, grad, epsilon, dx, dweight, dbias } = self;
        let width = weight.len();
        let share = 1.0 / width as f32;
        let rows = x.chunks_exact(width).zip(grad.chunks_exact(width));
        for ((x, grad), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let (mean, inverse) = statistics(x, epsilon);
            let straight = sum([grad, weight, x], |[grad, weight, _]| grad * weight) * share;
            let turned = sum([grad, weight, x], |[grad, weight, x]| grad * weight * ((x - mean) * inverse)) * share;
            let inputs = x.iter().zip(grad).zip(weight);
            let sums = dweight.iter_mut().zip(dbias.iter_mut());
            for ((dx, ((x, grad), weight)), (dweight, dbias)) in dx.iter_mut().zip(inputs).zip(sums) {
                let normal = (x - mean) * inverse;
                *dx = (grad * weight - straight - normal * turned) * inverse;
                *dweight += grad * normal;
                *dbias += grad;
            }
        }
    }
}

/// The mean of a row, and one over its deviation.
#[inline(always)]
fn statistics(x: &[f32], epsilon: f32) -> (f32, f32) {
    let share = 1.0 / x.len() as f32;
    let mean = sum([x; 3], |[x, ..]| x) * share;
    let variance = sum([x; 3], |[x, ..]| (x - mean) * (x - mean)) * share;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

/// The sum over three rows of one length, always in the same order.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // Indices show the lanes.
fn sum([a, b, c]: [&[f32]; 3], term: impl Fn([f32; 3]) -> f32) -> f32 {
    let mut lanes = [0.0_f32; WIDTH];
    let ((a, rest_a), (b, rest_b), (c, rest_c)) =
        (a.as_chunks::<WIDTH>(), b.as_chunks::<WIDTH>(), c.as_chunks::<WIDTH>());
    for ((a, b), c) in a.iter().zip(b).zip(c) {
        for lane in 0..WIDTH {
            lanes[lane] += term([a[lane], b[lane], c[lane]]);
        }
    }
    for (lane, ((a, b), c)) in lanes.iter_mut().zip(rest_a.iter().zip(rest_b).zip(rest_c)) {
        *lane += term([*a, *b, *c]);
    }
    let mut all = 0.0;
    for lane in lanes {
        all += lane;
    }
    all
}
