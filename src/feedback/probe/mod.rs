//! The probe: from a handful of marked samples, the probability of every other one that it shows the same.
//!
//! Features are whitened over many unmarked samples ([`Whitening`]); regularised logistic regression separates the marks.
//! Predicting each mark from the others (cross-validation) says how well that works and calibrates the scores (Platt
//! 1999). The share of negatives among the marks is a person's choice, so the share among all samples is estimated from
//! the unmarked ones (Saerens, Latinne, Decaestecker 2002) and the probabilities are moved to it. A sure probe can learn once more
//! from what it is surest of (`self_training`).

mod quality;
mod regression;
mod self_training;
mod whitening;

use serde::Serialize;
use thiserror::Error;

pub use quality::{Confidence, ENOUGH, auc, balanced_accuracy};
use regression::LogisticRegression;
pub use self_training::{share_above, surest};
pub use whitening::Whitening;

use super::marks::Mark;

/// Marks needed of each kind.
pub const FEWEST: usize = 3;
/// Weight of the squared norm of the plane, for features of mean squared norm 1.
const STRENGTH: f64 = 0.04;
/// The same for the calibration, whose one feature has mean square 1.
const CALIBRATION_STRENGTH: f64 = 1.0;
/// How many standard deviations of pure chance the marks must be told apart by.
const ABOVE_CHANCE: f64 = 1.0;
/// Parts that the marks are split into at most, each predicted from the others.
const MOST_FOLDS: usize = 24;
/// Steps of the estimate of the share of negatives, and the range it is held in.
const SHARE_STEPS: usize = 200;
const SHARES: (f64, f64) = (0.01, 0.95);
/// An estimate within this factor of the lowest has found nothing.
const COLLAPSED: f64 = 1.5;

/// Why there is no probe.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ProbeError {
    /// Too few marks of a kind.
    #[error(
        "{negatives} negative and {positives} positive samples are marked; mark at least {FEWEST} of each to learn from"
    )]
    TooFew {
        /// Number of negative marks.
        negatives: usize,
        /// Number of positive marks.
        positives: usize,
    },
    /// The marks cannot be told apart.
    #[error(
        "the marked samples do not differ in a way that can be learned yet (each predicted from the others: {:.0} % in \
         order, chance is 50 %); mark more, and look for one marked by mistake", .auc * 100.0
    )]
    Contradictory {
        /// Area under the ROC curve, each mark predicted from the others.
        auc: f64,
    },
    /// Features that cannot be used.
    #[error("the samples have no features to learn from (they do not vary, or are not numbers)")]
    Features,
}

/// How sure a probe is, measured by predicting each mark from the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProbeQuality {
    /// Number of negative marks.
    pub negatives: usize,
    /// Number of positive marks.
    pub positives: usize,
    /// Part of the pairs of a negative and a positive that are in the right order (area under the ROC curve).
    pub auc: f64,
    /// Mean of the parts of both kinds that are recognised.
    pub balanced_accuracy: f64,
    /// How far that can be trusted.
    pub confidence: Confidence,
    /// Estimated share of negatives among all samples.
    pub share: f64,
    /// Share of the samples that are nearer to the negatives: more than there are, as most errors are among the many.
    pub share_at_most: f64,
}

impl ProbeQuality {
    /// What to tell a person before much is built on the probe, in one clause; `None` if it can be trusted.
    pub fn doubt(&self) -> Option<String> {
        let marks = self.negatives + self.positives;
        let order = format!("each predicted from the others: {:.0} % of pairs in order", self.auc * 100.0);
        match self.confidence {
            Confidence::High => None,
            Confidence::Fair => Some(format!(
                "the {marks} marks give only a rough idea of what must go ({order}); with more marks, less is lost and more is gone"
            )),
            Confidence::Low => Some(format!(
                "the {marks} marks do not make clear yet what must go ({order}, chance is 50 %): much of the wrong thing may be \
                 unlearned; mark more"
            )),
        }
    }
}

/// A calibrated classifier of samples.
#[derive(Clone, Debug)]
pub struct Probe {
    plane: LogisticRegression,
    calibration: LogisticRegression,
    /// Size of the scores, by which they are divided before calibration.
    spread: f64,
    /// Difference of log-odds between all samples and the marked ones.
    shift: f64,
    /// How sure it is.
    pub quality: ProbeQuality,
}

