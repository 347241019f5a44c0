//! Extrapolation along the line from the adapted to the original parameters.

use burn::tensor::Tensor;

/// `theta_N + gamma * (theta_G - theta_N)`: 0 gives the adapted parameters, 1 the original ones, more leads away
/// from what was adapted to. All tensors are `[parameters]`; of an ensemble the mean is taken for `theta_N`.
pub fn extrapolate(original: &Tensor<1>, adapted: &[Tensor<1>], gamma: f64) -> Tensor<1> {
    let count = adapted.len() as f64;
    let Some(sum) = adapted.iter().cloned().reduce(|a, b| a + b) else {
        return original.clone();
    };
    let mean = sum / count;
    (original.clone() - mean.clone()) * gamma + mean
}
