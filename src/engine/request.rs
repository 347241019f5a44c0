//! What jobs are given: plain values.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    training::{Card, ChosenChoices, CompletionChoices},
    weights::Weights,
};
use crate::{
    audit::AuditBudget,
    data::ImageSource,
    feedback::{Feedback, FeedbackSource, LabelerSpec, Sample},
    metrics::Caption,
    networks::{CompletionArchitecture, FreshFamily, LatentAddress, Masking},
    project::NodeId,
    unlearn::Settings,
};

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

/// One run of a method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRequest {
    /// Where negatives and positives come from.
    pub feedback: FeedbackSource,
    /// The method and all settings.
    pub settings: Settings,
    /// Measure the result with a labeler afterwards.
    #[serde(default)]
    pub evaluation: Option<EvaluationRequest>,
    /// A file that the result is written to as soon as it is there, before it is measured.
    #[serde(default)]
    pub out: Option<PathBuf>,
    /// Pictures that may stay, in place of those found among the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<ImageSource>,
    /// Only to be looked at: no node is made of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preview: bool,
}

impl RunRequest {
    /// The labeler that is asked, and what is to be gone in its words.
    pub fn labeler(&self) -> Option<(&LabelerSpec, &str)> {
        match (&self.evaluation, &self.feedback) {
            (Some(evaluation), _) => Some((&evaluation.labeler, &evaluation.forget)),
            (None, FeedbackSource::Labeler { labeler, forget } | FeedbackSource::Clicks { labeler, forget, .. }) => {
                Some((labeler, forget))
            }
            (None, _) => None,
        }
    }
}

/// A measurement by a labeler, over latents that were not trained on.
#[derive(Clone, Debug, Serialize, Deserialize)]
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

/// A model file to open.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// The file.
    pub path: PathBuf,
    /// Number of classes behind the latent of a generator whose file does not say so.
    pub classes: Option<usize>,
    /// The pictures that it completes, if it does.
    pub pictures: Option<ImageSource>,
}

impl From<PathBuf> for OpenRequest {
    /// A file that says all there is to say.
    fn from(path: PathBuf) -> Self {
        Self { path, classes: None, pictures: None }
    }
}

/// What can be done with a project.
#[derive(Clone, Debug)]
pub enum ProjectRequest {
    /// Keeps the history of the open model in this folder: a project of this model that is there, or a new one.
    KeepIn(PathBuf),
    /// Shows a node beside its parent, from which the next request starts; the first node stands alone.
    Show(NodeId),
    /// The next request starts from this node.
    StartFrom(NodeId),
    /// Makes a node of a snapshot of the run that is shown, and starts the next request from it.
    StartFromSnapshot(usize),
    /// Gives a node another name.
    Rename(NodeId, String),
    /// Deletes a node and everything that was made from it.
    Delete(NodeId),
    /// Gives up the run that was interrupted: its node is deleted, or, if the run was stopped before and had gone on, is again what
    /// it was when it was stopped.
    GiveUp(NodeId),
    /// Moves the project; a read-only one is copied.
    SaveAs(PathBuf),
    /// Keeps the marks of the node that the next request starts from.
    Marks(Box<Feedback>),
    /// Goes on with the run that was interrupted or stopped; in smaller parts, where it ran out of memory.
    Continue {
        /// Samples in one pass, if not so many as the run began with.
        micro_batch: Option<usize>,
    },
}

/// Two model files to compare.
#[derive(Clone, Debug)]
pub struct CompareRequest {
    /// The original model.
    pub before: PathBuf,
    /// The unlearned model.
    pub after: PathBuf,
    /// Compare samples of one class only.
    pub class: Option<usize>,
    /// Number of classes, as in [`OpenRequest`].
    pub classes: Option<usize>,
    /// The pictures that they complete, if they do.
    pub pictures: Option<ImageSource>,
    /// How.
    pub evaluation: EvaluationRequest,
}

/// An audit of an unlearned model.
#[derive(Clone, Debug)]
pub struct AuditRequest {
    /// The model before and after.
    pub subject: AuditSubject,
    /// A model that was trained without what must go.
    pub retrained: Option<PathBuf>,
    /// A folder of models among which one is looked for, if none is named and a node of the open project is audited.
    pub offered_from: Option<PathBuf>,
    /// A classifier and what should be gone, as [`Labeler::target`](crate::metrics::Labeler::target) takes it. A node knows its own.
    pub labeler: Option<(LabelerSpec, String)>,
    /// Another classifier that had nothing to do with the unlearning, and what should be gone in its words.
    pub second: Option<(LabelerSpec, String)>,
    /// Audit samples of one class only.
    pub class: Option<usize>,
    /// Number of classes, as in [`OpenRequest`].
    pub classes: Option<usize>,
    /// The pictures that the models complete, if they do. A node knows its own.
    pub pictures: Option<ImageSource>,
    /// How long is looked.
    pub budget: AuditBudget,
    /// Seed of all latents.
    pub seed: u64,
    /// The page that is written; its numbers stand beside it as JSON.
    pub out: PathBuf,
}

