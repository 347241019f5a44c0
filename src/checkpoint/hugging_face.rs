//! A masked autoencoder's folder as Hugging Face lays it out: `config.json` and `model.safetensors`, and
//! `preprocessor_config.json` where pixels are scaled in another way than to [-1, 1].
//!
//! What the texts say is kept in the checkpoint's metadata, so that other files can hold it and a folder can be written from it
//! again; the numbers that no tensor's shape says become buffers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::layout::in_state_dict_order;
use super::{Checkpoint, CheckpointError};
use crate::networks::vit_mae::keys::{EPSILON, HEADS, IMAGE_MEAN, IMAGE_STD, MASK_RATIO, NORM_PIX_LOSS};
use crate::networks::{HostTensor, vit_mae::Sizes, vit_mae::is_vit_mae};
use crate::sanitize::sanitize;

pub(super) const CONFIG: &str = "config.json";
pub(super) const WEIGHTS: &str = "model.safetensors";
pub(super) const PREPROCESSOR: &str = "preprocessor_config.json";
/// What `transformers` calls the family.
pub(super) const MODEL_TYPE: &str = "vit_mae";
/// Bytes of a text file at most; real ones have a thousand.
const LONGEST_TEXT: u64 = 1 << 20;
/// What a `ViTImageProcessor` shifts and divides pixels by unless its file says otherwise.
const USUAL_STATISTICS: f64 = 0.5;

/// The file that holds a model's tensors: of a folder, and of the texts in it, the one in the folder.
pub fn weights_file(path: &Path) -> PathBuf {
    let text = path.file_name().is_some_and(|name| name == CONFIG || name == PREPROCESSOR);
    match (path.is_dir(), text) {
        (true, _) => path.join(WEIGHTS),
        (false, true) => path.with_file_name(WEIGHTS),
        (false, false) => path.to_owned(),
    }
}

/// The other files that a model's file cannot be read without, if there are some.
pub fn companions(weights: &Path) -> Vec<PathBuf> {
    match weights.file_name().is_some_and(|name| name == WEIGHTS) {
        true => [CONFIG, PREPROCESSOR]
            .map(|name| weights.with_file_name(name))
            .into_iter()
            .filter(|p| p.is_file())
            .collect(),
        false => Vec::new(),
    }
}

/// Why a folder is no model, before anything in it is read.
pub(super) fn check_folder(folder: &Path) -> Result<(), CheckpointError> {
    let has = |name: &str| folder.join(name).is_file();
    let reason = match (has(WEIGHTS), has(CONFIG)) {
        (true, true) => return Ok(()),
        (true, false) => "it has a model.safetensors, but no config.json".to_owned(),
        (false, _) if has("pytorch_model.bin") => {
            "its tensors are in a pytorch_model.bin; save it again as model.safetensors".to_owned()
        }
        (false, true) => "it has a config.json, but no model.safetensors".to_owned(),
        (false, false) => "it has neither a config.json nor a model.safetensors".to_owned(),
    };
    Err(CheckpointError::bad_folder(folder, &reason))
}

/// Whether tensors of these names are of this layout: a vision transformer, whatever it is for.
pub(super) fn is_ours<'a>(mut names: impl Iterator<Item = &'a String>) -> bool {
    let in_a_checkpoint = |name: &str| ["g.", "g_ema."].iter().any(|part| name.starts_with(part));
    names.any(|name| name.ends_with("embeddings.cls_token") && !in_a_checkpoint(name))
}

