//! How many kernels the steps of an iteration launch on a GPU, counted by CubeCL itself as they are issued.
//!
//! `cargo bench --bench launches`, on any adapter, also one in software: launches follow from the layers, not from their width, so networks
//! of 256x256 and 1024x1024 are counted with few channels. `-- published` takes the published width and batch, for a card with 24 GB. Burn measures
//! several ways to compute a convolution on the adapter at hand and takes the quickest, so those differ from one to the next. What was counted stands in
//! `benches/README.md`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use burn::tensor::{Device, Tensor, TensorData};
use burn_cubecl::cubecl::logging::{LaunchObservation, LaunchObserver};
use unlearn_studio::{
    device::DeviceChoice,
    networks::{Architecture, FlatParams, flat::to_vec, latents::NormalSource, read_discriminator, read_generator},
    train::{Draw, Networks, TrainConfig, Trainer},
};

/// Name, channels at 4x4, 8x8, ... as published (configuration F), batch.
const PUBLISHED: [(&str, &[usize], usize); 2] = [
    ("256x256", &[512, 512, 512, 512, 512, 256, 128], 16),
    ("1024x1024", &[512, 512, 512, 512, 512, 256, 128, 64, 32], 4),
];

/// Channels and batch where only launches are counted.
const FEW: (usize, usize) = (4, 2);

/// Launches by the names of their kernels.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<&'static str, usize>>);

impl LaunchObserver for Counts {
    fn launched(&self, kernel: &'static str) {
        *self.0.lock().expect("no panic while counting").entry(kernel).or_default() += 1;
    }
}

/// What a kernel is for, from its name.
fn kind(kernel: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| kernel.to_lowercase().contains(word));
    match () {
        () if has(&["networks::ops"]) => "ours",
        () if has(&["conv", "im2col", "col2im", "matmul", "gemm", "gemv"]) => "convolutions and products of matrices",
        () if has(&["fus"]) => "chains that Burn fused",
        () if has(&["reduce", "sum"]) => "sums",
        () if has(&["contiguous", "copy", "slice", "cat", "pad"]) => "copies",
        () => "others",
    }
}

/// Everything that one count takes.
struct Setup {
    trainer: Trainer,
    draw: Draw,
    half: Draw,
    real: Tensor<4>,
    path_noise: Tensor<4>,
}

impl Setup {
    fn new(channels: &[usize], batch: usize, device: &Device) -> Self {
        let mut rng = NormalSource::new(1, 0);
        let a = Architecture { channels: channels.to_vec(), image_channels: 3, latent: channels[0], mapping_layers: 8 };
        let (g, d) = (a.generator(&mut rng), a.discriminator(&mut rng));
        let networks = Networks {
            generator: read_generator(&g, device).expect("a generator"),
            discriminator: read_discriminator(&d, device).expect("a discriminator"),
        };
        let g = FlatParams::from_host(networks.generator.layout(), &g, device);
        let d = FlatParams::from_host(networks.discriminator.layout(), &d, device);
        let half = (batch / 2).max(1);
        let draw = |rng: &mut NormalSource, n| Draw::random(&networks.generator, n, 0.0, true, rng, device);
        let (draw, half_draw) = (draw(&mut rng, batch), draw(&mut rng, half));
        let side = networks.generator.resolution();
        let mut images = |n: usize| {
            let data = TensorData::new(rng.normals(n * 3 * side * side), [n, 3, side, side]);
            Tensor::from_data(data, device)
        };
        let (real, path_noise) = (images(batch), images(half));
        let trainer = Trainer::new(networks, TrainConfig { batch, ..TrainConfig::default() }, g.clone(), d, g);
        Self { trainer, draw, half: half_draw, real, path_noise }
    }

    /// One step, waited for.
    fn step(&mut self, name: &str) {
        let trainer = &mut self.trainer;
        let moved = match name {
            "discriminator" => {
                trainer.discriminator_step(self.real.clone(), &self.draw, None);
                trainer.d.values.clone()
            }
            "R1" => {
                trainer.r1_step(self.real.clone());
                trainer.d.values.clone()
            }
            "generator" => {
                trainer.generator_step(&self.draw, None, None);
                trainer.g.values.clone()
            }
            "path length" => {
                trainer.path_length_step(&self.half, self.path_noise.clone());
                trainer.g.values.clone()
            }
            _ => {
                trainer.ema_step();
                trainer.g_ema.values.clone()
            }
        };
        to_vec(moved.narrow(0, 0, 1));
    }
}

fn main() {
    let published = std::env::args().any(|argument| argument == "published");
    let gpu = DeviceChoice::Gpu.open().expect("a Vulkan, Metal or DirectX 12 adapter");
    println!("adapter: {}", gpu.name);
    for (name, channels, batch) in PUBLISHED {
        let few = vec![FEW.0; channels.len()];
        let (channels, batch) = if published { (channels, batch) } else { (&few[..], FEW.1) };
        println!("\nStyleGAN2 {name}, channels {channels:?}, batch {batch}");
        let mut setup = Setup::new(channels, batch, &gpu.device);
        let config = setup.trainer.config.clone();
        // A step, and how often an iteration takes it.
        let steps = [
            ("discriminator", 1.0),
            ("generator", 1.0),
            ("average", 1.0),
            ("R1", 1.0 / config.d_reg_every as f64),
            ("path length", 1.0 / config.g_reg_every as f64),
        ];
        let mut iteration: BTreeMap<&str, f64> = BTreeMap::new();
        let mut kernels: BTreeMap<&str, f64> = BTreeMap::new();
        for (step, times) in steps {
            // The first compiles kernels and measures which to take.
            setup.step(step);
            let counts = Arc::new(Counts::default());
            let observation = LaunchObservation::new(counts.clone());
            setup.step(step);
            drop(observation);
            let counts = counts.0.lock().expect("no panic while counting");
            println!("{step:<14} {:>6} launches", counts.values().sum::<usize>());
            for (kernel, count) in counts.iter() {
                *iteration.entry(kind(kernel)).or_default() += *count as f64 * times;
                *kernels.entry(kernel).or_default() += *count as f64 * times;
            }
        }
        println!("{:<14} {:>6.0} launches, of these", "an iteration", iteration.values().sum::<f64>());
        for (kind, count) in &iteration {
            println!("  {count:>7.1} {kind}");
        }
        let mut most: Vec<_> = kernels.into_iter().collect();
        most.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        println!("  by kernel:");
        for (kernel, count) in most {
            let short = kernel.split('<').next().unwrap_or(kernel).rsplit("::").next().unwrap_or(kernel);
            println!("  {count:>7.1} {short}");
        }
    }
}
