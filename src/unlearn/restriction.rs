//! Which weights a method may move: SalUn's saliency mask (Fan et al. 2024, arXiv 2310.12508) and sparsity (Jia et al. 2023,
//! arXiv 2304.04934). Options of every method that trains.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::{
    field::{Field, FieldKind},
    importance::{Importance, origins},
    mask::{largest, layer_shares},
    method::Base,
    monitor::Monitor,
};
use crate::{
    feedback::ImagePool,
    networks::{FlatParams, flat::to_vec},
    train::Movable,
};

/// Negatives that the mask is computed from at most, and how many at once.
const SAMPLES: usize = 256;
const BATCH: usize = 16;
const GROUP: &str = "Which weights may move";

/// What a person chooses. The default restricts nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restriction {
    /// Share of the weights that may move, those that matter most for the negatives: above 0, at most 1; 1 is no mask.
    pub mask_ratio: f64,
    /// Share of the weights, the smallest, that are set to zero before training and stay zero: at least 0, below 1.
    pub prune: f64,
    /// Weight of the L1 norm of the moving weights in the loss; it falls linearly to zero over the training.
    pub l1: f64,
}

impl Default for Restriction {
    fn default() -> Self {
        Self { mask_ratio: 1.0, prune: 0.0, l1: 0.0 }
    }
}

/// The settings, for methods whose settings have a [`Restriction`] named `restriction`.
pub(crate) const FIELDS: &[Field] = &[
    Field {
        key: "mask-ratio",
        paths: &["restriction.mask_ratio"],
        label: "Saliency mask",
        help: "SalUn: only this share of the weights moves, those that matter most for what must go. 1 lets all move.",
        group: GROUP,
        kind: FieldKind::Real { min: 0.01, max: 1.0, step: 0.01, decimals: 3 },
    },
    Field {
        key: "l1",
        paths: &["restriction.l1"],
        label: "L1 penalty",
        help: "Pulls the weights that move towards zero; it falls to nothing over the training. 0 turns it off.",
        group: GROUP,
        kind: FieldKind::Real { min: 0.0, max: 1.0, step: 1e-5, decimals: 7 },
    },
    Field {
        key: "prune",
        paths: &["restriction.prune"],
        label: "Prune first",
        help: "The share of the weights, the smallest, that are set to zero before training and stay zero. 0 prunes nothing.",
        group: GROUP,
        kind: FieldKind::Real { min: 0.0, max: 0.99, step: 0.01, decimals: 3 },
    },
];

impl Restriction {
    /// Checks that it can be used; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        let Self { mask_ratio, prune, l1 } = *self;
        if !(mask_ratio > 0.0 && mask_ratio <= 1.0) {
            return Err(format!(
                "mask-ratio: a mask lets a share above 0 and at most 1 of the weights move, not {mask_ratio}"
            ));
        }
        if !(0.0..1.0).contains(&prune) {
            return Err(format!(
                "prune: a share of at least 0 and below 1 of the weights can be set to zero, not {prune}"
            ));
        }
        if !(l1 >= 0.0 && l1.is_finite()) {
            return Err(format!("l1: the weight of the penalty must be a number of at least 0, not {l1}"));
        }
        Ok(())
    }

    /// Finds out which weights these are. What may move is told to the monitor, layer by layer.
    pub(crate) fn find(&self, base: &Base, negatives: &ImagePool, monitor: &mut dyn Monitor) -> Restricted {
        let device = base.g_ema.device();
        let tensor = |values: Vec<f32>| {
            let shape = [values.len()];
            Tensor::<1>::from_data(TensorData::new(values, shape), &device)
        };
        let kept = (self.prune > 0.0).then(|| largest(&to_vec(base.g_ema.values.clone().abs()), 1.0 - self.prune));
        let mask = (self.mask_ratio < 1.0).then(|| {
            let saliency = Importance::new(base, BATCH, true).saliency(&origins(negatives, SAMPLES));
            largest(&to_vec(saliency), self.mask_ratio)
        });
        let both = match (&kept, mask) {
            (None, None) => None,
            (Some(kept), None) => Some(kept.clone()),
            (None, Some(mask)) => Some(mask),
            (Some(kept), Some(mask)) => Some(kept.iter().zip(mask).map(|(kept, mask)| kept * mask).collect()),
        };
        if let Some(movable) = &both {
            monitor.layers(layer_shares(&base.generator, movable));
        }
        Restricted { movable: Movable { mask: both.map(tensor), l1: self.l1 }, kept: kept.map(tensor) }
    }
}

/// A restriction of one model's weights.
#[derive(Clone, Debug, Default)]
pub struct Restricted {
    /// What training may do.
    pub movable: Movable,
    /// 1 for weights that pruning left, `[parameters]`.
    kept: Option<Tensor<1>>,
}

impl Restricted {
    /// Where training begins: the same weights, pruned.
    pub(crate) fn start(&self, from: &FlatParams) -> FlatParams {
        match &self.kept {
            Some(kept) => from.with_values(from.values.clone() * kept.clone()),
            None => from.clone(),
        }
    }

    /// The same, and only weights where `mask` `[parameters]` is 1.
    pub(crate) fn within(mut self, mask: Tensor<1>) -> Self {
        self.movable.mask = Some(match self.movable.mask {
            Some(movable) => movable * mask,
            None => mask,
        });
        self
    }

    /// What iteration `index` of `of` may do.
    pub(crate) fn at(&self, index: usize, of: usize) -> Movable {
        let left = 1.0 - index as f64 / of.max(1) as f64;
        Movable { l1: self.movable.l1 * left, ..self.movable.clone() }
    }
}
