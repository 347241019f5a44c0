//! How much of what must go is gone where nothing but marks says what must go: what a probe that learned from them says of the same
//! samples before and after.
//!
//! The probe looks through networks that the run does not change (the original's discriminator) and at the image; through the
//! generator's own maps it would see the change of the maps.

use std::ops::ControlFlow;

use serde::Serialize;

use super::{
    error::PoolError,
    features::{FeatureExtractor, Watch},
    marks::{Feedback, Mark},
    probe::Probe,
    reference::{Reference, addresses},
    settings::POOL_PSI,
};
use crate::{
    model::{Model, Sample},
    networks::FlatParams,
};

/// Samples that are looked at before and after; of images larger than [`LARGE`] pixels a side fewer, as each takes longer.
const SAMPLES: usize = 256;
const SAMPLES_OF_LARGE: usize = 128;
const LARGE: usize = 64;
/// Marks of each kind that a probe learns from at most: more make it hardly better, and each has to be looked at.
const MOST_MARKS: usize = 256;
/// An estimate whose ends are further apart says nothing.
const VAGUE: f64 = 0.6;
/// Nor does one by a probe that gives what shows it, in the mean, so little more than what does not.
const LEAST_CONTRAST: f64 = 0.25;
/// How many standard errors of the samples drawn lie within the ends.
const STANDARD_ERRORS: f64 = 2.0;

/// How much of what must go is gone, as far as the marks tell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GoneEstimate {
    /// Samples that nobody had marked and nothing was trained on, looked at before and after.
    pub samples: usize,
    /// Estimated share of them that showed it before, 0 to 1.
    pub share_before: f64,
    /// Estimated share of them that shows it now, 0 to 1.
    pub share_after: f64,
    /// Estimated part of it that is gone, 0 to 1.
    pub gone: f64,
    /// The same at least: had all that the probe was unsure of shown it. Two standard errors of the samples drawn are taken off.
    pub at_least: f64,
    /// The same at most: had as much of it shown it as the probe's probabilities say. Two standard errors are added.
    pub at_most: f64,
}

impl GoneEstimate {
    /// Whether any of it is gone, as far as can be seen: a model in which nothing changed gives no more than chance does.
    pub fn sees_change(&self) -> bool {
        self.at_least > 0.0
    }

    /// What is gone, 0 to 100; 0 where no change is seen.
    pub fn percentage(&self) -> f64 {
        if self.sees_change() { 100.0 * self.gone } else { 0.0 }
    }
}

/// Why that cannot be estimated; each is a clause.
#[derive(Debug, thiserror::Error)]
pub enum GoneError {
    /// A model that completes pictures.
    #[error("the marks say what a picture shows, not what the model makes of it")]
    Completes,
    /// There are no features but those that the run has changed.
    #[error("without a discriminator of its own, a model is looked at through layers that the run has changed")]
    NothingFixed,
    /// The probe is too unsure.
    #[error("the marks give too rough an idea of what must go; more marks of both kinds would help")]
    Vague,
    /// Making samples, learning from marks.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// A probe that learned from marks, and what it looks at samples with.
#[derive(Clone, Debug)]
pub struct MarksProbe {
    pub(super) reference: Reference,
    pub(super) probe: Probe,
}

impl MarksProbe {
    /// Learns from marks, of many of them from the first ones of each kind; `None` if `watch` ended it.
    fn learn(model: &Model, seed: u64, marks: &Feedback, watch: Watch<'_>) -> Result<Option<Self>, PoolError> {
        let reference = Reference::new_while(model, (seed, POOL_PSI), None, marks, watch)?;
        let Some(reference) = reference.filter(|_| watch().is_continue()) else { return Ok(None) };
        let mut few = Feedback::new(marks.model_sha256());
        for kind in [Mark::Negative, Mark::Positive] {
            for (sample, mark) in marks.iter().filter(|(_, mark)| *mark == kind).take(MOST_MARKS) {
                few.mark(sample, mark);
            }
        }
        let probe = reference.probe(model, &few, None)?;
        Ok(Some(Self { reference, probe }))
    }

