//! Every number of the method in one place, and the presets.

use serde::{Deserialize, Serialize};

use super::repulsion::{Distance, RepulsionConfig, RepulsionLoss};
use crate::{feedback::CollectSettings, networks::discriminator::BATCH_GROUP, train::TrainConfig};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// The trained generator `g`: the authors' code.
    Trained,
    /// The averaged generator `g_ema`, which is what is shown: nothing moves before training moves it.
    Averaged,
}

/// All settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
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
    /// Samples a labeler looks at to find negatives and positives.
    pub labelled: usize,
    /// A labelled sample counts as positive if its probability of the forgotten class is at most this.
    pub positive_below: f64,
    /// Fewer marked samples than this are not trained on as they are: a probe learns from them and marks those of
    /// `labelled` others that it is sure of. 0 never does. Not part of the published method.
    #[serde(default)]
    pub few_marks: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

/// A named set of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The authors' values.
    Paper,
    /// Reaches a good result in the least time.
    Quick,
}

impl Settings {
    /// The settings of a preset.
    pub fn preset(preset: Preset) -> Self {
        match preset {
            Preset::Paper => Self::paper(),
            Preset::Quick => Self::quick(),
        }
    }

    /// How negatives and positives are looked for.
    pub fn collect(&self) -> CollectSettings {
        let Self { labelled, positive_below, few_marks, seed, .. } = *self;
        CollectSettings { labelled, positive_below, few_marks, seed }
    }

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
        if self.labelled == 0 {
            return Err("a labeler must look at one sample at least".to_owned());
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

    fn paper() -> Self {
        Self {
            adapted: 2,
            adapt: StageConfig { iterations: 2000, final_lr: 1.0, train: TrainConfig::default() },
            ewc_lambda: 5e8,
            fisher_samples: 32,
            unlearn: StageConfig { iterations: 1000, final_lr: 1.0, train: TrainConfig::default() },
            start: Start::Trained,
            extrapolate: 1.0,
            repulsion: RepulsionConfig {
                loss: RepulsionLoss::El2,
                distance: Distance::Mean,
                gamma: 1.0,
                weight: 100.0,
            },
            labelled: 5000,
            positive_below: 0.5,
            few_marks: 0,
            seed: 0,
        }
    }

    /// What drives what was measured (see `benches/README.md`): light regularisation ([`Settings::follow`] takes the
    /// checkpoint's own), since a change of it alone moves a small network; a learning rate that falls to zero and a short
    /// EMA, so that what is shown is neither shaken nor late; unwanted fakes for PUL, retention for the Fréchet
    /// distance; IL2 over the summed distance, whose gradient is large only near the adapted generator.
    fn quick() -> Self {
        let train = TrainConfig { r1: 2.0, path_regularize: 0.0, ..TrainConfig::default() };
        Self {
            adapted: 1,
            adapt: StageConfig {
                iterations: 100,
                final_lr: 1.0,
                train: TrainConfig { lr: 0.001, ema_decay: 0.98, ..train.clone() },
            },
            unlearn: StageConfig {
                iterations: 900,
                final_lr: 0.0,
                train: TrainConfig { lr: 0.0015, ema_decay: 0.99, unwanted_share: 0.5, retain: 2.0, ..train },
            },
            start: Start::Averaged,
            repulsion: RepulsionConfig {
                loss: RepulsionLoss::Il2,
                distance: Distance::Sum,
                gamma: 30.0,
                weight: 100.0,
            },
            positive_below: 0.2,
            few_marks: 1000,
            ..Self::paper()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_can_be_run_and_the_quick_one_follows_the_checkpoint() {
        for preset in [Preset::Paper, Preset::Quick] {
            assert_eq!(Settings::preset(preset).check(), Ok(()));
        }
        let paper = Settings::preset(Preset::Paper).unlearn.train;
        assert_eq!((paper.unwanted_fakes(), paper.retain), (0, 0.0), "the published method has neither");
        assert_eq!(Settings::preset(Preset::Paper).few_marks, 0, "nor a probe");
        let mut quick = Settings::preset(Preset::Quick);
        quick.follow(&serde_json::from_str(r#"{"r1": 7.5, "path_regularize": -1, "lr": 9}"#).unwrap());
        assert_eq!((quick.adapt.train.r1, quick.unlearn.train.r1), (7.5, 7.5));
        assert_eq!((quick.unlearn.train.path_regularize, quick.unlearn.train.lr), (0.0, 0.0015));
    }

    #[test]
    fn the_learning_rate_falls_along_half_a_cosine() {
        let stage = StageConfig { iterations: 100, final_lr: 0.2, train: TrainConfig::default() };
        for (index, expected) in [(0, 1.0), (50, 0.6), (100, 0.2)] {
            assert!((stage.lr_factor(index) - expected).abs() < 1e-12);
        }
    }
}
