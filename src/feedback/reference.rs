//! From a handful of marks to all samples: ranking, and proposals what to look at next.

use std::ops::ControlFlow;

use super::{
    error::PoolError,
    features::{FeatureExtractor, FeatureSpace, Watch},
    marks::{Feedback, Mark},
    probe::{Probe, ProbeError, ProbeQuality},
    region_map::RegionMap,
};
use crate::{
    metrics::labeler::Labeler,
    model::{Model, Sample},
    networks::{LatentAddress, NormalSource, Purpose},
};

/// Unmarked samples that features are scaled by and the share of negatives is estimated from.
pub const REFERENCE: usize = 768;
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
    /// The most informative ones to look at: half are likely or borderline negatives, half come from all others, in
    /// no order.
    pub proposals: Vec<Sample>,
    /// How sure the probe is.
    pub quality: ProbeQuality,
}

/// A model's reference samples, seen once and kept: everything that depends on nothing of the marks but where they say to look.
#[derive(Clone, Debug)]
pub struct Reference {
    pub(super) seed: u64,
    pub(super) psi: f32,
    with_labeler: Option<String>,
    regions: Option<RegionMap>,
    pub(super) space: FeatureSpace,
    pub(super) samples: Vec<Sample>,
    pub(super) rows: Vec<Vec<f64>>,
}

impl Reference {
    /// Looks at the first samples of a seed as these marks ask for: where they say in which region the thing is, there.
    pub fn new(
        model: &Model,
        (seed, psi): (u64, f32),
        labeler: Option<&Labeler>,
        feedback: &Feedback,
    ) -> Result<Self, PoolError> {
        let whole = Self::new_while(model, (seed, psi), labeler, feedback, &mut || ControlFlow::Continue(()))?;
        Ok(whole.ok_or(ProbeError::Features)?)
    }

    /// [`new`](Self::new) for as long as `watch` says; `None` if it ended that.
    pub(super) fn new_while(
        model: &Model,
        (seed, psi): (u64, f32),
        labeler: Option<&Labeler>,
        feedback: &Feedback,
        watch: Watch<'_>,
    ) -> Result<Option<Self>, PoolError> {
        let regions = RegionMap::of(feedback);
        let mut extractor = FeatureExtractor::new(model, labeler, regions.as_ref());
        let samples = addresses(model, seed, psi, 0..model.available(Purpose::Learn, REFERENCE));
        let Some(seen) = extractor.see_while(&samples, watch)? else { return Ok(None) };
        let space = FeatureSpace::fit(&seen, samples.len()).ok_or(ProbeError::Features)?;
        let rows = space.apply(&seen, samples.len());
        let with_labeler = labeler.map(|l| l.file().to_owned());
        Ok(Some(Self { seed, psi, with_labeler, regions, space, samples, rows }))
    }

    /// Where the marks say to look, if they do.
    pub(super) fn regions(&self) -> Option<&RegionMap> {
        self.regions.as_ref()
    }

    /// Whether this is what `new` would give again.
    pub fn answers(&self, seed: u64, psi: f32, labeler: Option<&Labeler>, feedback: &Feedback) -> bool {
        (self.seed, self.psi) == (seed, psi)
            && self.with_labeler.as_deref() == labeler.map(Labeler::file)
            && self.regions == RegionMap::of(feedback)
    }

    /// This one if it answers, or else a new one.
    pub fn renewed(
        known: Option<Self>,
        model: &Model,
        (seed, psi): (u64, f32),
        labeler: Option<&Labeler>,
        feedback: &Feedback,
    ) -> Result<Self, PoolError> {
        match known.filter(|known| known.answers(seed, psi, labeler, feedback)) {
            Some(known) => Ok(known),
            None => Self::new(model, (seed, psi), labeler, feedback),
        }
    }

    /// What looks at samples the way these were looked at.
    pub(super) fn extractor<'a>(&'a self, model: &'a Model, labeler: Option<&'a Labeler>) -> FeatureExtractor<'a> {
        FeatureExtractor::new(model, labeler, self.regions.as_ref())
    }

    /// A probe that learned from these marks.
    pub fn probe(&self, model: &Model, feedback: &Feedback, labeler: Option<&Labeler>) -> Result<Probe, PoolError> {
        Ok(Probe::fit(&self.marked(model, feedback, labeler)?, &self.rows)?)
    }

    /// The features of marked samples, with their marks.
    pub(super) fn marked(
        &self,
        model: &Model,
        feedback: &Feedback,
        labeler: Option<&Labeler>,
    ) -> Result<Vec<(Vec<f64>, Mark)>, PoolError> {
        let (samples, marks): (Vec<Sample>, Vec<Mark>) = feedback.iter().unzip();
        let seen = self.extractor(model, labeler).see(&samples)?;
        Ok(self.space.apply(&seen, samples.len()).into_iter().zip(marks).collect())
    }

    /// What a probe says of samples.
    pub(super) fn probabilities(
        &self,
        model: &Model,
        probe: &Probe,
        samples: &[Sample],
        labeler: Option<&Labeler>,
    ) -> Result<Vec<f64>, PoolError> {
        let rows = self.space.apply(&self.extractor(model, labeler).see(samples)?, samples.len());
        Ok(rows.iter().map(|row| probe.probability(row)).collect())
    }

    /// Ranks the reference samples that are not marked and proposes `count` of them to look at next.
    pub fn suggest(&self, probe: &Probe, feedback: &Feedback, count: usize) -> Suggestions {
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
        let mut chosen = draw(&ranked[..likely], count - others);
        chosen.extend(draw(&ranked[likely..], others));
        // Mixed: who goes through them from the start, and says of those passed on the way that they may stay, must meet both.
        let proposals = (0..chosen.len()).map(|_| chosen.swap_remove(rng.below(chosen.len()))).collect();
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
pub(super) fn rank<'a>(
    probe: &'a Probe,
    (samples, rows): (&'a [Sample], &'a [Vec<f64>]),
    marks: &'a Feedback,
) -> impl Iterator<Item = Ranked> + 'a {
    let unmarked = samples.iter().zip(rows).filter(|(sample, _)| marks.get(**sample).is_none());
    unmarked.map(|(&sample, row)| Ranked { sample, probability: probe.probability(row) })
}

/// Samples of one seed to learn from, of the class that the model makes.
pub(super) fn addresses(model: &Model, seed: u64, psi: f32, places: std::ops::Range<usize>) -> Vec<Sample> {
    let class = model.generator.class().and_then(|class| u32::try_from(class).ok());
    let indices = model.generator.indices(Purpose::Learn, places).into_iter();
    indices.filter_map(|index| Some(Sample::new(LatentAddress { seed, index }, psi)?.with_class(class))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_the_border_are_proposed_however_many_negatives_there_are() {
        for (share, part) in [(0.05, 0.1), (0.25, 0.5), (0.4, 0.5), (0.5, 0.5), (0.8, 0.8)] {
            assert!((likely_part(share) - part).abs() < 1e-12, "{share}");
        }
    }
}
