//! Feedback: which samples a person or a labeler marked negative or positive.
//!
//! Samples are addresses, not pictures: the model named by its SHA-256 draws the same picture from
//! `(seed, index, psi)` everywhere. The module `file` holds the JSON format.

mod error;
mod file;

use std::collections::BTreeMap;

pub use error::FeedbackError;

use crate::networks::LatentAddress;

/// One picture of a model: a latent's address, the truncation it is drawn with and, if one was chosen, its class.
///
/// Two samples are the same only if their `psi` agree in every bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sample {
    address: LatentAddress,
    psi_bits: u32,
    class: Option<u32>,
}

impl Sample {
    /// The sample at `address` truncated with `psi`; none if `psi` is not a finite number.
    pub fn new(address: LatentAddress, psi: f32) -> Option<Self> {
        // Adding 0 makes one of the two zeros.
        psi.is_finite().then(|| Self { address, psi_bits: (psi + 0.0).to_bits(), class: None })
    }

    /// The same latent as a picture of this class; without one, the address decides (in class-conditional networks).
    pub fn with_class(self, class: Option<u32>) -> Self {
        Self { class, ..self }
    }

    /// The class that was chosen, if one was.
    pub fn class(self) -> Option<u32> {
        self.class
    }

    /// Where the latent is found.
    pub fn address(self) -> LatentAddress {
        self.address
    }

    /// The truncation: 1 is none, 0 is the mean picture.
    pub fn psi(self) -> f32 {
        f32::from_bits(self.psi_bits)
    }
}

/// What a sample shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// It shows what must be forgotten.
    Negative,
    /// It does not.
    Positive,
}

/// The samples of one model that were marked. A sample has one mark or none.
///
/// Iteration goes by seed, index and psi, whatever the order of marking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    model_sha256: String,
    marks: BTreeMap<Sample, Mark>,
}

impl Feedback {
    /// No marks yet, for the model file with this SHA-256 (hexadecimal).
    pub fn new(model_sha256: &str) -> Self {
        Self { model_sha256: model_sha256.to_ascii_lowercase(), marks: BTreeMap::new() }
    }

    /// SHA-256 of the model file, lower-case hexadecimal.
    pub fn model_sha256(&self) -> &str {
        &self.model_sha256
    }

    /// Marks a sample and returns its mark before; a sample marked otherwise moves over.
    pub fn mark(&mut self, sample: Sample, mark: Mark) -> Option<Mark> {
        self.marks.insert(sample, mark)
    }

    /// Removes a sample's mark and returns it.
    pub fn clear(&mut self, sample: Sample) -> Option<Mark> {
        self.marks.remove(&sample)
    }

    /// The mark of a sample.
    pub fn get(&self, sample: Sample) -> Option<Mark> {
        self.marks.get(&sample).copied()
    }

    /// All marked samples in order.
    pub fn iter(&self) -> impl Iterator<Item = (Sample, Mark)> + '_ {
        self.marks.iter().map(|(&sample, &mark)| (sample, mark))
    }

    /// The negative samples in order.
    pub fn negatives(&self) -> impl Iterator<Item = Sample> + '_ {
        self.marked(Mark::Negative)
    }

    /// The positive samples in order.
    pub fn positives(&self) -> impl Iterator<Item = Sample> + '_ {
        self.marked(Mark::Positive)
    }

    /// Number of marked samples.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether nothing is marked.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    fn marked(&self, wanted: Mark) -> impl Iterator<Item = Sample> + '_ {
        self.iter().filter(move |&(_, mark)| mark == wanted).map(|(sample, _)| sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    pub(super) fn sample(seed: u64, index: u64, psi: f32) -> Sample {
        Sample::new(LatentAddress { seed, index }, psi).unwrap()
    }

    pub(super) fn some_feedback() -> Feedback {
        let mut feedback = Feedback::new(SHA);
        feedback.mark(sample(2, 9, 0.7), Mark::Positive);
        feedback.mark(sample(0, 12, 0.7), Mark::Negative);
        feedback.mark(sample(0, 3, 1.0), Mark::Negative);
        feedback.mark(sample(u64::MAX, u64::MAX, -0.1), Mark::Positive);
        feedback
    }

    #[test]
    fn a_sample_has_one_mark() {
        let mut feedback = some_feedback();
        let moved = sample(2, 9, 0.7);
        assert_eq!(feedback.mark(moved, Mark::Negative), Some(Mark::Positive));
        assert_eq!((feedback.negatives().count(), feedback.positives().count(), feedback.len()), (3, 1, 4));
        assert_eq!(feedback.get(moved), Some(Mark::Negative));
        assert_eq!(feedback.clear(moved), Some(Mark::Negative));
        assert_eq!((feedback.get(moved), feedback.clear(moved), feedback.len()), (None, None, 3));
    }

    #[test]
    fn psi_counts_to_the_last_bit() {
        let next = f32::from_bits(0.7f32.to_bits() + 1);
        let mut feedback = Feedback::new(SHA);
        feedback.mark(sample(0, 0, 0.7), Mark::Negative);
        assert_eq!(feedback.mark(sample(0, 0, next), Mark::Positive), None);
        assert_eq!(sample(0, 0, -0.0), sample(0, 0, 0.0));
        assert_eq!(Sample::new(LatentAddress { seed: 0, index: 0 }, f32::NAN), None);
        assert_eq!(Sample::new(LatentAddress { seed: 0, index: 0 }, f32::INFINITY), None);
    }
}
