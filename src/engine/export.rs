//! Writing models.

use std::path::Path;

use super::{error::EngineError, request::ConvertRequest, results::Results, training::TrainingState, weights::Weights};
use crate::{
    checkpoint::{self, Checkpoint},
    metrics::to_rgb8,
    model::{Model, Sampler},
    unlearn::{State, StateRef},
};

/// Samples that a rounded model is compared on.
const COMPARED: u64 = 64;

/// Writes the state of a run in progress, else the last result, else the model as it was loaded.
pub(super) fn export(
    model: &Model,
    results: &Results,
    current: Option<StateRef<'_>>,
    path: &Path,
) -> Result<(), EngineError> {
    let mut out = match current.or(results.state.as_ref().map(State::borrow)) {
        Some(state) => content(model, state),
        None => model.export(),
    };
    out.metadata.extend(results.provenance.iter().cloned());
    Ok(checkpoint::save(path, &out)?)
}

/// The file's content with a state of a run in it.
fn content(model: &Model, state: StateRef<'_>) -> Checkpoint {
    match state {
        StateRef::Trained(trained) => model.with_trained(trained),
        StateRef::Generator(g_ema) => model.with_g_ema(g_ema),
        StateRef::Distant(state) => content(model, state.state().borrow()),
    }
}

/// Writes the model with the averaged generator of `weights`; of the current ones, everything that was trained.
pub(super) fn export_weights(
    model: &Model,
    results: &Results,
    current: Option<StateRef<'_>>,
    weights: Weights,
    path: &Path,
) -> Result<(), EngineError> {
    let Some(name) = results.name(weights)? else {
        return match weights {
            Weights::Original => Ok(checkpoint::save(path, &model.export())?),
            _ => export(model, results, current, path),
        };
    };
    let mut out = model.with_g_ema(&results.weights(model, weights, None)?);
    out.metadata.extend(results.provenance.iter().cloned());
    out.metadata.insert("weights".to_owned(), name);
    Ok(checkpoint::save(path, &out)?)
}

/// Writes the model as it was loaded, smaller if that is asked for. Where numbers are rounded, gives by how many 255ths a
/// pixel changes, over how many samples.
pub(super) fn convert(model: &Model, request: &ConvertRequest) -> Result<Option<(u8, u64)>, EngineError> {
    let mut out = model.export();
    if request.networks_only {
        (out.g_optim, out.d_optim) = (None, None);
        TrainingState::remove(&mut out);
    }
    if request.half {
        return save_half(&request.out, model, &out).map(|change| Some((change, COMPARED)));
    }
    checkpoint::save(&request.out, &out)?;
    Ok(None)
}

/// Writes beside the target first, to see what rounding did.
fn save_half(path: &Path, model: &Model, out: &Checkpoint) -> Result<u8, EngineError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = tempfile::tempdir_in(folder).map_err(|error| {
        EngineError::Internal(format!("{}: cannot be written ({error}); nothing was changed", path.display()))
    })?;
    let trial = folder.path().join("half.safetensors");
    checkpoint::save_half(&trial, out)?;
    let rounded = Model::load(&trial, &model.g_ema.device())?;
    let change =
        largest_change(model, &rounded).ok_or(EngineError::State("images of this many channels cannot be compared"))?;
    if change > 1 {
        return Err(EngineError::TooCoarse { file: path.to_owned(), change });
    }
    checkpoint::save_half(path, out)?;
    Ok(change)
}

/// Largest difference of any 8-bit value between the samples of two models.
fn largest_change(a: &Model, b: &Model) -> Option<u8> {
    let bytes = |model: &Model| {
        let mut sampler = Sampler::new(&model.generator, &model.g_ema);
        let [channels, height, width] = sampler.image_shape();
        to_rgb8(&sampler.render_at(0, 0..COMPARED, 1.0), [COMPARED as usize, channels, height, width])
    };
    let (a, b) = (bytes(a)?, bytes(b)?);
    a.iter().zip(&b).map(|(a, b)| a.abs_diff(*b)).max()
}
