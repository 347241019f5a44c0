//! The GPU kernels on images in half precision against the composite definitions in `f32`, of the same rounded values. Images differ by
//! rounding, sums by nothing more than in single precision.

use burn::backend::flex::FlexTensor;
use burn::backend::{Dispatch, DispatchTensor, Flex};
use burn::tensor::{DType, Device, FloatDType, Tensor};

use super::cube::{Gpu, assert_same, assert_within};
use super::{Inputs, values};
use crate::networks::ops::{self, Activation, Fir, GanOps, HALF_LIMIT, composite};

/// Rounding of a value, of the largest.
const ROUNDING: f32 = 1e-3;

/// The values of a tensor as half precision stores them.
fn rounded(x: FlexTensor) -> FlexTensor {
    let x = Tensor::<4>::from_data(x.into_data(), &Device::flex());
    FlexTensor::from_data(x.cast(FloatDType::F16).cast(FloatDType::F32).into_data())
}

/// An image tensor in half precision.
fn image(gpu: &Gpu, x: &FlexTensor) -> DispatchTensor {
    Tensor::<4>::from_dispatch(gpu.image(x)).cast(FloatDType::F16).into_dispatch()
}

/// An image of the same shape, stored in half precision, and values that differ by rounding.
fn assert_rounded(name: &str, found: DispatchTensor, expected: FlexTensor) {
    let found = Tensor::<4>::from_dispatch(found);
    assert_eq!(found.dtype(), DType::F16, "{name}");
    assert_within::<4>(name, found.cast(FloatDType::F32).into_dispatch(), expected, ROUNDING);
}

/// A device that knows half precision, in both orders of memory.
macro_rules! open {
    () => {{
        let Some(opened) = Gpu::open() else { crate::skip::skip!("there is no adapter for kernels on this machine") };
        if !opened.0[0].device.supports_dtype(FloatDType::F16) {
            crate::skip::skip!("the adapter of this machine knows no half precision")
        }
        opened
    }};
}

#[test]
fn gpu_half_precision_pointwise_agrees_with_the_composite() {
    let (orders, _turn) = open!();
    let act = Activation::LEAKY;
    for (seed, shape) in [[2, 3, 5, 7], [2, 8, 6, 6]].into_iter().enumerate() {
        let mut inputs = Inputs::new(seed as u64);
        let [n, c, h, w] = shape;
        let [x, y, grad] = std::array::from_fn(|_| rounded(inputs.tensor(&shape)));
        let (bias, s, strength) = (inputs.tensor(&[c]), inputs.tensor(&[n, c]), inputs.tensor(&[1]));
        let noise = inputs.tensor(&[n, 1, h, w]);
        for gpu in &orders {
            let name = |what: &str| format!("{what} {shape:?}, channels last: {}", gpu.channels_last);
            let (gx, gy, ggrad) = (|| image(gpu, &x), || image(gpu, &y), || image(gpu, &grad));
            let (gs, gbias, gnoise) = (|| gpu.put::<2>(&s), || gpu.put::<1>(&bias), || gpu.put::<4>(&noise));

            let found = Dispatch::bias_act(gx(), gbias(), act);
            assert_rounded(&name("bias_act"), found, composite::bias_act::<Flex>(x.clone(), bias.clone(), act));
            let (dx, dbias) = Dispatch::bias_act_grad(gy(), ggrad(), act);
            let expected = composite::bias_act_grad::<Flex>(y.clone(), grad.clone(), act);
            assert_rounded(&name("bias_act_grad, x"), dx, expected.0);
            assert_same::<1>(&name("bias_act_grad, bias"), dbias, expected.1);

            let found = Dispatch::slope_mul(gy(), ggrad(), act);
            assert_rounded(&name("slope_mul"), found, composite::slope_mul::<Flex>(y.clone(), grad.clone(), act));

            let found = Dispatch::scale(gx(), gs());
            assert_rounded(&name("scale"), found, composite::scale::<Flex>(x.clone(), s.clone()));
            let (dx, ds) = Dispatch::scale_grad(gx(), gs(), ggrad());
            let expected = composite::scale_grad::<Flex>(x.clone(), s.clone(), grad.clone());
            assert_rounded(&name("scale_grad, x"), dx, expected.0);
            assert_same::<2>(&name("scale_grad, s"), ds, expected.1);

            let found = Dispatch::noise_act(gx(), gs(), gnoise(), gpu.put::<1>(&strength), gbias());
            let [rs, rnoise, rstrength, rbias] = [&s, &noise, &strength, &bias].map(FlexTensor::clone);
            let expected = composite::noise_act::<Flex>(x.clone(), rs, rnoise, rstrength, rbias);
            assert_rounded(&name("noise_act"), found, expected);
            let (dx, ds, dstrength, dbias) = Dispatch::noise_act_grad(gy(), gx(), gs(), gnoise(), ggrad());
            let (ry, rx, rgrad) = (y.clone(), x.clone(), grad.clone());
            let expected = composite::noise_act_grad::<Flex>(ry, rx, s.clone(), noise.clone(), rgrad);
            assert_rounded(&name("noise_act_grad, x"), dx, expected.0);
            assert_same::<2>(&name("noise_act_grad, s"), ds, expected.1);
            assert_same::<1>(&name("noise_act_grad, strength"), dstrength, expected.2);
            assert_same::<1>(&name("noise_act_grad, bias"), dbias, expected.3);
        }
    }
}

