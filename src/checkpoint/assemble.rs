//! Between a file's flat list of named tensors and a [`Checkpoint`]: what is common to all formats.
//!
//! Flat names are `g.KEY`, `d.KEY`, `g_ema.KEY` and `g_optim.INDEX.FIELD`, `d_optim.INDEX.FIELD`.

use std::collections::BTreeMap;
use std::path::Path;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::layout::{in_state_dict_order, is_bare_generator, missing_key, parameter_names};
use super::{AdamMoments, Checkpoint, CheckpointError, OptimState};
use crate::{
    networks::{HostTensor, Params, stylegan2::extension::W_AVG},
    sanitize::sanitize,
};

/// The running mean of `w`, which the rosinality layout keeps beside the networks.
pub(super) const LATENT_AVG: &str = "latent_avg";

/// A checkpoint's parts that are not tensors.
#[derive(Default)]
pub(super) struct OtherParts {
    pub(super) args: Map<String, Value>,
    pub(super) ada_aug_p: Option<f64>,
    pub(super) g_param_groups: Option<Value>,
    pub(super) d_param_groups: Option<Value>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// Whether a flat name is one [`assemble`] would use.
pub(super) fn is_ours(name: &str) -> bool {
    name == LATENT_AVG
        || name.split_once('.').is_some_and(|(part, _)| ["g", "d", "g_ema", "g_optim", "d_optim"].contains(&part))
}

/// Builds and checks a checkpoint. An optimizer state whose network is not in the file is left out: it says nothing.
pub(super) fn assemble(
    file: &Path,
    mut tensors: IndexMap<String, HostTensor>,
    extras: OtherParts,
) -> Result<Checkpoint, CheckpointError> {
    if is_bare_generator(|key| tensors.contains_key(key)) {
        tensors = tensors.into_iter().map(|(key, tensor)| (format!("g_ema.{key}"), tensor)).collect();
    }
    if !tensors.keys().any(|name| is_ours(name)) {
        return Err(not_a_checkpoint(file, tensors.into_keys()));
    }
    let latent_avg = tensors.swap_remove(LATENT_AVG);
    let mut parts: BTreeMap<String, IndexMap<String, HostTensor>> = BTreeMap::new();
    for (name, tensor) in tensors {
        if let Some((part, key)) = name.split_once('.') {
            parts.entry(part.to_owned()).or_default().insert(key.to_owned(), tensor);
        }
    }
    if !parts.contains_key("g_ema") && !parts.contains_key("g") {
        return Err(not_a_checkpoint(file, parts.into_keys()));
    }
    if let Some(mean) = latent_avg {
        for part in ["g_ema", "g"] {
            if let Some(generator) = parts.get_mut(part) {
                let HostTensor { data, .. } = mean.clone();
                generator.entry(W_AVG.to_owned()).or_insert(HostTensor { shape: vec![data.len()], data });
            }
        }
    }
    let mut network = |name: &str| match parts.remove(name).map(in_state_dict_order) {
        Some(params) => match missing_key(name, &params) {
            Some(key) => Err(CheckpointError::mismatch(file, format!("`{name}` has no `{key}`"))),
            None => Ok(Some(params)),
        },
        None => Ok(None),
    };
    let (g_ema, g, d) = (network("g_ema")?, network("g")?, network("d")?);
    let mut optimizer = |name: &str, params: &Option<Params>, param_groups: Option<Value>| {
        let tensors = parts.remove(name).unwrap_or_default();
        match (params, param_groups) {
            (Some(params), param_groups) if param_groups.is_some() || !tensors.is_empty() => {
                optimizer_state(tensors, params, param_groups.unwrap_or_default())
                    .map(Some)
                    .map_err(|reason| CheckpointError::mismatch(file, format!("`{name}`: {reason}")))
            }
            _ => Ok(None),
        }
    };
    let g_optim = optimizer("g_optim", &g, extras.g_param_groups)?;
    let d_optim = optimizer("d_optim", &d, extras.d_param_groups)?;
    let OtherParts { args, ada_aug_p, metadata, .. } = extras;
    Ok(Checkpoint { g_ema, g, d, g_optim, d_optim, args, ada_aug_p, metadata, dcgan: None, pickle: None })
}

/// The error for a file whose keys are another network's.
pub(super) fn not_a_checkpoint(file: &Path, keys: impl Iterator<Item = String>) -> CheckpointError {
    CheckpointError::NotACheckpoint { file: file.to_owned(), found: describe_keys(keys) }
}

/// `keys a, b, c ...`: the first few keys of a file that holds something else.
fn describe_keys(keys: impl Iterator<Item = String>) -> String {
    /// As many as fit a sentence.
    const SHOWN: usize = 6;
    /// Characters of a key; a hostile one can be megabytes long.
    const LONGEST: usize = 60;
    let mut keys = keys.map(|key| sanitize(&key, LONGEST));
    let shown: Vec<String> = keys.by_ref().take(SHOWN).collect();
    match (shown.is_empty(), keys.next()) {
        (true, _) => "no tensors".to_owned(),
        (false, None) => format!("keys {}", shown.join(", ")),
        (false, Some(_)) => format!("keys {} ...", shown.join(", ")),
    }
}

/// Adam's moments from tensors named `INDEX.FIELD`, each held against the parameter it belongs to.
fn optimizer_state(
    mut tensors: IndexMap<String, HostTensor>,
    params: &Params,
    param_groups: Value,
) -> Result<OptimState, String> {
    let names = parameter_names(params);
    let mut indices = Vec::new();
    for name in tensors.keys() {
        let index = name.split('.').next().unwrap_or_default();
        indices.push(index.parse::<usize>().map_err(|_| format!("unexpected state `{name}`"))?);
    }
    indices.sort_unstable();
    indices.dedup();
    let mut moments = IndexMap::new();
    for index in indices {
        let Some(name) = names.get(index) else {
            return Err(format!("a state for parameter {index}, but there are {} parameters", names.len()));
        };
        let mut field = |field: &str, shape: &[usize]| match tensors.swap_remove(&format!("{index}.{field}")) {
            None => Err(format!("no {field} for parameter {index} (`{name}`)")),
            Some(tensor) if tensor.shape != shape => Err(format!(
                "the {field} of parameter {index} (`{name}`) has shape {:?} instead of {shape:?}",
                tensor.shape
            )),
            Some(tensor) => Ok(tensor),
        };
        let shape = params.get(name).map(|tensor| tensor.shape.as_slice()).unwrap_or_default();
        let (exp_avg, exp_avg_sq) = (field("exp_avg", shape)?, field("exp_avg_sq", shape)?);
        let step = field("step", &[])?.data.first().copied().unwrap_or_default();
        moments.insert(index, AdamMoments { step, exp_avg, exp_avg_sq });
    }
    Ok(OptimState { moments, param_groups })
}

/// A tensor as a writer sees it: its name, shape and values.
pub(super) struct Entry<'a> {
    pub(super) name: String,
    pub(super) shape: &'a [usize],
    pub(super) data: &'a [f32],
}

impl<'a> Entry<'a> {
    pub(super) fn new(name: String, tensor: &'a HostTensor) -> Self {
        Self { name, shape: &tensor.shape, data: &tensor.data }
    }

    /// The values as files hold them (little-endian, as every platform this program runs on).
    pub(super) fn bytes(&self) -> &'a [u8] {
        bytemuck::cast_slice(self.data)
    }
}

impl AdamMoments {
    /// The moments' tensors by their names in PyTorch.
    pub(super) fn entries(&self) -> [Entry<'_>; 3] {
        [
            Entry { name: "step".to_owned(), shape: &[], data: std::slice::from_ref(&self.step) },
            Entry::new("exp_avg".to_owned(), &self.exp_avg),
            Entry::new("exp_avg_sq".to_owned(), &self.exp_avg_sq),
        ]
    }
}
