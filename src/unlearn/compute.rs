//! How a run computes, whatever its method: what changes memory and time and nothing else.

use serde::{Deserialize, Serialize};

use super::field::{Choice, Field, FieldKind};
use crate::train::Checkpointing;

/// The setting that says whether blocks are computed again in the backward pass.
pub const CHECKPOINTING: &str = "checkpointing";

/// What a person chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComputeSettings {
    /// Whether blocks are computed again in the backward pass.
    pub checkpointing: Checkpointing,
}

/// The settings of every method that trains.
pub(super) const FIELDS: &[Field] = &[Field {
    key: CHECKPOINTING,
    paths: &["checkpointing"],
    label: "Checkpointing",
    help: "Compute the maps of a block again where its gradients need them, instead of keeping all of a pass: a third more time, a \
           fraction of the memory, the same result. On its own it does so where the smallest micro-batch would not fit.",
    group: "Training",
    kind: FieldKind::Choice(&[
        Choice { value: "auto", label: "Where memory is short" },
        Choice { value: "on", label: "Always" },
        Choice { value: "off", label: "Never" },
    ]),
}];
