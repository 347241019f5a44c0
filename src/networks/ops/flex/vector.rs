//! Optimizer steps and averages of flat parameter vectors, each in one pass over memory.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::super::adam::AdamStep;

/// Floats that make a task worth handing to a thread, and that a task takes.
const TASK_FLOATS: usize = 32 * 1024;

/// In place where nobody else holds a vector, else in a copy.
pub fn adam(
    theta: FlexTensor,
    gradient: FlexTensor,
    first: FlexTensor,
    second: FlexTensor,
    step: AdamStep,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let AdamStep { beta1, beta2, rate, correction, eps } = step;
    let [mut theta, gradient, first, mut second] = [theta, gradient, first, second].map(in_a_row);
    let first = match beta1 {
        0.0 => gradient.clone(),
        _ => moved(first, &gradient, |old, new| old * beta1 + new * (1.0 - beta1)),
    };
    let (gradient, momentum) = (gradient.storage::<f32>(), first.storage::<f32>());
    let (theta_values, second_values) = (theta.storage_mut::<f32>(), second.storage_mut::<f32>());
    let lengths = [theta_values.len(), second_values.len(), momentum.len()];
    assert!(lengths == [gradient.len(); 3], "adam: lengths");
    second_values
        .par_chunks_mut(TASK_FLOATS)
        .zip(theta_values.par_chunks_mut(TASK_FLOATS))
        .zip(gradient.par_chunks(TASK_FLOATS).zip(momentum.par_chunks(TASK_FLOATS)))
        .for_each(|((second, theta), (gradient, momentum))| {
            for ((second, theta), (gradient, momentum)) in
                second.iter_mut().zip(theta).zip(gradient.iter().zip(momentum))
            {
                *second = *second * beta2 + gradient * gradient * (1.0 - beta2);
                *theta -= momentum / (second.sqrt() / correction + eps) * rate;
            }
        });
    (theta, first, second)
}

/// In place where nobody else holds `from`, else in a copy.
pub fn lerp(from: FlexTensor, to: &FlexTensor, weight: f32) -> FlexTensor {
    moved(in_a_row(from), &to.to_contiguous(), |from, to| from + (to - from) * weight)
}

/// The same vector with its values in a row, copied only if they do not lie so already.
fn in_a_row(vector: FlexTensor) -> FlexTensor {
    vector.to_contiguous()
}

/// `f` of each value of `from` and of `to`, in the place of `from`; both lie in a row.
fn moved(mut from: FlexTensor, to: &FlexTensor, f: impl Fn(f32, f32) -> f32 + Sync) -> FlexTensor {
    let (values, to) = (from.storage_mut::<f32>(), to.storage::<f32>());
    assert_eq!(values.len(), to.len(), "vectors of one length");
    let parts = values.par_chunks_mut(TASK_FLOATS).zip(to.par_chunks(TASK_FLOATS));
    parts.for_each(|(values, to)| values.iter_mut().zip(to).for_each(|(value, to)| *value = f(*value, *to)));
    from
}
