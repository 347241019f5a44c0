//! Where negatives and positives come from: a labeler's answers or a person's marks.

use std::{ops::ControlFlow, path::PathBuf};

use serde::Serialize;

use super::{error::EngineError, model::Model, sampler::Sampler, suggest::Learned};
use crate::{
    metrics::{Labeler, Labels, Target},
    networks::latents::LatentAddress,
    unlearn::{
        Settings,
        feedback::{Feedback, Mark, Sample},
        pool::{ImagePool, Origin},
    },
};

/// Samples of the pool's seed are drawn at this truncation: none.
pub(super) const POOL_PSI: f32 = 1.0;

/// A classifier and how it wants its input.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelerSpec {
    /// The ONNX file.
    pub path: PathBuf,
    /// Mean to subtract from values in [0, 1]; one number or one per channel.
    pub mean: Option<Vec<f32>>,
    /// Standard deviation to divide by; one number or one per channel.
    pub std: Option<Vec<f32>>,
}

impl LabelerSpec {
    /// Opens the classifier.
    pub fn open(&self) -> Result<Labeler, EngineError> {
        let labeler = Labeler::open(&self.path)?;
        if self.mean.is_none() && self.std.is_none() {
            return Ok(labeler);
        }
        let mean = self.mean.as_deref().unwrap_or(&[0.0]);
        let std = self.std.as_deref().unwrap_or(&[1.0]);
        Ok(labeler.with_normalization(mean, std)?)
    }
}

/// Who gives feedback.
#[derive(Clone, Debug)]
pub enum FeedbackSource {
    /// A classifier; samples of the classes `forget` are negative, samples it is sure are not are positive.
    Labeler {
        /// The ONNX file.
        labeler: LabelerSpec,
        /// What to forget, as [`Labeler::target`] takes it.
        forget: String,
    },
    /// A feedback file; fewer marks than [`Settings::few_marks`] are learned from by a probe.
    File(PathBuf),
    /// Marks made in the window, taken like those of a file.
    Marks(Box<Feedback>),
    /// A simulated person who marks a handful of samples page by page, a classifier answering for them.
    Clicks {
        /// The ONNX file.
        labeler: LabelerSpec,
        /// What to forget, as [`Labeler::target`] takes it.
        forget: String,
        /// Number of samples that are clicked.
        clicks: usize,
        /// Whether only negatives are clicked, and the rest of the pages looked at may stay.
        rest_may_stay: bool,
        /// Whether the probe also sees the classifier's features. It then learns from who gives the answers, so this says
        /// what a classifier made for such images adds, not what the GAN alone knows.
        features: bool,
    },
}

/// The images both stages train on.
#[derive(Clone, Debug)]
pub struct Pools {
    /// Stage 1's real images.
    pub negatives: ImagePool,
    /// Stage 2's real images.
    pub positives: ImagePool,
    /// The samples they show, for the report and for saving.
    pub feedback: Feedback,
    /// What was learned, if a probe turned a few marks into these pools.
    pub learned: Option<Learned>,
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

/// Renders and sorts `settings.labelled` samples by a labeler. `progress` is told the samples done and may stop.
pub fn by_labeler(
    model: &Model,
    labeler: &Labeler,
    target: &Target,
    settings: &Settings,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Pools>, EngineError> {
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let shape = sampler.image_shape();
    let size = shape.iter().product::<usize>();
    let mut feedback = Feedback::new(&model.sha256);
    let (mut negatives, mut positives) = (ImagePool::new(shape), ImagePool::new(shape));
    let chunk = sampler.chunk() * 8;
    let mut start = 0;
    while start < settings.labelled {
        let end = (start + chunk).min(settings.labelled);
        let images = sampler.render_at(settings.seed, start as u64..end as u64, POOL_PSI);
        let labels = labeler.label_head(target.head_number(), &images, [end - start, shape[0], shape[1], shape[2]])?;
        for (i, image) in images.chunks_exact(size).enumerate() {
            let Some(mark) = mark(&labels, i, target, settings) else { continue };
            let pool = if mark == Mark::Negative { &mut negatives } else { &mut positives };
            let address = LatentAddress { seed: settings.seed, index: (start + i) as u64 };
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
    pools(negatives, positives, feedback).map(Some)
}

/// How image `i` is marked by its labels; who is in doubt whether it is positive does not mark it.
pub(super) fn mark(labels: &Labels, i: usize, target: &Target, settings: &Settings) -> Option<Mark> {
    if labels.classes.get(i).is_some_and(|&class| target.holds(class)) {
        return Some(Mark::Negative);
    }
    let sure = labels.target_probability(i, target).is_some_and(|p| p <= settings.positive_below);
    sure.then_some(Mark::Positive)
}

/// Renders the samples of a feedback file.
pub fn by_marks(model: &Model, feedback: Feedback) -> Result<Pools, EngineError> {
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let shape = sampler.image_shape();
    let (mut negatives, mut positives) = (ImagePool::new(shape), ImagePool::new(shape));
    let size = shape.iter().product::<usize>();
    let (samples, marks): (Vec<Sample>, Vec<Mark>) = feedback.iter().unzip();
    for (samples, marks) in samples.chunks(sampler.chunk()).zip(marks.chunks(sampler.chunk())) {
        let images = sampler.render_samples(model, samples)?;
        for ((sample, mark), image) in samples.iter().zip(marks).zip(images.chunks_exact(size)) {
            let pool = match mark {
                Mark::Negative => &mut negatives,
                Mark::Positive => &mut positives,
            };
            pool.push(image, Origin { z: model.latent(*sample)?, psi: sample.psi() });
        }
    }
    pools(negatives, positives, feedback)
}

fn pools(negatives: ImagePool, positives: ImagePool, feedback: Feedback) -> Result<Pools, EngineError> {
    for (pool, name) in [(&negatives, "negative"), (&positives, "positive")] {
        if pool.is_empty() {
            return Err(EngineError::TooFew(format!(
                "no {name} sample was found among the samples looked at; mark some or look at more"
            )));
        }
    }
    Ok(Pools { negatives, positives, feedback, learned: None })
}
