//! Names of tensors: those of files differ, so readers rename them by their place.
//!
//! `layers.N.weight`, perhaps `layers.N.bias`, and perhaps `layers.N.norm.*` (batch normalisation), N from 0 in the order
//! of the network; both networks alike.

use std::sync::Arc;

use crate::networks::{ParamLayout, Params};

/// The family's name.
pub(super) const FAMILY: &str = "DCGAN";

/// Buffer of a class-conditional generator: the number of classes, which stand one-hot behind `z`; `[]`. No file of
/// PyTorch says so.
pub const CLASSES: &str = "classes";

/// Key of layer `layer`'s convolution.
pub fn weight(layer: usize) -> String {
    format!("layers.{layer}.weight")
}

/// Key of layer `layer`'s bias.
pub fn bias(layer: usize) -> String {
    format!("layers.{layer}.bias")
}

/// Key of a tensor of layer `layer`'s batch normalisation: `weight`, `bias`, `running_mean` or `running_var`.
pub fn norm(layer: usize, name: &str) -> String {
    format!("layers.{layer}.norm.{name}")
}

/// Whether these tensors are a DCGAN's network.
pub fn is_dcgan(params: &Params) -> bool {
    params.contains_key("layers.0.weight")
}

/// Whether a key names a buffer (carried through unchanged) rather than a trained parameter.
pub fn is_buffer(key: &str) -> bool {
    key == CLASSES || [".norm.running_mean", ".norm.running_var"].iter().any(|end| key.ends_with(end))
}

/// The layout of a network: its entries in order, without the buffers.
pub(super) fn layout(params: &Params) -> Arc<ParamLayout> {
    Arc::new(ParamLayout::of(params, is_buffer))
}
