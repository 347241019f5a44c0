//! Model files: in come `.pt`, `.pth`, `.pkl`, `.safetensors` and folders of Hugging Face, out comes a [`Checkpoint`] of host tensors, and back.
//!
//! Imports `networks`, `sanitize` and `atomic_file`. Every byte of a file is treated as hostile: whatever it holds, the
//! answer is a checkpoint or a [`CheckpointError`] of one sentence, and nothing in it is ever executed.

mod assemble;
mod dcgan;
mod digest;
mod element;
mod error;
mod hugging_face;
mod hugging_face_write;
mod layout;
mod nvlabs;
mod pickle;
mod pickle_write;
mod pt_read;
mod pt_values;
mod pt_write;
mod safetensors_file;
mod torch_file;
mod zip_repair;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::networks::{HostTensor, Params};

pub use dcgan::DcganFile;
pub use digest::{Unchanged, sha256, sha256_watched};
pub use error::CheckpointError;
pub use hugging_face::{companions, weights_file};
pub use layout::{StateDictOrder, is_buffer, parameter_names, state_dict_order};
pub use nvlabs::PickleFile;
pub use safetensors_file::{
    EncodedTensors, TensorsAndMetadata, read_tensors, read_tensors_from, write_streamed, write_tensors,
};

/// What a training checkpoint holds. [`load`] never returns one without a generator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// The averaged generator, the one that is shown and exported.
    pub g_ema: Option<Params>,
    /// The generator being trained.
    pub g: Option<Params>,
    /// The discriminator.
    pub d: Option<Params>,
    /// Adam's state for `g`.
    pub g_optim: Option<OptimState>,
    /// Adam's state for `d`.
    pub d_optim: Option<OptimState>,
    /// The training script's arguments, as far as they are plain values.
    pub args: Map<String, Value>,
    /// Strength of adaptive augmentation.
    pub ada_aug_p: Option<f64>,
    /// Architecture, provenance and whatever else the writer said about the file.
    pub metadata: BTreeMap<String, String>,
    /// The file that a DCGAN came in, which is written again with new weights.
    pub dcgan: Option<DcganFile>,
    /// The network pickle that a StyleGAN2-ada or StyleGAN3 came in, which can be written again with new weights.
    pub pickle: Option<PickleFile>,
}

/// The state of one Adam optimizer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimState {
    /// Moments by parameter index, ascending; index `i` is the parameter `parameter_names(params)[i]`. Empty before the
    /// first step.
    pub moments: IndexMap<usize, AdamMoments>,
    /// PyTorch's `param_groups`: learning rate, betas, and so on.
    pub param_groups: Value,
}

/// What Adam remembers of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamMoments {
    /// Steps taken.
    pub step: f32,
    /// Mean of the gradients, in the parameter's shape.
    pub exp_avg: HostTensor,
    /// Mean of the squared gradients, in the parameter's shape.
    pub exp_avg_sq: HostTensor,
}

/// How many bits a written number has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    /// 32: nothing is lost.
    Single,
    /// 16: half the size, 11 significant bits.
    Half,
}

/// Writes a `.safetensors` file of half the size, its numbers rounded to 16 bits; otherwise as [`save`].
pub fn save_half(path: &Path, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
    match Format::of_extension(path) {
        Some(Format::Safetensors) => safetensors_file::save(path, checkpoint, Precision::Half),
        _ => Err(CheckpointError::UnknownExtension { file: path.to_owned() }),
    }
}

/// Reads a model file; its content, not its name, says which format it is.
pub fn load(path: &Path) -> Result<Checkpoint, CheckpointError> {
    load_watched(path, &mut |_| {})
}

/// As [`load`]; `watch` is told again and again how many bytes of tensors were read so far. Where tensors share memory,
/// that can come to more than the file has.
pub fn load_watched(path: &Path, watch: &mut dyn FnMut(u64)) -> Result<Checkpoint, CheckpointError> {
    if path.is_dir() {
        hugging_face::check_folder(path)?;
    }
    let path = &weights_file(path);
    match Format::of_content(path)? {
        Format::PyTorch => pt_read::load(path, watch),
        Format::Safetensors => safetensors_file::load(path, watch),
        Format::Pickle => nvlabs::load(path, watch),
    }
}

/// Writes a model file in the format its extension names, `.safetensors`, `.pt` or `.pth`, or `.pkl` if it came in one; a masked
/// autoencoder without an extension becomes a Hugging Face folder. The same checkpoint gives
/// the same bytes; when writing fails, a file that was already there stays as it was.
pub fn save(path: &Path, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
    match Format::of_extension(path) {
        Some(Format::PyTorch) => match &checkpoint.dcgan {
            Some(file) => dcgan::save(path, checkpoint, file),
            None => pt_write::save(path, checkpoint),
        },
        Some(Format::Safetensors) => safetensors_file::save(path, checkpoint, Precision::Single),
        Some(Format::Pickle) => nvlabs::save(path, checkpoint),
        None => hugging_face_write::save(path, checkpoint),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    PyTorch,
    Safetensors,
    Pickle,
}

impl Format {
    fn of_extension(path: &Path) -> Option<Self> {
        match path.extension().and_then(OsStr::to_str)?.to_ascii_lowercase().as_str() {
            "pt" | "pth" => Some(Self::PyTorch),
            "safetensors" => Some(Self::Safetensors),
            "pkl" | "pickle" => Some(Self::Pickle),
            _ => None,
        }
    }

    /// By the first bytes; the extension decides only what a broken file was meant to be.
    fn of_content(path: &Path) -> Result<Self, CheckpointError> {
        /// Where a `tar` archive, PyTorch's oldest container, has its magic bytes.
        const TAR_MAGIC: std::ops::Range<usize> = 257..262;
        let mut head = Vec::new();
        File::open(path)
            .and_then(|file| file.take(TAR_MAGIC.end as u64).read_to_end(&mut head))
            .map_err(|error| CheckpointError::read(path, &error))?;
        let named = Self::of_extension(path);
        if head.is_empty() {
            Err(CheckpointError::unknown_format(path, "the file is empty"))
        } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            Ok(Self::PyTorch)
        } else if head.get(TAR_MAGIC) == Some(b"ustar".as_slice()) {
            // PyTorch wrote such until 2017, a year before the first StyleGAN. An entry may claim any length.
            Err(CheckpointError::unknown_format(path, "it is a tar archive"))
        } else if safetensors_file::has_header(&head) || named == Some(Self::Safetensors) {
            Ok(Self::Safetensors)
        } else if pt_values::has_legacy_magic(&head) {
            Ok(Self::PyTorch)
        } else if head.starts_with(b"\x80") || named == Some(Self::Pickle) {
            Ok(Self::Pickle)
        } else {
            Err(CheckpointError::unknown_format(path, "it starts like no file of PyTorch, Python or safetensors"))
        }
    }
}
