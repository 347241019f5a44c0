//! The pictures that negatives are led to, and the batches of them.

use crate::{
    feedback::{ImagePool, Origin, PoolCursor},
    networks::{flat::to_vec, latents::NormalSource},
    unlearn::{
        latent_rule::LatentRule,
        regression::{Difference, Examples, Part},
    },
};

pub(super) const REDIRECTED: &str = "redirected";
pub(super) const KEPT: &str = "kept";
/// Pictures that are made at once.
const CHUNK: usize = 32;

/// The negatives' latents with what each is to become: its own picture moved along the rule's direction to `depth` standard
/// deviations below the mean of all samples.
pub(super) fn targets(rule: &LatentRule<'_>, negatives: &ImagePool, depth: f64) -> ImagePool {
    let mut pool = ImagePool::new(negatives.shape());
    let origins: Vec<&Origin> = (0..negatives.len()).map(|place| negatives.origin(place)).collect();
    let bound = rule.mean - depth * rule.std;
    let size: usize = negatives.shape().iter().product();
    for part in origins.chunks(CHUNK) {
        let (images, _) = rule.images(part, &vec![bound; part.len()]);
        for (image, origin) in to_vec(images).chunks_exact(size).zip(part) {
            pool.push(image, (*origin).clone());
        }
    }
    pool
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
