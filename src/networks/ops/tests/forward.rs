//! Results: right, and the same each time.

use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Autodiff, Backend, Flex};
use burn::tensor::{Device, Tensor, TensorData};

use super::{ACTIVATIONS, Inputs, assert_close, values};
use crate::networks::ops::{self, Activation, AdamStep, Fir, GanOps, composite, composite::transformer};

/// Batch, channels in and out, height, width, kernel, stride, padding.
const CONVOLUTIONS: &[[usize; 8]] = &[
    [1, 1, 1, 1, 1, 1, 1, 0],
    [2, 3, 5, 7, 6, 3, 1, 1],
    [1, 5, 3, 9, 4, 3, 2, 0],
    [3, 4, 9, 8, 8, 3, 2, 1],
    [2, 6, 4, 5, 9, 1, 1, 0],
    [2, 6, 7, 9, 9, 1, 2, 0],
    [16, 17, 19, 4, 4, 3, 1, 1],
    [5, 8, 16, 8, 8, 3, 1, 1],
    [1, 32, 32, 32, 32, 3, 1, 1],
    [2, 16, 33, 16, 17, 3, 2, 0],
    [2, 3, 2, 6, 7, 2, 1, 2],
    [2, 2, 3, 11, 10, 5, 3, 2],
    [2, 3, 3, 5, 5, 3, 1, 0],
    [1, 3, 9, 33, 31, 3, 1, 2],
    [4, 64, 70, 6, 6, 3, 1, 1],
];

#[test]
fn convolutions_agree_with_burn() {
    for (case, &[n, c, o, h, w, k, stride, padding]) in CONVOLUTIONS.iter().enumerate() {
        let name = format!("{:?}", CONVOLUTIONS[case]);
        let mut inputs = Inputs::new(case as u64);
        let weight = inputs.tensor(&[o, c, k, k]);
        for x in [inputs.tensor(&[n, c, h, w]), inputs.view([n, c, h, w])] {
            let y = Flex::conv_forward(x.clone(), weight.clone(), stride, padding);
            let expected = composite::conv_forward::<Flex>(x.clone(), weight.clone(), stride, padding);
            let [_, _, oh, ow] = y.layout().shape().dims::<4>();
            assert_close(&format!("forward {name}"), y, expected, c * k * k);

            let grad = inputs.view([n, o, oh, ow]);
            let dx = Flex::conv_input_grad(weight.clone(), grad.clone(), [h, w], stride, padding);
            let expected = composite::conv_input_grad::<Flex>(weight.clone(), grad.clone(), [h, w], stride, padding);
            assert_close(&format!("input gradient {name}"), dx, expected, o * k * k);

            let dw = Flex::conv_weight_grad(x.clone(), grad.clone(), [k, k], stride, padding);
            let expected = composite::conv_weight_grad::<Flex>(x, grad, [k, k], stride, padding);
            assert_close(&format!("weight gradient {name}"), dw, expected, n * oh * ow);
        }
    }
}

#[test]
fn transposed_convolutions_agree_with_burn() {
    let device = Device::flex();
    for (case, [n, c, o, h, w, k, stride, padding]) in [
        [2, 5, 3, 4, 6, 3, 2, 0],
        [1, 8, 8, 16, 16, 3, 2, 0],
        [2, 3, 4, 5, 5, 1, 1, 0],
        [2, 3, 4, 5, 7, 3, 1, 1],
        [1, 2, 2, 3, 3, 2, 3, 0],
    ]
    .into_iter()
    .enumerate()
    {
        let mut inputs = Inputs::new(100 + case as u64);
        let x = Tensor::<4>::from_data(inputs.tensor(&[n, c, h, w]).into_data(), &device);
        let weight = Tensor::<4>::from_data(inputs.tensor(&[c, o, k, k]).into_data(), &device);
        let options = burn::tensor::ops::ConvTransposeOptions::new([stride; 2], [padding; 2], [0; 2], [1; 2], 1);
        let expected = burn::tensor::module::conv_transpose2d(x.clone(), weight.clone(), None, options);
        let y = ops::conv_transpose2d(x, weight, stride, padding);
        let name = format!("transposed {case}");
        let flex = |t: Tensor<4>| FlexTensor::from_data(t.into_data());
        assert_close(&name, flex(y), flex(expected), c * k * k);
    }
}

