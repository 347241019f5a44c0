//! The non-saturating logistic GAN losses (Goodfellow et al. 2014).

use burn::tensor::{Tensor, activation::softplus};

/// Discriminator loss `mean softplus(-D(real)) + mean softplus(D(fake))`, `[1]`; scores are `[batch, 1]`.
pub fn discriminator_loss(real: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
    softplus(real.neg(), 1.0).mean() + softplus(fake, 1.0).mean()
}

/// Generator loss `mean softplus(-D(fake))`, `[1]`.
pub fn generator_loss(fake: Tensor<2>) -> Tensor<1> {
    softplus(fake.neg(), 1.0).mean()
}
