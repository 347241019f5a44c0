//! A simulated person who marks a handful of samples, a labeler answering for them.

use std::collections::HashSet;

use super::{
    error::EngineError,
    feedback_source::{POOL_PSI, mark},
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

/// Clicks the person makes before asking for suggestions (again).
const ROUND: usize = 12;
/// Samples on a page.
const PAGE: usize = 64;
/// Pages the person leafs through at most to find both kinds.
const PAGES: u64 = 40;

/// A simulated person.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// Who answers for the person.
    pub labeler: &'a Labeler,
    /// What must go.
    pub target: &'a Target,
    /// Number of samples that are clicked: half of each kind, if the pages show both, or negatives alone where the rest of
    /// each page may stay.
    pub clicks: usize,
    /// Whether the person also says of the pages looked at that their rest may stay, as one can in the window.
    pub rest_may_stay: bool,
    /// Whose features the probe sees besides the GAN's own.
    pub features: Option<&'a Labeler>,
}

/// Marks of a person who looks at the first pages of a seed, clicks a dozen samples, and goes on with pages of suggestions,
/// until enough are clicked.
pub(super) fn by_clicks(
    model: &Model,
    reference: &Reference,
    person: &Person,
    settings: &Settings,
) -> Result<Feedback, EngineError> {
    let mut feedback = Feedback::new(&model.sha256);
    let sampler = Sampler::new(&model.generator, &model.g_ema);
    let mut pages = Pages { model, person, settings, sampler, turned: 0, suggested: None };
    let mut clicked = 0;
    while clicked < person.clicks {
        // Without suggestions (at first, or while nothing can be learned yet) the person turns the page.
        if clicked > 0 {
            let probe = reference.probe(model, &feedback, person.features).ok();
            pages.suggested = probe.map(|probe| reference.suggest(&probe, &feedback, PAGE).proposals);
        }
        let round = ROUND.min(person.clicks - clicked);
        let made = match person.rest_may_stay {
            true => click_negatives(&mut pages, round, &mut feedback)?,
            false => click_both(&mut pages, round, &mut feedback)?,
        };
        if made == 0 {
            break;
        }
        clicked += made;
    }
    Ok(feedback)
}

/// What the person looks at.
struct Pages<'a> {
    model: &'a Model,
    person: &'a Person<'a>,
    settings: &'a Settings,
    sampler: Sampler<'a>,
    /// Pages of the seed seen so far.
    turned: u64,
    /// A page of suggestions, looked at first.
    suggested: Option<Vec<Sample>>,
}

impl Pages<'_> {
    /// The next page's samples and what they are, without those that are in doubt; `None` after the last page.
    fn next(&mut self) -> Result<Option<Vec<(Sample, Mark)>>, EngineError> {
        let page = match self.suggested.take() {
            Some(page) => page,
            None if self.turned == PAGES => return Ok(None),
            None => {
                let start = self.turned * PAGE as u64;
                self.turned += 1;
                addresses(self.model, self.settings.seed, POOL_PSI, start..start + PAGE as u64)
            }
        };
        let Person { labeler, target, .. } = *self.person;
        let labels = label(self.model, &page, &mut self.sampler, labeler, target)?;
        let marks = page.iter().enumerate().filter_map(|(i, &sample)| {
            let mark = mark(&labels, i, target, self.settings)?;
            Some((sample, mark))
        });
        Ok(Some(marks.collect()))
    }
}

/// Clicks up to half a round of each kind; gives the number of clicks.
fn click_both(pages: &mut Pages, round: usize, feedback: &mut Feedback) -> Result<usize, EngineError> {
    let mut seen: Vec<(Sample, Mark)> = Vec::new();
    let count = |seen: &[(Sample, Mark)], kind: Mark| seen.iter().filter(|(_, mark)| *mark == kind).count();
    while count(&seen, Mark::Negative) < round / 2 || count(&seen, Mark::Positive) < round / 2 {
        let Some(page) = pages.next()? else { break };
        seen.extend(page.into_iter().filter(|(sample, _)| feedback.get(*sample).is_none()));
    }
    let mut left = [round / 2, round - round / 2];
    for (sample, mark) in seen {
        let left = &mut left[usize::from(mark == Mark::Positive)];
        if *left > 0 && feedback.mark(sample, mark).is_none() {
            *left -= 1;
        }
    }
    Ok(round - left.iter().sum::<usize>())
}

/// Clicks up to a round of negatives, the positives looked at on the way being marked without a click; gives the number of
/// clicks.
fn click_negatives(pages: &mut Pages, round: usize, feedback: &mut Feedback) -> Result<usize, EngineError> {
    let mut clicked = 0;
    while let Some(page) = pages.next()? {
        for (sample, mark) in page {
            if feedback.mark(sample, mark).is_none() && mark == Mark::Negative {
                clicked += 1;
            }
            if clicked == round {
                return Ok(clicked);
            }
        }
    }
    Ok(clicked)
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

/// Tests a probe that learned from a person's marks on the samples `indices` of the settings' seed.
pub fn test_probe(
    model: &Model,
    person: &Person,
    indices: std::ops::Range<u64>,
    settings: &Settings,
) -> Result<ProbeTest, EngineError> {
    let Person { labeler, target, features, .. } = *person;
    let reference = Reference::new(model, (settings.seed, POOL_PSI), features)?;
    let feedback = by_clicks(model, &reference, person, settings)?;
    let probe = reference.probe(model, &feedback, features)?;
    let fresh = addresses(model, settings.seed, POOL_PSI, indices);
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
