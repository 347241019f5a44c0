//! Negatives and positives as images: from a labeler's answers, or from marks.

use std::{ops::ControlFlow, sync::Arc};

use serde::Serialize;

use super::{
    error::PoolError,
    gone::MarksProbe,
    image_pool::ImagePool,
    marks::{Feedback, Mark},
    probe::ProbeQuality,
    renderer::{Origin, SampleRenderer},
    settings::{CollectSettings, POOL_PSI},
};
use crate::{
    metrics::{Labeler, Labels, Target},
    model::{Model, Sample, Sampler},
    networks::{LatentAddress, Purpose, flat::to_vec},
};

/// What a run learned from marks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Learned {
    /// How sure the probe was.
    #[serde(flatten)]
    pub quality: ProbeQuality,
    /// Samples it looked at to fill the pools.
    pub looked_at: usize,
}

/// The images that a method trains on.
#[derive(Clone, Debug)]
pub struct Pools {
    /// Images that show what must be forgotten.
    pub negatives: ImagePool,
    /// Images that do not.
    pub positives: ImagePool,
    /// The samples they show, for the report and for saving.
    pub feedback: Feedback,
    /// What was learned, if a probe turned a few marks into these pools.
    pub learned: Option<Learned>,
    /// What learned it, to be asked again when the run is over, if it had nothing but marks to learn from.
    pub probe: Option<MarksProbe>,
}

/// How much feedback a run used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeedbackSummary {
    /// Number of negative samples.
    pub negatives: usize,
    /// Number of positive samples.
    pub positives: usize,
    /// SHA-256 of the feedback file's canonical form.
    pub sha256: String,
    /// What was learned from how many marks, if a probe marked the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned: Option<Learned>,
}

/// Renders and sorts `settings.labelled` samples (or as many pictures as there are to learn from) by a labeler. `progress` is told the samples done and may stop.
pub fn by_labeler(
    model: &Model,
    labeler: &Labeler,
    target: &Target,
    settings: &CollectSettings,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Pools>, PoolError> {
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let shape = sampler.image_shape();
    let size = shape.iter().product::<usize>();
    let mut feedback = Feedback::new(&model.sha256);
    let [mut negatives, mut positives] = empty(model, shape);
    let chunk = sampler.page(8);
    let mut start = 0;
    let labelled = model.available(Purpose::Learn, settings.labelled);
    while start < labelled {
        let end = (start + chunk).min(labelled);
        let indices = model.generator.indices(Purpose::Learn, start..end);
        let z = model.generator.latents(settings.seed, indices.iter().copied());
        // What is kept must be what would be drawn again.
        let images = match negatives.has_room() || positives.has_room() {
            true => to_vec(sampler.subjects_each(&z, POOL_PSI)),
            false => sampler.subjects(&z, POOL_PSI),
        };
        let labels = labeler.label_head(target.head_number(), &images, [end - start, shape[0], shape[1], shape[2]])?;
        for ((i, image), index) in images.chunks_exact(size).enumerate().zip(indices) {
            let Some(mark) = mark(&labels, i, target, settings) else { continue };
            let pool = if mark == Mark::Negative { &mut negatives } else { &mut positives };
            let address = LatentAddress { seed: settings.seed, index };
            pool.push(image, Origin { z: model.generator.latent(address), psi: POOL_PSI });
            if let Some(sample) = Sample::new(address, POOL_PSI) {
                let class = model.generator.class().and_then(|class| u32::try_from(class).ok());
                feedback.mark(sample.with_class(class), mark);
            }
        }
        start = end;
        if progress(start).is_break() {
            return Ok(None);
        }
    }
    Ok(Some(Pools { negatives, positives, feedback, learned: None, probe: None }))
}

/// How image `i` is marked by its labels; who is in doubt whether it is positive does not mark it.
pub(super) fn mark(labels: &Labels, i: usize, target: &Target, settings: &CollectSettings) -> Option<Mark> {
    if labels.classes.get(i).is_some_and(|&class| target.holds(class)) {
        return Some(Mark::Negative);
    }
    let sure = labels.target_probability(i, target).is_some_and(|p| p <= settings.positive_below as f32);
    sure.then_some(Mark::Positive)
}

/// Pools for a model's samples.
fn empty(model: &Model, shape: [usize; 3]) -> [ImagePool; 2] {
    let renderer = Arc::new(SampleRenderer::new(model));
    [renderer.clone(), renderer].map(|renderer| ImagePool::rendered(shape, renderer))
}

/// The samples of a feedback file, which are drawn when they are asked for.
pub fn by_marks(model: &Model, feedback: Feedback) -> Result<Pools, PoolError> {
    let shape = Sampler::new(&model.generator, &model.g_ema).image_shape();
    let [mut negatives, mut positives] = empty(model, shape);
    for (sample, mark) in feedback.iter() {
        let pool = match mark {
            Mark::Negative => &mut negatives,
            Mark::Positive => &mut positives,
        };
        pool.push_origin(Origin { z: model.latent(sample)?, psi: sample.psi() });
    }
    Ok(Pools { negatives, positives, feedback, learned: None, probe: None })
}

impl Pools {
    /// Whether there is enough to work on.
    pub(super) fn check(&self, positives: bool) -> Result<(), PoolError> {
        if self.negatives.is_empty() {
            return Err(PoolError::None { kind: "negative" });
        }
        if positives && self.positives.is_empty() {
            return Err(PoolError::None { kind: "positive" });
        }
        Ok(())
    }
}
