//! Where images come from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{DataError, ImageSet, avatars, folder, idx, image_set::AVATAR_SEED};

/// Images by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageSource {
    /// The drawn avatars.
    Avatars,
    /// A folder of pictures.
    Folder(PathBuf),
    /// An IDX file.
    Idx(PathBuf),
}

/// What stands for the drawn avatars where a file is named.
pub const AVATARS: &str = "avatars";

/// Drawings that a training from scratch sees.
pub const TRAINING_AVATARS: usize = 100_000;

impl ImageSource {
    /// What a person means by a path: `avatars`, a folder, or else an IDX file.
    pub fn of(path: PathBuf) -> Self {
        match () {
            () if path.as_os_str() == AVATARS => Self::Avatars,
            () if path.is_dir() => Self::Folder(path),
            () => Self::Idx(path),
        }
    }

    /// Its name for people.
    pub fn name(&self) -> String {
        match self {
            Self::Avatars => AVATARS.to_owned(),
            Self::Folder(path) | Self::Idx(path) => path.display().to_string(),
        }
    }

    /// The images with `side` pixels along a side (their own, or 64, if none is asked for), and the files of a folder that are no readable
    /// pictures. Avatars are `count` of them.
    pub fn open(&self, side: Option<usize>, count: usize) -> Result<(ImageSet, Vec<PathBuf>), DataError> {
        let usual = side.unwrap_or(avatars::SIZE as usize);
        match self {
            Self::Avatars => {
                let drawn = usual.max(avatars::SIZE as usize);
                let drawn = ImageSet::avatars(AVATAR_SEED, count, drawn as u32).shrunk(usual);
                drawn.map(|images| (images, Vec::new())).ok_or(DataError::Avatars { side: usual })
            }
            Self::Idx(path) => Ok((idx::read_images(path, side)?, Vec::new())),
            Self::Folder(path) => folder::read_folder(path, usual),
        }
    }
}
