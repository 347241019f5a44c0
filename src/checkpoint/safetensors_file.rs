//! The `safetensors` format: a length, a JSON header, then every tensor's bytes.
//!
//! The crate reads and checks headers; they are written here, because the crate keeps metadata in a hash map and so
//! writes it in another order every time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::{Map, Value};

use super::assemble::{Entry, OtherParts, assemble};
use super::element::Element;
use super::{Checkpoint, CheckpointError, Precision, hugging_face};
use crate::atomic_file;
use crate::networks::HostTensor;

/// Longest header accepted: that of a checkpoint of 300 tensors has 60 000 bytes. The format allows a dozen
/// times as much, but to take in that many names needs more than a gigabyte and many seconds.
const LONGEST_HEADER: u64 = 1 << 23;
/// Metadata keys for a checkpoint's parts that are not tensors; the values are JSON.
const ARGS: &str = "args";
const ADA_AUG_P: &str = "ada_aug_p";
const G_PARAM_GROUPS: &str = "g_optim.param_groups";
const D_PARAM_GROUPS: &str = "d_optim.param_groups";

/// Whether a file that begins with `head` can be a safetensors file.
pub(super) fn has_header(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|length| u64::from_le_bytes(*length) <= LONGEST_HEADER) && head.get(8) == Some(&b'{')
}

/// A safetensors file's tensors, converted to `f32`, and its metadata.
pub type TensorsAndMetadata = (BTreeMap<String, HostTensor>, BTreeMap<String, String>);

/// Reads any safetensors file.
pub fn read_tensors(path: &Path) -> Result<TensorsAndMetadata, CheckpointError> {
    read_watched(path, &mut |_| {})
}

/// `watch` is told how many bytes of tensors were read so far.
fn read_watched(path: &Path, watch: &mut dyn FnMut(u64)) -> Result<TensorsAndMetadata, CheckpointError> {
    let file = File::open(path).map_err(|error| CheckpointError::read(path, &error))?;
    let length = file.metadata().map_err(|error| CheckpointError::io(path, &error))?.len();
    read_from(path, &mut BufReader::new(file), length, watch)
}

/// Reads `length` bytes that are laid out as a safetensors file; `path` is what sentences call them. No more memory is taken than
/// bytes arrive.
pub fn read_tensors_from(
    path: &Path,
    from: &mut impl Read,
    length: u64,
) -> Result<TensorsAndMetadata, CheckpointError> {
    read_from(path, from, length, &mut |_| {})
}

fn read_from(
    path: &Path,
    file: &mut impl Read,
    length: u64,
    watch: &mut dyn FnMut(u64),
) -> Result<TensorsAndMetadata, CheckpointError> {
    let failed = |error| CheckpointError::io(path, &error);
    let damaged = |reason: String| CheckpointError::damaged(path, reason);
    let header = read_header(file, length).map_err(damaged)?;
    let mut tensors = BTreeMap::new();
    // Offsets are checked to be gapless, so the tensors follow each other in the file.
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else {
            continue;
        };
        let bytes = read_bytes(file, info.data_offsets.1 - info.data_offsets.0).map_err(failed)?;
        watch(info.data_offsets.1 as u64);
        let tensor = element(info.dtype)
            .and_then(|element| element.tensor(info.shape.clone(), &bytes))
            .map_err(|reason| damaged(format!("tensor `{name}`: {reason}")))?;
        tensors.insert(name, tensor);
    }
    let metadata = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    Ok((tensors, metadata))
}

/// So many bytes; what is claimed and does not come takes no memory but for a first part.
fn read_bytes(from: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    /// Bytes that are made room for before any of them came.
    const TRUSTED: usize = 1 << 26;
    let mut bytes = Vec::with_capacity(length.min(TRUSTED));
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Tensors as the bytes of a safetensors file, for another place than a file.
pub struct EncodedTensors<'a> {
    header: Vec<u8>,
    entries: Vec<Entry<'a>>,
}

impl<'a> EncodedTensors<'a> {
    /// Of tensors by name; nothing is copied.
    pub fn new(tensors: impl IntoIterator<Item = (&'a String, &'a HostTensor)>) -> Self {
        let mut entries: Vec<_> = tensors.into_iter().map(|(name, tensor)| Entry::new(name.clone(), tensor)).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let described = entries.iter().map(|entry| (&*entry.name, entry.shape, size_of_val(entry.data)));
        let header = header(&BTreeMap::new(), "F32", described);
        Self { header, entries }
    }

