//! StyleGAN3 (Karras et al. 2021, "Alias-Free Generative Adversarial Networks"), translation-equivariant (t) and also
//! rotation-equivariant (r), in NVlabs' own names. Its discriminator is a StyleGAN2's.
//!
//! Imports the rest of `networks`. In: tensors by name ([`Generator::read`]), or a size
//! ([`Architecture`]). Out: the family's generator.

mod filters;
mod generator;
mod init;
mod input;
pub mod keys;
mod layer;

pub use generator::Generator;
pub use init::Architecture;
pub use keys::{is_buffer, is_stylegan3};