/// The model, trained without what must go, that audits of a node compare with.
#[derive(Clone, Debug)]
pub enum RetrainedRequest {
    /// Look at this file and keep it with the node; the answer is [`Event::Project`](super::Event::Project) or
    /// [`Event::RetrainedRefused`](super::Event::RetrainedRefused).
    Choose(NodeId, PathBuf),
    /// Compare with none, whatever is offered.
    Clear(NodeId),
    /// Find one among the models of a folder; the answer is [`Event::RetrainedFound`](super::Event::RetrainedFound).
    Find(RetrainedQuestion),
}

/// For which audit a retrained model is looked for, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrainedQuestion {
    /// The node.
    pub node: NodeId,
    /// As [`AuditRequest::labeler`].
    pub labeler: Option<(LabelerSpec, String)>,
    /// A folder of models.
    pub folder: PathBuf,
}

/// What is audited.
#[derive(Clone, Debug)]
pub enum AuditSubject {
    /// Two model files.
    Files {
        /// The original model.
        before: PathBuf,
        /// The unlearned model.
        after: PathBuf,
    },
    /// A node of a project, against the one it was made from.
    Node {
        /// The project; the one that is open if none is named.
        project: Option<PathBuf>,
        /// The node.
        node: NodeId,
    },
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

/// What a labeler is asked of samples of the open model, as it was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelQuestion {
    /// The classifier.
    pub labeler: LabelerSpec,
    /// Classes of which each sample may show one, as [`Labeler::target`](crate::metrics::Labeler::target) takes them.
    pub target: String,
    /// Seed of the samples.
    pub seed: u64,
    /// Their truncation.
    pub psi: f32,
    /// The class of all of them, see [`SampleRequest::class`].
    pub class: Option<u32>,
}

/// Samples to look through with a labeler.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelRequest {
    /// What it is asked.
    pub question: LabelQuestion,
    /// Indices of the samples, looked through in this order.
    pub indices: std::ops::Range<u64>,
}

/// The way between two samples of a model that draws samples from latents.
#[derive(Clone, Debug, PartialEq)]
pub struct Walk {
    /// Sets of weights; each draws every place of it.
    pub weights: Vec<Weights>,
    /// Where it begins; the truncation and the class of this sample are those of the whole way.
    pub from: Sample,
    /// Where it ends.
    pub to: LatentAddress,
}

/// A place on the way between two samples to draw. Of several such requests only the latest is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct WalkRequest {
    /// The way.
    pub walk: Walk,
    /// The place: 0 is where it begins, 1 where it ends.
    pub t: f32,
}

/// Samples of the open model to write to a file: a picture (.png) or exact numbers (.safetensors).
#[derive(Clone, Debug)]
pub struct DrawRequest {
    /// The file.
    pub out: PathBuf,
    /// Which samples.
    pub latents: Latents,
    /// Truncation.
    pub psi: f32,
    /// What is hidden of the pictures of a model that completes them.
    pub masking: Masking,
    /// Whether what the model sees of each picture stands left of its completion, in one image twice as wide; only of models
    /// that complete pictures.
    pub seen: bool,
}

/// Where latents come from.
#[derive(Clone, Debug)]
pub enum Latents {
    /// The first of a seed.
    Seed {
        /// The seed.
        seed: u64,
        /// How many.
        count: u64,
    },
    /// A .safetensors file with a tensor `z` [count, latent] (and, for a class-conditional model, `c` [count, classes]).
    File(PathBuf),
}

/// How the open model is written as another file.
#[derive(Clone, Debug)]
pub struct ConvertRequest {
    /// The file.
    pub out: PathBuf,
    /// Round all numbers to 16 bits (.safetensors only); refused if a pixel changes by more than 1/255.
    pub half: bool,
    /// Leave out the optimizers' states and where a training stood.
    pub networks_only: bool,
}

