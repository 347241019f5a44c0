//! The operations as kernels for every GPU that Burn knows (CubeCL compiles them for Vulkan, Metal, DirectX 12, WebGPU and CUDA).
//!
//! In and out: tensors of a cube backend, images in `f32` or `f16`, parameters and their gradients in `f32`. Each operation is one launch, or
//! two where there are sums; what has no values, or others, goes to the composites.
//!
//! - `image`: how tensors lie in memory; `sums`: sums over planes, always in one order;
//! - `convolution`: which of Burn's convolutions;
//! - `fir`, `pointwise`, `gradients`, `filtered`, `linear`, `vectors`, `parameters`: the kernels.
//!
//! Imports Burn, CubeCL, and the plain data and composites of `ops`.

mod convolution;
mod filtered;
mod fir;
mod gradients;
mod image;
mod linear;
mod parameters;
mod pointwise;
mod sums;
mod vectors;

use std::sync::Arc;

use burn::backend::DType;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::activation::Activation;
use super::adam::AdamStep;
use super::composite;
use super::extension::{GanOps, Twelve};
use super::filtered::FilteredActivation;
use super::fir::Fir;
use super::parameters::{Parts, Run};
use convolution::Steps;

/// Whether the kernels can compute with all of these: images, which may be stored in half precision, all or none of them, and parameters
/// or what is computed of them.
fn fit(images: &[&CubeTensor], parameters: &[&CubeTensor]) -> bool {
    let stored = images.first().map_or(DType::F32, |image| image.dtype);
    let filled = |x: &&CubeTensor| x.meta.num_elements() > 0;
    matches!(stored, DType::F32 | DType::F16)
        && images.iter().all(|x| x.dtype == stored)
        && parameters.iter().all(|x| x.dtype == DType::F32)
        && images.iter().chain(parameters).all(filled)
}

impl GanOps for CubeBackend {
    fn conv_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        convolution::forward(x, weight, Steps { stride, padding })
    }

    fn conv_input_grad(
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        size: [usize; 2],
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        convolution::input_grad(weight, grad, size, Steps { stride, padding })
    }

    fn conv_weight_grad(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        kernel: [usize; 2],
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        convolution::weight_grad(x, grad, kernel, Steps { stride, padding })
    }

    fn fir(x: FloatTensor<Self>, fir: Fir) -> FloatTensor<Self> {
        if fit(&[&x], &[]) { fir::fir(x, &fir) } else { composite::fir::<Self>(x, fir) }
    }

    fn bias_act(x: FloatTensor<Self>, bias: FloatTensor<Self>, act: Activation) -> FloatTensor<Self> {
        match fit(&[&x], &[&bias]) {
            true => pointwise::bias_act(x, bias, act),
            false => composite::bias_act::<Self>(x, bias, act),
        }
    }

    fn bias_act_grad(
        y: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        act: Activation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match fit(&[&y, &grad], &[]) {
            true => gradients::bias_act_grad(y, grad, act),
            false => composite::bias_act_grad::<Self>(y, grad, act),
        }
    }

    fn slope_mul(y: FloatTensor<Self>, t: FloatTensor<Self>, act: Activation) -> FloatTensor<Self> {
        match fit(&[&y, &t], &[]) {
            true => pointwise::slope_mul(y, t, act),
            false => composite::slope_mul::<Self>(y, t, act),
        }
    }

    fn scale(x: FloatTensor<Self>, s: FloatTensor<Self>) -> FloatTensor<Self> {
        if fit(&[&x], &[&s]) { pointwise::scale(x, s) } else { composite::scale::<Self>(x, s) }
    }

    fn scale_grad(
        x: FloatTensor<Self>,
        s: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match fit(&[&x, &grad], &[&s]) {
            true => gradients::scale_grad(x, s, grad),
            false => composite::scale_grad::<Self>(x, s, grad),
        }
    }

    fn noise_act(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        noise: FloatTensor<Self>,
        strength: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        match fit(&[&x], &[&scale, &noise, &strength, &bias]) {
            true => pointwise::noise_act(x, scale, noise, strength, bias),
            false => composite::noise_act::<Self>(x, scale, noise, strength, bias),
        }
    }

    fn noise_act_grad(
        y: FloatTensor<Self>,
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        noise: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match fit(&[&y, &x, &grad], &[&scale, &noise]) {
            true => gradients::noise_act_grad(y, x, scale, noise, grad),
            false => composite::noise_act_grad::<Self>(y, x, scale, noise, grad),
        }
    }

    fn filtered_act(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        filtered: FilteredActivation,
    ) -> FloatTensor<Self> {
        match fit(&[&x], &[&scale, &bias]) {
            true => filtered::filtered_act(x, scale, bias, &filtered),
            false => composite::filtered::filtered_act::<Self>(x, scale, bias, filtered),
        }
    }

    fn filtered_act_grad(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        filtered: FilteredActivation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match fit(&[&x, &grad], &[&scale, &bias]) {
            true => filtered::filtered_act_grad(x, scale, bias, grad, &filtered),
            false => composite::filtered::filtered_act_grad::<Self>(x, scale, bias, grad, filtered),
        }
    }

    fn affine_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match fit(&[], &[&x, &grad]) {
            true => linear::linear_grad(x, grad),
            false => composite::transformer::linear_grad::<Self>(x, grad),
        }
    }

    fn energy(weight: FloatTensor<Self>) -> FloatTensor<Self> {
        if fit(&[], &[&weight]) { linear::energy(weight) } else { composite::energy::<Self>(weight) }
    }

    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if fit(&[], &[&x]) { vectors::gelu(x) } else { composite::gelu::<Self>(x) }
    }

    fn exact_gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        match fit(&[], &[&x, &grad]) {
            true => vectors::gelu_grad(x, grad),
            false => composite::gelu_grad::<Self>(x, grad),
        }
    }

    fn adam(
        theta: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match fit(&[], &[&theta, &gradient, &first, &second]) {
            true => vectors::adam(theta, gradient, first, second, step),
            false => composite::adam::<Self>(theta, gradient, first, second, step),
        }
    }

    fn lerp(from: FloatTensor<Self>, to: FloatTensor<Self>, weight: f32) -> FloatTensor<Self> {
        match fit(&[], &[&from, &to]) {
            true => vectors::lerp(from, to, weight),
            false => composite::lerp::<Self>(from, to, weight),
        }
    }

    fn prepare(
        flat: FloatTensor<Self>,
        table: IntTensor<Self>,
        scales: FloatTensor<Self>,
        parts: Arc<Parts>,
    ) -> FloatTensor<Self> {
        match fit(&[], &[&flat, &scales]) && table.dtype == DType::I32 {
            true => parameters::prepare(flat, table, scales, &parts),
            false => composite::parameters::prepare::<Self>(flat, &parts),
        }
    }

    fn part(prepared: FloatTensor<Self>, parts: Arc<Parts>, number: usize) -> FloatTensor<Self> {
        parameters::view(into_contiguous(prepared), parts.part(number))
    }

    fn put_together(
        into: FloatTensor<Self>,
        gradients: Twelve<Self>,
        parts: Arc<Parts>,
        run: Run,
    ) -> FloatTensor<Self> {
        let all = gradients.into_array();
        match all.iter().all(|gradient| fit(&[], &[gradient])) && fit(&[], &[&into]) {
            true => parameters::put_together(into, all, run.parts(&parts), &run.present),
            false => composite::parameters::put_together::<Self>(into, all, run.parts(&parts), &run.present),
        }
    }
}
