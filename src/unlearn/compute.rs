//! How a run computes, whatever its method: what changes memory and time, and results by no more than rounding.

use serde::{Deserialize, Serialize};

use super::field::{Choice, Field, FieldKind};
use crate::{
    device::ComputeDevice,
    train::{Checkpointing, HalfPrecision},
};

/// The setting that says whether blocks are computed again in the backward pass.
pub const CHECKPOINTING: &str = "checkpointing";
/// The setting that says whether the largest maps are in half precision.
pub const HALF_PRECISION: &str = "half-precision";

/// What a person chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComputeSettings {
    /// Whether blocks are computed again in the backward pass.
    pub checkpointing: Checkpointing,
    /// Whether the largest maps are in half precision.
    pub half_precision: HalfPrecision,
}

/// Whether half precision is used on a device, by what was chosen; the error is one sentence. A GPU in software computes, but is no card that
/// it would make faster.
pub fn uses_half_precision(chosen: HalfPrecision, device: &ComputeDevice) -> Result<bool, String> {
    match chosen {
        HalfPrecision::Off => Ok(false),
        HalfPrecision::Auto => Ok(!device.software && device.half_precision().is_ok()),
        HalfPrecision::On => device.half_precision().map(|()| true).map_err(|error| error.to_string()),
    }
}

/// The settings of every method that trains.
pub(super) const FIELDS: &[Field] = &[
    Field {
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
    },
    Field {
        key: HALF_PRECISION,
        paths: &["half_precision"],
        label: "Half precision",
        help: "On a graphics card, store the maps of the four largest sides as 16-bit numbers while training: about half of their memory. \
               Weights, sums, and all that is shown and measured stay 32-bit. The processor does not do it.",
        group: "Training",
        kind: FieldKind::Choice(&[
            Choice { value: "auto", label: "Where the card can" },
            Choice { value: "on", label: "Always" },
            Choice { value: "off", label: "Never" },
        ]),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;

    #[test]
    fn the_processor_has_no_half_precision() {
        let on = |chosen| uses_half_precision(chosen, &cpu());
        assert_eq!(HalfPrecision::default(), HalfPrecision::Off);
        assert_eq!([HalfPrecision::Off, HalfPrecision::Auto].map(on), [Ok(false), Ok(false)]);
        let refused = on(HalfPrecision::On).unwrap_err();
        assert_eq!(refused, "half precision is for GPUs, and this computes on the processor: set it to off or auto");
    }
}