fn random_fir(inputs: &mut Inputs) -> Fir {
    let len = 1 + inputs.below(6);
    let taps = values(inputs.tensor(&[len]));
    let pad = |inputs: &mut Inputs| inputs.below(6) as isize - 1;
    let (up, down) = (1 + inputs.below(3), 1 + inputs.below(3));
    let (pad0, pad1) = (pad(inputs), pad(inputs));
    Fir::new(&taps, up, down, [pad0 + 1, pad1 + 2])
}

#[test]
fn resampling_agrees_with_the_composite() {
    for seed in 0..60 {
        let mut inputs = Inputs::new(seed);
        let shape = [1 + inputs.below(3), 1 + inputs.below(4), 6 + inputs.below(30), 6 + inputs.below(30)];
        let mut fir = random_fir(&mut inputs);
        if seed % 3 == 0 {
            fir.pad_x[0] -= 3;
            fir.pad_y[1] -= 2;
        }
        let x = inputs.view(shape);
        let y = Flex::fir(x.clone(), fir.clone());
        assert_close(&format!("{fir:?}"), y, composite::fir::<Flex>(x, fir), 36);
    }
}

#[test]
fn resampling_agrees_with_rosinality() {
    // upfirdn2d(arange(9).view(1, 1, 3, 3) + 1, outer([1, 2], [1, 2]), up=2, down=1, pad=(1, 0)),
    // worked out by hand: an even place of the padded row takes 2 * nothing + 1 * the value.
    let device = Device::flex();
    let x = Tensor::<4>::from_data([[[[1.0f32, 2.0], [3.0, 4.0]]]], &device);
    let y = ops::upfirdn2d(x, &[1.0, 2.0], 2, 1, 1, 0);
    let expected = [[1.0f32, 2.0, 2.0, 4.0], [2.0, 4.0, 4.0, 8.0], [3.0, 6.0, 4.0, 8.0], [6.0, 12.0, 8.0, 16.0]];
    y.into_data().assert_eq(&TensorData::from([[expected]]), true);
}

#[test]
fn pointwise_operations_agree_with_the_composite() {
    for (seed, shape) in [[1, 1, 1, 1], [2, 3, 5, 7], [3, 8, 16, 16], [2, 40, 33, 9]].into_iter().enumerate() {
        let mut inputs = Inputs::new(seed as u64);
        let [n, c, h, w] = shape;
        let (x, y, grad) = (inputs.view(shape), inputs.view(shape), inputs.tensor(&shape));
        let (bias, s) = (inputs.tensor(&[c]), inputs.tensor(&[n, c]));
        let strength = inputs.tensor(&[1]);
        let noise = inputs.tensor(&[n, 1, h, w]);
        let one_noise = inputs.tensor(&[1, 1, h, w]);
        let area = n * h * w;

        let pairs = |ours: Vec<FlexTensor>, theirs: Vec<FlexTensor>, name: &str| {
            for (a, b) in ours.into_iter().zip(theirs) {
                assert_close(name, a, b, area * c);
            }
        };
        for act in ACTIVATIONS {
            pairs(
                vec![
                    Flex::bias_act(x.clone(), bias.clone(), act),
                    Flex::slope_mul(y.clone(), x.clone(), act),
                    Flex::scale(x.clone(), s.clone()),
                ],
                vec![
                    composite::bias_act::<Flex>(x.clone(), bias.clone(), act),
                    composite::slope_mul::<Flex>(y.clone(), x.clone(), act),
                    composite::scale::<Flex>(x.clone(), s.clone()),
                ],
                "forward",
            );
            let (dx, db) = Flex::bias_act_grad(y.clone(), grad.clone(), act);
            let (ex, eb) = composite::bias_act_grad::<Flex>(y.clone(), grad.clone(), act);
            pairs(vec![dx, db], vec![ex, eb], "bias_act_grad");
        }
        let (dx, ds) = Flex::scale_grad(x.clone(), s.clone(), grad.clone());
        let (ex, es) = composite::scale_grad::<Flex>(x.clone(), s.clone(), grad.clone());
        pairs(vec![dx, ds], vec![ex, es], "scale_grad");
        for noise in [noise, one_noise] {
            let args = || (x.clone(), s.clone(), noise.clone());
            let (a, b, c) = args();
            let ours = Flex::noise_act(a, b, c, strength.clone(), bias.clone());
            let (a, b, c) = args();
            let theirs = composite::noise_act::<Flex>(a, b, c, strength.clone(), bias.clone());
            pairs(vec![ours], vec![theirs], "noise_act");
            let (a, b, c) = args();
            let (d0, d1, d2, d3) = Flex::noise_act_grad(y.clone(), a, b, c, grad.clone());
            let (a, b, c) = args();
            let (e0, e1, e2, e3) = composite::noise_act_grad::<Flex>(y.clone(), a, b, c, grad.clone());
            pairs(vec![d0, d1, d2, d3], vec![e0, e1, e2, e3], "noise_act_grad");
        }
    }
}

