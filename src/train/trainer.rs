//! One adversarial iteration.

use burn::tensor::{Tensor, TensorData};

use super::{
    adam::{Adam, AdamConfig},
    augment::{Augment, Transform},
    config::TrainConfig,
    draw::Draw,
    finite::finite,
    losses::Losses,
    movable::Movable,
};
use crate::networks::{Discriminator, FlatParams, Generator, flat::to_vec, latents::NormalSource};

/// Augmentation adapts every so many iterations (Karras et al. 2020).
const ADAPT_EVERY: usize = 4;

/// A term of the generator's loss that depends on its parameters only.
pub trait GeneratorTerm {
    /// Value `[1]` and gradient `[parameters]` at `theta` `[parameters]`.
    fn value_and_gradient(&self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>);
}

/// What an iteration may use beside the real images.
#[derive(Clone, Debug, Default)]
pub struct BatchInputs {
    /// Images that count as fakes, `[config.unwanted_fakes(), channels, side, side]`.
    pub unwanted: Option<Tensor<4>>,
    /// Where the real images came from, if they are the generator's own and should stay what they are.
    pub retained: Option<Retained>,
    /// Classes of the images that were given.
    pub labels: Labels,
}

/// Classes of given images, one-hot `[batch, classes]`, for class-conditional discriminators.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// Those of the real images.
    pub real: Option<Tensor<2>>,
    /// Those of the unwanted images.
    pub unwanted: Option<Tensor<2>>,
}

/// Latents of the real images.
#[derive(Clone, Debug)]
pub struct Retained {
    /// `[batch, latent_dim]`.
    pub z: Tensor<2>,
    /// Their truncation, `[batch, 1]`.
    pub psi: Tensor<2>,
    /// 1 for images that were made from `z` with constant noise and no truncation, else 0; `[batch]`.
    pub mask: Tensor<1>,
}

/// The two architectures of a GAN.
#[derive(Clone, Debug)]
pub struct Networks {
    /// The generator.
    pub generator: Generator,
    /// The discriminator.
    pub discriminator: Discriminator,
}

impl Networks {
    /// The same with activation checkpointing on or off, in families that know it.
    pub fn with_checkpointing(self, on: bool) -> Self {
        let Self { generator, discriminator } = self;
        Self { generator: generator.with_checkpointing(on), discriminator: discriminator.with_checkpointing(on) }
    }

    /// The same with half precision on or off, in families that know it.
    pub fn with_half_precision(self, half: bool) -> Self {
        let Self { generator, discriminator } = self;
        Self { generator: generator.with_half_precision(half), discriminator: discriminator.with_half_precision(half) }
    }

    /// Whether one of them is in half precision.
    pub fn are_half_precision(&self) -> bool {
        self.generator.is_half_precision() || self.discriminator.is_half_precision()
    }
}

/// Networks, optimizers and running means: everything that one iteration changes.
#[derive(Clone, Debug)]
pub struct Trainer {
    /// The architectures.
    pub networks: Networks,
    /// Hyperparameters.
    pub config: TrainConfig,
    /// The generator's parameters.
    pub g: FlatParams,
    /// The discriminator's parameters.
    pub d: FlatParams,
    /// The averaged generator's parameters.
    pub g_ema: FlatParams,
    /// The generator's optimizer.
    pub g_optim: Adam,
    /// The discriminator's optimizer.
    pub d_optim: Adam,
    /// Running mean of path lengths.
    pub path_mean: f32,
    /// Adaptive augmentation of what the discriminator sees, if it is on.
    pub augment: Option<Augment>,
    /// Classes of the present batch.
    pub labels: Labels,
    /// Which of the generator's weights may move.
    pub movable: Movable,
    /// Current factor on both learning rates (for schedules).
    pub lr_factor: f64,
}

