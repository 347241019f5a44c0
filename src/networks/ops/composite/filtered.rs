//! The filtered leaky ReLU, spelled with ordinary Burn operations.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Scalar, Shape, TensorMetadata, get_or_init_device_settings};
use burn::tensor::TensorData;
use burn::tensor::ops::ConvOptions;

use super::{dims4, fir, pad_axis, per_channel, scale, scale_grad, slope_mul, sum_to_channels, zero_insert};
use crate::networks::ops::filtered::{FilteredActivation, Fir2d, Lowpass};

pub fn filtered_act<B: Backend>(
    x: FloatTensor<B>,
    s: FloatTensor<B>,
    bias: FloatTensor<B>,
    filtered: FilteredActivation,
) -> FloatTensor<B> {
    let FilteredActivation { act, clamp, down, .. } = filtered.clone();
    let z = upsampled::<B>(x, s, bias, &filtered);
    let y = slope_mul::<B>(z.clone(), z, act);
    let y = B::float_clamp(y, Scalar::from(-clamp), Scalar::from(clamp));
    lowpass::<B>(y, down)
}

#[allow(clippy::type_complexity)] // Mirrors the extension's signature.
pub fn filtered_act_grad<B: Backend>(
    x: FloatTensor<B>,
    s: FloatTensor<B>,
    bias: FloatTensor<B>,
    grad: FloatTensor<B>,
    filtered: FilteredActivation,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let FilteredActivation { up, act, clamp, down } = filtered.clone();
    let [_, _, h, w] = dims4::<B>(&x);
    let z = upsampled::<B>(x.clone(), s.clone(), bias, &filtered);
    let size = up.output_size([h, w]);
    let grad = lowpass::<B>(grad, down.adjoint(size));
    let y = slope_mul::<B>(z.clone(), z.clone(), act);
    let bool_dtype = get_or_init_device_settings::<B>(&y.device()).bool_dtype;
    let outside = B::float_greater_elem(B::float_abs(y), Scalar::from(clamp), bool_dtype);
    let grad = B::float_mask_fill(slope_mul::<B>(z, grad, act), outside, Scalar::from(0.0f32));
    let dz = fir::<B>(grad, up.adjoint([h, w]));
    let (dx, ds) = scale_grad::<B>(x, s, dz.clone());
    (dx, ds, sum_to_channels::<B>(dz))
}

/// What the activation is applied to.
fn upsampled<B: Backend>(
    x: FloatTensor<B>,
    s: FloatTensor<B>,
    bias: FloatTensor<B>,
    filtered: &FilteredActivation,
) -> FloatTensor<B> {
    let x = B::float_add(scale::<B>(x, s), per_channel::<B>(bias));
    fir::<B>(x, filtered.up.clone())
}

fn lowpass<B: Backend>(x: FloatTensor<B>, filter: Lowpass) -> FloatTensor<B> {
    match filter {
        Lowpass::Separable(filter) => fir::<B>(x, filter),
        Lowpass::Table(filter) => fir2d::<B>(x, &filter),
    }
}

/// A two-dimensional filter as a convolution of planes with one channel.
fn fir2d<B: Backend>(x: FloatTensor<B>, filter: &Fir2d) -> FloatTensor<B> {
    let [n, c, h, w] = dims4::<B>(&x);
    let [oh, ow] = filter.output_size([h, w]);
    let x = zero_insert::<B>(x, filter.up);
    let x = pad_axis::<B>(pad_axis::<B>(x, 2, filter.pad_y), 3, filter.pad_x);
    let [_, _, h, w] = dims4::<B>(&x);
    let x = B::float_reshape(x, Shape::from([n * c, 1, h, w]));
    // A convolution layer correlates, so the taps are flipped.
    let taps: Vec<f32> = filter.taps.iter().rev().copied().collect();
    let taps = TensorData::new(taps, [1, 1, filter.side, filter.side]);
    let weight = B::float_from_data(taps, &x.device());
    let options = ConvOptions::new([filter.down; 2], [0; 2], [1; 2], 1);
    let y = B::conv2d(x, weight, None, options);
    B::float_reshape(y, Shape::from([n, c, oh, ow]))
}
