//! ViT-MAE: a masked autoencoder of pictures (He et al. 2022, arXiv 2111.06377), as Hugging Face's `ViTMAEForPreTraining` lays it
//! out.
//!
//! Imports the rest of `networks`. In: tensors under that layout's names, and the numbers that no tensor says ([`keys`]). Out: the
//! family's network, which completes pictures instead of drawing samples from latents.

mod block;
mod init;
pub mod keys;
mod network;
mod patches;
mod sizes;

pub use init::Architecture;
pub use keys::{is_buffer, is_vit_mae};
pub use network::Network;
pub use sizes::{Sizes, Stack};
