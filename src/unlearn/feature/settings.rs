//! Every number of the method in one place, and those a person may change.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{
    feedback::CollectSettings,
    unlearn::{
        field::{Choice, Field, FieldKind},
        latent_rule::Space,
        method::{Preset, preset_values},
        regression::{self, ITERATIONS, RegressionConfig},
        restriction::Restriction,
        values::Values,
    },
};

/// All settings of the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureSettings {
    /// Where the direction lies.
    pub space: Space,
    /// How far below the mean of all samples the bound lies, in standard deviations; 0 is the mean, the paper's.
    pub depth: f64,
    /// Weight of the samples that change.
    pub alpha: f64,
    /// The training.
    pub train: RegressionConfig,
    /// Which weights may move.
    #[serde(default)]
    pub restriction: Restriction,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

pub(super) const PRESETS: &[Preset] =
    &[Preset { id: PAPER, name: "Paper", help: "One straight direction, as published." }];
const PAPER: &str = "paper";

pub(super) static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let own = [
        ITERATIONS,
        Field {
            key: "depth",
            paths: &["depth"],
            label: "Depth",
            help: "How far below the mean of all samples what must go is moved, in standard deviations. 0 is the published rule.",
            group: "",
            kind: FieldKind::Real { min: -5.0, max: 5.0, step: 0.05, decimals: 3 },
        },
        Field {
            key: "alpha",
            paths: &["alpha"],
            label: "Removal strength",
            help: "Weight of the samples that change beside those that stay.",
            group: "",
            kind: FieldKind::Real { min: 0.0, max: 1000.0, step: 0.05, decimals: 3 },
        },
        Field {
            key: "space",
            paths: &["space"],
            label: "Direction in",
            help: "Among the mapped latents (w) or the latents as they are drawn (z).",
            group: "",
            kind: FieldKind::Choice(&[Choice { value: "w", label: "w" }, Choice { value: "z", label: "z" }]),
        },
    ];
    [&own, regression::FIELDS].concat()
});

/// All values of a preset.
pub(super) fn preset(id: &str) -> Option<Values> {
    let train =
        RegressionConfig { iterations: 400, lr: 0.002, final_lr: 0.0, batch: 32, micro_batch: 0, ema_decay: 0.97 };
    let settings = FeatureSettings {
        space: Space::W,
        depth: 0.0,
        alpha: 1.0,
        train,
        restriction: Restriction::default(),
        seed: 0,
    };
    let collect = CollectSettings { labelled: 5000, positive_below: 0.2, few_marks: 1000, seed: 0 };
    (id == PAPER).then(|| preset_values(&settings, &collect))
}

impl FeatureSettings {
    /// Checks that the settings can be run; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        self.train.check()?;
        if !(self.alpha > 0.0 && self.alpha.is_finite()) {
            return Err("alpha: the weight of the samples that change must be a positive number".to_owned());
        }
        if !self.depth.is_finite() {
            return Err("depth: it must be a finite number of standard deviations".to_owned());
        }
        self.restriction.check()
    }
}
