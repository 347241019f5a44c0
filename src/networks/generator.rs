//! A generator of any family.

use std::{fmt::Debug, ops::Deref, sync::Arc};

use burn::tensor::{Device, Tensor};

use super::{
    block::CheckpointedBytes,
    detail::Details,
    dual::Dual,
    flat::{FlatParams, Leaves, ParamLayout},
    latents::{self, LatentAddress},
    motion::Motion,
    ops::{self, Gradient},
    params::Params,
    patch_order::PatchOrder,
    pictures::{Masking, Pictures, Purpose},
    prepared::Prepared,
};

/// Where a layer's noise map comes from.
#[derive(Clone, Debug)]
pub enum Noise {
    /// The checkpoint's own maps: the same for every sample.
    Constant,
    /// One map per layer, `[batch, 1, side, side]`, standard normal.
    Maps(Vec<Tensor<4>>),
    /// No noise at all.
    None,
}

/// Maps of a layer's size for which there is to be room in a forward pass.
pub const MAPS_AT_ONCE: usize = 4;
/// Maps of a layer's size that are held at a time while a sample is drawn: what an operation takes, and what it gives.
pub const MAPS_HELD: usize = 2;

/// What a family's generator is to the rest of the program. Its weights are passed to every call.
///
/// `z` is drawn from N(0, I); behind it stands the class one-hot (in class-conditional networks). It is mapped to a `w`,
/// of which the synthesis takes one for each of [`num_ws`](Self::num_ws) layers; a family without a mapping network
/// maps to the same values.
pub trait GeneratorNetwork: Debug + Send + Sync {
    /// The family's name, as a person reads it.
    fn family(&self) -> &'static str;

    /// Where each parameter lies in the flat vector.
    fn layout(&self) -> &Arc<ParamLayout>;

    /// Side of the generated images in pixels.
    fn resolution(&self) -> usize;

    /// Number of image channels.
    fn image_channels(&self) -> usize;

    /// Length of `z`, without the class.
    fn z_dim(&self) -> usize;

    /// Number of classes; 0 in unconditional networks.
    fn classes(&self) -> usize;

    /// Whether a file may leave open how many classes there are: nothing in it says so, and a person must.
    fn can_be_conditional(&self) -> bool {
        false
    }

    /// Length of `w`.
    fn w_dim(&self) -> usize;

    /// Number of mapped latents the synthesis takes: layers that can have a style of their own.
    fn num_ws(&self) -> usize;

    /// Output channels of the layers from the first to the last that does not give the image alone; where several stand at
    /// one side, one number may stand for them. [`sides`](Self::sides) has their sides.
    fn channels(&self) -> Vec<usize>;

    /// Sides of the maps that [`channels`](Self::channels) counts: 4, 8, 16, ... unless a family says otherwise.
    fn sides(&self) -> Vec<usize> {
        (0..self.channels().len()).map(|level| 4 << level).collect()
    }

    /// Bytes for which there is to be room when one sample is drawn, beside the weights: from the sizes of the maps, of which a layer
    /// has [`MAPS_AT_ONCE`] (what it takes, scaled, and what it gives, before and after what follows the convolution).
    fn sample_bytes(&self, _device: &Device) -> usize {
        let layers = self.channels().into_iter().zip(self.sides());
        let largest = layers.map(|(channels, side)| channels * side * side).max().unwrap_or_default();
        let image = self.image_channels() * self.resolution() * self.resolution();
        MAPS_AT_ONCE * largest.max(image) * size_of::<f32>()
    }

    /// Bytes that drawing one sample takes at its highest, beside the weights: an estimate, in which a layer holds [`MAPS_HELD`] maps.
    fn drawing_bytes(&self, device: &Device) -> usize {
        self.sample_bytes(device) / MAPS_AT_ONCE * MAPS_HELD
    }

    /// Bytes of maps that a pass with gradients keeps of one sample until the backward pass has come to them: an estimate. A layer of
    /// the usual kind keeps what it takes, scaled, and what it gives, before and after the activation.
    fn training_bytes(&self) -> usize {
        let layers = self.channels().into_iter().zip(self.sides());
        layers.map(|(channels, side)| 3 * channels * side * side).sum::<usize>() * size_of::<f32>()
    }

    /// The same with checkpointing, see [`with_checkpointing`](Self::with_checkpointing), in families that know it.
    fn checkpointed_bytes(&self) -> Option<CheckpointedBytes> {
        None
    }

