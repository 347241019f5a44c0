//! The settings that a person may change.

use crate::unlearn::field::{Choice, Field, FieldKind};

const STAGE_1: &str = "Stage 1: learn what must go";
const STAGE_2: &str = "Stage 2: unlearn";
const BOTH: &str = "Both stages";

const ITERATIONS: FieldKind = FieldKind::Integer { min: 1, max: 100_000, step: 5.0 };
const RATE: FieldKind = FieldKind::Real { min: 1e-6, max: 0.1, step: 1e-5, decimals: 6 };

const fn real(min: f64, max: f64, step: f64) -> FieldKind {
    FieldKind::Real { min, max, step, decimals: 4 }
}

/// All of them, in the order in which they are shown.
pub(super) const FIELDS: &[Field] = &[
    Field {
        key: "iters",
        paths: &["unlearn.iterations"],
        label: "Iterations",
        help: "How long it unlearns. More takes longer and is not always better.",
        group: "",
        kind: ITERATIONS,
    },
    Field {
        key: "retain",
        paths: &["unlearn.train.retain"],
        label: "Keep the rest",
        help: "How firmly samples that may stay are held as they are. 0 is the published method.",
        group: "",
        kind: real(0.0, 1000.0, 0.05),
    },
    Field {
        key: "unwanted-share",
        paths: &["unlearn.train.unwanted_share"],
        label: "Reject what must go",
        help: "The share of marked samples among what the discriminator learns to reject. More forgets more thoroughly. \
               0 is the published method.",
        group: "",
        kind: real(0.0, 0.95, 0.01),
    },
    Field {
        key: "adapt-iters",
        paths: &["adapt.iterations"],
        label: "Iterations",
        help: "How long copies of the model learn to make what must go.",
        group: STAGE_1,
        kind: ITERATIONS,
    },
    Field {
        key: "adapted",
        paths: &["adapted"],
        label: "Copies",
        help: "How many such copies are made, from different draws.",
        group: STAGE_1,
        kind: FieldKind::Integer { min: 1, max: 16, step: 1.0 },
    },
    Field {
        key: "adapt-lr",
        paths: &["adapt.train.lr"],
        label: "Learning rate",
        help: "How large its steps are.",
        group: STAGE_1,
        kind: RATE,
    },
    Field {
        key: "ewc-lambda",
        paths: &["ewc_lambda"],
        label: "EWC weight",
        help: "How firmly a copy is held near the original where the original knows best.",
        group: STAGE_1,
        kind: FieldKind::Real { min: 0.0, max: 1e12, step: 1e6, decimals: 0 },
    },
    Field {
        key: "fisher-samples",
        paths: &["fisher_samples"],
        label: "Fisher samples",
        help: "Samples from which EWC finds what matters: at most 4, or a multiple of 4.",
        group: STAGE_1,
        kind: FieldKind::Integer { min: 0, max: 4096, step: 1.0 },
    },
    Field {
        key: "unlearn-lr",
        paths: &["unlearn.train.lr"],
        label: "Learning rate",
        help: "How large the steps of unlearning are.",
        group: STAGE_2,
        kind: RATE,
    },
    Field {
        key: "final-lr",
        paths: &["unlearn.final_lr"],
        label: "Final rate",
        help: "To which part of itself the learning rate falls; 1 keeps it as it is.",
        group: STAGE_2,
        kind: real(0.0, 1.0, 0.01),
    },
    Field {
        key: "start",
        paths: &["start"],
        label: "Start from",
        help: "The averaged generator is what is shown; the trained one is what the authors' code takes.",
        group: STAGE_2,
        kind: FieldKind::Choice(&[
            Choice { value: "averaged", label: "averaged" },
            Choice { value: "trained", label: "trained" },
        ]),
    },
    Field {
        key: "extrapolate",
        paths: &["extrapolate"],
        label: "Start extrapolated",
        help: "Starts at theta_N + gamma (theta_G - theta_N): 1 is the original, more leads away from what must go.",
        group: STAGE_2,
        kind: real(-4.0, 8.0, 0.01),
    },
    Field {
        key: "repulsion",
        paths: &["repulsion.loss"],
        label: "Repulsion",
        help: "The shape of the force away from the copies of stage 1.",
        group: STAGE_2,
        kind: FieldKind::Choice(&[
            Choice { value: "el2", label: "EL2" },
            Choice { value: "nl2", label: "NL2" },
            Choice { value: "il2", label: "IL2" },
        ]),
    },
    Field {
        key: "distance",
        paths: &["repulsion.distance"],
        label: "Distance",
        help: "As the authors' code measures it (mean) or as the paper writes it (sum).",
        group: STAGE_2,
        kind: FieldKind::Choice(&[Choice { value: "mean", label: "mean" }, Choice { value: "sum", label: "sum" }]),
    },
    Field {
        key: "gamma",
        paths: &["repulsion.gamma"],
        label: "Repulsion gamma",
        help: "Factor on the distance in the repulsion loss.",
        group: STAGE_2,
        kind: real(0.0, 1e6, 0.1),
    },
    Field {
        key: "weight",
        paths: &["repulsion.weight"],
        label: "EL2 weight",
        help: "Weight of the EL2 loss; the others have none.",
        group: STAGE_2,
        kind: real(0.0, 1e6, 1.0),
    },
    Field {
        key: "ema-decay",
        paths: &["unlearn.train.ema_decay"],
        label: "Average decay",
        help: "How slowly the averaged generator, which is shown and saved, follows the trained one.",
        group: STAGE_2,
        kind: real(0.0, 0.9999, 0.001),
    },
    Field {
        key: "batch",
        paths: &["unlearn.train.batch", "adapt.train.batch"],
        label: "Batch",
        help: "Samples in an iteration: at most 4, or a multiple of 4.",
        group: BOTH,
        kind: FieldKind::Integer { min: 1, max: 256, step: 1.0 },
    },
    Field {
        key: "micro-batch",
        paths: &["unlearn.train.micro_batch", "adapt.train.micro_batch"],
        label: "Micro-batch",
        help: "Samples that are computed at once; fewer need less memory. 0 takes the whole batch.",
        group: BOTH,
        kind: FieldKind::Integer { min: 0, max: 256, step: 1.0 },
    },
    Field {
        key: "r1",
        paths: &["unlearn.train.r1", "adapt.train.r1"],
        label: "R1 weight",
        help: "Holds the discriminator back. Best as the model was trained with.",
        group: BOTH,
        kind: real(0.0, 1000.0, 0.1),
    },
    Field {
        key: "path",
        paths: &["unlearn.train.path_regularize", "adapt.train.path_regularize"],
        label: "Path length weight",
        help: "Keeps the generator smooth. Best as the model was trained with; 0 turns it off.",
        group: BOTH,
        kind: real(0.0, 100.0, 0.05),
    },
];
