//! StyleGAN2 (Karras et al. 2020), in the layout of `rosinality/stylegan2-pytorch`, and what stylegan2-ada-pytorch adds to it.
//!
//! Imports the rest of `networks`. In: tensors by name ([`Generator::read`], [`Discriminator::read`]), or a size
//! ([`Architecture`]). Out: the family's two networks.

mod demodulation;
mod discriminator;
mod generator;
mod grow;
mod init;
mod keys;
mod layers;
mod modulated_conv;
mod separable;
mod stddev;

pub use discriminator::Discriminator;
pub use generator::Generator;
pub use init::Architecture;
pub use keys::{extension, is_buffer};
