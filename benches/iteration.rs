//! One stage-2 iteration and its parts, batch 16, two adapted generators, the authors' settings.
//!
//! `cargo bench --bench iteration`; `UNLEARN_DEVICE=gpu` measures the GPU instead of the CPU, `UNLEARN_VECTOR=avx2` leaves AVX-512
//! out of our kernels, `UNLEARN_HALF_PRECISION=on` stores the largest maps in half precision, `UNLEARN_TINY` tries the bench in no time. What was measured is written down in
//! `benches/README.md`.

#[path = "common/mod.rs"]
mod common;

use burn::tensor::{Device, Tensor, TensorData};
use divan::Bencher;
use unlearn_studio::{
    device::{self, DeviceChoice},
    model::Sampler,
    networks::{
        Architecture, FlatParams, FreshFamily, HostTensor, Noise, Params, dcgan::keys, flat::to_vec,
        latents::NormalSource, read_discriminator, read_generator,
    },
    train::{BatchInputs, Draw, GeneratorTerm, Networks, TrainConfig, Trainer, r1::r1_penalty},
    unlearn::adapt::{presets::paper, repulsion::Repulsion},
};

const BATCH: usize = 16;

/// A DCGAN of PyTorch's tutorial: 64x64, 64 channels in the last layer before the image, a latent of 100.
const DCGAN: &str = "DCGAN 64x64, ngf 64";

/// StyleGAN3s that follow translations, with as many layers as `train` gives them; name, channels of both networks.
const STYLEGAN3: [(&str, &[usize]); 2] =
    [("StyleGAN3-t 32x32, 32 channels", &[32; 4]), ("StyleGAN3-t 64x64, 64 to 32 channels", &[64, 64, 64, 64, 32])];

/// Name, channels at 4x4, 8x8, ... of StyleGAN2s.
const SIZES: [(&str, &[usize]); 4] = [
    ("32x32, 32 channels", &[32; 4]),
    ("32x32, 64 channels", &[64; 4]),
    ("64x64, 64 channels, 32 at 64x64", &[64, 64, 64, 64, 32]),
    ("64x64, 64 channels", &[64; 5]),
];

/// StyleGAN2s of sizes that people have, of which a whole iteration takes long: their parts are timed once or twice.
const LARGE: [(&str, &[usize]); 2] =
    [("32x32, 512 channels", &[512; 4]), ("128x128, 256 to 64 channels", &[256, 256, 256, 256, 128, 64])];

/// As published for 256x256, which takes more memory than most machines give a CPU: timed on a GPU only.
const CONFIG_F: (&str, &[usize]) = ("256x256, configuration F", &[512, 512, 512, 512, 512, 256, 128]);

struct Setup {
    trainer: Trainer,
    repulsion: Repulsion,
    real: Tensor<4>,
    draw: Draw,
    half: Draw,
    path_noise: Tensor<4>,
    rng: NormalSource,
    index: usize,
}

impl Setup {
    fn new(name: &str) -> Self {
        let device = device();
        let mut rng = NormalSource::new(1, 0);
        let (g, d) = networks(name, &mut rng);
        let networks = Networks {
            generator: read_generator(&g, &device).expect("a generator"),
            discriminator: read_discriminator(&d, &device).expect("a discriminator"),
        };
        let half = std::env::var("UNLEARN_HALF_PRECISION").is_ok_and(|half| half == "on");
        let networks = networks.with_half_precision(half);
        let g = FlatParams::from_host(networks.generator.layout(), &g, &device);
        let d = FlatParams::from_host(networks.discriminator.layout(), &d, &device);
        let config = TrainConfig::default();
        let draw = |rng: &mut NormalSource, n| Draw::random(&networks.generator, n, 0.0, true, rng, &device);
        let (full, half) = (draw(&mut rng, BATCH), draw(&mut rng, BATCH / 2));
        let side = networks.generator.resolution();
        let mut images = |n: usize| {
            let data = TensorData::new(rng.normals(n * 3 * side * side), [n, 3, side, side]);
            Tensor::from_data(data, &device)
        };
        let (real, path_noise) = (images(BATCH), images(BATCH / 2));
        let adapted = vec![g.values.clone() * 0.99, g.values.clone() * 1.01];
        let repulsion = Repulsion::new(paper().repulsion, &g.layout, adapted);
        let trainer = Trainer::new(networks, config, g.clone(), d, g);
        let repulsion = repulsion.expect("two adapted generators");
        Self { trainer, repulsion, real, draw: full, half, path_noise, rng, index: 1 }
    }

