//! A set of training images, addressed by number.

use std::{borrow::Cow, sync::Arc};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{DataError, avatars};

/// Seed of the avatars, whatever the seed of what is done with them.
pub(super) const AVATAR_SEED: u64 = 0;

/// No training image has a longer side.
pub const LARGEST: usize = 1024;

/// Square images of one size.
#[derive(Clone, Debug)]
pub struct ImageSet {
    side: usize,
    images: Images,
    /// What is given out has the means of squares of this many pixels a side.
    shrink: usize,
    /// The images that are left, where some were taken out.
    kept: Option<Arc<[u32]>>,
}

#[derive(Clone, Debug)]
enum Images {
    /// Drawn when they are asked for.
    Avatars { seed: u64, count: usize },
    /// Bytes `[count, side, side, channels]`.
    InMemory { bytes: Vec<u8>, channels: usize },
}

impl ImageSet {
    /// The first `count` avatars of a seed.
    pub fn avatars(seed: u64, count: usize, side: u32) -> Self {
        let side = side.clamp(*avatars::SIZES.start(), *avatars::SIZES.end()) as usize;
        Self { side, images: Images::Avatars { seed, count }, shrink: 1, kept: None }
    }

    /// `count` avatars behind the first `from`, drawn once and kept.
    pub(super) fn avatars_behind(from: usize, count: usize, side: usize) -> Result<Self, DataError> {
        let drawn = side.max(avatars::SIZE as usize);
        let wrong = DataError::Avatars { side };
        if drawn > *avatars::SIZES.end() as usize || !drawn.is_multiple_of(side.max(1)) {
            return Err(wrong);
        }
        let draw = |index: usize| avatars::draw(AVATAR_SEED, index as u64, drawn as u32).rgb;
        let bytes: Vec<u8> = (from..from + count).into_par_iter().flat_map_iter(draw).collect();
        Self::rgb(bytes, drawn).shrunk(side).ok_or(wrong)
    }

    /// The same images without those of which `is_out` holds, by their numbers.
    pub fn without(self, is_out: impl Fn(usize) -> bool) -> Self {
        let kept = (0..self.len()).filter(|&number| !is_out(number)).map(|number| self.place(number) as u32).collect();
        Self { kept: Some(kept), ..self }
    }

    /// Where an image lies among all of them, those that were taken out included.
    fn place(&self, number: usize) -> usize {
        self.kept.as_ref().map_or(number, |kept| kept[number] as usize)
    }

    /// What the drawing of a number shows, if the images are drawn.
    pub fn attributes(&self, number: usize) -> Option<avatars::Attributes> {
        match &self.images {
            Images::Avatars { seed, .. } => Some(avatars::attributes(*seed, self.place(number) as u64)),
            Images::InMemory { .. } => None,
        }
    }

    /// The bytes of an image, before it is shrunk.
    pub(super) fn bytes_of(&self, number: usize) -> Cow<'_, [u8]> {
        let number = self.place(number);
        match &self.images {
            Images::Avatars { seed, .. } => avatars::draw(*seed, number as u64, self.side as u32).rgb.into(),
            Images::InMemory { bytes, channels } => {
                let size = self.side * self.side * channels;
                bytes[number * size..(number + 1) * size].into()
            }
        }
    }

    /// Grey images `[count, side, side]`.
    pub(super) fn grey(bytes: Vec<u8>, side: usize) -> Self {
        Self { side, images: Images::InMemory { bytes, channels: 1 }, shrink: 1, kept: None }
    }

    /// Colour images `[count, side, side, 3]`.
    pub(super) fn rgb(bytes: Vec<u8>, side: usize) -> Self {
        Self { side, images: Images::InMemory { bytes, channels: 3 }, shrink: 1, kept: None }
    }

    /// The same images with `side` pixels along a side, each the mean of those it covers; `None` unless that divides
    /// the present side.
    pub fn shrunk(self, side: usize) -> Option<Self> {
        (side > 0 && self.side.is_multiple_of(side)).then(|| Self { shrink: self.side / side, ..self })
    }

    /// Pixels along a side.
    pub fn side(&self) -> usize {
        self.side / self.shrink
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        if let Some(kept) = &self.kept {
            return kept.len();
        }
        match &self.images {
            Images::Avatars { count, .. } => *count,
            Images::InMemory { bytes, channels } => bytes.len() / (self.side * self.side * channels).max(1),
        }
    }

    /// Whether there is nothing to train on.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Images with these numbers (each below [`Self::len`]), `[indices, 3, side, side]` row-major in [-1, 1]; grey is
    /// repeated.
    pub fn images(&self, indices: &[usize]) -> Vec<f32> {
        let plane = self.side * self.side;
        let mut out = Vec::with_capacity(indices.len() * 3 * plane);
        let mut push = |bytes: &[u8], channels: usize| {
            for channel in 0..3 {
                let values = bytes.iter().skip(channel % channels).step_by(channels);
                out.extend(values.map(|&value| f32::from(value) / 127.5 - 1.0));
            }
        };
        for &index in indices {
            let channels = match &self.images {
                Images::Avatars { .. } => 3,
                Images::InMemory { channels, .. } => *channels,
            };
            push(&self.bytes_of(index), channels);
        }
        if self.shrink == 1 { out } else { area_means(&out, self.side, self.shrink) }
    }
}

/// Planes of `side` pixels with every square of `step` pixels a side replaced by its mean.
fn area_means(planes: &[f32], side: usize, step: usize) -> Vec<f32> {
    let small = side / step;
    let mut out = vec![0.0; planes.len() / (step * step)];
    for (row, values) in planes.chunks_exact(side).enumerate() {
        let (plane, y) = (row / side, row % side);
        for (x, value) in values.iter().enumerate() {
            out[(plane * small + y / step) * small + x / step] += value / (step * step) as f32;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_planes() {
        let set = ImageSet::rgb(vec![0, 255, 51, 102, 0, 255, 255, 255, 255, 0, 0, 0], 1);
        assert_eq!((set.len(), set.images(&[0])), (4, vec![-1.0, 1.0, -0.6]));
        assert_eq!(set.images(&[2, 3]), [1.0, 1.0, 1.0, -1.0, -1.0, -1.0]);
        let set = ImageSet::grey(vec![0, 0, 0, 0, 0, 255, 0, 255], 2);
        assert_eq!((set.len(), set.images(&[1])), (2, [-1.0, 1.0, -1.0, 1.0].repeat(3)));
        let set = ImageSet::avatars(3, 10, 64);
        let picture = avatars::draw(3, 7, 64).rgb;
        let images = set.images(&[7]);
        assert_eq!((set.len(), images.len()), (10, 3 * 64 * 64));
        let small = ImageSet::avatars(3, 10, 64).shrunk(16).expect("16 divides 64");
        let mean = (0..4).map(|y| images[y * 64 + 8..y * 64 + 12].iter().sum::<f32>()).sum::<f32>() / 16.0;
        assert_eq!((small.side(), small.len(), small.images(&[7]).len()), (16, 10, 3 * 16 * 16));
        assert!((small.images(&[7])[2] - mean).abs() < 1e-5);
        assert!(small.shrunk(5).is_none());
        let without = ImageSet::avatars(3, 10, 64).without(|number| number % 2 == 0).without(|number| number == 0);
        assert_eq!((without.len(), without.images(&[2])), (4, images.clone()));
        assert_eq!(without.attributes(2), Some(avatars::attributes(3, 7)));
        assert_eq!((images[64 * 64 + 5] + 1.0) * 127.5, f32::from(picture[5 * 3 + 1]));
    }
}
