//! The networks and nothing else: StyleGAN2 generator and discriminator, dual numbers, seeded latents.
//!
//! `gan` imports no other module of the crate. Architectures are read off tensor shapes ([`Generator::read`],
//! [`Discriminator::read`]); weights live apart from them as flat vectors ([`FlatParams`]), because the method is
//! arithmetic on whole parameter vectors. Images are `[batch, channels, height, width]`, nominally in `[-1, 1]`.

pub mod discriminator;
pub mod dual;
pub mod flat;
pub mod generator;
mod grow;
pub mod init;
pub mod latents;
mod layers;
mod mapping;
mod modulated_conv;
pub mod ops;
pub mod params;
mod stddev;
mod truncation;

pub use discriminator::Discriminator;
pub use dual::Dual;
pub use flat::{FlatParams, Leaves, ParamLayout};
pub use generator::{Generator, Noise};
pub use init::Architecture;
pub use latents::{LatentAddress, NormalSource, SourceState};
pub use params::{ArchitectureError, HostTensor, Params};
