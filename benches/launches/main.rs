//! How many kernels the steps of an iteration launch on a GPU, counted by CubeCL itself as they are issued, and what they read, write, hold
//! and compute (`traffic`).
//!
//! `cargo bench --bench launches`, on a GPU that computes nothing (`nothing`): launches follow from the layers, not from their width, and each block
//! has the same layers, so small networks with few channels are counted, and what one more block adds gives those of 256x256 and 1024x1024.
//! `-- bytes` counts bytes as well, on networks with all blocks and few channels, whose shapes stand for those of the published ones; from
//! them follows the least time that a card needs. `-- published` counts launches as they were published, which takes a card's memory.
//! `-- real` takes the machine's own adapter: Burn measures several ways to compute a convolution on the adapter at hand and takes the quickest, so those
//! differ from one to the next. What was counted stands in `benches/README.md`.

mod nothing;
mod traffic;

use std::{collections::BTreeMap, sync::Arc};

use burn::backend::fusion::observer::FusionObservation;
use burn::tensor::{Device, Tensor, TensorData};
use burn_cubecl::cubecl::logging::LaunchObservation;
use traffic::{Counted, Scale, Traffic};
use unlearn_studio::{
    device::DeviceChoice,
    networks::{
        Architecture, FlatParams, ParamLayout, flat::to_vec, latents::NormalSource, read_discriminator, read_generator,
    },
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

/// Channels at 4x4, 8x8, ... of networks whose bytes are counted: no two alike, and none of a size that another dimension has.
const TOLD_APART: [usize; 9] = [41, 29, 23, 19, 17, 13, 11, 7, 5];
/// Samples there.
const SAMPLES: usize = 2;

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
    fn new(channels: &[usize], batch: usize, half: usize, device: &Device) -> Self {
        let mut rng = NormalSource::new(1, 0);
        let a = Architecture { channels: channels.to_vec(), image_channels: 3, latent: channels[0], mapping_layers: 8 };
        let (g, d) = (a.generator(&mut rng), a.discriminator(&mut rng));
        let networks = Networks {
            generator: read_generator(&g, device).expect("a generator"),
            discriminator: read_discriminator(&d, device).expect("a discriminator"),
        };
        let g = FlatParams::from_host(networks.generator.layout(), &g, device);
        let d = FlatParams::from_host(networks.discriminator.layout(), &d, device);
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
    counted: Counted,
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
        self.counted.add(&other.counted, times);
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

/// What every step of a network launches; `scale` is what its dimensions stand for, in the step with this name.
fn count(
    channels: &[usize],
    [batch, half]: [usize; 2],
    device: &Device,
    scale: impl Fn(&Setup, &str) -> Scale,
) -> Vec<Step> {
    let mut setup = Setup::new(channels, batch, half, device);
    let one = |(name, _): (&str, f64)| {
        // The first time compiles kernels and measures which to take.
        let tuning = (!asked("real")).then(nothing::while_tuning);
        setup.step(name);
        device.sync().expect("a device that computes");
        drop(tuning);
        let traffic = Arc::new(Traffic::new(scale(&setup, name)));
        let observations = (LaunchObservation::new(traffic.clone()), FusionObservation::new(traffic.clone()));
        setup.step(name);
        device.sync().expect("a device that computes");
        drop(observations);
        let counted = traffic.counted();
        let mut step = Step { counted, ..Step::default() };
        for (kernel, count) in &step.counted.kernels {
            *step.kinds.entry(kind(kernel)).or_default() += *count;
        }
        eprintln!("{} blocks, {name}: {} launches", channels.len(), step.all());
        step
    };
    steps().map(one).into()
}

fn iteration(counted: &[Step]) -> Step {
    let mut iteration = Step::default();
    for ((_, times), step) in steps().into_iter().zip(counted) {
        iteration.add(step, times);
    }
    iteration
}

fn print(name: &str, counted: &[Step]) {
    println!("\nStyleGAN2 {name}");
    for ((step, _), launches) in steps().into_iter().zip(counted) {
        println!("{step:<14} {:>6.0} launches", launches.all());
    }
    let iteration = iteration(counted);
    println!("{:<14} {:>6.0} launches, of these", "an iteration", iteration.all());
    for (kind, count) in &iteration.kinds {
        println!("  {count:>7.1} {kind}");
    }
    println!("  by operation and kernel:");
    let mut most: Vec<_> = iteration.counted.by_operation.into_iter().collect();
    most.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    for ((operation, kernel), count) in most.into_iter().filter(|(_, count)| *count >= 0.5) {
        println!("  {count:>7.1} {operation}: {}", kernel.rsplit("::").next().unwrap_or(&kernel));
    }
}

/// A card: bytes and operations a second, and the time that a launch takes the host.
const CARDS: [(&str, f64, f64); 2] = [("H100", 3.35e12, 67e12), ("RTX 3060", 360e9, 12.7e12)];
const LAUNCH: f64 = 5e-6;

/// Bytes, operations and memory of a network, and the least time that cards need.
fn bytes(name: &str, channels: &[usize], batch: usize, device: &Device) {
    let small = &TOLD_APART[TOLD_APART.len() - channels.len()..];
    let meant = Architecture { channels: channels.to_vec(), image_channels: 3, latent: channels[0], mapping_layers: 8 };
    let mut rng = NormalSource::new(1, 0);
    let cpu = Device::flex();
    let g = read_generator(&meant.generator(&mut rng), &cpu).expect("a generator").layout().clone();
    let d = read_discriminator(&meant.discriminator(&mut rng), &cpu).expect("a discriminator").layout().clone();
    let counted = count(small, [SAMPLES; 2], device, |setup, step| {
        let mut dimensions: Vec<(usize, usize)> = small.iter().copied().zip(channels.iter().copied()).collect();
        // Colours; the channel of the minibatch standard deviation; 4x4 maps in a row.
        dimensions.extend([(3, 3), (small[0] + 1, channels[0] + 1), (16 * small[0], 16 * channels[0])]);
        let networks = &setup.trainer.networks;
        for (counted, meant) in [(networks.generator.layout(), &g), (networks.discriminator.layout(), &d)] {
            dimensions.extend([(counted.total(), meant.total()), (aligned(counted), aligned(meant))]);
        }
        let batch = if step == "path length" { (batch / 2).max(1) } else { batch };
        Scale { dimensions: dimensions.into_iter().collect(), batch: [SAMPLES, batch] }
    });
    println!("\nStyleGAN2 {name}");
    for ((step, _), found) in steps().into_iter().zip(&counted) {
        let Counted { flops, peak, .. } = found.counted;
        let bytes = found.counted.bytes();
        let launches = found.all();
        println!(
            "{step:<14} {launches:>6.0} launches {:>8.2} GB read and written {:>8.2} GFLOP {:>6.2} GB more at a time",
            bytes / 1e9,
            flops / 1e9,
            peak / 1e9
        );
    }
    let all = iteration(&counted);
    let (launches, bytes, flops) = (all.all(), all.counted.bytes(), all.counted.flops);
    println!(
        "an iteration   {launches:>6.0} launches {:>8.2} GB read and written {:>8.2} GFLOP",
        bytes / 1e9,
        flops / 1e9
    );
    let state = 4.0 * (4 * g.total() + 3 * d.total()) as f64;
    let peak = counted.iter().map(|step| step.counted.peak).fold(0.0, f64::max);
    println!(
        "memory at its peak: {:.2} GB, of these {:.2} GB weights, averages and moments",
        (state + peak) / 1e9,
        state / 1e9
    );
    for (card, bandwidth, arithmetic) in CARDS {
        let [memory, compute, host] = [bytes / bandwidth, flops / arithmetic, launches * LAUNCH].map(|time| 1e3 * time);
        let least = memory.max(compute).max(host);
        println!(
            "{card}: {memory:.1} ms for bytes, {compute:.1} ms for arithmetic, {host:.1} ms to launch: {least:.1} ms or more, {:.1} one after the other",
            memory + compute + host
        );
    }
    let mut most: Vec<_> = all.counted.traffic.into_iter().collect();
    most.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    for (operation, bytes) in most.into_iter().take(30) {
        println!("  {:>8.3} GB {operation}", bytes / 1e9);
    }
}

/// Values of all parameters, each rounded up to where buffers may begin.
fn aligned(layout: &ParamLayout) -> usize {
    layout.iter().map(|(_, _, range)| range.len().next_multiple_of(64)).sum()
}

/// Whether this is among the arguments.
fn asked(what: &str) -> bool {
    std::env::args().any(|argument| argument == what)
}

fn main() {
    let device = match asked("real") {
        true => {
            let gpu = DeviceChoice::Gpu.open().expect("a Vulkan, Metal or DirectX 12 adapter");
            println!("adapter: {}", gpu.name);
            gpu.device
        }
        false => nothing::device(),
    };
    let as_it_is = |_: &Setup, _: &str| Scale::default();
    if asked("published") {
        for (name, channels, batch) in PUBLISHED {
            print(&format!("{name}, batch {batch}"), &count(channels, [batch, (batch / 2).max(1)], &device, as_it_is));
        }
        return;
    }
    if asked("bytes") {
        for (name, channels, batch) in
            PUBLISHED.into_iter().filter(|(name, ..)| asked(name) || PUBLISHED.iter().all(|(name, ..)| !asked(name)))
        {
            bytes(&format!("{name}, batch {batch}"), channels, batch, &device);
        }
        return;
    }
    let [fewer, more] = SMALL.map(|blocks| count(&vec![CHANNELS; blocks], [BATCH, 1], &device, as_it_is));
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
