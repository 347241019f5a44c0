//! Names of tensors: those of NVlabs' `state_dict`, and buffers for what no shape says.
//!
//! `mapping.fc0.weight`, `synthesis.input.weight`, `synthesis.L0_36_512.weight`, ...: a layer's name holds its number, the side
//! of its output and its channels.

use std::sync::Arc;

use crate::networks::{ParamLayout, Params, style::MappingNames};

/// The family's name.
pub(super) const FAMILY: &str = "StyleGAN3";

/// Running mean of `w` that truncation is centred on, `[w_dim]`.
pub const W_AVG: &str = "mapping.w_avg";
/// Learning-rate multiplier of the mapping network if it is not 0.01, `[]`.
pub const LR_MULTIPLIER: &str = "mapping.lr_multiplier";
/// What the last layer's output is multiplied by, `[]`.
pub const OUTPUT_SCALE: &str = "synthesis.output_scale";
/// Activations are clamped to plus or minus this, `[]`; without it they are not.
pub const CONV_CLAMP: &str = "synthesis.conv_clamp";
/// Prefix of the Fourier features.
pub const INPUT: &str = "synthesis.input";
/// Frequencies of the Fourier features: only a StyleGAN3 has them.
pub const FREQUENCIES: &str = "synthesis.input.freqs";
/// After [`INPUT`] or a layer's prefix: a buffer of what its shapes do not say. For the input side, sampling rate and
/// bandwidth, `[3]`; for a layer the sides of input and output, and the factors of up- and downsampling, `[4]`.
pub const GEOMETRY: &str = "geometry";

/// Ends of keys that name buffers.
const BUFFERS: [&str; 7] = ["transform", "freqs", "phases", "magnitude_ema", "up_filter", "down_filter", GEOMETRY];

/// The mapping network's names.
pub(super) const MAPPING: MappingNames =
    MappingNames { embed: "mapping.embed", layers: "mapping.fc", first: 0, lr_multiplier: LR_MULTIPLIER };

/// The name of a layer: its number, the side of its output and its channels.
pub fn layer(index: usize, side: usize, channels: usize) -> String {
    format!("synthesis.L{index}_{side}_{channels}")
}

/// Whether these tensors are a StyleGAN3's generator.
pub fn is_stylegan3(params: &Params) -> bool {
    params.contains_key(FREQUENCIES)
}

/// Whether a key names a buffer (carried through unchanged) rather than a trained parameter.
pub fn is_buffer(key: &str) -> bool {
    [W_AVG, LR_MULTIPLIER, OUTPUT_SCALE, CONV_CLAMP].contains(&key)
        || key.starts_with("synthesis.") && key.rsplit('.').next().is_some_and(|end| BUFFERS.contains(&end))
}

/// The layout of a network: its entries in order, without the buffers.
pub(super) fn layout(params: &Params) -> Arc<ParamLayout> {
    Arc::new(ParamLayout::of(params, is_buffer))
}
