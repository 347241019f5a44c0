//! Training a model from scratch.

use std::time::Instant;

use burn::tensor::Device;

use super::{
    draw::write_picture,
    error::EngineError,
    job::JobControl,
    phase::{Phase, Progress},
    request::{TrainRequest, TrainingData, TrainingLength, TrainingStart},
    training::{Augmentation, Choices, ChosenChoices, Scratch, TrainReport, TrainingState},
};
use crate::{
    checkpoint,
    data::{ImageSet, avatars, idx, read_folder},
    model::{Model, Sampler},
    networks::Architecture,
};

/// Drawings that make up the avatars.
const AVATAR_COUNT: usize = 100_000;
/// Seed of the avatars, whatever the seed of the training.
const AVATAR_SEED: u64 = 0;
/// Channels at 4x4, 8x8, ... unless others are asked for.
const CHANNELS: [usize; 9] = [128, 128, 96, 64, 48, 32, 16, 16, 8];
/// Samples that the finished model is measured on.
const MEASURED: usize = 5000;
/// Samples in the picture.
const GRID: usize = 100;

/// Trains, writing the model now and then and in the end; whoever stops it keeps what was reached.
pub(super) fn train(
    request: &TrainRequest,
    device: &Device,
    control: &mut JobControl,
) -> Result<TrainReport, EngineError> {
    // Before the data is opened, which can take a while.
    let length = match request.length {
        TrainingLength::Iterations(iterations) => iterations,
        TrainingLength::Kimg(kimg) => images_of(kimg)?,
    };
    let labeler = request.labeler.as_ref().map(|spec| spec.open()).transpose()?;
    let mut training = open(request, device, control)?;
    let batch = training.state().choices.batch;
    let of = match request.length {
        TrainingLength::Iterations(_) => length,
        TrainingLength::Kimg(_) => length.div_ceil(batch),
    };
    let first = training.state().iteration;
    let clock = Instant::now();
    let mut stopped = false;
    while training.state().iteration < of && !stopped {
        if let Err(what) = training.step() {
            save(&training, request)?;
            let reached = training.state().iteration;
            return Err(EngineError::Diverged { out: request.out.clone(), what, reached });
        }
        let done = training.state().iteration;
        let each = clock.elapsed().as_secs_f64() / (done - first) as f64;
        let seconds_left = Some(each * (of - done) as f64);
        stopped = control.progress(Progress { phase: Phase::Train, done, of, seconds_left }).is_break();
        if done.is_multiple_of(request.save_every) && done < of && !stopped {
            save(&training, request)?;
        }
    }
    // The training is safe before it is measured.
    save(&training, request)?;
    let fidelity = match &labeler {
        Some(labeler) if !stopped => {
            let fidelity = training.measure(labeler, MEASURED)?.clone();
            save(&training, request)?;
            Some(fidelity)
        }
        _ => None,
    };
    let done = training.state().iteration;
    Ok(TrainReport { out: request.out.clone(), grid: request.grid.clone(), done, of, fidelity })
}

/// How many images so many thousands are.
fn images_of(kimg: usize) -> Result<usize, EngineError> {
    kimg.checked_mul(1000).ok_or_else(|| {
        let most = usize::MAX / 1000;
        EngineError::Settings(format!("{kimg} thousand images are more than can be counted; take at most {most}"))
    })
}

/// The training before its first iteration.
fn open(request: &TrainRequest, device: &Device, control: &mut JobControl) -> Result<Scratch, EngineError> {
    match &request.start {
        TrainingStart::Fresh { resolution, channels, latent, mapping, family, seed, grow } => {
            let augment = match request.data {
                TrainingData::Avatars => Augmentation::None,
                TrainingData::Folder(_) => Augmentation::Full,
                TrainingData::Idx(_) => Augmentation::Unmirrored,
            };
            let usual = Choices::default();
            let mixing = if family.mixes_styles() { usual.mixing } else { 0.0 };
            let choices = choose(&request.choices, Choices { augment, mixing, ..usual })?;
            let images = images(&request.data, *resolution, control)?;
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
            Scratch::fresh((*family, &architecture), (choices, *seed), images, card, small.as_ref(), device)
        }
        TrainingStart::Resume { model: path, resolution } => {
            let model = Model::load(path, device)?;
            let wrong = |reason: String| EngineError::CannotResume { file: path.clone(), reason };
            let mut state = TrainingState::of(&model)
                .ok_or_else(|| wrong("it was not written by a training that can go on".to_owned()))?;
            let side = model.generator.resolution();
            if model.generator.image_channels() != 3 || resolution.is_some_and(|asked| asked != side) {
                return Err(wrong(format!("its images have {side}x{side} pixels; nothing else can be asked for")));
            }
            state.choices = choose(&request.choices, state.choices)?;
            let images = images(&request.data, Some(side), control)?;
            if images.len() != state.images {
                return Err(wrong(format!(
                    "it was trained on {} images and {} has {}; give the same data to go on",
                    state.images,
                    request.data.name(),
                    images.len()
                )));
            }
            Scratch::resume(model, state, images, request.card.clone())
        }
    }
}

fn choose(chosen: &ChosenChoices, choices: Choices) -> Result<Choices, EngineError> {
    let choices = chosen.apply(choices);
    choices.check().map_err(|(name, reason)| EngineError::Settings(format!("{name} {reason}")))?;
    Ok(choices)
}

/// The training images, at `side` pixels if it is known already.
fn images(data: &TrainingData, side: Option<usize>, control: &JobControl) -> Result<ImageSet, EngineError> {
    let side_or = side.unwrap_or(avatars::SIZE as usize);
    match data {
        TrainingData::Avatars => {
            let drawn = side_or.max(avatars::SIZE as usize);
            ImageSet::avatars(AVATAR_SEED, AVATAR_COUNT, drawn as u32).shrunk(side_or).ok_or_else(|| {
                EngineError::Settings(format!("avatars cannot be drawn with {side_or}x{side_or} pixels"))
            })
        }
        TrainingData::Idx(path) => Ok(idx::read_images(path, side)?),
        TrainingData::Folder(path) => {
            let (images, skipped) = read_folder(path, side_or)?;
            if !skipped.is_empty() {
                let names: Vec<_> =
                    skipped.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy()).collect();
                control.warn(format!("{}: not readable as pictures: {}", path.display(), names.join(", ")));
            }
            Ok(images)
        }
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

fn save(training: &Scratch, request: &TrainRequest) -> Result<(), EngineError> {
    checkpoint::save(&request.out, &training.checkpoint())?;
    let Some(grid) = &request.grid else { return Ok(()) };
    let trainer = training.trainer();
    let mut sampler = Sampler::new(&trainer.networks.generator, &trainer.g_ema);
    let [channels, height, width] = sampler.image_shape();
    let chunk = sampler.chunk();
    let chunks = (0..GRID).step_by(chunk).map(|first| first as u64..(first + chunk).min(GRID) as u64);
    let images = chunks.map(|indices| sampler.render_at(0, indices, 1.0));
    write_picture(grid, [GRID, channels, height, width], images)
}

impl TrainingData {
    /// The data's name for people.
    fn name(&self) -> String {
        match self {
            Self::Avatars => "avatars".to_owned(),
            Self::Folder(path) | Self::Idx(path) => path.display().to_string(),
        }
    }
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
