//! Feedback: which samples a person or a labeler marked negative or positive.
//!
//! Samples are addresses, not pictures: the model named by its SHA-256 draws the same picture from
//! `(seed, index, psi)` everywhere. A mark may say where in the picture the thing is. Their JSON file is `file.rs`'s.

use std::collections::BTreeMap;

use super::region::Region;
use crate::{
    model::{Model, Sample},
    networks::{LatentAddress, Pictures},
};

/// What a sample shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// It shows what must be forgotten.
    Negative,
    /// It does not.
    Positive,
}

/// The samples of one model that were marked. A sample has one mark or none, and a mark one [`Region`] or none.
///
/// Iteration goes by seed, index and psi, whatever the order of marking.
#[derive(Clone, Debug)]
pub struct Feedback {
    model_sha256: String,
    marks: BTreeMap<Sample, Mark>,
    /// Of marked samples only.
    regions: BTreeMap<Sample, Region>,
    /// Of pictures that a model completes: the digests that name them in files, by number.
    pub(super) names: BTreeMap<u64, Digest>,
    /// Marks of pictures that are not among those that are open, by digest and the seed of the mask. They are kept.
    pub(super) elsewhere: BTreeMap<(Digest, u64), (Mark, Option<Region>)>,
}

/// SHA-256 of a picture.
pub(super) type Digest = [u8; 32];

impl PartialEq for Feedback {
    /// What the pictures are called makes no difference.
    fn eq(&self, other: &Self) -> bool {
        let parts = |f: &Self| (f.model_sha256.clone(), f.marks.clone(), f.regions.clone(), f.elsewhere.clone());
        parts(self) == parts(other)
    }
}

impl Eq for Feedback {}

impl Feedback {
    /// No marks yet, for the model file with this SHA-256 (hexadecimal).
    pub fn new(model_sha256: &str) -> Self {
        Self {
            model_sha256: model_sha256.to_ascii_lowercase(),
            marks: BTreeMap::new(),
            regions: BTreeMap::new(),
            names: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
        }
    }

    /// SHA-256 of the model file, lower-case hexadecimal.
    pub fn model_sha256(&self) -> &str {
        &self.model_sha256
    }

    /// Marks a sample and returns its mark before; a sample marked otherwise moves over, and what its region said of the
    /// other mark goes.
    pub fn mark(&mut self, sample: Sample, mark: Mark) -> Option<Mark> {
        let before = self.marks.insert(sample, mark);
        if before != Some(mark) {
            self.regions.remove(&sample);
        }
        before
    }

    /// Removes a sample's mark, and its region, and returns the mark.
    pub fn clear(&mut self, sample: Sample) -> Option<Mark> {
        self.regions.remove(&sample);
        self.marks.remove(&sample)
    }

    /// Says where in a marked sample's picture the thing is, or (`None`) takes that back. A sample without a mark gets no region.
    pub fn set_region(&mut self, sample: Sample, region: Option<Region>) {
        match region {
            Some(region) if self.marks.contains_key(&sample) => self.regions.insert(sample, region),
            _ => self.regions.remove(&sample),
        };
    }

    /// Where in its picture a marked sample shows the thing, if somebody said.
    pub fn region(&self, sample: Sample) -> Option<&Region> {
        self.regions.get(&sample)
    }

    /// The regions of the negative samples, in order.
    pub fn negative_regions(&self) -> impl Iterator<Item = &Region> + '_ {
        self.negatives().filter_map(|sample| self.region(sample))
    }

    /// The same marks as a file names them: where the model completes pictures, by their digests.
    pub fn named(&self, model: &Model) -> Self {
        let mut out = self.clone();
        if let Some(pictures) = pictures_of(model) {
            let numbers = self.iter().map(|(sample, _)| sample.address().index);
            let known = numbers.filter(|number| *number < pictures.count() as u64);
            out.names = known.map(|number| (number, pictures.digest(number as usize))).collect();
        }
        out
    }

    /// The same marks where the open pictures are; those of pictures that are not among them are kept for files.
    pub fn located(mut self, model: &Model) -> Self {
        let Some(pictures) = pictures_of(model) else { return self };
        for ((digest, seed), (mark, region)) in std::mem::take(&mut self.elsewhere) {
            let found = pictures.find(&digest).map(|number| LatentAddress { seed, index: number as u64 });
            match found.and_then(|address| Sample::new(address, 1.0)) {
                Some(sample) => {
                    self.mark(sample, mark);
                    self.set_region(sample, region);
                }
                None => {
                    self.elsewhere.insert((digest, seed), (mark, region));
                }
            }
        }
        self
    }

    /// Number of marks of pictures that are not among those that are open.
    pub fn elsewhere(&self) -> usize {
        self.elsewhere.len()
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

/// The pictures that a model completes, if it does and there are some.
fn pictures_of(model: &Model) -> Option<&dyn Pictures> {
    model.generator.completion()?.pictures().map(|pictures| &**pictures)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::networks::LatentAddress;

    pub const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    pub fn sample(seed: u64, index: u64, psi: f32) -> Sample {
        Sample::new(LatentAddress { seed, index }, psi).unwrap()
    }

    pub fn some_feedback() -> Feedback {
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
    fn a_region_belongs_to_a_mark() {
        let region = Region::between([0.1, 0.2], [0.3, 0.4]).unwrap();
        let mut feedback = some_feedback();
        let (negative, positive, unmarked) = (sample(0, 3, 1.0), sample(2, 9, 0.7), sample(0, 4, 1.0));
        for sample in [negative, positive, unmarked] {
            feedback.set_region(sample, Some(region.clone()));
        }
        assert_eq!((feedback.region(negative), feedback.region(unmarked)), (Some(&region), None));
        assert_eq!(feedback.negative_regions().count(), 1, "what may stay is nowhere");
        assert_ne!(feedback, some_feedback());
        // The same mark again changes nothing, another one or none takes the region away.
        feedback.mark(negative, Mark::Negative);
        assert_eq!(feedback.region(negative), Some(&region));
        feedback.mark(positive, Mark::Negative);
        feedback.clear(negative);
        feedback.mark(negative, Mark::Negative);
        assert_eq!((feedback.region(positive), feedback.region(negative)), (None, None));
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