    /// Waits until the device has computed everything.
    fn sync(&self, gradient: Tensor<1>) -> f32 {
        to_vec(gradient.sum())[0]
    }
}

/// Fresh parameters of a generator and a discriminator.
fn networks(name: &str, rng: &mut NormalSource) -> (Params, Params) {
    if name == DCGAN {
        return dcgan(rng);
    }
    if let Some((_, channels)) = STYLEGAN3.iter().find(|(n, _)| *n == name) {
        let a = Architecture { channels: channels.to_vec(), image_channels: 3, latent: 128, mapping_layers: 2 };
        let g = FreshFamily::StyleGan3T.generator(&a, rng).expect("a generator");
        return (g, a.discriminator(rng));
    }
    let (_, channels) =
        *SIZES.iter().chain(&LARGE).chain([&CONFIG_F]).find(|(n, _)| *n == name).expect("a size of the list");
    let channels = if tiny() { vec![2; 2] } else { channels.to_vec() };
    let a = Architecture { channels, image_channels: 3, latent: 128, mapping_layers: 8 };
    (a.generator(rng), a.discriminator(rng))
}

/// As the tutorial initialises them: weights of deviation 0.02, batch normalisation around 1.
fn dcgan(rng: &mut NormalSource) -> (Params, Params) {
    let widths = |widths: [usize; 6], up: bool, rng: &mut NormalSource| {
        let mut params = Params::new();
        let mut put = |key: String, shape: Vec<usize>, data: Vec<f32>| {
            params.insert(key, HostTensor::new(shape, data));
        };
        for (layer, pair) in widths.windows(2).enumerate() {
            let [inputs, outputs] = [pair[0], pair[1]];
            let shape = if up { [inputs, outputs, 4, 4] } else { [outputs, inputs, 4, 4] };
            let values = rng.normals(inputs * outputs * 16).into_iter().map(|v| v * 0.02).collect();
            put(keys::weight(layer), shape.to_vec(), values);
            let bare = if up { layer == 4 } else { layer == 0 || layer == 4 };
            for (name, value) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
                if !bare {
                    put(keys::norm(layer, name), vec![outputs], vec![value; outputs]);
                }
            }
        }
        params
    };
    let g = widths([100, 512, 256, 128, 64, 3], true, rng);
    (g, widths([3, 64, 128, 256, 512, 1], false, rng))
}

fn device() -> Device {
    if on_gpu() { DeviceChoice::Gpu.open().expect("a GPU").device } else { device::cpu().device }
}

fn on_gpu() -> bool {
    std::env::var("UNLEARN_DEVICE").is_ok_and(|device| device == "gpu")
}

/// Whether this is only tried: with two channels and 8x8 pixels in place of every StyleGAN2, and nothing else.
fn tiny() -> bool {
    std::env::var_os("UNLEARN_TINY").is_some()
}

fn names() -> impl Iterator<Item = &'static str> {
    let others = STYLEGAN3.iter().map(|(name, _)| *name).chain([DCGAN]);
    SIZES.iter().map(|(name, _)| *name).chain(others.filter(|_| !tiny()))
}

fn large() -> impl Iterator<Item = &'static str> {
    LARGE.iter().chain(on_gpu().then_some(&CONFIG_F)).map(|(name, _)| *name)
}

/// Those of the families that have path lengths.
fn with_path_length() -> impl Iterator<Item = &'static str> {
    SIZES.iter().map(|(name, _)| *name)
}

/// A whole iteration, regularisers at their intervals: the mean over 16 iterations is what a run pays.
#[divan::bench(args = names(), sample_count = 3, sample_size = 16)]
fn iteration(bencher: Bencher, size: &str) {
    let mut s = Setup::new(size);
    bencher.bench_local(|| {
        s.index += 1;
        s.trainer.iterate(s.index, s.real.clone(), BatchInputs::default(), Some(&s.repulsion), &mut s.rng)
    });
}

#[divan::bench(args = names(), sample_count = 5, sample_size = 2)]
fn d_step(bencher: Bencher, size: &str) {
    let s = Setup::new(size);
    bencher.bench_local(|| {
        let (_, gradient) = s.trainer.discriminator_loss_and_gradient(s.real.clone(), &s.draw, None);
        s.sync(gradient)
    });
}

