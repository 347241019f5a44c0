//! The settings that a person may change.

use crate::unlearn::field::{Field, FieldKind};

const GROUP: &str = "Training";

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
        kind: FieldKind::Integer { min: 1, max: 100_000, step: 5.0 },
    },
    Field {
        key: "retain",
        paths: &["unlearn.train.retain"],
        label: "Protect everything else",
        help: "How strongly samples that may stay are kept as they are.",
        group: "",
        kind: real(0.0, 1000.0, 0.05),
    },
    Field {
        key: "unwanted-share",
        paths: &["unlearn.train.unwanted_share"],
        label: "Removal strength",
        help: "The share of samples that must go among the fakes the discriminator learns to reject. Higher removes more \
               thoroughly.",
        group: "",
        kind: real(0.0, 0.95, 0.01),
    },
    Field {
        key: "lr",
        paths: &["unlearn.train.lr"],
        label: "Learning rate",
        help: "Step size.",
        group: GROUP,
        kind: FieldKind::Real { min: 1e-6, max: 0.1, step: 1e-5, decimals: 6 },
    },
    Field {
        key: "final-lr",
        paths: &["unlearn.final_lr"],
        label: "Final rate",
        help: "The fraction of the learning rate that is left at the end; 1 keeps it constant.",
        group: GROUP,
        kind: real(0.0, 1.0, 0.01),
    },
    Field {
        key: "ema-decay",
        paths: &["unlearn.train.ema_decay"],
        label: "EMA decay",
        help: "How slowly the averaged generator (the one you see and save) follows the trained one.",
        group: GROUP,
        kind: real(0.0, 0.9999, 0.001),
    },
    Field {
        key: "batch",
        paths: &["unlearn.train.batch"],
        label: "Batch",
        help: "Samples per step: at most 4, or a multiple of 4.",
        group: GROUP,
        kind: FieldKind::Integer { min: 1, max: 256, step: 1.0 },
    },
    Field {
        key: "micro-batch",
        paths: &["unlearn.train.micro_batch"],
        label: "Micro-batch",
        help: "Samples computed at once; fewer need less memory. 0 computes the whole batch, or what of it fits into memory.",
        group: GROUP,
        kind: FieldKind::Integer { min: 0, max: 256, step: 1.0 },
    },
    Field {
        key: "r1",
        paths: &["unlearn.train.r1"],
        label: "R1 weight",
        help: "Restrains the discriminator. Best left as the model was trained.",
        group: GROUP,
        kind: real(0.0, 1000.0, 0.1),
    },
    Field {
        key: "path",
        paths: &["unlearn.train.path_regularize"],
        label: "Path length weight",
        help: "Keeps the generator smooth. Best left as the model was trained; 0 turns it off.",
        group: GROUP,
        kind: real(0.0, 100.0, 0.05),
    },
];
