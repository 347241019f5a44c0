//! Our convolutions against Burn's own on the CPU.
//!
//! `cargo bench --bench kernels` prints, beside the times, floating-point operations a second
//! (as `item/s`).

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Distribution, Tensor};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use unlearn_studio::gan::ops;

fn main() {
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

const SHAPES: [Shape; 5] =
    [shape(16, 32, 32, 1), shape(16, 64, 32, 1), shape(16, 64, 16, 1), shape(16, 128, 8, 1), shape(16, 64, 32, 2)];

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
