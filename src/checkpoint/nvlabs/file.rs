//! A network pickle that is written again with other weights: everything else in it stays as it is, byte for byte.
//!
//! What is kept is the file without the tensors' values, which a model holds anyway.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};

use super::super::element::Element;
use super::super::{Checkpoint, CheckpointError};
use super::storage::{Slot, is_contiguous};
use crate::atomic_file;
use crate::networks::{HostTensor, is_buffer};

/// The pickle a model came from, without its values, and where these belong.
#[derive(Clone, PartialEq)]
pub struct PickleFile {
    /// What lies between the tensors that are left out.
    rest: Arc<Vec<u8>>,
    /// By their place in the file.
    left_out: Arc<Vec<Placed>>,
    /// Tensors that are written over what is kept: those of other types, in another order, or with shared values.
    written_over: Arc<Vec<Placed>>,
}

/// A tensor of a network (`g_ema`, `g` or `d`), and its place.
#[derive(Clone, Debug, PartialEq)]
struct Placed {
    part: &'static str,
    key: String,
    slot: Slot,
    /// Bytes of the file from its first value to its last.
    bytes: Range<u64>,
}

impl std::fmt::Debug for PickleFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PickleFile({} bytes, {} tensors)", self.rest.len(), self.left_out.len() + self.written_over.len())
    }
}

impl PickleFile {
    /// Keeps the pickle in a file of `length` bytes; `None` if one of its parameters has no place that can be written to: it
    /// is packed, or its numbers are whole.
    pub(super) fn keep(
        file: &mut BufReader<File>,
        length: u64,
        places: Vec<(&'static str, String, Option<Slot>)>,
    ) -> io::Result<Option<Self>> {
        let mut placed = Vec::new();
        for (part, key, slot) in places {
            match slot.filter(Slot::is_writable) {
                Some(slot) => placed.extend(slot.bytes().map(|bytes| Placed { part, key, slot, bytes })),
                None if is_buffer(&key) => {}
                None => return Ok(None),
            }
        }
        placed.sort_by_key(|placed| placed.bytes.start);
        let (mut left_out, mut written_over): (Vec<Placed>, Vec<Placed>) = (Vec::new(), Vec::new());
        let mut reached = 0;
        for (i, tensor) in placed.iter().enumerate() {
            let before = reached;
            reached = reached.max(tensor.bytes.end);
            let after = placed.get(i + 1).map_or(length, |next| next.bytes.start);
            let alone = before <= tensor.bytes.start && tensor.bytes.end <= after;
            let plain = tensor.slot.element == Element::F32 && is_contiguous(&tensor.slot.shape, &tensor.slot.strides);
            if alone && plain { left_out.push(tensor.clone()) } else { written_over.push(tensor.clone()) }
        }
        let mut rest = Vec::new();
        let mut position = 0;
        let ends = left_out.iter().map(|tensor| tensor.bytes.clone()).chain(std::iter::once(length..length));
        for left_out in ends {
            file.seek(SeekFrom::Start(position))?;
            file.take(left_out.start - position).read_to_end(&mut rest)?;
            position = left_out.end;
        }
        Ok(Some(Self { rest: Arc::new(rest), left_out: Arc::new(left_out), written_over: Arc::new(written_over) }))
    }

    /// Writes the pickle with a model's present weights.
    pub(super) fn save(&self, path: &Path, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let values = |placed: &Placed| -> Result<&HostTensor, CheckpointError> {
            let network = match placed.part {
                "g_ema" => &checkpoint.g_ema,
                "g" => &checkpoint.g,
                _ => &checkpoint.d,
            };
            let tensor = network.as_ref().and_then(|network| network.get(&placed.key));
            let count: usize = placed.slot.shape.iter().product();
            tensor.filter(|tensor| tensor.data.len() == count).ok_or_else(|| {
                CheckpointError::mismatch(
                    path,
                    format!("the pickle's `{}` has another size than the model's", placed.key),
                )
            })
        };
        let mut rest = self.rest.as_ref().clone();
        for tensor in self.written_over.iter() {
            self.write_over(&mut rest, tensor, values(tensor)?);
        }
        let parts: Vec<_> = self.left_out.iter().map(values).collect::<Result<_, _>>()?;
        atomic_file::write_with(path, |file| {
            let (mut kept, mut position) = (rest.as_slice(), 0);
            for (placed, tensor) in self.left_out.iter().zip(&parts) {
                let (before, after) = kept.split_at((placed.bytes.start - position) as usize);
                file.write_all(before)?;
                // Little-endian, as every platform this program runs on.
                file.write_all(bytemuck::cast_slice(&tensor.data))?;
                (kept, position) = (after, placed.bytes.end);
            }
            file.write_all(kept)
        })
        .map_err(|error| CheckpointError::write(path, &error))
    }

    /// Puts a tensor's values into what is kept of the file.
    fn write_over(&self, rest: &mut [u8], placed: &Placed, tensor: &HostTensor) {
        let before = self.left_out.iter().take_while(|left_out| left_out.bytes.end <= placed.bytes.start);
        let skipped: u64 = before.map(|left_out| left_out.bytes.end - left_out.bytes.start).sum();
        let target = &mut rest[(placed.bytes.start - skipped) as usize..];
        let Slot { element, shape, strides, .. } = &placed.slot;
        let mut index = vec![0; shape.len()];
        let mut place = 0;
        for value in &tensor.data {
            let target = &mut target[place * element.size()..][..element.size()];
            match element {
                Element::F64 => target.copy_from_slice(&f64::from(*value).to_le_bytes()),
                Element::F16 => target.copy_from_slice(&f16::from_f32(*value).to_le_bytes()),
                Element::BF16 => target.copy_from_slice(&bf16::from_f32(*value).to_le_bytes()),
                _ => target.copy_from_slice(&value.to_le_bytes()),
            }
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
    }
}

impl Slot {
    /// Whether weights can be written here: they are never whole numbers.
    fn is_writable(&self) -> bool {
        matches!(self.element, Element::F64 | Element::F32 | Element::F16 | Element::BF16)
    }

    /// Bytes of the file from its first value to its last; `None` without values.
    fn bytes(&self) -> Option<Range<u64>> {
        let reach = self.shape.iter().zip(&self.strides).try_fold(1_usize, |reach, (extent, stride)| {
            extent.checked_sub(1)?.checked_mul(*stride)?.checked_add(reach)
        })?;
        Some(self.start..self.start + (reach * self.element.size()) as u64)
    }
}
