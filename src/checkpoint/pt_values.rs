//! What a `.pt` file says beside its tensors, and what it may not say about them.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

use serde_json::Value;
use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use super::CheckpointError;
use super::assemble::OtherParts;
use super::pickle::{Node, Pickle, PickleError};
use crate::networks::HostTensor;

/// Most bytes of pickle in a file; a checkpoint of 300 tensors has 60 000. A compressed archive can claim any size.
const LARGEST_PICKLE: u64 = 16 << 20;
/// The magic number that opens files saved by PyTorch before 1.6.
const LEGACY_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// A tensor may reach over this many times its own length: everything it reaches over is read.
const REACH: usize = 8;
/// A reach in which nothing is lost.
const SHORT_REACH: usize = 1 << 12;

/// The file's pickle, unless it is hostile. The inner error is for files that `pytorch-reader` finds nothing wrong with: it
/// says more about a broken one.
pub(super) fn plain_values(path: &Path) -> Result<Result<Pickle, PickleError>, CheckpointError> {
    let bytes = pickle_bytes(path).map_err(|error| CheckpointError::io(path, &error))?;
    if bytes.len() as u64 > LARGEST_PICKLE {
        return Err(CheckpointError::damaged(path, PickleError::TooLarge));
    }
    let end = bytes.len() as u64;
    let mut rest = Cursor::new(bytes.as_slice());
    // Before the object itself, legacy files have three pickles: a magic number, a version, the machine's word sizes.
    let before = if bytes.get(..32).is_some_and(has_legacy_magic) { 3 } else { 0 };
    for _ in 0..before {
        if let Err(error) = Pickle::read(&mut rest, end) {
            return Ok(Err(error));
        }
    }
    let pickle = match Pickle::read(&mut rest, end) {
        Ok(pickle) => pickle,
        Err(error @ PickleError::TooLarge) => return Err(CheckpointError::damaged(path, error)),
        Err(error) => return Ok(Err(error)),
    };
    match pickle.hostile_name() {
        Some(name) => Err(CheckpointError::hostile(path, name)),
        None => Ok(Ok(pickle)),
    }
}

/// Whether a file that begins with `head` was saved by PyTorch before 1.6.
pub(super) fn has_legacy_magic(head: &[u8]) -> bool {
    head.windows(LEGACY_MAGIC.len()).take(32).any(|part| part == LEGACY_MAGIC)
}

/// Whether any storage is compressed, in the archive as `pytorch-reader` sees it.
pub(super) fn has_compressed_storages(path: &Path) -> bool {
    let Ok(Ok(mut archive)) = File::open(path).map(|file| ZipArchive::new(BufReader::new(file))) else {
        return false;
    };
    let is_storage = |name: &str| name.starts_with("data/") || name.contains("/data/");
    (0..archive.len()).any(|index| {
        archive.by_index_raw(index).is_ok_and(|entry| {
            entry.compression() != CompressionMethod::Stored && entry.name().is_ok_and(|name| is_storage(&name))
        })
    })
}

/// Whether a tensor takes so few numbers out of a large storage that to read many of them would take long.
pub(super) fn picks_few(pickle: &Pickle) -> bool {
    let sizes = |id| -> Option<Vec<usize>> { pickle.items(id).iter().map(|extent| pickle.size(*extent)).collect() };
    // Whichever function rebuilds it, a tensor is given as (storage, offset, shape, strides, ...).
    pickle.sequences().any(|items| {
        let [storage, _, shape, strides, ..] = items else { return false };
        let (Node::Persistent(_), Some(shape), Some(strides)) = (pickle.node(*storage), sizes(*shape), sizes(*strides))
        else {
            return false;
        };
        let reach = shape.iter().zip(&strides).fold(1usize, |reach, (extent, stride)| {
            reach.saturating_add(extent.saturating_sub(1).saturating_mul(*stride))
        });
        let count = shape.iter().fold(1usize, |count, extent| count.saturating_mul(*extent));
        reach > SHORT_REACH && reach > count.saturating_mul(REACH)
    })
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

/// What stands in the pickle beside tensors.
pub(super) fn read_extras(plain: &Pickle) -> OtherParts {
    let value = |key: &str| plain.to_json(plain.get(plain.root(), key)?);
    let param_groups = |optimizer: &str| plain.to_json(plain.get(plain.get(plain.root(), optimizer)?, "param_groups")?);
    let mut extras = OtherParts {
        ada_aug_p: value("ada_aug_p").and_then(|value| value.as_f64()),
        g_param_groups: param_groups("g_optim"),
        d_param_groups: param_groups("d_optim"),
        ..OtherParts::default()
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
pub(super) fn integer_steps(plain: &Pickle, optimizer: &str) -> Vec<(String, HostTensor)> {
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
