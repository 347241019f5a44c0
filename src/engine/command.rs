//! What can be asked of the engine.

use std::{path::PathBuf, time::Duration};

use super::{
    request::{
        AuditRequest, CompareRequest, ConvertRequest, DrawRequest, FileJob, LabelRequest, OpenRequest, ProjectRequest,
        RetrainedRequest, RunRequest, SampleRequest, SuggestRequest, TrainRequest, WalkRequest,
    },
    weights::Weights,
};
use crate::{
    data::ImageSource,
    networks::{Masking, Motion},
};

/// A request to the engine.
#[derive(Clone, Debug)]
pub enum Command {
    /// Open a model file or a project; on failure what was loaded before stays.
    Load(OpenRequest),
    /// Draw samples of one class only, or (`None`) of all; not while a run is in progress.
    Class(Option<usize>),
    /// Show samples moved and turned, where the model's family can draw them so. Everything else, runs included, sees them
    /// as they are.
    Move(Motion),
    /// Show pictures with this hidden, where the open model completes pictures. Everything else, runs included, hides patches at
    /// random.
    Mask(Masking),
    /// Open pictures for a model that completes pictures; the answer is [`Event::Pictures`](super::Event::Pictures).
    Pictures(ImageSource),
    /// Render samples.
    Sample(SampleRequest),
    /// Draw a place on the way between two samples, before other samples that wait; the answer is
    /// [`Event::Walk`](super::Event::Walk).
    Walk(WalkRequest),
    /// Learn from a handful of marks and say what to look at next; not while a run is in progress.
    Suggest(Box<SuggestRequest>),
    /// Look through samples with a labeler, a few at a time whenever nothing else is asked, in place of those that are still to
    /// be looked through (`None`: no more of them); the answers are [`Event::Labelled`](super::Event::Labelled). While a run
    /// or an audit is in progress it waits.
    Label(Option<Box<LabelRequest>>),
    /// Run a method on the loaded model.
    Start(Box<RunRequest>),
    /// Hold the run after the current iteration.
    Pause,
    /// Go on.
    Resume,
    /// End the job in progress after the current iteration and keep what was reached.
    Stop,
    /// Keep the current averaged generator under the next snapshot number.
    Snapshot,
    /// Take this many snapshots at even steps of what makes the result of every later run; 0, the default, takes none.
    AutoSnapshots(usize),
    /// Write the current result, or the loaded model if nothing was trained.
    Export(PathBuf),
    /// Write the model with these weights: a snapshot, a place of the slider.
    ExportWeights(PathBuf, Weights),
    /// Write the loaded model as another file, smaller if that is asked for.
    Convert(Box<ConvertRequest>),
    /// Write samples of the loaded model: a picture or exact numbers.
    Draw(Box<DrawRequest>),
    /// Compare two model files; what is open stays open.
    Compare(Box<CompareRequest>),
    /// Find out how far forgetting holds; what is open stays open. It can be paused, resumed and stopped.
    Audit(Box<AuditRequest>),
    /// Choose the retrained model that audits of a node compare with.
    Retrained(Box<RetrainedRequest>),
    /// Train a model from scratch; what is open stays open.
    Train(Box<TrainRequest>),
    /// Read or write a file that is no model.
    File(Box<FileJob>),
    /// Make a project in this folder for every model that is opened; `None`, the default, makes none.
    ProjectsFolder(Option<PathBuf>),
    /// Save the state of a run so often; a minute by default.
    SaveEvery(Duration),
    /// Look at, change or go on with the open project.
    Project(Box<ProjectRequest>),
    /// End the worker.
    Quit,
}
