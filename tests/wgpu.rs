//! The same numbers through wgpu: every loss, gradient step and image of the small golden checkpoints, on the GPU and on the
//! CPU, one by one.
//!
//! Runs on any Vulkan, Metal or DirectX 12 adapter, and is skipped, aloud, when there is none. One that computes in software needs minutes to
//! compile the kernels of all of it, so there only one step of each network is compared, unless `UNLEARN_GPU=whole` (`make check-gpu`); then
//! also in half precision, where the adapter knows it, with numbers near
//! those of the CPU in single precision. Random noise is another on a GPU, which draws its own (`train/draw.rs`), but the same
//! whenever the seed is the same.

mod common;
#[path = "common/skip.rs"]
mod skip;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use common::Golden;
use unlearn_studio::{
    device::{self, ComputeDevice, DeviceChoice},
    networks::{FlatParams, Noise, NormalSource, flat::to_vec},
    train::{Augment, Draw, Retained, TrainConfig, Trainer, r1::r1_penalty},
    unlearn::adapt::repulsion::{Distance, Repulsion, RepulsionConfig, RepulsionLoss},
};

/// Rounding of a sum over a whole batch: what a loss may differ by, relative to itself.
const LOSS: f32 = 1e-5;
/// The same of an image or a score, over all its values.
const IMAGE: f32 = 1e-5;
/// Of a gradient.
const GRADIENT: f32 = 1e-4;
/// Rounding of maps that are stored in half precision: of images, and of gradients through both networks.
const HALF_IMAGE: f32 = 5e-3;
const HALF_GRADIENT: f32 = 2e-2;
/// Of parameters after one step: Adam's first step is the sign of the gradient, so that a value that is zero but for
/// rounding moves by the whole learning rate, either way.
const PARAMETERS: f32 = 1e-2;

/// One group of the minibatch standard deviation.
const BATCH: usize = 4;

/// What both devices compute, by name, with the difference that is allowed.
type Values = Vec<(&'static str, f32, Vec<f32>)>;

fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    norm(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied())
}

fn golden(name: &str, device: &Device) -> Golden {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    Golden::open(&folder, name, device)
}

/// Says how far it is: in software every kernel takes its time to be compiled, and each batch size has its own.
fn push(values: &mut Values, name: &'static str, bar: f32, found: Vec<f32>) {
    println!("computed: {name}");
    values.push((name, bar, found));
}

/// Each step of an iteration from the same state, so that no step hides or magnifies the difference of another; without `whole` only the
/// adversarial steps.
fn steps(device: &Device, whole: bool) -> Values {
    let golden = golden("stylegan2-16.pt", device);
    let gan = golden.gan();
    let z = golden.tensor::<2>("z", device).narrow(0, 0, BATCH);
    let real = golden.tensor::<4>("real", device).narrow(0, 0, BATCH);
    let mut values = Vec::new();
    let image = |g: &FlatParams| to_vec(gan.networks.generator.forward(&g.constants(), z.clone(), &Noise::Constant));
    let before = image(&gan.g);
    let error = relative_error(&before, &golden.expected("image").data[..before.len()]);
    assert!(error < 1e-4, "images are off by {error:.1e} from the published code on {device:?}");
    push(&mut values, "image", IMAGE, before);

    let fresh = || {
        let config = TrainConfig { batch: BATCH, retain: 1.0, ..TrainConfig::default() };
        Trainer::new(gan.networks.clone(), config, gan.g.clone(), gan.d.clone(), gan.g_ema.clone())
    };
    let draw = Draw::constant(z.clone());

    let (mut shown, mut fakes) = (real.clone(), draw.clone());
    if whole {
        // The discriminator sees everything augmented.
        let augment = Augment { p: 0.8, ..Augment::default() };
        let mut rng = NormalSource::new(4, 0);
        let mut transform = || augment.draw(BATCH, 16, &mut rng, device).expect("a transformation");
        shown = transform().apply(real.clone());
        fakes = Draw { augment: Some(transform()), ..draw.clone() };
        push(&mut values, "augmented images", IMAGE, to_vec(shown.clone()));
    }
    let mut trainer = fresh();
    let loss = trainer.discriminator_step(shown, &fakes, None);
    push(&mut values, "discriminator loss", LOSS, to_vec(loss));
    push(&mut values, "discriminator", PARAMETERS, to_vec(trainer.d.values));
    if !whole {
        let mut trainer = fresh();
        let (loss, ..) = trainer.generator_step(&draw, None, None);
        push(&mut values, "generator loss", LOSS, to_vec(loss));
        push(&mut values, "generator", PARAMETERS, to_vec(trainer.g.values));
        return values;
    }

    let mut trainer = fresh();
    push(&mut values, "R1", LOSS, to_vec(trainer.r1_step(real.clone())));
    push(&mut values, "discriminator after R1", PARAMETERS, to_vec(trainer.d.values));

    let repulsion = RepulsionConfig { loss: RepulsionLoss::Il2, distance: Distance::Mean, gamma: 1e-3, weight: 1.0 };
    let repulsion = Repulsion::new(repulsion, &gan.g.layout, golden.adapted(device)).expect("two adapted generators");
    let mask = Tensor::from_data(TensorData::new(vec![1.0_f32, 1.0, 0.0, 1.0], [BATCH]), device);
    let retained = (Retained { z: z.clone(), psi: Tensor::ones([BATCH, 1], device), mask }, real);
    let mut trainer = fresh();
    let (loss, term, retention) = trainer.generator_step(&draw, Some(&repulsion), Some(retained));
    trainer.ema_step();
    push(&mut values, "generator loss", LOSS, to_vec(loss));
    push(&mut values, "repulsion", LOSS, to_vec(term.expect("a repulsion term")));
    push(&mut values, "retention", LOSS, to_vec(retention.expect("retained images")));
    push(&mut values, "image after the step", PARAMETERS, image(&trainer.g));
    push(&mut values, "generator", PARAMETERS, to_vec(trainer.g.values));
    // A step moves the average by a fraction of a thousandth.
    push(&mut values, "averaged generator", LOSS, to_vec(trainer.g_ema.values));

    let mut trainer = fresh();
    let noise = golden.tensor::<4>("pl_noise", device).narrow(0, 0, BATCH);
    push(&mut values, "path length", LOSS, vec![trainer.path_length_step(&draw, noise)]);
    push(&mut values, "generator after path length", PARAMETERS, to_vec(trainer.g.values));
    values
}

