//! The GPU kernels against the composite definitions, forward and backward, in both orders of memory. On any adapter; skipped, aloud, where
//! there is none.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use burn::backend::flex::FlexTensor;
use burn::backend::{Dispatch, DispatchTensor, Flex};
use burn::tensor::{Device, Tensor, TensorData};
use burn_cubecl::cubecl::logging::{LaunchObservation, LaunchObserver};

use super::{ACTIVATIONS, Inputs, values};
use crate::device::DeviceChoice;
use crate::networks::ops::{self, Activation, AdamStep, FilteredActivation, Fir, Fir2d, GanOps, Lowpass, composite};

/// Launches are counted for the whole process, so these tests take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Where the kernels run, and how image tensors lie there.
pub struct Gpu {
    pub device: Device,
    pub channels_last: bool,
}

impl Gpu {
    /// The adapter, once for each order, for as long as the test has its turn.
    pub fn open() -> Option<([Self; 2], MutexGuard<'static, ()>)> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let device = DeviceChoice::Gpu.open().ok()?.device;
        Some(([false, true].map(|channels_last| Self { device: device.clone(), channels_last }), turn))
    }

    /// An image tensor.
    pub fn image(&self, x: &FlexTensor) -> DispatchTensor {
        let x = Tensor::<4>::from_data(x.clone().into_data(), &Device::flex());
        let put = |x: Tensor<4>| Tensor::<4>::from_data(x.into_data(), &self.device);
        match self.channels_last {
            true => put(x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2]).into_dispatch(),
            false => put(x).into_dispatch(),
        }
    }

    /// A tensor of four dimensions with the first three axes in the opposite order in memory.
    pub fn other_order(&self, x: &FlexTensor) -> DispatchTensor {
        let x = Tensor::<4>::from_data(x.clone().into_data(), &Device::flex()).permute([2, 1, 0, 3]);
        Tensor::<4>::from_data(x.into_data(), &self.device).permute([2, 1, 0, 3]).into_dispatch()
    }

    /// Asserts that an operation takes so many launches at most, and some if any are allowed.
    pub fn assert_launches(&self, name: &str, most: usize, operation: &dyn Fn() -> Vec<DispatchTensor>) {
        self.device.sync().expect("a device that computes");
        let counted = Arc::new(Launches::default());
        let observation = LaunchObservation::new(counted.clone());
        let results = operation();
        self.device.sync().expect("a device that computes");
        drop((results, observation));
        let count = counted.0.load(Ordering::Relaxed);
        assert!((most.min(1)..=most).contains(&count), "{name}: {count} launches, at most {most} are due");
    }

    pub fn put<const D: usize>(&self, x: &FlexTensor) -> DispatchTensor {
        Tensor::<D>::from_data(x.clone().into_data(), &self.device).into_dispatch()
    }
}

/// The same shape and values, but for 1e-5 of the largest.
pub fn assert_same<const D: usize>(name: &str, found: DispatchTensor, expected: FlexTensor) {
    assert_within::<D>(name, found, expected, 1e-5);
}

/// The same shape and values, but for this share of the largest.
pub fn assert_within<const D: usize>(name: &str, found: DispatchTensor, expected: FlexTensor, share: f32) {
    let found = Tensor::<D>::from_dispatch(found);
    assert_eq!(found.dims(), expected.layout().shape().dims::<D>(), "{name}: shapes");
    let (found, expected) = (found.into_data().try_to_vec::<f32>().expect("f32"), values(expected));
    let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() <= share * largest, "{name}: {a} instead of {b} at {i}, where the largest is {largest}");
    }
}

/// Taps, upsampling, downsampling, padding before and after, shape.
type Resampling = (usize, usize, usize, [isize; 2], [usize; 4]);

const RESAMPLINGS: &[Resampling] = &[
    (4, 1, 1, [2, 1], [2, 8, 9, 7]),
    (4, 2, 1, [2, 1], [1, 3, 5, 6]),
    (4, 1, 2, [1, 1], [2, 4, 8, 9]),
    (3, 2, 3, [-1, 2], [1, 1, 11, 8]),
    (1, 3, 2, [-2, 1], [1, 2, 4, 5]),
    (12, 2, 1, [-3, 9], [1, 2, 13, 8]),
    (12, 1, 2, [0, 5], [2, 1, 17, 14]),
];