impl Trainer {
    /// A trainer with fresh optimizers.
    pub fn new(networks: Networks, config: TrainConfig, g: FlatParams, d: FlatParams, g_ema: FlatParams) -> Self {
        let g_optim = Adam::new(AdamConfig::lazy(config.lr, config.g_reg_every), &g.values);
        let d_optim = Adam::new(AdamConfig::lazy(config.lr, config.d_reg_every), &d.values);
        Self {
            networks,
            config,
            g,
            d,
            g_ema,
            g_optim,
            d_optim,
            path_mean: 0.0,
            augment: None,
            labels: Labels::default(),
            movable: Movable::default(),
            lr_factor: 1.0,
        }
    }

    /// Iteration number `index` (from 0) on a batch of real images `[batch, channels, side, side]`.
    pub fn iterate(
        &mut self,
        index: usize,
        real: Tensor<4>,
        BatchInputs { unwanted, retained, labels }: BatchInputs,
        term: Option<&dyn GeneratorTerm>,
        rng: &mut NormalSource,
    ) -> Losses {
        self.labels = labels;
        let device = self.g.device();
        let draw = |batch: usize, rng: &mut NormalSource| {
            let TrainConfig { mixing, random_noise, .. } = self.config;
            Draw::random(&self.networks.generator, batch, mixing, random_noise, rng, &device)
        };
        let batch = self.config.batch;
        let generated = batch - unwanted.as_ref().map_or(0, |images| images.dims()[0].min(batch - 1));
        let (mut d_draw, mut g_draw) = (draw(generated, rng), draw(batch, rng));
        let path_length = self.config.path_regularize > 0.0 && self.networks.generator.has_path_length();
        let path = (path_length && index.is_multiple_of(self.config.g_reg_every)).then(|| {
            let draw = draw((batch / self.config.path_batch_shrink.max(1)).max(1), rng);
            let [n, c, h, w] = [draw.batch(), real.dims()[1], real.dims()[2], real.dims()[3]];
            let noise = TensorData::new(rng.normals(n * c * h * w), [n, c, h, w]);
            (draw, Tensor::from_data(noise, &device))
        });

        let (mut shown, mut unwanted) = (real.clone(), unwanted);
        if let Some(augment) = &self.augment {
            let side = real.dims()[3];
            let mut draw = |batch: usize| augment.draw(batch, side, rng, &device);
            let apply = |images: Tensor<4>, t: Option<Transform>| t.map_or(images.clone(), |t| t.apply(images));
            shown = apply(shown, draw(batch));
            unwanted = unwanted.map(|images| {
                let transform = draw(images.dims()[0]);
                apply(images, transform)
            });
            (d_draw.augment, g_draw.augment) = (draw(generated), draw(batch));
        }

        let d = self.discriminator_step(shown.clone(), &d_draw, unwanted);
        if index.is_multiple_of(ADAPT_EVERY) {
            self.adapt_augmentation(&shown);
        }
        let r1 = (self.config.r1 > 0.0 && index.is_multiple_of(self.config.d_reg_every)).then(|| self.r1_step(shown));
        let retained = retained.filter(|_| self.config.retain > 0.0).map(|retained| (retained, real));
        let (g, term, retain) = self.generator_step(&g_draw, term, retained);
        let path = path.map(|(draw, noise)| self.path_length_step(&draw, noise));
        self.ema_step();

        // One read for all losses: each read waits for the device.
        let mut pending = vec![d, g];
        pending.extend(term.clone());
        pending.extend(r1.clone());
        pending.extend(retain.clone());
        let mut values = to_vec(Tensor::cat(pending, 0)).into_iter();
        Losses {
            d: values.next().unwrap_or(f32::NAN),
            g: values.next().unwrap_or(f32::NAN),
            term: term.and_then(|_| values.next()),
            r1: r1.and_then(|_| values.next()),
            retain: retain.and_then(|_| values.next()),
            path,
        }
    }

    /// Moves the probability of augmentation by what the discriminator says of real images.
    fn adapt_augmentation(&mut self, shown: &Tensor<4>) {
        let Some(augment) = &mut self.augment else { return };
        let (discriminator, labels) = (&self.networks.discriminator, self.labels.real.clone());
        let scores = discriminator.forward_labelled(&self.d.constants(), shown.clone().into(), labels).value;
        let overfitting = to_vec(scores.sign().mean()).first().copied().unwrap_or_default();
        augment.adapt(f64::from(overfitting), ADAPT_EVERY * self.config.batch);
    }

