//! Every number of the method in one place, and those a person may change.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{
    feedback::CollectSettings,
    train::{adam::AdamConfig, schedule::half_cosine},
    unlearn::{
        field::{Field, FieldKind},
        method::{Plan, Preset, preset_values},
        restriction::Restriction,
        values::Values,
    },
};

/// All settings of the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageToImageSettings {
    /// Weight of the pictures that must go beside those that may stay.
    pub alpha: f64,
    /// Number of steps.
    pub iterations: usize,
    /// Step size.
    pub lr: f64,
    /// The step size falls from its start to this fraction of it along half a cosine; 1 keeps it constant.
    pub final_lr: f64,
    /// AdamW's decoupled weight decay.
    pub decay: f64,
    /// Pictures of each kind in a step.
    pub batch: usize,
    /// Pictures in one pass at most; 0 means the whole batch.
    pub micro_batch: usize,
    /// Which weights may move; all of them are the encoder's.
    pub restriction: Restriction,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

pub(super) const PRESETS: &[Preset] = &[
    Preset { id: QUICK, name: "Quick", help: "A good result in a minute or two." },
    Preset { id: PAPER, name: "Paper", help: "The published numbers: AdamW with weight decay 0.05, alpha 0.25." },
];
const QUICK: &str = "quick";
const PAPER: &str = "paper";
const TRAINING: &str = "Training";

pub(super) static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    vec![
        Field {
            key: "iters",
            paths: &["iterations"],
            label: "Unlearning steps",
            help: "How long to unlearn. More steps take longer and are not always better.",
            group: "",
            kind: FieldKind::Integer { min: 1, max: 1_000_000, step: 10.0 },
        },
        Field {
            key: "alpha",
            paths: &["alpha"],
            label: "Removal strength",
            help: "Weight of the pictures that must go beside those that may stay.",
            group: "",
            kind: FieldKind::Real { min: 0.0, max: 1000.0, step: 0.05, decimals: 3 },
        },
        Field {
            key: "lr",
            paths: &["lr"],
            label: "Learning rate",
            help: "Step size.",
            group: TRAINING,
            kind: FieldKind::Real { min: 1e-7, max: 0.1, step: 1e-5, decimals: 7 },
        },
        Field {
            key: "final-lr",
            paths: &["final_lr"],
            label: "Final rate",
            help: "The fraction of the learning rate that is left at the end; 1 keeps it constant.",
            group: TRAINING,
            kind: FieldKind::Real { min: 0.0, max: 1.0, step: 0.01, decimals: 4 },
        },
        Field {
            key: "decay",
            paths: &["decay"],
            label: "Weight decay",
            help: "AdamW's: how strongly weights are drawn towards zero.",
            group: TRAINING,
            kind: FieldKind::Real { min: 0.0, max: 10.0, step: 0.01, decimals: 4 },
        },
        Field {
            key: "batch",
            paths: &["batch"],
            label: "Batch",
            help: "Pictures of each kind in a step.",
            group: TRAINING,
            kind: FieldKind::Integer { min: 1, max: 1024, step: 1.0 },
        },
        Field {
            key: "micro-batch",
            paths: &["micro_batch"],
            label: "Micro-batch",
            help: "Pictures computed at once; fewer need less memory. 0 computes the whole batch, or what of it fits into memory.",
            group: TRAINING,
            kind: FieldKind::Integer { min: 0, max: 1024, step: 1.0 },
        },
    ]
});

/// All values of a preset.
pub(super) fn preset(id: &str) -> Option<Values> {
    let paper = ImageToImageSettings {
        alpha: 0.25,
        iterations: 1000,
        lr: 1e-4,
        final_lr: 1.0,
        decay: 0.05,
        batch: 32,
        micro_batch: 0,
        restriction: Restriction::default(),
        seed: 0,
    };
    let settings = match id {
        PAPER => paper,
        // What `benches/README.md` says was measured best.
        QUICK => ImageToImageSettings { alpha: 0.75, iterations: 500, lr: 1e-3, final_lr: 0.0, decay: 0.0, ..paper },
        _ => return None,
    };
    let collect = CollectSettings { labelled: 5000, positive_below: 0.2, few_marks: 1000, seed: 0 };
    Some(preset_values(&settings, &collect))
}

impl ImageToImageSettings {
    /// Checks that the settings can be run; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        if self.iterations == 0 || self.batch == 0 {
            return Err("there must be at least one step, of at least one picture of each kind".to_owned());
        }
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return Err("the learning rate must be a positive number".to_owned());
        }
        if !(0.0..=1.0).contains(&self.final_lr) {
            return Err("the final rate is a fraction from 0 to 1 of the learning rate".to_owned());
        }
        if !(self.alpha > 0.0 && self.alpha.is_finite()) {
            return Err("alpha: the weight of the pictures that must go must be a positive number".to_owned());
        }
        if !(self.decay >= 0.0 && self.decay * self.lr < 1.0) {
            return Err(
                "decay: the weight decay must be a number of at least 0, and below 1 / learning rate".to_owned()
            );
        }
        self.restriction.check()
    }

    /// Pictures in one pass at most.
    pub fn pass(&self) -> usize {
        match self.micro_batch {
            0 => self.batch,
            micro => micro.min(self.batch),
        }
    }

    /// AdamW with betas 0.9 and 0.95.
    pub fn optimizer(&self) -> AdamConfig {
        AdamConfig { lr: self.lr, beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: self.decay }
    }

    pub(super) fn lr_factor(&self, index: usize) -> f64 {
        half_cosine(index, self.iterations, self.final_lr)
    }

    pub(super) fn plan(&self) -> Plan {
        Plan {
            iterations: self.iterations,
            result_iterations: self.iterations,
            batch: 2 * self.batch,
            micro_batch: self.micro_batch,
            samples: 2 * self.iterations * self.batch,
            pass: self.pass(),
            auxiliary: 1,
        }
    }
}
