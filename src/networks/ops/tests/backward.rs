//! Gradients, against those Burn derives for the composites.

use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Autodiff, AutodiffBackend, BackendTypes, Flex, Shape};
use burn::tensor::{Device, Tensor};

use super::{ACTIVATIONS, Inputs, assert_close};
use crate::networks::ops::{self, Activation, Fir, GanOps, composite, composite::transformer};

type Ad = Autodiff<Flex, NoCheckpointing>;
type AdTensor = <Ad as BackendTypes>::FloatTensorPrimitive;

/// The gradients of `sum(f(inputs) * cotangent)`, by autodiff.
fn gradients(inputs: &[FlexTensor], cotangent: &FlexTensor, f: &dyn Fn(&[AdTensor]) -> AdTensor) -> Vec<FlexTensor> {
    let tracked: Vec<AdTensor> =
        inputs.iter().map(|x| Ad::float_set_require_grad(Ad::from_inner(x.clone()), true)).collect();
    let y = f(&tracked);
    let loss = Ad::float_sum(Ad::float_mul(y, Ad::from_inner(cotangent.clone())));
    let grads = Ad::backward(loss);
    let grad = |x: &AdTensor| Ad::grad(x, &grads).unwrap();
    tracked.iter().map(grad).collect()
}

/// Compares the gradients of an operation with those Burn derives for its composite.
fn assert_same_gradients(
    name: &str,
    inputs: &[FlexTensor],
    shape: [usize; 4],
    ours: &dyn Fn(&[AdTensor]) -> AdTensor,
    composite: &dyn Fn(&[AdTensor]) -> AdTensor,
) {
    let cotangent = Inputs::new(9).tensor(&shape);
    let left = gradients(inputs, &cotangent, ours);
    let right = gradients(inputs, &cotangent, composite);
    for (a, b) in left.into_iter().zip(right) {
        assert_close(name, a, b, shape.iter().product());
    }
}

#[test]
fn gradients_agree_with_those_of_the_composites() {
    let mut inputs = Inputs::new(7);
    let (n, c, o, h, w) = (3, 4, 5, 9, 8);
    let x = inputs.tensor(&[n, c, h, w]);
    let weight = inputs.tensor(&[o, c, 3, 3]);
    assert_same_gradients(
        "conv_forward",
        &[x.clone(), weight.clone()],
        [n, o, 5, 4],
        &|t| Ad::conv_forward(t[0].clone(), t[1].clone(), 2, 1),
        &|t| composite::conv_forward::<Ad>(t[0].clone(), t[1].clone(), 2, 1),
    );
    let grad = inputs.tensor(&[n, o, 5, 4]);
    assert_same_gradients(
        "conv_input_grad",
        &[weight, grad],
        [n, c, h, w],
        &|t| Ad::conv_input_grad(t[0].clone(), t[1].clone(), [h, w], 2, 1),
        &|t| composite::conv_input_grad::<Ad>(t[0].clone(), t[1].clone(), [h, w], 2, 1),
    );
    for fir in [
        Fir::new(&[1., 3., 3., 1.], 1, 1, [2, 1]),
        Fir::new(&[1., 3., 2., 1.], 2, 1, [2, 1]),
        Fir::new(&[1., 3., 2., 1.], 1, 2, [1, 1]),
        Fir::new(&[1., 3., 2.], 2, 3, [-1, 2]),
    ] {
        let [oh, ow] = fir.output_size([h, w]);
        assert_same_gradients(
            &format!("{fir:?}"),
            std::slice::from_ref(&x),
            [n, c, oh, ow],
            &|t| Ad::fir(t[0].clone(), fir.clone()),
            &|t| composite::fir::<Ad>(t[0].clone(), fir.clone()),
        );
    }
    let (s, bias) = (inputs.tensor(&[n, c]), inputs.tensor(&[c]));
    let shape = [n, c, h, w];
    let y = inputs.tensor(&shape);
    for act in ACTIVATIONS {
        assert_same_gradients(
            "bias_act",
            &[x.clone(), bias.clone()],
            shape,
            &|t| Ad::bias_act(t[0].clone(), t[1].clone(), act),
            &|t| composite::bias_act::<Ad>(t[0].clone(), t[1].clone(), act),
        );
        assert_same_gradients(
            "slope_mul",
            std::slice::from_ref(&x),
            shape,
            &|t| Ad::slope_mul(Ad::from_inner(y.clone()), t[0].clone(), act),
            &|t| composite::slope_mul::<Ad>(Ad::from_inner(y.clone()), t[0].clone(), act),
        );
    }
    assert_same_gradients("scale", &[x.clone(), s.clone()], shape, &|t| Ad::scale(t[0].clone(), t[1].clone()), &|t| {
        composite::scale::<Ad>(t[0].clone(), t[1].clone())
    });
    let (noise, strength) = (inputs.tensor(&[n, 1, h, w]), inputs.tensor(&[1]));
    let noise = || Ad::from_inner(noise.clone());
    assert_same_gradients(
        "noise_act",
        &[x, s, strength, bias],
        shape,
        &|t| Ad::noise_act(t[0].clone(), t[1].clone(), noise(), t[2].clone(), t[3].clone()),
        &|t| {
            let [x, s, strength, bias] = [0, 1, 2, 3].map(|i| t[i].clone());
            composite::noise_act::<Ad>(x, s, noise(), strength, bias)
        },
    );
}

