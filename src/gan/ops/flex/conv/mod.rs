//! Convolutions as matrix products that never build their matrix.
//!
//! Laid out on one grid with the padding between the rows, a plane serves every tap of a kernel:
//! the column that `im2col` would copy out for a tap is the same memory, shifted. Outputs are
//! computed for whole grid lines, and the few columns that fall on padding are thrown away.
//!
//! - [`layout`] finds that grid: padding, phases of a stride, taps and their offsets;
//! - [`pack`] copies planes and weights into the order the products read them in;
//! - [`gather`] is the product for outputs (`conv_forward`, `conv_input_grad`);
//! - [`dot`] is the product for weight gradients.
//!
//! A stride never costs a wasted product: a strided convolution reads the input as `stride²`
//! interleaved phase planes, and its input gradient writes its result so.

mod dot;
mod gather;
mod layout;
mod pack;

use burn::backend::flex::FlexTensor;

use super::memory::{Values, tensor};
use layout::{Geometry, Phased};
use pack::WeightOrder;

pub fn forward(x: &FlexTensor, weight: &FlexTensor, stride: usize, padding: usize) -> FlexTensor {
    let (x, weight) = (Values::of(x), Values::of(weight));
    let [n, channels, h, w] = x.dims::<4>();
    let [out, weight_channels, kh, kw] = weight.dims::<4>();
    assert_eq!(channels, weight_channels, "conv2d: channels of input and weight");
    let geometry = Geometry::new([h, w], [kh, kw], stride, padding);
    let [oh, ow] = geometry.output;
    let product = gather::Product {
        batch: n,
        source: x.as_slice(),
        source_channels: channels,
        source_size: [h, w],
        weight: weight.as_slice(),
        order: WeightOrder::OutputFirst,
        kernel: [kh, kw],
        channels: out,
        size: [oh, ow],
        phased: &Phased::forward(&geometry),
    };
    tensor(product.compute(), [n, out, oh, ow])
}

pub fn input_grad(
    weight: &FlexTensor,
    grad: &FlexTensor,
    size: [usize; 2],
    stride: usize,
    padding: usize,
) -> FlexTensor {
    let (grad, weight) = (Values::of(grad), Values::of(weight));
    let [n, channels, gh, gw] = grad.dims::<4>();
    let [weight_channels, out, kh, kw] = weight.dims::<4>();
    assert_eq!(channels, weight_channels, "conv2d: channels of gradient and weight");
    let geometry = Geometry::new(size, [kh, kw], stride, padding);
    assert_eq!(geometry.output, [gh, gw], "conv2d: size of the gradient");
    let product = gather::Product {
        batch: n,
        source: grad.as_slice(),
        source_channels: channels,
        source_size: [gh, gw],
        weight: weight.as_slice(),
        order: WeightOrder::InputFirst,
        kernel: [kh, kw],
        channels: out,
        size,
        phased: &Phased::input_grad(&geometry),
    };
    tensor(product.compute(), [n, out, size[0], size[1]])
}

pub fn weight_grad(x: &FlexTensor, grad: &FlexTensor, kernel: [usize; 2], stride: usize, padding: usize) -> FlexTensor {
    let (x, grad) = (Values::of(x), Values::of(grad));
    let [n, channels, h, w] = x.dims::<4>();
    let [grad_n, out, gh, gw] = grad.dims::<4>();
    let geometry = Geometry::new([h, w], kernel, stride, padding);
    assert_eq!((n, geometry.output), (grad_n, [gh, gw]), "conv2d: shape of the gradient");
    let product = dot::Product {
        batch: n,
        x: x.as_slice(),
        channels,
        grad: grad.as_slice(),
        out,
        geometry: &geometry,
        phased: &Phased::forward(&geometry),
    };
    tensor(product.compute(), [out, channels, kernel[0], kernel[1]])
}