    /// The network with activation checkpointing on or off: a pass with gradients then keeps only what enters each block and computes
    /// the block again in its backward pass, to the same bits. `None` in families that do not know it.
    fn with_checkpointing(&self, _checkpointing: bool) -> Option<Arc<dyn GeneratorNetwork>> {
        None
    }

    /// The network with half precision on or off: its largest maps are then stored as `f16`, on devices that know it. `None` in families
    /// that do not.
    fn with_half_precision(&self, _half: bool) -> Option<Arc<dyn GeneratorNetwork>> {
        None
    }

    /// Whether half precision is on.
    fn is_half_precision(&self) -> bool {
        false
    }

    /// What else a person wants to know of the architecture.
    fn details(&self) -> Details {
        Details::new()
    }

    /// Side of every layer's noise map, in layer order; empty in networks that take no noise.
    fn noise_sides(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Whether path length regularisation makes sense: the synthesis then takes tangents.
    fn has_path_length(&self) -> bool {
        false
    }

    /// Factor on the learning rate that suits its parameters: 1 for those of equalised layers (Karras et al. 2018), which have
    /// deviation 1 whatever the layer's size. An Adam step moves every parameter by about the learning rate, so smaller
    /// ones need smaller steps.
    fn learning_rate_factor(&self) -> f64 {
        1.0
    }

    /// Whether elastic weight consolidation holds this parameter: those of the layers above 4x4.
    fn is_consolidated(&self, parameter: &str) -> bool;

    /// The block that a layer of this name stands in, for people: the side of its maps, or what else it belongs to.
    fn block(&self, layer: &str) -> String {
        layer.split('.').next().unwrap_or_default().to_owned()
    }

    /// Whether a mapping network makes `w` of `z`, so that the two are different spaces.
    fn has_mapping(&self) -> bool {
        false
    }

    /// `z` `[batch, z_dim + classes]` to `w` `[batch, w_dim]`.
    fn map(&self, p: &Leaves, z: Tensor<2>) -> Tensor<2>;

    /// The centre of truncation for these parameters, `[1, w_dim]`.
    fn w_mean(&self, p: &Leaves) -> Tensor<2>;

    /// Truncation: `w_mean + psi * (w - w_mean)`.
    fn truncate(&self, w: Tensor<2>, w_mean: Tensor<2>, psi: f32) -> Tensor<2> {
        (w - w_mean.clone()) * psi + w_mean
    }

    /// `num_ws` mapped latents `[batch, w_dim]` to images `[batch, channels, side, side]`, nominally in `[-1, 1]`.
    fn synthesize(&self, p: &Leaves, ws: &[Dual<2>], noise: &Noise) -> Dual<4>;

    /// What is mapped at an address, for families whose samples do not begin with a latent.
    fn input(&self, _address: LatentAddress) -> Option<Vec<f32>> {
        None
    }

    /// What it does with pictures, if it completes pictures instead of drawing samples from latents.
    fn completion(&self) -> Option<&dyn CompletionNetwork> {
        None
    }

    /// Whether it draws moved images, see [`moved`](Self::moved).
    fn can_move(&self) -> bool {
        false
    }

    /// The network that draws the same images moved; `None` in families that are not built to follow motions.
    fn moved(&self, _motion: Motion) -> Option<Arc<dyn GeneratorNetwork>> {
        None
    }

    /// What the generator itself makes of a sample on its way to the image, `[batch, channels, side, side]`: features for whoever
    /// learns from a few marks where there is no discriminator. `None` if the family has no such maps.
    fn trunk(&self, _p: &Leaves, _ws: &[Dual<2>]) -> Option<Tensor<4>> {
        None
    }

    /// The maps of its layers in their order, each under the name of its layer, `[batch, channels, side, side]`: what two sets of
    /// weights make of the same `ws` can be compared by them. Families without layers to tell apart give their
    /// [`trunk`](Self::trunk), if they have one.
    fn maps(&self, p: &Leaves, ws: &[Dual<2>]) -> Vec<(String, Tensor<4>)> {
        self.trunk(p, ws).map(|maps| ("trunk".to_owned(), maps)).into_iter().collect()
    }

    /// Whether the values of this parameter stay on the host when the others move to the device, for [`buffers`](Self::buffers).
    fn is_kept_on_host(&self, _parameter: &str) -> bool {
        false
    }

    /// Buffers of the file `template` that follow the weights, with their new values.
    fn buffers(&self, _template: &Params, _weights: &FlatParams) -> Vec<(String, Vec<f32>)> {
        Vec::new()
    }
}

/// A network that completes pictures. Its samples are pictures and masks; see [`GeneratorNetwork::input`].
///
/// Pictures are `[batch, 3, side, side]` in `[-1, 1]`; `images` are what the network sees, normalised and with its own channels.
pub trait CompletionNetwork: Sync {
    /// The pictures that numbers stand for, once there are some.
    fn pictures(&self) -> Option<&Arc<dyn Pictures>>;

