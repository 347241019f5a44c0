//! Training data, and pictures that a model completes: in come drawings, IDX files and folders of pictures, out come images `[3, side, side]` in [-1, 1].
//!
//! Imports `networks` (for its seeded streams) and nothing else of the crate. Every file is treated as hostile: the answer
//! is a set of images or one sentence.

pub mod avatars;
mod error;
mod folder;
pub mod idx;
mod image_set;
mod order;
mod picture_set;
mod source;

pub use error::DataError;
pub use image_set::{ImageSet, LARGEST};
pub use order::Order;
pub use picture_set::{PictureNotes, PictureSet};
pub use source::{AVATARS, ImageSource, TRAINING_AVATARS};
