//! Latents are addresses: sample `index` of `seed` has the same `z` on every machine, in every version.
//!
//! # The stream, fixed for good
//! - Words: ChaCha8 (`rand_chacha`), counter 0, nonce 0, 32-byte key made of little-endian `u64`s.
//!   A latent's key is `(seed, index, 0, 0)`; its class's (in class-conditional networks) is `(seed, index, b"class", 0)`, a picture's mask's `(seed, index, b"mask", 0)`; a [`NormalSource`]'s is `(seed, stream, b"training", 0)`.
//! - Uniform: the upper 53 bits of a `u64` times 2^-53, in `[0, 1)`.
//! - Normal: Box-Muller in `f64` over two consecutive `u64`s `a`, `b`. With `u` = ((a >> 11) + 1) 2^-53 in `(0, 1]` and
//!   `v` the uniform of `b`, the pair is `sqrt(-2 ln u) cos(2 pi v)`, `sqrt(-2 ln u) sin(2 pi v)`, each rounded to `f32`.
//!   An odd request drops the last sine.
//!
//! `ln`, `sin` and `cos` come from the `libm` crate, not from the platform, whose libraries differ in the last bit.
//! The tests hold values computed by an independent implementation in Python.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// The third word of the key that a sample's class is drawn with.
const CLASS: u64 = u64::from_le_bytes(*b"class\0\0\0");

/// Where a sample's latent is found: `index` within the endless row of samples named `seed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LatentAddress {
    pub seed: u64,
    pub index: u64,
}

impl LatentAddress {
    /// The latent at this address: `[dim]`, `z ~ N(0, I)`.
    pub fn latent(self, dim: usize) -> Vec<f32> {
        latent(self.seed, self.index, dim)
    }
}

/// The latent of sample `index` of `seed`: `[dim]`, `z ~ N(0, I)`.
///
/// A longer latent of the same address begins with the shorter one.
pub fn latent(seed: u64, index: u64, dim: usize) -> Vec<f32> {
    let mut z = Vec::with_capacity(dim);
    push_latent(&mut z, seed, index, dim);
    z
}

/// The class of sample `index` of `seed` among `classes`, uniform.
pub fn class_at(seed: u64, index: u64, classes: usize) -> usize {
    let mut source = NormalSource { seed, stream: index, rng: ChaCha8Rng::from_seed(key([seed, index, CLASS, 0])) };
    source.below(classes)
}

/// What a generator takes at the addresses `(seed, indices)`, `[indices, dim + classes]`: the latent and, behind it, the
/// class one-hot (that of [`class_at`], unless one is given; all zero if it is not among the classes).
pub fn inputs(
    seed: u64,
    indices: impl IntoIterator<Item = u64>,
    dim: usize,
    classes: usize,
    class: Option<usize>,
) -> Vec<f32> {
    let mut rows = Vec::new();
    for index in indices {
        push_latent(&mut rows, seed, index, dim);
        if classes > 0 {
            push_class(&mut rows, class.unwrap_or_else(|| class_at(seed, index, classes)), classes);
        }
    }
    rows
}

/// Appends `class` one-hot.
pub fn push_class(row: &mut Vec<f32>, class: usize, classes: usize) {
    row.extend((0..classes).map(|i| if i == class { 1.0 } else { 0.0 }));
}

/// The latents of many samples of one seed: `[indices, dim]`, row-major, each row as [`latent`] gives it.
pub fn latents(seed: u64, indices: impl IntoIterator<Item = u64>, dim: usize) -> Vec<f32> {
    let indices = indices.into_iter();
    let mut z = Vec::with_capacity(indices.size_hint().0.saturating_mul(dim));
    for index in indices {
        push_latent(&mut z, seed, index, dim);
    }
    z
}

/// The point at `t` in `[0, 1]` on the arc from `a` to `b`, `[dim]` each; `a` itself at 0 and `b` itself at 1.
///
/// Spherical linear interpolation (Shoemake 1985; White 2016, arXiv:1609.04468): normal latents of many dimensions lie close to a
/// sphere, and a straight line between two of them leads through its inside, where no sample is. Latents without an angle
/// between them (one points the way of the other or against it, or is zero) are joined by that line all the same.
pub fn slerp(a: &[f32], b: &[f32], t: f32) -> Vec<f32> {
    /// Below this sine of their angle two latents count as parallel.
    const PARALLEL: f64 = 1e-6;
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let t = f64::from(t);
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let angle = libm::acos(cosine.clamp(-1.0, 1.0));
    let sine = libm::sin(angle);
    let [of_a, of_b] =
        if sine > PARALLEL { [libm::sin((1.0 - t) * angle) / sine, libm::sin(t * angle) / sine] } else { [1.0 - t, t] };
    a.iter().zip(b).map(|(a, b)| (of_a * f64::from(*a) + of_b * f64::from(*b)) as f32).collect()
}

