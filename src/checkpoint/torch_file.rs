//! A PyTorch file held whole, so that tensors can be read out of it, and written into it again, where they lie: everything
//! else in the file stays as it is, byte for byte.

use std::collections::HashMap;
use std::io::{Cursor, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use flate2::Crc;
use half::{bf16, f16};
use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use super::element::Element;
use super::pickle::{Node, NodeId, Pickle};
use super::pt_values::has_legacy_magic;
use crate::networks::HostTensor;

/// Most bytes of a legacy file's pickles together.
const LARGEST_PICKLES: u64 = 64 << 20;
/// Pickles before the object in a legacy file: a magic number, a version, the machine's word sizes.
const LEGACY_HEAD: usize = 3;
/// Tensors may share storage, so together they may need more than the file holds, but not without bound.
const SHARING: usize = 8;

/// The bytes of a file and where its storages lie.
#[derive(Clone, PartialEq)]
pub(super) struct TorchFile {
    bytes: Arc<Vec<u8>>,
    storages: Arc<HashMap<String, Storage>>,
}

impl std::fmt::Debug for TorchFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TorchFile({} bytes, {} storages)", self.bytes.len(), self.storages.len())
    }
}

/// Where a storage's bytes lie.
#[derive(Clone, Debug, PartialEq)]
struct Storage {
    bytes: Range<usize>,
    /// Where an archive keeps the checksum of these bytes; legacy files have none.
    checksums: Vec<usize>,
}

/// Where a tensor lies.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    storage: String,
    element: Element,
    offset: usize,
    pub(super) shape: Vec<usize>,
    strides: Vec<usize>,
}

/// The shape of a tensor, if this node is one.
pub(super) fn tensor_shape(pickle: &Pickle, id: NodeId) -> Option<Vec<usize>> {
    let (_, _, size, _) = rebuilt(pickle, id)?;
    pickle.items(size).iter().map(|extent| pickle.size(*extent)).collect()
}

/// Storage, offset, size and strides of a tensor or parameter.
fn rebuilt(pickle: &Pickle, id: NodeId) -> Option<(NodeId, NodeId, NodeId, NodeId)> {
    let (class, args) = pickle.call(id)?;
    let (class, args) = match class {
        "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
            pickle.call(*args.first()?)?
        }
        _ => (class, args),
    };
    match (class, args) {
        ("torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor", [storage, offset, size, stride, ..]) => {
            Some((*storage, *offset, *size, *stride))
        }
        _ => None,
    }
}

/// Key and type of `('storage', torch.FloatStorage, key, device, count, ...)`, a persistent id.
fn storage_id(pickle: &Pickle, storage: NodeId) -> Option<(&str, Element)> {
    let Node::Persistent(id) = pickle.node(storage) else { return None };
    let [_, class, key, ..] = pickle.items(*id) else { return None };
    let Node::Class(class) = pickle.node(*class) else { return None };
    Some((pickle.text(*key)?, Element::of_storage(class)?))
}

impl Place {
    /// Where a tensor of the pickle lies; what is wrong with it otherwise.
    pub(super) fn of(pickle: &Pickle, id: NodeId) -> Result<Self, String> {
        let sizes =
            |id: NodeId| -> Option<Vec<usize>> { pickle.items(id).iter().map(|extent| pickle.size(*extent)).collect() };
        let (storage, offset, shape, strides) = rebuilt(pickle, id).ok_or("it is no tensor")?;
        let (storage, element) = storage_id(pickle, storage).ok_or("its storage does not hold numbers")?;
        let layout = (pickle.size(offset), sizes(shape), sizes(strides));
        let (Some(offset), Some(shape), Some(strides)) = layout else {
            return Err("its size or its place makes no sense".to_owned());
        };
        if shape.len() != strides.len() || shape.len() > 8 {
            return Err("its size or its place makes no sense".to_owned());
        }
        Ok(Self { storage: storage.to_owned(), element, offset, shape, strides })
    }

    /// Whether its numbers can be written as well: weights are never whole numbers.
    pub(super) fn is_writable(&self) -> bool {
        matches!(self.element, Element::F64 | Element::F32 | Element::F16 | Element::BF16)
    }

