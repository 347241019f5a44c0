//! Which family a set of tensors is. A new family is a folder and a line here.

use burn::tensor::Device;

use super::{
    dcgan,
    discriminator::Discriminator,
    generator::Generator,
    latents::NormalSource,
    params::{ArchitectureError, HostTensor, Params},
    stylegan2, stylegan3, vit_mae,
};

/// The size of what is trained from scratch; discriminators are StyleGAN2's.
pub use super::stylegan2::Architecture;
/// The size of a masked autoencoder that is trained from scratch.
pub use super::vit_mae::Architecture as CompletionArchitecture;

/// What a generator that is trained from scratch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreshFamily {
    /// StyleGAN2.
    #[default]
    StyleGan2,
    /// StyleGAN3, which follows translations.
    StyleGan3T,
    /// StyleGAN3, which follows rotations as well.
    StyleGan3R,
}

impl FreshFamily {
    /// Whether its authors train it with style mixing.
    pub fn mixes_styles(self) -> bool {
        self == Self::StyleGan2
    }

    /// A new generator's tensors. Of a StyleGAN3 the first of the architecture's channels are the most that a layer has, and
    /// the last those of the last layer.
    pub fn generator(self, size: &Architecture, rng: &mut NormalSource) -> Result<Params, ArchitectureError> {
        let rotation = match self {
            Self::StyleGan2 => return Ok(size.generator(rng)),
            Self::StyleGan3T => false,
            Self::StyleGan3R => true,
        };
        let Architecture { channels, image_channels, latent, mapping_layers } = size;
        let own = stylegan3::Architecture::new(size.resolution(), channels, *latent, *mapping_layers, rotation);
        stylegan3::Architecture { image_channels: *image_channels, ..own }.generator(rng)
    }
}

/// Reads a generator's architecture off its tensors; buffers go to `device`.
pub fn read_generator(params: &Params, device: &Device) -> Result<Generator, ArchitectureError> {
    if dcgan::is_dcgan(params) {
        return Ok(Generator::new(dcgan::Generator::read(params, device)?));
    }
    if stylegan3::is_stylegan3(params) {
        return Ok(Generator::new(stylegan3::Generator::read(params, device)?));
    }
    if vit_mae::is_vit_mae(params) {
        return Ok(Generator::new(vit_mae::Network::read(params, device)?));
    }
    Ok(Generator::new(stylegan2::Generator::read(params, device)?))
}

/// Reads a discriminator's architecture off its tensors; buffers go to `device`.
pub fn read_discriminator(params: &Params, device: &Device) -> Result<Discriminator, ArchitectureError> {
    Ok(match dcgan::is_dcgan(params) {
        true => Discriminator::new(dcgan::Discriminator::read(params, device)?),
        false => Discriminator::new(stylegan2::Discriminator::read(params)?),
    })
}

/// Notes that a generator is one of so many classes, where its family's files do not say so themselves; `false` where they
/// do.
pub fn set_classes(generator: &mut Params, classes: usize) -> bool {
    if !dcgan::is_dcgan(generator) {
        return false;
    }
    generator.insert(dcgan::keys::CLASSES.to_owned(), HostTensor::new(Vec::new(), vec![classes as f32]));
    true
}

/// Whether a tensor of this name is a buffer (carried through files unchanged) rather than a trained parameter, in any
/// family.
pub fn is_buffer(key: &str) -> bool {
    stylegan2::is_buffer(key) || dcgan::is_buffer(key) || stylegan3::is_buffer(key) || vit_mae::is_buffer(key)
}
