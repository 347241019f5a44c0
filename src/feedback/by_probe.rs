//! From a handful of marks to pools: what a probe that learned from them is sure of.

use std::ops::ControlFlow;

use super::{
    error::PoolError,
    marks::{Feedback, Mark},
    pools::{Learned, Pools, by_marks},
    probe::{Probe, share_above, surest},
    reference::{Ranked, Reference, addresses, rank},
    settings::CollectSettings,
};
use crate::{
    metrics::labeler::Labeler,
    model::{Model, Sample},
    networks::Purpose,
};

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

/// Part of either side that an encoder learns from, where the probe taught itself: the two meet at the border between what must go and
/// what may stay, and what lies next to it says where it is. Nor is it a fair draw: a tenth left out was once a third of the faces with dark
/// curls, many of which were then taken for hats (`benches/README.md`).
const BOTH_SIDES: f64 = 0.98;

/// What a probe has looked at: samples, marked ones among them, and their features.
struct LookedAt {
    samples: Vec<Sample>,
    rows: Vec<Vec<f64>>,
}

/// Turns marks into pools: the probe that learned from them looks at `settings.labelled` samples, the reference's first, and takes
/// those it is sure of. `progress` is told the samples looked at and may stop.
pub fn by_probe(
    model: &Model,
    (reference, probe): (&Reference, &Probe),
    marks: &Feedback,
    labeler: Option<&Labeler>,
    settings: &CollectSettings,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Pools>, PoolError> {
    let mut extractor = reference.extractor(model, labeler);
    let chunk = extractor.page(4);
    let labelled = model.available(Purpose::Learn, settings.labelled);
    let mut start = reference.samples.len().min(labelled);
    let mut all = LookedAt { samples: reference.samples[..start].to_vec(), rows: reference.rows[..start].to_vec() };
    while progress(start).is_continue() {
        if start == labelled {
            let sure = match self_trained(model, (reference, probe), marks, labeler, &all)? {
                Some(sure) => sure,
                None => {
                    let candidates = rank(probe, (&all.samples, &all.rows), marks).collect();
                    confident_samples(candidates, probe.quality.share_at_most)
                }
            };
            let learned = Learned { quality: probe.quality, looked_at: labelled };
            return pools(model, marks, sure, learned).map(Some);
        }
        let end = (start + chunk).min(labelled);
        let samples = addresses(model, reference.seed, reference.psi, start..end);
        all.rows.extend(reference.space.apply(&extractor.see(&samples)?, samples.len()));
        all.samples.extend(samples);
        start = end;
    }
    Ok(None)
}

/// The marks and the samples that the probe is sure of, as pools.
fn pools(model: &Model, marks: &Feedback, sure: Vec<(Sample, Mark)>, learned: Learned) -> Result<Pools, PoolError> {
    let mut feedback = marks.clone();
    for (sample, mark) in sure {
        feedback.mark(sample, mark);
    }
    Ok(Pools { learned: Some(learned), ..by_marks(model, feedback)? })
}

/// What a probe takes pictures for after it has learned from what it was surest of, nearly all of them; `None` of a model that
/// completes none, or if the probe is not sure enough. A generator learns from few samples, and what lies near the border spoils more
/// than it tells: `benches/README.md`.
fn self_trained(
    model: &Model,
    (reference, probe): (&Reference, &Probe),
    marks: &Feedback,
    labeler: Option<&Labeler>,
    all: &LookedAt,
) -> Result<Option<Vec<(Sample, Mark)>>, PoolError> {
    if model.generator.completion().is_none() || !probe.may_teach_itself() {
        return Ok(None);
    }
    let marked = reference.marked(model, marks, labeler)?;
    let unmarked = all.samples.iter().zip(&all.rows).filter(|(sample, _)| marks.get(**sample).is_none());
    let (samples, rows): (Vec<Sample>, Vec<&[f64]>) = unmarked.map(|(sample, row)| (*sample, row.as_slice())).unzip();
    let Some(scores) = probe.self_trained(&marked, &rows) else { return Ok(None) };
    let (before, now) = (probe.quality.share_at_most, share_above(&scores));
    let mut order: Vec<(Sample, f64)> = samples.into_iter().zip(scores).collect();
    order.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    // What lies between the border that the marks gave and the one it taught itself is neither.
    let [negatives, _] = surest(&order, now.min(before), BOTH_SIDES);
    let [_, positives] = surest(&order, now.max(before), BOTH_SIDES);
    let named = |part: &[(Sample, f64)], mark: Mark| part.iter().map(|(s, _)| (*s, mark)).collect::<Vec<_>>();
    Ok(Some([named(negatives, Mark::Negative), named(positives, Mark::Positive)].concat()))
}

/// The candidates a probe is sure enough of, and what it takes them for, where at most this share of them is negative.
pub(super) fn confident_samples(mut candidates: Vec<Ranked>, share_at_most: f64) -> Vec<(Sample, Mark)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::LatentAddress;

    fn ranked(probabilities: &[f64]) -> Vec<Ranked> {
        let samples = (0..probabilities.len() as u64)
            .map(|index| Sample::new(LatentAddress { seed: 0, index }, 1.0).expect("a usable psi"));
        samples.zip(probabilities).map(|(sample, &probability)| Ranked { sample, probability }).collect()
    }

    fn sorted(probabilities: &[f64], share_at_most: f64) -> (Vec<u64>, Vec<u64>) {
        let of = |wanted: Mark| {
            let all = confident_samples(ranked(probabilities), share_at_most);
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
    fn an_unsure_probe_still_fills_both_pools() {
        let (negatives, positives) = sorted(&[0.5, 0.4, 0.45, 0.41, 0.42, 0.43, 0.44, 0.46, 0.47, 0.48], 0.5);
        assert_eq!((negatives, positives), (vec![0], vec![1, 3, 4, 5]));
        assert_eq!(sorted(&[], 0.5), (vec![], vec![]));
        assert_eq!(sorted(&[0.5], 0.5), (vec![0], vec![]));
    }
}
