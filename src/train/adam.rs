//! Adam over a flat parameter vector (Kingma & Ba 2015), as `torch.optim.Adam` and `torch.optim.AdamW` compute it.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::networks::ops::{self, AdamStep};

/// Hyperparameters of one optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamConfig {
    /// Step size.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay (Loshchilov & Hutter 2019): each step takes `lr` times this share of the parameters away first.
    pub decay: f64,
}

impl AdamConfig {
    /// StyleGAN2's lazy regularisation: with a regulariser every `interval`-th iteration, learning rate and betas
    /// `(0, 0.99)` are adjusted by `interval / (interval + 1)` (Karras et al. 2020, appendix B).
    pub fn lazy(lr: f64, interval: usize) -> Self {
        let ratio = interval as f64 / (interval as f64 + 1.0);
        Self { lr: lr * ratio, beta1: 0.0, beta2: 0.99f64.powf(ratio), eps: 1e-8, decay: 0.0 }
    }
}

/// Optimizer state of one network; all tensors are `[parameters]`.
#[derive(Clone, Debug)]
pub struct Adam {
    /// Hyperparameters.
    pub config: AdamConfig,
    /// Number of updates so far.
    pub step: f64,
    /// First moment.
    pub exp_avg: Tensor<1>,
    /// Second moment.
    pub exp_avg_sq: Tensor<1>,
}

impl Adam {
    /// A fresh state for parameters like `theta`.
    pub fn new(config: AdamConfig, theta: &Tensor<1>) -> Self {
        let zeros = theta.zeros_like();
        Self { config, step: 0.0, exp_avg: zeros.clone(), exp_avg_sq: zeros }
    }

    /// One update of `theta` `[parameters]` along `-gradient`. Nothing else is allocated if nobody else holds the vectors.
    pub fn update(&mut self, theta: &mut Tensor<1>, gradient: Tensor<1>) {
        let AdamConfig { lr, beta1, beta2, eps, decay } = self.config;
        let held = take(theta);
        let held = if decay > 0.0 { held * (1.0 - lr * decay) } else { held };
        self.step += 1.0;
        let step = AdamStep {
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            rate: (lr / (1.0 - beta1.powf(self.step))) as f32,
            correction: (1.0 - beta2.powf(self.step)).sqrt() as f32,
            eps: eps as f32,
        };
        let moments = [&mut self.exp_avg, &mut self.exp_avg_sq].map(take);
        (*theta, [self.exp_avg, self.exp_avg_sq]) = ops::adam(held, gradient, moments, step);
    }
}

/// Moves a vector out of its place, which is to be filled again, so that what is done to it can be done in place.
pub(super) fn take(vector: &mut Tensor<1>) -> Tensor<1> {
    let nothing = Tensor::empty([0], &vector.device());
    std::mem::replace(vector, nothing)
}
