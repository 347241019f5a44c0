//! Reads `.pt` and `.pth` files in the rosinality layout.
//!
//! `pytorch-reader` knows PyTorch's containers and gives the tensors; [`pickle`](super::pickle) gives the plain values
//! it drops. Neither executes anything.

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use indexmap::IndexMap;
use pytorch_reader::{DType, FileFormat, PytorchError, PytorchReader, Tensor};
use serde_json::Value;

use super::assemble::{Extras, assemble, is_ours, not_a_checkpoint};
use super::element::Element;
use super::layout::{is_bare_generator, state_dict_order};
use super::pickle::Pickle;
use super::zip_repair::without_zip64_end;
use super::{Checkpoint, CheckpointError};
use crate::gan::HostTensor;

/// Most bytes of pickle looked at: `pytorch-reader`'s own limit.
const LARGEST_PICKLE: u64 = pytorch_reader::MAX_PICKLE_SIZE;
/// Tensors may share storage, so together they may need more than the file holds, but not without bound.
const SHARING: u64 = 8;

pub(super) fn load(path: &Path) -> Result<Checkpoint, CheckpointError> {
    // The repaired copy, if one is needed, lives as long as tensors are read from it.
    let repaired;
    let mut readable = path;
    let mut opened = quietly(path, || Ok(PytorchReader::new(path)))?;
    if matches!(opened, Err(PytorchError::Zip(_))) {
        repaired = without_zip64_end(path).map_err(|error| CheckpointError::io(path, &error))?;
        if let Some(copy) = &repaired {
            readable = copy.path();
            opened = quietly(path, || Ok(PytorchReader::new(readable)))?;
        }
    }
    let reader = opened.map_err(|error| from_pytorch(path, &error))?;
    let plain = plain_values(readable, &reader.metadata().format_type);
    let mut tensors: Vec<(String, Tensor)> = reader.into_tensors().into_iter().collect();
    tensors.sort_by_cached_key(|(name, _)| state_dict_order(name));
    if tensors.iter().any(|(name, _)| is_ours(name)) {
        tensors.retain(|(name, _)| is_ours(name));
    } else if !is_bare_generator(|key| tensors.iter().any(|(name, _)| name == key)) {
        return Err(match &plain {
            Some(plain) => not_a_checkpoint(path, plain.entries(plain.root()).map(|(key, _)| key)),
            None => not_a_checkpoint(path, tensors.into_iter().map(|(name, _)| name)),
        });
    }
    let mut flat = host_tensors(path, tensors)?;
    let mut extras = Extras::default();
    if let Some(plain) = plain {
        extras = read_extras(&plain);
        for optimizer in ["g_optim", "d_optim"] {
            flat.extend(integer_steps(&plain, optimizer));
        }
    }
    assemble(path, flat, extras)
}

/// Runs a library call so that even a defect of the library becomes a sentence.
fn quietly<T>(path: &Path, call: impl FnOnce() -> Result<T, CheckpointError>) -> Result<T, CheckpointError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(CheckpointError::damaged(path, "the reader gave up on its content")))
}

fn from_pytorch(path: &Path, error: &PytorchError) -> CheckpointError {
    match error {
        PytorchError::Io(error) => CheckpointError::io(path, error),
        other => CheckpointError::damaged(path, other),
    }
}

/// The values of `tensors` under their flat names; `g_optim.state.0.step` becomes `g_optim.0.step`.
fn host_tensors(path: &Path, tensors: Vec<(String, Tensor)>) -> Result<IndexMap<String, HostTensor>, CheckpointError> {
    let length = std::fs::metadata(path).map_err(|error| CheckpointError::read(path, &error))?.len();
    let mut allowance = length.saturating_mul(SHARING);
    let mut flat = IndexMap::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        allowance = allowance.checked_sub(tensor.byte_len() as u64).ok_or_else(|| {
            CheckpointError::damaged(path, format!("its tensors claim more than {SHARING} times the file's size"))
        })?;
        let bytes = quietly(path, || tensor.read().map_err(|error| CheckpointError::io(path, &error)))?;
        let tensor = element(tensor.dtype())
            .and_then(|element| element.tensor(tensor.shape().to_vec(), &bytes))
            .map_err(|reason| CheckpointError::damaged(path, format!("tensor `{name}`: {reason}")))?;
        let name = match name.split_once(".state.") {
            Some((optimizer @ ("g_optim" | "d_optim"), rest)) => format!("{optimizer}.{rest}"),
            _ => name,
        };
        flat.insert(name, tensor);
    }
    Ok(flat)
}

