//! From a handful of marks to all samples: ranking, proposals, and the pools of both stages.

use std::ops::ControlFlow;

use serde::Serialize;

use super::{
    error::EngineError,
    features::{FeatureExtractor, Space},
    feedback_source::{Pools, by_marks},
    model::Model,
};
use crate::{
    metrics::labeler::Labeler,
    networks::{LatentAddress, NormalSource},
    unlearn::{
        Settings,
        feedback::{Feedback, Mark, Sample},
        probe::{Probe, ProbeError, ProbeQuality},
    },
};

/// Unmarked samples that features are scaled by and the share of negatives is estimated from.
pub const REFERENCE: usize = 768;
/// Expected share of positives in the negatives' pool at most: a positive there is driven out with the negatives, and a few
/// dozen negatives do.
const IMPURE_NEGATIVES: f64 = 0.05;
/// Part of the samples looked at that become negatives even if that makes the pool less pure.
const FEWEST_NEGATIVES: f64 = 0.01;
/// The least probable samples become positives: all but this multiple of what may be negative, or this part of what may be
/// positive if that is more. A negative among the positives is taught to the GAN again, so the margin is wide; but too few
/// would be too much alike.
const MARGIN: f64 = 2.0;
const FEWEST_POSITIVES: f64 = 0.8;
/// Stream of the proposals' draws.
const PROPOSALS: u64 = 200;

/// A sample and what the probe says of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Which.
    pub sample: Sample,
    /// Probability in [0, 1] that it shows what the negatives show.
    pub probability: f64,
}

/// What to look at next.
#[derive(Clone, Debug)]
pub struct Suggestions {
    /// Unmarked samples, the most probable negatives first.
    pub ranked: Vec<Ranked>,
    /// The most informative ones to look at: half are likely or borderline negatives, half come from all others.
    pub proposals: Vec<Sample>,
    /// How sure the probe is.
    pub quality: ProbeQuality,
}

/// What a run learned from marks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Learned {
    /// How sure the probe was.
    #[serde(flatten)]
    pub quality: ProbeQuality,
    /// Samples it looked at to fill the pools.
    pub looked_at: usize,
}

/// A model's reference samples, seen once and kept: everything that does not depend on the marks.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) seed: u64,
    psi: f32,
    with_labeler: Option<String>,
    space: Space,
    samples: Vec<Sample>,
    rows: Vec<Vec<f64>>,
}

impl Reference {
    /// Looks at the first samples of a seed.
    pub(super) fn new(model: &Model, (seed, psi): (u64, f32), labeler: Option<&Labeler>) -> Result<Self, EngineError> {
        let mut extractor = FeatureExtractor::new(model, labeler);
        let samples = addresses(model, seed, psi, 0..REFERENCE as u64);
        let seen = extractor.see(&samples)?;
        let space = Space::fit(&seen, samples.len()).ok_or(ProbeError::Features)?;
        let rows = space.apply(&seen, samples.len());
        Ok(Self { seed, psi, with_labeler: labeler.map(|l| l.file().to_owned()), space, samples, rows })
    }

    /// Whether this is what `new` would give again.
    pub(super) fn answers(&self, seed: u64, psi: f32, labeler: Option<&Labeler>) -> bool {
        (self.seed, self.psi) == (seed, psi) && self.with_labeler.as_deref() == labeler.map(Labeler::file)
    }

    /// A probe that learned from these marks.
    pub(super) fn probe(
        &self,
        model: &Model,
        feedback: &Feedback,
        labeler: Option<&Labeler>,
    ) -> Result<Probe, EngineError> {
        let (samples, marks): (Vec<Sample>, Vec<Mark>) = feedback.iter().unzip();
        let seen = FeatureExtractor::new(model, labeler).see(&samples)?;
        let rows = self.space.apply(&seen, samples.len());
        let marked: Vec<_> = rows.into_iter().zip(marks).collect();
        Ok(Probe::fit(&marked, &self.rows)?)
    }