#[test]
fn gpu_resampling_agrees_with_the_composite() {
    let Some((orders, _turn)) = Gpu::open() else {
        crate::skip::skip!("there is no adapter for kernels on this machine")
    };
    for (seed, &(taps, up, down, pad, shape)) in RESAMPLINGS.iter().enumerate() {
        let mut inputs = Inputs::new(seed as u64);
        let taps = values(inputs.tensor(&[taps]));
        let mut fir = Fir::new(&taps, up, down, pad);
        fir.pad_x[1] += 1;
        let [n, c, h, w] = shape;
        let [oh, ow] = fir.output_size([h, w]);
        let (x, grad) = (inputs.tensor(&shape), inputs.tensor(&[n, c, oh, ow]));
        let adjoint = fir.adjoint([h, w]);
        for gpu in &orders {
            let name = format!("{fir:?}, channels last: {}", gpu.channels_last);
            let found = Dispatch::fir(gpu.image(&x), fir.clone());
            assert_same::<4>(&name, found, composite::fir::<Flex>(x.clone(), fir.clone()));
            let found = Dispatch::fir(gpu.image(&grad), adjoint.clone());
            let expected = composite::fir::<Flex>(grad.clone(), adjoint.clone());
            assert_same::<4>(&format!("gradient: {name}"), found, expected);
        }
    }
}

/// Among them one plane, one pixel, sides that no vector divides, and planes that are cut into parts.
const SHAPES: &[[usize; 4]] = &[[1, 1, 1, 1], [2, 3, 5, 7], [2, 8, 6, 6], [1, 1, 9, 33], [2, 4, 65, 64], [3, 70, 3, 1]];

#[test]
fn gpu_pointwise_operations_agree_with_the_composite() {
    let Some((orders, _turn)) = Gpu::open() else {
        crate::skip::skip!("there is no adapter for kernels on this machine")
    };
    for (seed, &shape) in SHAPES.iter().enumerate() {
        let mut inputs = Inputs::new(seed as u64);
        let [n, c, h, w] = shape;
        let [x, y, grad] = std::array::from_fn(|_| inputs.tensor(&shape));
        let (bias, s, strength) = (inputs.tensor(&[c]), inputs.tensor(&[n, c]), inputs.tensor(&[1]));
        let act = ACTIVATIONS[seed % ACTIVATIONS.len()];
        for gpu in &orders {
            let name = |what: &str| format!("{what} {shape:?}, channels last: {}", gpu.channels_last);
            let found = Dispatch::bias_act(gpu.image(&x), gpu.put::<1>(&bias), act);
            let expected = composite::bias_act::<Flex>(x.clone(), bias.clone(), act);
            assert_same::<4>(&name("bias_act"), found, expected);
            let found = Dispatch::slope_mul(gpu.image(&y), gpu.image(&x), act);
            assert_same::<4>(&name("slope_mul"), found, composite::slope_mul::<Flex>(y.clone(), x.clone(), act));
            let found = Dispatch::scale(gpu.image(&x), gpu.put::<2>(&s));
            assert_same::<4>(&name("scale"), found, composite::scale::<Flex>(x.clone(), s.clone()));

            let (dx, db) = Dispatch::bias_act_grad(gpu.image(&y), gpu.image(&grad), act);
            let (ex, eb) = composite::bias_act_grad::<Flex>(y.clone(), grad.clone(), act);
            assert_same::<4>(&name("bias_act_grad, x"), dx, ex);
            assert_same::<1>(&name("bias_act_grad, bias"), db, eb);
            let (dx, ds) = Dispatch::scale_grad(gpu.image(&x), gpu.put::<2>(&s), gpu.image(&grad));
            let (ex, es) = composite::scale_grad::<Flex>(x.clone(), s.clone(), grad.clone());
            assert_same::<4>(&name("scale_grad, x"), dx, ex);
            assert_same::<2>(&name("scale_grad, s"), ds, es);

            for noises in [n, 1] {
                let noise = inputs.tensor(&[noises, 1, h, w]);
                let found = Dispatch::noise_act(
                    gpu.image(&x),
                    gpu.put::<2>(&s),
                    gpu.put::<4>(&noise),
                    gpu.put::<1>(&strength),
                    gpu.put::<1>(&bias),
                );
                let (x, s) = (x.clone(), s.clone());
                let expected =
                    composite::noise_act::<Flex>(x.clone(), s.clone(), noise.clone(), strength.clone(), bias.clone());
                assert_same::<4>(&name("noise_act"), found, expected);
                let (dx, ds, dstrength, dbias) = Dispatch::noise_act_grad(
                    gpu.image(&y),
                    gpu.image(&x),
                    gpu.put::<2>(&s),
                    gpu.put::<4>(&noise),
                    gpu.image(&grad),
                );
                let expected = composite::noise_act_grad::<Flex>(y.clone(), x, s, noise, grad.clone());
                assert_same::<4>(&name("noise_act_grad, x"), dx, expected.0);
                assert_same::<2>(&name("noise_act_grad, s"), ds, expected.1);
                assert_same::<1>(&name("noise_act_grad, strength"), dstrength, expected.2);
                assert_same::<1>(&name("noise_act_grad, bias"), dbias, expected.3);
            }
        }
    }
}

