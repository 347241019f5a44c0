//! The filtered activation: the CPU kernel against the composite, forward and backward.

use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Autodiff, AutodiffBackend, Flex};

use super::{Inputs, values};
use crate::networks::ops::{Activation, FilteredActivation, Fir, Fir2d, GanOps, Lowpass, composite};

/// Batch, channels, height, width; up- and downsampling; taps of both filters; padding before and after.
type Case = ([usize; 4], [usize; 2], [usize; 2], [isize; 2]);

const CASES: &[Case] = &[
    // The layers of the networks there are: even, with a rise in rate, cropping.
    ([2, 3, 28, 28], [2, 2], [12, 12], [9, 8]),
    ([2, 3, 28, 28], [4, 2], [24, 12], [2, -1]),
    ([1, 2, 46, 46], [2, 2], [12, 12], [-3, -4]),
    // Odd sides, one channel, other heights than widths.
    ([3, 1, 7, 12], [2, 2], [6, 5], [4, 5]),
    ([1, 1, 9, 5], [4, 2], [8, 7], [-3, 6]),
    ([2, 5, 17, 33], [2, 1], [7, 4], [3, 1]),
    ([1, 2, 5, 6], [4, 1], [9, 3], [5, 7]),
    ([1, 4, 8, 8], [4, 4], [16, 8], [11, 9]),
    // Without filters, and where the factors do not divide each other.
    ([2, 2, 6, 5], [1, 1], [1, 1], [0, 0]),
    ([1, 2, 9, 8], [1, 2], [3, 4], [2, 2]),
    ([1, 2, 9, 8], [3, 2], [6, 5], [2, 3]),
];

/// The clamp, which a tenth of the activations reach.
const CLAMP: f32 = 1.5;

fn filtered(inputs: &mut Inputs, case: &Case, is_table: bool) -> FilteredActivation {
    let (_, [up, down], [up_taps, down_taps], pad) = *case;
    let mut taps = |count: usize, gain: f32| -> Vec<f32> {
        let scale = gain / count as f32;
        values(inputs.tensor(&[count])).into_iter().map(|tap| (tap + 1.0) * scale).collect()
    };
    let up = Fir::new(&taps(up_taps, up as f32), up, 1, pad);
    let down = match is_table {
        true => Lowpass::Table(Fir2d::downsampling(taps(down_taps * down_taps, 1.0), down_taps, down)),
        false => Lowpass::Separable(Fir::new(&taps(down_taps, 1.0), 1, down, [0, 0])),
    };
    FilteredActivation { up, act: Activation::LEAKY, clamp: CLAMP, down }
}

/// Runs `f` on every case with either filter: its name, the inputs, the activation.
fn for_each(mut f: impl FnMut(&str, &mut Inputs, [usize; 4], FilteredActivation)) {
    for (seed, case) in CASES.iter().enumerate() {
        for is_table in [false, true] {
            let mut inputs = Inputs::new(seed as u64);
            let filtered = filtered(&mut inputs, case, is_table);
            f(&format!("{case:?}, table {is_table}"), &mut inputs, case.0, filtered);
        }
    }
}

fn assert_close(name: &str, left: FlexTensor, right: FlexTensor) {
    assert_eq!(left.layout().shape(), right.layout().shape(), "{name}: shapes");
    let (left, right) = (values(left), values(right));
    let largest = right.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
    for (i, (a, b)) in left.iter().zip(&right).enumerate() {
        assert!((a - b).abs() <= 1e-5 * largest, "{name}: {a} and {b} at {i}, largest {largest}");
    }
}

#[test]
fn results_agree_with_the_composite() {
    for_each(|name, inputs, shape @ [n, c, ..], filtered| {
        let (s, bias) = (inputs.tensor(&[n, c]), inputs.tensor(&[c]));
        for x in [inputs.tensor(&shape), inputs.view(shape)] {
            let x = Flex::float_mul_scalar(x, burn::backend::Scalar::from(4.0f32));
            let ours = Flex::filtered_act(x.clone(), s.clone(), bias.clone(), filtered.clone());
            let expected = composite::filtered::filtered_act::<Flex>(x, s.clone(), bias.clone(), filtered.clone());
            assert_close(name, ours, expected);
        }
    });
}