/// A checkpoint from the tensors of `weights` and the texts that stand beside it or in its metadata.
pub(super) fn assemble(
    weights: &Path,
    tensors: IndexMap<String, HostTensor>,
    mut metadata: BTreeMap<String, String>,
) -> Result<Checkpoint, CheckpointError> {
    let wrong = |reason: &str| CheckpointError::bad_folder(weights, reason);
    let mut text = |name: &str| -> Result<Option<Map<String, Value>>, CheckpointError> {
        let beside = weights.with_file_name(name);
        let found = match metadata.get(name) {
            Some(text) => text.clone(),
            None if beside.is_file() => read_text(&beside)?,
            None => return Ok(None),
        };
        let value =
            serde_json::from_str(&found).map_err(|error| wrong(&format!("its {name} is not JSON ({error})")))?;
        metadata.insert(name.to_owned(), Value::Object(Map::clone(&value)).to_string());
        Ok(Some(value))
    };
    let Some(config) = text(CONFIG)? else {
        return Err(wrong("a vision transformer's tensors without the config.json that belongs beside them"));
    };
    let preprocessor = text(PREPROCESSOR)?.unwrap_or_default();
    let kind = config.get("model_type").and_then(Value::as_str).unwrap_or("unnamed");
    if kind != MODEL_TYPE {
        let kind = sanitize(kind, 40);
        return Err(wrong(&format!(
            "its config.json describes a model of type `{kind}`, which is no masked autoencoder"
        )));
    }
    // As every other file's, so that a folder and what was made of it have their parameters in the same places.
    let mut params = in_state_dict_order(tensors);
    if !is_vit_mae(&params) {
        return Err(wrong(
            "it is an encoder without the decoder that completes pictures (ViTMAEForPreTraining has both)",
        ));
    }
    let number = |key: &str, usual: f64| match config.get(key) {
        None | Some(Value::Null) => Ok(usual),
        Some(value) => value.as_f64().ok_or_else(|| wrong(&format!("`{key}` in its config.json is not a number"))),
    };
    let activation = config.get("hidden_act").and_then(Value::as_str).unwrap_or("gelu");
    if activation != "gelu" {
        return Err(wrong(&format!("its activation is `{}`; only `gelu` is read", sanitize(activation, 40))));
    }
    agree(&Sizes::of(&params), &number).map_err(|reason| wrong(&reason))?;
    let norm_pix_loss = config.get("norm_pix_loss").and_then(Value::as_bool).unwrap_or(false);
    let scalar = |value: f64| HostTensor::new(Vec::new(), vec![value as f32]);
    let heads = vec![number("num_attention_heads", 12.0)? as f32, number("decoder_num_attention_heads", 16.0)? as f32];
    params.insert(HEADS.to_owned(), HostTensor::new(vec![2], heads));
    params.insert(EPSILON.to_owned(), scalar(number("layer_norm_eps", 1e-12)?));
    params.insert(MASK_RATIO.to_owned(), scalar(number("mask_ratio", 0.75)?));
    params.insert(NORM_PIX_LOSS.to_owned(), scalar(if norm_pix_loss { 1.0 } else { 0.0 }));
    let channels = Sizes::of(&params).channels;
    for (key, name) in [(IMAGE_MEAN, "image_mean"), (IMAGE_STD, "image_std")] {
        let values = statistics(&preprocessor, name, channels).map_err(|reason| wrong(&reason))?;
        params.insert(key.to_owned(), HostTensor::new(vec![channels], values));
    }
    Ok(Checkpoint { g_ema: Some(params), metadata, ..Checkpoint::default() })
}

/// Whether the configuration says what the tensors say.
fn agree(sizes: &Sizes, number: &dyn Fn(&str, f64) -> Result<f64, CheckpointError>) -> Result<(), String> {
    let said = [
        ("image_size", 224.0, sizes.resolution),
        ("patch_size", 16.0, sizes.patch),
        ("num_channels", 3.0, sizes.channels),
        ("hidden_size", 768.0, sizes.encoder.width),
        ("num_hidden_layers", 12.0, sizes.encoder.layers),
        ("intermediate_size", 3072.0, sizes.encoder.within),
        ("decoder_hidden_size", 512.0, sizes.decoder.width),
        ("decoder_num_hidden_layers", 8.0, sizes.decoder.layers),
        ("decoder_intermediate_size", 2048.0, sizes.decoder.within),
    ];
    for (key, usual, found) in said {
        let said = number(key, usual).map_err(|error| error.to_string())?;
        if said != found as f64 {
            return Err(format!("its config.json says {key} {said}, but its tensors say {found}"));
        }
    }
    Ok(())
}

/// A number for each channel.
fn statistics(preprocessor: &Map<String, Value>, name: &str, channels: usize) -> Result<Vec<f32>, String> {
    let wrong = || format!("`{name}` in its preprocessor_config.json is not {channels} numbers");
    // Where nothing is normalised, pixels in [0, 1] go in as they are.
    if preprocessor.get("do_normalize").and_then(Value::as_bool) == Some(false) {
        return Ok(vec![if name == "image_mean" { 0.0 } else { 1.0 }; channels]);
    }
    match preprocessor.get(name) {
        None | Some(Value::Null) => Ok(vec![USUAL_STATISTICS as f32; channels]),
        Some(Value::Number(one)) => Ok(vec![one.as_f64().ok_or_else(wrong)? as f32; channels]),
        Some(Value::Array(values)) if values.len() == channels => {
            values.iter().map(|value| value.as_f64().map(|value| value as f32).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn read_text(path: &Path) -> Result<String, CheckpointError> {
    let length = fs::metadata(path).map_err(|error| CheckpointError::read(path, &error))?.len();
    if length > LONGEST_TEXT {
        return Err(CheckpointError::bad_folder(path, "it is too long for a configuration"));
    }
    fs::read_to_string(path).map_err(|error| CheckpointError::read(path, &error))
}
