//! The pictures that negatives are led to, and the batches of them.

use crate::{
    feedback::{ImagePool, PoolCursor},
    networks::latents::NormalSource,
    unlearn::{
        latent_rule::LatentRule,
        regression::{Difference, Examples, Part},
    },
};

pub(super) const REDIRECTED: &str = "redirected";
pub(super) const KEPT: &str = "kept";

/// The negatives' latents with what each is to become: its own picture moved along the rule's direction to `depth` standard
/// deviations below the mean of all samples.
pub(super) fn targets(rule: &LatentRule<'_>, negatives: &ImagePool, depth: f64) -> ImagePool {
    rule.redirected(negatives, rule.mean - depth * rule.std)
}

/// `alpha mean |G - target|` over negatives, `mean |G - G_base|` over positives, half of each.
pub(super) struct Redirected<'a> {
    pub(super) targets: &'a mut ImagePool,
    pub(super) positives: &'a mut ImagePool,
    pub(super) device: burn::tensor::Device,
    pub(super) alpha: f64,
    pub(super) batch: usize,
    /// Whether any sample is truncated.
    pub(super) truncated: bool,
}

impl Examples for Redirected<'_> {
    fn next(&mut self, rng: &mut NormalSource) -> Vec<Part> {
        let half = self.batch / 2;
        let mut part = |name, pool: &mut ImagePool, count, weight| {
            let (wanted, origin) = pool.batch(count, rng, &self.device);
            let psi = self.truncated.then_some(origin.psi);
            Part { name, z: origin.z, psi, wanted, difference: Difference::Absolute, weight }
        };
        vec![part(REDIRECTED, self.targets, half, self.alpha), part(KEPT, self.positives, self.batch - half, 1.0)]
    }

    fn cursors(&self) -> Vec<PoolCursor> {
        vec![self.targets.cursor(), self.positives.cursor()]
    }

    fn resume(&mut self, cursors: &[PoolCursor]) -> bool {
        let [targets, positives] = cursors else { return false };
        self.targets.resume(targets) && self.positives.resume(positives)
    }
}
