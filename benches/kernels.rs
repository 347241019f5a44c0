//! Our convolutions against Burn's own on the CPU.
//!
//! `cargo bench --bench kernels` prints, beside the times, floating-point operations a second
//! (as `item/s`). The operations that wait for memory are given in bytes of their input a second. `UNLEARN_VECTOR=avx2` leaves
//! AVX-512 out of our kernels.

#[path = "common/mod.rs"]
mod common;

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Distribution, Tensor};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use unlearn_studio::networks::ops;

fn main() {
    common::vector();
    divan::main();
}

/// A 3x3 convolution.
#[derive(Clone, Copy, Debug)]
struct Shape {
    batch: usize,
    channels: usize,
    side: usize,
    stride: usize,
}

const SHAPES: [Shape; 11] = [
    shape(16, 32, 32, 1),
    shape(16, 64, 32, 1),
    shape(16, 64, 16, 1),
    shape(16, 128, 8, 1),
    shape(16, 128, 16, 1),
    shape(16, 256, 8, 1),
    shape(16, 256, 32, 1),
    shape(16, 512, 4, 1),
    shape(16, 512, 8, 1),
    shape(4, 64, 128, 1),
    shape(16, 64, 32, 2),
];

const fn shape(batch: usize, channels: usize, side: usize, stride: usize) -> Shape {
    Shape { batch, channels, side, stride }
}

/// What a convolution is asked for. With one tracked input a step is a forward pass and that
/// input's gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Forward,
    InputGradient,
    WeightGradient,
}

trait Conv {
    fn conv(x: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4>;
}

struct Ours;
struct Burns;

impl Conv for Ours {
    fn conv(x: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4> {
        ops::conv2d(x, weight, stride, 1)
    }
}

impl Conv for Burns {
    fn conv(x: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4> {
        let options = ConvOptions::new([stride; 2], [1; 2], [1; 2], 1);
        burn::tensor::module::conv2d(x, weight, None, options)
    }
}

fn run<C: Conv>(bencher: Bencher, pass: Pass, shape: Shape) {
    let Shape { batch, channels, side, stride } = shape;
    let outputs = batch * channels * (side / stride) * (side / stride);
    let flops = 2 * outputs * channels * 9;
    let device = match pass {
        Pass::Forward => Device::flex(),
        _ => Device::flex().autodiff(),
    };
    let random = |shape: [usize; 4], tracked: bool| {
        let values = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        values.set_require_grad(tracked)
    };
    let x = random([batch, channels, side, side], pass == Pass::InputGradient);
    let weight = random([channels, channels, 3, 3], pass == Pass::WeightGradient);
    let passes = if pass == Pass::Forward { 1 } else { 2 };
    bencher.counter(ItemsCount::new(passes * flops)).bench_local(|| {
        let y = C::conv(black_box(x.clone()), black_box(weight.clone()), stride);
        if pass == Pass::Forward {
            black_box(y);
        } else {
            black_box(y.sum().backward());
        }
    });
}

#[divan::bench(types = [Ours, Burns], args = SHAPES, max_time = 1)]
fn forward<C: Conv>(bencher: Bencher, shape: Shape) {
    run::<C>(bencher, Pass::Forward, shape);
}

#[divan::bench(types = [Ours, Burns], args = SHAPES, max_time = 1)]
fn forward_and_input_gradient<C: Conv>(bencher: Bencher, shape: Shape) {
    run::<C>(bencher, Pass::InputGradient, shape);
}

#[divan::bench(types = [Ours, Burns], args = SHAPES, max_time = 1)]
fn forward_and_weight_gradient<C: Conv>(bencher: Bencher, shape: Shape) {
    run::<C>(bencher, Pass::WeightGradient, shape);
}

/// A plain matrix product by Burn, whose library takes the widest vectors there are: what the machine reaches.
#[divan::bench(args = [512, 1024, 2048], max_time = 1)]
fn matrix_product(bencher: Bencher, side: usize) {
    let device = Device::flex();
    let random = || Tensor::<2>::random([side, side], Distribution::Normal(0.0, 1.0), &device);
    let (a, b) = (random(), random());
    bencher
        .counter(ItemsCount::new(2 * side * side * side))
        .bench_local(|| black_box(a.clone()).matmul(black_box(b.clone())));
}

/// What waits for memory, on `[16, 32, 32, 32]`.
#[derive(Clone, Copy, Debug)]
enum Light {
    Blur,
    Upsample,
    Downsample,
    BiasAct,
    SlopeMul,
    ScaleChannels,
    LayerTail,
}

const LIGHT: [Light; 7] = [
    Light::Blur,
    Light::Upsample,
    Light::Downsample,
    Light::BiasAct,
    Light::SlopeMul,
    Light::ScaleChannels,
    Light::LayerTail,
];

fn apply(light: Light, x: &Tensor<4>, s: &Tensor<2>) -> Tensor<4> {
    let taps = [0.125, 0.375, 0.375, 0.125];
    let row = |i: usize| s.clone().slice([i..i + 1, 0..32]).reshape([32]);
    let x = x.clone();
    match light {
        Light::Blur => ops::upfirdn2d(x, &taps, 1, 1, 2, 1),
        Light::Upsample => ops::upfirdn2d(x, &taps, 2, 1, 2, 1),
        Light::Downsample => ops::upfirdn2d(x, &taps, 1, 2, 1, 1),
        Light::BiasAct => ops::bias_activation(x, row(0), ops::Activation::LEAKY),
        Light::SlopeMul => ops::activation_slope_mul(x.clone(), x, ops::Activation::LEAKY),
        Light::ScaleChannels => ops::scale_channels(x, s.clone()),
        Light::LayerTail => {
            let noise = x.clone().slice([0..16, 0..1, 0..32, 0..32]);
            let strength = row(1).narrow(0, 0, 1);
            ops::scale_noise_bias_leaky_relu(x, s.clone(), noise, strength, row(0))
        }
    }
}

fn run_light(bencher: Bencher, light: Light, device: &Device) {
    let x = Tensor::<4>::random([16, 32, 32, 32], Distribution::Normal(0.0, 1.0), device);
    let s = Tensor::<2>::random([16, 32], Distribution::Normal(0.0, 1.0), device);
    let tracked = device.is_autodiff();
    let (x, s) = (x.set_require_grad(tracked), s.set_require_grad(tracked));
    bencher.counter(BytesCount::of_many::<f32>(16 * 32 * 32 * 32)).bench_local(|| {
        let y = apply(light, &x, &s);
        if tracked {
            black_box(y.sum().backward());
        } else {
            black_box(y);
        }
    });
}

#[divan::bench(args = LIGHT, max_time = 0.5)]
fn light_forward(bencher: Bencher, light: Light) {
    run_light(bencher, light, &Device::flex());
}

#[divan::bench(args = LIGHT, max_time = 0.5)]
fn light_forward_and_gradient(bencher: Bencher, light: Light) {
    run_light(bencher, light, &Device::flex().autodiff());
}