impl Probe {
    /// Learns from marked samples' whitened features; `unmarked` are features of random samples, all of one width.
    pub fn fit(marked: &[(Vec<f64>, Mark)], unmarked: &[Vec<f64>]) -> Result<Self, ProbeError> {
        let kinds: Vec<bool> = marked.iter().map(|(_, mark)| *mark == Mark::Negative).collect();
        let negatives = kinds.iter().filter(|&&kind| kind).count();
        let positives = kinds.len() - negatives;
        if negatives < FEWEST || positives < FEWEST {
            return Err(ProbeError::TooFew { negatives, positives });
        }
        let rows = || marked.iter().map(|(x, _)| x.as_slice()).zip(kinds.iter().copied());
        let plane = LogisticRegression::fit(rows(), STRENGTH).ok_or(ProbeError::Features)?;
        let folds = stratified(&kinds, negatives.min(positives).min(MOST_FOLDS));
        let mut left_out = vec![0.0; marked.len()];
        for out in 0..negatives.min(positives).min(MOST_FOLDS) {
            let others = rows().zip(&folds).filter(|(_, fold)| **fold != out).map(|(row, _)| row);
            let plane = LogisticRegression::fit(others, STRENGTH).ok_or(ProbeError::Features)?;
            for (i, _) in folds.iter().enumerate().filter(|(_, fold)| **fold == out) {
                left_out[i] = plane.score(&marked[i].0);
            }
        }
        let (n, p) = (negatives as f64, positives as f64);
        let order = auc(&left_out, &kinds).unwrap_or(0.5);
        // Standard deviation of the area for scores that say nothing (Mann-Whitney).
        let chance = ((n + p + 1.0) / (12.0 * n * p)).sqrt();
        if order < 0.5 + ABOVE_CHANCE * chance {
            return Err(ProbeError::Contradictory { auc: order });
        }
        let spread = (left_out.iter().map(|s| s * s).sum::<f64>() / left_out.len() as f64).sqrt().max(1e-12);
        let scaled: Vec<[f64; 1]> = left_out.iter().map(|s| [s / spread]).collect();
        let calibration = LogisticRegression::fit(
            scaled.iter().map(|s| s.as_slice()).zip(kinds.iter().copied()),
            CALIBRATION_STRENGTH,
        )
        .ok_or(ProbeError::Features)?;
        let recognised = balanced_accuracy(&scaled.iter().map(|s| calibration.score(s)).collect::<Vec<_>>(), &kinds);
        let quality = ProbeQuality {
            negatives,
            positives,
            auc: order,
            balanced_accuracy: recognised.unwrap_or(0.5),
            confidence: Confidence::of(order, negatives, positives),
            share: n / (n + p),
            share_at_most: 1.0,
        };
        let mut probe = Self { plane, calibration, spread, shift: 0.0, quality };
        let odds: Vec<f64> = unmarked.iter().map(|x| probe.log_odds(x)).collect();
        let counted = odds.iter().filter(|odds| **odds > logit(n / (n + p))).count() as f64 / odds.len().max(1) as f64;
        let counted = counted.clamp(SHARES.0, SHARES.1);
        let by_odds = share_of_negatives(&odds, n / (n + p));
        // Marks near the border make the estimate by probabilities too low (with few of them it ends at nothing), and half
        // of the errors make the count too high: their geometric mean is used.
        let collapsed = by_odds <= COLLAPSED * SHARES.0;
        probe.quality.share = if collapsed { counted } else { (by_odds * counted).sqrt() };
        probe.quality.share_at_most = counted;
        probe.shift = logit(probe.quality.share) - logit(n / (n + p));
        Ok(probe)
    }

    /// The probability, in [0, 1], that a sample with these whitened features shows what the negatives show.
    pub fn probability(&self, x: &[f64]) -> f64 {
        logistic(self.log_odds(x) + self.shift)
    }

    /// Log-odds at the marks' own share of negatives.
    fn log_odds(&self, x: &[f64]) -> f64 {
        self.calibration.score(&[self.plane.score(x) / self.spread])
    }
}

