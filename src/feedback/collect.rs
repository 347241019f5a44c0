//! The negatives and positives of a run, wherever they come from.

use std::ops::ControlFlow;

use super::{
    by_probe::by_probe,
    error::PoolError,
    labeler_spec::LabelerSpec,
    marks::Feedback,
    pools::{POOL_PSI, Pools, by_labeler, by_marks},
    reference::Reference,
    settings::CollectSettings,
    simulated_user::{SimulatedUser, by_clicks},
    source::FeedbackSource,
};
use crate::model::Model;

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
}

/// The images to train on; `None` if `progress`, which is told the samples looked at, stopped it.
pub fn collect(
    model: &Model,
    CollectRequest { source, settings, helper, positives }: CollectRequest<'_>,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Pools>, PoolError> {
    let found = match source {
        FeedbackSource::Labeler { labeler, forget } => {
            let labeler = labeler.open()?;
            let target = labeler.target(forget)?;
            by_labeler(model, &labeler, &target, settings, progress)
        }
        FeedbackSource::File(path) => {
            by_few_or_many(model, &Feedback::load(path, &model.sha256)?, settings, helper, progress)
        }
        FeedbackSource::Marks(feedback) => by_few_or_many(model, feedback, settings, helper, progress),
        FeedbackSource::Clicks { labeler, forget, clicks, rest_may_stay, features } => {
            let labeler = labeler.open()?;
            let target = labeler.target(forget)?;
            // The classifier answers for the user: unasked, its features would whisper the answers to the probe.
            if *features && !labeler.has_features() {
                return Err(PoolError::NoFeatures);
            }
            let features = features.then_some(&labeler);
            let (clicks, rest_may_stay) = (*clicks, *rest_may_stay);
            let user = SimulatedUser { labeler: &labeler, target: &target, clicks, rest_may_stay, features };
            let reference = Reference::new(model, (settings.seed, POOL_PSI), features)?;
            let marks = by_clicks(model, &reference, &user, settings)?;
            by_probe(model, &reference, &marks, features, settings, progress)
        }
    }?;
    if let Some(pools) = &found {
        pools.check(positives)?;
    }
    Ok(found)
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
    let reference = Reference::new(model, (settings.seed, POOL_PSI), labeler.as_ref())?;
    by_probe(model, &reference, feedback, labeler.as_ref(), settings, progress)
}