    /// Number of values, and of storage places they reach over from the offset on.
    fn extent(&self) -> Option<(usize, usize)> {
        let count = self.shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))?;
        if count == 0 {
            return Some((0, 0));
        }
        let reach = self.shape.iter().zip(&self.strides).try_fold(1_usize, |reach, (extent, stride)| {
            extent.checked_sub(1)?.checked_mul(*stride)?.checked_add(reach)
        })?;
        Some((count, reach))
    }

    /// Calls `f` with the place of every value in the storage, in row-major order.
    fn each(&self, count: usize, mut f: impl FnMut(usize)) {
        let mut index = vec![0; self.shape.len()];
        let mut place = self.offset;
        for _ in 0..count {
            f(place);
            for ((i, extent), stride) in index.iter_mut().zip(&self.shape).zip(&self.strides).rev() {
                *i += 1;
                place += stride;
                if *i < *extent {
                    break;
                }
                place -= stride * extent;
                *i = 0;
            }
        }
    }
}

impl TorchFile {
    /// Finds the storages of a file of which `pickle` is the object; what is wrong with it otherwise.
    pub(super) fn open(bytes: Vec<u8>, pickle: &Pickle) -> Result<Self, String> {
        let storages = match bytes.starts_with(b"PK") {
            true => archived(&bytes)?,
            false => legacy(&bytes, pickle)?,
        };
        Ok(Self { bytes: Arc::new(bytes), storages: Arc::new(storages) })
    }

    /// Bytes that all tensors together may take.
    pub(super) fn allowance(&self) -> usize {
        self.bytes.len().saturating_mul(SHARING)
    }

    /// The bytes of a tensor's storage, and the number of its values, all of which are there.
    fn locate(&self, place: &Place) -> Result<(&Storage, usize), String> {
        let beyond = || "it reaches beyond its storage".to_owned();
        let storage = self.storages.get(&place.storage).ok_or("its storage is not in the file")?;
        let (count, reach) = place.extent().ok_or_else(beyond)?;
        let end = place.offset.checked_add(reach).and_then(|end| end.checked_mul(place.element.size()));
        if end.is_none_or(|end| end > storage.bytes.len()) || count > self.allowance() / 4 {
            return Err(beyond());
        }
        Ok((storage, count))
    }

    /// A tensor's values.
    pub(super) fn read(&self, place: &Place) -> Result<HostTensor, String> {
        let (storage, count) = self.locate(place)?;
        let bytes = &self.bytes[storage.bytes.clone()];
        let size = place.element.size();
        let mut ordered = Vec::with_capacity(count * size);
        place.each(count, |at| ordered.extend_from_slice(&bytes[at * size..(at + 1) * size]));
        place.element.tensor(place.shape.clone(), &ordered)
    }

    /// The file with other values in the places of some tensors.
    pub(super) fn with<'a>(
        &self,
        tensors: impl IntoIterator<Item = (&'a Place, &'a HostTensor)>,
    ) -> Result<Vec<u8>, String> {
        let mut bytes = self.bytes.as_ref().clone();
        let mut touched = Vec::new();
        for (place, tensor) in tensors {
            let (storage, count) = self.locate(place)?;
            if tensor.data.len() != count {
                return Err("a tensor has another size than in the file".to_owned());
            }
            let target = &mut bytes[storage.bytes.clone()];
            let size = place.element.size();
            let mut values = tensor.data.iter();
            let mut put = |at: usize, value: f32| {
                let target = &mut target[at * size..(at + 1) * size];
                match place.element {
                    Element::F64 => target.copy_from_slice(&f64::from(value).to_le_bytes()),
                    Element::F16 => target.copy_from_slice(&f16::from_f32(value).to_le_bytes()),
                    Element::BF16 => target.copy_from_slice(&bf16::from_f32(value).to_le_bytes()),
                    _ => target.copy_from_slice(&value.to_le_bytes()),
                }
            };
            place.each(count, |at| {
                if let Some(value) = values.next() {
                    put(at, *value);
                }
            });
            touched.push(storage);
        }
        for storage in touched {
            let mut crc = Crc::new();
            crc.update(&bytes[storage.bytes.clone()]);
            for &at in &storage.checksums {
                bytes[at..at + 4].copy_from_slice(&crc.sum().to_le_bytes());
            }
        }
        Ok(bytes)
    }
}

