//! Optimizer steps and averages of flat parameter vectors, each in one pass over memory.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::super::adam::AdamStep;
use super::memory::{Values, tensor};

/// Floats that make a task worth handing to a thread, and that a task takes.
const TASK_FLOATS: usize = 32 * 1024;

pub fn adam(
    theta: &FlexTensor,
    gradient: FlexTensor,
    first: &FlexTensor,
    second: &FlexTensor,
    step: AdamStep,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let AdamStep { beta1, beta2, rate, correction, eps } = step;
    let first = (beta1 != 0.0).then(|| mean(first, &gradient, beta1));
    let (old, values) = (Values::of(second), Values::of(&gradient));
    let (theta, [len]) = (Values::of(theta), values.dims::<1>());
    assert!(theta.dims() == [len] && old.dims() == [len], "adam: lengths");
    let mut second = vec![0.0; len];
    let mut moved = vec![0.0; len];
    let momentum = first.as_ref().map(Values::of);
    let momentum = momentum.as_ref().unwrap_or(&values).as_slice();
    second
        .par_chunks_mut(TASK_FLOATS)
        .zip(moved.par_chunks_mut(TASK_FLOATS))
        .zip(old.as_slice().par_chunks(TASK_FLOATS).zip(theta.as_slice().par_chunks(TASK_FLOATS)))
        .zip(values.as_slice().par_chunks(TASK_FLOATS).zip(momentum.par_chunks(TASK_FLOATS)))
        .for_each(|(((second, moved), (old, theta)), (gradient, momentum))| {
            let results = second.iter_mut().zip(moved);
            let inputs = old.iter().zip(theta).zip(gradient.iter().zip(momentum));
            for ((second, moved), ((old, theta), (gradient, momentum))) in results.zip(inputs) {
                *second = old * beta2 + gradient * gradient * (1.0 - beta2);
                *moved = theta - momentum / (second.sqrt() / correction + eps) * rate;
            }
        });
    (tensor(moved, [len]), first.unwrap_or(gradient), tensor(second, [len]))
}

/// `old * beta + new * (1 - beta)`.
fn mean(old: &FlexTensor, new: &FlexTensor, beta: f32) -> FlexTensor {
    zip(old, new, |old, new| old * beta + new * (1.0 - beta))
}

pub fn lerp(from: &FlexTensor, to: &FlexTensor, weight: f32) -> FlexTensor {
    zip(from, to, |from, to| from + (to - from) * weight)
}

fn zip(a: &FlexTensor, b: &FlexTensor, f: impl Fn(f32, f32) -> f32 + Sync) -> FlexTensor {
    let (a, b) = (Values::of(a), Values::of(b));
    let [len] = a.dims::<1>();
    assert_eq!(b.dims(), [len], "vectors of one length");
    let mut out = vec![0.0; len];
    out.par_chunks_mut(TASK_FLOATS)
        .zip(a.as_slice().par_chunks(TASK_FLOATS).zip(b.as_slice().par_chunks(TASK_FLOATS)))
        .for_each(|(out, (a, b))| out.iter_mut().zip(a.iter().zip(b)).for_each(|(out, (a, b))| *out = f(*a, *b)));
    tensor(out, [len])
}
