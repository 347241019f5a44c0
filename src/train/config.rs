//! Every number of the adversarial iteration, with the authors' values as defaults.

use serde::{Deserialize, Serialize};

/// Whether passes with gradients keep only what enters each block of a network and compute the block again in the backward pass
/// (activation checkpointing). Results are the same, bit for bit; a pass takes about a third longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checkpointing {
    /// Where the smallest parts of a batch would not fit into memory otherwise.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Whether training stores the maps of the largest sides in half precision, on GPUs that know it: `num_fp16_res` 4 and `conv_clamp` 256 of
/// NVlabs' stylegan2-ada-pytorch. Half of the memory of most maps; weights, sums and all that is shown are in `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HalfPrecision {
    /// On graphics cards that know it, and nowhere else.
    Auto,
    /// Always; a device that does not know it is refused.
    On,
    /// Never: no card was at hand yet to measure what it brings.
    #[default]
    Off,
}

/// Hyperparameters of the adversarial iteration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Samples per iteration.
    pub batch: usize,
    /// Samples per forward pass at most (gradient accumulation); 0 means the whole batch.
    pub micro_batch: usize,
    /// Adam's learning rate, before the lazy-regularisation ratio.
    pub lr: f64,
    /// Weight of the R1 penalty.
    pub r1: f64,
    /// R1 is computed every `d_reg_every`-th iteration and weighted up by it.
    pub d_reg_every: usize,
    /// Weight of the path length penalty; 0 turns it off.
    pub path_regularize: f64,
    /// The path length penalty is computed every `g_reg_every`-th iteration and weighted up by it.
    pub g_reg_every: usize,
    /// The path length batch is the batch divided by this.
    pub path_batch_shrink: usize,
    /// Probability of style mixing.
    pub mixing: f64,
    /// Per-sample random noise maps; the checkpoint's constant ones otherwise.
    pub random_noise: bool,
    /// Decay of the averaged generator per iteration.
    pub ema_decay: f64,
    /// Share of the discriminator's fake images that are given unwanted ones instead of generated ones, at least 0 and
    /// below 1: it then learns to reject them even when the generator hardly makes any more. Not part of the published
    /// method.
    pub unwanted_share: f64,
    /// Weight of the retention term in the generator's loss: the mean squared difference between what the real
    /// images' own latents give now and these images. Not part of the published method.
    pub retain: f64,
}

impl Default for TrainConfig {
    /// The authors' values.
    fn default() -> Self {
        Self {
            batch: 16,
            micro_batch: 0,
            lr: 0.002,
            r1: 10.0,
            d_reg_every: 16,
            path_regularize: 2.0,
            g_reg_every: 4,
            path_batch_shrink: 2,
            mixing: 0.9,
            random_noise: true,
            ema_decay: 0.5f64.powf(32.0 / 10_000.0),
            unwanted_share: 0.0,
            retain: 0.0,
        }
    }
}

impl TrainConfig {
    /// Samples in one pass at most.
    pub fn pass(&self) -> usize {
        match self.micro_batch {
            0 => self.batch,
            micro => micro.min(self.batch),
        }
    }

    /// Number of unwanted images among the discriminator's fakes; at least one fake is always generated.
    pub fn unwanted_fakes(&self) -> usize {
        ((self.batch as f64 * self.unwanted_share).round() as usize).min(self.batch.saturating_sub(1))
    }
}
