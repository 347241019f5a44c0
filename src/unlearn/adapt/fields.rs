//! The settings that a person may change.

use crate::unlearn::field::{Choice, Field, FieldKind};

pub(super) const STAGE_1: &str = "Stage 1: copies learn what must go";
const STAGE_2: &str = "Stage 2: the model unlearns it";
const BOTH: &str = "Both stages";
const ADDED: &str = "Not in the paper";

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
        label: "Unlearning steps",
        help: "How long to unlearn. More steps take longer and are not always better.",
        group: "",
        kind: ITERATIONS,
    },
    Field {
        key: "adapt-iters",
        paths: &["adapt.iterations"],
        label: "Learning steps",
        help: "How long copies of the model learn to generate what must go.",
        group: STAGE_1,
        kind: ITERATIONS,
    },
    Field {
        key: "adapted",
        paths: &["adapted"],
        label: "Copies",
        help: "How many such copies are trained, each on different draws.",
        group: STAGE_1,
        kind: FieldKind::Integer { min: 1, max: 16, step: 1.0 },
    },
    Field {
        key: "adapt-lr",
        paths: &["adapt.train.lr"],
        label: "Learning rate",
        help: "Step size of this stage.",
        group: STAGE_1,
        kind: RATE,
    },
    Field {
        key: "ewc-lambda",
        paths: &["ewc_lambda"],
        label: "EWC weight",
        help: "How strongly a copy is held to the original where its weights matter most.",
        group: STAGE_1,
        kind: FieldKind::Real { min: 0.0, max: 1e12, step: 1e6, decimals: 0 },
    },
    Field {
        key: "fisher-samples",
        paths: &["fisher_samples"],
        label: "Fisher samples",
        help: "Samples used to estimate which weights matter: at most 4, or a multiple of 4.",
        group: STAGE_1,
        kind: FieldKind::Integer { min: 0, max: 4096, step: 1.0 },
    },
    Field {
        key: "unlearn-lr",
        paths: &["unlearn.train.lr"],
        label: "Learning rate",
        help: "Step size of this stage.",
        group: STAGE_2,
        kind: RATE,
    },
    Field {
        key: "final-lr",
        paths: &["unlearn.final_lr"],
        label: "Final rate",
        help: "The fraction of the learning rate that is left at the end; 1 keeps it constant.",
        group: STAGE_2,
        kind: real(0.0, 1.0, 0.01),
    },
    Field {
        key: "start",
        paths: &["start"],
        label: "Start from",
        help: "The averaged generator is the one you see; the authors' code starts from the trained one.",
        group: STAGE_2,
        kind: FieldKind::Choice(&[
            Choice { value: "averaged", label: "averaged" },
            Choice { value: "trained", label: "trained" },
        ]),
    },
    Field {
        key: "extrapolate",
        paths: &["extrapolate"],
        label: "Start pushed further",
        help: "Starts at theta_N + gamma (theta_G - theta_N): 1 is the original, more starts further away from what must go.",
        group: STAGE_2,
        kind: real(-4.0, 8.0, 0.01),
    },
    Field {
        key: "repulsion",
        paths: &["repulsion.loss"],
        label: "Repulsion",
        help: "The loss that pushes away from the copies of stage 1.",
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
        help: "Measured as in the authors' code (mean) or as in the paper (sum).",
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
        help: "Weight of the EL2 loss; the other losses have none.",
        group: STAGE_2,
        kind: real(0.0, 1e6, 1.0),
    },
    Field {
        key: "ema-decay",
        paths: &["unlearn.train.ema_decay"],
        label: "EMA decay",
        help: "How slowly the averaged generator (the one you see and save) follows the trained one.",
        group: STAGE_2,
        kind: real(0.0, 0.9999, 0.001),
    },
    Field {
        key: "batch",
        paths: &["unlearn.train.batch", "adapt.train.batch"],
        label: "Batch",
        help: "Samples per step: at most 4, or a multiple of 4.",
        group: BOTH,
        kind: FieldKind::Integer { min: 1, max: 256, step: 1.0 },
    },
    Field {
        key: "micro-batch",
        paths: &["unlearn.train.micro_batch", "adapt.train.micro_batch"],
        label: "Micro-batch",
        help: "Samples computed at once; fewer need less memory. 0 computes the whole batch, or what of it fits into memory.",
        group: BOTH,
        kind: FieldKind::Integer { min: 0, max: 256, step: 1.0 },
    },
    Field {
        key: "r1",
        paths: &["unlearn.train.r1", "adapt.train.r1"],
        label: "R1 weight",
        help: "Restrains the discriminator. Best left as the model was trained.",
        group: BOTH,
        kind: real(0.0, 1000.0, 0.1),
    },
    Field {
        key: "path",
        paths: &["unlearn.train.path_regularize", "adapt.train.path_regularize"],
        label: "Path length weight",
        help: "Keeps the generator smooth. Best left as the model was trained; 0 turns it off.",
        group: BOTH,
        kind: real(0.0, 100.0, 0.05),
    },
    Field {
        key: "retain",
        paths: &["unlearn.train.retain"],
        label: "Protect everything else",
        help: "How strongly samples that may stay are kept as they are. 0 is the published method.",
        group: ADDED,
        kind: real(0.0, 1000.0, 0.05),
    },
    Field {
        key: "unwanted-share",
        paths: &["unlearn.train.unwanted_share"],
        label: "Removal strength",
        help: "The share of samples that must go among the fakes the discriminator learns to reject. Higher removes more \
               thoroughly. 0 is the published method.",
        group: ADDED,
        kind: real(0.0, 0.95, 0.01),
    },
];
