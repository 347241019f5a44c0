//! What one head of a labeler says of a set of images.

use std::borrow::Cow;

use super::{Features, FrechetBasis, Target, frechet::MAX_WIDTH};

/// How far a row's sum may be from 1 for its scores to be probabilities.
const SUM_TOLERANCE: f32 = 1e-3;

/// One label for each image, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Number of classes the head tells apart.
    pub class_count: usize,
    /// The head's output, `[n, class_count]`: logits, probabilities or log-probabilities.
    pub scores: Vec<f32>,
    /// `[n, class_count]`, each row in [0, 1] with sum 1.
    pub probabilities: Vec<f32>,
    /// `[n]`: the class with the highest score, the first of equal ones.
    pub classes: Vec<usize>,
    /// `[n, width]`, if the labeler has an output named `features`.
    pub features: Option<Features>,
}

impl Labels {
    /// Labels from scores `[n, class_count]`; the error is the number of the first image without usable scores.
    ///
    /// Rows that are nowhere negative and sum to 1 are taken as probabilities; all else goes through a softmax, which
    /// leaves log-probabilities what they are.
    pub fn from_scores(scores: Vec<f32>, class_count: usize, features: Option<Features>) -> Result<Self, usize> {
        let rows = || scores.chunks_exact(class_count.max(1));
        // A log-probability may be minus infinity, but not all of a row.
        let usable = |row: &[f32]| {
            row.iter().all(|score| !score.is_nan() && *score < f32::INFINITY) && row.iter().any(|s| s.is_finite())
        };
        if let Some(image) = rows().position(|row| !usable(row)) {
            return Err(image);
        }
        let are_probabilities = rows()
            .all(|row| row.iter().all(|&score| score >= 0.0) && (row.iter().sum::<f32>() - 1.0).abs() < SUM_TOLERANCE);
        let probabilities = if are_probabilities { scores.clone() } else { rows().flat_map(softmax).collect() };
        let classes = rows().map(argmax).collect();
        Ok(Self { class_count, probabilities, classes, features, scores })
    }

    /// Adds the labels of further images from the same labeler.
    pub fn append(&mut self, more: Self) {
        self.scores.extend(more.scores);
        self.probabilities.extend(more.probabilities);
        self.classes.extend(more.classes);
        if let (Some(features), Some(more)) = (&mut self.features, more.features) {
            features.values.extend(more.values);
        }
    }

    /// What a Fréchet distance of these images is measured on: the features, or without them the scores.
    ///
    /// None where neither will do: a score is infinite, as a log-probability may be, or there are too many classes.
    pub fn frechet_features(&self) -> Option<(Cow<'_, Features>, FrechetBasis)> {
        if let Some(features) = &self.features {
            return Some((Cow::Borrowed(features), FrechetBasis::Features));
        }
        let measurable = self.class_count <= MAX_WIDTH && self.scores.iter().all(|score| score.is_finite());
        let scores = || Features { values: self.scores.clone(), width: self.class_count };
        measurable.then(|| (Cow::Owned(scores()), FrechetBasis::Scores))
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// How many images show `class`.
    pub fn count(&self, class: usize) -> usize {
        self.classes.iter().filter(|&&found| found == class).count()
    }

    /// How many images show one of the target's classes.
    pub fn count_target(&self, target: &Target) -> usize {
        self.classes.iter().filter(|&&class| target.holds(class)).count()
    }

    /// `[class_count]`: the part of the images in each class, in [0, 1]; all 0 without images.
    pub fn shares(&self) -> Vec<f64> {
        let total = self.len().max(1) as f64;
        (0..self.class_count).map(|class| self.count(class) as f64 / total).collect()
    }

    /// The probability of `class` for image `image`; none if there is no such image or class.
    pub fn probability(&self, image: usize, class: usize) -> Option<f32> {
        let row = self.probabilities.chunks_exact(self.class_count.max(1)).nth(image)?;
        row.get(class).copied()
    }

    /// The sum of the probabilities of the target's classes for image `image`; none if there is no such image or class.
    pub fn target_probability(&self, image: usize, target: &Target) -> Option<f32> {
        target.classes().iter().map(|&class| self.probability(image, class)).sum()
    }
}

fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (class, score) in row.iter().enumerate() {
        if *score > row[best] {
            best = class;
        }
    }
    best
}

