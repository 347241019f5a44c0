//! The numbers of a stage of adversarial iterations.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    networks::discriminator::BATCH_GROUP,
    train::{TrainConfig, schedule::half_cosine},
};

/// A stage of adversarial iterations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageConfig {
    /// Number of adversarial iterations.
    pub iterations: usize,
    /// The learning rate falls from its start to this fraction of it along half a cosine; 1 keeps it constant.
    pub final_lr: f64,
    /// The adversarial iteration.
    pub train: TrainConfig,
}

impl StageConfig {
    /// Factor on the learning rate in iteration `index`.
    pub fn lr_factor(&self, index: usize) -> f64 {
        half_cosine(index, self.iterations, self.final_lr)
    }

    /// Checks that it can be run; `name` is what a sentence calls it, and the error is one.
    pub fn check(&self, name: &str) -> Result<(), String> {
        let train = &self.train;
        let batch = train.batch;
        if batch == 0 || (batch > BATCH_GROUP && !batch.is_multiple_of(BATCH_GROUP)) {
            return Err(format!(
                "{name}: a batch of {batch} does not divide into groups of {BATCH_GROUP}; take at most {BATCH_GROUP} or a \
                 multiple of it"
            ));
        }
        if self.iterations == 0 {
            return Err(format!("{name}: there must be at least one iteration"));
        }
        if !(0.0..1.0).contains(&train.unwanted_share) {
            return Err(format!("{name}: the share of unwanted fakes must be at least 0 and below 1"));
        }
        if !(train.retain >= 0.0 && train.retain.is_finite()) {
            return Err(format!("{name}: the weight of retention must be a number of at least 0"));
        }
        if !(train.lr > 0.0 && train.lr.is_finite()) {
            return Err(format!("{name}: the learning rate must be a positive number"));
        }
        if train.d_reg_every == 0 || train.g_reg_every == 0 {
            return Err(format!("{name}: regularisers run every 1st, 2nd, ... iteration, not every 0th"));
        }
        if !(0.0..1.0).contains(&train.ema_decay) {
            return Err(format!("{name}: the decay of the average must be at least 0 and below 1"));
        }
        Ok(())
    }

    /// Takes the weights of R1 and path length that a checkpoint was trained with, where its training arguments name
    /// them: fine-tuning with other ones moves the whole network.
    pub fn follow(&mut self, args: &Map<String, Value>) {
        let weight = |key: &str| args.get(key)?.as_f64().filter(|w| w.is_finite() && *w >= 0.0);
        self.train.r1 = weight("r1").unwrap_or(self.train.r1);
        self.train.path_regularize = weight("path_regularize").unwrap_or(self.train.path_regularize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_falls_along_half_a_cosine() {
        let stage = StageConfig { iterations: 100, final_lr: 0.2, train: TrainConfig::default() };
        for (index, expected) in [(0, 1.0), (50, 0.6), (100, 0.2)] {
            assert!((stage.lr_factor(index) - expected).abs() < 1e-12);
        }
    }
}
