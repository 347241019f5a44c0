//! What is computed value by value, each in one launch: in `f32`, whatever images are stored in.

use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::image::{Image, Places, address_type, element, elementwise, over, spread};
use crate::networks::ops::{Activation, HALF_LIMIT};

/// `t` times the slope, gain included, at an output (or input) `y`.
#[cube]
pub fn by_slope<N: Size>(y: Vector<f32, N>, t: Vector<f32, N>, negative: f32, positive: f32) -> Vector<f32, N> {
    let slope = select_many(
        y.greater_than(&Vector::<f32, N>::zeroed()),
        Vector::<f32, N>::new(positive),
        Vector::<f32, N>::new(negative),
    );
    t * slope
}

/// An activation's result as an image holds it: half precision within plus and minus [`HALF_LIMIT`].
#[cube]
pub fn held<N: Size>(y: Vector<f32, N>, #[comptime] half: bool) -> Vector<f32, N> {
    if comptime!(half) {
        let (low, high) = (Vector::<f32, N>::new(-HALF_LIMIT), Vector::<f32, N>::new(HALF_LIMIT));
        select_many(y.less_than(&low), low, select_many(y.greater_than(&high), high, y))
    } else {
        y
    }
}

/// What moves with the result `y` of an activation: `t`, times the slope, and nothing where half precision holds `y` at its limit.
#[cube]
pub fn by_slope_held<N: Size>(
    y: Vector<f32, N>,
    t: Vector<f32, N>,
    negative: f32,
    positive: f32,
    #[comptime] half: bool,
) -> Vector<f32, N> {
    let moved = by_slope::<N>(y, t, negative, positive);
    if comptime!(half) {
        let zero = Vector::<f32, N>::zeroed();
        let below = select_many(y.greater_equal(&Vector::<f32, N>::new(HALF_LIMIT)), zero, moved);
        select_many(y.less_equal(&Vector::<f32, N>::new(-HALF_LIMIT)), zero, below)
    } else {
        moved
    }
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn bias_act_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    bias: &[f32],
    y: &mut [Vector<F, N>],
    places: Places,
    negative: f32,
    positive: f32,
    #[comptime] channels_last: bool,
    #[comptime] half: bool,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS >= places.vectors {
        terminate!();
    }
    let place = places.of::<N>(ABSOLUTE_POS, channels_last);
    let z = Vector::<f32, N>::cast_from(x[ABSOLUTE_POS]) + spread::<N>(bias, place.channel, channels_last);
    y[ABSOLUTE_POS] = Vector::cast_from(held::<N>(by_slope::<N>(z, z, negative, positive), half));
}

pub fn bias_act(x: CubeTensor, bias: CubeTensor, act: Activation) -> CubeTensor {
    let x = Image::new(x);
    let bias = into_contiguous(bias);
    let [_, _, h, w] = x.size;
    let (y, y_buffer) = over(&x.tensor, 0, || x.empty_like([h, w]));
    let vector = x.vector_size();
    let (count, dim) = elementwise(&y.client, y.meta.num_elements() / vector);
    // SAFETY: units past the last vector end at once, places lie within the image, and `bias` has a value for each channel.
    unsafe {
        bias_act_kernel::launch_unchecked(
            &y.client,
            count,
            dim,
            address_type(&[&x.tensor, &y]),
            vector,
            x.tensor.clone().into_buffer_arg(),
            bias.into_buffer_arg(),
            y_buffer,
            x.places(vector),
            act.factor(false),
            act.factor(true),
            x.channels_last(),
            x.is_half(),
            element(&x.tensor),
        );
    }
    y
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn slope_mul_kernel<F: Float, N: Size>(
    y: &[Vector<F, N>],
    t: &[Vector<F, N>],
    product: &mut [Vector<F, N>],
    vectors: usize,
    negative: f32,
    positive: f32,
    #[comptime] half: bool,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let (y, t) = (Vector::<f32, N>::cast_from(y[ABSOLUTE_POS]), Vector::<f32, N>::cast_from(t[ABSOLUTE_POS]));
    product[ABSOLUTE_POS] = Vector::cast_from(by_slope_held::<N>(y, t, negative, positive, half));
}

pub fn slope_mul(y: CubeTensor, t: CubeTensor, act: Activation) -> CubeTensor {
    let y = Image::new(y);
    let t = y.beside(t);
    let [_, _, h, w] = y.size;
    let (product, product_buffer) = over(&t, 1, || y.empty_like([h, w]));
    let vector = y.vector_size();
    let vectors = product.meta.num_elements() / vector;
    let (count, dim) = elementwise(&product.client, vectors);
    // SAFETY: units past the last vector end at once; all three tensors have as many.
    unsafe {
        slope_mul_kernel::launch_unchecked(
            &product.client,
            count,
            dim,
            address_type(&[&y.tensor, &t, &product]),
            vector,
            y.tensor.clone().into_buffer_arg(),
            t.into_buffer_arg(),
            product_buffer,
            vectors,
            act.factor(false),
            act.factor(true),
            y.is_half(),
            element(&y.tensor),
        );
    }
    product
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn scale_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    s: &[f32],
    y: &mut [Vector<F, N>],
    places: Places,
    channels: usize,
    #[comptime] channels_last: bool,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS >= places.vectors {
        terminate!();
    }
    let place = places.of::<N>(ABSOLUTE_POS, channels_last);
    let s = spread::<N>(s, place.sample * channels + place.channel, channels_last);
    y[ABSOLUTE_POS] = Vector::cast_from(Vector::<f32, N>::cast_from(x[ABSOLUTE_POS]) * s);
}

