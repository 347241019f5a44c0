//! Before and after of a model that completes pictures.

use std::ops::ControlFlow;

use super::error::EngineError;
use crate::{
    metrics::{
        Completed, CompletionChange, CompletionEvaluation, EvaluateError, Evaluation, Features, Labeler, Labels,
        Target, completion_quality, evaluate, frechet_distance, hidden_errors,
    },
    model::Sampler,
    networks::{FlatParams, Generator, Purpose},
};

/// What a labeler says of the pictures kept for measuring and of their completions by two sets of weights, under masks of
/// `seed`; `progress` is told the completions made, twice `samples` in all.
///
/// PUL and class shares are those of the completions. The Fréchet distance is between the completions of pictures that may
/// stay, before and after.
pub(super) fn compare_completions(
    [before, after]: [(&Generator, &FlatParams); 2],
    labeler: &Labeler,
    target: &Target,
    seed: u64,
    samples: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Evaluation>, EngineError> {
    let generator = before.0;
    let Some(network) = generator.completion() else { return Ok(None) };
    let count = generator.pictures_for(Purpose::Measure).unwrap_or_default().min(samples);
    if count == 0 {
        return Err(EngineError::State("there are too few pictures to measure on: every fourth is kept for that"));
    }
    let mut samplers = [before, after].map(|(generator, weights)| Sampler::new(generator, weights));
    let shape = samplers[0].image_shape();
    let chunk = samplers[0].page(2);
    let head = target.head_number();
    let mut originals: Option<Labels> = None;
    let mut completed: [Option<Completed>; 2] = [None, None];
    let mut changes = Vec::with_capacity(count);
    for start in (0..count).step_by(chunk) {
        let end = (start + chunk).min(count);
        let rows = generator.latents(seed, generator.indices(Purpose::Measure, start..end));
        let pictures = network.originals(&rows);
        let dims = [end - start, shape[0], shape[1], shape[2]];
        add(&mut originals, labeler.label_head(head, &pictures, dims)?);
        let hidden = network.hidden(&rows);
        let mut images = Vec::new();
        for (number, sampler) in samplers.iter_mut().enumerate() {
            let found = sampler.render(&rows, 1.0);
            let labels = labeler.label_head(head, &found, dims)?;
            let errors = hidden_errors(&found, &pictures, &hidden, shape);
            match &mut completed[number] {
                Some(all) => {
                    all.labels.append(labels);
                    all.errors.extend(errors);
                }
                none => *none = Some(Completed { labels, errors }),
            }
            images.push(found);
            let share = (2 * start + (number + 1) * (end - start)) as f64 / (2 * count) as f64;
            if progress((share * (2 * samples) as f64) as usize).is_break() {
                return Ok(None);
            }
        }
        let size = shape.iter().product::<usize>().max(1);
        changes.extend(images[0].chunks_exact(size).zip(images[1].chunks_exact(size)).map(|(old, new)| {
            let sum: f64 = old.iter().zip(new).map(|(a, b)| f64::from((a - b).abs())).sum();
            sum / size as f64
        }));
    }
    let (Some(originals), [Some(before), Some(after)]) = (originals, completed) else { return Ok(None) };
    let (forgotten, kept): (Vec<usize>, Vec<usize>) =
        (0..count).partition(|&row| originals.classes.get(row).is_some_and(|class| target.holds(*class)));
    let change = |rows: &[usize]| -> Result<Option<CompletionChange>, EngineError> {
        if rows.is_empty() {
            return Ok(None);
        }
        let quality = |completed| completion_quality(completed, &originals, rows).map_err(EvaluateError::from);
        Ok(Some(CompletionChange { pictures: rows.len(), before: quality(&before)?, after: quality(&after)? }))
    };
    let mut found = evaluate(&before.labels, &after.labels, target)?;
    if let (Some((old, _)), Some((new, _))) = (before.labels.frechet_features(), after.labels.frechet_features()) {
        let of = |features: &Features| features.select(|row| kept.binary_search(&row).is_ok());
        if kept.len() >= 4 {
            let distance = frechet_distance(&of(&old), &of(&new)).map_err(EvaluateError::from)?;
            found.frechet = Some(distance);
        }
    }
    found.kept_change =
        (!kept.is_empty()).then(|| kept.iter().map(|&row| changes[row]).sum::<f64>() / kept.len() as f64);
    found.completions = Some(CompletionEvaluation { kept: change(&kept)?, forgotten: change(&forgotten)? });
    Ok(Some(found))
}

fn add(all: &mut Option<Labels>, more: Labels) {
    match all {
        Some(all) => all.append(more),
        none => *none = Some(more),
    }
}