#[test]
fn gpu_operands_may_lie_in_different_orders() {
    let Some(([first, last], _turn)) = Gpu::open() else {
        crate::skip::skip!("there is no adapter for kernels on this machine")
    };
    let mut inputs = Inputs::new(3);
    let [y, grad] = std::array::from_fn(|_| inputs.tensor(&[2, 6, 5, 4]));
    let (dx, db) = Dispatch::bias_act_grad(first.image(&y), last.image(&grad), Activation::LEAKY);
    let (ex, eb) = composite::bias_act_grad::<Flex>(y.clone(), grad.clone(), Activation::LEAKY);
    assert_same::<4>("x", dx, ex);
    assert_same::<1>("bias", db, eb);
    // A view with gaps.
    let wide = inputs.tensor(&[2, 6, 5, 9]);
    let part = Tensor::<4>::from_data(wide.clone().into_data(), &first.device).slice([0..2, 1..4, 0..5, 2..6]);
    let same = Tensor::<4>::from_data(wide.into_data(), &Device::flex()).slice([0..2, 1..4, 0..5, 2..6]);
    let fir = Fir::new(&[1.0, 3.0, 3.0, 1.0], 1, 1, [2, 1]);
    let expected = composite::fir::<Flex>(FlexTensor::from_data(same.into_data()), fir.clone());
    assert_same::<4>("view", Dispatch::fir(part.into_dispatch(), fir), expected);
}

#[test]
fn gpu_convolution_gradients_agree_with_the_composite() {
    let Some(([gpu, _], _turn)) = Gpu::open() else {
        crate::skip::skip!("there is no adapter for kernels on this machine")
    };
    // Batch, channels in and out, height, width, kernel, stride, padding; the second leaves a row and a column out.
    for (seed, [n, c, o, h, w, k, stride, padding]) in
        [[2, 3, 5, 7, 6, 3, 1, 1], [1, 4, 2, 8, 8, 3, 2, 0]].into_iter().enumerate()
    {
        let mut inputs = Inputs::new(seed as u64);
        let (x, weight) = (inputs.tensor(&[n, c, h, w]), inputs.tensor(&[o, c, k, k]));
        let [oh, ow] = [h, w].map(|side| (side + 2 * padding - k) / stride + 1);
        let grad = inputs.tensor(&[n, o, oh, ow]);
        let found = Dispatch::conv_input_grad(gpu.put::<4>(&weight), gpu.image(&grad), [h, w], stride, padding);
        let expected = composite::conv_input_grad::<Flex>(weight, grad.clone(), [h, w], stride, padding);
        assert_same::<4>(&format!("input, stride {stride}"), found, expected);
        // Burn measures how to compute it, which takes long in software.
        if stride == 1 {
            let found = Dispatch::conv_weight_grad(gpu.image(&x), gpu.image(&grad), [k, k], stride, padding);
            let expected = composite::conv_weight_grad::<Flex>(x, grad, [k, k], stride, padding);
            assert_same::<4>(&format!("weight, stride {stride}"), found, expected);
        }
    }
}

