//! Tensors of a network pickle. Their storages come through `torch.storage._load_from_bytes`, each as a complete
//! `torch.save` stream of its own: a legacy one, or a zip archive.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

use super::super::element::Element;
use super::super::pickle::{Node, NodeId, Pickle, PickleError};
use super::super::pt_read::has_legacy_magic;
use super::NetworkError;
use super::objects::Module;
use crate::gan::HostTensor;

/// Most bytes of a stream's pickle; a storage's has 80.
const LARGEST_PICKLE: u64 = 1 << 16;
/// Tensors may share storage, so together they may need more than the file holds, but not without bound.
const SHARING: u64 = 8;

/// The storages of one file.
pub(super) struct Storages<'a> {
    pickle: &'a Pickle,
    file: &'a mut BufReader<File>,
    /// Bytes of tensors that may still be read.
    allowance: u64,
}

/// Where a storage's numbers lie.
struct Storage {
    element: Element,
    /// Number of values.
    count: usize,
    place: Place,
}

enum Place {
    /// From this byte of the file on.
    File(u64),
    /// Unpacked from an archive.
    Memory(Vec<u8>),
}

impl<'a> Storages<'a> {
    pub(super) fn new(pickle: &'a Pickle, file: &'a mut BufReader<File>, length: u64) -> Self {
        Self { pickle, file, allowance: length.saturating_mul(SHARING) }
    }

    /// The parameter or buffer `name` of a module, which must have it.
    pub(super) fn required(&mut self, module: &Module, name: &str) -> Result<HostTensor, NetworkError> {
        self.tensor(module, name)?
            .ok_or_else(|| NetworkError::Bad(format!("`{}` has no tensor `{name}`", module.path())))
    }

    /// The parameter or buffer `name` of a module.
    pub(super) fn tensor(&mut self, module: &Module, name: &str) -> Result<Option<HostTensor>, NetworkError> {
        let Some(id) = module.tensor_node(name) else { return Ok(None) };
        self.read(id).map(Some).map_err(|error| match error {
            NetworkError::Bad(reason) => NetworkError::Bad(format!("tensor `{}.{name}`: {reason}", module.path())),
            other => other,
        })
    }

