//! Every number of the method in one place.

use serde::{Deserialize, Serialize};

use crate::{
    feedback::CollectSettings,
    train::TrainConfig,
    unlearn::{
        adversarial::StageConfig,
        method::{Preset, preset_values},
        restriction::Restriction,
        values::Values,
    },
};

/// All settings of the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RejectSettings {
    /// The adversarial iterations; `unwanted_share` and `retain` are what the method is about.
    pub unlearn: StageConfig,
    /// Which weights may move.
    #[serde(default)]
    pub restriction: Restriction,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

pub(super) const PRESETS: &[Preset] =
    &[Preset { id: QUICK, name: "Quick", help: "What was measured on digits and drawn faces." }];
const QUICK: &str = "quick";

/// All values of a preset.
pub(super) fn preset(id: &str) -> Option<Values> {
    let collect = CollectSettings { labelled: 5000, positive_below: 0.2, few_marks: 1000, seed: 0 };
    (id == QUICK).then(|| preset_values(&quick(), &collect))
}

/// Light regularisation ([`StageConfig::follow`] takes the checkpoint's own), since a change of it alone moves a small
/// network; a learning rate that falls to zero and a short EMA, so that what is shown is neither shaken nor late; unwanted
/// fakes for PUL, retention for the Fréchet distance.
pub fn quick() -> RejectSettings {
    let train = TrainConfig {
        r1: 2.0,
        path_regularize: 0.0,
        lr: 0.0015,
        ema_decay: 0.99,
        unwanted_share: 0.5,
        retain: 2.0,
        ..TrainConfig::default()
    };
    RejectSettings {
        unlearn: StageConfig { iterations: 900, final_lr: 0.0, train },
        restriction: Restriction::default(),
        seed: 0,
    }
}

impl RejectSettings {
    /// Checks that the settings can be run; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        self.unlearn.check("the training")?;
        self.restriction.check()
    }
}