#[test]
fn the_slope_at_zero_is_the_negative_one() {
    let device = Device::flex();
    let zero = Tensor::<4>::zeros([1, 1, 1, 1], &device);
    for act in ACTIVATIONS {
        let y = ops::activation_slope_mul(zero.clone(), zero.clone() + 1.0, act);
        let expected = act.negative_slope * act.gain;
        y.into_data().assert_eq(&TensorData::from([[[[expected]]]]), true);
    }
}

#[test]
fn results_repeat_bit_for_bit() {
    let mut inputs = Inputs::new(3);
    let x = inputs.tensor(&[16, 32, 16, 16]);
    let grad = inputs.tensor(&[16, 32, 16, 16]);
    let weight = inputs.tensor(&[32, 32, 3, 3]);
    let y = inputs.tensor(&[16, 32, 16, 16]);
    let run = || {
        let (dx, db) = Flex::bias_act_grad(y.clone(), grad.clone(), Activation::LEAKY);
        [
            Flex::conv_forward(x.clone(), weight.clone(), 1, 1),
            Flex::conv_input_grad(weight.clone(), grad.clone(), [16, 16], 1, 1),
            Flex::conv_weight_grad(x.clone(), grad.clone(), [3, 3], 1, 1),
            dx,
            db,
        ]
        .map(values)
    };
    let first = run();
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(run) == first, "{threads} threads");
    }
}

/// The trait must exist on every backend a device of the crate can name.
#[test]
fn every_backend_has_the_operations() {
    fn has<B: Backend + GanOps>() {}
    has::<Flex>();
    has::<burn::backend::Cube>();
    has::<Autodiff<burn::backend::Cube>>();
    has::<burn::backend::Dispatch>();
}

#[test]
fn optimizer_steps_agree_with_the_composite() {
    // Longer than what one thread takes at a time.
    let len = 70_001;
    let mut inputs = Inputs::new(5);
    let [theta, gradient, first] = std::array::from_fn(|_| inputs.tensor(&[len]));
    let second = Flex::float_abs(inputs.tensor(&[len]));
    for beta1 in [0.0, 0.9] {
        let step = AdamStep { beta1, beta2: 0.99, rate: 0.01, correction: 0.5, eps: 1e-8 };
        let all = [theta.clone(), gradient.clone(), first.clone(), second.clone()];
        let [a, b, c, d] = all.clone();
        let ours = Flex::adam(a, b, c, d, step);
        let [a, b, c, d] = all;
        let theirs = composite::adam::<Flex>(a, b, c, d, step);
        for (name, a, b) in
            [("parameters", ours.0, theirs.0), ("first", ours.1, theirs.1), ("second", ours.2, theirs.2)]
        {
            assert_close(name, a, b, 0);
        }
    }
    let ours = Flex::lerp(theta.clone(), first.clone(), 0.3);
    assert_close("lerp", ours, composite::lerp::<Flex>(theta, first, 0.3), 0);
}