/// What an iteration of the smallest network begins with, one with classes: their embedding is in both networks. Its block above 4x4 may be
/// in half precision.
fn classes(device: &Device, half: bool) -> Values {
    let golden = golden("ada-8-conditional.pkl", device);
    let gan = golden.gan();
    let networks = gan.networks.clone().with_half_precision(half);
    let [image_bar, loss_bar, gradient_bar] =
        if half { [HALF_IMAGE, HALF_IMAGE, HALF_GRADIENT] } else { [IMAGE, LOSS, GRADIENT] };
    let labels: Tensor<2> = golden.tensor("c", device);
    let z = Tensor::cat(vec![golden.tensor("z", device), labels.clone()], 1);
    let [batch, _] = z.dims();
    // The maps of constant noise are the averaged generator's.
    let draw = Draw { noise: Noise::None, ..Draw::constant(z) };
    let image = draw.images(&networks.generator, &gan.g.constants());
    let expected = golden.expected("image_none");
    let error = relative_error(&to_vec(image.clone()), &expected.data);
    assert!(half || error < 1e-4, "images of classes: off by {error:.1e} from the published code on {device:?}");
    let config = TrainConfig { batch, ..TrainConfig::default() };
    let mut trainer = Trainer::new(networks, config, gan.g.clone(), gan.d.clone(), gan.g_ema.clone());
    trainer.labels.real = Some(labels);
    // Not what this device drew, so that nothing differs but what is computed of it.
    let real = Tensor::from_data(TensorData::new(expected.data.clone(), image.dims()), device) * 0.5 + 0.1;
    let (d_loss, d_gradient) = trainer.discriminator_loss_and_gradient(real, &draw, None);
    let (g_loss, g_gradient) = trainer.generator_loss_and_gradient(&draw);
    let mut values = Vec::new();
    push(&mut values, "images of classes", image_bar, to_vec(image));
    push(&mut values, "discriminator loss of classes", loss_bar, to_vec(d_loss));
    push(&mut values, "discriminator gradient of classes", gradient_bar, to_vec(d_gradient));
    push(&mut values, "generator loss of classes", loss_bar, to_vec(g_loss));
    push(&mut values, "generator gradient of classes", gradient_bar, to_vec(g_gradient));
    values
}

/// Whether all of a test is computed; what is left out otherwise is said.
fn is_whole(gpu: &ComputeDevice, test: &str, rest: &str) -> bool {
    let whole = !gpu.software || std::env::var("UNLEARN_GPU").is_ok_and(|part| part == "whole");
    if !whole {
        skip::note(test, &format!("{rest}, in software (make check-gpu)"));
    }
    whole
}

