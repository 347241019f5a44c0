//! Where negatives and positives come from: a labeler's answers or a person's marks.

use std::{ops::ControlFlow, path::PathBuf};

use serde::Serialize;

use super::{error::EngineError, model::Model, sampler::Sampler};
use crate::{
    gan::latents::LatentAddress,
    metrics::labeler::Labeler,
    unlearn::{
        Settings,
        feedback::{Feedback, Mark, Sample},
        pool::{ImagePool, Origin},
    },
};

/// Samples of the pool's seed are drawn at this truncation: none.
const PSI: f32 = 1.0;

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
    /// A classifier; samples of class `forget` are negative, samples it is sure are not are positive.
    Labeler {
        /// The ONNX file.
        labeler: LabelerSpec,
        /// The class to forget.
        forget: usize,
    },
    /// A feedback file.
    File(PathBuf),
    /// Marks made in the window.
    Marks(Box<Feedback>),
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
}

/// Renders and sorts `settings.labelled` samples by a labeler. `progress` is told the samples done and may stop.
pub fn by_labeler(
    model: &Model,
    labeler: &Labeler,
    forget: usize,
    settings: &Settings,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Pools>, EngineError> {
    labeler.check_class(forget)?;
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let shape = sampler.image_shape();
    let size = shape.iter().product::<usize>();
    let mut feedback = Feedback::new(&model.sha256);
    let (mut negatives, mut positives) = (ImagePool::new(shape), ImagePool::new(shape));
    let chunk = sampler.chunk() * 8;
    let mut start = 0;
    while start < settings.labelled {
        let end = (start + chunk).min(settings.labelled);
        let images = sampler.render_at(settings.seed, start as u64..end as u64, PSI);
        let labels = labeler.label(&images, [end - start, shape[0], shape[1], shape[2]])?;
        for (i, image) in images.chunks_exact(size).enumerate() {
            let (pool, mark) = if labels.classes[i] == forget {
                (&mut negatives, Mark::Negative)
            } else if labels.probability(i, forget).is_some_and(|p| p <= settings.positive_below) {
                (&mut positives, Mark::Positive)
            } else {
                continue;
            };
            let address = LatentAddress { seed: settings.seed, index: (start + i) as u64 };
            pool.push(image, Origin { z: model.generator.latent(address), psi: PSI });
            if let Some(sample) = Sample::new(address, PSI) {
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

/// Renders the samples of a feedback file.
pub fn by_marks(model: &Model, feedback: Feedback) -> Result<Pools, EngineError> {
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let shape = sampler.image_shape();
    let (mut negatives, mut positives) = (ImagePool::new(shape), ImagePool::new(shape));
    for (sample, mark) in feedback.iter() {
        let (z, psi) = (model.latent(sample)?, sample.psi());
        let image = sampler.render(&z, psi);
        let pool = match mark {
            Mark::Negative => &mut negatives,
            Mark::Positive => &mut positives,
        };
        pool.push(&image, Origin { z, psi });
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
    Ok(Pools { negatives, positives, feedback })
}
