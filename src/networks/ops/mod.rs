//! The tensor operations GANs spend their time in, as one Burn backend extension.
//!
//! In: images `[batch, channels, height, width]` on any device of the crate, in `f32`, on GPUs also in `f16`, and parameters in `f32`. Out: images
//! stored as those that came in; gradients of parameters in `f32`. Everything is computed in `f32`. Activations that are stored in
//! `f16` are held within [`HALF_LIMIT`].
//! Every function works on plain and on autodiff devices; gradients are first order, and each is
//! computed only for the inputs that ask for it.
//!
//! - `extension` declares the operations and where each backend finds its implementation;
//! - `composite` spells them with ordinary Burn operations: what tests compare with, and what GPUs do with tensors that have no values;
//! - `autodiff` holds the backward passes, the same for every backend;
//! - `function` makes nodes of that graph out of functions of several tensors with a backward pass of their own;
//! - `flex` holds the CPU kernels, `cube` those of GPUs;
//! - `parameters` says how GPUs lay out the parameters of a network.
//!
//! This folder imports Burn (in `cube` also its GPU backend, `burn_cubecl`) and nothing else of the crate.

mod activation;
mod adam;
mod autodiff;
mod composite;
mod cube;
mod extension;
mod filtered;
mod fir;
mod flex;
mod function;
mod parameters;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use burn::backend::{Dispatch, DispatchTensor};
use burn::tensor::{DType, Int, Tensor};

pub use activation::{Activation, HALF_LIMIT};
pub use adam::AdamStep;
pub use extension::{GanOps, Twelve};
pub use filtered::{FilteredActivation, Fir2d, Lowpass};
pub use fir::Fir;
pub use flex::{leave_out_avx512, vector_instructions, workspace_bytes};
pub(super) use function::{AnyTensor, Gradient, is_tracked, pull, with_backward};
pub use parameters::{MemoryOrder, Part, Parts, Run, Usage};

/// Whether an image tensor is stored in half precision.
pub fn is_half(x: &Tensor<4>) -> bool {
    x.dtype() == DType::F16
}

/// Two-dimensional convolution (correlation) without bias.
///
/// `x: [n, in, h, w]`, `weight: [out, in, kh, kw]`, result
/// `[n, out, (h + 2 * padding - kh) / stride + 1, …]`.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::conv_forward(x.into_dispatch(), weight.into_dispatch(), stride, padding))
}

/// Transposed two-dimensional convolution without bias: the adjoint of [`conv2d`] in its input.
///
/// `x: [n, in, h, w]`, `weight: [in, out, kh, kw]`, result
/// `[n, out, (h - 1) * stride + kh - 2 * padding, …]`.
pub fn conv_transpose2d(x: Tensor<4>, weight: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    let [_, _, kh, kw] = weight.dims();
    let size = [(h - 1) * stride + kh - 2 * padding, (w - 1) * stride + kw - 2 * padding];
    Tensor::from_dispatch(Dispatch::conv_input_grad(weight.into_dispatch(), x.into_dispatch(), size, stride, padding))
}

/// Upsamples by zero insertion, pads, filters and downsamples each plane.
///
/// The same as rosinality's `upfirdn2d(x, outer(taps, taps), up, down, (pad0, pad1))`: a true
/// convolution, so the taps are applied flipped; negative padding crops. The taps carry the gain.
/// Each side becomes `(side * up + pad0 + pad1 - taps.len()) / down + 1`.
pub fn upfirdn2d(x: Tensor<4>, taps: &[f32], up: usize, down: usize, pad0: isize, pad1: isize) -> Tensor<4> {
    let fir = Fir::new(taps, up, down, [pad0, pad1]);
    Tensor::from_dispatch(Dispatch::fir(x.into_dispatch(), fir))
}

/// The activation of `x + bias[c]` with `bias: [channels]`.
///
/// The backward pass keeps only the output, whose sign gives the slope.
pub fn bias_activation(x: Tensor<4>, bias: Tensor<1>, act: Activation) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::bias_act(x.into_dispatch(), bias.into_dispatch(), act))
}

/// `t` times the slope (gain included) of [`bias_activation`] at its output `y`: the tangent.
///
/// `y` is a constant here: only `t` receives a gradient.
pub fn activation_slope_mul(y: Tensor<4>, t: Tensor<4>, act: Activation) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::slope_mul(y.into_dispatch(), t.into_dispatch(), act))
}

/// Multiplies each plane of `x: [n, c, h, w]` by its own factor of `s: [n, c]`.
pub fn scale_channels(x: Tensor<4>, s: Tensor<2>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::scale(x.into_dispatch(), s.into_dispatch()))
}

