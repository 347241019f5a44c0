//! Why a project could not be opened or changed, each in one sentence.

use std::{io, path::PathBuf};

use super::manifest::{NodeId, VERSION};
use crate::{atomic_file::plain_reason, checkpoint::CheckpointError, feedback::FeedbackError};

/// Why a project could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A file or a folder of it could not be read.
    #[error("{}: cannot be read ({})", path.display(), plain_reason(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or a folder of it could not be written.
    #[error("{}: cannot be written ({})", path.display(), plain_reason(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of it is not what it should be.
    #[error("{}: {reason}; nothing was changed", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A newer program made it.
    #[error(
        "{}: a project of version {version}, and this program knows versions up to {VERSION}; a newer one opens it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// There is something else already.
    #[error("{}: there is another project or file already; choose another name", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// It may only be looked at.
    #[error("{}: {reason}, so it is read-only here; save it under another name to go on", folder.display())]
    ReadOnly {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
    /// The history does not have such a node.
    #[error("the history has no node {0}")]
    NoNode(NodeId),
    /// A node without a model: its run was interrupted.
    #[error("\u{201c}{0}\u{201d} is not finished; go on with it or delete it first")]
    Unfinished(String),
    /// The first node, or one that is worked on.
    #[error("\u{201c}{0}\u{201d} cannot be deleted: {1}")]
    Needed(String, &'static str),
    /// A model file that is not the one it was.
    #[error("{}: the file has changed since it was opened, so nothing is built on it; open it again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Reading or writing the tensors of a run.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Reading or writing marks.
    #[error(transparent)]
    Feedback(#[from] FeedbackError),
}

impl ProjectError {
    pub(super) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Read { path, source }
    }

    pub(super) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Write { path, source }
    }
}