fn softmax(row: &[f32]) -> Vec<f32> {
    let highest = row[argmax(row)];
    let weights: Vec<f32> = row.iter().map(|score| (score - highest).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(values: &[f32], expected: &[f32]) {
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-5, "{values:?} instead of {expected}");
        }
    }

    #[test]
    fn any_kind_of_score_gives_probabilities() {
        let p: [f32; 6] = [0.7, 0.2, 0.1, 0.0, 0.25, 0.75];
        let log: Vec<f32> = p.iter().map(|p| p.ln()).collect();
        let logits: Vec<f32> = log.iter().enumerate().map(|(i, l)| l + if i < 3 { 90.0 } else { -3.0 }).collect();
        for scores in [p.to_vec(), log, logits] {
            let labels = Labels::from_scores(scores.clone(), 3, None).unwrap();
            close(&labels.probabilities, &p);
            assert_eq!((labels.classes.as_slice(), labels.len()), (&[0, 2][..], 2));
            assert_eq!(labels.scores, scores);
            assert_eq!(
                (labels.probability(1, 1).map(|p| (p * 100.0).round()), labels.probability(2, 0)),
                (Some(25.0), None)
            );
        }
        // One row looks like probabilities, the other does not: logits.
        let labels = Labels::from_scores(vec![0.5, 0.5, 3.0, 1.0], 2, None).unwrap();
        close(&labels.probabilities, &[0.5, 0.5, 0.880797, 0.119203]);
        assert_eq!(labels.classes, [0, 0]);
    }

    #[test]
    fn shares_count_every_class() {
        let labels = Labels::from_scores(vec![0.0, 1.0, 5.0, 9.0, 0.0, 2.0, 0.0, 1.0, -1.0], 3, None).unwrap();
        assert_eq!(labels.classes, [2, 0, 1]);
        let labels = Labels { classes: vec![2, 2, 0, 2], ..labels };
        assert_eq!((labels.shares(), labels.count(2), labels.count(7)), (vec![0.25, 0.0, 0.75], 3, 0));
        let none = Labels::from_scores(vec![], 4, None).unwrap();
        assert_eq!((none.shares(), none.is_empty()), (vec![0.0; 4], true));
    }

    #[test]
    fn a_target_sums_its_classes() {
        let labels = Labels::from_scores(vec![0.5, 0.125, 0.375, 0.25, 0.5, 0.25], 3, None).unwrap();
        let target = Target::parse("0|2", &[crate::metrics::Head::numbered("scores", 3)]).unwrap();
        assert_eq!([0, 1, 2].map(|image| labels.target_probability(image, &target)), [Some(0.875), Some(0.5), None]);
        assert_eq!(labels.count_target(&target), 1);
        let wide = Target::parse("0|3", &[crate::metrics::Head::numbered("scores", 4)]).unwrap();
        assert_eq!(labels.target_probability(0, &wide), None);
    }

    #[test]
    fn unusable_scores_are_named() {
        for (bad, expected) in [
            ([0.0, 1.0, f32::NAN, 0.0], Err(1)),
            ([f32::INFINITY, 1.0, 0.0, 0.0], Err(0)),
            ([0.0, 1.0, f32::NEG_INFINITY, f32::NEG_INFINITY], Err(1)),
            ([0.0, f32::NEG_INFINITY, 2.0, 1.0], Ok(vec![0, 0])),
        ] {
            assert_eq!(Labels::from_scores(bad.to_vec(), 2, None).map(|labels| labels.classes), expected);
        }
    }
}
