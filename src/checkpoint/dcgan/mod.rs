//! Files of PyTorch that hold a DCGAN: a `state_dict` of the generator, bare or somewhere in dictionaries under any name,
//! perhaps with one of the discriminator. `arrange` tells networks by shapes and order; the file itself is kept
//! ([`TorchFile`](super::torch_file::TorchFile)) and written again with new weights in the old places.

mod arrange;

use std::io::Write;
use std::path::Path;

use super::pickle::{Node, NodeId, Pickle};
use super::torch_file::{Place, TorchFile, tensor_shape};
use super::{Checkpoint, CheckpointError, atomic::write_atomically};
use crate::networks::Params;
use arrange::{Named, Role, arrange};

/// Dictionaries within dictionaries that are looked into.
const DEEPEST: usize = 5;
/// Dictionaries that are looked at.
const MOST_DICTIONARIES: usize = 4096;

/// The file a DCGAN came from, and where its networks' tensors lie in it.
#[derive(Clone, Debug, PartialEq)]
pub struct DcganFile {
    file: TorchFile,
    networks: Vec<PlacedNetwork>,
}

/// A network's tensors by key, with their names and places in the file.
#[derive(Clone, Debug, PartialEq)]
struct PlacedNetwork {
    part: &'static str,
    tensors: Vec<(String, String, Place)>,
}

impl DcganFile {
    /// The names that the tensors of a network (`g_ema`, `g` or `d`) have in the file, by key.
    pub fn names(&self, part: &str) -> impl Iterator<Item = (&str, &str)> {
        let tensors = self.networks.iter().filter(move |network| network.part == part).flat_map(|n| &n.tensors);
        tensors.map(|(key, name, _)| (key.as_str(), name.as_str()))
    }
}

/// Whether a file holds a DCGAN.
pub(super) enum Found {
    /// It does.
    Dcgan(Box<Checkpoint>),
    /// It does not; if it holds a network at all, why that is no DCGAN's generator, in one clause.
    Other(Option<String>),
}

/// A dictionary whose values are tensors.
struct StateDict {
    /// The keys that lead to it.
    path: String,
    tensors: Vec<Named>,
    nodes: Vec<NodeId>,
}

/// Reads the DCGAN in the file of which `pickle` is the object.
pub(super) fn load(path: &Path, pickle: &Pickle, watch: &mut dyn FnMut(u64)) -> Result<Found, CheckpointError> {
    let dicts = state_dicts(pickle);
    let fitting = |role: Role| -> Vec<(&StateDict, Vec<(usize, String)>)> {
        dicts.iter().filter_map(|dict| Some((dict, arrange(&dict.tensors, role).ok()?))).collect()
    };
    let (generators, discriminators) = (fitting(Role::Generator), fitting(Role::Discriminator));
    let averaged =
        |dict: &StateDict| ["ema", "avg", "average"].iter().any(|word| dict.path.to_lowercase().contains(word));
    let ema = generators.iter().find(|(dict, _)| averaged(dict));
    let trained = generators.iter().find(|(dict, _)| !averaged(dict));
    // What is shown is the average, and the trained generator where there is none.
    let chosen: Vec<_> = match (ema, trained) {
        (Some(ema), Some(trained)) => vec![("g_ema", ema), ("g", trained)],
        (Some(one), None) | (None, Some(one)) => vec![("g_ema", one)],
        (None, None) => return Ok(Found::Other(why_not(&dicts, !discriminators.is_empty()))),
    };
    let chosen = chosen.into_iter().chain(discriminators.first().map(|network| ("d", network)));

    let damaged = |reason: String| CheckpointError::damaged(path, reason);
    let bytes = std::fs::read(path).map_err(|error| CheckpointError::read(path, &error))?;
    let file = TorchFile::open(bytes, pickle).map_err(damaged)?;
    let mut checkpoint = Checkpoint::default();
    let mut networks = Vec::new();
    let (mut allowance, mut read) = (file.allowance(), 0);
    for (part, (dict, arranged)) in chosen {
        let (mut params, mut tensors) = (Params::new(), Vec::new());
        for (index, key) in arranged {
            let name = &dict.tensors[*index].name;
            let fails = |reason: String| damaged(format!("tensor `{name}`: {reason}"));
            let place = Place::of(pickle, dict.nodes[*index]).map_err(fails)?;
            if !place.is_writable() {
                return Err(fails("it holds whole numbers, which no weight is".to_owned()));
            }
            let bytes = place.shape.iter().fold(4_usize, |bytes, extent| bytes.saturating_mul(*extent));
            allowance =
                allowance.checked_sub(bytes).ok_or_else(|| fails("it claims more than the file holds".to_owned()))?;
            params.insert(key.clone(), file.read(&place).map_err(fails)?);
            read += bytes as u64;
            watch(read);
            tensors.push((key.clone(), name.clone(), place));
        }
        match part {
            "g_ema" => checkpoint.g_ema = Some(params),
            "g" => checkpoint.g = Some(params),
            _ => checkpoint.d = Some(params),
        }
        networks.push(PlacedNetwork { part, tensors });
    }
    checkpoint.dcgan = Some(DcganFile { file, networks });
    Ok(Found::Dcgan(Box::new(checkpoint)))
}

/// Writes the file again with the networks' present weights, in the layout and under the names it came with.
pub(super) fn save(path: &Path, checkpoint: &Checkpoint, file: &DcganFile) -> Result<(), CheckpointError> {
    let params = |part: &str| match part {
        "g_ema" => checkpoint.g_ema.as_ref(),
        "g" => checkpoint.g.as_ref(),
        _ => checkpoint.d.as_ref(),
    };
    let tensors = file.networks.iter().flat_map(|network| {
        let params = params(network.part);
        network.tensors.iter().filter_map(move |(key, _, place)| Some((place, params?.get(key)?)))
    });
    let bytes = file.file.with(tensors).map_err(|reason| CheckpointError::mismatch(path, reason))?;
    write_atomically(path, |file| file.write_all(&bytes))
}

/// All dictionaries of tensors, outer ones first.
fn state_dicts(pickle: &Pickle) -> Vec<StateDict> {
    let mut found = Vec::new();
    let mut level = vec![(String::new(), pickle.root())];
    let mut looked_at = 0;
    for _ in 0..DEEPEST {
        let mut next = Vec::new();
        for (path, id) in level {
            looked_at += 1;
            if looked_at > MOST_DICTIONARIES {
                return found;
            }
            let (mut tensors, mut nodes) = (Vec::new(), Vec::new());
            for (name, value) in pickle.entries(id) {
                if let Some(shape) = tensor_shape(pickle, value) {
                    tensors.push(Named { name, shape });
                    nodes.push(value);
                } else if matches!(pickle.node(value), Node::Dict(_)) {
                    next.push((format!("{path}.{name}"), value));
                }
            }
            if tensors.len() > 1 {
                found.push(StateDict { path, tensors, nodes });
            }
        }
        level = next;
    }
    found
}

/// What is wrong with the dictionary that is most like a network's.
fn why_not(dicts: &[StateDict], has_discriminator: bool) -> Option<String> {
    if has_discriminator {
        return Some("it has a discriminator but no generator".to_owned());
    }
    let weights = |dict: &&StateDict| dict.tensors.iter().filter(|tensor| tensor.shape.len() >= 2).count();
    let most = dicts.iter().rev().max_by_key(weights)?;
    arrange(&most.tensors, Role::Generator).err()
}