#[test]
fn gpu_half_precision_resampling_agrees_with_the_composite() {
    let (orders, _turn) = open!();
    let mut inputs = Inputs::new(7);
    for (up, down, pad, shape) in [(2, 1, [2, 1], [1, 3, 5, 6]), (1, 2, [1, 1], [2, 4, 8, 9])] {
        let fir = Fir::new(&values(inputs.tensor(&[4])), up, down, pad);
        let [n, c, h, w] = shape;
        let [oh, ow] = fir.output_size([h, w]);
        let (x, grad) = (rounded(inputs.tensor(&shape)), rounded(inputs.tensor(&[n, c, oh, ow])));
        for gpu in &orders {
            let name = format!("{fir:?}, channels last: {}", gpu.channels_last);
            let found = Dispatch::fir(image(gpu, &x), fir.clone());
            assert_rounded(&name, found, composite::fir::<Flex>(x.clone(), fir.clone()));
            let adjoint = fir.adjoint([h, w]);
            let found = Dispatch::fir(image(gpu, &grad), adjoint.clone());
            assert_rounded(&format!("gradient: {name}"), found, composite::fir::<Flex>(grad.clone(), adjoint));
        }
    }
}

/// Convolutions, with weights in `f32`.
#[test]
fn gpu_half_precision_convolutions_agree_with_the_composite() {
    let ([_, gpu], _turn) = open!();
    let mut inputs = Inputs::new(9);
    let (x, weight) = (rounded(inputs.tensor(&[2, 4, 6, 6])), inputs.tensor(&[4, 4, 3, 3]));
    let grad = rounded(inputs.tensor(&[2, 4, 6, 6]));
    let found = Dispatch::conv_forward(image(&gpu, &x), gpu.put::<4>(&weight), 1, 1);
    assert_rounded("forward", found, composite::conv_forward::<Flex>(x.clone(), weight.clone(), 1, 1));
    let found = Dispatch::conv_input_grad(gpu.put::<4>(&weight), image(&gpu, &grad), [6, 6], 1, 1);
    assert_rounded("input", found, composite::conv_input_grad::<Flex>(weight, grad.clone(), [6, 6], 1, 1));
    let found = Dispatch::conv_weight_grad(image(&gpu, &x), image(&gpu, &grad), [3, 3], 1, 1);
    // Matrix units give this, too, in half precision.
    let expected = composite::conv_weight_grad::<Flex>(x, grad, [3, 3], 1, 1);
    assert_within::<4>("weight", found, expected, ROUNDING);
}

/// Activations are held within the limit, and what is held has no slope.
#[test]
fn gpu_half_precision_activations_are_held() {
    let ([gpu, _], _turn) = open!();
    let x = Tensor::<4>::from_floats([[[[100.0, 300.0], [-2000.0, -400.0]]]], &gpu.device).cast(FloatDType::F16);
    let bias = Tensor::<1>::zeros([1], &gpu.device);
    let y = ops::bias_activation(x, bias, Activation::PLAIN_LEAKY);
    let read = |t: Tensor<4>| t.into_data_as::<f32>().try_to_vec::<f32>().expect("f32");
    let found = read(y.clone());
    assert_eq!(found[..3], [100.0, HALF_LIMIT, -HALF_LIMIT]);
    assert!((found[3] + 80.0).abs() < 0.1, "{found:?}");
    let ones = Tensor::<4>::ones([1, 1, 2, 2], &gpu.device).cast(FloatDType::F16);
    let moved = read(ops::activation_slope_mul(y, ones, Activation::PLAIN_LEAKY));
    assert_eq!(moved[..3], [1.0, 0.0, 0.0]);
    assert!((moved[3] - 0.2).abs() < 1e-3, "{moved:?}");
}

/// Through the public functions: autodiff, fusion, a layer's operations one after the other; parameters have gradients in `f32`.
#[test]
fn gpu_half_precision_gradients_of_a_layer_are_near_the_cpu() {
    let ([gpu, _], _turn) = open!();
    let gradients = |device: &Device, half: bool| {
        let mut inputs = Inputs::new(11);
        let device = device.clone().autodiff();
        let mut data = |shape: &[usize]| inputs.tensor(shape).into_data();
        let x = Tensor::<4>::from_data(data(&[2, 4, 6, 6]), &device).require_grad();
        let weight = Tensor::<4>::from_data(data(&[4, 4, 3, 3]), &device).require_grad();
        let s = Tensor::<2>::from_data(data(&[2, 4]), &device).require_grad();
        let strength = Tensor::<1>::from_data(data(&[1]), &device).require_grad();
        let bias = Tensor::<1>::from_data(data(&[4]), &device).require_grad();
        let noise = Tensor::<4>::from_data(data(&[2, 1, 6, 6]), &device);
        let stored = if half { x.clone().cast(FloatDType::F16) } else { x.clone() };
        let y = ops::conv2d(stored, weight.clone(), 1, 1);
        let y = ops::upfirdn2d(y, &[0.5, 1.5, 1.5, 0.5], 1, 1, 2, 1);
        let y = ops::scale_noise_bias_leaky_relu(y, s.clone(), noise, strength.clone(), bias.clone());
        let y = if half { y.cast(FloatDType::F32) } else { y };
        let grads = (y.clone() * y).sum().backward();
        let flat = |t: Option<Tensor<1>>| {
            let t = t.expect("a gradient");
            assert_eq!(t.dtype(), DType::F32);
            t.into_data().try_to_vec::<f32>().expect("f32")
        };
        [
            flat(x.grad(&grads).map(|t| t.flatten(0, 3))),
            flat(weight.grad(&grads).map(|t| t.flatten(0, 3))),
            flat(s.grad(&grads).map(|t| t.flatten(0, 1))),
            flat(strength.grad(&grads)),
            flat(bias.grad(&grads)),
        ]
    };
    let (found, expected) = (gradients(&gpu.device, true), gradients(&Device::flex(), false));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
        let error = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied());
        println!("gradient {i}: off by {error:.1e}");
        assert!(error < 2.0 * ROUNDING, "gradient {i}: off by {error:.1e}");
    }
}
