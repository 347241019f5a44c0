//! Names of tensors in the rosinality layout.

use std::sync::Arc;

use crate::networks::{ParamLayout, Params, style::MappingNames};

/// The family's name.
pub(super) const FAMILY: &str = "StyleGAN2";

/// The layout of a `state_dict`: its entries in order, without the buffers.
pub(super) fn layout(params: &Params) -> Arc<ParamLayout> {
    Arc::new(ParamLayout::of(params, is_buffer))
}

/// Buffers for what the shapes of a rosinality network cannot say: parts of the architecture that only other code bases
/// have (stylegan2-ada-pytorch). Scalars have the shape `[]`.
pub mod extension {
    /// Running mean of `w` that truncation is centred on, `[style_dim]`.
    pub const W_AVG: &str = "w_avg";
    /// Outputs of convolutions are clamped to plus or minus this, `[]`.
    pub const CONV_CLAMP: &str = "conv_clamp";
    /// Learning-rate multiplier of the mapping network if it is not 0.01, `[]`.
    pub const LR_MULTIPLIER: &str = "style.lr_multiplier";
    /// Samples per group of the minibatch standard deviation if there are not 4, `[]`; 0 means the whole batch.
    pub const STDDEV_GROUP: &str = "stddev_group";
    /// Channels of the minibatch standard deviation if it is not 1, `[]`.
    pub const STDDEV_FEATURES: &str = "stddev_features";
    /// The class embedding's prefix (weights are parameters).
    pub const EMBED: &str = "embed";

    /// Every buffer above.
    pub(crate) const BUFFERS: [&str; 5] = [W_AVG, CONV_CLAMP, LR_MULTIPLIER, STDDEV_GROUP, STDDEV_FEATURES];
}

/// Whether a `state_dict` key names a buffer (carried through unchanged) rather than a trained parameter.
pub fn is_buffer(key: &str) -> bool {
    key.starts_with("noises.") || key.ends_with(".kernel") || extension::BUFFERS.contains(&key)
}

/// The mapping network's names.
pub(super) const MAPPING: MappingNames =
    MappingNames { embed: extension::EMBED, layers: "style.", first: 1, lr_multiplier: extension::LR_MULTIPLIER };
