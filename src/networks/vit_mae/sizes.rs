//! What a masked autoencoder's tensors say of its sizes, without a check: for comparing with what a configuration says.

use super::keys::{DECODER_LAYERS, EMBED, LAYERS, POSITIONS, PROJECTION};
use crate::networks::Params;

/// The sizes; 0 where a tensor is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Pixels along a side of a picture.
    pub resolution: usize,
    /// Pixels along a side of a patch.
    pub patch: usize,
    /// Channels of a picture.
    pub channels: usize,
    /// The encoder's blocks.
    pub encoder: Stack,
    /// The decoder's blocks.
    pub decoder: Stack,
}

/// A row of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Width of a token.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Width within the perceptrons.
    pub within: usize,
    /// Whether queries, keys and values have biases.
    pub qkv_bias: bool,
}

impl Sizes {
    /// Reads them off shapes.
    pub fn of(params: &Params) -> Self {
        let extent = |key: &str, at: usize| params.get(key).and_then(|t| t.shape.get(at)).copied().unwrap_or_default();
        let projection = format!("{PROJECTION}.weight");
        let patch = extent(&projection, 2);
        let across = extent(POSITIONS, 1).saturating_sub(1).isqrt();
        let stack = |name: &str, width: usize| {
            let key = |layer: usize, part: &str| format!("{name}.{layer}.{part}");
            let layers = (0..).take_while(|layer| params.contains_key(&key(*layer, "output.dense.weight"))).count();
            let within = extent(&key(0, "intermediate.dense.weight"), 0);
            let qkv_bias = params.contains_key(&key(0, "attention.attention.query.bias"));
            Stack { width, layers, within, qkv_bias }
        };
        let [usual, other] = DECODER_LAYERS;
        let renamed = params.contains_key(&format!("{other}.0.output.dense.weight"));
        Self {
            resolution: across * patch,
            patch,
            channels: extent(&projection, 1),
            encoder: stack(LAYERS, extent(&projection, 0)),
            decoder: stack(if renamed { other } else { usual }, extent(&format!("{EMBED}.weight"), 0)),
        }
    }
}