/// The fold of each mark, both kinds spread evenly: a fold with one kind alone would shift the plane against it, and with
/// few marks that shift is larger than what is measured.
fn stratified(kinds: &[bool], folds: usize) -> Vec<usize> {
    let mut next = [0; 2];
    kinds
        .iter()
        .map(|&kind| {
            let next = &mut next[usize::from(kind)];
            *next += 1;
            (*next - 1) % folds
        })
        .collect()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

/// Share of negatives among samples with these log-odds, which hold where the share is `among_marks`: the fixed point of
/// the mean probability (expectation maximisation).
fn share_of_negatives(log_odds: &[f64], among_marks: f64) -> f64 {
    if log_odds.is_empty() {
        return among_marks;
    }
    let mut share = among_marks;
    for _ in 0..SHARE_STEPS {
        let shift = logit(share) - logit(among_marks);
        let mean = log_odds.iter().map(|odds| logistic(odds + shift)).sum::<f64>() / log_odds.len() as f64;
        share = mean.clamp(SHARES.0, SHARES.1);
    }
    share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::NormalSource;

    const WIDTH: usize = 20;

    /// Features of a sample: noise, and in one direction `2 * apart` between the kinds.
    fn sample(negative: bool, apart: f32, rng: &mut NormalSource) -> Vec<f64> {
        let mut x: Vec<f64> = rng.normals(WIDTH).into_iter().map(f64::from).collect();
        x[3] += f64::from(if negative { apart } else { -apart });
        x.iter().map(|x| x / (WIDTH as f64).sqrt()).collect()
    }

    fn marks(n: usize, p: usize, apart: f32, rng: &mut NormalSource) -> Vec<(Vec<f64>, Mark)> {
        let negatives = (0..n).map(|_| (sample(true, apart, rng), Mark::Negative)).collect::<Vec<_>>();
        let positives = (0..p).map(|_| (sample(false, apart, rng), Mark::Positive)).collect::<Vec<_>>();
        [negatives, positives].concat()
    }

    #[test]
    fn separable_marks_are_learned_with_calibrated_probabilities() {
        let mut rng = NormalSource::new(1, 0);
        let fresh: Vec<(Vec<f64>, bool)> =
            (0..4000).map(|i| (sample(i % 10 == 0, 2.0, &mut rng), i % 10 == 0)).collect();
        let unmarked: Vec<Vec<f64>> = fresh.iter().take(1000).map(|(x, _)| x.clone()).collect();
        let probe = Probe::fit(&marks(12, 12, 2.0, &mut rng), &unmarked).expect("a probe");
        assert!(probe.quality.auc > 0.85 && probe.quality.balanced_accuracy > 0.75, "{:?}", probe.quality);
        // Half of the marks are negative, a tenth of the samples are.
        assert!((0.03..0.2).contains(&probe.quality.share), "{}", probe.quality.share);
        let found: Vec<f64> = fresh.iter().map(|(x, _)| probe.probability(x)).collect();
        let kinds: Vec<bool> = fresh.iter().map(|(_, kind)| *kind).collect();
        assert!(auc(&found, &kinds).expect("both kinds") > 0.93);
        // Of the samples given more than 60 % most are negative, of those below 5 % hardly any.
        let rate = |range: std::ops::Range<f64>| {
            let hit: Vec<bool> = found.iter().zip(&kinds).filter(|(p, _)| range.contains(p)).map(|(_, &k)| k).collect();
            hit.iter().filter(|&&k| k).count() as f64 / hit.len() as f64
        };
        assert!(rate(0.6..1.1) > 0.55 && rate(0.0..0.05) < 0.04, "{} {}", rate(0.6..1.1), rate(0.0..0.05));
    }

    #[test]
    fn contradictory_marks_are_refused() {
        let mut rng = NormalSource::new(2, 0);
        let mut marked = marks(8, 8, 2.0, &mut rng);
        // Every sample is marked both ways.
        let both: Vec<_> = marked
            .iter()
            .map(|(x, mark)| (x.clone(), if *mark == Mark::Negative { Mark::Positive } else { Mark::Negative }))
            .collect();
        marked.extend(both);
        assert!(matches!(Probe::fit(&marked, &[]), Err(ProbeError::Contradictory { auc }) if auc < 0.5));
        // Marks at random are refused most of the time.
        let refused = (0..20).filter(|_| Probe::fit(&marks(8, 8, 0.0, &mut rng), &[]).is_err()).count();
        assert!(refused >= 14, "{refused}");
    }

    #[test]
    fn too_few_marks_are_counted() {
        let mut rng = NormalSource::new(3, 0);
        let error = Probe::fit(&marks(2, 9, 2.0, &mut rng), &[]).expect_err("too few");
        assert_eq!(error, ProbeError::TooFew { negatives: 2, positives: 9 });
        assert_eq!(
            error.to_string(),
            "2 negative and 9 positive samples are marked; mark at least 3 of each to learn from"
        );
        let broken = vec![(vec![f64::NAN; 2], Mark::Negative); 3];
        let fine = vec![(vec![0.0; 2], Mark::Positive); 3];
        assert_eq!(Probe::fit(&[broken, fine].concat(), &[]).err(), Some(ProbeError::Features));
    }
}