fn push_latent(z: &mut Vec<f32>, seed: u64, index: u64, dim: usize) {
    let mut rng = ChaCha8Rng::from_seed(key([seed, index, 0, 0]));
    push_normals(z, &mut rng, dim);
}

/// Where a [`NormalSource`] stands, so that a run can be stopped and resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    pub seed: u64,
    pub stream: u64,
    /// 32-bit words drawn so far.
    pub word: u64,
}

/// A seeded sequence of random numbers for training: the same numbers for the same seed and stream everywhere.
///
/// Streams of one seed are independent of each other and of the latents of the same seed.
#[derive(Clone, Debug)]
pub struct NormalSource {
    seed: u64,
    stream: u64,
    rng: ChaCha8Rng,
}

impl NormalSource {
    /// The beginning of stream `stream` of `seed`.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { seed, stream, rng: ChaCha8Rng::from_seed(key([seed, stream, u64::from_le_bytes(*b"training"), 0])) }
    }

    /// The source that goes on exactly where the one that gave `state` stood.
    pub fn resume(state: SourceState) -> Self {
        let mut source = Self::new(state.seed, state.stream);
        source.rng.set_word_pos(u128::from(state.word));
        source
    }

    /// The present position.
    pub fn state(&self) -> SourceState {
        // 2^64 words are 6e19 numbers: the upper bits of the position are never reached.
        SourceState { seed: self.seed, stream: self.stream, word: self.rng.get_word_pos() as u64 }
    }

    /// The next `n` independent values of N(0, 1).
    pub fn normals(&mut self, n: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(n);
        push_normals(&mut values, &mut self.rng, n);
        values
    }

    /// The next 64 bits, as the seed of another source.
    pub fn seed(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// The next value, uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        unit(self.rng.next_u64())
    }

    /// The next whole number, uniform in `0..n` without bias; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        if n == 0 {
            return 0;
        }
        // Lemire's multiplication: the low half tells the few words that would make small numbers likelier.
        let unfair = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.rng.next_u64()) * u128::from(n);
            if product as u64 >= unfair {
                return (product >> 64) as usize;
            }
        }
    }
}

