//! Names of tensors, and of the numbers that no tensor's shape says.

use crate::networks::Params;

/// The family's name.
pub const FAMILY: &str = "ViT-MAE";

/// Heads of attention in the encoder and in the decoder, `[2]`.
pub const HEADS: &str = "config.num_attention_heads";
/// Added to variances by layer normalisation, `[]`.
pub const EPSILON: &str = "config.layer_norm_eps";
/// Share of the patches that is hidden, `[]`.
pub const MASK_RATIO: &str = "config.mask_ratio";
/// 1 if the decoder gives patches of mean 0 and deviation 1, `[]`.
pub const NORM_PIX_LOSS: &str = "config.norm_pix_loss";
/// What pixels in `[0, 1]` are shifted and divided by before the network sees them, `[channels]`.
pub const IMAGE_MEAN: &str = "config.image_mean";
/// See [`IMAGE_MEAN`].
pub const IMAGE_STD: &str = "config.image_std";

pub(super) const PROJECTION: &str = "vit.embeddings.patch_embeddings.projection";
pub(super) const CLASS_TOKEN: &str = "vit.embeddings.cls_token";
pub(super) const POSITIONS: &str = "vit.embeddings.position_embeddings";
pub(super) const ENCODER_NORM: &str = "vit.layernorm";
pub(super) const EMBED: &str = "decoder.decoder_embed";
pub(super) const MASK_TOKEN: &str = "decoder.mask_token";
pub(super) const DECODER_POSITIONS: &str = "decoder.decoder_pos_embed";
pub(super) const DECODER_NORM: &str = "decoder.decoder_norm";
pub(super) const PREDICTION: &str = "decoder.decoder_pred";
/// The encoder's blocks.
pub(super) const LAYERS: &str = "vit.encoder.layer";
/// The decoder's blocks, as they are called and as some files call them.
pub(super) const DECODER_LAYERS: [&str; 2] = ["decoder.decoder_layers", "decoder.decoder_encoder.layer"];

/// Whether a set of tensors is of this family.
pub fn is_vit_mae(params: &Params) -> bool {
    params.contains_key(CLASS_TOKEN) && params.contains_key(MASK_TOKEN)
}

/// Whether a tensor of this name is no trained parameter: the position tables are used as they are stored.
pub fn is_buffer(key: &str) -> bool {
    key == POSITIONS || key == DECODER_POSITIONS || is_config(key)
}

/// Whether it is one of the numbers that no tensor's shape says.
pub fn is_config(key: &str) -> bool {
    key.starts_with("config.")
}

/// Whether a parameter is the encoder's.
pub fn is_encoder(key: &str) -> bool {
    key.starts_with("vit.")
}
