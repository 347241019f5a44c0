//! The same numbers through wgpu: forward parity and one training iteration on the small golden checkpoint.
//!
//! Runs on any Vulkan, Metal or DirectX 12 adapter, software included (where it is slow: hence the small network), and
//! says so when there is none.

mod common;

use burn::tensor::{Device, Tensor};
use common::Golden;
use unlearn_studio::{
    device::{self, DeviceChoice},
    networks::{Noise, flat::to_vec},
    train::{Draw, TrainConfig, Trainer},
    unlearn::repulsion::{Distance, Repulsion, RepulsionConfig, RepulsionLoss},
};

fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
    norm(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied())
}

/// Losses, parameters and the image of the fixed latents after one iteration with every regulariser.
fn one_iteration(device: &Device) -> Vec<Vec<f32>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    let golden = Golden::open(&folder, "stylegan2-16.pt", device);
    let z: Tensor<2> = golden.tensor("z", device);
    let gan = golden.gan();
    let image = gan.networks.generator.forward(&gan.g.constants(), z.clone(), &Noise::Constant);
    let error = relative_error(&to_vec(image), &golden.expected("image").data);
    assert!(error < 1e-4, "images are off by {error:.1e} on {device:?}");
    let real: Tensor<4> = golden.tensor("real", device);
    let scores = gan.networks.discriminator.forward(&gan.d.constants(), real.clone().into()).value;
    let error = relative_error(&to_vec(scores), &golden.expected("d_real").data);
    assert!(error < 1e-4, "scores are off by {error:.1e} on {device:?}");

    let config = TrainConfig { batch: 8, random_noise: false, ..TrainConfig::default() };
    let mut trainer = Trainer::new(gan.networks.clone(), config, gan.g.clone(), gan.d.clone(), gan.g_ema.clone());
    let repulsion = RepulsionConfig { loss: RepulsionLoss::Il2, distance: Distance::Mean, gamma: 1e-3, weight: 1.0 };
    let repulsion = Repulsion::new(repulsion, &gan.g.layout, golden.adapted(device)).expect("two adapted generators");
    let draw = Draw::constant(z.clone());
    let half = draw.select(&[0, 1, 2, 3]);
    let d = trainer.discriminator_step(real.clone(), &draw, None);
    let r1 = trainer.r1_step(real);
    let (g, term, _) = trainer.generator_step(&draw, Some(&repulsion), None);
    let noise = golden.tensor::<4>("pl_noise", device).narrow(0, 0, 4);
    let path = trainer.path_length_step(&half, noise);
    trainer.ema_step();
    let losses = [to_vec(d), to_vec(r1), to_vec(g), to_vec(term.expect("a repulsion term")), vec![path]].concat();
    let image = gan.networks.generator.forward(&trainer.g.constants(), z, &Noise::Constant);
    vec![
        losses,
        to_vec(trainer.g.values.clone()),
        to_vec(trainer.d.values.clone()),
        to_vec(trainer.g_ema.values.clone()),
        to_vec(image),
    ]
}

#[test]
fn a_gpu_computes_what_the_cpu_computes() {
    let Ok(gpu) = DeviceChoice::Gpu.open() else {
        println!("skipped: no Vulkan, Metal or DirectX 12 adapter on this machine");
        return;
    };
    println!("adapter: {}{}", gpu.name, if gpu.software { " (software)" } else { "" });
    let names = ["losses", "generator", "discriminator", "averaged generator", "image"];
    let (on_cpu, on_gpu) = (one_iteration(&device::cpu().device), one_iteration(&gpu.device));
    for ((name, cpu), gpu) in names.iter().zip(&on_cpu).zip(&on_gpu) {
        let error = relative_error(gpu, cpu);
        println!("{name:<20} {error:.2e}");
        // Adam's first steps depend on a gradient's sign, so rounding is amplified in the parameters.
        assert!(error < 1e-2, "{name}: the GPU is off by {error:.1e}");
    }
}
