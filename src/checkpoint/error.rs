//! What can be wrong with a model file, each said in one sentence that names the file.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{atomic_file::plain_reason, sanitize::sanitize};

/// Characters of a reason; longer ones quote the file, which may be hostile.
const LONGEST: usize = 240;

/// Why a file was not read or not written. `Display` is one sentence: `FILE: what is wrong and what next`.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The system would not let us read: missing, a folder, no permission.
    #[error("{}: cannot be read: {reason}", file.display())]
    Read { file: PathBuf, reason: String },
    /// Another file took its place, or somebody wrote into it.
    #[error("{}: it changed while it was read; open it again", file.display())]
    Changed { file: PathBuf },
    /// The content contradicts itself or ends early.
    #[error("{}: damaged or incomplete ({reason}); use another copy of the file", file.display())]
    Damaged { file: PathBuf, reason: String },
    /// The file would run a program wherever it is loaded carelessly.
    #[error("{}: refused, it would call `{call}` if Python loaded it; do not trust this file", file.display())]
    Hostile { file: PathBuf, call: String },
    /// The first bytes belong to no format this program reads.
    #[error("{}: not a model file ({reason}); open a .pt, .pth, .pkl or .safetensors file", file.display())]
    UnknownFormat { file: PathBuf, reason: String },
    /// A readable file that holds something else.
    #[error(
        "{}: not a StyleGAN2 checkpoint in the rosinality layout: it has {found} but no g or g_ema",
        file.display()
    )]
    NotACheckpoint { file: PathBuf, found: String },
    /// A readable file with a network that is neither of the two families such files hold.
    #[error("{}: neither a StyleGAN2 checkpoint in the rosinality layout nor a DCGAN: {reason}", file.display())]
    NotADcgan { file: PathBuf, reason: String },
    /// A network pickle of an architecture that is not read.
    #[error("{}: it holds {found}, which is not read; open a StyleGAN2 with a `skip` generator or a StyleGAN3", file.display())]
    Declined { file: PathBuf, found: String },
    /// A network pickle whose parts do not fit together.
    #[error("{}: not usable as a network pickle of StyleGAN2-ada or StyleGAN3: {reason}", file.display())]
    BadNetwork { file: PathBuf, reason: String },
    /// A folder, or its tensors, that hold no masked autoencoder.
    #[error("{}: not usable as a masked autoencoder: {reason}", file.display())]
    BadFolder { file: PathBuf, reason: String },
    /// A format that cannot hold this model.
    #[error("{}: a .pt file in the rosinality layout cannot hold {part}; save as .safetensors", file.display())]
    Unrepresentable { file: PathBuf, part: String },
    /// A pickle of what did not come in one: only the original's layout can be written back.
    #[error("{}: this model was not opened from a .pkl file that can be written again; save as .safetensors", file.display())]
    NoPickle { file: PathBuf },
    /// A network of this file is not what its key promises.
    #[error("{}: not usable as a StyleGAN2 checkpoint in the rosinality layout: {reason}", file.display())]
    Mismatch { file: PathBuf, reason: String },
    /// Saving under a name that says no known format.
    #[error("{}: unknown extension; save as .safetensors, .pt, .pth or .pkl (a masked autoencoder also as a folder)", file.display())]
    UnknownExtension { file: PathBuf },
    /// The system would not let us write; whatever stood at this path still stands there.
    #[error("{}: cannot be written: {reason}; nothing was changed", file.display())]
    Write { file: PathBuf, reason: String },
}

impl CheckpointError {
    pub(super) fn read(file: &Path, error: &io::Error) -> Self {
        Self::Read { file: file.to_owned(), reason: plain_reason(error) }
    }

    pub(super) fn damaged(file: &Path, reason: impl ToString) -> Self {
        Self::Damaged { file: file.to_owned(), reason: one_clause(&reason.to_string()) }
    }

    pub(super) fn hostile(file: &Path, call: &str) -> Self {
        /// Characters of a name; a hostile one can be long.
        const LONGEST: usize = 80;
        Self::Hostile { file: file.to_owned(), call: sanitize(call, LONGEST) }
    }

    pub(super) fn unknown_format(file: &Path, reason: impl ToString) -> Self {
        Self::UnknownFormat { file: file.to_owned(), reason: one_clause(&reason.to_string()) }
    }

    pub(super) fn mismatch(file: &Path, reason: impl ToString) -> Self {
        Self::Mismatch { file: file.to_owned(), reason: sanitize(&reason.to_string(), LONGEST) }
    }

    pub(super) fn not_a_dcgan(file: &Path, reason: &str) -> Self {
        Self::NotADcgan { file: file.to_owned(), reason: sanitize(reason, LONGEST) }
    }

    pub(super) fn declined(file: &Path, found: &str) -> Self {
        Self::Declined { file: file.to_owned(), found: sanitize(found, LONGEST) }
    }

    pub(super) fn bad_network(file: &Path, reason: &str) -> Self {
        Self::BadNetwork { file: file.to_owned(), reason: sanitize(reason, LONGEST) }
    }

    pub(super) fn bad_folder(file: &Path, reason: &str) -> Self {
        Self::BadFolder { file: file.to_owned(), reason: sanitize(reason, LONGEST) }
    }

    pub(super) fn write(file: &Path, error: &io::Error) -> Self {
        Self::Write { file: file.to_owned(), reason: plain_reason(error) }
    }

    /// An I/O error while reading content: the system's own errors are not the file's fault, all others are.
    pub(super) fn io(file: &Path, error: &io::Error) -> Self {
        if error.raw_os_error().is_some() { Self::read(file, error) } else { Self::damaged(file, error) }
    }
}

/// A library's message as one short clause: its first sentence, on one line, without a full stop.
fn one_clause(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = line.split(". ").next().unwrap_or_default().trim_end_matches('.');
    sanitize(sentence, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::one_clause;

    #[test]
    fn clauses() {
        for (message, clause) in [
            ("bad opcode. The file may be corrupted.", "bad opcode"),
            ("two\nlines", "two lines"),
            ("at 0.5 of it", "at 0.5 of it"),
            ("", ""),
            ("a \u{1b}[2J name", "a \u{fffd}[2J name"),
        ] {
            assert_eq!(one_clause(message), clause);
        }
        assert_eq!(one_clause(&"é".repeat(1000)).chars().count(), 243);
    }
}
