//! How many kernels the steps of an iteration launch on a GPU, counted by CubeCL itself as they are issued.
//!
//! `cargo bench --bench launches`, on any adapter, also one in software: launches follow from the layers, not from their width, and each block
//! has the same layers, so small networks with few channels are counted, and what one more block adds gives those of 256x256 and 1024x1024.
//! `-- published` counts both as they were published, on a card with 24 GB. Burn measures several ways to compute a convolution on the adapter at
//! hand and takes the quickest, so those differ from one to the next. What was counted stands in `benches/README.md`.

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

/// What is counted in their stead: 8x8 and 16x16, with this many channels and this batch.
const SMALL: [usize; 2] = [2, 3];
const CHANNELS: usize = 4;
const BATCH: usize = 2;

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

/// Launches of one step by kind, and of which kernels they are.
#[derive(Clone, Default)]
struct Step {
    kinds: BTreeMap<&'static str, f64>,
    kernels: BTreeMap<&'static str, f64>,
}

impl Step {
    fn all(&self) -> f64 {
        self.kinds.values().sum()
    }

    /// Adds `times` as many as another step has.
    fn add(&mut self, other: &Self, times: f64) {
        for (kind, count) in &other.kinds {
            *self.kinds.entry(kind).or_default() += count * times;
        }
        for (kernel, count) in &other.kernels {
            *self.kernels.entry(kernel).or_default() += count * times;
        }
    }
}

/// A step, and how often an iteration takes it.
fn steps() -> [(&'static str, f64); 5] {
    let config = TrainConfig::default();
    [
        ("discriminator", 1.0),
        ("generator", 1.0),
        ("average", 1.0),
        ("R1", 1.0 / config.d_reg_every as f64),
        ("path length", 1.0 / config.g_reg_every as f64),
    ]
}

/// The launches of every step of a network.
fn count(channels: &[usize], batch: usize, device: &Device) -> Vec<Step> {
    let mut setup = Setup::new(channels, batch, device);
    let one = |(name, _): (&str, f64)| {
        // The first time compiles kernels and measures which to take.
        setup.step(name);
        let counts = Arc::new(Counts::default());
        let observation = LaunchObservation::new(counts.clone());
        setup.step(name);
        drop(observation);
        let mut step = Step::default();
        for (kernel, count) in counts.0.lock().expect("no panic while counting").iter() {
            *step.kinds.entry(kind(kernel)).or_default() += *count as f64;
            *step.kernels.entry(kernel).or_default() += *count as f64;
        }
        eprintln!("{} blocks, {name}: {} launches", channels.len(), step.all());
        step
    };
    steps().map(one).into()
}

fn print(name: &str, counted: &[Step]) {
    println!("\nStyleGAN2 {name}");
    let mut iteration = Step::default();
    for ((step, times), launches) in steps().into_iter().zip(counted) {
        println!("{step:<14} {:>6.0} launches", launches.all());
        iteration.add(launches, times);
    }
    println!("{:<14} {:>6.0} launches, of these", "an iteration", iteration.all());
    for (kind, count) in &iteration.kinds {
        println!("  {count:>7.1} {kind}");
    }
    println!("  by kernel:");
    let mut most: Vec<_> = iteration.kernels.into_iter().collect();
    most.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    for (kernel, count) in most {
        let short = kernel.split('<').next().unwrap_or(kernel).rsplit("::").next().unwrap_or(kernel);
        println!("  {count:>7.1} {short}");
    }
}

fn main() {
    let gpu = DeviceChoice::Gpu.open().expect("a Vulkan, Metal or DirectX 12 adapter");
    println!("adapter: {}", gpu.name);
    if std::env::args().any(|argument| argument == "published") {
        for (name, channels, batch) in PUBLISHED {
            print(&format!("{name}, batch {batch}"), &count(channels, batch, &gpu.device));
        }
        return;
    }
    let [fewer, more] = SMALL.map(|blocks| count(&vec![CHANNELS; blocks], BATCH, &gpu.device));
    for (blocks, counted) in SMALL.into_iter().zip([&fewer, &more]) {
        print(&format!("with {blocks} blocks"), counted);
    }
    for (name, channels, _) in PUBLISHED {
        let beyond = (channels.len() - SMALL[1]) as f64;
        let extended: Vec<Step> = fewer
            .iter()
            .zip(&more)
            .map(|(fewer, more)| {
                let mut step = more.clone();
                step.add(more, beyond);
                step.add(fewer, -beyond);
                step
            })
            .collect();
        print(&format!("{name}, with {} blocks", channels.len()), &extended);
    }
}
