//! Ordinary training on a few pictures, a step at a time: what a model's family is trained with.

use super::{budget::RelearnBudget, subject::Subject};
use crate::{
    feedback::ImagePool,
    networks::{FlatParams, Generator, LatentAddress, NormalSource, flat::to_vec},
    train::{
        BatchInputs, GeneratorTrainer, Labels, Movable, TrainConfig, Trainer,
        adam::AdamConfig,
        passes::{pass_of, side_by_side, sum},
    },
};

/// AdamW as a masked autoencoder is trained with ([`CompletionNetwork::training_loss`](crate::networks::CompletionNetwork::training_loss)),
/// without weight decay, which would only move weights that the pictures say nothing of.
const COMPLETION: AdamConfig = AdamConfig { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.0 };

/// Pictures of what must go, of the original: what a training learns from.
pub(super) struct Lessons {
    /// The pictures.
    pub(super) pool: ImagePool,
    /// Their indices as samples.
    pub(super) indices: Vec<u64>,
}

impl Lessons {
    /// The first of them.
    pub(super) fn first(&self, count: usize) -> Self {
        let count = count.min(self.pool.len());
        let mut pool = ImagePool::new(self.pool.shape());
        (0..count).for_each(|place| pool.push(self.pool.image(place), self.pool.origin(place).clone()));
        Self { pool, indices: self.indices[..count].to_vec() }
    }
}

/// A training between two steps.
pub(super) trait Learner {
    /// One step, counted from 0; whether every loss was a finite number.
    fn step(&mut self, index: usize) -> bool;

    /// The weights now.
    fn weights(&self) -> &FlatParams;
}

/// The training of a model's family on these pictures, from the model's weights; `None` of one that can only be trained against a
/// discriminator and has none.
pub(super) fn learner(
    subject: &Subject,
    lessons: Lessons,
    budget: &RelearnBudget,
    seed: u64,
) -> Option<Box<dyn Learner>> {
    let generator = subject.generator.clone();
    if generator.completion().is_some() {
        let weights = subject.weights.clone();
        let trainer = GeneratorTrainer::with_optimizer(generator, weights, Movable::default(), COMPLETION, 0.0);
        let RelearnBudget { batch, micro_batch, .. } = *budget;
        return Some(Box::new(Completing { trainer, pictures: lessons.indices, batch, micro_batch, seed }));
    }
    let gan = subject.gan.as_ref()?;
    let config = TrainConfig {
        batch: budget.batch,
        micro_batch: budget.micro_batch,
        path_regularize: 0.0,
        ..TrainConfig::default()
    };
    let weights = || subject.weights.clone();
    let trainer = Trainer::new(gan.networks.clone(), config, weights(), gan.d.clone(), weights());
    let rng = NormalSource::new(seed, lessons.pool.len() as u64);
    Some(Box::new(Adversarial { trainer, generator, pool: lessons.pool, batch: budget.batch, rng }))
}

/// The paper's iteration with fresh optimizers, without path length.
struct Adversarial {
    trainer: Trainer,
    generator: Generator,
    pool: ImagePool,
    batch: usize,
    rng: NormalSource,
}

impl Learner for Adversarial {
    fn step(&mut self, index: usize) -> bool {
        let device = self.trainer.g.device();
        let (real, origin) = self.pool.batch(self.batch, &mut self.rng, &device);
        let labels = Labels { real: self.generator.labels(&origin.z), unwanted: None };
        let inputs = BatchInputs { labels, ..BatchInputs::default() };
        let losses = self.trainer.iterate(index, real, inputs, None, &mut self.rng);
        losses.d.is_finite() && losses.g.is_finite()
    }

    fn weights(&self) -> &FlatParams {
        &self.trainer.g
    }
}

/// The loss that a model which completes pictures was trained with, under a fresh mask each time.
struct Completing {
    trainer: GeneratorTrainer,
    /// Numbers of the pictures.
    pictures: Vec<u64>,
    batch: usize,
    micro_batch: usize,
    seed: u64,
}

