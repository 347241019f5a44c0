//! Every number of the method in one place.

use serde::{Deserialize, Serialize};

use super::repulsion::RepulsionConfig;
use crate::{
    networks::discriminator::BATCH_GROUP,
    unlearn::{adversarial::StageConfig, restriction::Restriction},
};

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
    /// Which weights stage 2 may move.
    #[serde(default)]
    pub restriction: Restriction,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl AdaptSettings {
    /// Checks that the settings can be run; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        for (stage, name) in [(&self.adapt, "stage 1"), (&self.unlearn, "stage 2")] {
            stage.check(name)?;
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
        self.restriction.check()?;
        if self.adapted == 0 {
            return Err("there must be at least one adapted generator".to_owned());
        }
        Ok(())
    }

    /// Takes the weights of R1 and path length that a checkpoint was trained with, where its training arguments name
    /// them: fine-tuning with other ones moves the whole network.
    pub fn follow(&mut self, args: &serde_json::Map<String, serde_json::Value>) {
        for stage in [&mut self.adapt, &mut self.unlearn] {
            stage.follow(args);
        }
    }
}
