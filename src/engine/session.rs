//! What the worker holds between commands: the model, the last run's result, kept states.

use std::{path::Path, sync::Arc, time::Instant};

use burn::tensor::Tensor;

use super::{
    command::{SampleRequest, SuggestRequest, Tiles, Weights},
    error::EngineError,
    shrink::shrink,
};
use crate::{
    checkpoint,
    device::ComputeDevice,
    feedback::{LabelerSpec, Reference, Suggestions},
    metrics::to_rgb8,
    model::{Model, ModelError, Sampler},
    networks::{FlatParams, Params},
    train::Trainer,
    unlearn::adapt::extrapolate::extrapolate,
};

/// Centres of truncation that are remembered.
const CENTRES: usize = 8;

/// A state of a run that can be shown, exported and continued from. Tensors are shared, not copied.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) g_ema: FlatParams,
    pub(super) g: FlatParams,
    pub(super) d: FlatParams,
    /// Iterations of stage 2 that led to it.
    pub(super) iteration: usize,
}

impl Kept {
    pub(super) fn of(trainer: &Trainer, iteration: usize) -> Self {
        let Trainer { g_ema, g, d, .. } = trainer.clone();
        Self { g_ema, g, d, iteration }
    }
}

/// What the worker holds between commands.
pub(super) struct Session {
    pub(super) device: ComputeDevice,
    pub(super) model: Option<Arc<Model>>,
    /// The adapted generators of the last run.
    pub(super) adapted: Vec<FlatParams>,
    /// The result of the last run.
    pub(super) trained: Option<Box<Trainer>>,
    /// Counts the changes of the result.
    pub(super) version: u64,
    /// How the result came about, for the file's metadata.
    pub(super) provenance: Vec<(String, String)>,
    /// Snapshots that a run takes by itself.
    pub(super) auto_snapshots: usize,
    pub(super) snapshots: Vec<Kept>,
    /// Centres of truncation, latest last.
    centres: Vec<((Weights, u64), Tensor<2>)>,
    /// What the last suggestions were made from.
    reference: Option<Reference>,
}

impl Session {
    pub(super) fn new(device: ComputeDevice) -> Self {
        Self {
            device,
            model: None,
            adapted: Vec::new(),
            trained: None,
            version: 0,
            provenance: Vec::new(),
            auto_snapshots: 0,
            snapshots: Vec::new(),
            centres: Vec::new(),
            reference: None,
        }
    }

    /// Puts another model in place of everything that was loaded and trained.
    pub(super) fn replace(&mut self, model: Model) {
        let (version, auto_snapshots) = (self.version + 1, self.auto_snapshots);
        let empty = Self::new(self.device.clone());
        *self = Self { model: Some(Arc::new(model)), version, auto_snapshots, ..empty };
    }

    pub(super) fn model(&self) -> Result<Arc<Model>, EngineError> {
        self.model.clone().ok_or(EngineError::State("no model is open; open one first"))
    }

    /// The model, to be changed between two runs.
    fn model_mut(&mut self) -> Result<&mut Model, EngineError> {
        let model = self.model.as_mut().ok_or(EngineError::State("no model is open; open one first"))?;
        Arc::get_mut(model).ok_or(EngineError::State("the model is in use; stop the run first"))
    }

    /// Gives the model a discriminator.
    pub(super) fn adopt_discriminator(&mut self, params: Params) -> Result<(), EngineError> {
        Ok(self.model_mut()?.adopt_discriminator(params)?)
    }

    /// Draws one class only, or all.
    pub(super) fn set_class(&mut self, class: Option<usize>) -> Result<(), EngineError> {
        self.model_mut()?.set_class(class)?;
        self.reference = None;
        Ok(())
    }

    pub(super) fn original_g_ema(&self) -> Option<&FlatParams> {
        self.model.as_ref().map(|model| &model.g_ema)
    }

    /// Learns from marks; what does not depend on them is kept for the next time.
    pub(super) fn suggest(&mut self, request: &SuggestRequest) -> Result<Suggestions, EngineError> {
        let model = self.model()?;
        let labeler = request.labeler.as_ref().map(LabelerSpec::open).transpose()?;
        let known = self.reference.take();
        let reference = match known.filter(|r| r.answers(request.seed, request.psi, labeler.as_ref())) {
            Some(reference) => reference,
            None => Reference::new(&model, (request.seed, request.psi), labeler.as_ref())?,
        };
        let reference = self.reference.insert(reference);
        let probe = reference.probe(&model, &request.feedback, labeler.as_ref())?;
        Ok(reference.suggest(&probe, &request.feedback, request.count))
    }

