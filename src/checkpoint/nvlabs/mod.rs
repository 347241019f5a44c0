//! NVlabs network pickles (`.pkl`) of stylegan2-ada-pytorch and stylegan3: `G`, `D`, `G_ema` in a dictionary, or one network
//! alone.
//!
//! Such a pickle holds the source text of its classes and is opened by running it; here nothing is run. `objects` sees
//! the persistent objects as plain modules, `storage` finds the tensors, `generator` and `discriminator` rename them to
//! the rosinality layout, `stylegan3` keeps NVlabs' names. A pickle is written again by putting weights in the places they
//! came from (`file`). The two StyleGAN2 code bases agree but for names: weights are stored unscaled in both, are flipped in
//! neither, and a blur kernel differs by its gain. What the rosinality layout has no name for becomes a buffer of
//! `networks::stylegan2::extension`. Layers that were trained in half precision are computed in single precision.

mod clamps;
mod discriminator;
mod file;
mod generator;
mod numpy;
mod objects;
mod storage;
mod stream;
mod stylegan3;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::layout::in_state_dict_order;
use super::pickle::{Node, NodeId, Pickle, PickleError};
use super::{Checkpoint, CheckpointError};
use crate::networks::{Params, stylegan2::extension, stylegan3::keys::LR_MULTIPLIER as LR_MULTIPLIER_3};
pub use file::PickleFile;
use objects::Module;
use storage::{Slot, Storages, Stored};

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
    let storages = Storages::new(&pickle, &mut file, length, watch);
    let mut reader = Reader { pickle: &pickle, storages, places: Vec::new() };
    let checkpoint = reader.checkpoint().map_err(|error| match error {
        NetworkError::Declined(found) => CheckpointError::declined(path, &found),
        NetworkError::Bad(reason) => CheckpointError::bad_network(path, &reason),
        NetworkError::Hostile(name) => CheckpointError::hostile(path, &name),
        NetworkError::Io(error) => CheckpointError::io(path, &error),
    })?;
    let places = reader.places;
    let kept = PickleFile::keep(&mut file, length, places).map_err(|error| CheckpointError::io(path, &error))?;
    Ok(Checkpoint { pickle: kept, ..checkpoint })
}

/// Writes a pickle again with the networks' present weights; only what came in one has a layout to write.
pub(super) fn save(path: &Path, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
    let Some(file) = &checkpoint.pickle else { return Err(CheckpointError::NoPickle { file: path.to_owned() }) };
    file.save(path, checkpoint)
}

struct Reader<'a> {
    pickle: &'a Pickle,
    storages: Storages<'a>,
    /// Where tensors lie: network (`g_ema`, `g` or `d`), key, place; none where a parameter has no place of its own.
    places: Vec<(&'static str, String, Option<Slot>)>,
}

impl<'a> Reader<'a> {
    fn checkpoint(&mut self) -> Result<Checkpoint, NetworkError> {
        let root = self.pickle.root();
        let mut checkpoint = Checkpoint::default();
        if let Some(network) = Module::of(self.pickle, root, "") {
            match network.class() {
                "Discriminator" => return Err(NetworkError::Bad("it has a discriminator but no generator".to_owned())),
                _ => checkpoint.g_ema = Some(self.generator("g_ema", &network)?),
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
            checkpoint.g_ema = Some(self.generator("g_ema", module)?);
        }
        if let Some(module) = found.get("G") {
            checkpoint.g = Some(self.generator("g", module)?);
        }
        if let Some(module) = found.get("D") {
            let tensors = discriminator::convert(module, &mut self.storages)?;
            checkpoint.d = Some(self.placed("d", tensors));
        }
        checkpoint.args = self.training_arguments(root);
        checkpoint.ada_aug_p = self.augmentation(root);
        Ok(checkpoint)
    }

    fn generator(&mut self, part: &'static str, module: &Module<'a>) -> Result<Params, NetworkError> {
        let tensors = match stylegan3::is_stylegan3(module) {
            true => stylegan3::convert(module, &mut self.storages)?,
            false => generator::convert(module, &mut self.storages)?,
        };
        Ok(self.placed(part, tensors))
    }

    /// Notes where the tensors of a network lie.
    fn placed(&mut self, part: &'static str, tensors: Tensors) -> Params {
        let mut params = Params::new();
        for (key, Stored { tensor, slot }) in tensors {
            self.places.push((part, key.clone(), slot));
            params.insert(key, tensor);
        }
        in_state_dict_order(params)
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
        strength.tensor.data.first().map(|p| f64::from(*p)).filter(|p| (0.0..=1.0).contains(p))
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
type Tensors = IndexMap<String, Stored>;

/// Adds a scalar buffer.
fn put_scalar(tensors: &mut Tensors, key: &str, value: f32) {
    tensors.insert(key.to_owned(), Stored::made(Vec::new(), vec![value]));
}

/// The extent of a tensor along an axis.
fn extent(tensors: &Tensors, key: &str, axis: usize) -> Option<usize> {
    tensors.get(key)?.tensor.shape.get(axis).copied()
}

/// What a layout calls the tensors of a mapping network.
struct MappingKeys {
    embed: &'static str,
    layers: &'static str,
    first: usize,
    lr_multiplier: &'static str,
}

/// The rosinality layout's: `embed`, `style.1`, `style.2`, ...
const ADA_MAPPING: MappingKeys =
    MappingKeys { embed: extension::EMBED, layers: "style.", first: 1, lr_multiplier: extension::LR_MULTIPLIER };
/// NVlabs' own.
const MAPPING: MappingKeys =
    MappingKeys { embed: "mapping.embed", layers: "mapping.fc", first: 0, lr_multiplier: LR_MULTIPLIER_3 };

/// The learning-rate multiplier of a mapping network of which nothing else is said.
const LR_MULTIPLIER: f64 = 0.01;

/// A mapping network under its new names.
fn convert_mapping(
    module: &Module,
    keys: &MappingKeys,
    storages: &mut Storages,
    tensors: &mut Tensors,
) -> Result<(), NetworkError> {
    let mut rename = |module: &Module, name: &str| -> Result<(), NetworkError> {
        tensors.insert(format!("{name}.weight"), storages.required(module, "weight")?);
        tensors.insert(format!("{name}.bias"), storages.required(module, "bias")?);
        Ok(())
    };
    if let Some(embed) = module.child("embed") {
        embed.must_be_linear()?;
        rename(&embed, keys.embed)?;
    }
    let mut multiplier = None;
    // Deeper ones do not exist, and a hostile file could name one module any number of times.
    for index in 0..64 {
        let Some(layer) = module.child(&format!("fc{index}")) else { break };
        layer.must_be_leaky()?;
        rename(&layer, &format!("{}{}", keys.layers, index + keys.first))?;
        let own = layer.number("bias_gain").unwrap_or(LR_MULTIPLIER);
        if *multiplier.get_or_insert(own) != own {
            return Err(NetworkError::Declined("a mapping network of several learning-rate multipliers".to_owned()));
        }
    }
    match multiplier {
        Some(own) if own != LR_MULTIPLIER => put_scalar(tensors, keys.lr_multiplier, own as f32),
        _ => {}
    }
    Ok(())
}