#[test]
fn gelu_and_its_gradient_agree_with_the_composite() {
    let mut inputs = Inputs::new(6);
    for shape in [[1, 1], [7, 33], [300, 129]] {
        let (x, grad) = (Flex::float_mul_scalar(inputs.tensor(&shape), 3.0_f32.into()), inputs.tensor(&shape));
        assert_close("gelu", Flex::exact_gelu(x.clone()), composite::gelu::<Flex>(x.clone()), 0);
        let theirs = composite::gelu_grad::<Flex>(x.clone(), grad.clone());
        assert_close("gradient", Flex::exact_gelu_grad(x, grad), theirs, 0);
    }
}

#[test]
fn linear_layers_agree_with_the_composite() {
    let mut inputs = Inputs::new(8);
    for [rows, from, to] in [[1, 1, 1], [17, 5, 33], [136, 128, 512], [600, 300, 200]] {
        let [x, weight, bias] = [inputs.tensor(&[rows, from]), inputs.tensor(&[to, from]), inputs.tensor(&[to])];
        let found = Flex::affine(x.clone(), weight.clone(), bias.clone());
        let expected = transformer::linear::<Flex>(x, weight, bias);
        assert_close(&format!("{rows} rows of {from} to {to}"), found, expected, from);
    }
}

#[test]
fn attention_and_layer_normalisation_agree_with_the_composites() {
    let mut inputs = Inputs::new(7);
    for (batch, tokens, heads, head) in [(1, 1, 1, 1), (3, 17, 4, 32), (2, 65, 4, 16), (2, 50, 3, 7), (70, 3, 2, 5)] {
        let name = format!("{batch} pictures of {tokens} tokens, {heads} heads of {head}");
        let shape = [batch * tokens, heads * head];
        // Far apart, so that shares differ.
        let [query, key] = [0, 1].map(|_| Flex::float_mul_scalar(inputs.tensor(&shape), 3.0_f32.into()));
        let [value, grad] = [0, 1].map(|_| inputs.tensor(&shape));
        let all = || [query.clone(), key.clone(), value.clone()];
        let [q, k, v] = all();
        let found = Flex::dot_attention(q, k, v, batch, heads);
        let [q, k, v] = all();
        assert_close(&name, found, transformer::attention::<Flex>(q, k, v, batch, heads), 16 * head);
        let [q, k, v] = all();
        let found = Flex::dot_attention_grad(q, k, v, grad.clone(), batch, heads);
        let expected = transformer::attention_grad::<Flex>(all(), grad.clone(), batch, heads);
        assert_close(&name, found.0, expected.0, 16 * tokens * head);
        assert_close(&name, found.1, expected.1, 16 * tokens * head);
        assert_close(&name, found.2, expected.2, 16 * tokens);
        let [weight, bias] = [0, 1].map(|_| inputs.tensor(&[heads * head]));
        let (x, epsilon) = (value, 1e-3);
        let found = Flex::layer_normal(x.clone(), weight.clone(), bias.clone(), epsilon);
        let expected = transformer::layer_norm::<Flex>(x.clone(), weight.clone(), bias, epsilon);
        assert_close(&name, found, expected, heads * head);
        let found = Flex::layer_normal_grad(x.clone(), weight.clone(), grad.clone(), epsilon);
        let expected = transformer::layer_norm_grad::<Flex>(x, weight, grad, epsilon);
        assert_close(&name, found.0, expected.0, heads * head);
        assert_close(&name, found.1, expected.1, batch * tokens);
        assert_close(&name, found.2, expected.2, batch * tokens);
    }
}
