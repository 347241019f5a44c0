//! What the worker holds between commands.

use std::{path::PathBuf, sync::Arc, time::Duration};

use burn::tensor::Device;

use super::{
    autosave::{Counters, EVERY},
    devices::Devices,
    error::EngineError,
    pending_labels::PendingLabels,
    request::RunRequest,
    results::Results,
    sample::Centres,
};
use crate::{
    data::PictureSet,
    feedback::Reference,
    model::Model,
    networks::{FlatParams, Masking, Motion, Pictures},
    project::{NodeId, Project},
    unlearn::ResumePoint,
};

/// A run on the open model that was stopped and of which no node was made, with what it takes to go on. Tensors are shared with its
/// result.
#[derive(Clone)]
pub(super) struct StoppedRun {
    /// What was asked.
    pub(super) request: RunRequest,
    /// The class that the model drew, if only one.
    pub(super) class: Option<usize>,
    /// Where the method stood.
    pub(super) point: ResumePoint,
    /// What was counted.
    pub(super) counters: Counters,
}

/// What the worker holds between commands.
pub(super) struct Session {
    pub(super) devices: Devices,
    model: Option<Arc<Model>>,
    /// What runs on the model have left behind.
    pub(super) results: Results,
    /// Snapshots that a run takes by itself.
    pub(super) auto_snapshots: usize,
    pub(super) centres: Centres,
    /// How the samples that are shown are moved.
    pub(super) motion: Motion,
    /// What of the pictures that are shown is hidden.
    pub(super) masking: Masking,
    /// The pictures that the open model completes, or the last one that did.
    pictures: Option<Arc<PictureSet>>,
    /// What the last suggestions were made from.
    pub(super) reference: Option<Reference>,
    /// What a labeler has still to look through.
    pub(super) labels: PendingLabels,
    /// The history of the open model, where one is kept.
    pub(super) project: Option<Project>,
    /// The last run that made anything, if it was stopped and no node holds where it stood.
    pub(super) stopped: Option<StoppedRun>,
    /// The node of the project that was looked at last, beside what is open.
    pub(super) looked_at: Option<(NodeId, FlatParams)>,
    /// Number of classes behind the latent, as whoever opened the model said.
    pub(super) classes: Option<usize>,
    /// Where every opened model gets a project, if it is to.
    pub(super) projects_folder: Option<PathBuf>,
    /// Time between two saves of a run's state.
    pub(super) save_every: Duration,
}

impl Session {
    pub(super) fn new(devices: Devices) -> Self {
        Self {
            devices,
            model: None,
            results: Results::default(),
            auto_snapshots: 0,
            centres: Centres::default(),
            motion: Motion::default(),
            masking: Masking::default(),
            pictures: None,
            reference: None,
            labels: PendingLabels::default(),
            project: None,
            stopped: None,
            looked_at: None,
            classes: None,
            projects_folder: None,
            save_every: EVERY,
        }
    }

    /// Puts another model in place of everything that was loaded and trained.
    pub(super) fn replace(&mut self, model: Model) {
        let results = self.results.cleared();
        let empty = Self::new(self.devices.clone());
        let Self { auto_snapshots, save_every, .. } = *self;
        let projects_folder = self.projects_folder.take();
        let pictures = self.pictures.take();
        *self = Self { model: Some(Arc::new(model)), results, auto_snapshots, save_every, projects_folder, ..empty };
        // Of the same side, they are what the next model of a history completes, too.
        let side = self.model.as_ref().map(|model| model.generator.resolution());
        let fitting = pictures.filter(|pictures| Some(pictures.side()) == side);
        // Nobody else has the model yet.
        let _ = self.set_pictures(fitting);
    }

    /// The pictures that are open.
    pub(super) fn pictures(&self) -> Option<&PictureSet> {
        self.pictures.as_deref()
    }

    /// Gives the model the pictures that it completes.
    pub(super) fn set_pictures(&mut self, pictures: Option<Arc<PictureSet>>) -> Result<(), EngineError> {
        let model = self.model_mut()?;
        if let Some(pictures) = pictures.filter(|_| model.generator.completion().is_some()) {
            model.set_pictures(pictures.clone());
            self.pictures = Some(pictures);
        }
        self.reference = None;
        self.labels.put(None);
        // It trained on other pictures.
        self.stopped = None;
        self.centres = Centres::default();
        // What is shown is another picture now.
        self.results.version += 1;
        Ok(())
    }

    /// What everything but a run computes on.
    pub(super) fn device(&self) -> &Device {
        &self.devices.local.device
    }

    pub(super) fn model(&self) -> Result<Arc<Model>, EngineError> {
        self.model.clone().ok_or(NO_MODEL)
    }

    /// The model, to be changed between two runs.
    pub(super) fn model_mut(&mut self) -> Result<&mut Model, EngineError> {
        Arc::get_mut(self.model.as_mut().ok_or(NO_MODEL)?)
            .ok_or(EngineError::State("the model is in use; stop the run first"))
    }

    /// Draws one class only, or all.
    pub(super) fn set_class(&mut self, class: Option<usize>) -> Result<(), EngineError> {
        self.model_mut()?.set_class(class)?;
        self.reference = None;
        Ok(())
    }
}

const NO_MODEL: EngineError = EngineError::State("no model is open; open one first");
