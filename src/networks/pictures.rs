//! Pictures that a network completes, and which of their patches it does not see.
//!
//! Where a family completes pictures instead of drawing samples from latents, an address is a picture's number and the seed of its
//! mask.

use std::fmt::Debug;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use super::latents::{LatentAddress, key, uniforms};

/// The third word of the key that a mask is drawn with.
const MASK: u64 = u64::from_le_bytes(*b"mask\0\0\0\0");

/// Pictures of one size, by number.
pub trait Pictures: Debug + Send + Sync {
    /// Number of pictures.
    fn count(&self) -> usize;

    /// Pixels along a side.
    fn side(&self) -> usize;

    /// The picture of this number, below [`count`](Self::count): `[3, side, side]` row-major in `[-1, 1]`.
    fn picture(&self, number: usize) -> Vec<f32>;

    /// SHA-256 of the picture as it came (its file, or its bytes in an IDX file), by which feedback files name it.
    fn digest(&self, number: usize) -> [u8; 32];

    /// The number of the (first) picture with this digest.
    fn find(&self, digest: &[u8; 32]) -> Option<usize>;
}

/// Which pictures a job looks at. No picture is learned from and measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// All of them, in their order.
    Show,
    /// Three of four.
    Learn,
    /// Every fourth.
    Measure,
}

/// One of so many pictures is kept for measuring.
const MEASURED: u64 = 4;

impl Purpose {
    /// How many of `count` pictures there are for it.
    pub fn count(self, count: usize) -> usize {
        let measured = count / MEASURED as usize;
        match self {
            Self::Show => count,
            Self::Learn => count - measured,
            Self::Measure => measured,
        }
    }

    /// The number of the picture at this place of those for it.
    pub fn number(self, place: u64) -> u64 {
        match self {
            Self::Show => place,
            Self::Learn => place / (MEASURED - 1) * MEASURED + place % (MEASURED - 1),
            Self::Measure => place * MEASURED + MEASURED - 1,
        }
    }
}

/// Where the hidden patches of a picture are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hidden {
    /// Anywhere, by the address's seed.
    #[default]
    Random,
    /// Around a square in the middle, which is seen (outpainting).
    Border,
    /// In a square in the middle (inpainting).
    Centre,
}

/// What of a picture is hidden before it is completed. It is how pictures are shown; methods train with random masks and the
/// model's own share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Masking {
    /// Where.
    pub hidden: Hidden,
    /// The share of the patches, above 0 and below 1; the model's own if none is given.
    pub share: Option<f32>,
}

impl Masking {
    /// One number a patch of a picture of `across` patches a side, `[across * across]`: those with the smallest stay visible, in rising
    /// order.
    pub fn noise(self, address: LatentAddress, across: usize) -> Vec<f32> {
        let LatentAddress { seed, index } = address;
        let mut rng = ChaCha8Rng::from_seed(key([seed, index, MASK, 0]));
        let random = uniforms(&mut rng, across * across);
        let middle = (across as f32 - 1.0) / 2.0;
        let distance = |patch: usize| {
            let from = |at: usize| (at as f32 - middle).abs();
            from(patch % across).max(from(patch / across))
        };
        match self.hidden {
            Hidden::Random => random,
            // Patches that are equally far from the middle are told apart by chance.
            Hidden::Border => (0..across * across).map(|patch| distance(patch) + 0.5 * random[patch]).collect(),
            Hidden::Centre => (0..across * across).map(|patch| 0.5 * random[patch] - distance(patch)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_picture_is_learned_from_and_measured_on() {
        for count in [1, 3, 4, 7, 100] {
            let of = |purpose: Purpose| {
                (0..purpose.count(count) as u64).map(|place| purpose.number(place)).collect::<Vec<_>>()
            };
            let mut all = [of(Purpose::Learn), of(Purpose::Measure)].concat();
            all.sort_unstable();
            assert_eq!(all, of(Purpose::Show));
        }
    }

    #[test]
    fn a_mask_lies_where_it_was_asked_for() {
        let address = LatentAddress { seed: 3, index: 9 };
        let visible = |hidden, count| {
            let noise = Masking { hidden, share: None }.noise(address, 8);
            let mut order: Vec<usize> = (0..64).collect();
            order.sort_by(|a, b| noise[*a].total_cmp(&noise[*b]));
            order.truncate(count);
            order.sort_unstable();
            order
        };
        let square = [27, 28, 35, 36];
        assert_eq!(visible(Hidden::Border, 4), square);
        let seen = visible(Hidden::Centre, 60);
        assert!(square.iter().all(|patch| !seen.contains(patch)));
        assert_ne!(visible(Hidden::Random, 4), square);
        let other = Masking::default().noise(LatentAddress { seed: 4, index: 9 }, 8);
        assert_ne!(other, Masking::default().noise(address, 8));
    }
}