    /// Number of bytes.
    pub fn length(&self) -> u64 {
        let data: usize = self.entries.iter().map(|entry| entry.bytes().len()).sum();
        (self.header.len() + data) as u64
    }

    /// Writes them.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        to.write_all(&self.header)?;
        self.entries.iter().try_for_each(|entry| to.write_all(entry.bytes()))
    }
}

/// Writes tensors and metadata as a safetensors file. The same content gives the same bytes.
pub fn write_tensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a String, &'a HostTensor)>,
    metadata: &BTreeMap<String, String>,
) -> Result<(), CheckpointError> {
    let entry = |(name, tensor): (&'a String, &'a HostTensor)| Entry::new(name.clone(), tensor);
    write(path, tensors.into_iter().map(entry).collect(), metadata, Precision::Single)
}

/// Writes a safetensors file of one tensor, part by part: only one of `parts` is held at a time. Together they are its
/// values in row-major order.
pub fn write_streamed(
    path: &Path,
    name: &str,
    shape: &[usize],
    parts: impl IntoIterator<Item = Vec<f32>>,
) -> Result<(), CheckpointError> {
    let too_large = || CheckpointError::write(path, &io::Error::from(io::ErrorKind::FileTooLarge));
    let values = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
    let bytes = values.and_then(|values| values.checked_mul(size_of::<f32>())).ok_or_else(too_large)?;
    let header = header(&BTreeMap::new(), "F32", [(name, shape, bytes)]);
    atomic_file::write_with(path, |file| {
        file.write_all(&header)?;
        let mut left = bytes;
        for part in parts {
            let part: &[u8] = bytemuck::cast_slice(&part);
            left = left.checked_sub(part.len()).ok_or(io::ErrorKind::InvalidData)?;
            file.write_all(part)?;
        }
        if left > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    })
    .map_err(|error| CheckpointError::write(path, &error))
}

pub(super) fn load(path: &Path, watch: &mut dyn FnMut(u64)) -> Result<Checkpoint, CheckpointError> {
    let (tensors, mut metadata) = read_watched(path, watch)?;
    if hugging_face::is_ours(tensors.keys()) {
        return hugging_face::assemble(path, tensors.into_iter().collect(), metadata);
    }
    let mut json = |key: &str| match metadata.remove(key) {
        Some(text) => serde_json::from_str::<Value>(&text)
            .map(Some)
            .map_err(|error| CheckpointError::damaged(path, format!("metadata `{key}` is not JSON: {error}"))),
        None => Ok(None),
    };
    let args = match json(ARGS)? {
        Some(Value::Object(args)) => args,
        _ => Map::new(),
    };
    let ada_aug_p = json(ADA_AUG_P)?.and_then(|value| value.as_f64());
    let (g_param_groups, d_param_groups) = (json(G_PARAM_GROUPS)?, json(D_PARAM_GROUPS)?);
    let extras = OtherParts { args, ada_aug_p, g_param_groups, d_param_groups, metadata };
    assemble(path, tensors.into_iter().collect(), extras)
}

pub(super) fn save(path: &Path, checkpoint: &Checkpoint, precision: Precision) -> Result<(), CheckpointError> {
    let Checkpoint { g_ema, g, d, g_optim, d_optim, args, ada_aug_p, metadata, dcgan: _, pickle: _ } = checkpoint;
    let mut entries = Vec::new();
    let mut metadata = metadata.clone();
    for (part, params) in [("g_ema", g_ema), ("g", g), ("d", d)] {
        let params = params.iter().flatten();
        entries.extend(params.map(|(key, tensor)| Entry::new(format!("{part}.{key}"), tensor)));
    }
    for (part, key, state) in [("g_optim", G_PARAM_GROUPS, g_optim), ("d_optim", D_PARAM_GROUPS, d_optim)] {
        if let Some(state) = state {
            let moments = state.moments.iter().flat_map(|(index, moments)| {
                moments.entries().map(|entry| Entry { name: format!("{part}.{index}.{}", entry.name), ..entry })
            });
            entries.extend(moments);
            metadata.insert(key.to_owned(), state.param_groups.to_string());
        }
    }
    if !args.is_empty() {
        metadata.insert(ARGS.to_owned(), Value::Object(args.clone()).to_string());
    }
    if let Some(strength) = ada_aug_p {
        metadata.insert(ADA_AUG_P.to_owned(), Value::from(*strength).to_string());
    }
    write(path, entries, &metadata, precision)
}