/// As images, so that they have four dimensions like everything here.
#[test]
fn gradients_of_transformers_agree_with_those_of_the_composites() {
    let mut inputs = Inputs::new(8);
    let (batch, tokens, heads, head) = (2, 5, 3, 4);
    let shape = [1, 1, batch * tokens, heads * head];
    let rows = |x: &AdTensor| Ad::float_reshape(x.clone(), Shape::from([shape[2], shape[3]]));
    let image = |x: AdTensor| Ad::float_reshape(x, Shape::from(shape));
    let qkv = [0, 1, 2].map(|_| inputs.tensor(&shape));
    assert_same_gradients(
        "attention",
        &qkv,
        shape,
        &|t| image(Ad::dot_attention(rows(&t[0]), rows(&t[1]), rows(&t[2]), batch, heads)),
        &|t| image(transformer::attention::<Ad>(rows(&t[0]), rows(&t[1]), rows(&t[2]), batch, heads)),
    );
    let tables = [0, 1].map(|_| inputs.tensor(&[shape[3]]));
    let [x, ..] = qkv;
    let square = inputs.tensor(&[shape[3], shape[3]]);
    assert_same_gradients(
        "linear",
        &[x.clone(), square, tables[0].clone()],
        shape,
        &|t| image(Ad::affine(rows(&t[0]), t[1].clone(), t[2].clone())),
        &|t| image(transformer::linear::<Ad>(rows(&t[0]), t[1].clone(), t[2].clone())),
    );
    let [weight, bias] = tables;
    assert_same_gradients(
        "layer_norm",
        &[x, weight, bias],
        shape,
        &|t| image(Ad::layer_normal(rows(&t[0]), t[1].clone(), t[2].clone(), 1e-3)),
        &|t| image(transformer::layer_norm::<Ad>(rows(&t[0]), t[1].clone(), t[2].clone(), 1e-3)),
    );
}

#[test]
fn a_constant_receives_no_gradient() {
    let device = Device::flex().autodiff();
    let x = Tensor::<4>::ones([2, 3, 8, 8], &device);
    let weight = Tensor::<4>::ones([4, 3, 3, 3], &device);
    let bias = Tensor::<1>::zeros([4], &device);
    let run = |x: &Tensor<4>, weight: &Tensor<4>| {
        let y = ops::conv2d(x.clone(), weight.clone(), 1, 1);
        let grads = ops::bias_activation(y, bias.clone(), Activation::LEAKY).sum().backward();
        (x.grad(&grads).is_some(), weight.grad(&grads).is_some())
    };
    assert_eq!(run(&x.clone().require_grad(), &weight), (true, false));
    assert_eq!(run(&x, &weight.clone().require_grad()), (false, true));
}
