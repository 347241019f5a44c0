//! The operations spelled with ordinary Burn operations.
//!
//! The tests measure the kernels against these, and backends without a kernel run them.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, FloatDType, Scalar, Shape, Slice, TensorMetadata, get_or_init_device_settings};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, PadMode};

use super::activation::Activation;
use super::adam::AdamStep;
use super::fir::Fir;

pub mod filtered;
pub mod parameters;
pub mod transformer;

/// The four dimensions of an image tensor.
fn dims4<B: Backend>(x: &FloatTensor<B>) -> [usize; 4] {
    x.shape().dims::<4>()
}

fn options(stride: usize, padding: usize) -> ConvOptions<2> {
    ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1)
}

pub fn conv_forward<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    stride: usize,
    padding: usize,
) -> FloatTensor<B> {
    B::conv2d(x, weight, None, options(stride, padding))
}

pub fn conv_input_grad<B: Backend>(
    weight: FloatTensor<B>,
    grad: FloatTensor<B>,
    size: [usize; 2],
    stride: usize,
    padding: usize,
) -> FloatTensor<B> {
    let [_, _, kh, kw] = dims4::<B>(&weight);
    let [_, _, gh, gw] = dims4::<B>(&grad);
    // Where the stride does not divide the input, the last rows took part in no window.
    let rest = |size: usize, grad: usize, k: usize| size + 2 * padding - (grad - 1) * stride - k;
    let out = [rest(size[0], gh, kh), rest(size[1], gw, kw)];
    let options = ConvTransposeOptions::new([stride; 2], [padding; 2], out, [1; 2], 1);
    B::conv_transpose2d(grad, weight, None, options)
}

pub fn conv_weight_grad<B: Backend>(
    x: FloatTensor<B>,
    grad: FloatTensor<B>,
    kernel: [usize; 2],
    stride: usize,
    padding: usize,
) -> FloatTensor<B> {
    let shape = [dims4::<B>(&grad)[1], dims4::<B>(&x)[1], kernel[0], kernel[1]];
    // Burn reads only the shape of the weight here.
    let weight = B::float_zeros(Shape::from(shape), &x.device(), FloatDType::F32);
    B::conv2d_weight_backward(x, weight, grad, options(stride, padding))
}

pub fn fir<B: Backend>(x: FloatTensor<B>, fir: Fir) -> FloatTensor<B> {
    let [n, c, h, w] = dims4::<B>(&x);
    let [oh, ow] = fir.output_size([h, w]);
    let x = zero_insert::<B>(x, fir.up);
    let x = pad_axis::<B>(x, 2, fir.pad_y);
    let x = pad_axis::<B>(x, 3, fir.pad_x);
    let x = filter_axis::<B>(x, 2, &fir, oh);
    let x = filter_axis::<B>(x, 3, &fir, ow);
    debug_assert_eq!(dims4::<B>(&x), [n, c, oh, ow]);
    x
}

/// Puts `up - 1` zeros after each row and each column.
fn zero_insert<B: Backend>(x: FloatTensor<B>, up: usize) -> FloatTensor<B> {
    if up == 1 {
        return x;
    }
    let [n, c, h, w] = dims4::<B>(&x);
    let device = x.device();
    let zeros = |shape: [usize; 4]| B::float_zeros(Shape::from(shape), &device, FloatDType::F32);
    // Interleaving is a concatenation along an axis of length one.
    let x = B::float_reshape(x, Shape::from([n * c, h * w, 1, 1]));
    let x = B::float_cat(vec![x, zeros([n * c, h * w, 1, up - 1])], 3);
    let x = B::float_reshape(x, Shape::from([n * c, h, 1, w * up]));
    let x = B::float_cat(vec![x, zeros([n * c, h, up - 1, w * up])], 2);
    B::float_reshape(x, Shape::from([n, c, h * up, w * up]))
}

