//! DCGAN (Radford et al. 2015), as PyTorch's tutorial and its many descendants write it.
//!
//! Imports the rest of `networks`. In: tensors under the names of [`keys`]. Out: the family's two networks. Batch
//! normalisation uses its running statistics, which are buffers and stay what they are.

mod discriminator;
mod generator;
pub mod keys;
mod layer;

pub use discriminator::Discriminator;
pub use generator::Generator;
pub use keys::{is_buffer, is_dcgan};
