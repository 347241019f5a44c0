//! NVlabs stylegan2-ada-pytorch network pickles (`.pkl`): `G`, `D`, `G_ema` in a dictionary, or one network alone.
//!
//! Such a pickle holds the source text of its classes and is opened by running it; here nothing is run. `objects` sees
//! the persistent objects as plain modules, `storage` finds the tensors, `generator` and `discriminator` rename them to
//! the rosinality layout. The two code bases agree but for names: weights are stored unscaled in both, are flipped in
//! neither, and a blur kernel differs by its gain. What the rosinality layout has no name for becomes a buffer of
//! `networks::stylegan2::extension`. Layers that were trained in half precision are computed in single precision.

mod discriminator;
mod generator;
mod objects;
mod storage;
mod stream;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::layout::in_state_dict_order;
use super::pickle::{Node, NodeId, Pickle, PickleError};
use super::{Checkpoint, CheckpointError};
use crate::networks::{HostTensor, Params, stylegan2::extension};
use objects::Module;
use storage::Storages;

/// Why a network is not read, before the file's name is added.
pub(super) enum NetworkError {
    /// It belongs to an architecture that is not read: `a StyleGAN3 generator`.
    Declined(String),
    /// It contradicts itself.
    Bad(String),
    /// A stream inside the file would run this.
    Hostile(String),
    /// The system failed.
    Io(std::io::Error),
}

pub(super) fn load(path: &Path, watch: &mut dyn FnMut(u64)) -> Result<Checkpoint, CheckpointError> {
    let file = File::open(path).map_err(|error| CheckpointError::read(path, &error))?;
    let length = file.metadata().map_err(|error| CheckpointError::read(path, &error))?.len();
    let mut file = BufReader::new(file);
    let pickle = Pickle::read(&mut file, length).map_err(|error| match error {
        PickleError::Io(error) => CheckpointError::io(path, &error),
        other => CheckpointError::damaged(path, other),
    })?;
    if let Some(name) = pickle.hostile_name() {
        return Err(CheckpointError::hostile(path, name));
    }
    let after = file.stream_position().map_err(|error| CheckpointError::io(path, &error))?;
    if after != length {
        return Err(CheckpointError::damaged(path, format!("{} bytes follow the pickle", length - after)));
    }
    let mut reader = Reader { pickle: &pickle, storages: Storages::new(&pickle, &mut file, length, watch) };
    reader.checkpoint().map_err(|error| match error {
        NetworkError::Declined(found) => CheckpointError::declined(path, &found),
        NetworkError::Bad(reason) => CheckpointError::bad_network(path, &reason),
        NetworkError::Hostile(name) => CheckpointError::hostile(path, &name),
        NetworkError::Io(error) => CheckpointError::io(path, &error),
    })
}

struct Reader<'a> {
    pickle: &'a Pickle,
    storages: Storages<'a>,
}

impl<'a> Reader<'a> {
    fn checkpoint(&mut self) -> Result<Checkpoint, NetworkError> {
        let root = self.pickle.root();
        let mut checkpoint = Checkpoint::default();
        if let Some(network) = Module::of(self.pickle, root, "") {
            match network.class() {
                "Discriminator" => return Err(NetworkError::Bad("it has a discriminator but no generator".to_owned())),
                _ => checkpoint.g_ema = Some(self.generator(&network)?),
            }
            return Ok(checkpoint);
        }
        if !matches!(self.pickle.node(root), Node::Dict(_)) {
            return Err(NetworkError::Declined(self.describe(root)));
        }
        let network = |key: &str| Some(Module::of(self.pickle, self.pickle.get(root, key)?, key));
        let mut found = BTreeMap::new();
        for key in ["G", "D", "G_ema"] {
            match network(key) {
                Some(Some(module)) => drop(found.insert(key, module)),
                Some(None) if self.pickle.get(root, key).is_some_and(|id| !self.is_none(id)) => {
                    return Err(NetworkError::Bad(format!("its `{key}` is no network")));
                }
                _ => {}
            }
        }
        if !found.contains_key("G_ema") && !found.contains_key("G") {
            return Err(NetworkError::Declined(self.describe(root)));
        }
        // The averaged generator alone is shown and exported; both are needed to train.
        if let Some(module) = found.get("G_ema") {
            checkpoint.g_ema = Some(self.generator(module)?);
        }
        if let Some(module) = found.get("G") {
            checkpoint.g = Some(self.generator(module)?);
        }
        if let Some(module) = found.get("D") {
            let mut params = discriminator::convert(module, &mut self.storages)?;
            params = in_state_dict_order(params);
            checkpoint.d = Some(params);
        }
        checkpoint.args = self.training_arguments(root);
        checkpoint.ada_aug_p = self.augmentation(root);
        Ok(checkpoint)
    }

