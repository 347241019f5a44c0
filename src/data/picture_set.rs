//! Pictures that a model completes.

use std::{collections::HashMap, path::PathBuf};

use sha2::{Digest, Sha256};

use super::{DataError, ImageSet, ImageSource, folder, source::TRAINING_AVATARS};
use crate::networks::Pictures;

/// Avatars that are completed: those behind the ones that a training sees.
const AVATAR_COUNT: usize = 4000;

/// Pictures of one size in memory, each with the digest that names it.
#[derive(Clone, Debug)]
pub struct PictureSet {
    source: ImageSource,
    images: ImageSet,
    digests: Vec<[u8; 32]>,
    numbers: HashMap<[u8; 32], usize>,
}

/// What is worth saying of pictures that were opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PictureNotes {
    /// Files of the folder that are no readable pictures.
    pub skipped: Vec<PathBuf>,
    /// Pictures that had another size.
    pub resized: usize,
}

impl PictureSet {
    /// Opens pictures and brings them to `side` pixels along a side.
    pub fn open(source: &ImageSource, side: usize) -> Result<(Self, PictureNotes), DataError> {
        let mut notes = PictureNotes::default();
        let (images, digests) = match source {
            ImageSource::Folder(path) => {
                let found = folder::read_pictures(path, side)?;
                notes.skipped = found.skipped;
                notes.resized = found.resized;
                (found.images, found.digests)
            }
            ImageSource::Avatars => {
                let images = ImageSet::avatars_behind(TRAINING_AVATARS, AVATAR_COUNT, side)?;
                let digests = (0..images.len()).map(|number| images.digest(number)).collect();
                (images, digests)
            }
            ImageSource::Idx(_) => {
                let (own, _) = source.open(None, 0)?;
                let own_side = own.side();
                let digests = (0..own.len()).map(|number| own.digest(number)).collect();
                let images = if own_side == side { own } else { source.open(Some(side), 0)?.0 };
                notes.resized = if own_side == side { 0 } else { images.len() };
                (images, digests)
            }
        };
        let numbers = digests.iter().enumerate().rev().map(|(number, digest)| (*digest, number)).collect();
        Ok((Self { source: source.clone(), images, digests, numbers }, notes))
    }

    /// SHA-256, in hexadecimal, of the SHA-256 (32 bytes each) of all of them, in their order.
    pub fn sha256(&self) -> String {
        let digest = self.digests.iter().fold(Sha256::new(), |all, digest| all.chain_update(digest)).finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Where they come from.
    pub fn source(&self) -> &ImageSource {
        &self.source
    }
}

impl Pictures for PictureSet {
    fn count(&self) -> usize {
        self.digests.len()
    }

    fn side(&self) -> usize {
        self.images.side()
    }

    fn picture(&self, number: usize) -> Vec<f32> {
        self.images.images(&[number])
    }

    fn digest(&self, number: usize) -> [u8; 32] {
        self.digests[number]
    }

    fn find(&self, digest: &[u8; 32]) -> Option<usize> {
        self.numbers.get(digest).copied()
    }
}

impl ImageSet {
    /// SHA-256 of an image's bytes.
    fn digest(&self, number: usize) -> [u8; 32] {
        Sha256::digest(self.bytes_of(number)).into()
    }
}
