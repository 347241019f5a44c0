//! A discriminator of any family.

use std::{fmt::Debug, ops::Deref, sync::Arc};

use burn::tensor::Tensor;

use super::{
    block::CheckpointedBytes,
    dual::Dual,
    flat::{Leaves, ParamLayout},
};

/// Samples that a discriminator may look at together, unless its file says another number: a batch that is larger must be
/// a multiple of it.
pub const BATCH_GROUP: usize = 4;

/// What a family's discriminator is to the rest of the program. Its weights are passed to every call.
pub trait DiscriminatorNetwork: Debug + Send + Sync {
    /// The family's name, as a person reads it.
    fn family(&self) -> &'static str;

    /// Where each parameter lies in the flat vector.
    fn layout(&self) -> &Arc<ParamLayout>;

    /// Side of the images it takes.
    fn resolution(&self) -> usize;

    /// Channels of the images it takes.
    fn image_channels(&self) -> usize;

    /// Number of classes it judges by; 0 in unconditional networks.
    fn classes(&self) -> usize {
        0
    }

    /// Samples of a batch that it looks at together (the minibatch standard deviation); 1 if it looks at each alone.
    fn batch_group(&self, _batch: usize) -> usize {
        1
    }

    /// Bytes of maps that a pass with gradients of its weights keeps of one image until the backward pass has come to them: an
    /// estimate. A pass with gradients of the image alone keeps about half.
    fn training_bytes(&self) -> usize;

    /// The same with checkpointing, see [`with_checkpointing`](Self::with_checkpointing), in families that know it.
    fn checkpointed_bytes(&self) -> Option<CheckpointedBytes> {
        None
    }

    /// The network with activation checkpointing on or off: a pass with gradients then keeps only what enters each block and computes
    /// the block again in its backward pass, to the same bits. `None` in families that do not know it.
    fn with_checkpointing(&self, _checkpointing: bool) -> Option<Arc<dyn DiscriminatorNetwork>> {
        None
    }

    /// The network with half precision on or off: its largest maps are then stored as `f16`, on devices that know it. `None` in families
    /// that do not.
    fn with_half_precision(&self, _half: bool) -> Option<Arc<dyn DiscriminatorNetwork>> {
        None
    }

    /// Whether half precision is on.
    fn is_half_precision(&self) -> bool {
        false
    }

    /// Factor on the learning rate that suits its parameters: 1 for those of equalised layers (Karras et al. 2018), which have
    /// deviation 1 whatever the layer's size. An Adam step moves every parameter by about the learning rate, so smaller
    /// ones need smaller steps.
    fn learning_rate_factor(&self) -> f64 {
        1.0
    }

    /// Scores `[batch, 1]` (logits: positive means real) of images `[batch, channels, side, side]` of the classes `labels`,
    /// one-hot `[batch, classes]`. An unconditional network does not look at labels; a class-conditional one may be told
    /// none.
    fn forward_labelled(&self, p: &Leaves, images: Dual<4>, labels: Option<Tensor<2>>) -> Dual<2>;

    /// What it sees in each image by itself: the last 4x4 maps, `[batch, channels, 4, 4]`.
    fn trunk(&self, p: &Leaves, images: Dual<4>) -> Dual<4>;

    /// What it sees on the way there: the last maps of each of these sides that it has, `[batch, channels, side, side]`, the
    /// largest first. Sides are halves of the resolution, down to 4.
    fn maps(&self, p: &Leaves, images: Dual<4>, sides: &[usize]) -> Vec<Tensor<4>>;
}

/// A discriminator.
#[derive(Clone, Debug)]
pub struct Discriminator(Arc<dyn DiscriminatorNetwork>);

impl Discriminator {
    /// A discriminator of a family.
    pub fn new(network: impl DiscriminatorNetwork + 'static) -> Self {
        Self(Arc::new(network))
    }

    /// The same network with activation checkpointing on or off, if its family knows it.
    pub fn with_checkpointing(self, checkpointing: bool) -> Self {
        self.0.with_checkpointing(checkpointing).map_or(self, Self)
    }

    /// The same network with half precision on or off, if its family knows it.
    pub fn with_half_precision(self, half: bool) -> Self {
        self.0.with_half_precision(half).map_or(self, Self)
    }

    /// Scores `[batch, 1]` without classes.
    pub fn forward(&self, p: &Leaves, images: Dual<4>) -> Dual<2> {
        self.forward_labelled(p, images, None)
    }
}

impl Deref for Discriminator {
    type Target = dyn DiscriminatorNetwork;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}