#[test]
fn gpu_filtered_activations_agree_with_the_composite() {
    let Some((orders, _turn)) = Gpu::open() else {
        crate::skip::skip!("there is no adapter for kernels on this machine")
    };
    let mut inputs = Inputs::new(8);
    let act = Activation { negative_slope: 0.2, gain: std::f32::consts::SQRT_2 };
    let up = Fir::new(&values(inputs.tensor(&[12])), 2, 1, [-3, 8]);
    let separable = Lowpass::Separable(Fir::new(&values(inputs.tensor(&[12])), 1, 2, [0, 0]));
    let table = Lowpass::Table(Fir2d::downsampling(values(inputs.tensor(&[36])), 6, 2));
    for (down, shape) in [(separable, [2, 4, 13, 12]), (table, [1, 3, 9, 11])] {
        let filtered = FilteredActivation { up: up.clone(), act, clamp: 0.7, down };
        let [n, c, h, w] = shape;
        let [oh, ow] = filtered.output_size([h, w]);
        let (x, grad) = (inputs.tensor(&shape), inputs.tensor(&[n, c, oh, ow]));
        let (s, bias) = (inputs.tensor(&[n, c]), inputs.tensor(&[c]));
        for gpu in &orders {
            let at = format!("{shape:?}, channels last: {}", gpu.channels_last);
            let found = Dispatch::filtered_act(gpu.image(&x), gpu.put::<2>(&s), gpu.put::<1>(&bias), filtered.clone());
            let expected =
                composite::filtered::filtered_act::<Flex>(x.clone(), s.clone(), bias.clone(), filtered.clone());
            assert_same::<4>(&at, found, expected);
            let (dx, ds, db) = Dispatch::filtered_act_grad(
                gpu.image(&x),
                gpu.put::<2>(&s),
                gpu.put::<1>(&bias),
                gpu.image(&grad),
                filtered.clone(),
            );
            let expected = composite::filtered::filtered_act_grad::<Flex>(
                x.clone(),
                s.clone(),
                bias.clone(),
                grad.clone(),
                filtered.clone(),
            );
            assert_same::<4>(&format!("x, {at}"), dx, expected.0);
            assert_same::<2>(&format!("s, {at}"), ds, expected.1);
            assert_same::<1>(&format!("bias, {at}"), db, expected.2);
        }
    }
}

#[test]
fn gpu_optimizer_steps_and_gelu_agree_with_the_composite() {
    let Some(([gpu, _], _turn)) = Gpu::open() else {
        crate::skip::skip!("there is no adapter for kernels on this machine")
    };
    for len in [1003, 1024] {
        let mut inputs = Inputs::new(5);
        let [theta, gradient, first] = std::array::from_fn(|_| inputs.tensor(&[len]));
        let second = <Flex as burn::backend::ops::FloatTensorOps<Flex>>::float_abs(inputs.tensor(&[len]));
        for beta1 in [0.0, 0.9] {
            let step = AdamStep { beta1, beta2: 0.99, rate: 0.01, correction: 0.5, eps: 1e-8 };
            let [a, b, c, d] = [&theta, &gradient, &first, &second].map(|t| gpu.put::<1>(t));
            let found = Dispatch::adam(a, b, c, d, step);
            let [a, b, c, d] = [&theta, &gradient, &first, &second].map(FlexTensor::clone);
            let expected = composite::adam::<Flex>(a, b, c, d, step);
            assert_same::<1>("parameters", found.0, expected.0);
            assert_same::<1>("first moment", found.1, expected.1);
            assert_same::<1>("second moment", found.2, expected.2);
        }
        let found = Dispatch::lerp(gpu.put::<1>(&theta), gpu.put::<1>(&first), 0.3);
        assert_same::<1>("lerp", found, composite::lerp::<Flex>(theta, first, 0.3));
    }
    let mut inputs = Inputs::new(6);
    let (x, grad) = (inputs.tensor(&[7, 33]), inputs.tensor(&[7, 33]));
    let found = Dispatch::exact_gelu(gpu.put::<2>(&x));
    assert_same::<2>("gelu", found, composite::gelu::<Flex>(x.clone()));
    let found = Dispatch::exact_gelu_grad(gpu.put::<2>(&x), gpu.put::<2>(&grad));
    assert_same::<2>("gelu's gradient", found, composite::gelu_grad::<Flex>(x, grad));
}

