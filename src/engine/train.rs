//! Training a model from scratch.

use std::time::Instant;

use super::{
    draw::write_picture,
    error::EngineError,
    exclusion::without,
    job::JobControl,
    phase::{Phase, Progress},
    request::{TrainRequest, TrainingLength, TrainingStart},
    training::{
        Augmentation, Choices, ChosenChoices, CompletionTraining, Scratch, TrainReport, Training, TrainingState,
    },
};
use crate::{
    checkpoint,
    data::{ImageSet, ImageSource, TRAINING_AVATARS},
    device::ComputeDevice,
    model::{Model, Sampler},
    networks::{Architecture, CompletionArchitecture},
    unlearn::uses_half_precision,
};

/// Channels at 4x4, 8x8, ... unless others are asked for.
const CHANNELS: [usize; 9] = [128, 128, 96, 64, 48, 32, 16, 16, 8];
/// Samples that the finished model is measured on.
const MEASURED: usize = 5000;
/// Samples in the picture.
const GRID: usize = 100;

/// Trains, writing the model now and then and in the end; whoever stops it keeps what was reached.
pub(super) fn train(
    request: &TrainRequest,
    device: &ComputeDevice,
    control: &mut JobControl,
) -> Result<TrainReport, EngineError> {
    // Before the data is opened, which can take a while.
    let length = match request.length {
        TrainingLength::Iterations(iterations) => iterations,
        TrainingLength::Kimg(kimg) => images_of(kimg)?,
    };
    let labeler = request.labeler.as_ref().map(|spec| spec.open()).transpose()?;
    let mut training = open(request, device, control)?;
    let batch = training.batch();
    let of = match request.length {
        TrainingLength::Iterations(_) => length,
        TrainingLength::Kimg(_) => length.div_ceil(batch),
    };
    training.begin(of);
    let first = training.iteration();
    let clock = Instant::now();
    let mut stopped = false;
    while training.iteration() < of && !stopped {
        if let Err(what) = training.step() {
            save(&*training, request)?;
            let reached = training.iteration();
            return Err(EngineError::Diverged { out: request.out.clone(), what, reached });
        }
        let done = training.iteration();
        let each = clock.elapsed().as_secs_f64() / (done - first) as f64;
        let seconds_left = Some(each * (of - done) as f64);
        stopped = control.progress(Progress { phase: Phase::Train, done, of, seconds_left }).is_break();
        if done.is_multiple_of(request.save_every) && done < of && !stopped {
            save(&*training, request)?;
        }
    }
    // The training is safe before it is measured.
    save(&*training, request)?;
    let fidelity = match &labeler {
        Some(labeler) if !stopped => {
            let fidelity = training.measure(labeler, MEASURED)?;
            save(&*training, request)?;
            Some(fidelity)
        }
        _ => None,
    };
    let done = training.iteration();
    Ok(TrainReport { out: request.out.clone(), grid: request.grid.clone(), done, of, fidelity })
}

/// How many images so many thousands are.
fn images_of(kimg: usize) -> Result<usize, EngineError> {
    kimg.checked_mul(1000).ok_or_else(|| {
        let most = usize::MAX / 1000;
        EngineError::Settings(format!("{kimg} thousand images are more than can be counted; take at most {most}"))
    })
}

/// A training in the precision that was chosen, that fits into the device's memory, as far as it can be made to.
fn fitted(
    mut training: Scratch,
    compute: &ComputeDevice,
    control: &JobControl,
) -> Result<Box<dyn Training>, EngineError> {
    let half = uses_half_precision(training.half_precision(), compute).map_err(EngineError::Settings)?;
    training.set_half_precision(half);
    if let Some(sentence) = training.fit_into_memory(|held| compute.free_beside(held)) {
        control.warn(sentence);
    }
    Ok(Box::new(training))
}