fn element(dtype: DType) -> Result<Element, String> {
    Ok(match dtype {
        DType::F64 => Element::F64,
        DType::F32 => Element::F32,
        DType::F16 => Element::F16,
        DType::BF16 => Element::BF16,
        DType::I64 => Element::I64,
        DType::I32 => Element::I32,
        DType::I16 => Element::I16,
        DType::I8 => Element::I8,
        DType::U64 => Element::U64,
        DType::U32 => Element::U32,
        DType::U16 => Element::U16,
        DType::U8 => Element::U8,
        DType::Bool => return Err("it holds truth values, not numbers".to_owned()),
    })
}

/// The pickle of a container that has one we can read; without it there are tensors, but no arguments.
fn plain_values(path: &Path, format: &FileFormat) -> Option<Pickle> {
    let mut file = File::open(path).ok()?;
    let mut bytes = Vec::new();
    // Before the object itself, legacy files have three pickles: a magic number, a version, the machine's word sizes.
    let before = match format {
        FileFormat::Zip => {
            let mut archive = zip::ZipArchive::new(file).ok()?;
            let name = pickle_entry(&archive)?;
            archive.by_name(&name).ok()?.take(LARGEST_PICKLE).read_to_end(&mut bytes).ok()?;
            0
        }
        FileFormat::Legacy => {
            file.take(LARGEST_PICKLE).read_to_end(&mut bytes).ok()?;
            3
        }
        FileFormat::Pickle => {
            file.by_ref().take(LARGEST_PICKLE).read_to_end(&mut bytes).ok()?;
            0
        }
        FileFormat::Tar => return None,
    };
    let mut rest = bytes.as_slice();
    for _ in 0..before {
        Pickle::read(&mut rest).ok()?;
    }
    Pickle::read(&mut rest).ok()
}

/// The shallowest `data.pkl`, as `pytorch-reader` chooses it.
fn pickle_entry(archive: &zip::ZipArchive<File>) -> Option<String> {
    archive
        .file_names()
        .filter_map(Result::ok)
        .filter(|name| name.strip_suffix("data.pkl").is_some_and(|root| root.is_empty() || root.ends_with('/')))
        .min_by_key(|name| name.len())
        .map(Into::into)
}

fn read_extras(plain: &Pickle) -> Extras {
    let value = |key: &str| plain.to_json(plain.get(plain.root(), key)?);
    let param_groups = |optimizer: &str| plain.to_json(plain.get(plain.get(plain.root(), optimizer)?, "param_groups")?);
    let mut extras = Extras {
        ada_aug_p: value("ada_aug_p").and_then(|value| value.as_f64()),
        g_param_groups: param_groups("g_optim"),
        d_param_groups: param_groups("d_optim"),
        ..Extras::default()
    };
    if let Some(Value::Object(args)) = value("args") {
        extras.args = args;
    }
    if let Some(Value::Object(metadata)) = value("metadata") {
        let texts = metadata.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())));
        extras.metadata = texts.collect();
    }
    extras
}

/// Steps that PyTorch before 1.12 kept as plain integers, as scalar tensors.
fn integer_steps(plain: &Pickle, optimizer: &str) -> Vec<(String, HostTensor)> {
    let Some(state) = plain.get(plain.root(), optimizer).and_then(|id| plain.get(id, "state")) else {
        return Vec::new();
    };
    let step = |moments| plain.to_json(plain.get(moments, "step")?)?.as_f64();
    let tensor = |step: f64| HostTensor { shape: Vec::new(), data: vec![step as f32] };
    plain
        .entries(state)
        .filter_map(|(index, moments)| Some((format!("{optimizer}.{index}.step"), tensor(step(moments)?))))
        .collect()
}