#[test]
fn gpu_gradients_of_a_linear_layer_and_energies_agree_with_the_composite() {
    let Some(([gpu, _], _turn)) = Gpu::open() else {
        crate::skip::skip!("there is no adapter for kernels on this machine")
    };
    for (seed, [rows, inputs, outputs]) in [[1, 1, 1], [3, 7, 5], [16, 64, 20], [7, 12, 33]].into_iter().enumerate() {
        let mut made = Inputs::new(seed as u64);
        let (x, grad) = (made.tensor(&[rows, inputs]), made.tensor(&[rows, outputs]));
        let expected = composite::transformer::linear_grad::<Flex>(x.clone(), grad.clone());
        // As it comes from a product of matrices that was turned.
        let turned = Tensor::<2>::from_dispatch(gpu.put::<2>(&grad)).transpose().into_data();
        let turned = Tensor::<2>::from_data(turned, &gpu.device).transpose().into_dispatch();
        for (order, grad) in [("as it is", gpu.put::<2>(&grad)), ("turned", turned)] {
            let (dweight, dbias) = Dispatch::affine_grad(gpu.put::<2>(&x), grad);
            let name = |of: &str| format!("{of}, {rows} rows of {inputs} to {outputs}, {order}");
            assert_same::<2>(&name("weight"), dweight, expected.0.clone());
            assert_same::<1>(&name("bias"), dbias, expected.1.clone());
        }
    }
    let mut made = Inputs::new(9);
    let weight = made.tensor(&[5, 3, 3, 2]);
    let expected = composite::energy::<Flex>(weight.clone());
    assert_same::<2>("energy", Dispatch::energy(gpu.put::<4>(&weight)), expected.clone());
    assert_same::<2>("energy, turned", Dispatch::energy(gpu.other_order(&weight)), expected);
}

/// Through the public functions: autodiff, fusion, a layer's operations one after the other.
#[test]
fn gpu_gradients_of_a_layer_agree_with_the_cpu() {
    let Some(([gpu, _], _turn)) = Gpu::open() else {
        crate::skip::skip!("there is no adapter for kernels on this machine")
    };
    let gradients = |device: &Device| {
        let mut inputs = Inputs::new(11);
        let device = device.clone().autodiff();
        let data: Vec<TensorData> = [&[2, 4, 6, 6][..], &[5, 4, 3, 3], &[2, 5], &[1], &[5], &[2, 1, 12, 12]]
            .map(|shape| inputs.tensor(shape).into_data())
            .to_vec();
        let x = Tensor::<4>::from_data(data[0].clone(), &device).require_grad();
        let weight = Tensor::<4>::from_data(data[1].clone(), &device).require_grad();
        let s = Tensor::<2>::from_data(data[2].clone(), &device).require_grad();
        let strength = Tensor::<1>::from_data(data[3].clone(), &device).require_grad();
        let bias = Tensor::<1>::from_data(data[4].clone(), &device).require_grad();
        let noise = Tensor::<4>::from_data(data[5].clone(), &device);
        let y = ops::conv_transpose2d(x.clone(), weight.clone().swap_dims(0, 1), 2, 0);
        let y = ops::upfirdn2d(y, &[0.5, 1.5, 1.5, 0.5], 1, 1, 1, 1);
        let y = ops::scale_noise_bias_leaky_relu(y, s.clone(), noise, strength.clone(), bias.clone());
        let grads = (y.clone() * y).sum().backward();
        let flat = |t: Tensor<1>| t.into_data().try_to_vec::<f32>().expect("f32");
        [
            x.grad(&grads).map(|t| flat(t.flatten(0, 3))),
            weight.grad(&grads).map(|t| flat(t.flatten(0, 3))),
            s.grad(&grads).map(|t| flat(t.flatten(0, 1))),
            strength.grad(&grads).map(flat),
            bias.grad(&grads).map(flat),
        ]
        .map(|values| values.expect("a gradient"))
    };
    let (found, expected) = (gradients(&gpu.device), gradients(&Device::flex()));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= 1e-5 * largest, "gradient {i}: {a} instead of {b}");
        }
    }
}

