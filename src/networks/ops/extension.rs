//! The operations as a backend extension: one trait, and who implements it how.
//!
//! The three convolutions are closed under differentiation: each one's gradients are the other
//! two, and a transposed convolution is `conv_input_grad`.

use std::sync::Arc;

use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, DType, ExtensionType, Shape, backend_extension};

use super::activation::Activation;
use super::adam::AdamStep;
use super::composite;
use super::filtered::FilteredActivation;
use super::fir::Fir;
use super::parameters::{Parts, Run};

/// Rows up to which the gradients of a linear layer's weight and bias are written in one pass over the weight, instead of as a product of
/// matrices.
pub const FEW_ROWS: usize = 64;

/// A dozen tensors ([`Run::MOST`]): as many gradients as are put together at once.
#[derive(ExtensionType)]
#[extension_type(fusion)]
pub struct Twelve<B: Backend> {
    a: FloatTensor<B>,
    b: FloatTensor<B>,
    c: FloatTensor<B>,
    d: FloatTensor<B>,
    e: FloatTensor<B>,
    f: FloatTensor<B>,
    g: FloatTensor<B>,
    h: FloatTensor<B>,
    i: FloatTensor<B>,
    j: FloatTensor<B>,
    k: FloatTensor<B>,
    l: FloatTensor<B>,
}

impl<B: Backend> Twelve<B> {
    /// From the tensors in their order.
    pub fn from_array([a, b, c, d, e, f, g, h, i, j, k, l]: [FloatTensor<B>; Run::MOST]) -> Self {
        Self { a, b, c, d, e, f, g, h, i, j, k, l }
    }

    /// The tensors in their order.
    pub fn into_array(self) -> [FloatTensor<B>; Run::MOST] {
        let Self { a, b, c, d, e, f, g, h, i, j, k, l } = self;
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }
}