impl Learner for Completing {
    fn step(&mut self, index: usize) -> bool {
        let Self { trainer, pictures, batch, micro_batch, seed } = self;
        let Some(network) = trainer.generator.completion() else { return false };
        let row = |place: usize| {
            // No two places of a training have the same mask.
            let number = index * *batch + place;
            let address = LatentAddress { seed: *seed + number as u64, index: pictures[number % pictures.len()] };
            trainer.generator.latent_of(address, None)
        };
        let rows: Vec<f32> = (0..*batch).flat_map(row).collect();
        let width = trainer.generator.latent_dim();
        let device = trainer.g.device();
        let g = &trainer.g;
        let parts: Vec<&[f32]> = rows.chunks(pass_of(*batch, *micro_batch, &device) * width).collect();
        // Every picture hides as many patches, so that the loss of all is the mean of theirs.
        let part = |rows: &[f32]| {
            let p = g.leaves();
            let (images, order) = network.seen(rows, &device);
            let share = (rows.len() / width) as f64 / *batch as f64;
            let loss = network.training_loss(&p, images, &order) * share;
            (to_vec(loss.clone().inner())[0], p.gradient(&mut loss.backward()))
        };
        let (losses, gradients): (Vec<f32>, Vec<_>) = side_by_side(parts, &device, part).into_iter().unzip();
        let Some(gradient) = sum(gradients) else { return false };
        if !losses.into_iter().sum::<f32>().is_finite() {
            return false;
        }
        trainer.step(gradient, 1.0);
        true
    }

    fn weights(&self) -> &FlatParams {
        &self.trainer.g
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use burn::tensor::Device;

    use super::*;
    use crate::{
        audit::{AuditBudget, Role},
        feedback::Origin,
        model::Model,
        networks::{Leaves, Pictures},
    };

    /// Two pictures, each of one colour with a square in it.
    #[derive(Debug)]
    struct Squares;

    impl Pictures for Squares {
        fn count(&self) -> usize {
            2
        }

        fn side(&self) -> usize {
            32
        }

        fn picture(&self, number: usize) -> Vec<f32> {
            let inside = |at: usize| (8..24).contains(&(at % 32)) && (8..24).contains(&(at / 32 % 32));
            (0..3 * 32 * 32).map(|at| if inside(at) == (number == 0) { 0.8 } else { -0.6 }).collect()
        }

        fn digest(&self, number: usize) -> [u8; 32] {
            [number as u8; 32]
        }

        fn find(&self, _digest: &[u8; 32]) -> Option<usize> {
            None
        }
    }

    #[test]
    fn a_model_that_completes_pictures_learns_those_it_is_given() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/vit-mae-32");
        let mut model = Model::load(&folder, &Device::flex()).expect("a model");
        model.set_pictures(Arc::new(Squares));
        let (generator, weights) = (model.generator.clone(), model.g_ema.clone());
        let subject = Subject { role: Role::Result, generator: generator.clone(), weights, gan: None };
        assert!(subject.can_learn());
        let side = generator.resolution();
        let mut pool = ImagePool::new([generator.image_channels(), side, side]);
        let network = generator.completion().expect("it completes pictures");
        let rows = generator.latents(1, [0, 1]);
        let size = generator.image_channels() * side * side;
        let pictures = network.originals(&rows);
        for (picture, row) in pictures.chunks_exact(size).zip(rows.chunks_exact(generator.latent_dim())) {
            pool.push(picture, Origin { z: row.to_vec(), psi: 1.0 });
        }
        let lessons = Lessons { pool, indices: vec![0, 1] };
        // Under masks that no training saw.
        let loss = |p: &Leaves| {
            let (images, order) = network.seen(&generator.latents(77, [0, 1]), &Device::flex());
            to_vec(network.training_loss(p, images, &order))[0]
        };
        let budget = RelearnBudget { batch: 4, ..AuditBudget::default().relearn };
        let mut learner = learner(&subject, lessons.first(5), &budget, 3).expect("a training");
        let before = loss(&learner.weights().constants());
        assert!((0..40).all(|index| learner.step(index)));
        let after = loss(&learner.weights().constants());
        assert!(after < 0.8 * before, "{before} {after}");
        // In parts it is the same step, up to rounding.
        let once = |micro_batch: usize| {
            let budget = RelearnBudget { micro_batch, ..budget.clone() };
            let mut learner = super::learner(&subject, lessons.first(2), &budget, 3).expect("a training");
            assert!(learner.step(0));
            to_vec(learner.weights().values.clone())
        };
        let (whole, parts) = (once(0), once(1));
        // Adam makes whole steps of slopes that are nothing but rounding, such as those of a key's bias.
        let other = whole.iter().zip(&parts).filter(|(a, b)| (*a - *b).abs() > 1e-4).count();
        assert!(20 * other < whole.len(), "{other} of {}", whole.len());
    }
}
