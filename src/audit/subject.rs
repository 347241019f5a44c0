//! The models that an audit looks at.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::error::AuditError;
use crate::{
    metrics::{Labeler, Labels, Target},
    model::Gan,
    networks::{Dual, FlatParams, Generator, Leaves, Noise, Purpose},
};

/// What a model is in an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The model before unlearning: the control of every attack.
    Original,
    /// The model that is audited.
    Result,
    /// A model trained without what must go: the gold standard.
    Retrained,
}

impl Role {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Result => "unlearned",
            Self::Retrained => "retrained",
        }
    }
}

/// A model that is looked at.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What it is here.
    pub role: Role,
    /// Its architecture.
    pub generator: Generator,
    /// The weights that are shown and exported.
    pub weights: FlatParams,
    /// What training it takes, if there is a discriminator.
    pub gan: Option<Gan>,
}

impl Subject {
    /// Samples that are computed in one pass with gradients: 16 of 64x64.
    pub(crate) fn pass(&self) -> usize {
        let pixels = self.generator.resolution().pow(2);
        (16 * 64 * 64 / pixels).clamp(1, 32)
    }

    /// Whether it can be trained as it is: against its discriminator, or on pictures that it completes.
    pub(crate) fn can_learn(&self) -> bool {
        self.gan.is_some() || self.generator.completion().is_some()
    }

    /// Indices of so many samples to measure on: of a model that completes pictures those that are kept for it, of which there may be fewer.
    pub(crate) fn measured(&self, samples: usize) -> Vec<u64> {
        let there = self.generator.pictures_for(Purpose::Measure).unwrap_or(usize::MAX);
        self.generator.indices(Purpose::Measure, 0..samples.min(there))
    }

    /// Indices of so many samples to learn from, none of which is measured on at the same seed.
    pub(crate) fn learned(&self, samples: usize) -> Vec<u64> {
        let there = self.generator.pictures_for(Purpose::Learn).unwrap_or(usize::MAX);
        self.generator.indices(Purpose::Learn, 0..samples.min(there))
    }

    /// Its images of latents `[n, latent_dim]`, on the device, `[n, channels, side, side]`.
    pub(crate) fn images(&self, leaves: &Leaves, z: &[f32]) -> Tensor<4> {
        let dim = self.generator.latent_dim();
        let z = Tensor::from_data(TensorData::new(z.to_vec(), [z.len() / dim, dim]), &leaves.device());
        let w = self.generator.map(leaves, z);
        synthesize(&self.generator, leaves, self.generator.broadcast(w))
    }
}

/// Images of one mapped latent for each layer; constant noise.
pub(crate) fn synthesize(generator: &Generator, leaves: &Leaves, ws: Vec<Tensor<2>>) -> Tensor<4> {
    let ws: Vec<_> = ws.into_iter().map(Dual::from).collect();
    generator.synthesize(leaves, &ws, &Noise::Constant).value
}

/// Who says what a picture shows.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// The classifier.
    pub labeler: &'a Labeler,
    /// What must be gone.
    pub target: &'a Target,
}

impl Judge<'_> {
    /// The probability that each picture `[n, channels, side, side]` shows what must be gone.
    pub fn probabilities(&self, images: &[f32], shape: [usize; 4]) -> Result<Vec<f32>, AuditError> {
        let labels = self.labeler.label_head(self.target.head_number(), images, shape)?;
        Ok(target_probabilities(&labels, self.target))
    }
}

/// The probability of a target for each picture.
pub(crate) fn target_probabilities(labels: &Labels, target: &Target) -> Vec<f32> {
    (0..labels.len()).map(|image| labels.target_probability(image, target).unwrap_or_default()).collect()
}