    fn read(&mut self, id: NodeId) -> Result<HostTensor, NetworkError> {
        let (class, args) = self.pickle.call(id).ok_or_else(|| bad("it is no tensor"))?;
        let (class, args) = match class {
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
                args.first().and_then(|data| self.pickle.call(*data)).ok_or_else(|| bad("it is no tensor"))?
            }
            _ => (class, args),
        };
        let ("torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor", [storage, offset, size, stride, ..]) =
            (class, args)
        else {
            return Err(bad("it is no tensor"));
        };
        let sizes = |id: NodeId| -> Option<Vec<usize>> {
            self.pickle.items(id).iter().map(|extent| self.pickle.size(*extent)).collect()
        };
        let layout = (self.pickle.size(*offset), sizes(*size), sizes(*stride));
        let (Some(offset), Some(shape), Some(strides)) = layout else {
            return Err(bad("its size or its place makes no sense"));
        };
        self.values(*storage, offset, shape, &strides)
    }

    fn values(
        &mut self,
        storage: NodeId,
        offset: usize,
        shape: Vec<usize>,
        strides: &[usize],
    ) -> Result<HostTensor, NetworkError> {
        let storage = self.storage(storage)?;
        let beyond = || bad("it reaches beyond its storage");
        let count = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
        let count = count.filter(|count| *count <= storage.count).ok_or_else(beyond)?;
        if strides.len() != shape.len() || shape.len() > 8 {
            return Err(bad("its size or its place makes no sense"));
        }
        if count == 0 {
            return Ok(HostTensor { shape, data: Vec::new() });
        }
        let reach = shape.iter().zip(strides).try_fold(1_usize, |reach, (extent, stride)| {
            extent.checked_sub(1)?.checked_mul(*stride)?.checked_add(reach)
        });
        let reach = reach.ok_or_else(beyond)?;
        if offset.checked_add(reach).is_none_or(|end| end > storage.count) {
            return Err(beyond());
        }
        let bytes = (reach * storage.element.size()) as u64;
        self.allowance = self
            .allowance
            .checked_sub(bytes)
            .ok_or_else(|| bad(&format!("the file's tensors claim more than {SHARING} times its size")))?;
        let skipped = (offset * storage.element.size()) as u64;
        let stored = match storage.place {
            Place::File(start) => {
                self.file.seek(SeekFrom::Start(start + skipped)).map_err(NetworkError::Io)?;
                storage.element.read(self.file, reach)
            }
            Place::Memory(bytes) => storage.element.read(&mut bytes.get(skipped as usize..).unwrap_or_default(), reach),
        };
        let stored = stored.map_err(NetworkError::Io)?;
        Ok(HostTensor { data: in_order(stored, &shape, strides), shape })
    }

    /// What `torch.storage._load_from_bytes` would load.
    fn storage(&mut self, id: NodeId) -> Result<Storage, NetworkError> {
        let stream = match self.pickle.call(id) {
            Some(("torch.storage._load_from_bytes", [bytes])) => self.pickle.node(*bytes),
            _ => return Err(bad("expected a storage")),
        };
        let Node::Bytes(range) = stream else { return Err(bad("expected a storage's bytes")) };
        self.file.seek(SeekFrom::Start(range.start)).map_err(NetworkError::Io)?;
        let mut head = [0; 32];
        let length = head.len().min((range.end - range.start) as usize);
        self.file.read_exact(&mut head[..length]).map_err(NetworkError::Io)?;
        self.file.seek(SeekFrom::Start(range.start)).map_err(NetworkError::Io)?;
        if head.starts_with(b"PK") {
            return self.archive(range.clone());
        }
        if !has_legacy_magic(&head) {
            return Err(bad("its storage is no PyTorch stream"));
        }
        self.legacy(range.end)
    }

    /// A legacy stream: pickles of a magic number, a version, word sizes, the storage and a list of keys, then every
    /// key's number of values and the values. The file stands at its beginning.
    fn legacy(&mut self, end: u64) -> Result<Storage, NetworkError> {
        for _ in 0..3 {
            stream_pickle(self.file, end)?;
        }
        let (element, count) = described(&stream_pickle(self.file, end)?)?;
        stream_pickle(self.file, end)?;
        let mut stored = [0; 8];
        let start = self.file.stream_position().map_err(NetworkError::Io)? + stored.len() as u64;
        if start > end {
            return Err(bad("its storage ends early"));
        }
        self.file.read_exact(&mut stored).map_err(NetworkError::Io)?;
        let bytes = count.checked_mul(element.size()).map(|bytes| bytes as u64);
        if u64::from_le_bytes(stored) != count as u64 || bytes.is_none_or(|bytes| bytes > end - start) {
            return Err(bad("its storage contradicts itself"));
        }
        Ok(Storage { element, count, place: Place::File(start) })
    }

    /// A zip archive with `data.pkl` and one entry under `data/`.
    fn archive(&mut self, range: Range<u64>) -> Result<Storage, NetworkError> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.file.read_exact(&mut bytes).map_err(NetworkError::Io)?;
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let broken = |error: zip::result::ZipError| bad(&format!("its storage's archive is broken ({error})"));
        let mut archive = ZipArchive::with_config(config, Cursor::new(bytes)).map_err(broken)?;
        let names: Vec<String> = archive.file_names().filter_map(Result::ok).map(Into::into).collect();
        let named = |end: fn(&str) -> bool| names.iter().find(|name| end(name));
        let unpack = |archive: &mut ZipArchive<_>, name: Option<&String>, most: u64| {
            let name = name.ok_or_else(|| bad("its storage's archive lacks an entry"))?;
            let mut out = Vec::new();
            let entry = archive.by_name(name).map_err(broken)?;
            entry.take(most).read_to_end(&mut out).map_err(|_| bad("its storage's archive is broken"))?;
            Ok::<_, NetworkError>(out)
        };
        let pickle = unpack(&mut archive, named(|name| name.ends_with("/data.pkl")), LARGEST_PICKLE)?;
        let end = pickle.len() as u64;
        let (element, count) = described(&stream_pickle(&mut Cursor::new(pickle), end)?)?;
        let size = count.checked_mul(element.size()).map(|size| size as u64);
        let size = size.filter(|size| *size <= self.allowance).ok_or_else(|| bad("its storage claims too much"))?;
        let values = unpack(&mut archive, named(|name| name.contains("/data/")), size)?;
        if values.len() as u64 != size {
            return Err(bad("its storage ends early"));
        }
        Ok(Storage { element, count, place: Place::Memory(values) })
    }
}

