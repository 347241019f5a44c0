//! Before and after, through a labeler's eyes.

use std::ops::ControlFlow;

use burn::tensor::Device;

pub use super::seed::EVALUATION_SEED;
use super::{
    error::EngineError,
    job::JobControl,
    phase::{Phase, Progress},
    request::CompareRequest,
};
use crate::{
    metrics::{Evaluation, Labeler, Labels, Target, evaluate},
    model::{Model, Sampler},
    networks::{FlatParams, Generator},
};

/// What one of the labeler's heads says of `samples` samples of one set of weights at the addresses
/// `(seed, 0..samples)`; `None` if `progress` (told the samples done) stopped it.
pub fn label_samples(
    generator: &Generator,
    weights: &FlatParams,
    labeler: &Labeler,
    head: usize,
    seed: u64,
    samples: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Labels>, EngineError> {
    let mut sampler = Sampler::new(generator, weights);
    let [c, h, w] = sampler.image_shape();
    let chunk = sampler.chunk() * 8;
    let mut all: Option<Labels> = None;
    let mut start = 0;
    while start < samples {
        let end = (start + chunk).min(samples);
        let images = sampler.render_at(seed, start as u64..end as u64, 1.0);
        let labels = labeler.label_head(head, &images, [end - start, c, h, w])?;
        match &mut all {
            Some(all) => all.append(labels),
            None => all = Some(labels),
        }
        start = end;
        if progress(start).is_break() {
            return Ok(None);
        }
    }
    Ok(all)
}

/// PUL, class shares and Fréchet distance between two sets of weights over the same latents.
pub fn compare(
    generators: [(&Generator, &FlatParams); 2],
    labeler: &Labeler,
    target: &Target,
    seed: u64,
    samples: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Evaluation>, EngineError> {
    let mut done = 0;
    let mut labels = Vec::with_capacity(2);
    for (generator, weights) in generators {
        let base = done;
        let mut part = |n: usize| {
            done = base + n;
            progress(done)
        };
        match label_samples(generator, weights, labeler, target.head_number(), seed, samples, &mut part)? {
            Some(found) => labels.push(found),
            None => return Ok(None),
        }
    }
    let [before, after] = labels.as_slice() else { return Ok(None) };
    Ok(Some(evaluate(before, after, target)?))
}

/// Compares two model files; `None` if it was stopped.
pub(super) fn compare_files(
    request: &CompareRequest,
    device: &Device,
    control: &mut JobControl,
) -> Result<Option<Evaluation>, EngineError> {
    let CompareRequest { before, after, class, classes, evaluation } = request;
    let open =
        |path| -> Result<Model, EngineError> { Ok(Model::load_with_classes(path, *classes, device, &mut |_, _| {})?) };
    let (mut before, mut after) = (open(before)?, open(after)?);
    before.set_class(*class)?;
    after.set_class(*class)?;
    if before.generator.latent_dim() != after.generator.latent_dim() {
        return Err(EngineError::NotAlike { before: before.path, after: after.path });
    }
    let labeler = evaluation.labeler.open()?;
    let target = labeler.target(&evaluation.forget)?;
    let of = 2 * evaluation.samples;
    let mut progress = |done| control.progress(Progress { phase: Phase::Evaluate, done, of, seconds_left: None });
    let models = [(&before.generator, &before.g_ema), (&after.generator, &after.g_ema)];
    compare(models, &labeler, &target, evaluation.seed, evaluation.samples, &mut progress)
}