/// The tail of a generator layer in one pass over memory:
/// `leaky_relu(x * scale[n, c] + strength * noise + bias[c], 0.2) * sqrt(2)`.
///
/// `scale: [n, c]` (the demodulation), `noise: [n or 1, 1, h, w]` (a constant: it receives no
/// gradient), `strength: [1]`, `bias: [c]`.
pub fn scale_noise_bias_leaky_relu(
    x: Tensor<4>,
    scale: Tensor<2>,
    noise: Tensor<4>,
    strength: Tensor<1>,
    bias: Tensor<1>,
) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::noise_act(
        x.into_dispatch(),
        scale.into_dispatch(),
        noise.into_dispatch(),
        strength.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// The filtered activation of `x * scale[n, c] + bias[c]`, with `scale: [n, c]` and `bias: [c]`:
/// upsampling, leaky ReLU, clamp, downsampling, as one operation.
///
/// The backward pass keeps only `x`: what lies between the filters is several times as large, and is computed again.
pub fn filtered_activation(x: Tensor<4>, scale: Tensor<2>, bias: Tensor<1>, filtered: FilteredActivation) -> Tensor<4> {
    let [x, scale, bias] = [x.into_dispatch(), scale.into_dispatch(), bias.into_dispatch()];
    Tensor::from_dispatch(Dispatch::filtered_act(x, scale, bias, filtered))
}

/// `x weight^T + bias` with `x: [rows, inputs]`, `weight: [outputs, inputs]` and `bias: [outputs]`; `[rows, outputs]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let [x, weight, bias] = [x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()];
    Tensor::from_dispatch(Dispatch::affine(x, weight, bias))
}

/// The sum over taps of the squares of `weight: [out, in, kh, kw]`, `[out, in]`.
pub fn energy(weight: Tensor<4>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::energy(weight.into_dispatch()))
}

/// The exact Gaussian error linear unit `x Phi(x)` (Hendrycks & Gimpel 2016) of `x: [rows, width]`.
pub fn gelu(x: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::exact_gelu(x.into_dispatch()))
}

/// Scaled dot-product attention (Vaswani et al. 2017, equation 1) of `query`, `key` and `value`, each `[batch * tokens, width]`: the
/// rows of a picture stand together, and each of `heads` heads has its part of every row. Gives the same shape.
///
/// The backward pass keeps these three; the shares are computed again.
pub fn attention(query: Tensor<2>, key: Tensor<2>, value: Tensor<2>, batch: usize, heads: usize) -> Tensor<2> {
    let [query, key, value] = [query, key, value].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::dot_attention(query, key, value, batch, heads))
}

/// Layer normalisation (Ba et al. 2016) of each row of `x: [rows, width]`, with `weight: [width]` and `bias: [width]`.
///
/// The backward pass keeps only `x` and the weight.
pub fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let (weight, bias) = (weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::layer_normal(x.into_dispatch(), weight, bias, epsilon as f32))
}

/// One step of Adam on a vector of parameters; all tensors are `[parameters]`. Gives the parameters and both moments.
pub fn adam(
    theta: Tensor<1>,
    gradient: Tensor<1>,
    [first, second]: [Tensor<1>; 2],
    step: AdamStep,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let [theta, gradient, first, second] = [theta, gradient, first, second].map(Tensor::into_dispatch);
    let (theta, first, second) = Dispatch::adam(theta, gradient, first, second, step);
    (Tensor::from_dispatch(theta), [first, second].map(Tensor::from_dispatch))
}

/// `from + (to - from) * weight`, all `[parameters]`.
pub fn lerp(from: Tensor<1>, to: Tensor<1>, weight: f32) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::lerp(from.into_dispatch(), to.into_dispatch(), weight))
}

/// All parameters `flat` `[parameters]` as their layers use them, one behind the other; `table` and `scales` are those of `parts`.
pub fn prepare(flat: Tensor<1>, table: Tensor<1, Int>, scales: Tensor<1>, parts: Arc<Parts>) -> Tensor<1> {
    let [flat, scales] = [flat, scales].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::prepare(flat, table.into_dispatch(), scales, parts))
}

/// A parameter of those that [`prepare`] gave, in the shape in which it is used; on GPUs the same memory.
pub fn part<const D: usize>(prepared: Tensor<1>, parts: Arc<Parts>, number: usize) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::part(prepared.into_dispatch(), parts, number))
}

/// Writes the gradients of a run of prepared parameters into a flat vector `[parameters]`, as those of the parameters before they were
/// prepared: zero where there is none. What stands in the place of one that is missing is not looked at.
pub fn put_together(into: Tensor<1>, gradients: [DispatchTensor; Run::MOST], parts: Arc<Parts>, run: Run) -> Tensor<1> {
    let gradients = Twelve::from_array(gradients);
    Tensor::from_dispatch(Dispatch::put_together(into.into_dispatch(), gradients, parts, run))
}