fn bad(reason: &str) -> NetworkError {
    NetworkError::Bad(reason.to_owned())
}

fn stream_pickle(input: &mut (impl BufRead + Seek), end: u64) -> Result<Pickle, NetworkError> {
    let start = input.stream_position().map_err(NetworkError::Io)?;
    let pickle = Pickle::read(input, end.min(start.saturating_add(LARGEST_PICKLE)));
    let pickle = pickle.map_err(|error| match error {
        PickleError::Io(error) => NetworkError::Io(error),
        other => bad(&format!("its storage: {other}")),
    })?;
    match pickle.hostile_name() {
        Some(name) => Err(NetworkError::Hostile(name.to_owned())),
        None => Ok(pickle),
    }
}

/// Type and number of values of `('storage', torch.FloatStorage, key, device, count, ...)`, a persistent id.
fn described(pickle: &Pickle) -> Result<(Element, usize), NetworkError> {
    let Node::Persistent(id) = pickle.node(pickle.root()) else { return Err(bad("expected a storage")) };
    let [kind, class, _, _, count, rest @ ..] = pickle.items(*id) else { return Err(bad("expected a storage")) };
    if pickle.text(*kind) != Some("storage") || rest.iter().any(|view| !matches!(pickle.node(*view), Node::None)) {
        return Err(bad("expected a whole storage"));
    }
    let Node::Class(class) = pickle.node(*class) else { return Err(bad("expected a storage")) };
    let element = Element::of_storage(class).ok_or_else(|| bad("it does not hold numbers"))?;
    let count = pickle.size(*count).ok_or_else(|| bad("its storage has no size"))?;
    Ok((element, count))
}

/// Values in row-major order from stored ones with strides; most tensors are in order already.
fn in_order(stored: Vec<f32>, shape: &[usize], strides: &[usize]) -> Vec<f32> {
    let mut expected = 1;
    let contiguous = shape.iter().zip(strides).rev().all(|(extent, stride)| {
        let fits = *extent == 1 || *stride == expected;
        expected *= extent;
        fits
    });
    if contiguous {
        return stored;
    }
    let count = shape.iter().product();
    let mut index = vec![0; shape.len()];
    let mut values = Vec::with_capacity(count);
    let mut place = 0;
    for _ in 0..count {
        values.push(stored[place]);
        for ((i, extent), stride) in index.iter_mut().zip(shape).zip(strides).rev() {
            *i += 1;
            place += stride;
            if *i < *extent {
                break;
            }
            place -= stride * extent;
            *i = 0;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn strides_are_followed() {
        assert_eq!(in_order(vec![1., 2., 3., 4., 5., 6.], &[2, 3], &[3, 1]), [1., 2., 3., 4., 5., 6.]);
        assert_eq!(in_order(vec![1., 2., 3., 4., 5., 6.], &[3, 2], &[1, 3]), [1., 4., 2., 5., 3., 6.]);
        // Channels last: [1, 2, 2, 2] with the channel fastest.
        let stored = (0..8).map(|i| i as f32).collect();
        assert_eq!(in_order(stored, &[1, 2, 2, 2], &[8, 1, 4, 2]), [0., 2., 4., 6., 1., 3., 5., 7.]);
        assert_eq!(in_order(vec![7.], &[2, 1], &[0, 5]), [7., 7.]);
    }
}