/// The entries `data/KEY` of an archive.
fn archived(bytes: &[u8]) -> Result<HashMap<String, Storage>, String> {
    // PyTorch puts nothing before the archive; to say so spares the search described in `zip_repair`.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let broken = |error: zip::result::ZipError| format!("its archive is broken ({error})");
    let mut archive = ZipArchive::with_config(config, Cursor::new(bytes)).map_err(broken)?;
    let mut storages = HashMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(broken)?;
        let Ok(name) = entry.name() else { continue };
        let Some((_, key)) = name.rsplit_once("data/").filter(|(root, _)| root.is_empty() || root.ends_with('/'))
        else {
            continue;
        };
        let key = key.to_owned();
        if entry.compression() != CompressionMethod::Stored {
            return Err("its tensors are compressed, as PyTorch never writes them".to_owned());
        }
        let end = || "its archive is broken (an entry reaches beyond its end)".to_owned();
        let start = entry.data_start().and_then(|start| usize::try_from(start).ok()).ok_or_else(end)?;
        let length = usize::try_from(entry.compressed_size()).map_err(|_| end())?;
        let range = start..start.checked_add(length).filter(|end| *end <= bytes.len()).ok_or_else(end)?;
        let checksums = checksums(bytes, &range, entry.header_start(), entry.central_header_start(), entry.crc32());
        storages.insert(key, Storage { bytes: range, checksums });
    }
    Ok(storages)
}

/// Where the checksum of an entry stands: in the central directory, and in its local header or behind its data.
fn checksums(bytes: &[u8], data: &Range<usize>, header: u64, central: u64, crc: u32) -> Vec<usize> {
    /// Places of the checksum in both kinds of header.
    const IN_HEADER: usize = 14;
    const IN_DIRECTORY: usize = 16;
    let places = [
        usize::try_from(header).ok().map(|at| at + IN_HEADER),
        usize::try_from(central).ok().map(|at| at + IN_DIRECTORY),
        // A descriptor behind the data may begin with a signature.
        Some(data.end + if bytes[data.end..].starts_with(b"PK\x07\x08") { 4 } else { 0 }),
    ];
    let holds = |at: &usize| bytes.get(*at..*at + 4).is_some_and(|stored| stored == crc.to_le_bytes());
    places.into_iter().flatten().filter(holds).collect()
}

/// The storages behind the pickles of a file from before PyTorch 1.6: for each key of a list, a number of values and the
/// values.
fn legacy(bytes: &[u8], pickle: &Pickle) -> Result<HashMap<String, Storage>, String> {
    if !bytes.get(..32).is_some_and(has_legacy_magic) {
        return Err("it is no PyTorch file".to_owned());
    }
    let mut input = Cursor::new(bytes);
    let end = (bytes.len() as u64).min(LARGEST_PICKLES);
    for _ in 0..=LEGACY_HEAD {
        Pickle::read(&mut input, end).map_err(|error| error.to_string())?;
    }
    let keys = Pickle::read(&mut input, end).map_err(|error| error.to_string())?;
    let elements: HashMap<&str, Element> = pickle.ids().filter_map(|id| storage_id(pickle, id)).collect();
    let mut storages = HashMap::new();
    for key in keys.items(keys.root()) {
        let early = || "it ends early".to_owned();
        let key = keys.text(*key).ok_or("its list of storages makes no sense")?;
        let start = usize::try_from(input.position()).map_err(|_| early())?;
        let count = bytes.get(start..start + 8).and_then(|count| count.try_into().ok()).map(u64::from_le_bytes);
        let count = count.and_then(|count| usize::try_from(count).ok()).ok_or_else(early)?;
        // The type of a storage that no tensor of the file refers to is not known, nor where the next one begins.
        let Some(element) = elements.get(key) else {
            return Err("a storage has a type that is not read".to_owned());
        };
        let start = start + 8;
        let length = count.checked_mul(element.size()).and_then(|length| start.checked_add(length));
        let end = length.filter(|end| *end <= bytes.len()).ok_or_else(early)?;
        storages.insert(key.to_owned(), Storage { bytes: start..end, checksums: Vec::new() });
        input.seek(SeekFrom::Start(end as u64)).map_err(|error| error.to_string())?;
    }
    Ok(storages)
}
