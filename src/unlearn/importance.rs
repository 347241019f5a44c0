//! How much each weight matters for what some samples show: gradients of one loss at the base model.
//!
//! The loss is the generator's own (of a network that completes pictures, that of its training), `mean softplus(-D(G(z)))`; without a discriminator it is `mean |G(z)|^2` (Foster et al.
//! 2024, loss-free dampening).

use burn::tensor::{Tensor, TensorData};

use super::method::Base;
use crate::{
    feedback::{ImagePool, Origin},
    networks::{
        CompletionNetwork, Generator, LatentAddress, Leaves, Noise, NormalSource, Purpose, discriminator::BATCH_GROUP,
        latents::push_class,
    },
    train::losses::generator_loss,
};

/// Gradients of a base model's loss.
pub(crate) struct Importance<'a> {
    base: &'a Base,
    /// Samples of one gradient.
    batch: usize,
    /// Whether a discriminator judges, where there is one.
    judged: bool,
}

impl<'a> Importance<'a> {
    /// Gradients of batches of so many samples; without `judged` no discriminator is asked even if there is one.
    pub(crate) fn new(base: &'a Base, batch: usize, judged: bool) -> Self {
        Self { base, batch: batch.max(1), judged: judged && base.gan.is_some() }
    }

    /// Whether a discriminator judges.
    pub(crate) fn is_judged(&self) -> bool {
        self.judged
    }

    /// Samples in batches; the last one is left out where it is smaller than the others, unless it is the only one.
    pub(crate) fn batches<'o>(&self, samples: &'o [Origin]) -> Vec<&'o [Origin]> {
        let whole: Vec<_> = samples.chunks_exact(self.batch).collect();
        if !whole.is_empty() {
            return whole;
        }
        // A discriminator looks at samples in groups.
        let grouped =
            if samples.len() > BATCH_GROUP { samples.len() / BATCH_GROUP * BATCH_GROUP } else { samples.len() };
        vec![&samples[..grouped]]
    }

    /// The gradient `[parameters]` of the batch's mean loss at the base's averaged parameters; constant noise, no truncation.
    pub(crate) fn gradient(&self, batch: &[Origin]) -> Tensor<1> {
        let Base { generator, g_ema, gan } = self.base;
        let device = g_ema.device();
        let p = g_ema.leaves();
        let z: Vec<f32> = batch.iter().flat_map(|origin| origin.z.iter().copied()).collect();
        let z = Tensor::<2>::from_data(TensorData::new(z, [batch.len(), generator.latent_dim()]), &device);
        if let Some(network) = generator.completion() {
            return self.completion_gradient(network, p, batch);
        }
        let images = generator.forward(&p, z.clone(), &Noise::Constant);
        let loss = match gan.as_ref().filter(|_| self.judged) {
            Some(gan) => {
                let labels = generator.labels(&z);
                let scores = gan.networks.discriminator.forward_labelled(&gan.d.constants(), images.into(), labels);
                generator_loss(scores.value)
            }
            None => images.square().sum() / batch.len() as f64,
        };
        p.gradient(&mut loss.backward())
    }

    /// A network that completes pictures has a loss of its own: that of its training.
    fn completion_gradient(&self, network: &dyn CompletionNetwork, p: Leaves, batch: &[Origin]) -> Tensor<1> {
        let rows: Vec<f32> = batch.iter().flat_map(|origin| origin.z.iter().copied()).collect();
        let (images, order) = network.seen(&rows, &p.device());
        let loss = network.training_loss(&p, images, &order);
        p.gradient(&mut loss.backward())
    }

    /// `|sum over batches of the gradient|`, `[parameters]`: signed sums first, the absolute value once at the end, as in the
    /// code of SalUn's authors.
    pub(crate) fn saliency(&self, samples: &[Origin]) -> Tensor<1> {
        let start = self.base.g_ema.values.zeros_like();
        self.batches(samples).into_iter().fold(start, |sum, batch| sum + self.gradient(batch)).abs()
    }
}

/// What the first samples of a pool were made from, `count` of them at most.
pub(crate) fn origins(pool: &ImagePool, count: usize) -> Vec<Origin> {
    (0..pool.len().min(count)).map(|place| pool.origin(place).clone()).collect()
}

/// Random samples of a generator, not truncated; of one that completes pictures, random pictures of those to learn from.
pub(crate) fn random_origins(generator: &Generator, count: usize, rng: &mut NormalSource) -> Vec<Origin> {
    if let Some(pictures) = generator.pictures_for(Purpose::Learn) {
        let mut draw = || {
            let index = Purpose::Learn.number(rng.below(pictures) as u64);
            generator.latent(LatentAddress { seed: rng.seed(), index })
        };
        return (0..count).map(|_| Origin { z: draw(), psi: 1.0 }).collect();
    }
    let draw = |_| {
        let mut z = rng.normals(generator.z_dim());
        if generator.classes() > 0 {
            let class = generator.class().unwrap_or_else(|| rng.below(generator.classes()));
            push_class(&mut z, class, generator.classes());
        }
        Origin { z, psi: 1.0 }
    };
    (0..count).map(draw).collect()
}
