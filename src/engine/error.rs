//! What can go wrong in the engine, each in one sentence.

use std::path::PathBuf;

use crate::{
    checkpoint::CheckpointError,
    device::NoGpu,
    feedback::{FeedbackError, PoolError, ProbeError},
    metrics::{EvaluateError, LabelerError},
    model::ModelError,
    sanitize::sanitize,
};

/// Why the engine could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Opening, changing or writing a model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Finding negatives and positives.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// Reading or writing a model file.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
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
