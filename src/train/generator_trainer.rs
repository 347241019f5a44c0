//! A generator trained without a discriminator: its optimizer, its average and which of its weights may move.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{
    adam::{Adam, AdamConfig},
    finite::finite,
    movable::Movable,
};
use crate::networks::{FlatParams, Generator};

/// Everything that one step changes.
#[derive(Clone, Debug)]
pub struct GeneratorTrainer {
    /// The architecture.
    pub generator: Generator,
    /// The parameters.
    pub g: FlatParams,
    /// The averaged parameters.
    pub g_ema: FlatParams,
    /// The optimizer.
    pub optim: Adam,
    /// Which weights may move.
    pub movable: Movable,
    /// Step size, for parameters of equalised layers.
    pub lr: f64,
    /// Decay of the averaged parameters per step; the first steps have a shorter memory, so that what is shown is never late.
    pub ema_decay: f64,
}

/// The number of a [`GeneratorTrainer`]'s state, by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratorTrainerNumbers {
    step: u64,
}

impl GeneratorTrainer {
    /// A trainer that starts from `g`; Adam with betas 0 and 0.99, as all of StyleGAN's.
    pub fn new(generator: Generator, g: FlatParams, movable: Movable, lr: f64, ema_decay: f64) -> Self {
        let config = AdamConfig { lr, beta1: 0.0, beta2: 0.99, eps: 1e-8, decay: 0.0 };
        Self::with_optimizer(generator, g, movable, config, ema_decay)
    }

    /// A trainer that starts from `g`, with this optimizer.
    pub fn with_optimizer(
        generator: Generator,
        g: FlatParams,
        movable: Movable,
        config: AdamConfig,
        ema_decay: f64,
    ) -> Self {
        let (lr, optim) = (config.lr, Adam::new(config, &g.values));
        Self { generator, g_ema: g.clone(), g, optim, movable, lr, ema_decay }
    }

    /// One step along `-gradient` `[parameters]`, `lr_factor` times as long as usual.
    pub fn step(&mut self, gradient: Tensor<1>, lr_factor: f64) {
        let gradient = finite(gradient, self.generator.is_half_precision());
        let gradient = self.movable.restrict(gradient, &self.g.values);
        self.optim.config.lr = self.lr * lr_factor * self.generator.learning_rate_factor();
        // Decay moves what no gradient does.
        let decays = self.optim.config.decay > 0.0 && self.movable.mask.is_some();
        let old = decays.then(|| self.g.values.clone());
        self.optim.update(&mut self.g.values, gradient);
        if let Some(old) = old {
            self.g.values = self.movable.keep(&old, self.g.values.clone());
        }
        let decay = self.ema_decay.min(self.optim.step / (self.optim.step + 9.0));
        self.movable.average(&mut self.g_ema.values, &self.g.values, (1.0 - decay) as f32);
    }

    /// The number of the state, beside its tensors.
    pub fn numbers(&self) -> GeneratorTrainerNumbers {
        GeneratorTrainerNumbers { step: self.optim.step.to_bits() }
    }

    /// The tensors of the state, each `[parameters]`, by name. They are shared, not copied.
    pub fn tensors(&self) -> Vec<(String, Tensor<1>)> {
        let Self { g, g_ema, optim, .. } = self;
        let named = [("g", &g.values), ("g_ema", &g_ema.values), ("m", &optim.exp_avg), ("v", &optim.exp_avg_sq)];
        named.into_iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
    }

    /// Goes on where a trainer of the same generator stood; `tensor` finds a tensor by its name. The error is the name of one
    /// that is missing or has another length, and then the trainer is not to be used.
    pub fn restore(
        &mut self,
        numbers: &GeneratorTrainerNumbers,
        tensor: impl Fn(&str) -> Option<Tensor<1>>,
    ) -> Result<(), String> {
        let length = self.g.layout.total();
        let take = |name: &str| tensor(name).filter(|t| t.dims() == [length]).ok_or_else(|| name.to_owned());
        self.g.values = take("g")?;
        self.g_ema.values = take("g_ema")?;
        self.optim.exp_avg = take("m")?;
        self.optim.exp_avg_sq = take("v")?;
        self.optim.step = f64::from_bits(numbers.step);
        Ok(())
    }
}