#[test]
fn gradients_agree_with_the_composite_and_with_autodiff() {
    type Ad = Autodiff<Flex, NoCheckpointing>;
    let mut clamped = 0;
    for_each(|name, inputs, shape @ [n, c, h, w], filtered| {
        let x = Flex::float_mul_scalar(inputs.tensor(&shape), burn::backend::Scalar::from(4.0f32));
        let (s, bias) = (inputs.tensor(&[n, c]), inputs.tensor(&[c]));
        let [oh, ow] = filtered.output_size([h, w]);
        let grad = inputs.tensor(&[n, c, oh, ow]);
        let args = || (x.clone(), s.clone(), bias.clone(), grad.clone(), filtered.clone());
        let (x_, s_, bias_, grad_, filtered_) = args();
        let ours = Flex::filtered_act_grad(x_, s_, bias_, grad_, filtered_);
        let (x_, s_, bias_, grad_, filtered_) = args();
        let composite = composite::filtered::filtered_act_grad::<Flex>(x_, s_, bias_, grad_, filtered_);
        // What Burn derives by itself from the operations that the composite consists of.
        let tracked = [&x, &s, &bias].map(|x| Ad::float_set_require_grad(Ad::from_inner(x.clone()), true));
        let [x_, s_, bias_] = tracked.clone();
        let y = composite::filtered::filtered_act::<Ad>(x_, s_, bias_, filtered.clone());
        let loss = Ad::float_sum(Ad::float_mul(y, Ad::from_inner(grad.clone())));
        let grads = Ad::backward(loss);
        let derived = tracked.map(|x| Ad::grad(&x, &grads).unwrap());
        for ((what, ours), (composite, derived)) in ["x", "scale", "bias"]
            .into_iter()
            .zip([ours.0, ours.1, ours.2])
            .zip([composite.0, composite.1, composite.2].into_iter().zip(derived))
        {
            assert_close(&format!("{name}: gradient of {what}"), ours, composite.clone());
            assert_close(&format!("{name}: derivative of {what}"), composite, derived);
        }
        let unclamped = FilteredActivation { clamp: f32::INFINITY, ..filtered.clone() };
        let (free, _, _) = Flex::filtered_act_grad(x.clone(), s.clone(), bias.clone(), grad.clone(), unclamped);
        let (x_, s_, bias_, grad_, filtered_) = args();
        clamped += usize::from(values(free) != values(Flex::filtered_act_grad(x_, s_, bias_, grad_, filtered_).0));
    });
    assert!(clamped > CASES.len(), "the clamp was reached in {clamped} cases only");
}

#[test]
fn autodiff_gives_every_input_its_gradient() {
    type Ad = Autodiff<Flex, NoCheckpointing>;
    let mut inputs = Inputs::new(3);
    let filtered = filtered(&mut inputs, &CASES[0], false);
    let tensors = [inputs.tensor(&[2, 3, 28, 28]), inputs.tensor(&[2, 3]), inputs.tensor(&[3])];
    let [oh, ow] = filtered.output_size([28, 28]);
    let grad = inputs.tensor(&[2, 3, oh, ow]);
    let [x, s, bias] = tensors.clone();
    let expected = Flex::filtered_act_grad(x, s, bias, grad.clone(), filtered.clone());
    let [x, s, bias] = tensors.map(|x| Ad::float_set_require_grad(Ad::from_inner(x), true));
    let y = Ad::filtered_act(x.clone(), s.clone(), bias.clone(), filtered);
    let grads = Ad::backward(Ad::float_sum(Ad::float_mul(y, Ad::from_inner(grad))));
    for (tensor, expected) in [(x, expected.0), (s, expected.1), (bias, expected.2)] {
        assert_eq!(values(Ad::grad(&tensor, &grads).unwrap()), values(expected));
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let mut inputs = Inputs::new(5);
    for (case, is_table) in [(&CASES[0], false), (&CASES[1], true)] {
        let filtered = filtered(&mut inputs, case, is_table);
        let (x, s, bias) = (inputs.tensor(&[6, 8, 28, 28]), inputs.tensor(&[6, 8]), inputs.tensor(&[8]));
        let [oh, ow] = filtered.output_size([28, 28]);
        let grad = inputs.tensor(&[6, 8, oh, ow]);
        let run = || {
            let y = Flex::filtered_act(x.clone(), s.clone(), bias.clone(), filtered.clone());
            let (a, b, c) = Flex::filtered_act_grad(x.clone(), s.clone(), bias.clone(), grad.clone(), filtered.clone());
            [y, a, b, c].map(values)
        };
        let first = run();
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(run) == first, "{threads} threads");
        }
    }
}
