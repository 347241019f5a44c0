//! What can be wrong with training data, each in one sentence.

use std::path::PathBuf;

/// Why there are no images to train on.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The system would not let us read.
    #[error("{}: cannot be read ({reason})", file.display())]
    Read { file: PathBuf, reason: String },
    /// The content is not what an IDX file holds.
    #[error("{}: not a usable IDX file: {reason}", file.display())]
    Idx { file: PathBuf, reason: String },
    /// No file of a folder is a picture.
    #[error("{}: no readable PNG or JPEG picture among its {files} files", folder.display())]
    NoPictures { folder: PathBuf, files: usize },
    /// Drawings of this size are not made.
    #[error("avatars cannot be drawn with {side}x{side} pixels")]
    Avatars { side: usize },
    /// The images would need too much memory.
    #[error("{}: {count} pictures of {side}x{side} are too many to hold in memory", folder.display())]
    TooMany { folder: PathBuf, count: usize, side: usize },
}