/// The operations of this folder on a backend's own tensors. See the functions of
/// [`super`] for their meaning; the default bodies compose ordinary Burn operations.
#[backend_extension(Cube, Flex, Autodiff, Fusion)]
pub trait GanOps: Backend {
    /// `conv2d(x, weight)`, `weight: [out, in, kh, kw]`.
    #[fusion(dtype = x, shape = convolved(x, weight, *stride, *padding))]
    fn conv_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        composite::conv_forward::<Self>(x, weight, stride, padding)
    }

    /// The gradient of `conv_forward` for an input of `size` (`[height, width]`), from the
    /// gradient of its output. Also the transposed convolution.
    #[fusion(dtype = grad, shape = Shape::from([grad[0], weight[1], size[0], size[1]]))]
    fn conv_input_grad(
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        size: [usize; 2],
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        composite::conv_input_grad::<Self>(weight, grad, size, stride, padding)
    }

    /// The gradient of `conv_forward` for a weight of `kernel` (`[kh, kw]`), from its input and
    /// the gradient of its output: in `f32`, whatever these are stored in.
    #[fusion(dtype = DType::F32, shape = Shape::from([grad[1], x[1], kernel[0], kernel[1]]))]
    fn conv_weight_grad(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        kernel: [usize; 2],
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        composite::conv_weight_grad::<Self>(x, grad, kernel, stride, padding)
    }

    /// Separable resampling of each plane.
    #[fusion(dtype = x, shape = resized(x, fir.output_size(plane(x))))]
    fn fir(x: FloatTensor<Self>, fir: Fir) -> FloatTensor<Self> {
        composite::fir::<Self>(x, fir)
    }

    /// The activation of `x + bias[c]`.
    #[fusion(dtype = x, shape = x)]
    fn bias_act(x: FloatTensor<Self>, bias: FloatTensor<Self>, act: Activation) -> FloatTensor<Self> {
        composite::bias_act::<Self>(x, bias, act)
    }

    /// The gradients of `bias_act` for `x` and `bias`, from its output `y`.
    #[fusion(meta = |y, _, _| (y.clone(), channels(y)))]
    fn bias_act_grad(
        y: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        act: Activation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composite::bias_act_grad::<Self>(y, grad, act)
    }

    /// `t` times the slope of the activation at its output `y`.
    #[fusion(dtype = y, shape = y)]
    fn slope_mul(y: FloatTensor<Self>, t: FloatTensor<Self>, act: Activation) -> FloatTensor<Self> {
        composite::slope_mul::<Self>(y, t, act)
    }

    /// `x * s[n, c]`.
    #[fusion(dtype = x, shape = x)]
    fn scale(x: FloatTensor<Self>, s: FloatTensor<Self>) -> FloatTensor<Self> {
        composite::scale::<Self>(x, s)
    }

    /// The gradients of `scale` for `x` and `s`.
    #[fusion(meta = |x, s, _| (x.clone(), s.clone()))]
    fn scale_grad(
        x: FloatTensor<Self>,
        s: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composite::scale_grad::<Self>(x, s, grad)
    }

    /// `leaky_relu(x * scale[n, c] + strength * noise + bias[c]) * sqrt(2)`.
    #[fusion(dtype = x, shape = x)]
    fn noise_act(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        noise: FloatTensor<Self>,
        strength: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composite::noise_act::<Self>(x, scale, noise, strength, bias)
    }

    /// The gradients of `noise_act` for `x`, `scale`, `strength` and `bias`, from its output `y`.
    #[allow(clippy::type_complexity)] // The macro reads the return type; an alias would hide it.
    #[fusion(meta = |y, _, scale, _, _| (y.clone(), scale.clone(), single(), channels(y)))]
    fn noise_act_grad(
        y: FloatTensor<Self>,
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        noise: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composite::noise_act_grad::<Self>(y, x, scale, noise, grad)
    }

    /// The filtered activation of `x * scale[n, c] + bias[c]`.
    #[fusion(dtype = x, shape = resized(x, filtered.output_size(plane(x))))]
    fn filtered_act(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        filtered: FilteredActivation,
    ) -> FloatTensor<Self> {
        composite::filtered::filtered_act::<Self>(x, scale, bias, filtered)
    }

    /// The gradients of `filtered_act` for `x`, `scale` and `bias`; what lies between the filters is computed again.
    #[allow(clippy::type_complexity)] // The macro reads the return type; an alias would hide it.
    #[fusion(meta = |x, scale, bias, _, _| (x.clone(), scale.clone(), bias.clone()))]
    fn filtered_act_grad(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        filtered: FilteredActivation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composite::filtered::filtered_act_grad::<Self>(x, scale, bias, grad, filtered)
    }

    /// `x weight^T + bias` with `weight` `[outputs, inputs]`.
    #[fusion(default)]
    fn affine(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        composite::transformer::linear::<Self>(x, weight, bias)
    }

    /// The gradients of `affine` for the weight and the bias, for few rows ([`FEW_ROWS`]).
    #[fusion(meta = |x, grad| products(x, grad))]
    fn affine_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composite::transformer::linear_grad::<Self>(x, grad)
    }

    /// The sum over taps of the squares of a weight `[out, in, kh, kw]`: `[out, in]`.
    #[fusion(dtype = weight, shape = Shape::from([weight[0], weight[1]]))]
    fn energy(weight: FloatTensor<Self>) -> FloatTensor<Self> {
        composite::energy::<Self>(weight)
    }

    /// `x Phi(x)`, elementwise, of `x` `[rows, width]`.
    #[fusion(dtype = x, shape = x)]
    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        composite::gelu::<Self>(x)
    }

    /// The gradient of `gelu` for `x`.
    #[fusion(dtype = x, shape = x)]
    fn exact_gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        composite::gelu_grad::<Self>(x, grad)
    }

    /// Scaled dot-product attention of rows `[batch * tokens, width]`, each head on its part of them.
    #[fusion(default)]
    fn dot_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        batch: usize,
        heads: usize,
    ) -> FloatTensor<Self> {
        composite::transformer::attention::<Self>(query, key, value, batch, heads)
    }

    /// The gradients of `dot_attention` for queries, keys and values.
    #[allow(clippy::type_complexity)] // As above.
    #[fusion(default)]
    fn dot_attention_grad(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        batch: usize,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composite::transformer::attention_grad::<Self>([query, key, value], grad, batch, heads)
    }

    /// Layer normalisation of rows `x` `[rows, width]`.
    #[fusion(default)]
    fn layer_normal(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        composite::transformer::layer_norm::<Self>(x, weight, bias, epsilon)
    }

    /// The gradients of `layer_normal` for `x`, the weight and the bias.
    #[allow(clippy::type_complexity)] // As above.
    #[fusion(default)]
    fn layer_normal_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composite::transformer::layer_norm_grad::<Self>(x, weight, grad, epsilon)
    }

    /// One step of Adam: the parameters and both moments afterwards.
    #[allow(clippy::type_complexity)] // As above.
    #[fusion(meta = |theta, _, first, second, _| (theta.clone(), first.clone(), second.clone()))]
    fn adam(
        theta: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composite::adam::<Self>(theta, gradient, first, second, step)
    }

    /// `from + (to - from) * weight`.
    #[fusion(dtype = from, shape = from)]
    fn lerp(from: FloatTensor<Self>, to: FloatTensor<Self>, weight: f32) -> FloatTensor<Self> {
        composite::lerp::<Self>(from, to, weight)
    }

    /// All parameters `flat` `[parameters]` as their layers use them, one behind the other: each scaled, in its order and aligned.
    /// `table` and `scales` are those of `parts`.
    #[fusion(dtype = flat, shape = Shape::from([parts.values()]))]
    fn prepare(
        flat: FloatTensor<Self>,
        table: IntTensor<Self>,
        scales: FloatTensor<Self>,
        parts: Arc<Parts>,
    ) -> FloatTensor<Self> {
        let _ = (table, scales);
        composite::parameters::prepare::<Self>(flat, &parts)
    }

    /// A parameter of those that [`prepare`](Self::prepare) gave, in its shape; on GPUs the same memory.
    #[fusion(dtype = prepared, shape = Shape::from(parts.part(*number).usage.shape.as_slice()))]
    fn part(prepared: FloatTensor<Self>, parts: Arc<Parts>, number: usize) -> FloatTensor<Self> {
        composite::parameters::part::<Self>(prepared, parts.part(number))
    }

    /// A flat vector into which the gradients of a run of parameters were written, for parameters before they were prepared.
    #[fusion(dtype = into, shape = into)]
    fn put_together(
        into: FloatTensor<Self>,
        #[extension_type] gradients: Twelve<Self>,
        parts: Arc<Parts>,
        run: Run,
    ) -> FloatTensor<Self> {
        let all = gradients.into_array();
        composite::parameters::put_together::<Self>(into, all, run.parts(&parts), &run.present)
    }
}

