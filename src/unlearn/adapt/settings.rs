//! Every number of the method in one place.

use serde::{Deserialize, Serialize};

use super::repulsion::RepulsionConfig;
use crate::{networks::discriminator::BATCH_GROUP, train::TrainConfig};

/// One stage of the method.
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
        let progress = index as f64 / self.iterations.max(1) as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        self.final_lr + (1.0 - self.final_lr) * cosine
    }
}

/// Which of the checkpoint's two generators stage 2 starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// The trained generator `g`: the authors' code.
    Trained,
    /// The averaged generator `g_ema`, which is what is shown: nothing moves before training moves it.
    Averaged,
}

/// All settings of the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptSettings {
    /// Number of adapted generators.
    pub adapted: usize,
    /// Stage 1.
    pub adapt: StageConfig,
    /// Weight of EWC in stage 1.
    pub ewc_lambda: f64,
    /// Samples of which the Fisher information is the mean.
    pub fisher_samples: usize,
    /// Stage 2.
    pub unlearn: StageConfig,
    /// Where stage 2 starts.
    pub start: Start,
    /// Extrapolation of stage 2's start away from the adapted generators; 1 starts at the original.
    pub extrapolate: f64,
    /// The generator's own term in stage 2.
    pub repulsion: RepulsionConfig,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl AdaptSettings {
    /// Checks that the settings can be run; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        for (stage, name) in [(&self.adapt, "stage 1"), (&self.unlearn, "stage 2")] {
            let train = &stage.train;
            let batch = train.batch;
            if batch == 0 || (batch > BATCH_GROUP && !batch.is_multiple_of(BATCH_GROUP)) {
                return Err(format!(
                    "{name}: a batch of {batch} does not divide into groups of {BATCH_GROUP}; take at most \
                     {BATCH_GROUP} or a multiple of it"
                ));
            }
            if stage.iterations == 0 {
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
        }
        let numbers = [self.ewc_lambda, self.extrapolate, self.repulsion.gamma, self.repulsion.weight];
        if numbers.iter().any(|n| !n.is_finite()) {
            return Err("every setting must be a finite number".to_owned());
        }
        if self.fisher_samples == 0 && self.ewc_lambda != 0.0 {
            return Err("the Fisher information needs one sample at least".to_owned());
        }
        if self.fisher_samples > BATCH_GROUP && !self.fisher_samples.is_multiple_of(BATCH_GROUP) {
            let fits = format!("at most {BATCH_GROUP} or a multiple of it");
            return Err(format!("the Fisher information takes {fits} samples, not {}", self.fisher_samples));
        }
        if self.adapted == 0 {
            return Err("there must be at least one adapted generator".to_owned());
        }
        Ok(())
    }

    /// Takes the weights of R1 and path length that a checkpoint was trained with, where its training arguments name
    /// them: fine-tuning with other ones moves the whole network.
    pub fn follow(&mut self, args: &serde_json::Map<String, serde_json::Value>) {
        let weight = |key: &str| args.get(key)?.as_f64().filter(|w| w.is_finite() && *w >= 0.0);
        for train in [&mut self.adapt.train, &mut self.unlearn.train] {
            train.r1 = weight("r1").unwrap_or(train.r1);
            train.path_regularize = weight("path_regularize").unwrap_or(train.path_regularize);
        }
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