/// Feedback, labelers, pictures, text: a file to read or to write that is no model.
#[derive(Clone, Debug)]
pub enum FileJob {
    /// Read feedback for the open model; the answer is [`Event::Feedback`](super::Event::Feedback).
    OpenFeedback(PathBuf),
    /// Write feedback.
    SaveFeedback(PathBuf, Feedback),
    /// Open a labeler to see whether it can be used; the answer is [`Event::Labeler`](super::Event::Labeler).
    OpenLabeler(LabelerSpec),
    /// Write one picture of samples as PNG.
    Grid(PathBuf, PictureRequest),
    /// Write a GIF that shows the same samples with one set of weights after the other.
    Animation(PathBuf, PictureRequest),
    /// Write a GIF that walks from one sample to another, the sets of weights side by side.
    Walk(PathBuf, Walk),
    /// Write text, such as a table of numbers.
    Text(PathBuf, String),
}

impl FileJob {
    /// Whether a file is read, not written.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::OpenFeedback(_) | Self::OpenLabeler(_))
    }
}

/// What is in a picture.
#[derive(Clone, Debug)]
pub struct PictureRequest {
    /// Sets of weights. A PNG shows the first, or the first two side by side; a GIF shows all in turn.
    pub weights: Vec<Weights>,
    /// Seed of the latents.
    pub seed: u64,
    /// Indices of the latents.
    pub indices: Vec<u64>,
    /// Truncation.
    pub psi: f32,
    /// The class of all of them, see [`SampleRequest::class`].
    pub class: Option<u32>,
    /// Samples in a row.
    pub columns: usize,
    /// Which samples get a red frame, by position.
    pub negatives: Vec<bool>,
    /// What stands above the samples, for each set of weights; none for those beyond its end.
    pub captions: Vec<Caption>,
}

/// A training from scratch.
#[derive(Clone, Debug)]
pub struct TrainRequest {
    /// What to train on.
    pub data: ImageSource,
    /// Where it begins.
    pub start: TrainingStart,
    /// Hyperparameters that are not the start's own.
    pub choices: ChosenChoices,
    /// How long.
    pub length: TrainingLength,
    /// The file that is written.
    pub out: PathBuf,
    /// A picture that is written with it.
    pub grid: Option<PathBuf>,
    /// It is written after every so many iterations.
    pub save_every: usize,
    /// Compares samples of the finished model with the data.
    pub labeler: Option<LabelerSpec>,
    /// For the model's card.
    pub card: Card,
    /// What it must not see.
    pub exclude: Option<Exclusion>,
}

/// Images that a training leaves out, so that it makes a model that never learned something.
#[derive(Clone, Debug, PartialEq)]
pub struct Exclusion {
    /// What they show, as [`Labeler::target`](crate::metrics::Labeler::target) takes it: of the drawn faces one of their attributes, of an IDX file
    /// one of its labels, of a folder whatever a classifier knows.
    pub classes: String,
    /// The labels of an IDX file; without them those that lie beside it under MNIST's names.
    pub labels: Option<PathBuf>,
    /// The classifier that looks at the pictures of a folder.
    pub labeler: Option<LabelerSpec>,
}

/// Where a training begins.
#[derive(Clone, Debug)]
pub enum TrainingStart {
    /// With new networks.
    Fresh {
        /// Side of the images in pixels; the data's own or 64.
        resolution: Option<usize>,
        /// Channels at 4x4, 8x8, ...: one number for all, one for each, or none for the usual ones.
        channels: Vec<usize>,
        /// Length of the latents.
        latent: usize,
        /// Layers of the mapping network.
        mapping: usize,
        /// What the generator is.
        family: FreshFamily,
        /// Seed of weights, data order and draws.
        seed: u64,
        /// A model of half the resolution that is taken over; latent and mapping are then its own.
        grow: Option<PathBuf>,
    },
    /// With a new masked autoencoder.
    FreshCompletion {
        /// Its sizes; its pictures have those of the data.
        architecture: CompletionArchitecture,
        /// Side of the images in pixels; the data's own or 64.
        resolution: Option<usize>,
        /// Hyperparameters.
        choices: CompletionChoices,
        /// Seed of weights, data order and masks.
        seed: u64,
    },
    /// Where the training that wrote this file ended.
    Resume {
        /// The file.
        model: PathBuf,
        /// Side of the images, if it was asked for: it must be the model's.
        resolution: Option<usize>,
    },
}

/// How long a training is, what came before included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainingLength {
    /// Iterations.
    Iterations(usize),
    /// Thousands of images.
    Kimg(usize),
}
