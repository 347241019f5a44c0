//! The centre of truncation: the mean of `w`.

use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor, TensorData};

use super::mapping::{Mapping, MappingNames};
use crate::networks::{FlatParams, HostTensor, Leaves, ParamLayout, Params, latents};

/// Seed of the latents whose mapped mean is the truncation's centre.
const SEED: u64 = 0x77_6d_65_61_6e;
/// Number of those latents.
const SAMPLES: u64 = 4096;

/// A running mean of `w` from a training, and the mapping network it was the mean of.
///
/// Where the mapping network has moved since, the mean has moved with it: by as much as the mean over fixed latents.
#[derive(Clone, Debug)]
pub(in crate::networks) struct WAvg {
    value: Tensor<2>,
    origin: FlatParams,
    origin_mean: Arc<OnceLock<Tensor<2>>>,
}

impl WAvg {
    pub(in crate::networks) fn new(value: &HostTensor, params: &Params, names: &MappingNames, device: &Device) -> Self {
        let shape = [1, value.data.len()];
        let origin = params.iter().filter(|(key, _)| names.is_parameter(key));
        let origin: Params = origin.map(|(key, tensor)| (key.clone(), tensor.clone())).collect();
        let layout = Arc::new(ParamLayout::of(&origin, |_| false));
        Self {
            value: Tensor::from_data(TensorData::new(value.data.clone(), shape), device),
            origin: FlatParams::from_host(&layout, &origin, device),
            origin_mean: Arc::default(),
        }
    }
}

/// The centre for the parameters `p`, `[1, style_dim]`: the mean over fixed latents or, where a training has left a
/// running mean, that one.
pub(in crate::networks) fn centre(mapping: &Mapping, w_avg: Option<&WAvg>, p: &Leaves) -> Tensor<2> {
    let drawn = |p: &Leaves| {
        let dim = mapping.latent() + mapping.classes();
        let z = latents::inputs(SEED, 0..SAMPLES, mapping.latent(), mapping.classes(), None);
        let z = Tensor::from_data(TensorData::new(z, [SAMPLES as usize, dim]), &p.device());
        mapping.forward(p, z).mean_dim(0)
    };
    let Some(w_avg) = w_avg else { return drawn(p) };
    let before = w_avg.origin_mean.get_or_init(|| drawn(&w_avg.origin.constants_as(p.layout())));
    w_avg.value.clone() + (drawn(p) - before.clone())
}
