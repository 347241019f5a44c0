//! R1 gradient penalty (Mescheder et al. 2018), forward over reverse.

use burn::tensor::Tensor;

use crate::networks::{Discriminator, Dual, FlatParams};

/// The penalty of a batch and its gradient.
pub struct R1 {
    /// `sum_n |d D(x)/d x_n|^2`, `[1]`: divide by the batch size for the mean.
    pub value: Tensor<1>,
    /// Its derivative with respect to the discriminator's parameters, `[parameters]`.
    pub gradient: Tensor<1>,
}

/// `sum over the batch of |d D(x)/d x|^2` and its parameter gradient; `labels` are the images' classes, for
/// class-conditional networks.
///
/// `v = d D(x)/d x` comes from an ordinary backward pass; the tangent of `D` along the fixed `v` is
/// `<d D/d x, v>`, and twice its gradient is the gradient of `|d D/d x|^2`.
pub fn r1_penalty(discriminator: &Discriminator, d: &FlatParams, real: Tensor<4>, labels: Option<Tensor<2>>) -> R1 {
    let images = real.clone().autodiff().require_grad();
    let score = discriminator.forward_labelled(&d.constants(), images.clone().into(), labels.clone()).value.sum();
    let mut gradients = score.backward();
    let v = images.grad_remove(&mut gradients).unwrap_or_else(|| real.zeros_like());

    let leaves = d.leaves();
    let score = discriminator.forward_labelled(&leaves, Dual::new(real, v.clone()), labels);
    let gradient = match score.tangent {
        Some(tangent) => leaves.gradient(&mut (tangent.sum() * 2.0).backward()),
        None => d.values.zeros_like(),
    };
    R1 { value: v.square().sum(), gradient }
}
