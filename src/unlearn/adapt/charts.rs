//! The stages, what they measure and how that is drawn.

use crate::unlearn::{
    adversarial::{ADVERSARIAL_LOSSES, RETENTION, TO_ORIGINAL},
    chart::{Chart, Curve, Meaning},
    monitor::Stage,
};

/// Stage 1. What it trains makes what is to be forgotten, so nothing of it is a result.
pub(super) const ADAPT: Stage = Stage {
    id: "adapt",
    name: "stage 1",
    title: "Learn",
    doing: "Learning what must go",
    repeats: true,
    is_result: false,
};
/// Stage 2.
pub(super) const UNLEARN: Stage =
    Stage { id: "unlearn", name: "stage 2", title: "Unlearn", doing: "Unlearning", repeats: false, is_result: true };
pub(super) const STAGES: &[Stage] = &[ADAPT, UNLEARN];

pub(super) const EWC: &str = "ewc";
pub(super) const REPULSION: &str = "repulsion";
pub(super) const TO_ADAPTED: &str = "to_adapted";

const fn curve(name: &'static str, label: &'static str, meaning: Meaning) -> Curve {
    Curve { name, label, meaning }
}

pub(super) const CHARTS: &[Chart] = &[
    Chart {
        title: "Drift from the original",
        help: "How far the copies have moved where their weights matter (EWC).",
        stage: ADAPT.id,
        curves: &[curve(EWC, "EWC", Meaning::Negative)],
    },
    Chart {
        title: "Adversarial losses",
        help: "They should stay close to each other. If one runs away, the learning rate is too high.",
        stage: UNLEARN.id,
        curves: ADVERSARIAL_LOSSES,
    },
    Chart {
        title: "Repulsion and retention",
        help: "What pushes away from what must go, and what protects everything else.",
        stage: UNLEARN.id,
        curves: &[curve(REPULSION, "repulsion", Meaning::Negative), curve(RETENTION, "retention", Meaning::Positive)],
    },
    Chart {
        title: "Distance of the weights",
        help: "From the copies that generate what must go, and from the original model.",
        stage: UNLEARN.id,
        curves: &[
            curve(TO_ADAPTED, "to what must go", Meaning::Negative),
            curve(TO_ORIGINAL, "to the original", Meaning::Before),
        ],
    },
];
