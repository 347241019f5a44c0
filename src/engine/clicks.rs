//! A simulated person who marks a handful of samples, a labeler answering for them.

use std::collections::HashSet;

use super::{
    error::EngineError,
    feedback_source::mark,
    model::Model,
    sampler::Sampler,
    suggest::{Ranked, Reference, addresses, sure_ones},
};
use crate::{
    metrics::{Labels, Target, labeler::Labeler},
    unlearn::{
        Settings,
        feedback::{Feedback, Mark, Sample},
        probe::{ProbeQuality, auc, balanced_accuracy},
    },
};

/// Marks the person makes before asking for suggestions (again): half of each kind, if the pages show both.
const ROUND: usize = 12;
/// Samples on a page.
const PAGE: usize = 64;
/// Pages the person leafs through at most to find both kinds.
const PAGES: u64 = 40;

/// Marks of a person who looks at the first pages of a seed, marks a few samples of each kind, and goes on with pages of
/// suggestions, until `clicks` samples are marked. The probe behind the suggestions also sees what `features` gives.
pub fn by_clicks(
    model: &Model,
    labeler: &Labeler,
    target: &Target,
    (clicks, features): (usize, Option<&Labeler>),
    settings: &Settings,
) -> Result<Feedback, EngineError> {
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let answer = |samples: &[Sample], sampler: &mut Sampler| -> Result<Vec<Option<Mark>>, EngineError> {
        let labels = label(model, samples, sampler, labeler, target)?;
        Ok((0..samples.len()).map(|i| mark(&labels, i, target, settings)).collect())
    };

    let mut feedback = Feedback::new(&model.sha256);
    let mut pages = (0..PAGES).map(|n| addresses(model, settings.seed, 1.0, n * PAGE as u64..(n + 1) * PAGE as u64));
    let reference = match clicks > ROUND {
        true => Some(Reference::new(model, (settings.seed, 1.0), features)?),
        false => None,
    };
    while feedback.len() < clicks {
        // Without suggestions (at first, or while nothing can be learned yet) the person turns the page.
        let suggested = reference.as_ref().filter(|_| !feedback.is_empty()).and_then(|reference| {
            let probe = reference.probe(model, &feedback, features).ok()?;
            Some(reference.suggest(&probe, &feedback, PAGE).proposals)
        });
        let round = ROUND.min(clicks - feedback.len());
        let before = feedback.len();
        let mut seen: Vec<(Sample, Mark)> = Vec::new();
        let count = |seen: &[(Sample, Mark)], kind: Mark| seen.iter().filter(|(_, mark)| *mark == kind).count();
        let mut next = suggested;
        while count(&seen, Mark::Negative) < round / 2 || count(&seen, Mark::Positive) < round / 2 {
            let Some(page) = next.take().or_else(|| pages.next()) else { break };
            let answers = answer(&page, &mut sampler)?;
            let marked = page.iter().zip(answers).filter_map(|(sample, mark)| Some((*sample, mark?)));
            seen.extend(marked.filter(|(sample, _)| feedback.get(*sample).is_none()));
        }
        let mut left = [round / 2, round - round / 2];
        for (sample, mark) in seen {
            let left = &mut left[usize::from(mark == Mark::Positive)];
            if *left > 0 && feedback.mark(sample, mark).is_none() {
                *left -= 1;
            }
        }
        if feedback.len() == before {
            break;
        }
    }
    Ok(feedback)
}

/// What a labeler says of samples.
fn label(
    model: &Model,
    samples: &[Sample],
    sampler: &mut Sampler,
    labeler: &Labeler,
    target: &Target,
) -> Result<Labels, EngineError> {
    let [channels, height, width] = sampler.image_shape();
    let mut images = Vec::new();
    for part in samples.chunks(sampler.chunk()) {
        images.extend(sampler.render_samples(model, part)?);
    }
    Ok(labeler.label_head(target.head_number(), &images, [samples.len(), channels, height, width])?)
}

/// How well a probe that learned from a simulated person's marks does on samples nobody marked.
#[derive(Clone, Copy, Debug)]
pub struct ProbeTest {
    /// What the probe thinks of itself.
    pub quality: ProbeQuality,
    /// Share of negatives among the fresh samples.
    pub share: f64,
    /// Area under the ROC curve on them.
    pub auc: f64,
    /// Mean of the parts of negatives and positives that are on their side of the estimated share's border.
    pub balanced_accuracy: f64,
    /// What a run would take for negatives and for positives.
    pub pools: [PoolTest; 2],
}

/// How good a pool is that a probe fills.
#[derive(Clone, Copy, Debug)]
pub struct PoolTest {
    /// Part of the samples looked at that are in it.
    pub size: f64,
    /// Part of those that do not belong there.
    pub wrong: f64,
}

/// Tests a probe that learned from `clicks` marks, and from what `features` gives, on the samples `indices` of the
/// settings' seed.
pub fn test_probe(
    model: &Model,
    labeler: &Labeler,
    target: &Target,
    (clicks, features): (usize, Option<&Labeler>),
    indices: std::ops::Range<u64>,
    settings: &Settings,
) -> Result<ProbeTest, EngineError> {
    let feedback = by_clicks(model, labeler, target, (clicks, features), settings)?;
    let reference = Reference::new(model, (settings.seed, 1.0), features)?;
    let probe = reference.probe(model, &feedback, features)?;
    let fresh = addresses(model, settings.seed, 1.0, indices);
    let scores = reference.probabilities(model, &probe, &fresh, features)?;
    let labels = label(model, &fresh, &mut Sampler::new(&model.generator, &model.g_ema), labeler, target)?;
    let kinds: Vec<bool> = labels.classes.iter().map(|&class| target.holds(class)).collect();
    // Both kinds count alike, so the border is where a sample is as probable among the negatives as among the others.
    let centred: Vec<f64> = scores.iter().map(|p| p - probe.quality.share).collect();
    let ranked = fresh.iter().zip(&scores).map(|(&sample, &probability)| Ranked { sample, probability }).collect();
    let sure = sure_ones(ranked, probe.quality.share_at_most);
    let negative: HashSet<Sample> = fresh.iter().zip(&kinds).filter(|(_, kind)| **kind).map(|(s, _)| *s).collect();
    let pool = |mark: Mark| {
        let count = sure.iter().filter(|(_, taken)| *taken == mark).count();
        let wrong = sure.iter().filter(|(s, taken)| *taken == mark && negative.contains(s) != (mark == Mark::Negative));
        PoolTest { size: count as f64 / fresh.len().max(1) as f64, wrong: wrong.count() as f64 / count.max(1) as f64 }
    };
    Ok(ProbeTest {
        quality: probe.quality,
        share: negative.len() as f64 / fresh.len().max(1) as f64,
        auc: auc(&scores, &kinds).unwrap_or(f64::NAN),
        balanced_accuracy: balanced_accuracy(&centred, &kinds).unwrap_or(f64::NAN),
        pools: [pool(Mark::Negative), pool(Mark::Positive)],
    })
}
