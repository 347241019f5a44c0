//! Which family a set of tensors is. A new family is a folder and a line here.

use burn::tensor::Device;

use super::{
    discriminator::Discriminator,
    generator::Generator,
    params::{ArchitectureError, Params},
    stylegan2,
};

/// What is trained from scratch: the one family that fresh networks are made of.
pub use super::stylegan2::Architecture;

/// Reads a generator's architecture off its tensors; buffers go to `device`.
pub fn read_generator(params: &Params, device: &Device) -> Result<Generator, ArchitectureError> {
    Ok(Generator::new(stylegan2::Generator::read(params, device)?))
}

/// Reads a discriminator's architecture off its tensors.
pub fn read_discriminator(params: &Params) -> Result<Discriminator, ArchitectureError> {
    Ok(Discriminator::new(stylegan2::Discriminator::read(params)?))
}

/// Whether a tensor of this name is a buffer (carried through files unchanged) rather than a trained parameter, in any
/// family.
pub fn is_buffer(key: &str) -> bool {
    stylegan2::is_buffer(key)
}
