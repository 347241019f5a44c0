//! Every number of the method in one place, and those a person may change.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{
    feedback::CollectSettings,
    train::TrainConfig,
    unlearn::{
        adversarial::StageConfig,
        field::{Field, FieldKind},
        method::{Preset, preset_values},
        regression::{self, ITERATIONS, RegressionConfig},
        restriction::Restriction,
        values::Values,
    },
};

/// All settings of the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RedirectSettings {
    /// How far below the mean of all samples negatives are led, in standard deviations along the direction.
    pub depth: f64,
    /// Weight of the negatives beside the positives.
    pub alpha: f64,
    /// The training towards the new pictures.
    pub train: RegressionConfig,
    /// The adversarial training after it; without iterations there is none, and no discriminator is needed.
    pub polish: StageConfig,
    /// Which weights may move.
    #[serde(default)]
    pub restriction: Restriction,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

pub(super) const PRESETS: &[Preset] = &[
    Preset { id: QUICK, name: "Quick", help: "A good result in the least time." },
    Preset { id: PLAIN, name: "Plain", help: "Without a discriminator: the quickest, and a little coarser." },
];
const QUICK: &str = "quick";
const PLAIN: &str = "plain";
const POLISH: &str = "Polish";

pub(super) static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let rate = FieldKind::Real { min: 1e-6, max: 0.1, step: 1e-5, decimals: 6 };
    let real = |max: f64, step: f64| FieldKind::Real { min: 0.0, max, step, decimals: 4 };
    let own = [
        ITERATIONS,
        Field {
            key: "polish-iters",
            paths: &["polish.iterations"],
            label: "Polishing steps",
            help: "How long an adversarial training makes the result look right. 0 needs no discriminator.",
            group: "",
            kind: FieldKind::Integer { min: 0, max: 100_000, step: 5.0 },
        },
        Field {
            key: "depth",
            paths: &["depth"],
            label: "Depth",
            help: "How far below the mean of all samples what must go is led, in standard deviations.",
            group: "",
            kind: FieldKind::Real { min: -5.0, max: 5.0, step: 0.05, decimals: 3 },
        },
        Field {
            key: "alpha",
            paths: &["alpha"],
            label: "Removal strength",
            help: "Weight of the samples that must go beside those that may stay.",
            group: "",
            kind: real(1000.0, 0.05),
        },
    ];
    let polish = [
        Field {
            key: "polish-lr",
            paths: &["polish.train.lr"],
            label: "Learning rate",
            help: "Step size.",
            group: POLISH,
            kind: rate,
        },
        Field {
            key: "retain",
            paths: &["polish.train.retain"],
            label: "Protect everything else",
            help: "How strongly samples that may stay are kept as they are.",
            group: POLISH,
            kind: real(1000.0, 0.05),
        },
        Field {
            key: "unwanted-share",
            paths: &["polish.train.unwanted_share"],
            label: "Unwanted share",
            help: "The share of samples that must go among the fakes the discriminator learns to reject.",
            group: POLISH,
            kind: real(0.95, 0.01),
        },
        Field {
            key: "polish-batch",
            paths: &["polish.train.batch"],
            label: "Batch",
            help: "Samples per step: at most 4, or a multiple of 4.",
            group: POLISH,
            kind: FieldKind::Integer { min: 1, max: 256, step: 1.0 },
        },
        Field {
            key: "r1",
            paths: &["polish.train.r1"],
            label: "R1 weight",
            help: "Restrains the discriminator. Best left as the model was trained.",
            group: POLISH,
            kind: real(1000.0, 0.1),
        },
        Field {
            key: "path",
            paths: &["polish.train.path_regularize"],
            label: "Path length weight",
            help: "Keeps the generator smooth. Best left as the model was trained; 0 turns it off.",
            group: POLISH,
            kind: real(100.0, 0.05),
        },
    ];
    let shared = regression::FIELDS.iter().map(|field| match field.key {
        "micro-batch" => Field { paths: &["train.micro_batch", "polish.train.micro_batch"], ..*field },
        _ => *field,
    });
    own.into_iter().chain(shared).chain(polish).collect()
});

/// All values of a preset.
pub(super) fn preset(id: &str) -> Option<Values> {
    let collect = CollectSettings { labelled: 5000, positive_below: 0.2, few_marks: 1000, seed: 0 };
    let mut settings = quick();
    match id {
        QUICK => {}
        PLAIN => settings.polish.iterations = 0,
        _ => return None,
    }
    Some(preset_values(&settings, &collect))
}

/// What `benches/README.md` says was measured best.
fn quick() -> RedirectSettings {
    let train =
        RegressionConfig { iterations: 300, lr: 0.004, final_lr: 0.0, batch: 32, micro_batch: 0, ema_decay: 0.97 };
    let polish = TrainConfig {
        r1: 2.0,
        path_regularize: 0.0,
        lr: 0.0015,
        ema_decay: 0.98,
        unwanted_share: 0.5,
        retain: 2.0,
        ..TrainConfig::default()
    };
    RedirectSettings {
        depth: 1.5,
        alpha: 1.0,
        train,
        polish: StageConfig { iterations: 100, final_lr: 0.0, train: polish },
        restriction: Restriction::default(),
        seed: 0,
    }
}

impl RedirectSettings {
    /// Checks that the settings can be run; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        self.train.check()?;
        if self.polish.iterations > 0 {
            self.polish.check("polish")?;
        }
        if !(self.alpha > 0.0 && self.alpha.is_finite()) {
            return Err("alpha: the weight of the samples that must go must be a positive number".to_owned());
        }
        if !self.depth.is_finite() {
            return Err("depth: it must be a finite number of standard deviations".to_owned());
        }
        self.restriction.check()
    }
}