#[divan::bench(args = names(), sample_count = 5, sample_size = 2)]
fn r1(bencher: Bencher, size: &str) {
    let s = Setup::new(size);
    let networks = &s.trainer.networks;
    bencher.bench_local(|| s.sync(r1_penalty(&networks.discriminator, &s.trainer.d, s.real.clone(), None).gradient));
}

#[divan::bench(args = large(), sample_count = 2, sample_size = 1)]
fn large_d_step(bencher: Bencher, size: &str) {
    let s = Setup::new(size);
    bencher.bench_local(|| {
        let (_, gradient) = s.trainer.discriminator_loss_and_gradient(s.real.clone(), &s.draw, None);
        s.sync(gradient)
    });
}

#[divan::bench(args = large(), sample_count = 2, sample_size = 1)]
fn large_g_step(bencher: Bencher, size: &str) {
    let s = Setup::new(size);
    bencher.bench_local(|| s.sync(s.trainer.generator_loss_and_gradient(&s.draw).1));
}

/// One image.
#[divan::bench(args = names(), sample_count = 10, sample_size = 4)]
fn sample(bencher: Bencher, size: &str) {
    let s = Setup::new(size);
    let (generator, p) = (&s.trainer.networks.generator, s.trainer.g.constants());
    let z = s.draw.z.clone().narrow(0, 0, 1);
    bencher.bench_local(|| to_vec(generator.forward(&p, z.clone(), &Noise::None)));
}

/// 64 samples as whoever looks at samples draws them.
#[divan::bench(args = names(), sample_count = 5, sample_size = 1)]
fn samples(bencher: Bencher, size: &str) {
    let s = Setup::new(size);
    let generator = &s.trainer.networks.generator;
    bencher.bench_local(|| Sampler::new(generator, &s.trainer.g).render_at(0, 0..64, 1.0));
}

/// The same as a pool draws its images: each in a pass of its own.
#[divan::bench(args = names(), sample_count = 5, sample_size = 1)]
fn samples_of_a_pool(bencher: Bencher, size: &str) {
    let s = Setup::new(size);
    let generator = &s.trainer.networks.generator;
    let z = generator.latents(0, 0..64);
    bencher.bench_local(|| to_vec(Sampler::new(generator, &s.trainer.g).subjects_each(&z, 1.0)));
}

/// Samples of a 256x256 network of configuration F (Karras et al. 2020).
#[divan::bench(args = [16, 64], sample_count = 2, sample_size = 1)]
fn config_f(bencher: Bencher, count: u64) {
    let channels = vec![512, 512, 512, 512, 512, 256, 128];
    let architecture = Architecture { channels, image_channels: 3, latent: 512, mapping_layers: 8 };
    let params = architecture.generator(&mut NormalSource::new(1, 0));
    let generator = read_generator(&params, &device()).expect("a generator");
    let weights = FlatParams::from_host(generator.layout(), &params, &device());
    drop(params);
    bencher.bench_local(|| Sampler::new(&generator, &weights).render_at(0, 0..count, 1.0));
}

#[divan::bench(args = names(), sample_count = 5, sample_size = 2)]
fn g_step(bencher: Bencher, size: &str) {
    let s = Setup::new(size);
    bencher.bench_local(|| s.sync(s.trainer.generator_loss_and_gradient(&s.draw).1));
}

#[divan::bench(args = with_path_length(), sample_count = 5, sample_size = 2)]
fn path_length(bencher: Bencher, size: &str) {
    let s = Setup::new(size);
    bencher.bench_local(|| s.sync(s.trainer.path_length_penalty_and_gradient(&s.half, s.path_noise.clone()).1));
}

#[divan::bench(args = names(), sample_count = 20)]
fn repulsion(bencher: Bencher, size: &str) {
    let s = Setup::new(size);
    bencher.bench_local(|| s.sync(s.repulsion.value_and_gradient(&s.trainer.g.values).1));
}

#[divan::bench(args = names(), sample_count = 20)]
fn ema_and_adam(bencher: Bencher, size: &str) {
    let mut s = Setup::new(size);
    let gradient = s.trainer.g.values.clone() * 0.01;
    bencher.bench_local(|| {
        s.trainer.g_optim.update(&mut s.trainer.g.values, gradient.clone());
        s.trainer.ema_step();
        s.sync(s.trainer.g_ema.values.clone())
    });
}

fn main() {
    common::vector();
    divan::main();
}
