//! What can be wrong with a labeler.

use std::io;

use thiserror::Error;

/// What is wrong with a labeler or with what it was asked; one sentence that names the file.
#[derive(Debug, Error)]
#[error("{file}: {problem}")]
pub struct LabelerError {
    pub file: String,
    pub problem: LabelerProblem,
}

/// The part of a [`LabelerError`] after the file's name.
#[derive(Debug, Error)]
pub enum LabelerProblem {
    #[error("cannot be read ({0})")]
    Read(io::Error),
    #[error("larger than {0} bytes, which no ONNX model in one file is")]
    FileTooLarge(u64),
    #[error("not an ONNX model")]
    NotOnnx,
    #[error("it has {0} inputs, an image labeler takes one")]
    Inputs(usize),
    #[error("its input has rank {0}, an image labeler takes [N, 1 or 3, H, W]")]
    Rank(usize),
    #[error("its input is {0}, an image labeler takes [N, 1 or 3, H, W]")]
    Input(String),
    #[error("its input is {0}, the image size has to be fixed when a labeler is exported")]
    NoSize(String),
    #[error("its input is {0}, which is too large")]
    InputTooLarge(String),
    #[error("it computes {0:?} values at once, which is too large")]
    TensorTooLarge(Vec<usize>),
    #[error("its input does not take 32-bit floats")]
    NotFloat,
    #[error("its output `{name}` is {shape:?}, scores are [{batch}, classes] with two classes or more")]
    Scores { name: String, shape: Vec<usize>, batch: usize },
    #[error("its output `features` is {shape:?}, features are [{batch}, number of features]")]
    Features { shape: Vec<usize>, batch: usize },
    #[error("it uses the operator `{0}`, which cannot be run here")]
    Operator(String),
    #[error("it cannot be run here ({0})")]
    Run(String),
    #[error("its metadata does not give each of the {classes} classes of {head} its own name")]
    Names { head: String, classes: usize },
    #[error("{known}; there is no class {asked}")]
    NoSuchClass { asked: String, known: String },
    #[error("{known}; it has no output {asked}")]
    NoSuchHead { asked: String, known: String },
    #[error("{asked} is a class of several outputs: write {choices}")]
    Ambiguous { asked: String, choices: String },
    #[error("{one} and {other} are different outputs; what is to be forgotten is of one")]
    TwoHeads { one: String, other: String },
    #[error("{asked} is every class of {head}, so nothing would be kept")]
    Everything { asked: String, head: String },
    #[error("mean and deviation need 1 or {channels} finite numbers each, and no deviation may be 0")]
    Normalization { channels: usize },
    #[error("{values} values are no images of shape {shape:?} with 1 or 3 channels")]
    Images { values: usize, shape: [usize; 4] },
    #[error("image {0} has values that are not numbers")]
    NotNumbers(usize),
    #[error("image {0} gets no usable scores (not a number or infinite)")]
    NotFinite(usize),
}
