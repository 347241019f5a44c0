//! Where the negatives lie among the latents, and the way out: the straight rule of *Feature Unlearning* (Moon, Cho, Kim 2023,
//! arXiv 2303.05699).

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::{importance::random_origins, method::Base, regression::truncated};
use crate::{
    feedback::{ImagePool, Origin, StyleRenderer, probe::auc},
    networks::{Dual, Generator, Leaves, Noise, flat::to_vec, latents::NormalSource},
};

/// Samples of the base model whose mean and deviation along the direction are taken.
const MEASURED: usize = 4096;
/// Latents that are mapped at once.
const MAPPED: usize = 512;

/// Where the direction lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// The mapped latents; in a family without a mapping network these are `z` itself.
    W,
    /// The latents as they are drawn.
    Z,
}

/// The direction `e` from the mean of the positives' latents to that of the negatives', and what `p(w) = <w, e> / <e, e>` is
/// over samples of the base model.
pub(crate) struct LatentRule<'a> {
    base: &'a Base,
    leaves: Leaves,
    centre: Option<Tensor<2>>,
    space: Space,
    /// `[dim]`.
    e: Vec<f32>,
    /// Mean of `p` over samples of the base model.
    pub(crate) mean: f64,
    /// Standard deviation of `p` over samples of the base model.
    pub(crate) std: f64,
    /// How well `p` tells the negatives from the positives: the area under the ROC curve, 0.5 to 1.
    pub(crate) separation: f64,
}

impl<'a> LatentRule<'a> {
    /// Measures it. The error is one sentence.
    pub(crate) fn of(
        base: &'a Base,
        negatives: &ImagePool,
        positives: &ImagePool,
        space: Space,
        seed: u64,
    ) -> Result<Self, String> {
        let generator = &base.generator;
        let leaves = base.g_ema.constants();
        let truncates = negatives.is_truncated() || positives.is_truncated();
        let centre = truncates.then(|| generator.w_mean(&leaves));
        let dim = match space {
            Space::W => generator.w_dim(),
            Space::Z => generator.latent_dim(),
        };
        let mut rule = Self { base, leaves, centre, space, e: vec![0.0; dim], mean: 0.0, std: 1.0, separation: 0.5 };
        let of = |pool: &ImagePool| rule.latents((0..pool.len()).map(|place| pool.origin(place)));
        let (n, p) = (of(negatives), of(positives));
        let (n_mean, p_mean) = (mean_row(&n, dim), mean_row(&p, dim));
        rule.e = n_mean.iter().zip(&p_mean).map(|(n, p)| (n - p) as f32).collect();
        // A class is chosen, not moved.
        if rule.is_z() {
            rule.e[generator.z_dim()..].fill(0.0);
        }
        let length = rule.e.iter().map(|&e| f64::from(e).powi(2)).sum::<f64>();
        if !(length.is_finite() && length > 0.0) {
            return Err(
                "the latents of the two kinds of samples do not differ: there is no direction to move along".to_owned()
            );
        }
        let drawn = random_origins(generator, MEASURED, &mut NormalSource::new(seed, 1));
        let along = rule.project_rows(&rule.latents(drawn.iter()));
        let count = along.len() as f64;
        rule.mean = along.iter().sum::<f64>() / count;
        rule.std = (along.iter().map(|p| (p - rule.mean).powi(2)).sum::<f64>() / count).sqrt();
        let (n, p) = (rule.project_rows(&n), rule.project_rows(&p));
        let kinds: Vec<bool> = n.iter().map(|_| true).chain(p.iter().map(|_| false)).collect();
        rule.separation = auc(&[n, p].concat(), &kinds).unwrap_or(0.5);
        Ok(rule)
    }

    /// What a person should know of a direction that separates badly, in one clause.
    pub(crate) fn doubt(&self) -> String {
        format!(
            "one straight direction among the latents tells only {:.0} % of pairs apart (chance is 50 %): some of what must go \
             will stay, and some of what may stay will change",
            self.separation * 100.0
        )
    }

    /// The device that computes.
    pub(crate) fn device(&self) -> burn::tensor::Device {
        self.leaves.device()
    }

    /// The centre of truncation, if any sample is truncated.
    pub(crate) fn centre(&self) -> Option<&Tensor<2>> {
        self.centre.as_ref()
    }

    fn is_z(&self) -> bool {
        self.space == Space::Z || self.e.len() == self.base.generator.latent_dim() && self.base.generator.num_ws() == 1
    }

