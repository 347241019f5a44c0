//! What can be wrong with a feedback file.

use std::io;

use thiserror::Error;

use super::file::{MAX_FILE_BYTES, VERSION};
use crate::atomic_file::plain_reason;

/// Why a feedback file was not read or written; each message is one sentence that names the file.
#[derive(Debug, Error)]
pub enum FeedbackError {
    #[error("{file}: cannot be read ({})", plain_reason(source))]
    Read { file: String, source: io::Error },
    #[error("{file}: cannot be written ({})", plain_reason(source))]
    Write { file: String, source: io::Error },
    #[error("{file}: larger than {MAX_FILE_BYTES} bytes, which no feedback file is")]
    TooLarge { file: String },
    #[error("{file}: not a feedback file ({source})")]
    NotFeedback { file: String, source: serde_json::Error },
    #[error("{file}: feedback of version {version}, this program reads version {VERSION}")]
    Version { file: String, version: u64 },
    #[error("{file}: `{found}` is no SHA-256 of a model (64 hexadecimal digits)")]
    NoSha { file: String, found: String },
    #[error("{file}: feedback for another model (SHA-256 {found}…), the open one has {expected}…")]
    OtherModel { file: String, found: String, expected: String },
    #[error("{file}: sample {index} of seed {seed} has psi {psi:e}, which is no usable truncation")]
    Psi { file: String, seed: u64, index: u64, psi: f64 },
    #[error("{file}: sample {index} of seed {seed} (psi {psi}) stands there twice")]
    Duplicate { file: String, seed: u64, index: u64, psi: f32 },
    #[error("{file}: sample {index} of seed {seed} (psi {psi}) is both negative and positive")]
    Contradiction { file: String, seed: u64, index: u64, psi: f32 },
}
