//! A discriminator for a generator that came without one.
//!
//! It is trained to tell the generator's own samples from those of copies whose parameters were disturbed, a little or a
//! lot. So it learns what this generator's images look like and which way leads back to them, which is what training
//! needs of it; that it was never told what the generator itself was trained on, nobody can change.

use std::{ops::ControlFlow, time::Instant};

use burn::tensor::{Tensor, TensorData};
use serde::Serialize;

use super::error::EngineError;
use crate::{
    model::{Model, ModelError},
    networks::{Architecture, FlatParams, Generator, NormalSource, Params, flat::to_vec, read_discriminator},
    train::{Draw, Labels, Networks, TrainConfig, Trainer},
};

/// Iterations of the warm-up.
pub(super) const ITERATIONS: usize = 300;
/// Samples of each kind that it is measured on.
const HELD_OUT: usize = 64;
/// Disturbances are this part of a parameter tensor's own root mean square, at least and at most.
const DISTURBANCE: [f64; 2] = [0.03, 0.5];
/// The stream of the run's seed that the warm-up draws from; those below 100 are the methods'.
const STREAM: u64 = 200;

/// How a discriminator was made and how good it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WarmUp {
    /// Iterations of training.
    pub iterations: usize,
    /// Share of new samples, half of them the generator's own and half of disturbed copies, that it tells apart; 0.5
    /// would be guessing.
    #[serde(rename = "told_apart")]
    pub accuracy: f32,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// How a warm-up computes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passes {
    /// Samples of a step.
    pub(super) batch: usize,
    /// Samples of a pass; 0 means the whole batch.
    pub(super) micro_batch: usize,
    /// Whether blocks are computed again in the backward pass.
    pub(super) checkpointing: bool,
    /// Whether the largest maps are in half precision.
    pub(super) half: bool,
}

/// A new discriminator for a model's generator, trained; `progress` is told the iterations done and to do, and may stop.
pub(super) fn warm_up(
    model: &Model,
    Passes { batch, micro_batch, checkpointing, half }: Passes,
    seed: u64,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<ControlFlow<(), (Params, WarmUp)>, EngineError> {
    let clock = Instant::now();
    let mut rng = NormalSource::new(seed, STREAM);
    let generator = &model.generator;
    let architecture = Architecture {
        channels: widths(generator),
        image_channels: generator.image_channels(),
        latent: generator.z_dim(),
        mapping_layers: 1,
    };
    let fresh = architecture.discriminator(&mut rng);
    let device = model.g_ema.device();
    let discriminator = read_discriminator(&fresh, &device)
        .map_err(|source| ModelError::Architecture { file: model.path.clone(), source })?;
    let networks = Networks { generator: generator.clone(), discriminator };
    let networks = networks.with_checkpointing(checkpointing).with_half_precision(half);
    let config = TrainConfig { batch, micro_batch, ..TrainConfig::default() };
    let (own, scale) = (model.g_ema.clone(), scales(&model.g_ema));
    let d = FlatParams::from_host(networks.discriminator.layout(), &fresh, &device);
    let mut trainer = Trainer::new(networks, config, own.clone(), d, own.clone());
    let draw = |rng: &mut NormalSource, n: usize| Draw::random(generator, n, 0.0, true, rng, &device);
    let leaves = own.constants();
    for index in 0..ITERATIONS {
        let real_draw = draw(&mut rng, batch);
        let real = real_draw.images(generator, &leaves);
        trainer.labels = Labels { real: generator.labels(&real_draw.z), unwanted: None };
        trainer.g = disturbed(&own, &scale, &mut rng);
        let loss = trainer.discriminator_step(real.clone(), &draw(&mut rng, batch), None);
        if index.is_multiple_of(trainer.config.d_reg_every) {
            trainer.r1_step(real);
            if to_vec(loss).iter().any(|loss| !loss.is_finite()) {
                return Err(EngineError::NonFinite {
                    at: "warm-up".to_owned(),
                    iteration: index + 1,
                    what: "discriminator loss",
                });
            }
        }
        if progress(index + 1, ITERATIONS).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    let accuracy = measure(&trainer, &own, &scale, &mut rng);
    let made = WarmUp { iterations: ITERATIONS, accuracy, seconds: clock.elapsed().as_secs_f64() };
    Ok(ControlFlow::Continue((trainer.d.to_host(&fresh), made)))
}

/// Channels of the discriminator at 4x4, 8x8, ... up to the images' side: the generator's own. A family whose last layer
/// gives the image at once has none there, and is wide in small maps where that costs much and helps little; one whose sides do
/// not double says nothing of widths.
fn widths(generator: &Generator) -> Vec<usize> {
    /// Channels at most where they are not the generator's own.
    const WIDEST: usize = 128;
    let doubles = generator.sides().into_iter().eq((0..generator.sides().len()).map(|level| 4 << level));
    let mut channels = if doubles { generator.channels() } else { Vec::new() };
    let levels = generator.resolution().ilog2() as usize - 1;
    if channels.len() == levels {
        return channels;
    }
    while channels.len() < levels {
        channels.push(channels.last().map_or(WIDEST, |last| (last / 2).max(1)));
    }
    channels.truncate(levels);
    channels.into_iter().map(|width| width.min(WIDEST)).collect()
}

/// The root mean square of every value's parameter tensor, `[parameters]`.
fn scales(params: &FlatParams) -> Tensor<1> {
    let mut values = to_vec(params.values.clone());
    for (_, _, range) in params.layout.iter() {
        let part = &mut values[range];
        let square: f64 = part.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        part.fill((square / part.len().max(1) as f64).sqrt() as f32);
    }
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), &params.device())
}

/// The generator with all parameters disturbed by a strength of its own.
fn disturbed(own: &FlatParams, scale: &Tensor<1>, rng: &mut NormalSource) -> FlatParams {
    let [least, most] = DISTURBANCE;
    let strength = least * (most / least).powf(rng.uniform());
    let noise = rng.normals(own.layout.total());
    let shape = [noise.len()];
    let noise: Tensor<1> = Tensor::from_data(TensorData::new(noise, shape), &own.device());
    own.with_values(own.values.clone() + noise * scale.clone() * strength)
}

/// The share of new samples that are told apart.
fn measure(trainer: &Trainer, own: &FlatParams, scale: &Tensor<1>, rng: &mut NormalSource) -> f32 {
    let Networks { generator, discriminator } = &trainer.networks;
    let (d, batch) = (trainer.d.constants(), trainer.config.batch);
    let (mut right, mut all) = (0, 0);
    while all < 2 * HELD_OUT {
        for (params, is_own) in [(own.clone(), true), (disturbed(own, scale, rng), false)] {
            let draw = Draw::random(generator, batch, 0.0, true, rng, &own.device());
            let images = draw.images(generator, &params.constants());
            let scores = discriminator.forward_labelled(&d, images.into(), generator.labels(&draw.z));
            let scores = to_vec(scores.value);
            right += scores.iter().filter(|score| (**score > 0.0) == is_own).count();
            all += scores.len();
        }
    }
    right as f32 / all.max(1) as f32
}
