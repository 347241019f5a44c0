//! A simulated user who marks a handful of samples, a labeler answering for them.

use super::{
    error::PoolError,
    marks::{Feedback, Mark},
    pools::mark,
    reference::{Reference, addresses},
    region::Region,
    settings::{CollectSettings, POOL_PSI},
};
use crate::{
    data::avatars,
    metrics::{Labels, Target, labeler::Labeler},
    model::{Model, Sample, Sampler},
    networks::Purpose,
};

/// Clicks the user makes before asking for suggestions (again).
const ROUND: usize = 12;
/// Samples on a page.
const PAGE: usize = 64;
/// Passes whose images are labelled at a time.
const PASSES: usize = 8;
/// Pages the user leafs through at most to find both kinds.
const PAGES: u64 = 40;

/// A simulated user.
#[derive(Clone, Debug)]
pub struct SimulatedUser<'a> {
    /// Who answers for the user.
    pub labeler: &'a Labeler,
    /// What must go.
    pub target: &'a Target,
    /// Number of samples that are clicked: half of each kind, if the pages show both, or negatives alone where the rest of
    /// each page may stay.
    pub clicks: usize,
    /// Whether the user also says of the pages looked at that their rest may stay, as one can in the window.
    pub rest_may_stay: bool,
    /// Whose features the probe sees besides the GAN's own.
    pub features: Option<&'a Labeler>,
    /// Where in the picture the user draws a box on every negative.
    pub region: Option<Region>,
}

/// The box around a feature of the drawn faces ([`avatars::place`]); `None` of anything else, such as digits.
pub fn known_region(target: &Target) -> Option<Region> {
    let [left, top, right, bottom] = avatars::place(&target.head().name)?;
    Region::between([left, top], [right, bottom]).ok()
}

/// Marks of a user who looks at the first pages of a seed, clicks a dozen samples, and goes on with pages of suggestions,
/// until enough are clicked; and the reference samples, looked at as the marks ask for.
pub fn by_clicks(
    model: &Model,
    user: &SimulatedUser,
    settings: &CollectSettings,
) -> Result<(Reference, Feedback), PoolError> {
    let mut feedback = Feedback::new(&model.sha256);
    let at = (settings.seed, POOL_PSI);
    let mut reference = None;
    let sampler = Sampler::new(&model.generator, &model.g_ema);
    let mut pages = Pages { model, user, settings, sampler, turned: 0, suggested: None };
    let mut clicked = 0;
    while clicked < user.clicks {
        // Without suggestions (at first, or while nothing can be learned yet) the user turns the page.
        if clicked > 0 {
            let known = Reference::renewed(reference.take(), model, at, user.features, &feedback)?;
            let known = reference.insert(known);
            let probe = known.probe(model, &feedback, user.features).ok();
            pages.suggested = probe.map(|probe| known.suggest(&probe, &feedback, PAGE).proposals);
        }
        let round = ROUND.min(user.clicks - clicked);
        let made = match user.rest_may_stay {
            true => click_negatives(&mut pages, round, &mut feedback)?,
            false => click_both(&mut pages, round, &mut feedback)?,
        };
        let negatives: Vec<Sample> = feedback.negatives().collect();
        for sample in negatives {
            feedback.set_region(sample, user.region.clone());
        }
        if made == 0 {
            break;
        }
        clicked += made;
    }
    Ok((Reference::renewed(reference, model, at, user.features, &feedback)?, feedback))
}

/// What the user looks at.
struct Pages<'a> {
    model: &'a Model,
    user: &'a SimulatedUser<'a>,
    settings: &'a CollectSettings,
    sampler: Sampler<'a>,
    /// Pages of the seed seen so far.
    turned: u64,
    /// A page of suggestions, looked at first.
    suggested: Option<Vec<Sample>>,
}

impl Pages<'_> {
    /// The next page's samples and what they are, without those that are in doubt; `None` after the last page.
    fn next(&mut self) -> Result<Option<Vec<(Sample, Mark)>>, PoolError> {
        let page = match self.suggested.take() {
            Some(page) => page,
            None if self.turned == PAGES => return Ok(None),
            None => {
                let start = self.turned as usize * PAGE;
                let end = self.model.available(Purpose::Learn, start + PAGE);
                self.turned += 1;
                if end <= start {
                    return Ok(None);
                }
                addresses(self.model, self.settings.seed, POOL_PSI, start..end)
            }
        };
        let SimulatedUser { labeler, target, .. } = self.user;
        let labels = label(self.model, &page, &mut self.sampler, labeler, target)?;
        let marks = page.iter().enumerate().filter_map(|(i, &sample)| {
            let mark = mark(&labels, i, target, self.settings)?;
            Some((sample, mark))
        });
        Ok(Some(marks.collect()))
    }
}

/// Clicks up to half a round of each kind; gives the number of clicks.
fn click_both(pages: &mut Pages, round: usize, feedback: &mut Feedback) -> Result<usize, PoolError> {
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
fn click_negatives(pages: &mut Pages, round: usize, feedback: &mut Feedback) -> Result<usize, PoolError> {
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
pub(super) fn label(
    model: &Model,
    samples: &[Sample],
    sampler: &mut Sampler,
    labeler: &Labeler,
    target: &Target,
) -> Result<Labels, PoolError> {
    let [channels, height, width] = sampler.image_shape();
    let page = sampler.page(PASSES);
    let mut label = |part: &[Sample]| -> Result<Labels, PoolError> {
        let images = sampler.subjects_of(model, part)?;
        Ok(labeler.label_head(target.head_number(), &images, [part.len(), channels, height, width])?)
    };
    let mut all = label(&[])?;
    for part in samples.chunks(page) {
        all.append(label(part)?);
    }
    Ok(all)
}
