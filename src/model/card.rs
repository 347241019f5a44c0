//! What a person wants to know about a model file.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::networks::{CheckpointedBytes, Details};

/// What a model that completes pictures has to say of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Completes {
    /// Number of pictures that are open beside it.
    pub pictures: usize,
    /// The share of a picture that it was made to complete.
    pub mask_ratio: f32,
}

/// Bytes of maps that passes through the networks take, for estimates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapBytes {
    /// Of one sample, while it is drawn.
    pub drawn: usize,
    /// Of one sample, kept by a pass of the generator for the gradients of its weights.
    pub generator: usize,
    /// Of one image, kept by a pass of the discriminator for the gradients of its weights; `None` where there is none yet.
    pub discriminator: Option<usize>,
    /// What both take where blocks are computed again in the backward pass, the generator first, in families that know it.
    pub checkpointed: [Option<CheckpointedBytes>; 2],
    /// While samples are looked at: all that go through a pass, and the images that are held.
    pub looking: usize,
    /// Samples of a batch whose maps are held at the same time, where its parts are computed side by side.
    pub at_once: Option<usize>,
}

/// What a person wants to know about a model file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelCard {
    /// The file.
    pub file: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Family of the architecture.
    pub family: &'static str,
    /// Side of the images in pixels.
    pub resolution: usize,
    /// Channels of the images.
    pub image_channels: usize,
    /// Length of `z`.
    pub latent: usize,
    /// Number of classes; 0 in unconditional networks.
    pub classes: usize,
    /// Whether the file left open how many classes there are, so that a person may have to say it.
    pub can_be_conditional: bool,
    /// Whether its images can be moved and turned before they are drawn.
    pub can_move: bool,
    /// What it completes, if it completes pictures instead of drawing samples from latents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completes: Option<Completes>,
    /// Length of `w`.
    pub w_dim: usize,
    /// What the family says of the architecture beside that.
    #[serde(flatten)]
    pub details: Details,
    /// Channels of the generator's layers from the first, at each of `sides`.
    pub channels: Vec<usize>,
    /// Sides of the maps that these layers give: 4, 8, ... in most families.
    pub sides: Vec<usize>,
    /// Number of the generator's parameters.
    pub generator_parameters: usize,
    /// Number of the discriminator's parameters, if there is one.
    pub discriminator_parameters: Option<usize>,
    /// What passes through the networks take.
    #[serde(skip)]
    pub maps: MapBytes,
    /// The same in half precision, in families that know it.
    #[serde(skip)]
    pub half_maps: MapBytes,
    /// Which networks and optimizer states are in the file.
    pub contents: Vec<&'static str>,
    /// The training script's arguments.
    pub args: serde_json::Map<String, Value>,
    /// Architecture and provenance as the writer noted them.
    pub metadata: std::collections::BTreeMap<String, String>,
}
