//! The non-saturating logistic GAN losses (Goodfellow et al. 2014).

use burn::tensor::{Tensor, activation::softplus};
use serde::Serialize;

/// Discriminator loss `mean softplus(-D(real)) + mean softplus(D(fake))`, `[1]`; scores are `[batch, 1]`.
pub fn discriminator_loss(real: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
    softplus(real.neg(), 1.0).mean() + softplus(fake, 1.0).mean()
}

/// Generator loss `mean softplus(-D(fake))`, `[1]`.
pub fn generator_loss(fake: Tensor<2>) -> Tensor<1> {
    softplus(fake.neg(), 1.0).mean()
}

/// The losses of one iteration; those of regularisers that did not run are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Losses {
    /// Discriminator loss.
    pub d: f32,
    /// Generator loss without its own term.
    pub g: f32,
    /// The generator's own term, a function of its parameters alone.
    pub term: Option<f32>,
    /// R1 penalty (mean over the batch, without its weight).
    pub r1: Option<f32>,
    /// Path length penalty (without its weight).
    pub path: Option<f32>,
    /// Retention: mean squared difference to the images that should stay (without its weight).
    pub retain: Option<f32>,
}

impl Losses {
    /// The name of the first loss that is not a finite number.
    pub fn non_finite(&self) -> Option<&'static str> {
        let bad = |x: Option<f32>| x.is_some_and(|x| !x.is_finite());
        [
            (bad(Some(self.d)), "discriminator loss"),
            (bad(Some(self.g)), "generator loss"),
            (bad(self.term), "generator's own term"),
            (bad(self.r1), "R1 penalty"),
            (bad(self.path), "path length penalty"),
            (bad(self.retain), "retention loss"),
        ]
        .into_iter()
        .find_map(|(is_bad, name)| is_bad.then_some(name))
    }
}