/// Height and width of images of this shape.
fn plane(images: &Shape) -> [usize; 2] {
    let [_, _, h, w] = images.dims::<4>();
    [h, w]
}

/// The shape of as many images of another size.
fn resized(images: &Shape, [h, w]: [usize; 2]) -> Shape {
    Shape::from([images[0], images[1], h, w])
}

/// The shape of what a convolution makes of these images.
fn convolved(images: &Shape, weight: &Shape, stride: usize, padding: usize) -> Shape {
    let side = |axis: usize| (images[axis] + 2 * padding - weight[axis]) / stride + 1;
    Shape::from([images[0], weight[0], side(2), side(3)])
}

/// One value for each channel of these images, in `f32`.
fn channels(images: &TensorSpec) -> TensorSpec {
    TensorSpec::new(Shape::from([images.shape[1]]), DType::F32)
}

/// A weight and a bias between these rows.
fn products(x: &TensorSpec, grad: &TensorSpec) -> (TensorSpec, TensorSpec) {
    let (inputs, outputs) = (x.shape[1], grad.shape[1]);
    (TensorSpec::new(Shape::from([outputs, inputs]), x.dtype), TensorSpec::new(Shape::from([outputs]), x.dtype))
}

/// One value, in `f32`.
fn single() -> TensorSpec {
    TensorSpec::new(Shape::from([1]), DType::F32)
}
