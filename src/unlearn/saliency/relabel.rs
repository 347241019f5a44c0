//! Batches of relabelled negatives and of positives.

use burn::tensor::Tensor;

use super::settings::Relabel;
use crate::{
    feedback::{ImagePool, PoolCursor},
    networks::{FlatParams, Generator, Noise, latents::NormalSource},
    unlearn::regression::{Difference, Examples, Part},
};

pub(super) const FORGET: &str = "forget";
pub(super) const RETAIN: &str = "retain";

/// `mean |G(z_n) - sg G_base(z'_n)|^2 + alpha mean |G(z_p) - G_base(z_p)|^2`.
pub(super) struct Relabelled<'a> {
    pub(super) generator: &'a Generator,
    pub(super) base: &'a FlatParams,
    pub(super) negatives: &'a mut ImagePool,
    pub(super) positives: &'a mut ImagePool,
    pub(super) relabel: Relabel,
    pub(super) alpha: f64,
    pub(super) batch: usize,
    /// Whether any sample is truncated.
    pub(super) truncated: bool,
}

impl Relabelled<'_> {
    /// What the base makes of the same latents in the next class, `(c + 1) mod C`.
    fn next_class(&self, z: &Tensor<2>) -> Tensor<4> {
        let (own, classes) = (self.generator.z_dim(), self.generator.classes());
        let latent = z.clone().narrow(1, 0, own);
        let label = z.clone().narrow(1, own, classes);
        // The one-hot of class c moves one place to the right.
        let (first, last) = (label.clone().narrow(1, 0, classes - 1), label.narrow(1, classes - 1, 1));
        let z = Tensor::cat(vec![latent, last, first], 1);
        self.generator.forward(&self.base.constants(), z, &Noise::Constant)
    }
}

impl Examples for Relabelled<'_> {
    fn next(&mut self, rng: &mut NormalSource) -> Vec<Part> {
        let device = self.base.device();
        let half = self.batch / 2;
        let (_, negative) = self.negatives.batch(half, rng, &device);
        let (wanted, psi) = match self.relabel {
            Relabel::Random => (self.positives.batch(half, rng, &device).0, self.truncated.then_some(negative.psi)),
            Relabel::Class => (self.next_class(&negative.z), None),
        };
        let (kept, positive) = self.positives.batch(self.batch - half, rng, &device);
        let difference = Difference::Squared;
        vec![
            Part { name: FORGET, z: negative.z, psi, wanted, difference, weight: 1.0 },
            Part {
                name: RETAIN,
                z: positive.z,
                psi: self.truncated.then_some(positive.psi),
                wanted: kept,
                difference,
                weight: self.alpha,
            },
        ]
    }

    fn cursors(&self) -> Vec<PoolCursor> {
        vec![self.negatives.cursor(), self.positives.cursor()]
    }

    fn resume(&mut self, cursors: &[PoolCursor]) -> bool {
        let [negatives, positives] = cursors else { return false };
        self.negatives.resume(negatives) && self.positives.resume(positives)
    }
}