    /// The latents in the rule's space, `[count, dim]` row-major.
    fn latents<'o>(&self, origins: impl Iterator<Item = &'o Origin>) -> Vec<f32> {
        let origins: Vec<&Origin> = origins.collect();
        if self.space == Space::Z {
            return origins.iter().flat_map(|origin| origin.z.iter().copied()).collect();
        }
        origins.chunks(MAPPED).flat_map(|part| to_vec(self.w(part))).collect()
    }

    /// Mapped and truncated latents, `[count, w_dim]`.
    fn w(&self, origins: &[&Origin]) -> Tensor<2> {
        let (z, psi) = self.inputs(origins);
        self.first(&self.base.generator, z, psi)
    }

    fn inputs(&self, origins: &[&Origin]) -> (Tensor<2>, Tensor<2>) {
        let device = self.leaves.device();
        let z: Vec<f32> = origins.iter().flat_map(|origin| origin.z.iter().copied()).collect();
        let psi: Vec<f32> = origins.iter().map(|origin| origin.psi).collect();
        let n = origins.len();
        let z = Tensor::from_data(TensorData::new(z, [n, self.base.generator.latent_dim()]), &device);
        (z, Tensor::from_data(TensorData::new(psi, [n, 1]), &device))
    }

    fn first(&self, generator: &Generator, z: Tensor<2>, psi: Tensor<2>) -> Tensor<2> {
        let mut ws = truncated(generator, &self.leaves, z, self.centre.as_ref().map(|centre| (centre, psi)));
        ws.swap_remove(0).value
    }

    fn project_rows(&self, rows: &[f32]) -> Vec<f64> {
        let length = self.e.iter().map(|&e| f64::from(e).powi(2)).sum::<f64>();
        let dot = |row: &[f32]| row.iter().zip(&self.e).map(|(w, e)| f64::from(*w) * f64::from(*e)).sum::<f64>();
        rows.chunks_exact(self.e.len()).map(|row| dot(row) / length).collect()
    }

    /// What the base makes of samples after each has moved along `-e` until `p` is at most its bound, `[count, channels, side,
    /// side]`, and how far each had to move, in units of `e`. A bound of infinity moves nothing.
    pub(crate) fn images(&self, origins: &[&Origin], bounds: &[f64]) -> (Tensor<4>, Vec<f64>) {
        let generator = &self.base.generator;
        let (w, moves) = self.moved(origins, bounds);
        let ws: Vec<_> = generator.broadcast(w).into_iter().map(Dual::from).collect();
        (generator.synthesize(&self.leaves, &ws, &Noise::Constant).value, moves)
    }

    /// What [`images`](Self::images) are made of: mapped and truncated latents, `[count, w_dim]`, and how far each had to move.
    fn moved(&self, origins: &[&Origin], bounds: &[f64]) -> (Tensor<2>, Vec<f64>) {
        let generator = &self.base.generator;
        let (z, psi) = self.inputs(origins);
        let start = match self.space {
            Space::Z => z.clone(),
            Space::W => self.first(generator, z, psi.clone()),
        };
        let along = self.project_rows(&to_vec(start.clone()));
        let moves: Vec<f64> = along.iter().zip(bounds).map(|(p, bound)| (p - bound).max(0.0)).collect();
        let device = self.leaves.device();
        let steps: Vec<f32> = moves.iter().map(|step| *step as f32).collect();
        let steps = Tensor::<2>::from_data(TensorData::new(steps, [origins.len(), 1]), &device);
        let e = Tensor::<2>::from_data(TensorData::new(self.e.clone(), [1, self.e.len()]), &device);
        let moved = start - steps * e;
        let w = match self.space {
            Space::Z => self.first(generator, moved, psi),
            Space::W => moved,
        };
        (w, moves)
    }

    /// The samples of a pool, with what each becomes after it has moved along `-e` until `p` is at most `bound`, as its image.
    pub(crate) fn redirected(&self, pool: &ImagePool, bound: f64) -> ImagePool {
        let origins: Vec<&Origin> = (0..pool.len()).map(|place| pool.origin(place)).collect();
        let w = |part: &[&Origin]| to_vec(self.moved(part, &vec![bound; part.len()]).0);
        let ws = origins.chunks(MAPPED).flat_map(w).collect();
        let renderer = StyleRenderer::new(self.base.generator.clone(), self.base.g_ema.clone(), ws);
        let mut redirected = ImagePool::rendered(pool.shape(), Arc::new(renderer));
        origins.into_iter().for_each(|origin| redirected.push_origin(origin.clone()));
        redirected
    }
}

fn mean_row(rows: &[f32], dim: usize) -> Vec<f64> {
    let mut mean = vec![0.0; dim];
    let count = (rows.len() / dim.max(1)).max(1) as f64;
    for row in rows.chunks_exact(dim) {
        mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value) / count);
    }
    mean
}
