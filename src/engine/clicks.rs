//! A simulated person who marks a handful of samples, a labeler answering for them.

use super::{
    error::EngineError,
    model::Model,
    sampler::Sampler,
    suggest::{Reference, addresses},
};
use crate::{
    metrics::labeler::Labeler,
    unlearn::{
        Settings,
        feedback::{Feedback, Mark, Sample},
    },
};

/// Marks the person makes before asking for suggestions (again): half of each kind, if the pages show both.
const ROUND: usize = 12;
/// Samples on a page.
const PAGE: usize = 64;
/// Pages the person leafs through at most to find both kinds.
const PAGES: u64 = 40;

/// Marks of a person who looks at the first pages of a seed, marks a few samples of each kind, and goes on with pages of
/// suggestions, until `clicks` samples are marked.
pub(super) fn by_clicks(
    model: &Model,
    labeler: &Labeler,
    forget: usize,
    clicks: usize,
    settings: &Settings,
) -> Result<Feedback, EngineError> {
    labeler.check_class(forget)?;
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let [channels, height, width] = sampler.image_shape();
    let answer = |samples: &[Sample], sampler: &mut Sampler| -> Result<Vec<Option<Mark>>, EngineError> {
        let mut images = Vec::new();
        for part in samples.chunks(sampler.chunk()) {
            images.extend(sampler.render_samples(part));
        }
        let labels = labeler.label(&images, [samples.len(), channels, height, width])?;
        let answers = (0..samples.len()).map(|i| {
            if labels.classes[i] == forget {
                return Some(Mark::Negative);
            }
            // Who is in doubt does not click.
            labels.probability(i, forget).filter(|p| *p <= settings.positive_below).map(|_| Mark::Positive)
        });
        Ok(answers.collect())
    };

    let mut feedback = Feedback::new(&model.sha256);
    let mut pages = (0..PAGES).map(|n| addresses(settings.seed, 1.0, n * PAGE as u64..(n + 1) * PAGE as u64));
    let reference = match clicks > ROUND {
        true => Some(Reference::new(model, (settings.seed, 1.0), None)?),
        false => None,
    };
    while feedback.len() < clicks {
        // Without suggestions (at first, or while nothing can be learned yet) the person turns the page.
        let suggested = reference.as_ref().filter(|_| !feedback.is_empty()).and_then(|reference| {
            let probe = reference.probe(model, &feedback, None).ok()?;
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