/// Pads with zeros, or crops where the padding is negative.
fn pad_axis<B: Backend>(x: FloatTensor<B>, axis: usize, pad: [isize; 2]) -> FloatTensor<B> {
    let len = dims4::<B>(&x)[axis] as isize;
    let grow = pad.map(|p| p.max(0) as usize);
    let crop = pad.map(|p| (-p).max(0));
    let x = match grow {
        [0, 0] => x,
        [before, after] => {
            let mut padding = [(0, 0); 4];
            padding[axis] = (before, after);
            B::float_pad(x, &padding, PadMode::Constant(0.0))
        }
    };
    let end = len + grow[0] as isize + grow[1] as isize - crop[1];
    match crop {
        [0, 0] => x,
        [start, _] => slice_axis::<B>(x, axis, start, end, 1),
    }
}

fn slice_axis<B: Backend>(x: FloatTensor<B>, axis: usize, start: isize, end: isize, step: isize) -> FloatTensor<B> {
    let mut slices = dims4::<B>(&x).map(|len| Slice::new(0, Some(len as isize), 1));
    slices[axis] = Slice::new(start, Some(end), step);
    B::float_slice(x, &slices)
}

/// The filter along one axis as a sum of shifted slices.
fn filter_axis<B: Backend>(x: FloatTensor<B>, axis: usize, fir: &Fir, out: usize) -> FloatTensor<B> {
    let reach = ((out - 1) * fir.down + 1) as isize;
    let terms = fir.taps.iter().rev().enumerate().map(|(t, tap)| {
        let start = t as isize;
        let part = slice_axis::<B>(x.clone(), axis, start, start + reach, fir.down as isize);
        B::float_mul_scalar(part, Scalar::from(*tap))
    });
    let sum = terms.reduce(|sum, term| B::float_add(sum, term));
    sum.unwrap_or(x)
}

/// `[channels]` as something that broadcasts over an image tensor.
fn per_channel<B: Backend>(v: FloatTensor<B>) -> FloatTensor<B> {
    let len = v.shape().num_elements();
    B::float_reshape(v, Shape::from([1, len, 1, 1]))
}

/// `[n, channels]` as something that broadcasts over an image tensor.
fn per_plane<B: Backend>(s: FloatTensor<B>) -> FloatTensor<B> {
    let [n, c] = s.shape().dims::<2>();
    B::float_reshape(s, Shape::from([n, c, 1, 1]))
}

fn sum_to_channels<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let c = dims4::<B>(&x)[1];
    B::float_reshape(B::float_sum_dims(x, &[0, 2, 3]), Shape::from([c]))
}

fn sum_to_planes<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [n, c, ..] = dims4::<B>(&x);
    B::float_reshape(B::float_sum_dims(x, &[2, 3]), Shape::from([n, c]))
}

pub fn bias_act<B: Backend>(x: FloatTensor<B>, bias: FloatTensor<B>, act: Activation) -> FloatTensor<B> {
    let z = B::float_add(x, per_channel::<B>(bias));
    slope_mul::<B>(z.clone(), z, act)
}

pub fn bias_act_grad<B: Backend>(
    y: FloatTensor<B>,
    grad: FloatTensor<B>,
    act: Activation,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let dx = slope_mul::<B>(y, grad, act);
    (dx.clone(), sum_to_channels::<B>(dx))
}

pub fn slope_mul<B: Backend>(y: FloatTensor<B>, t: FloatTensor<B>, act: Activation) -> FloatTensor<B> {
    let bool_dtype = get_or_init_device_settings::<B>(&y.device()).bool_dtype;
    let positive = B::float_greater_elem(y, Scalar::from(0.0f32), bool_dtype);
    let low = B::float_mul_scalar(t.clone(), Scalar::from(act.factor(false)));
    let high = B::float_mul_scalar(t, Scalar::from(act.factor(true)));
    B::float_mask_where(low, positive, high)
}