    /// What a probe says of samples.
    pub(super) fn probabilities(
        &self,
        model: &Model,
        probe: &Probe,
        samples: &[Sample],
        labeler: Option<&Labeler>,
    ) -> Result<Vec<f64>, EngineError> {
        let rows = self.space.apply(&FeatureExtractor::new(model, labeler).see(samples)?, samples.len());
        Ok(rows.iter().map(|row| probe.probability(row)).collect())
    }

    /// Ranks the reference samples that are not marked and proposes `count` of them to look at next.
    pub(super) fn suggest(&self, probe: &Probe, feedback: &Feedback, count: usize) -> Suggestions {
        let mut ranked: Vec<Ranked> = rank(probe, (&self.samples, &self.rows), feedback).collect();
        ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        let likely = (likely_part(probe.quality.share) * ranked.len() as f64).ceil() as usize;
        let likely = likely.max(count).min(ranked.len());
        let mut rng = NormalSource::new(self.seed, PROPOSALS + feedback.len() as u64);
        let mut draw = |from: &[Ranked], count: usize| {
            let mut left: Vec<Sample> = from.iter().map(|ranked| ranked.sample).collect();
            (0..count.min(left.len())).map(|_| left.swap_remove(rng.below(left.len()))).collect::<Vec<_>>()
        };
        let others = (count / 2).min(ranked.len() - likely);
        let mut proposals = draw(&ranked[..likely], count - others);
        proposals.extend(draw(&ranked[likely..], others));
        Suggestions { ranked, proposals, quality: probe.quality }
    }
}

/// The part of the ranked samples, from the front, that half of the proposals are drawn from, at this share of negatives: as
/// many as are likely negative, and as many again that just are not, for both sides of the border. Where negatives are so
/// many that this leaves hardly any others, half, or the negatives alone.
fn likely_part(share: f64) -> f64 {
    (2.0 * share).min(share.max(0.5))
}

/// What a probe says of those of the samples, with these features, that are not marked.
fn rank<'a>(
    probe: &'a Probe,
    (samples, rows): (&'a [Sample], &'a [Vec<f64>]),
    marks: &'a Feedback,
) -> impl Iterator<Item = Ranked> + 'a {
    let unmarked = samples.iter().zip(rows).filter(|(sample, _)| marks.get(**sample).is_none());
    unmarked.map(|(&sample, row)| Ranked { sample, probability: probe.probability(row) })
}