/// Asserts that every value is as it is on the CPU, within its bar on the GPU.
fn assert_near(on_gpu: &Values, on_cpu: &Values) {
    let mut failures = Vec::new();
    for ((_, _, cpu), (name, bar, gpu)) in on_cpu.iter().zip(on_gpu) {
        let error = relative_error(gpu, cpu);
        println!("{name:<44} {error:.2e}  (bar {bar:.0e})");
        if error.is_nan() || error > f64::from(*bar) {
            failures.push(format!("{name}: the GPU is off by {error:.1e}, bar {bar:.0e}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_gpu_computes_what_the_cpu_computes() {
    let Ok(gpu) = DeviceChoice::Gpu.open() else {
        skip::skip!("there is no Vulkan, Metal or DirectX 12 adapter on this machine");
    };
    println!("adapter: {}{}", gpu.name, if gpu.software { " (software)" } else { "" });
    let whole = is_whole(&gpu, "a_gpu_computes_what_the_cpu_computes", "regularisers and classes");
    let compute = |device: &Device| match whole {
        true => [steps(device, true), classes(device, false)].concat(),
        false => steps(device, false),
    };
    assert_near(&compute(&gpu.device), &compute(&device::cpu().device));
}

/// An iteration of a larger network, in half precision where `half` is on: images, and the gradients of all steps, of which those of the
/// regularisers have their tangents in half precision too.
fn all_steps(device: &Device, half: bool) -> Values {
    let golden = golden("stylegan2-16.pt", device);
    let gan = golden.gan();
    let networks = gan.networks.clone().with_half_precision(half);
    let z = golden.tensor::<2>("z", device).narrow(0, 0, BATCH);
    let real = golden.tensor::<4>("real", device).narrow(0, 0, BATCH);
    let mut values = Vec::new();
    let image = to_vec(networks.generator.forward(&gan.g.constants(), z.clone(), &Noise::Constant));
    push(&mut values, "image in half precision", HALF_IMAGE, image);
    let config = TrainConfig { batch: BATCH, ..TrainConfig::default() };
    let trainer = Trainer::new(networks, config, gan.g.clone(), gan.d.clone(), gan.g_ema.clone());
    let draw = Draw::constant(z);
    let (loss, gradient) = trainer.discriminator_loss_and_gradient(real.clone(), &draw, None);
    push(&mut values, "discriminator loss in half precision", HALF_IMAGE, to_vec(loss));
    push(&mut values, "discriminator gradient in half precision", HALF_GRADIENT, to_vec(gradient));
    let (loss, gradient) = trainer.generator_loss_and_gradient(&draw);
    push(&mut values, "generator loss in half precision", HALF_IMAGE, to_vec(loss));
    push(&mut values, "generator gradient in half precision", HALF_GRADIENT, to_vec(gradient));
    let r1 = r1_penalty(&trainer.networks.discriminator, &trainer.d, real, None);
    push(&mut values, "R1 in half precision", HALF_GRADIENT, to_vec(r1.value));
    push(&mut values, "gradient of R1 in half precision", HALF_GRADIENT, to_vec(r1.gradient));
    let noise = golden.tensor::<4>("pl_noise", device).narrow(0, 0, BATCH);
    let (penalty, gradient) = trainer.path_length_penalty_and_gradient(&draw, noise);
    push(&mut values, "path length in half precision", HALF_GRADIENT, vec![penalty.value]);
    push(&mut values, "gradient of path length in half precision", HALF_GRADIENT, to_vec(gradient));
    values
}

#[test]
fn half_precision_differs_by_rounding() {
    let Ok(gpu) = DeviceChoice::Gpu.open() else {
        skip::skip!("there is no Vulkan, Metal or DirectX 12 adapter on this machine");
    };
    if !gpu.device.supports_dtype(FloatDType::F16) {
        skip::skip!("{} knows no half precision", gpu.name);
    }
    if !is_whole(&gpu, "half_precision_differs_by_rounding", "all of it") {
        return;
    }
    let compute = |device: &Device, half: bool| -> Values { [classes(device, half), all_steps(device, half)].concat() };
    let half = compute(&gpu.device, true);
    let single = compute(&device::cpu().device, false);
    assert_near(&half, &single);
    // It is in use: rounding is seen.
    let error = relative_error(&half[0].2, &single[0].2);
    assert!(error > 1e-5, "images differ by {error:.1e} only");
}

#[test]
fn equal_seeds_draw_equal_noise_on_a_gpu() {
    let Ok(gpu) = DeviceChoice::Gpu.open() else {
        skip::skip!("there is no Vulkan, Metal or DirectX 12 adapter on this machine");
    };
    let golden = golden("stylegan2-16.pt", &gpu.device);
    let generator = golden.gan().networks.generator.clone();
    let noise = |rng: &mut NormalSource| -> Vec<Vec<f32>> {
        match Draw::random(&generator, 2, 0.5, true, rng, &gpu.device).noise {
            Noise::Maps(maps) => maps.into_iter().map(to_vec).collect(),
            other => panic!("noise maps, not {other:?}"),
        }
    };
    let mut source = NormalSource::new(5, 0);
    let first = noise(&mut source);
    let second = noise(&mut source);
    // As another run does, and one that was resumed after the first draw.
    let mut again = NormalSource::new(5, 0);
    assert!(noise(&mut again) == first, "the same seed draws other noise");
    assert!(noise(&mut NormalSource::resume(again.state())) == second, "a resumed source draws other noise");

    // Every map is another, and normal.
    let all: Vec<&Vec<f32>> = first.iter().chain(&second).collect();
    for (number, map) in all.iter().enumerate() {
        assert!(all[..number].iter().all(|other| other[..16] != map[..16]), "map {number} was drawn before");
    }
    let values: Vec<f64> = all.into_iter().flatten().map(|value| f64::from(*value)).collect();
    let mean = |f: fn(f64) -> f64| values.iter().map(|value| f(*value)).sum::<f64>() / values.len() as f64;
    let (mean, square) = (mean(|value| value), mean(|value| value * value));
    println!("{} values, mean {mean:.3}, mean square {square:.3}", values.len());
    assert!(mean.abs() < 0.1 && (square - 1.0).abs() < 0.15, "mean {mean}, mean square {square}");
}