/// The header, checked against the file's length and leaving `file` at the first tensor's bytes.
fn read_header(file: &mut impl Read, file_length: u64) -> Result<Metadata, String> {
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| "it is too short for a safetensors file".to_owned())?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return Err(format!("its header claims {length} bytes, above the limit of {LONGEST_HEADER}"));
    }
    let Some(data_length) = file_length.checked_sub(8 + length) else {
        return Err(format!("its header claims {length} bytes, but the file has only {file_length}"));
    };
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(|error| error.to_string())?;
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|error| format!("its header does not make sense: {error}"))?;
    let claimed = header.data_len() as u64;
    if claimed != data_length {
        return Err(format!("its header describes {claimed} bytes of tensors, but {data_length} follow"));
    }
    Ok(header)
}

/// Tensors by name, as the crate writes them; metadata by key.
fn write(
    path: &Path,
    mut entries: Vec<Entry<'_>>,
    metadata: &BTreeMap<String, String>,
    precision: Precision,
) -> Result<(), CheckpointError> {
    let (kind, width) = match precision {
        Precision::Single => ("F32", size_of::<f32>()),
        Precision::Half => ("F16", size_of::<f16>()),
    };
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let described = entries.iter().map(|entry| (&*entry.name, entry.shape, entry.data.len() * width));
    let header = header(metadata, kind, described);
    atomic_file::write_with(path, |file| {
        file.write_all(&header)?;
        entries.iter().try_for_each(|entry| match precision {
            Precision::Single => file.write_all(entry.bytes()),
            Precision::Half => {
                let bytes: Vec<u8> = entry.data.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
                file.write_all(&bytes)
            }
        })
    })
    .map_err(|error| CheckpointError::write(path, &error))
}

/// What stands before the tensors' bytes, of tensors of one kind: names, shapes and numbers of bytes, in their order.
fn header<'a>(
    metadata: &BTreeMap<String, String>,
    kind: &str,
    tensors: impl IntoIterator<Item = (&'a str, &'a [usize], usize)>,
) -> Vec<u8> {
    let text = |value: &str| Value::from(value).to_string();
    let mut fields = Vec::new();
    if !metadata.is_empty() {
        let pairs: Vec<_> = metadata.iter().map(|(key, value)| format!("{}:{}", text(key), text(value))).collect();
        fields.push(format!("\"__metadata__\":{{{}}}", pairs.join(",")));
    }
    let mut offset = 0;
    for (name, shape, bytes) in tensors {
        let end = offset + bytes;
        let name = text(name);
        fields.push(format!("{name}:{{\"dtype\":\"{kind}\",\"shape\":{shape:?},\"data_offsets\":[{offset},{end}]}}"));
        offset = end;
    }
    let mut header = format!("{{{}}}", fields.join(","));
    // Spaces up to a multiple of eight bytes keep the tensors aligned for readers that map the file.
    let padding = header.len().next_multiple_of(8) - header.len();
    header.extend(std::iter::repeat_n(' ', padding));
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

fn element(dtype: Dtype) -> Result<Element, String> {
    Ok(match dtype {
        Dtype::F64 => Element::F64,
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        Dtype::I64 => Element::I64,
        Dtype::I32 => Element::I32,
        Dtype::I16 => Element::I16,
        Dtype::I8 => Element::I8,
        Dtype::U64 => Element::U64,
        Dtype::U32 => Element::U32,
        Dtype::U16 => Element::U16,
        Dtype::U8 => Element::U8,
        other => return Err(format!("numbers of type {other} are not read")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_in_parts_gives_the_same_file_as_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
        let values: Vec<f32> = (0..24).map(|i| i as f32 / 7.0).collect();
        let tensor = HostTensor::new(vec![4, 3, 2], values.clone());
        write_tensors(&whole, [(&"images".to_owned(), &tensor)], &BTreeMap::new()).unwrap();
        write_streamed(&parts, "images", &[4, 3, 2], values.chunks(10).map(<[f32]>::to_vec)).unwrap();
        assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&parts).unwrap());

        // Values that are missing or too many leave the old file.
        for wrong in [&values[1..], &[values.as_slice(), &[1.0]].concat()] {
            assert!(write_streamed(&parts, "images", &[4, 3, 2], wrong.chunks(10).map(<[f32]>::to_vec)).is_err());
        }
        assert!(write_streamed(&parts, "images", &[usize::MAX, 2], []).is_err());
        assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&parts).unwrap());
    }
}