/// The training before its first iteration.
fn open(
    request: &TrainRequest,
    compute: &ComputeDevice,
    control: &mut JobControl,
) -> Result<Box<dyn Training>, EngineError> {
    let device = &compute.device;
    match &request.start {
        TrainingStart::Fresh { resolution, channels, latent, mapping, family, seed, grow } => {
            let augment = match request.data {
                ImageSource::Avatars => Augmentation::None,
                ImageSource::Folder(_) => Augmentation::Full,
                ImageSource::Idx(_) => Augmentation::Unmirrored,
            };
            let usual = Choices::default();
            let mixing = if family.mixes_styles() { usual.mixing } else { 0.0 };
            let choices = choose(&request.choices, Choices { augment, mixing, ..usual })?;
            let images = images(request, *resolution, control)?;
            let small = grow.as_ref().map(|path| Model::load(path, device)).transpose()?;
            let mut architecture = Architecture {
                channels: channels_of(images.side(), channels)?,
                image_channels: 3,
                latent: *latent,
                mapping_layers: *mapping,
            };
            if let Some(small) = &small {
                (architecture.latent, architecture.mapping_layers) =
                    (small.generator.latent_dim(), Architecture::mapping_layers_of(&small.generator));
            }
            let card = request.card.clone();
            let new = (*family, &architecture);
            let training = Scratch::fresh(new, (choices, *seed), images, card, small.as_ref(), device)?;
            fitted(training, compute, control)
        }
        TrainingStart::FreshCompletion { architecture, resolution, choices, seed } => {
            let images = images(request, *resolution, control)?;
            let architecture = CompletionArchitecture { resolution: images.side(), ..*architecture };
            if !architecture.resolution.is_multiple_of(architecture.patch) {
                let (side, patch) = (architecture.resolution, architecture.patch);
                return Err(EngineError::Settings(format!(
                    "pictures of {side}x{side} pixels cannot be cut into patches of {patch}"
                )));
            }
            let chosen = (*choices, *seed);
            Ok(Box::new(CompletionTraining::fresh(&architecture, chosen, images, request.card.clone(), device)?))
        }
        TrainingStart::Resume { model: path, resolution } => {
            let model = Model::load(path, device)?;
            let wrong = |reason: String| EngineError::CannotResume { file: path.clone(), reason };
            if model.generator.completion().is_some() {
                let images = images(request, Some(model.generator.resolution()), control)?;
                let resumed = CompletionTraining::resume(model, images, request.card.clone());
                let nothing = || wrong("it was not written by a training that can go on".to_owned());
                return Ok(Box::new(resumed.ok_or_else(nothing)??));
            }
            let mut state = TrainingState::of(&model)
                .ok_or_else(|| wrong("it was not written by a training that can go on".to_owned()))?;
            let side = model.generator.resolution();
            if model.generator.image_channels() != 3 || resolution.is_some_and(|asked| asked != side) {
                return Err(wrong(format!("its images have {side}x{side} pixels; nothing else can be asked for")));
            }
            state.choices = choose(&request.choices, state.choices)?;
            let images = images(request, Some(side), control)?;
            if images.len() != state.images {
                return Err(wrong(format!(
                    "it was trained on {} images and {} has {}; give the same data to go on",
                    state.images,
                    request.data.name(),
                    images.len()
                )));
            }
            fitted(Scratch::resume(model, state, images, request.card.clone())?, compute, control)
        }
    }
}

fn choose(chosen: &ChosenChoices, choices: Choices) -> Result<Choices, EngineError> {
    let choices = chosen.apply(choices);
    choices.check().map_err(|(name, reason)| EngineError::Settings(format!("{name} {reason}")))?;
    Ok(choices)
}

/// The training images, at `side` pixels if it is known already, without those that are to be left out.
fn images(request: &TrainRequest, side: Option<usize>, control: &JobControl) -> Result<ImageSet, EngineError> {
    let data = &request.data;
    let (images, skipped) = data.open(side, TRAINING_AVATARS)?;
    if !skipped.is_empty() {
        let names: Vec<_> =
            skipped.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy()).collect();
        control.warn(format!("{}: not readable as pictures: {}", data.name(), names.join(", ")));
    }
    match &request.exclude {
        Some(exclusion) => without(data, images, exclusion),
        None => Ok(images),
    }
}

/// Channels at 4x4, 8x8, ... for images of `side` pixels.
fn channels_of(side: usize, asked: &[usize]) -> Result<Vec<usize>, EngineError> {
    let levels = side.ilog2() as usize - 1;
    match asked {
        [] => Ok(CHANNELS.iter().copied().take(levels).collect()),
        [one] => Ok(vec![*one; levels]),
        list if list.len() == levels => Ok(list.to_vec()),
        list => Err(EngineError::Settings(format!(
            "{} numbers of channels were given where {side}x{side} pixels need {levels}",
            list.len()
        ))),
    }
}

fn save(training: &dyn Training, request: &TrainRequest) -> Result<(), EngineError> {
    checkpoint::save(&request.out, &training.checkpoint())?;
    let Some(grid) = &request.grid else { return Ok(()) };
    let (generator, weights) = training.shown();
    let mut sampler = Sampler::new(generator, weights);
    let [channels, height, width] = sampler.image_shape();
    let chunk = sampler.chunk();
    let chunks = (0..GRID).step_by(chunk).map(|first| first as u64..(first + chunk).min(GRID) as u64);
    let images = chunks.map(|indices| sampler.render_at(0, indices, 1.0));
    write_picture(grid, [GRID, channels, height, width], images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_of_images_do_not_wrap() {
        let most = usize::MAX / 1000;
        assert_eq!((images_of(3).unwrap(), images_of(most).unwrap()), (3000, most * 1000));
        for kimg in [most + 1, usize::MAX] {
            let sentence = images_of(kimg).unwrap_err().to_string();
            assert_eq!(sentence, format!("{kimg} thousand images are more than can be counted; take at most {most}"));
        }
    }
}