pub(super) fn key(words: [u64; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// The next `n` numbers, uniform in `[0, 1)`.
pub(super) fn uniforms(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| unit(rng.next_u64()) as f32).collect()
}

/// The upper 53 bits as a number in `[0, 1)`.
fn unit(word: u64) -> f64 {
    const STEP: f64 = 1.0 / (1u64 << 53) as f64;
    (word >> 11) as f64 * STEP
}

fn push_normals(values: &mut Vec<f32>, rng: &mut ChaCha8Rng, n: usize) {
    let end = values.len() + n;
    while values.len() < end {
        // One step up, from [0, 1) to (0, 1]: ln has no value at 0.
        let u = unit(rng.next_u64()) + unit(1 << 11);
        let radius = (-2.0 * libm::log(u)).sqrt();
        let (sin, cos) = libm::sincos(TAU * unit(rng.next_u64()));
        values.push((radius * cos) as f32);
        if values.len() < end {
            values.push((radius * sin) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|v| v.to_bits()).collect()
    }

    /// ChaCha8 and Box-Muller written independently in Python, compared bit by bit.
    #[test]
    fn latents_are_the_stored_ones() {
        let table: [(u64, u64, [u32; 6]); 3] = [
            (0, 0, [0xbecf22b3, 0xbee09249, 0x3fa1a660, 0x3f934259, 0x3fabd791, 0x3f7655c8]),
            (42, 7, [0xbf9686a5, 0x3f12cf00, 0xbe8ff18a, 0xbf443e08, 0xbf08e2d4, 0x3fd0df6e]),
            (u64::MAX, u64::MAX, [0xbf0ce4c8, 0x3e17a4c4, 0xbdb88203, 0xbf562a22, 0xbe503b1c, 0x3e2b5bcd]),
        ];
        for (seed, index, expected) in table {
            assert_eq!(bits(&latent(seed, index, 6)), expected, "seed {seed}, index {index}");
            assert_eq!(bits(&LatentAddress { seed, index }.latent(5)), expected[..5]);
        }
    }

    #[test]
    fn training_streams_are_the_stored_ones() {
        assert_eq!(
            bits(&NormalSource::new(42, 3).normals(5)),
            [0x3d9a2fe2, 0xbe806305, 0xbfc14796, 0x3ed6b53d, 0xbea76d0c]
        );
        let mut source = NormalSource::new(42, 3);
        assert_eq!([source.uniform(), source.uniform()], [0.9663074803758847, 0.7964217236720095]);
        let mut source = NormalSource::new(42, 3);
        assert_eq!((0..8).map(|_| source.below(10)).collect::<Vec<_>>(), [9, 7, 2, 4, 3, 7, 4, 0]);
    }

    /// A digest over many values would notice one differing bit of `libm` in any region of its functions.
    #[test]
    fn a_hundred_thousand_values_have_the_stored_digest() {
        use sha2::{Digest, Sha256};
        let mut sha = Sha256::new();
        for value in latents(1, 0..200, 512) {
            sha.update(value.to_le_bytes());
        }
        let digest: String = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, "29edef0c438edc5fe3b3433ffe3fed77d8aa83cb4b7f7177bfb98324bc069668");
    }

    #[test]
    fn a_batch_is_its_rows() {
        let batch = latents(9, [5, 0, 5], 7);
        assert_eq!(batch.len(), 21);
        assert_eq!(batch[..7], latent(9, 5, 7));
        assert_eq!(batch[7..14], latent(9, 0, 7));
        assert_eq!(batch[14..], batch[..7]);
        assert!(latents(9, 0..0, 7).is_empty() && latents(9, 0..3, 0).is_empty());
    }

    #[test]
    fn an_arc_begins_and_ends_at_its_latents_and_keeps_their_length() {
        let (a, b) = (latent(0, 3, 64), latent(0, 8, 64));
        assert_eq!([bits(&slerp(&a, &b, 0.0)), bits(&slerp(&a, &b, 1.0))], [bits(&a), bits(&b)]);
        assert_eq!(slerp(&[1.0, 0.0], &[0.0, 1.0], 1.0 / 3.0), [0.75_f32.sqrt(), 0.5]);
        let length = |z: &[f32]| z.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let unit = |z: &[f32]| -> Vec<f32> { z.iter().map(|v| (f64::from(*v) / length(z)) as f32).collect() };
        let (a, b) = (unit(&a), unit(&b));
        let places: Vec<Vec<f32>> = (0..=20).map(|step| slerp(&a, &b, step as f32 / 20.0)).collect();
        assert!(places.iter().all(|place| (length(place) - 1.0).abs() < 1e-6), "a line would be shorter in the middle");
        // Even steps of t are even steps on the arc.
        let step = |at: usize| length(&places[at].iter().zip(&places[at + 1]).map(|(a, b)| a - b).collect::<Vec<_>>());
        assert!((1..20).all(|at| (step(at) - step(0)).abs() < 1e-6));
    }

    #[test]
    fn latents_without_an_angle_are_joined_by_a_line() {
        let table: [([f32; 2], [f32; 2], [f32; 2]); 4] = [
            ([1.0, 2.0], [2.0, 4.0], [1.5, 3.0]),
            ([1.0, 2.0], [1.0, 2.0], [1.0, 2.0]),
            ([0.0, 0.0], [4.0, 2.0], [2.0, 1.0]),
            ([1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]),
        ];
        for (a, b, middle) in table {
            assert_eq!(slerp(&a, &b, 0.5), middle, "{a:?} to {b:?}");
        }
        assert!(slerp(&[], &[], 0.5).is_empty());
    }

    #[test]
    fn values_are_normal_and_addresses_independent() {
        let z: Vec<f64> = latents(3, 0..400, 512).into_iter().map(f64::from).collect();
        let n = z.len() as f64;
        let moment = |k: i32| z.iter().map(|v| v.powi(k)).sum::<f64>() / n;
        for (k, expected, tolerance) in [(1, 0.0, 0.01), (2, 1.0, 0.015), (3, 0.0, 0.04), (4, 3.0, 0.1)] {
            assert!((moment(k) - expected).abs() < tolerance, "moment {k} is {}", moment(k));
        }
        let correlation = |other: Vec<f32>| z.iter().zip(other).map(|(a, b)| a * f64::from(b)).sum::<f64>() / n;
        assert!(correlation(latents(3, 1..401, 512)).abs() < 0.01);
        assert!(correlation(latents(4, 0..400, 512)).abs() < 0.01);
        assert!(correlation(NormalSource::new(3, 0).normals(z.len())).abs() < 0.01);
    }

    #[test]
    fn a_source_resumes_anywhere() {
        for drawn in 0..150 {
            let mut source = NormalSource::new(7, 1);
            source.normals(drawn);
            if drawn % 3 == 0 {
                source.below(10);
            }
            let state = source.state();
            let mut resumed = NormalSource::resume(state);
            assert_eq!(resumed.state(), state);
            assert_eq!(resumed.normals(301), source.normals(301), "after {drawn}");
            assert_eq!(resumed.state(), source.state());
        }
        let far = SourceState { seed: 1, stream: 2, word: u64::MAX };
        assert_eq!(NormalSource::resume(far).normals(3).len(), 3);
    }

    #[test]
    fn whole_numbers_are_fair() {
        let mut source = NormalSource::new(0, 0);
        let mut counts = [0; 6];
        for _ in 0..60_000 {
            counts[source.below(6)] += 1;
        }
        assert!(counts.iter().all(|&count| (9_600..10_400).contains(&count)), "{counts:?}");
        assert_eq!(source.below(0), 0);
        assert_eq!(source.below(1), 0);
        assert!(source.below(usize::MAX) > 0);
    }
}