    /// Step 5: moves the averaged generator.
    pub fn ema_step(&mut self) {
        let share = (1.0 - self.config.ema_decay) as f32;
        self.movable.average(&mut self.g_ema.values, &self.g.values, share);
    }

    pub(super) fn update_discriminator(&mut self, gradient: Tensor<1>) {
        let lr = self.config.lr * self.lr_factor * self.networks.discriminator.learning_rate_factor();
        self.d_optim.config.lr = AdamConfig::lazy(lr, self.config.d_reg_every).lr;
        self.d_optim.update(&mut self.d.values, finite(gradient, self.networks.are_half_precision()));
    }

    pub(super) fn update_generator(&mut self, gradient: Tensor<1>) {
        let lr = self.config.lr * self.lr_factor * self.networks.generator.learning_rate_factor();
        self.g_optim.config.lr = AdamConfig::lazy(lr, self.config.g_reg_every).lr;
        let gradient = self.movable.masked(finite(gradient, self.networks.are_half_precision()));
        self.g_optim.update(&mut self.g.values, gradient);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::networks::{Architecture, FreshFamily, read_discriminator, read_generator};

    /// Two iterations of a small GAN with every regulariser: what they made, by name.
    fn trained(family: FreshFamily, micro_batch: usize, checkpointing: bool) -> Vec<(String, Vec<u32>)> {
        let (device, mut rng) = (Device::flex(), NormalSource::new(3, 0));
        let architecture = Architecture { channels: vec![8, 8, 6, 4], image_channels: 3, latent: 8, mapping_layers: 2 };
        let (g, d) = (family.generator(&architecture, &mut rng).unwrap(), architecture.discriminator(&mut rng));
        let networks = Networks {
            generator: read_generator(&g, &device).unwrap(),
            discriminator: read_discriminator(&d, &device).unwrap(),
        };
        let networks = networks.with_checkpointing(checkpointing);
        let g = FlatParams::from_host(networks.generator.layout(), &g, &device);
        let d = FlatParams::from_host(networks.discriminator.layout(), &d, &device);
        let config = TrainConfig { batch: 8, micro_batch, d_reg_every: 1, g_reg_every: 1, ..TrainConfig::default() };
        let mut trainer = Trainer::new(networks, TrainConfig { retain: 0.5, ..config }, g.clone(), d, g);
        let real = Tensor::from_data(TensorData::new(rng.normals(8 * 3 * 32 * 32), [8, 3, 32, 32]), &device);
        for index in 0..2 {
            let z = Tensor::from_data(TensorData::new(rng.normals(8 * 8), [8, 8]), &device);
            let psi = Tensor::ones([8, 1], &device);
            let retained = Some(Retained { z, psi, mask: Tensor::ones([8], &device) });
            let inputs = BatchInputs { retained, ..BatchInputs::default() };
            assert_eq!(trainer.iterate(index, real.clone(), inputs, None, &mut rng).non_finite(), None);
        }
        let bits = |tensor: Tensor<1>| to_vec(tensor).iter().map(|value| value.to_bits()).collect();
        let mut made: Vec<_> = trainer.tensors().into_iter().map(|(name, tensor)| (name, bits(tensor))).collect();
        made.push(("path_mean".to_owned(), vec![trainer.path_mean.to_bits()]));
        made
    }

    #[test]
    fn checkpointing_changes_no_bit() {
        for family in [FreshFamily::StyleGan2, FreshFamily::StyleGan3T] {
            for micro_batch in [0, 4] {
                let plain = trained(family, micro_batch, false);
                for ((name, plain), (_, again)) in plain.iter().zip(trained(family, micro_batch, true)) {
                    // A StyleGAN3 has no path lengths.
                    assert!(name == "path_mean" || plain.iter().any(|bits| *bits != 0), "{name}");
                    assert_eq!(*plain, again, "{family:?}, {micro_batch}: {name}");
                }
            }
        }
    }
}
