//! Why there is no audit.

use crate::metrics::{EvaluateError, FrechetError, LabelerError};

/// Why there is no audit, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Running a labeler.
    #[error(transparent)]
    Labeler(#[from] LabelerError),
    /// Comparing two sets of answers.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// Comparing features.
    #[error(transparent)]
    Frechet(#[from] FrechetError),
    /// Nothing to forget.
    #[error(
        "the labeler finds {found} samples of {target} among {looked} of the original model: too few for an audit (at least {needed} \
         are needed)"
    )]
    TooFew {
        /// What must be gone.
        target: String,
        /// Negatives that were found.
        found: usize,
        /// Samples that were looked at.
        looked: usize,
        /// Negatives that are needed.
        needed: usize,
    },
    /// It shows nothing else.
    #[error("the labeler finds {0} in nearly every sample of the original model: there is nothing to tell it from")]
    NothingElse(String),
    /// A report that cannot be checked.
    #[error("{file}: {reason}")]
    Report {
        /// The report.
        file: String,
        /// Why, as a clause.
        reason: String,
    },
}
