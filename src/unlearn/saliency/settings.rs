//! Every number of the method in one place, and those a person may change.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{
    feedback::CollectSettings,
    unlearn::{
        field::{Choice, Field, FieldKind},
        method::{Preset, preset_values},
        regression::{self, ITERATIONS, RegressionConfig},
        restriction::Restriction,
        values::Values,
    },
};

/// What a negative sample's latent is to give instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relabel {
    /// The picture of a positive sample drawn at random.
    Random,
    /// The same latent's picture in the next class: the authors' rule, for class-conditional networks.
    Class,
}

/// All settings of the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaliencySettings {
    /// What negatives become.
    pub relabel: Relabel,
    /// Weight of the positives' loss.
    pub alpha: f64,
    /// The training.
    pub train: RegressionConfig,
    /// Which weights may move.
    pub restriction: Restriction,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

pub(super) const PRESETS: &[Preset] = &[
    Preset { id: QUICK, name: "Quick", help: "Negatives become positives drawn at random." },
    Preset {
        id: CLASS,
        name: "Class",
        help: "Negatives become the next class, as in the paper: for models that draw classes.",
    },
];
const QUICK: &str = "quick";
const CLASS: &str = "class";

pub(super) static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let own = [
        ITERATIONS,
        Field {
            key: "alpha",
            paths: &["alpha"],
            label: "Protect everything else",
            help: "Weight of the samples that may stay beside those that must go.",
            group: "",
            kind: FieldKind::Real { min: 0.0, max: 1000.0, step: 0.05, decimals: 3 },
        },
        Field {
            key: "relabel",
            paths: &["relabel"],
            label: "Becomes",
            help: "What a sample that must go becomes: one that may stay, drawn at random, or the same latent in the next class.",
            group: "",
            kind: FieldKind::Choice(&[
                Choice { value: "random", label: "a random other" },
                Choice { value: "class", label: "the next class" },
            ]),
        },
    ];
    [&own, regression::FIELDS].concat()
});

/// All values of a preset.
pub(super) fn preset(id: &str) -> Option<Values> {
    let relabel = match id {
        QUICK => Relabel::Random,
        CLASS => Relabel::Class,
        _ => return None,
    };
    let train =
        RegressionConfig { iterations: 400, lr: 0.002, final_lr: 0.0, batch: 32, micro_batch: 0, ema_decay: 0.97 };
    let restriction = Restriction { mask_ratio: 0.5, ..Restriction::default() };
    let settings = SaliencySettings { relabel, alpha: 1.0, train, restriction, seed: 0 };
    let collect = CollectSettings { labelled: 5000, positive_below: 0.2, few_marks: 1000, seed: 0 };
    Some(preset_values(&settings, &collect))
}

impl SaliencySettings {
    /// Checks that the settings can be run; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        self.train.check()?;
        if !(self.alpha >= 0.0 && self.alpha.is_finite()) {
            return Err("alpha: the weight of the positives must be a number of at least 0".to_owned());
        }
        self.restriction.check()
    }
}