pub fn scale<B: Backend>(x: FloatTensor<B>, s: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(x, per_plane::<B>(s))
}

pub fn scale_grad<B: Backend>(
    x: FloatTensor<B>,
    s: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let ds = sum_to_planes::<B>(B::float_mul(grad.clone(), x));
    (scale::<B>(grad, s), ds)
}

pub fn noise_act<B: Backend>(
    x: FloatTensor<B>,
    s: FloatTensor<B>,
    noise: FloatTensor<B>,
    strength: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    let noise = B::float_mul(noise, per_channel::<B>(strength));
    let x = B::float_add(scale::<B>(x, s), noise);
    bias_act::<B>(x, bias, Activation::LEAKY)
}

#[allow(clippy::type_complexity)] // Mirrors the extension's signature.
pub fn noise_act_grad<B: Backend>(
    y: FloatTensor<B>,
    x: FloatTensor<B>,
    s: FloatTensor<B>,
    noise: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let (dz, dbias) = bias_act_grad::<B>(y, grad, Activation::LEAKY);
    let dstrength = B::float_reshape(B::float_sum(B::float_mul(dz.clone(), noise)), Shape::from([1]));
    let (dx, ds) = scale_grad::<B>(x, s, dz);
    (dx, ds, dstrength, dbias)
}

#[allow(clippy::type_complexity)] // Mirrors the extension's signature.
pub fn adam<B: Backend>(
    theta: FloatTensor<B>,
    gradient: FloatTensor<B>,
    first: FloatTensor<B>,
    second: FloatTensor<B>,
    step: AdamStep,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let AdamStep { beta1, beta2, rate, correction, eps } = step;
    let mean = |old: FloatTensor<B>, new: FloatTensor<B>, beta: f32| {
        let old = B::float_mul_scalar(old, Scalar::from(beta));
        B::float_add(old, B::float_mul_scalar(new, Scalar::from(1.0 - beta)))
    };
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let first = if beta1 == 0.0 { gradient } else { mean(first, gradient, beta1) };
    let second = mean(second, square, beta2);
    let root = B::float_div_scalar(B::float_sqrt(second.clone()), Scalar::from(correction));
    let change = B::float_div(first.clone(), B::float_add_scalar(root, Scalar::from(eps)));
    (B::float_sub(theta, B::float_mul_scalar(change, Scalar::from(rate))), first, second)
}

pub fn energy<B: Backend>(weight: FloatTensor<B>) -> FloatTensor<B> {
    let [outputs, inputs, ..] = dims4::<B>(&weight);
    let squares = B::float_mul(weight.clone(), weight);
    B::float_reshape(B::float_sum_dims(squares, &[2, 3]), Shape::from([outputs, inputs]))
}

pub fn gelu<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let below = below::<B>(x.clone());
    B::float_mul(x, below)
}

pub fn gelu_grad<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    let half = B::float_mul_scalar(B::float_mul(x.clone(), x.clone()), Scalar::from(-0.5_f32));
    let root: f32 = std::f32::consts::FRAC_1_SQRT_2 * std::f32::consts::FRAC_2_SQRT_PI / 2.0;
    let density = B::float_mul_scalar(B::float_exp(half), Scalar::from(root));
    let slope = B::float_add(below::<B>(x.clone()), B::float_mul(x, density));
    B::float_mul(grad, slope)
}

/// The normal distribution's probability of less.
fn below<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let erf = B::float_erf(B::float_mul_scalar(x, Scalar::from(std::f32::consts::FRAC_1_SQRT_2)));
    B::float_mul_scalar(B::float_add_scalar(erf, Scalar::from(1.0_f32)), Scalar::from(0.5_f32))
}

pub fn lerp<B: Backend>(from: FloatTensor<B>, to: FloatTensor<B>, weight: f32) -> FloatTensor<B> {
    let way = B::float_sub(to, from.clone());
    B::float_add(from, B::float_mul_scalar(way, Scalar::from(weight)))
}
