//! The negatives and positives of a run, wherever they come from.

use std::{ops::ControlFlow, sync::Arc};

use super::{
    by_probe::by_probe,
    error::PoolError,
    gone::MarksProbe,
    image_pool::ImagePool,
    labeler_spec::LabelerSpec,
    marks::Feedback,
    pools::{Pools, by_labeler, by_marks},
    reference::Reference,
    renderer::{Origin, PictureRenderer},
    settings::{CollectSettings, POOL_PSI},
    simulated_user::{SimulatedUser, by_clicks, known_region},
    source::FeedbackSource,
};
use crate::{model::Model, networks::Pictures};

/// What images are looked for.
#[derive(Clone, Copy, Debug)]
pub struct CollectRequest<'a> {
    /// Where they come from.
    pub source: &'a FeedbackSource,
    /// How they are looked for.
    pub settings: &'a CollectSettings,
    /// A classifier whose features a probe that learns from few marks sees, too, if it has some.
    pub helper: Option<&'a LabelerSpec>,
    /// Whether there must be positives.
    pub positives: bool,
    /// Other pictures that may stay, in place of those found among the model's.
    pub retain: Option<&'a Arc<dyn Pictures>>,
}

/// The images to train on; `None` if `progress`, which is told the samples looked at, stopped it.
pub fn collect(
    model: &Model,
    CollectRequest { source, settings, helper, positives, retain }: CollectRequest<'_>,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Pools>, PoolError> {
    let found = match source {
        FeedbackSource::Labeler { labeler, forget } => {
            let labeler = labeler.open()?;
            let target = labeler.target(forget)?;
            by_labeler(model, &labeler, &target, settings, progress)
        }
        FeedbackSource::File(path) => {
            by_few_or_many(model, &Feedback::load(path, &model.sha256)?.located(model), settings, helper, progress)
        }
        FeedbackSource::Marks(feedback) => by_few_or_many(model, feedback, settings, helper, progress),
        FeedbackSource::Clicks { labeler, forget, clicks, rest_may_stay, features, regions } => {
            let labeler = labeler.open()?;
            let target = labeler.target(forget)?;
            // The classifier answers for the user: unasked, its features would whisper the answers to the probe.
            if *features && !labeler.has_features() {
                return Err(PoolError::NoFeatures);
            }
            let features = features.then_some(&labeler);
            let region = regions.then(|| known_region(&target).ok_or(PoolError::NoRegion)).transpose()?;
            let (clicks, rest_may_stay) = (*clicks, *rest_may_stay);
            let user = SimulatedUser { labeler: &labeler, target: &target, clicks, rest_may_stay, features, region };
            let (reference, marks) = by_clicks(model, &user, settings)?;
            let probe = reference.probe(model, &marks, features)?;
            by_probe(model, (&reference, &probe), &marks, features, settings, progress)
        }
    }?;
    let found = found.map(|pools| Pools { feedback: pools.feedback.named(model), ..pools });
    let found = match retain {
        Some(pictures) => found.map(|pools| retain_others(model, pools, pictures, settings)),
        None => found,
    };
    if let Some(pools) = &found {
        pools.check(positives)?;
    }
    Ok(found)
}

/// The same pools with other pictures as positives: as many as would have been looked at, at most.
fn retain_others(model: &Model, pools: Pools, pictures: &Arc<dyn Pictures>, settings: &CollectSettings) -> Pools {
    let shape = pools.positives.shape();
    let renderer = PictureRenderer::new(pictures.clone(), shape[0], model.g_ema.device());
    let mut positives = ImagePool::rendered(shape, Arc::new(renderer));
    for _ in 0..pictures.count().min(settings.labelled) {
        positives.push_origin(Origin { z: vec![0.0; model.generator.latent_dim()], psi: POOL_PSI });
    }
    Pools { positives, ..pools }
}

/// Marks as they are, or, where they are few, what a probe learns from them.
fn by_few_or_many(
    model: &Model,
    feedback: &Feedback,
    settings: &CollectSettings,
    helper: Option<&LabelerSpec>,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Pools>, PoolError> {
    if feedback.len() >= settings.few_marks {
        return by_marks(model, feedback.clone()).map(Some);
    }
    let labeler = helper.map(LabelerSpec::open).transpose()?;
    let reference = Reference::new(model, (settings.seed, POOL_PSI), labeler.as_ref(), feedback)?;
    let probe = reference.probe(model, feedback, labeler.as_ref())?;
    let found = by_probe(model, (&reference, &probe), feedback, labeler.as_ref(), settings, progress)?;
    // What a labeler sees of the samples is measured by the labeler.
    let probe = labeler.is_none().then_some(MarksProbe { reference, probe });
    Ok(found.map(|pools| Pools { probe, ..pools }))
}
