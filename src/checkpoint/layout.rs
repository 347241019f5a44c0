//! The rosinality layout: which keys a network has, in which order PyTorch lists them, which of them are trained.
//!
//! Neither file format keeps the order (`safetensors` sorts, the pickle reader hashes), yet optimizer states are
//! numbered by it, so it is restored by rule.

use indexmap::IndexMap;

pub use crate::networks::is_buffer;
use crate::networks::{
    HostTensor, Params,
    dcgan::is_dcgan,
    stylegan3::{is_stylegan3, keys::FREQUENCIES},
    vit_mae::is_vit_mae,
};

/// Children in the order the modules of `rosinality/stylegan2-pytorch`, and of NVlabs' StyleGAN3, register them. Within every
/// module of both networks a module's own parameters come first, its own buffers next, its children last; one list serves all
/// levels.
const REGISTRATION: [&str; 23] = [
    "style",
    "input",
    "conv1",
    "conv2",
    "skip",
    "to_rgb1",
    "convs",
    "to_rgbs",
    "noises",
    "final_conv",
    "final_linear",
    "weight",
    "bias",
    "kernel",
    "upsample",
    "conv",
    "blur",
    "modulation",
    "noise",
    "activate",
    "synthesis",
    "mapping",
    "affine",
];

/// One dotted segment of a key, in sorting order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// `0`, `12`, and the `3` of `noise_3`.
    Index(u64),
    Registered(usize),
    /// StyleGAN3's `L3_52_512` and `fc1`.
    Layer(u64),
    Unknown(String),
}

/// Sorts as PyTorch's `state_dict` lists the key's tensor; keys of other networks go last, by name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct StateDictOrder(Vec<Segment>);

/// The place of `key` in its network's `state_dict`, for sorting; generators and discriminators alike.
pub fn state_dict_order(key: &str) -> StateDictOrder {
    let segment = |name: &str| {
        if let Ok(index) = name.strip_prefix("noise_").unwrap_or(name).parse() {
            Segment::Index(index)
        } else if let Some(place) = REGISTRATION.iter().position(|known| *known == name) {
            Segment::Registered(place)
        } else if let Some(layer) = layer_number(name) {
            Segment::Layer(layer)
        } else {
            Segment::Unknown(name.to_owned())
        }
    };
    StateDictOrder(key.split('.').map(segment).collect())
}

fn layer_number(name: &str) -> Option<u64> {
    let number = match name.strip_prefix('L') {
        Some(rest) => rest.split_once('_')?.0,
        None => name.strip_prefix("fc")?,
    };
    number.parse().ok()
}

/// The keys of `params` that are trained, in `module.parameters()` order: optimizer index `i` belongs to name `i`.
/// Buffers (`noises.*`, blur kernels and the like) are left out.
pub fn parameter_names(params: &Params) -> Vec<String> {
    let mut names: Vec<String> = params.keys().filter(|key| !is_buffer(key)).cloned().collect();
    names.sort_by_cached_key(|name| state_dict_order(name));
    names
}

/// Whether these keys are a bare generator's, saved without the dictionary around it.
pub(super) fn is_bare_generator(has: impl Fn(&str) -> bool) -> bool {
    has("input.input") && has("conv1.conv.weight") || has(FREQUENCIES)
}

/// The first key every network of this kind has and this one has not.
pub(super) fn missing_key(network: &str, params: &Params) -> Option<&'static str> {
    if is_dcgan(params) || is_stylegan3(params) || is_vit_mae(params) {
        return None;
    }
    let required: &[&str] = match network {
        "d" => &["convs.0.0.weight", "final_conv.0.weight", "final_linear.1.weight"],
        _ => &["style.1.weight", "input.input", "conv1.conv.weight", "to_rgb1.conv.weight"],
    };
    required.iter().copied().find(|key| !params.contains_key(*key))
}

/// Puts tensors that arrived in any order into `state_dict` order.
pub(super) fn in_state_dict_order(mut tensors: IndexMap<String, HostTensor>) -> Params {
    tensors.sort_by_cached_key(|key, _| state_dict_order(key));
    tensors
}
