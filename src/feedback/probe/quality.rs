//! How well scores tell two kinds apart, and how sure one can be of it.

use serde::Serialize;

/// Lower bounds of the area under the ROC curve from which confidence is high, and fair.
const HIGH: f64 = 0.85;
const FAIR: f64 = 0.75;
/// Marks of the rarer kind without which confidence is not high: with half a dozen of each, the marks' own order says little
/// (in `benches/README.md` 92 % were in order where of fresh samples 82 % were).
pub const ENOUGH: usize = 10;

/// How far a probe can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// It hardly tells the marks apart: a run would forget the wrong thing.
    Low,
    /// It tells them apart roughly.
    Fair,
    /// It tells them apart well.
    High,
}

impl Confidence {
    /// Judges by the area under the ROC curve of so many marks, each predicted from the others: by what it is at least, one
    /// standard error below (Hanley and McNeil 1982), had one more pair been in the wrong order.
    pub(super) fn of(auc: f64, negatives: usize, positives: usize) -> Self {
        let (n, p) = (negatives.max(1) as f64, positives.max(1) as f64);
        let a = auc * n * p / (n * p + 1.0);
        let square = a * a;
        let (q1, q2) = (a / (2.0 - a), 2.0 * square / (1.0 + a));
        let variance = (a * (1.0 - a) + (n - 1.0) * (q1 - square) + (p - 1.0) * (q2 - square)) / (n * p);
        let at_least = a - variance.max(0.0).sqrt();
        match () {
            () if at_least >= HIGH && negatives.min(positives) >= ENOUGH => Self::High,
            () if at_least >= FAIR => Self::Fair,
            () => Self::Low,
        }
    }
}

/// Area under the ROC curve: the part of the pairs of a true and a false that have the higher score on the true one,
/// equal scores counting half. `None` if one kind is missing.
pub fn auc(scores: &[f64], kinds: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len().min(kinds.len())).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut below, mut right) = (0.0, 0.0);
    for group in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let truths = group.iter().filter(|&&i| kinds[i]).count() as f64;
        let falses = group.len() as f64 - truths;
        right += truths * (below + falses / 2.0);
        below += falses;
    }
    let pairs = below * (order.len() as f64 - below);
    (pairs > 0.0).then(|| right / pairs)
}

/// Mean of the parts of both kinds that are on their side of 0 (true: above). `None` if one kind is missing.
pub fn balanced_accuracy(scores: &[f64], kinds: &[bool]) -> Option<f64> {
    let part = |kind: bool| {
        let scores: Vec<f64> = scores.iter().zip(kinds).filter(|(_, k)| **k == kind).map(|(s, _)| *s).collect();
        let right = scores.iter().filter(|&&s| (s > 0.0) == kind).count();
        (!scores.is_empty()).then(|| right as f64 / scores.len() as f64)
    };
    Some((part(true)? + part(false)?) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let kinds = [true, true, false, false, false];
        assert_eq!(auc(&[3.0, 2.0, 1.0, 0.0, -1.0], &kinds), Some(1.0));
        assert_eq!(auc(&[3.0, -2.0, 1.0, 0.0, -1.0], &kinds), Some(0.5));
        // Pairs: 3 of 3 for the first; a half, 1 and 1 for the second.
        assert_eq!(auc(&[3.0, 1.0, 1.0, 0.0, -1.0], &kinds), Some(5.5 / 6.0));
        assert_eq!(auc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(balanced_accuracy(&[3.0, -2.0, 1.0, 0.0, -1.0], &kinds), Some((0.5 + 2.0 / 3.0) / 2.0));
        assert_eq!(balanced_accuracy(&[1.0], &[false]), None);
    }

    #[test]
    fn confidence_asks_for_order_and_for_marks() {
        use Confidence::{Fair, High, Low};
        // By hand, 24 marks at 0.79: a = 0.78, Q1 = 0.64, Q2 = 0.68, standard error 0.10, at least 0.69.
        let cases = [
            (1.0, 6, 6, Fair),
            (1.0, 12, 12, High),
            (0.93, 12, 12, High),
            (0.88, 12, 12, Fair),
            (0.79, 12, 12, Low),
            (0.88, 24, 24, Fair),
            (0.91, 24, 24, High),
            (0.78, 6, 6, Low),
            (1.0, 3, 200, Fair),
            (0.5, 1, 1, Low),
        ];
        for (auc, negatives, positives, expected) in cases {
            assert_eq!(Confidence::of(auc, negatives, positives), expected, "{auc} of {negatives} and {positives}");
        }
    }
}