    /// What it says of samples drawn with these weights: probabilities of what must go, 0 to 1.
    fn look(&self, model: &Model, weights: &FlatParams, samples: &[Sample]) -> Result<Vec<f64>, PoolError> {
        let mut extractor = FeatureExtractor::of_weights(model, weights, None, self.reference.regions());
        let rows = self.reference.space.apply(&extractor.see(samples)?, samples.len());
        Ok(rows.iter().map(|row| self.probe.probability(row)).collect())
    }
}

/// How many samples [`estimate_gone`] draws before and after.
pub fn gone_samples(model: &Model) -> usize {
    if model.generator.resolution() > LARGE { SAMPLES_OF_LARGE } else { SAMPLES }
}

/// What is gone of what the marks say must go, between the model and the weights `after`. `known` has learned from these marks on
/// this model; without it one learns from them, beside samples of the seed `learned_from`. Samples of the seed `fresh` are looked
/// at; `progress` is told how many were drawn (none while one still learns), twice [`gone_samples`] in all, and may stop it.
pub fn estimate_gone(
    (model, after): (&Model, &FlatParams),
    (marks, known): (&Feedback, Option<&MarksProbe>),
    [learned_from, fresh]: [u64; 2],
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<GoneEstimate>, GoneError> {
    if model.generator.completion().is_some() {
        return Err(GoneError::Completes);
    }
    let mut samples = addresses(model, fresh, POOL_PSI, 0..gone_samples(model));
    samples.retain(|sample| marks.get(*sample).is_none());
    let Some(first) = samples.first() else { return Err(GoneError::Vague) };
    let mut extractor = FeatureExtractor::new(model, None, None);
    if extractor.sees_own_maps(*first)? {
        return Err(GoneError::NothingFixed);
    }
    let learned;
    let probe = match known {
        Some(known) => known,
        None => {
            learned = match MarksProbe::learn(model, learned_from, marks, &mut || progress(0))? {
                Some(learned) => learned,
                None => return Ok(None),
            };
            &learned
        }
    };
    if progress(0).is_break() {
        return Ok(None);
    }
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for part in samples.chunks(extractor.page(4)) {
        old.extend(probe.look(model, &model.g_ema, part)?);
        new.extend(probe.look(model, after, part)?);
        if progress(2 * old.len()).is_break() {
            return Ok(None);
        }
    }
    compare(&old, &new).map(Some).ok_or(GoneError::Vague)
}

/// What probabilities of the same samples before and after say; `None` if that is next to nothing.
///
/// A sample of probability p has the score p^2: so shifts of the many samples of low p weigh next to nothing. What the scores of all have
/// lost is the same with the sign changed if before and after change places, and so 0 in the mean wherever a run leaves the distribution
/// of the probabilities as it was, whichever samples it draws anew. The part that is gone is this loss over the loss if all of it were gone
/// (adjusted counting, Forman 2008, of probabilities: Bella et al. 2010). That is, for each unit of p, the mean score of what shows
/// it less that of what does not, if p is right, and the whole of the score if all that has one shows it: the part lies between the two.
fn compare(old: &[f64], new: &[f64]) -> Option<GoneEstimate> {
    let count = old.len().min(new.len()) as f64;
    let pairs = || old.iter().copied().zip(new.iter().copied());
    let sum = |value: &dyn Fn(f64) -> f64| pairs().map(|(p, _)| value(p)).sum::<f64>();
    let score = |p: f64| p * p;
    let (shown, not_shown) = (sum(&|p| p), sum(&|p| 1.0 - p));
    let background = if not_shown > 0.0 { sum(&|p| (1.0 - p) * score(p)) / not_shown } else { 0.0 };
    let lost: f64 = pairs().map(|(p, q)| score(p) - score(q)).sum();
    // Each sample's part in what would be lost: the sum over all is `shown` times the difference of both kinds' mean scores, as the
    // second term, by which a sample moves the background, sums to 0.
    let odds = if not_shown > 0.0 { shown / not_shown } else { 0.0 };
    let excess = |p: f64| (p - odds * (1.0 - p)) * (score(p) - background);
    let wholes: [&dyn Fn(f64) -> f64; 2] = [&score, &excess];
    let ends = wholes.map(|part| {
        let whole = sum(part);
        let gone = lost / whole;
        // A ratio of sums, linearised.
        let residuals: f64 = pairs().map(|(p, q)| (score(p) - score(q) - gone * part(p)).powi(2)).sum();
        (gone, STANDARD_ERRORS * (residuals * count / (count - 1.0)).sqrt() / whole)
    });
    let contrast = sum(&excess) / sum(&score);
    let [(least, below), (most, above)] = ends;
    let gone = (least.clamp(0.0, 1.0) + most.clamp(0.0, 1.0)) / 2.0;
    let at_least = (least - below).min(most - above).clamp(0.0, 1.0);
    let at_most = (least + below).max(most + above).clamp(0.0, 1.0);
    // Not a number where nothing showed it, or everything looked the same.
    let is_usable = gone.is_finite() && contrast >= LEAST_CONTRAST && at_most - at_least <= VAGUE;
    let share_before = shown / count;
    let share_after = share_before * (1.0 - gone);
    is_usable.then_some(GoneEstimate { samples: old.len(), share_before, share_after, gone, at_least, at_most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::NormalSource;

    const WIDTH: usize = 20;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    }

    #[test]
    fn a_probe_that_is_sure_counts() {
        let before: Vec<f64> = (0..200).map(|i| f64::from(u8::from(i < 20))).collect();
        let after = |left: usize| (0..200).map(|i| f64::from(u8::from(i < left))).collect::<Vec<f64>>();
        for (left, gone) in [(2, 0.9), (20, 0.0), (0, 1.0)] {
            let found = compare(&before, &after(left)).expect("an estimate");
            close(found.gone, gone);
            close(found.share_before, 0.1);
            close(found.share_after, 0.1 * (1.0 - gone));
            assert!(found.at_least <= gone + 1e-9 && gone <= found.at_most + 1e-9, "{found:?}");
        }
        // Two are left and five show it that did not.
        let mut after = after(2);
        after[50..55].fill(1.0);
        close(compare(&before, &after).expect("an estimate").gone, 0.65);
    }

    #[test]
    fn what_says_nothing_is_no_estimate() {
        assert_eq!(compare(&[], &[]), None);
        assert_eq!(compare(&[0.0; 9], &[0.0; 9]), None, "nothing showed it");
        assert_eq!(compare(&[0.3; 100], &[0.1; 100]), None, "everything looked the same");
    }

    #[test]
    fn nothing_changed_is_no_change_seen() {
        let same: Vec<f64> = (0..200).map(|i| f64::from(i) / 200.0).collect();
        let found = compare(&same, &same).expect("an estimate");
        assert_eq!((found.gone, found.at_least, found.at_most), (0.0, 0.0, 0.0));
        assert!(!found.sees_change() && found.percentage() == 0.0);
        close(found.share_after, found.share_before);
    }

    /// Samples that the probe is unsure of change places: there is as much of it as before.
    #[test]
    fn what_is_drawn_anew_without_change_is_not_what_is_gone() {
        let before: Vec<f64> = (0..256).map(|i| if i < 20 { 0.9 } else { f64::from(i % 64) / 80.0 }).collect();
        let unsure: Vec<usize> = (0..256).filter(|&i| (0.1..0.8).contains(&before[i])).collect();
        let mut after = before.clone();
        for (place, &i) in unsure.iter().enumerate() {
            after[i] = before[unsure[(7 * place + 3) % unsure.len()]];
        }
        let found = compare(&before, &after).expect("an estimate");
        close(found.gone, 0.0);
        assert!(!found.sees_change() && found.at_most > 0.1, "{found:?}");
        // Turned round, it is the same.
        close(compare(&after, &before).expect("an estimate").gone, 0.0);
    }

    #[test]
    fn a_shift_of_all_that_may_stay_is_not_what_is_gone() {
        let before: Vec<f64> = (0..200).map(|i| if i < 20 { 0.95 } else { 0.06 }).collect();
        let after: Vec<f64> = (0..200).map(|i| if i < 20 { 0.95 } else { 0.01 }).collect();
        assert!(compare(&before, &after).expect("an estimate").gone < 0.1);
    }

    /// Features of a sample: noise, and in one direction far apart between the kinds.
    fn sample(negative: bool, rng: &mut NormalSource) -> Vec<f64> {
        let mut x: Vec<f64> = rng.normals(WIDTH).into_iter().map(f64::from).collect();
        x[3] += if negative { 2.0 } else { -2.0 };
        x.iter().map(|x| x / (WIDTH as f64).sqrt()).collect()
    }

    fn probe_of_some_marks(rng: &mut NormalSource) -> Probe {
        let kinds = [Mark::Negative, Mark::Positive];
        let marked: Vec<_> = (0..60).map(|i| (sample(i % 2 == 0, rng), kinds[i % 2])).collect();
        let unmarked: Vec<_> = (0..768).map(|i| sample(i % 6 == 0, rng)).collect();
        Probe::fit(&marked, &unmarked).expect("a probe")
    }

    fn said(probe: &Probe, rows: &[Vec<f64>]) -> Vec<f64> {
        rows.iter().map(|row| probe.probability(row)).collect()
    }

    #[test]
    fn a_probe_of_a_few_marks_says_about_how_much_is_gone() {
        for (seed, left) in [(1, 0.1), (2, 0.5), (3, 1.0), (4, 0.0)] {
            let mut rng = NormalSource::new(seed, 0);
            let probe = probe_of_some_marks(&mut rng);
            let fresh: Vec<_> = (0..512).map(|i| sample(i % 6 == 0, &mut rng)).collect();
            let mut changed = fresh.clone();
            for i in (0..512).step_by(6).filter(|i| (i / 6) as f64 >= left * 86.0) {
                changed[i] = sample(false, &mut rng);
            }
            let found = compare(&said(&probe, &fresh), &said(&probe, &changed)).expect("an estimate");
            let gone = 1.0 - left;
            assert!((found.gone - gone).abs() < 0.2, "{left} left: {found:?}");
            assert!((found.at_least - 0.02..found.at_most + 0.02).contains(&gone), "{left} left: {found:?}");
            assert_eq!(found.sees_change(), left < 1.0, "{left} left: {found:?}");
        }
    }

    /// A run that draws every sample anew and takes nothing away.
    #[test]
    fn a_probe_of_a_few_marks_sees_no_change_where_there_is_as_much_as_before() {
        let mut found = Vec::new();
        for seed in 0..20 {
            let mut rng = NormalSource::new(seed, 1);
            let probe = probe_of_some_marks(&mut rng);
            let mut drawn = || -> Vec<_> { (0..512).map(|i| sample(i % 6 == 0, &mut rng)).collect() };
            let [before, after] = [drawn(), drawn()].map(|rows| said(&probe, &rows));
            found.extend(compare(&before, &after));
        }
        let seen = found.iter().filter(|found| found.sees_change()).count();
        assert!(found.len() >= 10 && seen <= 2, "{seen} of {}: {found:?}", found.len());
    }
}