pub fn scale(x: CubeTensor, s: CubeTensor) -> CubeTensor {
    let x = Image::new(x);
    let s = into_contiguous(s);
    let [_, c, h, w] = x.size;
    let (y, y_buffer) = over(&x.tensor, 0, || x.empty_like([h, w]));
    let vector = x.vector_size();
    let (count, dim) = elementwise(&y.client, y.meta.num_elements() / vector);
    // SAFETY: units past the last vector end at once, places lie within the image, and `s` has a value for each plane.
    unsafe {
        scale_kernel::launch_unchecked(
            &y.client,
            count,
            dim,
            address_type(&[&x.tensor, &y]),
            vector,
            x.tensor.clone().into_buffer_arg(),
            s.into_buffer_arg(),
            y_buffer,
            x.places(vector),
            c,
            x.channels_last(),
            element(&x.tensor),
        );
    }
    y
}

#[cube(launch_unchecked, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)] // A launch has no other way to take them.
fn noise_act_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    s: &[f32],
    noise: &[f32],
    strength: &[f32],
    bias: &[f32],
    y: &mut [Vector<F, N>],
    places: Places,
    channels: usize,
    noise_step: usize,
    negative: f32,
    positive: f32,
    #[comptime] channels_last: bool,
    #[comptime] half: bool,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS >= places.vectors {
        terminate!();
    }
    let place = places.of::<N>(ABSOLUTE_POS, channels_last);
    let s = spread::<N>(s, place.sample * channels + place.channel, channels_last);
    let noise = spread::<N>(noise, place.sample * noise_step + place.pixel, comptime!(!channels_last));
    let bias = spread::<N>(bias, place.channel, channels_last);
    let z = Vector::<f32, N>::cast_from(x[ABSOLUTE_POS]) * s + noise * Vector::<f32, N>::new(strength[0]) + bias;
    y[ABSOLUTE_POS] = Vector::cast_from(held::<N>(by_slope::<N>(z, z, negative, positive), half));
}

/// How far the noise of the next sample is: nothing, where all samples share theirs.
pub fn noise_step(noise: &CubeTensor) -> usize {
    let [n, _, h, w] = noise.meta.shape().dims::<4>();
    if n == 1 { 0 } else { h * w }
}

pub fn noise_act(
    x: CubeTensor,
    s: CubeTensor,
    noise: CubeTensor,
    strength: CubeTensor,
    bias: CubeTensor,
) -> CubeTensor {
    let x = Image::new(x);
    let [s, noise, strength, bias] = [s, noise, strength, bias].map(into_contiguous);
    let noise_step = noise_step(&noise);
    let [_, c, h, w] = x.size;
    let (y, y_buffer) = over(&x.tensor, 0, || x.empty_like([h, w]));
    let vector = x.vector_size();
    let (count, dim) = elementwise(&y.client, y.meta.num_elements() / vector);
    let act = Activation::LEAKY;
    // SAFETY: units past the last vector end at once, places lie within the image, `s` has a value for each plane, `bias` for each
    // channel, `noise` for each pixel of every sample or of one.
    unsafe {
        noise_act_kernel::launch_unchecked(
            &y.client,
            count,
            dim,
            address_type(&[&x.tensor, &y]),
            vector,
            x.tensor.clone().into_buffer_arg(),
            s.into_buffer_arg(),
            noise.into_buffer_arg(),
            strength.into_buffer_arg(),
            bias.into_buffer_arg(),
            y_buffer,
            x.places(vector),
            c,
            noise_step,
            act.factor(false),
            act.factor(true),
            x.channels_last(),
            x.is_half(),
            element(&x.tensor),
        );
    }
    y
}
