//! Self-training (Scudder 1965): a probe learns once more from what it is surest of, and again from what it is surest of then.
//!
//! A dozen marks separate two kinds roughly; thousands of samples that are called by their rough names separate them well, as most
//! names are right and those that are not contradict each other. That holds for a probe that is right most of the time; one that is
//! not would be confirmed in its errors, so only a sure one is asked (`benches/README.md` has what it does to others).

use super::{Confidence, Mark, Probe, STRENGTH, regression::LogisticRegression};

/// The rounds: the part of each side that it learns from, the surest, and how often such a sample counts beside a mark. The plane
/// settles on four fifths, which count little; then it learns from nearly all, as much as from marks, so that nothing is left out
/// but what lies next to the border.
const ROUNDS: [(f64, f64); 6] = [(0.8, 0.2), (0.8, 0.2), (0.8, 0.2), (0.8, 0.2), (0.9, 1.0), (0.95, 1.0)];

impl Probe {
    /// Whether it is sure enough to learn from what it says itself.
    pub fn may_teach_itself(&self) -> bool {
        self.quality.confidence == Confidence::High
    }

    /// Scores of samples with these whitened features, after learning from them: above 0 is negative. `marked` are the marks that
    /// this probe learned from. `None` where one side is empty.
    pub fn self_trained(&self, marked: &[(Vec<f64>, Mark)], rows: &[&[f64]]) -> Option<Vec<f64>> {
        let mut scores: Vec<f64> = rows.iter().map(|row| self.log_odds(row)).collect();
        let mut share = self.quality.share_at_most;
        for (part, count) in ROUNDS {
            let order = descending(&scores);
            let [negatives, positives] = surest(&order, share, part);
            let named = negatives.iter().map(|&i| (rows[i], true)).chain(positives.iter().map(|&i| (rows[i], false)));
            let named = named.map(|(row, kind)| (row, kind, count));
            let marks = marked.iter().map(|(row, mark)| (row.as_slice(), *mark == Mark::Negative, 1.0));
            let plane = LogisticRegression::fit_weighted(marks.chain(named), STRENGTH)?;
            scores = rows.iter().map(|row| plane.score(row)).collect();
            share = share_above(&scores);
        }
        Some(scores)
    }
}

/// The share of scores above 0, which are those of negatives; 0 of none.
pub fn share_above(scores: &[f64]) -> f64 {
    scores.iter().filter(|score| **score > 0.0).count() as f64 / scores.len().max(1) as f64
}

/// Places by score, the highest first.
fn descending(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// Of places in order, of which the first `share` are negative, the surest `part` of the negatives and of the positives.
pub fn surest<T>(order: &[T], share: f64, part: f64) -> [&[T]; 2] {
    let border = (share * order.len() as f64).round().clamp(0.0, order.len() as f64);
    let of = |count: f64| (count * part).ceil() as usize;
    let (negatives, positives) = (of(border), of(order.len() as f64 - border));
    [&order[..negatives], &order[order.len() - positives..]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{feedback::probe::auc, networks::NormalSource};

    #[test]
    fn the_surest_of_both_sides_are_taken() {
        let order: Vec<usize> = (0..20).collect();
        let [negatives, positives] = surest(&order, 0.25, 0.8);
        assert_eq!((negatives, positives), (&order[..4], &order[8..]));
        assert_eq!(surest(&order, 0.0, 0.5), [&order[..0], &order[10..]]);
        assert_eq!(surest(&order, 1.0, 1.0), [&order[..], &order[20..]]);
        assert_eq!(surest::<usize>(&[], 0.5, 0.9), [&[] as &[usize], &[]]);
    }

    /// Two kinds a little apart in many directions: few marks find the plane between them roughly, all samples well.
    #[test]
    fn a_probe_learns_from_what_it_is_sure_of() {
        const WIDTH: usize = 120;
        let mut rng = NormalSource::new(5, 0);
        let mut sample = |negative: bool| -> Vec<f64> {
            let apart = if negative { 0.17 } else { -0.17 };
            rng.normals(WIDTH).into_iter().map(|x| (f64::from(x) + apart) / (WIDTH as f64).sqrt()).collect()
        };
        let kinds: Vec<bool> = (0..1200).map(|i| i % 5 < 2).collect();
        let samples: Vec<Vec<f64>> = kinds.iter().map(|&kind| sample(kind)).collect();
        let mark = |kind: bool| if kind { Mark::Negative } else { Mark::Positive };
        let marked: Vec<_> = (0..24).map(|i| (sample(i % 2 == 0), mark(i % 2 == 0))).collect();
        let probe = Probe::fit(&marked, &samples).expect("a probe");
        let rows: Vec<&[f64]> = samples.iter().map(Vec::as_slice).collect();
        let before: Vec<f64> = rows.iter().map(|row| probe.probability(row)).collect();
        let after = probe.self_trained(&marked, &rows).expect("both sides");
        let [before, after] = [before, after].map(|scores| auc(&scores, &kinds).expect("both kinds"));
        assert!(before < 0.97 && after > 0.985, "{before} {after}");
        assert!(probe.self_trained(&marked, &[]).is_some_and(|scores| scores.is_empty()));
    }
}
