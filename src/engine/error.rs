//! What can go wrong in the engine, each in one sentence.

use std::path::PathBuf;

use crate::{
    checkpoint::CheckpointError,
    device::NoGpu,
    metrics::{EvaluateError, LabelerError},
    networks::ArchitectureError,
    sanitize::sanitize,
    unlearn::{feedback::FeedbackError, probe::ProbeError},
};

fn no_class(class: usize, classes: usize) -> String {
    match classes {
        0 => format!("no class {class}, as this model draws no classes"),
        _ => format!("no class {class}; this model draws the classes 0 to {}", classes - 1),
    }
}

/// Why the engine could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Reading or writing a model file.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tensors are not a StyleGAN2.
    #[error("{}: {source}", file.display())]
    Architecture {
        /// The model file.
        file: PathBuf,
        /// What does not fit.
        source: ArchitectureError,
    },
    /// There is no generator.
    #[error("{}: no generator in this file", file.display())]
    NoGenerator {
        /// The model file.
        file: PathBuf,
    },
    /// There is no discriminator, and training needs one.
    #[error("{}: no discriminator in this file, and going on training needs one", file.display())]
    NoDiscriminator {
        /// The model file.
        file: PathBuf,
    },
    /// A class that the model does not have.
    #[error("{}: {}", file.display(), no_class(*class, *classes))]
    NoClass {
        /// The model file.
        file: PathBuf,
        /// The class that was asked for.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A number of classes for a file that has its own.
    #[error("{}: this file says itself how many classes its model has; none can be given", file.display())]
    ClassesKnown {
        /// The model file.
        file: PathBuf,
    },
    /// The networks of one file do not belong together.
    #[error("{}: its generators and discriminator do not belong together (their shapes disagree)", file.display())]
    NetworksDisagree {
        /// The model file.
        file: PathBuf,
    },
    /// A model that is no part of a larger one.
    #[error(
        "{}: it cannot be grown; give a model with g, g_ema and d whose resolution is half of what is asked for, and the \
         same channels, latent and mapping", file.display()
    )]
    CannotGrow {
        /// The model file.
        file: PathBuf,
    },
    /// Opening or running a labeler.
    #[error(transparent)]
    Labeler(#[from] LabelerError),
    /// Reading or writing feedback.
    #[error(transparent)]
    Feedback(#[from] FeedbackError),
    /// Learning from a handful of marks.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Comparing before and after.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// No GPU where one was asked for.
    #[error(transparent)]
    Device(#[from] NoGpu),
    /// Too few samples on one side to train on.
    #[error("{0}")]
    TooFew(String),
    /// A loss was not a number.
    #[error(
        "{stage}, iteration {iteration}: the {loss} is not finite; the last good state is kept, try a lower learning rate"
    )]
    NonFinite {
        /// Which stage.
        stage: String,
        /// Number of the iteration, from 1.
        iteration: usize,
        /// Which loss.
        loss: &'static str,
    },
    /// A command that does not fit the engine's state.
    #[error("{0}")]
    State(&'static str),
    /// Something failed that should not have.
    #[error("{0}")]
    Internal(String),
}

impl EngineError {
    /// What to tell a person: one sentence on one line, whatever the file it quotes holds.
    pub fn sentence(&self) -> String {
        /// Characters of a sentence.
        const LONGEST: usize = 2000;
        sanitize(&self.to_string(), LONGEST)
    }
}
