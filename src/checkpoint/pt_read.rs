//! Reads `.pt` and `.pth` files in the rosinality layout.
//!
//! `pytorch-reader` knows PyTorch's containers and gives the tensors; [`pickle`](super::pickle) gives the plain values
//! it drops. Neither executes anything.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use indexmap::IndexMap;
use pytorch_reader::{DType, PytorchError, PytorchReader, Tensor};
use serde_json::Value;
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

use super::assemble::{Extras, assemble, is_ours, not_a_checkpoint};
use super::element::Element;
use super::layout::{is_bare_generator, state_dict_order};
use super::pickle::{Pickle, PickleError};
use super::zip_repair::without_zip64_end;
use super::{Checkpoint, CheckpointError};
use crate::gan::HostTensor;

/// Most bytes of pickle in a file; a checkpoint of 300 tensors has 60 000. A compressed archive can claim any size.
const LARGEST_PICKLE: u64 = 16 << 20;
/// The magic number that opens files saved by PyTorch before 1.6.
const LEGACY_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// Tensors may share storage, so together they may need more than the file holds, but not without bound.
const SHARING: u64 = 8;

pub(super) fn load(path: &Path, watch: &mut dyn FnMut(u64)) -> Result<Checkpoint, CheckpointError> {
    let plain = plain_values(path)?;
    // The repaired copy, if one is needed, lives as long as tensors are read from it.
    let repaired;
    let mut opened = guarded(path, || Ok(PytorchReader::new(path)))?;
    if matches!(opened, Err(PytorchError::Zip(_))) {
        repaired = without_zip64_end(path).map_err(|error| CheckpointError::io(path, &error))?;
        if let Some(copy) = &repaired {
            opened = guarded(path, || Ok(PytorchReader::new(copy.path())))?;
        }
    }
    let reader = opened.map_err(|error| from_pytorch(path, &error))?;
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
    let mut flat = host_tensors(path, tensors, watch)?;
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
fn guarded<T>(path: &Path, call: impl FnOnce() -> Result<T, CheckpointError>) -> Result<T, CheckpointError> {
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
fn host_tensors(
    path: &Path,
    tensors: Vec<(String, Tensor)>,
    watch: &mut dyn FnMut(u64),
) -> Result<IndexMap<String, HostTensor>, CheckpointError> {
    let length = std::fs::metadata(path).map_err(|error| CheckpointError::read(path, &error))?.len();
    let mut allowance = length.saturating_mul(SHARING);
    let mut flat = IndexMap::with_capacity(tensors.len());
    let mut read = 0;
    for (name, tensor) in tensors {
        allowance = allowance.checked_sub(tensor.byte_len() as u64).ok_or_else(|| {
            CheckpointError::damaged(path, format!("its tensors claim more than {SHARING} times the file's size"))
        })?;
        let bytes = guarded(path, || tensor.read().map_err(|error| CheckpointError::io(path, &error)))?;
        read += bytes.len() as u64;
        watch(read);
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

/// The file's pickle, unless it is hostile. `None` if this reader cannot make sense of it: then the file is either too
/// old to have arguments, or `pytorch-reader` says what is wrong with it.
fn plain_values(path: &Path) -> Result<Option<Pickle>, CheckpointError> {
    let bytes = pickle_bytes(path).map_err(|error| CheckpointError::io(path, &error))?;
    if bytes.len() as u64 > LARGEST_PICKLE {
        return Err(CheckpointError::damaged(path, PickleError::TooLarge));
    }
    let end = bytes.len() as u64;
    let mut rest = Cursor::new(bytes.as_slice());
    // Before the object itself, legacy files have three pickles: a magic number, a version, the machine's word sizes.
    let before = if bytes.get(..32).is_some_and(has_legacy_magic) { 3 } else { 0 };
    for _ in 0..before {
        if Pickle::read(&mut rest, end).is_err() {
            return Ok(None);
        }
    }
    let pickle = match Pickle::read(&mut rest, end) {
        Ok(pickle) => pickle,
        Err(error @ PickleError::TooLarge) => return Err(CheckpointError::damaged(path, error)),
        Err(_) => return Ok(None),
    };
    match pickle.hostile_name() {
        Some(name) => Err(CheckpointError::hostile(path, name)),
        None => Ok(Some(pickle)),
    }
}

/// Whether a file that begins with `head` was saved by PyTorch before 1.6.
pub(super) fn has_legacy_magic(head: &[u8]) -> bool {
    head.windows(LEGACY_MAGIC.len()).take(32).any(|part| part == LEGACY_MAGIC)
}

/// The bytes that begin with the file's pickle, one more than allowed at most; empty if there is none.
fn pickle_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    let mut head = [0; 2];
    file.read_exact(&mut head)?;
    file.rewind()?;
    if &head != b"PK" {
        file.take(LARGEST_PICKLE).read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    // PyTorch puts nothing before the archive; to say so spares the search described in `zip_repair`.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let Ok(mut archive) = ZipArchive::with_config(config, file) else {
        return Ok(bytes);
    };
    if let Some(name) = pickle_entry(&archive)
        && let Ok(entry) = archive.by_name(&name)
        && entry.take(LARGEST_PICKLE + 1).read_to_end(&mut bytes).is_err()
    {
        bytes.clear();
    }
    Ok(bytes)
}

/// The shallowest `data.pkl`, as `pytorch-reader` chooses it.
fn pickle_entry(archive: &ZipArchive<File>) -> Option<String> {
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