    fn generator(&mut self, module: &Module<'a>) -> Result<Params, NetworkError> {
        generator::convert(module, &mut self.storages).map(in_state_dict_order)
    }

    fn is_none(&self, id: NodeId) -> bool {
        matches!(self.pickle.node(id), Node::None)
    }

    fn training_arguments(&self, root: NodeId) -> Map<String, Value> {
        const KEY: &str = "training_set_kwargs";
        let value = self.pickle.get(root, KEY).and_then(|id| self.pickle.to_json(id));
        value.filter(Value::is_object).map(|value| (KEY.to_owned(), value)).into_iter().collect()
    }

    /// The strength that adaptive augmentation had reached, a buffer of the pipe.
    fn augmentation(&mut self, root: NodeId) -> Option<f64> {
        let pipe = Module::of(self.pickle, self.pickle.get(root, "augment_pipe")?, "augment_pipe")?;
        let strength = self.storages.tensor(&pipe, "p").ok()??;
        strength.data.first().map(|p| f64::from(*p)).filter(|p| (0.0..=1.0).contains(p))
    }

    /// What a file that is none of ours holds, in a few words.
    fn describe(&self, root: NodeId) -> String {
        if let Some((class, _)) = self.pickle.call(root) {
            return format!("a pickled `{}`", short(class));
        }
        let items = self.pickle.items(root);
        let classes: Vec<&str> = items.iter().filter_map(|id| Some(self.pickle.call(*id)?.0)).collect();
        if classes.first().is_some_and(|class| class.starts_with("dnnlib.tflib")) {
            return "TensorFlow networks (convert them with `legacy.py` of stylegan2-ada-pytorch first)".to_owned();
        }
        let keys: Vec<String> = self.pickle.entries(root).take(6).map(|(key, _)| short(&key)).collect();
        if keys.is_empty() { "no networks".to_owned() } else { format!("keys {} but no G or G_ema", keys.join(", ")) }
    }
}

/// A name from the file, fit for a sentence.
fn short(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(60).collect()
}

/// Tensors under their new names.
pub(super) type Tensors = IndexMap<String, HostTensor>;

/// Adds a scalar buffer of [`extension`].
fn put_scalar(tensors: &mut Tensors, key: &str, value: f32) {
    tensors.insert(key.to_owned(), HostTensor { shape: Vec::new(), data: vec![value] });
}

/// The learning-rate multiplier of the rosinality layout's mapping network.
const LR_MULTIPLIER: f64 = 0.01;

/// The mapping network under the names of [`networks::mapping`](crate::gan): `embed`, `style.1`, `style.2`, ...
fn convert_mapping(module: &Module, storages: &mut Storages, tensors: &mut Tensors) -> Result<(), NetworkError> {
    let mut rename = |module: &Module, name: &str| -> Result<(), NetworkError> {
        tensors.insert(format!("{name}.weight"), storages.required(module, "weight")?);
        tensors.insert(format!("{name}.bias"), storages.required(module, "bias")?);
        Ok(())
    };
    if let Some(embed) = module.child("embed") {
        embed.must_be_linear()?;
        rename(&embed, extension::EMBED)?;
    }
    let mut multiplier = None;
    // Deeper ones do not exist, and a hostile file could name one module any number of times.
    for index in 0..64 {
        let Some(layer) = module.child(&format!("fc{index}")) else { break };
        layer.must_be_leaky()?;
        rename(&layer, &format!("style.{}", index + 1))?;
        let own = layer.number("bias_gain").unwrap_or(LR_MULTIPLIER);
        if *multiplier.get_or_insert(own) != own {
            return Err(NetworkError::Declined("a mapping network of several learning-rate multipliers".to_owned()));
        }
    }
    match multiplier {
        Some(own) if own != LR_MULTIPLIER => put_scalar(tensors, extension::LR_MULTIPLIER, own as f32),
        _ => {}
    }
    Ok(())
}
