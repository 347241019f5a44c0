//! Every number of the method in one place, and those a person may change.

use serde::{Deserialize, Serialize};

use crate::{
    feedback::CollectSettings,
    unlearn::{
        field::{Choice, Field, FieldKind},
        method::{Preset, preset_values},
        values::Values,
    },
};

/// What importance is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judge {
    /// The squared gradient of the generator's loss by the discriminator: SSD.
    Discriminator,
    /// The absolute gradient of the squared norm of the images: LFSSD, which needs no discriminator.
    Output,
}

/// All settings of the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DampenSettings {
    /// A weight is dampened where it matters for the negatives this many times as much as for all samples.
    pub alpha: f64,
    /// Weights are shrunk to this many times the ratio of these.
    pub lambda: f64,
    /// What importance is measured by.
    pub judge: Judge,
    /// Samples of each kind that it is measured on at most.
    pub samples: usize,
    /// Samples in one gradient.
    pub batch: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

pub(super) const PRESETS: &[Preset] = &[
    Preset { id: SSD, name: "SSD", help: "Importance by the discriminator." },
    Preset { id: LFSSD, name: "LFSSD", help: "Importance by the images alone: needs no discriminator." },
];
const SSD: &str = "ssd";
pub(super) const LFSSD: &str = "lfssd";

pub(super) const FIELDS: &[Field] = &[
    Field {
        key: "alpha",
        paths: &["alpha"],
        label: "Choose above",
        help: "A weight is shrunk where it matters for what must go this many times as much as for all samples.",
        group: "",
        kind: FieldKind::Real { min: 0.0, max: 1000.0, step: 0.1, decimals: 3 },
    },
    Field {
        key: "lambda",
        paths: &["lambda"],
        label: "Shrink to",
        help: "Less shrinks the chosen weights more.",
        group: "",
        kind: FieldKind::Real { min: 0.0, max: 100.0, step: 0.01, decimals: 3 },
    },
    Field {
        key: "judge",
        paths: &["judge"],
        label: "Importance by",
        help: "The discriminator's judgement (SSD), or the images alone (LFSSD).",
        group: "",
        kind: FieldKind::Choice(&[
            Choice { value: "discriminator", label: "the discriminator" },
            Choice { value: "output", label: "the images" },
        ]),
    },
    Field {
        key: "importance-samples",
        paths: &["samples"],
        label: "Samples measured",
        help: "Samples of each kind that importance is measured on at most.",
        group: "Measurement",
        kind: FieldKind::Integer { min: 1, max: 100_000, step: 16.0 },
    },
    Field {
        key: "batch",
        paths: &["batch"],
        label: "Batch",
        help: "Samples in one gradient: at most 4, or a multiple of 4.",
        group: "Measurement",
        kind: FieldKind::Integer { min: 1, max: 256, step: 1.0 },
    },
];

/// All values of a preset.
pub(super) fn preset(id: &str) -> Option<Values> {
    let (judge, alpha) = match id {
        SSD => (Judge::Discriminator, 10.0),
        LFSSD => (Judge::Output, 2.0),
        _ => return None,
    };
    // Single samples: the mean gradient of many says little of any of them (`benches/README.md`).
    let settings = DampenSettings { alpha, lambda: 1.0, judge, samples: 256, batch: 1, seed: 0 };
    let collect = CollectSettings { labelled: 5000, positive_below: 0.2, few_marks: 1000, seed: 0 };
    Some(preset_values(&settings, &collect))
}

impl DampenSettings {
    /// Checks that the settings can be run; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        if !(self.alpha >= 0.0 && self.alpha.is_finite() && self.lambda >= 0.0 && self.lambda.is_finite()) {
            return Err("alpha and lambda must be numbers of at least 0".to_owned());
        }
        if self.samples == 0 || self.batch == 0 {
            return Err("importance needs one sample at least".to_owned());
        }
        let group = crate::networks::discriminator::BATCH_GROUP;
        if self.batch > group && !self.batch.is_multiple_of(group) {
            return Err(format!(
                "a batch of {} does not divide into groups of {group}; take at most {group} or a multiple of it",
                self.batch
            ));
        }
        Ok(())
    }
}
