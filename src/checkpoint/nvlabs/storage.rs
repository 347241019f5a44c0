//! Tensors of a network pickle. Their storages come through `torch.storage._load_from_bytes`, each as a stream of its own.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use super::super::element::Element;
use super::super::pickle::{Node, NodeId, Pickle};
use super::NetworkError;
use super::objects::Module;
use super::stream::{Place, Storage, Stream, bad, bytes_of_latin1};
use crate::networks::HostTensor;

/// Tensors may share storage, so together they may need more than the file holds, but not without bound.
const SHARING: u64 = 8;

/// A tensor, and where its values lie in the file.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) tensor: HostTensor,
    /// None where it was made of something else, or where the file holds the values packed.
    pub(super) slot: Option<Slot>,
}

/// Where a tensor's values lie in a file, one after the other or in another order.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Slot {
    /// Byte of the first value.
    pub(in super::super) start: u64,
    pub(in super::super) element: Element,
    pub(in super::super) shape: Vec<usize>,
    pub(in super::super) strides: Vec<usize>,
}

impl Stored {
    /// A tensor that stands in no file.
    pub(super) fn made(shape: Vec<usize>, data: Vec<f32>) -> Self {
        Self { tensor: HostTensor { shape, data }, slot: None }
    }

    /// The same values in another shape.
    pub(super) fn reshaped(self, shape: Vec<usize>) -> Self {
        Self { tensor: HostTensor { shape, data: self.tensor.data }, slot: self.slot }
    }
}

/// The storages of one file.
pub(super) struct Storages<'a> {
    pickle: &'a Pickle,
    file: &'a mut BufReader<File>,
    /// Bytes of tensors that may still be read.
    allowance: u64,
    /// Bytes of tensors that were read.
    read: u64,
    /// Is told of them.
    watch: &'a mut dyn FnMut(u64),
}

impl<'a> Storages<'a> {
    pub(super) fn new(
        pickle: &'a Pickle,
        file: &'a mut BufReader<File>,
        length: u64,
        watch: &'a mut dyn FnMut(u64),
    ) -> Self {
        Self { pickle, file, allowance: length.saturating_mul(SHARING), read: 0, watch }
    }

    /// The pickle that the storages belong to.
    pub(super) fn pickle(&self) -> &'a Pickle {
        self.pickle
    }

    /// The parameter or buffer `name` of a module, which must have it.
    pub(super) fn required(&mut self, module: &Module, name: &str) -> Result<Stored, NetworkError> {
        self.tensor(module, name)?
            .ok_or_else(|| NetworkError::Bad(format!("`{}` has no tensor `{name}`", module.path())))
    }

    /// The parameter or buffer `name` of a module.
    pub(super) fn tensor(&mut self, module: &Module, name: &str) -> Result<Option<Stored>, NetworkError> {
        let Some(id) = module.tensor_node(name) else { return Ok(None) };
        self.read(id).map(Some).map_err(|error| match error {
            NetworkError::Bad(reason) => NetworkError::Bad(format!("tensor `{}.{name}`: {reason}", module.path())),
            other => other,
        })
    }

    fn read(&mut self, id: NodeId) -> Result<Stored, NetworkError> {
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
    ) -> Result<Stored, NetworkError> {
        let storage = self.storage(storage)?;
        let beyond = || bad("it reaches beyond its storage");
        let count = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
        let count = count.filter(|count| *count <= storage.count).ok_or_else(beyond)?;
        if strides.len() != shape.len() || shape.len() > 8 {
            return Err(bad("its size or its place makes no sense"));
        }
        if count == 0 {
            return Ok(Stored::made(shape, Vec::new()));
        }
        let reach = shape.iter().zip(strides).try_fold(1_usize, |reach, (extent, stride)| {
            extent.checked_sub(1)?.checked_mul(*stride)?.checked_add(reach)
        });
        let reach = reach.ok_or_else(beyond)?;
        if offset.checked_add(reach).is_none_or(|end| end > storage.count) {
            return Err(beyond());
        }
        let bytes = (reach * storage.element.size()) as u64;
        self.spend(bytes)?;
        let skipped = (offset * storage.element.size()) as u64;
        let slot = match storage.place {
            Place::File(start) => {
                let (element, shape, strides) = (storage.element, shape.clone(), strides.to_vec());
                Some(Slot { start: start + skipped, element, shape, strides })
            }
            Place::Memory(_) => None,
        };
        let stored = match storage.place {
            Place::File(start) => {
                self.file.seek(SeekFrom::Start(start + skipped)).map_err(NetworkError::Io)?;
                storage.element.read(self.file, reach)
            }
            Place::Memory(bytes) => storage.element.read(&mut bytes.get(skipped as usize..).unwrap_or_default(), reach),
        };
        let stored = stored.map_err(NetworkError::Io)?;
        self.read += bytes;
        (self.watch)(self.read);
        Ok(Stored { tensor: HostTensor { data: in_order(stored, &shape, strides), shape }, slot })
    }

    /// What `torch.storage._load_from_bytes` would load.
    fn storage(&mut self, id: NodeId) -> Result<Storage, NetworkError> {
        let Some(("torch.storage._load_from_bytes", [bytes])) = self.pickle.call(id) else {
            return Err(bad("expected a storage"));
        };
        let stream = match (self.pickle.node(*bytes), self.pickle.call(*bytes)) {
            (Node::Bytes(range), _) => Stream::File(range.clone()),
            // Protocols before 3 know no bytes: they are written as text, one letter for each.
            (_, Some(("_codecs.encode", [text, encoding]))) if self.pickle.text(*encoding) == Some("latin1") => {
                let text = match self.pickle.node(*text) {
                    Node::Text(text) => text.as_bytes().to_vec(),
                    Node::Bytes(range) => self.bytes(range.clone())?,
                    _ => return Err(bad("expected a storage's bytes")),
                };
                self.spend(text.len() as u64)?;
                Stream::Memory(bytes_of_latin1(text).ok_or_else(|| bad("its storage is no text of bytes"))?)
            }
            _ => return Err(bad("expected a storage's bytes")),
        };
        let stream = match stream {
            Stream::File(range) if Stream::is_archive(self.file, &range)? => {
                let bytes = self.bytes(range)?;
                self.spend(bytes.len() as u64)?;
                Stream::Memory(bytes)
            }
            other => other,
        };
        stream.open(self.file, self.allowance)
    }

    /// A part of the file that has been found to be there.
    pub(super) fn bytes(&mut self, range: Range<u64>) -> Result<Vec<u8>, NetworkError> {
        self.file.seek(SeekFrom::Start(range.start)).map_err(NetworkError::Io)?;
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.file.read_exact(&mut bytes).map_err(NetworkError::Io)?;
        Ok(bytes)
    }

    /// Notes work done: what many tensors share is read again for each of them.
    fn spend(&mut self, bytes: u64) -> Result<(), NetworkError> {
        let claimed = || bad(&format!("the file's tensors claim more than {SHARING} times its size"));
        self.allowance = self.allowance.checked_sub(bytes).ok_or_else(claimed)?;
        Ok(())
    }
}

/// Whether the values of this shape and these strides lie one after the other.
pub(in super::super) fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(extent, stride)| {
        let fits = *extent == 1 || *stride == expected;
        expected *= extent;
        fits
    })
}

/// Values in row-major order from stored ones with strides; most tensors are in order already.
fn in_order(stored: Vec<f32>, shape: &[usize], strides: &[usize]) -> Vec<f32> {
    if is_contiguous(shape, strides) {
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
