//! Hyperparameters of a training from scratch.

use serde::{Deserialize, Serialize};

use crate::{
    networks::discriminator::BATCH_GROUP,
    train::{Checkpointing, HalfPrecision, TrainConfig},
};

/// What a person chooses of the [`TrainConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choices {
    /// Samples per iteration.
    pub batch: usize,
    /// Samples per forward pass; 0 means the whole batch.
    pub micro_batch: usize,
    /// Learning rate.
    pub lr: f64,
    /// Weight of R1.
    pub r1: f64,
    /// Weight of the path length penalty.
    pub path: f64,
    /// Probability of style mixing.
    #[serde(default = "default_mixing")]
    pub mixing: f64,
    /// Whether layers take noise. Small networks use it for detail that they cannot make yet, and keep the dots.
    #[serde(default = "default_noise")]
    pub noise: bool,
    /// Adaptive augmentation: whether it is used, and whether it may mirror images.
    #[serde(default)]
    pub augment: Augmentation,
    /// Whether blocks are computed again in the backward pass.
    #[serde(default)]
    pub checkpointing: Checkpointing,
    /// Whether the largest maps are in half precision.
    #[serde(default)]
    pub half_precision: HalfPrecision,
}

/// Which adaptive augmentation a training uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Augmentation {
    /// None: for data without end, like the drawn avatars.
    #[default]
    None,
    /// All but mirroring: where left and right mean something, as in digits.
    Unmirrored,
    /// All.
    Full,
}

fn default_noise() -> bool {
    true
}

fn default_mixing() -> f64 {
    TrainConfig::default().mixing
}

impl Default for Choices {
    /// The authors' values, but regularised for small images: at 32 and 64 pixels an R1 of 10 slows learning down, and
    /// the path length penalty kept a fresh network from making different images at all (see `benches/README.md`).
    fn default() -> Self {
        let TrainConfig { batch, micro_batch, lr, .. } = TrainConfig::default();
        Self {
            batch,
            micro_batch,
            lr,
            r1: 1.0,
            path: 0.0,
            mixing: default_mixing(),
            noise: true,
            augment: Augmentation::None,
            checkpointing: Checkpointing::Auto,
            half_precision: HalfPrecision::default(),
        }
    }
}

impl Choices {
    pub(super) fn config(&self) -> TrainConfig {
        let Self { batch, micro_batch, lr, r1, path: path_regularize, mixing, noise: random_noise, .. } = *self;
        TrainConfig { batch, micro_batch, lr, r1, path_regularize, mixing, random_noise, ..TrainConfig::default() }
    }

    /// The name of the first number that cannot be used, and what it must be.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let group = BATCH_GROUP;
        if self.batch == 0 || (self.batch > group && !self.batch.is_multiple_of(group)) {
            return Err(("batch", format!("must be 1 to {group} or a multiple of {group}")));
        }
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return Err(("lr", "must be a number above 0".to_owned()));
        }
        for (name, value) in [("r1", self.r1), ("path", self.path)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err((name, "must be a number from 0".to_owned()));
            }
        }
        if !(0.0..=1.0).contains(&self.mixing) {
            return Err(("mixing", "must be a number from 0 to 1".to_owned()));
        }
        Ok(())
    }
}

/// Hyperparameters that a person chose; the others stay as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChosenChoices {
    /// See [`Choices::batch`].
    pub batch: Option<usize>,
    /// See [`Choices::micro_batch`].
    pub micro_batch: Option<usize>,
    /// See [`Choices::lr`].
    pub lr: Option<f64>,
    /// See [`Choices::r1`].
    pub r1: Option<f64>,
    /// See [`Choices::path`].
    pub path: Option<f64>,
    /// See [`Choices::mixing`].
    pub mixing: Option<f64>,
    /// Whether noise is left out; it cannot be put back.
    pub no_noise: bool,
    /// See [`Choices::augment`].
    pub augment: Option<Augmentation>,
    /// See [`Choices::checkpointing`].
    pub checkpointing: Option<Checkpointing>,
    /// See [`Choices::half_precision`].
    pub half_precision: Option<HalfPrecision>,
}

impl ChosenChoices {
    /// `choices` with those that were chosen.
    pub fn apply(&self, choices: Choices) -> Choices {
        Choices {
            batch: self.batch.unwrap_or(choices.batch),
            micro_batch: self.micro_batch.unwrap_or(choices.micro_batch),
            lr: self.lr.unwrap_or(choices.lr),
            r1: self.r1.unwrap_or(choices.r1),
            path: self.path.unwrap_or(choices.path),
            mixing: self.mixing.unwrap_or(choices.mixing),
            noise: choices.noise && !self.no_noise,
            augment: self.augment.unwrap_or(choices.augment),
            checkpointing: self.checkpointing.unwrap_or(choices.checkpointing),
            half_precision: self.half_precision.unwrap_or(choices.half_precision),
        }
    }
}
