//! What can be asked of the engine and what it answers.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    files::{FileJob, LabelerCard},
    report::RunReport,
};
use crate::{
    feedback::{Feedback, FeedbackSource, LabelerSpec, Suggestions},
    model::ModelCard,
    unlearn::{Iteration, Settings},
};

/// A request to the engine.
#[derive(Clone, Debug)]
pub enum Command {
    /// Open a model file; on failure what was loaded before stays.
    Load(PathBuf),
    /// Draw samples of one class only, or (`None`) of all; not while a run is in progress.
    Class(Option<usize>),
    /// Render samples.
    Sample(SampleRequest),
    /// Learn from a handful of marks and say what to look at next; not while a run is in progress.
    Suggest(Box<SuggestRequest>),
    /// Run the method on the loaded model.
    Start(Box<RunRequest>),
    /// Hold the run after the current iteration.
    Pause,
    /// Go on.
    Resume,
    /// End the run after the current iteration and keep what was reached.
    Stop,
    /// Keep the current averaged generator under the next snapshot number.
    Snapshot,
    /// Take this many snapshots at even steps of stage 2 of every later run; 0, the default, takes none.
    AutoSnapshots(usize),
    /// Write the current result, or the loaded model if nothing was trained.
    Export(PathBuf),
    /// Write the model with these weights: a snapshot, an extrapolation.
    ExportWeights(PathBuf, Weights),
    /// Read or write a file that is no model.
    File(Box<FileJob>),
    /// End the worker.
    Quit,
}

/// Marks to learn from.
#[derive(Clone, Debug)]
pub struct SuggestRequest {
    /// The marked samples.
    pub feedback: Feedback,
    /// Seed of the samples that are ranked: the first [`crate::feedback::REFERENCE`] of it.
    pub seed: u64,
    /// Their truncation.
    pub psi: f32,
    /// A classifier whose features may help, whatever its classes are.
    pub labeler: Option<LabelerSpec>,
    /// Number of samples to propose.
    pub count: usize,
}

/// One run of the method.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// Where negatives and positives come from.
    pub feedback: FeedbackSource,
    /// All settings.
    pub settings: Settings,
    /// Measure the result with a labeler afterwards.
    pub evaluation: Option<EvaluationRequest>,
    /// Go on from this snapshot instead of the model as it was loaded.
    pub from: Option<usize>,
}

/// A measurement by a labeler, over latents that were not trained on.
#[derive(Clone, Debug)]
pub struct EvaluationRequest {
    /// The classifier.
    pub labeler: LabelerSpec,
    /// What should be gone, as [`Labeler::target`](crate::metrics::Labeler::target) takes it.
    pub forget: String,
    /// Number of samples.
    pub samples: usize,
    /// Seed of their latents.
    pub seed: u64,
}

/// Requests of one kind replace each other; those of different kinds do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SampleKind {
    /// The visible tiles of the grid.
    Grid,
    /// One enlarged sample.
    Detail,
    /// Thumbnails of marked samples.
    Feedback,
    /// Thumbnails of snapshots.
    Timeline,
    /// Pictures that are written to a file.
    Picture,
}

impl SampleKind {
    /// Tiles that are looked at small are made no larger than this; `None` leaves them as the generator makes them.
    pub fn max_side(self) -> Option<usize> {
        match self {
            Self::Grid => Some(256),
            Self::Feedback | Self::Timeline => Some(96),
            Self::Detail | Self::Picture => None,
        }
    }
}

/// Which weights make the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weights {
    /// The model as it was loaded.
    Original,
    /// The result so far; the original if nothing was trained.
    Current,
    /// An adapted generator of the ensemble.
    Adapted(usize),
    /// A snapshot of the run.
    Snapshot(usize),
    /// `theta_N + gamma * (theta_G - theta_N)`.
    Extrapolated(f64),
}

