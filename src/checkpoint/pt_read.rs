//! Reads `.pt` and `.pth` files in the rosinality layout.
//!
//! `pytorch-reader` knows PyTorch's containers and gives the tensors; [`pt_values`](super::pt_values) gives what it drops.
//! Neither executes anything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use indexmap::IndexMap;
use pytorch_reader::{DType, PytorchError, PytorchReader, Tensor};

use super::assemble::{assemble, is_ours, not_a_checkpoint};
use super::dcgan::{self, Found};
use super::element::Element;
use super::layout::{is_bare_generator, state_dict_order};
use super::pt_values::{has_compressed_storages, integer_steps, picks_few, plain_values, read_extras};
use super::zip_repair::without_zip64_end;
use super::{Checkpoint, CheckpointError};
use crate::networks::HostTensor;

/// Tensors may share storage, so together they may need more than the file holds, but not without bound.
const SHARING: u64 = 8;

pub(super) fn load(path: &Path, watch: &mut dyn FnMut(u64)) -> Result<Checkpoint, CheckpointError> {
    let plain = plain_values(path)?;
    // The repaired copy, if one is needed, lives as long as tensors are read from it.
    let repaired;
    let mut opened = open(path, path)?;
    if matches!(opened, Err(PytorchError::Zip(_))) {
        repaired = without_zip64_end(path).map_err(|error| CheckpointError::io(path, &error))?;
        if let Some(copy) = &repaired {
            opened = open(path, copy.path())?;
        }
    }
    let reader = opened.map_err(|error| from_pytorch(path, &error))?;
    let plain = plain.map_err(|error| CheckpointError::damaged(path, error))?;
    let why_no_dcgan = match dcgan::load(path, &plain, watch)? {
        Found::Dcgan(checkpoint) => return Ok(*checkpoint),
        Found::Other(reason) => reason,
    };
    let mut tensors: Vec<(String, Tensor)> = reader.into_tensors().into_iter().collect();
    tensors.sort_by_cached_key(|(name, _)| state_dict_order(name));
    if tensors.iter().any(|(name, _)| is_ours(name)) {
        tensors.retain(|(name, _)| is_ours(name));
    } else if !is_bare_generator(|key| tensors.iter().any(|(name, _)| name == key)) {
        return Err(match why_no_dcgan {
            Some(reason) => CheckpointError::not_a_dcgan(path, &reason),
            None => not_a_checkpoint(path, plain.entries(plain.root()).map(|(key, _)| key)),
        });
    }
    if picks_few(&plain) {
        return Err(CheckpointError::damaged(path, "a tensor takes few numbers out of a large storage"));
    }
    let mut flat = host_tensors(path, tensors, watch)?;
    for optimizer in ["g_optim", "d_optim"] {
        flat.extend(integer_steps(&plain, optimizer));
    }
    assemble(path, flat, read_extras(&plain))
}

/// Opens `path`, or its repaired copy `from`.
fn open(path: &Path, from: &Path) -> Result<Result<PytorchReader, PytorchError>, CheckpointError> {
    guarded(path, || {
        // Of a compressed entry everything before a tensor's place is unpacked, for every tensor again.
        if has_compressed_storages(from) {
            return Err(CheckpointError::damaged(path, "its tensors are compressed, as PyTorch never writes them"));
        }
        Ok(PytorchReader::new(from))
    })
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
