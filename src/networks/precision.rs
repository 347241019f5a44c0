//! What maps are stored in: half precision in the blocks of the largest sides, as in NVlabs' stylegan2-ada-pytorch (Karras et al. 2020,
//! "Training Generative Adversarial Networks with Limited Data", appendix C).
//!
//! Parameters, latents, noise, images and gradients of parameters are in `f32` either way, and everything is computed in `f32`
//! ([`ops`](super::ops)): half precision takes half of the memory and of the reads. A block converts what enters it, and nothing else does.

use burn::tensor::{FloatDType, Tensor};

use super::{dual::Dual, ops};

/// Sides, from the largest down, whose blocks are in half precision where it is on: `num_fp16_res`. The maps of 4x4 never are.
const HALF_SIDES: usize = 4;

/// What the maps of a block are stored in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Precision {
    /// `f32`.
    #[default]
    Single,
    /// `f16`.
    Half,
}

impl Precision {
    /// Of the block with so many larger ones, where half precision is on or not.
    pub(super) fn of_block(half: bool, larger: usize) -> Self {
        if half && larger < HALF_SIDES { Self::Half } else { Self::Single }
    }

    /// Of these maps.
    pub(super) fn of(maps: &Tensor<4>) -> Self {
        if ops::is_half(maps) { Self::Half } else { Self::Single }
    }

    /// Maps as they are stored in this precision; nothing happens where they are.
    pub(super) fn store(self, maps: Dual<4>) -> Dual<4> {
        if Self::of(&maps.value) == self {
            return maps;
        }
        let dtype = match self {
            Self::Single => FloatDType::F32,
            Self::Half => FloatDType::F16,
        };
        maps.linear(|x| x.cast(dtype))
    }

    /// Bytes of a value.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Single => 4,
            Self::Half => 2,
        }
    }
}