    /// The same network with these pictures, which have its side.
    fn with_pictures(&self, pictures: Arc<dyn Pictures>) -> Arc<dyn GeneratorNetwork>;

    /// What of the pictures is hidden.
    fn masking(&self) -> Masking;

    /// The same network, hiding something else.
    fn with_masking(&self, masking: Masking) -> Arc<dyn GeneratorNetwork>;

    /// The share of the patches that is hidden if nobody chooses another.
    fn mask_ratio(&self) -> f32;

    /// Number of patches of a picture.
    fn patches(&self) -> usize;

    /// Whether a parameter is the encoder's.
    fn is_encoder(&self, parameter: &str) -> bool;

    /// Pictures, row-major, as the network sees them.
    fn normalised(&self, pictures: &[f32], device: &Device) -> Tensor<4>;

    /// The order of patches by one number each, `[batch, patches]`, with the model's own share hidden.
    fn order(&self, noise: &[f32]) -> PatchOrder;

    /// The order of patches of whole pictures: all are seen.
    fn whole(&self, batch: usize) -> PatchOrder;

    /// Samples as the network sees them, with the model's own share hidden: pictures and the order of their patches. `rows` are
    /// their [`inputs`](GeneratorNetwork::input), one after the other.
    fn seen(&self, rows: &[f32], device: &Device) -> (Tensor<4>, PatchOrder);

    /// What the encoder makes of what it sees, `[batch, 1 + visible, width]`: the class token, then the visible patches.
    fn encode(&self, p: &Leaves, images: Tensor<4>, order: &PatchOrder) -> Tensor<3>;

    /// The loss that it was trained with, `[1]`.
    fn training_loss(&self, p: &Leaves, images: Tensor<4>, order: &PatchOrder) -> Tensor<1>;

    /// The pictures that samples begin with, `[samples, channels, side, side]` in `[-1, 1]`; `rows` are their
    /// [`inputs`](GeneratorNetwork::input), one after the other.
    fn originals(&self, rows: &[f32]) -> Vec<f32>;

    /// Which pixels of these pictures are hidden, `[samples, side, side]`.
    fn hidden(&self, rows: &[f32]) -> Vec<bool>;
}

/// A generator, and the class that it draws, if only one.
#[derive(Clone, Debug)]
pub struct Generator {
    network: Arc<dyn GeneratorNetwork>,
    class: Option<usize>,
}

impl Generator {
    /// A generator that draws all classes.
    pub fn new(network: impl GeneratorNetwork + 'static) -> Self {
        Self { network: Arc::new(network), class: None }
    }

    /// Length of what is mapped: `z` and, behind it, the class one-hot (in class-conditional networks).
    pub fn latent_dim(&self) -> usize {
        self.z_dim() + self.classes()
    }

    /// The class that all addresses stand for, if there is only one; otherwise an address decides its class.
    pub fn class(&self) -> Option<usize> {
        self.class
    }

    /// The same network drawing only this class, or (`None`) all of them.
    pub fn with_class(self, class: Option<usize>) -> Self {
        Self { class, ..self }
    }

    /// The same network with activation checkpointing on or off, if its family knows it.
    pub fn with_checkpointing(self, checkpointing: bool) -> Self {
        match self.network.with_checkpointing(checkpointing) {
            Some(network) => Self { network, ..self },
            None => self,
        }
    }

    /// The same network with half precision on or off, if its family knows it.
    pub fn with_half_precision(self, half: bool) -> Self {
        match self.network.with_half_precision(half) {
            Some(network) => Self { network, ..self },
            None => self,
        }
    }

    /// The same network completing these pictures, if its family does that.
    pub fn with_pictures(self, pictures: Arc<dyn Pictures>) -> Self {
        match self.completion().map(|network| network.with_pictures(pictures)) {
            Some(network) => Self { network, ..self },
            None => self,
        }
    }