    /// Keeps a state (the result, if none is given) and says its number and iteration.
    pub(super) fn snapshot(&mut self, kept: Option<Kept>) -> Option<(usize, usize)> {
        let last = self.snapshots.last().map_or(0, |last| last.iteration);
        let kept = kept.or_else(|| self.trained.as_ref().map(|trained| Kept::of(trained, last)))?;
        let iteration = kept.iteration;
        self.snapshots.push(kept);
        Some((self.snapshots.len() - 1, iteration))
    }

    /// The state under this number.
    pub(super) fn kept(&self, number: usize) -> Result<&Kept, EngineError> {
        self.snapshots.get(number).ok_or(EngineError::State("these weights do not exist yet"))
    }

    /// The parameters of an averaged generator; `current` are those of a run in progress.
    pub(super) fn weights(&self, weights: Weights, current: Option<&FlatParams>) -> Result<FlatParams, EngineError> {
        let model = self.model()?;
        let original = &model.g_ema;
        let missing = EngineError::State("these weights do not exist yet");
        Ok(match weights {
            Weights::Original => original.clone(),
            Weights::Current => current.or(self.trained.as_ref().map(|t| &t.g_ema)).unwrap_or(original).clone(),
            Weights::Adapted(member) => self.adapted.get(member).ok_or(missing)?.clone(),
            Weights::Snapshot(number) => self.kept(number)?.g_ema.clone(),
            Weights::Extrapolated(gamma) => {
                if self.adapted.is_empty() {
                    return Err(missing);
                }
                let adapted: Vec<_> = self.adapted.iter().map(|a| a.values.clone()).collect();
                original.with_values(extrapolate(&original.values, &adapted, gamma))
            }
        })
    }

    /// Renders samples; `current` are the weights of a run in progress.
    pub(super) fn tiles(&mut self, request: SampleRequest, current: Option<&FlatParams>) -> Result<Tiles, EngineError> {
        let clock = Instant::now();
        let model = self.model()?;
        let weights = self.weights(request.weights, current)?;
        // Of the weights that can be asked for, only the current ones and those of the last run change.
        let key = (request.weights, if request.weights == Weights::Original { 0 } else { self.version });
        let centre = self.centres.iter().find(|(k, _)| *k == key).map(|(_, centre)| centre.clone());
        let known = centre.is_some();
        let class = request.class.map(|class| class as usize);
        let classes = model.generator.classes();
        if let Some(class) = class.filter(|class| *class >= classes) {
            return Err(ModelError::NoClass { file: model.path.clone(), class, classes }.into());
        }
        // What is asked for, whatever a run would draw.
        let generator = model.generator.clone().with_class(class);
        let mut sampler = Sampler::new(&generator, &weights).with_centre(centre);
        let images = sampler.render_at(request.seed, request.indices.iter().copied(), request.psi);
        if let (Some(centre), false) = (sampler.centre(), known) {
            self.centres.push((key, centre));
            let extra = self.centres.len().saturating_sub(CENTRES);
            self.centres.drain(..extra);
        }
        let [channels, side, _] = sampler.image_shape();
        let rgb = to_rgb8(&images, [request.indices.len(), channels, side, side])
            .ok_or(EngineError::State("images of this many channels cannot be shown"))?;
        let (rgb, side) = shrink(rgb, side, request.kind.max_side().unwrap_or(side));
        Ok(Tiles { request, side, rgb, version: self.version, seconds: clock.elapsed().as_secs_f64() })
    }

    /// Writes the state of a run in progress, else the last result, else the model as it was loaded.
    pub(super) fn export(&self, path: &Path, current: Option<&Trainer>) -> Result<(), EngineError> {
        let model = self.model()?;
        let mut out = match current.or(self.trained.as_deref()) {
            Some(trained) => model.with_trained(trained),
            None => model.export(),
        };
        out.metadata.extend(self.provenance.iter().cloned());
        Ok(checkpoint::save(path, &out)?)
    }

    /// Writes the model with the averaged generator of `weights`; of the current ones, everything that was trained.
    pub(super) fn export_weights(
        &self,
        path: &Path,
        weights: Weights,
        current: Option<&Trainer>,
    ) -> Result<(), EngineError> {
        let model = self.model()?;
        let note = match weights {
            Weights::Current => return self.export(path, current),
            Weights::Original => return Ok(checkpoint::save(path, &model.export())?),
            Weights::Adapted(member) => format!("adapted generator {}", member + 1),
            Weights::Snapshot(number) => format!("snapshot after iteration {}", self.kept(number)?.iteration),
            Weights::Extrapolated(gamma) => format!("extrapolated, gamma {gamma}"),
        };
        let mut out = model.with_g_ema(&self.weights(weights, None)?);
        out.metadata.extend(self.provenance.iter().cloned());
        out.metadata.insert("weights".to_owned(), note);
        Ok(checkpoint::save(path, &out)?)
    }
}
