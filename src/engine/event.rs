//! What the engine answers.

use std::path::PathBuf;

use super::{
    phase::Progress,
    pictures_card::PicturesCard,
    project_card::ProjectCard,
    report::RunReport,
    request::{LabelQuestion, LabelRequest, RetrainedQuestion, SampleRequest, WalkRequest},
    training::TrainReport,
};
use crate::{
    audit::AuditReport,
    feedback::{Feedback, LabelerSpec, Suggestions},
    metrics::{Evaluation, Head},
    model::ModelCard,
    networks::{Masking, Motion},
    project::NodeId,
    unlearn::{Iteration, LayerShare},
};

/// Rendered samples, 8-bit RGB.
#[derive(Clone, Debug)]
pub struct RenderedTiles {
    /// The request they answer.
    pub request: SampleRequest,
    /// Width and height of a tile in pixels.
    pub side: usize,
    /// `[tiles, side, side, 3]`.
    pub rgb: Vec<u8>,
    /// State of the weights: it changes whenever [`Weights::Current`](super::Weights::Current) do.
    pub version: u64,
    /// How they are moved.
    pub motion: Motion,
    /// What of them is hidden, where they are pictures.
    pub masking: Masking,
    /// Seconds that rendering took.
    pub seconds: f64,
    /// Seconds that finding the weights took, which may have come from another machine.
    pub finding: f64,
    /// What a feedback file says of the sample; only where one is looked at closely.
    pub entry: Option<String>,
}

/// A place on the way between two samples, 8-bit RGB.
#[derive(Clone, Debug)]
pub struct WalkTiles {
    /// The request that it answers.
    pub request: WalkRequest,
    /// Width and height of an image in pixels.
    pub side: usize,
    /// `[weights, side, side, 3]`.
    pub rgb: Vec<u8>,
    /// Whether the way is a straight line between mapped latents `w`; otherwise it is an arc between the latents `z`.
    pub mapped: bool,
    /// Seconds that drawing took.
    pub seconds: f64,
}

/// A labeler that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelerCard {
    /// The classifier.
    pub spec: LabelerSpec,
    /// What it can say, with names.
    pub heads: Vec<Head>,
    /// Whether it has features for a Fréchet distance.
    pub features: bool,
    /// Its input: channels, height, width.
    pub input: [usize; 3],
}

/// What a labeler says of one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleLabel {
    /// Probability that it shows one of the classes that were asked for, from 0 to 1.
    pub probability: f32,
    /// Whether it counts as one that shows them, as in runs and measurements: its likeliest class is among them.
    pub shows: bool,
}

/// What a labeler says of some samples.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledSamples {
    /// What it was asked.
    pub question: LabelQuestion,
    /// Index of the first of them; the others follow it.
    pub start: u64,
    /// Of each sample; none where there are no more samples.
    pub labels: Vec<SampleLabel>,
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
    /// How far the job is.
    Progress(Progress),
    /// One iteration of a method and what it measured.
    Iteration(Iteration),
    /// Only some of the weights may move: how many of each layer.
    Layers(Vec<LayerShare>),
    /// The method has weights beside the result, from now on to be had as
    /// [`Weights::Auxiliary`](super::Weights::Auxiliary) and by its slider.
    Auxiliary {
        /// Their number, from 0.
        number: usize,
        /// What they are.
        name: String,
    },
    /// These pictures are open from now on, beside the model that completes them.
    Pictures(Box<PicturesCard>),
    /// Samples are of this class from now on, or of all classes.
    Class(Option<usize>),
    /// Rendered samples.
    Tiles(Box<RenderedTiles>),
    /// A place on the way between two samples was drawn.
    Walk(Box<WalkTiles>),
    /// This place on the way between two samples cannot be drawn; why stands in the [`Event::Failed`] that follows.
    NoWalk(Box<WalkRequest>),
    /// What was learned from the marks.
    Suggested(Box<Suggestions>),
    /// Some of the samples that are being looked through.
    Labelled(Box<LabelledSamples>),
    /// These samples cannot be looked through; why stands in the [`Event::Failed`] that follows.
    NotLabelled(Box<LabelRequest>),
    /// The result seen by the labeler of the run's measurement, over fewer samples, while the run goes on.
    Estimate {
        /// Iteration of what makes the result, from 0.
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
        /// Iterations that led to it.
        iteration: usize,
    },
    /// A file was written.
    Exported(PathBuf),
    /// A file could not be written, in one sentence; answers like [`Event::Exported`], in the order of what was asked.
    NotSaved(String),
    /// The loaded model was written as another file.
    Converted {
        /// The file.
        path: PathBuf,
        /// Where numbers were rounded: by how many 255ths a pixel changes at most, over this many samples.
        change: Option<(u8, u64)>,
    },
    /// Two models were compared; `None` if that was stopped.
    Compared(Option<Box<Evaluation>>),
    /// An audit is over and its report written; `None` if that was stopped.
    Audited(Option<Box<AuditReport>>),
    /// The model that was trained like the first of the history but without what must go, if the folder has one.
    RetrainedFound(Box<RetrainedQuestion>, Option<PathBuf>),
    /// Audits of this node cannot compare with the chosen model, in one sentence; nothing has changed.
    RetrainedRefused(NodeId, String),
    /// A training from scratch is over.
    Trained(Box<TrainReport>),
    /// A feedback file was read.
    Feedback(PathBuf, Box<Feedback>),
    /// A labeler can be used.
    Labeler(Box<LabelerCard>),
    /// The history as it is now; `None` if none is kept.
    Project(Option<Box<ProjectCard>>),
    /// The marks that were made on the model that is open.
    Marks(Box<Feedback>),
    /// Loading or a run is over, however it ended: the next one can start.
    Idle,
    /// Something the person should know, in one sentence.
    Warning(String),
    /// The run goes on from where it was saved, or begins again: what it has told of its iterations is told anew.
    Restarted,
    /// The run is held.
    Paused,
    /// The run goes on.
    Resumed,
    /// The run ended, by itself or because it was stopped.
    Done(Box<RunReport>),
    /// A command failed, in one sentence; the last good state stays.
    Failed(String),
}
