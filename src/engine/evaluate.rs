//! Before and after, through a labeler's eyes.

use std::{ops::ControlFlow, sync::Arc, time::Instant};

use burn::tensor::Device;

pub use super::seed::EVALUATION_SEED;
use super::{
    completions::compare_completions,
    error::EngineError,
    job::JobControl,
    phase::{Phase, Progress},
    pictures::sentences,
    request::CompareRequest,
    time_left::{Part, PartTime, TimeLeft, Work},
};
use crate::{
    data::PictureSet,
    metrics::{Evaluation, Labeler, Labels, Target, evaluate},
    model::{Model, Sampler},
    networks::{FlatParams, Generator, Purpose},
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
    let chunk = sampler.page(8);
    let samples = generator.pictures_for(Purpose::Measure).map_or(samples, |pictures| pictures.min(samples));
    let mut all: Option<Labels> = None;
    let mut start = 0;
    while start < samples {
        let end = (start + chunk).min(samples);
        let images = sampler.render_at(seed, generator.indices(Purpose::Measure, start..end), 1.0);
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

/// PUL, class shares, Fréchet distance and the change of kept samples between two sets of weights over the same latents;
/// `progress` is told the samples drawn, twice `samples` in all.
pub fn compare(
    [before, after]: [(&Generator, &FlatParams); 2],
    labeler: &Labeler,
    target: &Target,
    seed: u64,
    samples: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Evaluation>, EngineError> {
    if before.0.completion().is_some() && after.0.completion().is_some() {
        return compare_completions([before, after], labeler, target, seed, samples, progress);
    }
    let mut samplers = [before, after].map(|(generator, weights)| Sampler::new(generator, weights));
    let [c, h, w] = samplers[0].image_shape();
    let chunk = samplers[0].page(8);
    let mut labels: [Option<Labels>; 2] = [None, None];
    let mut changes = Vec::with_capacity(samples);
    let mut start = 0;
    while start < samples {
        let end = (start + chunk).min(samples);
        let mut images = [Vec::new(), Vec::new()];
        for (number, sampler) in samplers.iter_mut().enumerate() {
            images[number] = sampler.render_at(seed, start as u64..end as u64, 1.0);
            let shape = sampler.image_shape();
            let found = labeler.label_head(
                target.head_number(),
                &images[number],
                [end - start, shape[0], shape[1], shape[2]],
            )?;
            match &mut labels[number] {
                Some(all) => all.append(found),
                none => *none = Some(found),
            }
            if progress(2 * start + (number + 1) * (end - start)).is_break() {
                return Ok(None);
            }
        }
        let [old, new] = &images;
        let size = (c * h * w).max(1);
        changes.extend(old.chunks_exact(size).zip(new.chunks_exact(size)).map(|(old, new)| {
            let sum: f64 = old.iter().zip(new).map(|(a, b)| f64::from((a - b).abs())).sum();
            sum / size as f64
        }));
        start = end;
    }
    let [Some(before), Some(after)] = labels else { return Ok(None) };
    let mut found = evaluate(&before, &after, target)?;
    let kept: Vec<f64> = before
        .classes
        .iter()
        .zip(&changes)
        .filter(|(class, _)| !target.holds(**class))
        .map(|(_, &change)| change)
        .collect();
    if !kept.is_empty() {
        found.kept_change = Some(kept.iter().sum::<f64>() / kept.len() as f64);
    }
    Ok(Some(found))
}

/// Compares two model files; `None` if it was stopped.
pub(super) fn compare_files(
    request: &CompareRequest,
    device: &Device,
    control: &mut JobControl,
) -> Result<Option<Evaluation>, EngineError> {
    let CompareRequest { before, after, class, classes, pictures, evaluation } = request;
    let open =
        |path| -> Result<Model, EngineError> { Ok(Model::load_with_classes(path, *classes, device, &mut |_, _| {})?) };
    let (mut before, mut after) = (open(before)?, open(after)?);
    before.set_class(*class)?;
    after.set_class(*class)?;
    if before.generator.latent_dim() != after.generator.latent_dim() {
        return Err(EngineError::NotAlike { before: before.path, after: after.path });
    }
    if let Some(source) = pictures {
        for model in [&mut before, &mut after] {
            let (pictures, notes) = PictureSet::open(source, model.generator.resolution())?;
            model.set_pictures(Arc::new(pictures));
            sentences(source, &notes, model.generator.resolution()).into_iter().for_each(|note| control.warn(note));
        }
    }
    before.check_samples()?;
    let labeler = evaluation.labeler.open()?;
    let target = labeler.target(&evaluation.forget)?;
    let of = 2 * evaluation.samples;
    let mut time_left = TimeLeft::new(vec![PartTime::new(Part::Evaluate, of, Work::Draw(1.0))]);
    let began = Instant::now();
    let mut progress = |done| {
        time_left.advance(Part::Evaluate, done, of, began.elapsed().as_secs_f64());
        control.progress(Progress { phase: Phase::Evaluate, done, of, seconds_left: time_left.seconds() })
    };
    let models = [(&before.generator, &before.g_ema), (&after.generator, &after.g_ema)];
    compare(models, &labeler, &target, evaluation.seed, evaluation.samples, &mut progress)
}