    /// The same network hiding this of its pictures, if its family completes pictures.
    pub fn with_masking(self, masking: Masking) -> Self {
        match self.completion().filter(|network| network.masking() != masking).map(|n| n.with_masking(masking)) {
            Some(network) => Self { network, ..self },
            None => self,
        }
    }

    /// Number of pictures there are for a purpose; `None` where samples begin with latents, which never end. Without pictures it
    /// is 0.
    pub fn pictures_for(&self, purpose: Purpose) -> Option<usize> {
        let pictures = |network: &dyn CompletionNetwork| network.pictures().map_or(0, |pictures| pictures.count());
        self.completion().map(|network| purpose.count(pictures(network)))
    }

    /// So many samples of those that there are for a purpose, from `first` on: their indices.
    pub fn indices(&self, purpose: Purpose, places: std::ops::Range<usize>) -> Vec<u64> {
        let places = places.map(|place| place as u64);
        match self.completion() {
            Some(_) => places.map(|place| purpose.number(place)).collect(),
            None => places.collect(),
        }
    }

    /// The same network drawing moved images, if its family can.
    pub fn with_motion(self, motion: Motion) -> Self {
        match self.network.moved(motion) {
            Some(network) if motion != Motion::default() => Self { network, ..self },
            _ => self,
        }
    }

    /// What is mapped at this address, `[latent_dim]`.
    pub fn latent(&self, address: LatentAddress) -> Vec<f32> {
        self.latents(address.seed, [address.index])
    }

    /// What is mapped at this address with a class of choice, `[latent_dim]`.
    pub fn latent_of(&self, address: LatentAddress, class: Option<usize>) -> Vec<f32> {
        match self.input(address) {
            Some(row) => row,
            None => latents::inputs(address.seed, [address.index], self.z_dim(), self.classes(), class.or(self.class)),
        }
    }

    /// What is mapped at the addresses `(seed, indices)`, `[indices, latent_dim]`, row-major.
    pub fn latents(&self, seed: u64, indices: impl IntoIterator<Item = u64>) -> Vec<f32> {
        if self.completion().is_some() {
            return indices.into_iter().flat_map(|index| self.latent_of(LatentAddress { seed, index }, None)).collect();
        }
        latents::inputs(seed, indices, self.z_dim(), self.classes(), self.class)
    }

    /// The classes in rows of [`latent_dim`](Self::latent_dim) values, one-hot, `[batch, classes]`; none in unconditional
    /// networks.
    pub fn labels(&self, latents: &Tensor<2>) -> Option<Tensor<2>> {
        (self.classes() > 0).then(|| latents.clone().narrow(1, self.z_dim(), self.classes()))
    }

    /// One `w` for every layer.
    pub fn broadcast(&self, w: Tensor<2>) -> Vec<Tensor<2>> {
        repeated(w, self.num_ws())
    }

    /// Style mixing: `first` for the layers below `crossover`, `second` from there on.
    pub fn mix(&self, first: Tensor<2>, second: Tensor<2>, crossover: usize) -> Vec<Tensor<2>> {
        let mut ws = repeated(first, crossover.min(self.num_ws()));
        ws.extend(repeated(second, self.num_ws() - ws.len()));
        ws
    }

    /// `z` to images in one call, the same `w` in all layers.
    pub fn forward(&self, p: &Leaves, z: Tensor<2>, noise: &Noise) -> Tensor<4> {
        let ws: Vec<_> = self.broadcast(self.map(p, z)).into_iter().map(Dual::from).collect();
        self.synthesize(p, &ws, noise).value
    }
}

/// The same latents for several layers. On GPUs the gradients of all layers are added in one go, and not one after the other.
fn repeated(w: Tensor<2>, times: usize) -> Vec<Tensor<2>> {
    let outside = w.clone().inner().into_dispatch();
    let w = w.into_dispatch();
    if !Prepared::is_for(&Tensor::<2>::from_dispatch(outside.clone()).device()) || !ops::is_tracked(&w) {
        return (0..times).map(|_| Tensor::from_dispatch(w.clone())).collect();
    }
    let sum = |gradients: Vec<Gradient>| {
        let gradients = gradients.into_iter().flatten().map(Tensor::<2>::from_dispatch);
        vec![gradients.reduce(|sum, gradient| sum + gradient).map(Tensor::into_dispatch)]
    };
    ops::with_backward(vec![w], vec![outside; times], sum).into_iter().map(Tensor::from_dispatch).collect()
}

impl Deref for Generator {
    type Target = dyn GeneratorNetwork;

    fn deref(&self) -> &Self::Target {
        &*self.network
    }
}