/// Samples to render.
#[derive(Clone, Debug)]
pub struct SampleRequest {
    /// What they are for.
    pub kind: SampleKind,
    /// Who makes them.
    pub weights: Weights,
    /// Seed of the latents.
    pub seed: u64,
    /// Indices of the latents.
    pub indices: Vec<u64>,
    /// Truncation.
    pub psi: f32,
    /// The class that all of them are drawn with; `None` draws each with the class of its address.
    pub class: Option<u32>,
}

/// Rendered samples, 8-bit RGB.
#[derive(Clone, Debug)]
pub struct Tiles {
    /// The request they answer.
    pub request: SampleRequest,
    /// Width and height of a tile in pixels.
    pub side: usize,
    /// `[tiles, side, side, 3]`.
    pub rgb: Vec<u8>,
    /// State of the weights: it changes whenever [`Weights::Current`] do.
    pub version: u64,
    /// Seconds that rendering took.
    pub seconds: f64,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Training a discriminator for a generator that came without one.
    WarmUp,
    /// Sorting samples into negatives and positives.
    Label,
    /// Stage 1 for a member of the ensemble, from 0.
    Adapt(usize),
    /// Stage 2.
    Unlearn,
    /// Measuring the result.
    Evaluate,
    /// Training from scratch.
    Train,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WarmUp => f.write_str("warm up"),
            Self::Label => f.write_str("label"),
            Self::Adapt(member) => write!(f, "adapt {}", member + 1),
            Self::Unlearn => f.write_str("unlearn"),
            Self::Evaluate => f.write_str("evaluate"),
            Self::Train => f.write_str("train"),
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Steps done in this phase.
    pub done: usize,
    /// Steps in this phase.
    pub of: usize,
    /// Estimate for the rest of the training, in seconds, once there is something to estimate from.
    pub seconds_left: Option<f64>,
}

/// An answer of the engine.
#[derive(Clone, Debug)]
pub enum Event {
    /// How far the opening of a large file is: bytes read, of those there are to read.
    Opening {
        /// Bytes read so far.
        read: u64,
        /// Bytes there are to read.
        of: u64,
    },
    /// A model was opened.
    Loaded(Box<ModelCard>),
    /// How far the run is.
    Progress(Progress),
    /// One training iteration and its losses.
    Iteration(Iteration),
    /// Distances of the generator's parameters, measured now and then during stage 2.
    Distances {
        /// Iteration of stage 2, from 0.
        index: usize,
        /// Root mean square distance to the adapted parameters.
        to_adapted: f32,
        /// Root mean square distance to the original parameters.
        to_original: f32,
    },
    /// Samples are of this class from now on, or of all classes.
    Class(Option<usize>),
    /// Rendered samples.
    Tiles(Box<Tiles>),
    /// What was learned from the marks.
    Suggested(Box<Suggestions>),
    /// The result seen by the labeler of the run's measurement, over fewer samples, while the run goes on.
    Estimate {
        /// Iteration of stage 2, from 0.
        index: usize,
        /// Part of the negatives that is gone.
        pul: Option<f64>,
        /// Distance to the kept samples, if the labeler has features.
        frechet: Option<f64>,
    },
    /// This request for samples cannot be answered; why stands in the [`Event::Failed`] that follows.
    NoTiles(Box<SampleRequest>),
    /// A snapshot was taken.
    Snapshot {
        /// Its number, from 0.
        number: usize,
        /// Iterations of stage 2 that led to it.
        iteration: usize,
    },
    /// A file was written.
    Exported(PathBuf),
    /// A feedback file was read.
    Feedback(PathBuf, Box<Feedback>),
    /// A labeler can be used.
    Labeler(Box<LabelerCard>),
    /// Loading or a run is over, however it ended: the next one can start.
    Idle,
    /// Something the person should know, in one sentence.
    Warning(String),
    /// The run is held.
    Paused,
    /// The run goes on.
    Resumed,
    /// The run ended, by itself or because it was stopped.
    Done(Box<RunReport>),
    /// A command failed, in one sentence; the last good state stays.
    Failed(String),
}
