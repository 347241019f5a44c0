//! Why negatives and positives could not be found, each in one sentence.

use super::{file::FeedbackError, probe::ProbeError};
use crate::{metrics::LabelerError, model::ModelError};

/// Why there are no pools to train on.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Making samples.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Opening or running a labeler.
    #[error(transparent)]
    Labeler(#[from] LabelerError),
    /// Reading a feedback file.
    #[error(transparent)]
    File(#[from] FeedbackError),
    /// Learning from a handful of marks.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// One kind was not found at all.
    #[error("no {kind} sample was found among the samples looked at; mark some or look at more")]
    None {
        /// `negative` or `positive`.
        kind: &'static str,
    },
    /// A simulated user's probe was to see features that are not there.
    #[error("the labeler has no output called features to show to the probe")]
    NoFeatures,
    /// A simulated user was to draw where something is that only a drawing would tell.
    #[error("nobody knows where in the picture that is: only glasses, beards and hats of the drawn faces have a place")]
    NoRegion,
}