/// Turns marks into pools: a probe looks at `settings.labelled` samples, the reference's first, and takes those it is sure of.
/// `progress` is told the samples looked at and may stop.
pub(super) fn by_probe(
    model: &Model,
    reference: &Reference,
    marks: &Feedback,
    labeler: Option<&Labeler>,
    settings: &Settings,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Pools>, EngineError> {
    let probe = reference.probe(model, marks, labeler)?;
    let mut extractor = FeatureExtractor::new(model, labeler);
    let chunk = extractor.chunk() * 4;
    let mut start = reference.samples.len().min(settings.labelled);
    let mut candidates: Vec<Ranked> =
        rank(&probe, (&reference.samples[..start], &reference.rows[..start]), marks).collect();
    while progress(start).is_continue() {
        if start == settings.labelled {
            return pools(model, marks, candidates, &probe, settings).map(Some);
        }
        let end = (start + chunk).min(settings.labelled);
        let samples = addresses(model, reference.seed, reference.psi, start as u64..end as u64);
        let rows = reference.space.apply(&extractor.see(&samples)?, samples.len());
        candidates.extend(rank(&probe, (&samples, &rows), marks));
        start = end;
    }
    Ok(None)
}

/// The marks and the candidates that the probe is sure of, as pools.
fn pools(
    model: &Model,
    marks: &Feedback,
    candidates: Vec<Ranked>,
    probe: &Probe,
    settings: &Settings,
) -> Result<Pools, EngineError> {
    let mut feedback = marks.clone();
    for (sample, mark) in sure_ones(candidates, probe.quality.share_at_most) {
        feedback.mark(sample, mark);
    }
    let learned = Learned { quality: probe.quality, looked_at: settings.labelled };
    Ok(Pools { learned: Some(learned), ..by_marks(model, feedback)? })
}

/// The candidates a probe is sure enough of, and what it takes them for, where at most this share of them is negative.
pub(super) fn sure_ones(mut candidates: Vec<Ranked>, share_at_most: f64) -> Vec<(Sample, Mark)> {
    candidates.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    let count = candidates.len();
    let part = |part: f64| ((part * count as f64).ceil() as usize).min(count);
    let wrong = |p: f64| 1.0 - p;
    let negatives =
        longest(candidates.iter().map(|c| wrong(c.probability)), IMPURE_NEGATIVES).max(part(FEWEST_NEGATIVES));
    let positives =
        part((1.0 - MARGIN * share_at_most).max(FEWEST_POSITIVES * (1.0 - share_at_most))).min(count - negatives);
    let of = |ranked: &[Ranked], mark| ranked.iter().map(move |c| (c.sample, mark)).collect::<Vec<_>>();
    let mut out = of(&candidates[..negatives], Mark::Negative);
    out.extend(of(&candidates[count - positives..], Mark::Positive));
    out
}

/// Length of the longest run from the front whose mean is at most `limit`, for values that ascend.
fn longest(values: impl Iterator<Item = f64>, limit: f64) -> usize {
    let mut sum = 0.0;
    values
        .enumerate()
        .take_while(|(i, value)| {
            sum += value;
            sum <= limit * (*i + 1) as f64
        })
        .count()
}

/// Samples of one seed, of the class that the model makes.
pub(super) fn addresses(model: &Model, seed: u64, psi: f32, indices: std::ops::Range<u64>) -> Vec<Sample> {
    let class = model.generator.class().and_then(|class| u32::try_from(class).ok());
    indices.filter_map(|index| Some(Sample::new(LatentAddress { seed, index }, psi)?.with_class(class))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(probabilities: &[f64]) -> Vec<Ranked> {
        let samples = (0..probabilities.len() as u64)
            .map(|index| Sample::new(LatentAddress { seed: 0, index }, 1.0).expect("a usable psi"));
        samples.zip(probabilities).map(|(sample, &probability)| Ranked { sample, probability }).collect()
    }

    fn sorted(probabilities: &[f64], share_at_most: f64) -> (Vec<u64>, Vec<u64>) {
        let of = |wanted: Mark| {
            let all = sure_ones(ranked(probabilities), share_at_most);
            let mut found: Vec<u64> =
                all.iter().filter(|(_, mark)| *mark == wanted).map(|(s, _)| s.address().index).collect();
            found.sort_unstable();
            found
        };
        (of(Mark::Negative), of(Mark::Positive))
    }

    #[test]
    fn negatives_stay_pure_and_positives_keep_away() {
        // Negatives: 0.99 and 0.93 are wrong by 0.04 on average, with 0.5 by 0.19. Positives: all but twice an eighth.
        let (negatives, positives) = sorted(&[0.93, 0.001, 0.99, 0.5, 0.02, 0.001, 0.3, 0.001], 0.125);
        assert_eq!((negatives, positives), (vec![0, 2], vec![1, 3, 4, 5, 6, 7]));
        // Where half are negative, four fifths of the other half.
        let (negatives, positives) = sorted(&[0.93, 0.001, 0.99, 0.5, 0.02, 0.001, 0.3, 0.001], 0.5);
        assert_eq!((negatives, positives), (vec![0, 2], vec![1, 4, 5, 7]));
    }

    #[test]
    fn both_sides_of_the_border_are_proposed_however_many_negatives_there_are() {
        for (share, part) in [(0.05, 0.1), (0.25, 0.5), (0.4, 0.5), (0.5, 0.5), (0.8, 0.8)] {
            assert!((likely_part(share) - part).abs() < 1e-12, "{share}");
        }
    }

    #[test]
    fn an_unsure_probe_still_fills_both_pools() {
        let (negatives, positives) = sorted(&[0.5, 0.4, 0.45, 0.41, 0.42, 0.43, 0.44, 0.46, 0.47, 0.48], 0.5);
        assert_eq!((negatives, positives), (vec![0], vec![1, 3, 4, 5]));
        assert_eq!(sorted(&[], 0.5), (vec![], vec![]));
        assert_eq!(sorted(&[0.5], 0.5), (vec![0], vec![]));
    }
}