#[derive(Default)]
struct Launches(AtomicUsize);

impl LaunchObserver for Launches {
    fn launched(&self, _: &'static str) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn gpu_operations_take_few_launches() {
    let Some((orders, _turn)) = Gpu::open() else {
        crate::skip::skip!("there is no adapter for kernels on this machine")
    };
    let mut inputs = Inputs::new(12);
    let [x, grad] = std::array::from_fn(|_| inputs.tensor(&[2, 4, 6, 6]));
    let (s, bias, one) = (inputs.tensor(&[2, 4]), inputs.tensor(&[4]), inputs.tensor(&[1]));
    let noise = inputs.tensor(&[2, 1, 6, 6]);
    let act = Activation::LEAKY;
    let fir = Fir::new(&[1.0, 3.0, 3.0, 1.0], 2, 1, [2, 1]);
    let down = Lowpass::Separable(Fir::new(&[1.0; 12], 1, 2, [0, 0]));
    let filtered = FilteredActivation { up: Fir::new(&[1.0; 12], 2, 1, [3, 8]), act, clamp: 1.0, down };
    let step = AdamStep { beta1: 0.0, beta2: 0.99, rate: 0.01, correction: 0.5, eps: 1e-8 };
    for gpu in &orders {
        let (x, grad, noise) = (gpu.image(&x), gpu.image(&grad), gpu.put::<4>(&noise));
        let (s, bias, one) = (gpu.put::<2>(&s), gpu.put::<1>(&bias), gpu.put::<1>(&one));
        let [x, grad, noise, s, bias, one] = [x, grad, noise, s, bias, one].map(|tensor| move || tensor.clone());
        let assert_launches = |name: &str, most: usize, operation: &dyn Fn() -> Vec<DispatchTensor>| {
            gpu.assert_launches(name, most, operation);
        };
        assert_launches("fir", 1, &|| vec![Dispatch::fir(x(), fir.clone())]);
        assert_launches("bias_act", 1, &|| vec![Dispatch::bias_act(x(), bias(), act)]);
        assert_launches("slope_mul", 1, &|| vec![Dispatch::slope_mul(x(), grad(), act)]);
        assert_launches("scale", 1, &|| vec![Dispatch::scale(x(), s())]);
        assert_launches("noise_act", 1, &|| vec![Dispatch::noise_act(x(), s(), noise(), one(), bias())]);
        assert_launches("bias_act_grad", 2, &|| {
            let (dx, db) = Dispatch::bias_act_grad(x(), grad(), act);
            vec![dx, db]
        });
        assert_launches("scale_grad", 2, &|| {
            let (dx, ds) = Dispatch::scale_grad(x(), s(), grad());
            vec![dx, ds]
        });
        assert_launches("noise_act_grad", 2, &|| {
            let (dx, ds, dstrength, db) = Dispatch::noise_act_grad(x(), x(), s(), noise(), grad());
            vec![dx, ds, dstrength, db]
        });
        assert_launches("filtered_act", 3, &|| vec![Dispatch::filtered_act(x(), s(), bias(), filtered.clone())]);
        assert_launches("filtered_act_grad", 6, &|| {
            // The gradient is that of a result of the input's size.
            let (dx, ds, db) = Dispatch::filtered_act_grad(x(), s(), bias(), grad(), filtered.clone());
            vec![dx, ds, db]
        });
        assert_launches("adam", 1, &|| {
            let (theta, first, second) = Dispatch::adam(bias(), bias(), bias(), bias(), step);
            vec![theta, first, second]
        });
        assert_launches("affine_grad", 1, &|| {
            let (dweight, dbias) = Dispatch::affine_grad(s(), s());
            vec![dweight, dbias]
        });
        assert_launches("energy", 1, &|| vec![Dispatch::energy(x())]);
        assert_launches("lerp", 1, &|| vec![Dispatch::lerp(bias(), bias(), 0.5)]);
    }
}
