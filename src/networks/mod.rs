//! The networks and nothing else: the families, each in a folder behind [`GeneratorNetwork`] and
//! [`DiscriminatorNetwork`], and what they share: dual numbers, flat parameters, blocks with a graph of their own, seeded latents, kernels (`ops`), mapping networks (`style`).
//!
//! Imports no other module of the crate but `sanitize`. Architectures are read off tensor shapes ([`read_generator`],
//! [`read_discriminator`]); weights live apart from them as flat vectors ([`FlatParams`]), because the methods are
//! arithmetic on whole parameter vectors. Images are `[batch, channels, height, width]`, nominally in `[-1, 1]`.

mod block;
pub mod dcgan;
mod detail;
pub mod discriminator;
pub mod dual;
pub mod families;
pub mod flat;
pub mod generator;
pub mod latents;
mod motion;
pub mod ops;
pub mod params;
mod patch_order;
mod pictures;
mod precision;
mod prepared;
mod style;
pub mod stylegan2;
pub mod stylegan3;
pub mod vit_mae;

pub use block::CheckpointedBytes;
pub use detail::Details;
pub use discriminator::{Discriminator, DiscriminatorNetwork};
pub use dual::Dual;
pub use families::{
    Architecture, CompletionArchitecture, FreshFamily, is_buffer, read_discriminator, read_generator, set_classes,
};
pub use flat::{FlatParams, Leaves, ParamLayout};
pub use generator::{CompletionNetwork, Generator, GeneratorNetwork, Noise};
pub use latents::{LatentAddress, NormalSource, SourceState};
pub use motion::Motion;
pub use ops::vector_instructions;
pub use params::{ArchitectureError, HostTensor, Params};
pub use patch_order::PatchOrder;
pub use pictures::{Hidden, Masking, Pictures, Purpose};
