//! What a run was and what came of it, for people and for machines.

use std::path::PathBuf;

use serde::Serialize;

use super::warm_up::WarmUp;
use crate::{feedback::FeedbackSummary, metrics::Evaluation, train::Losses, unlearn::Settings};

/// A run's report.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Name and version of this program.
    pub program: String,
    /// The model that was unlearned.
    pub model: PathBuf,
    /// SHA-256 of its file, in hexadecimal.
    pub model_sha256: String,
    /// The compute device.
    pub device: String,
    /// All settings.
    pub settings: Settings,
    /// The feedback that was used.
    pub feedback: FeedbackSummary,
    /// Whether the run was stopped before its end.
    pub stopped: bool,
    /// The error that ended the run early, if one did.
    pub failed: Option<String>,
    /// Iterations of stage 2 that ran.
    pub iterations: usize,
    /// Losses of the last iteration of stage 2.
    pub last_losses: Option<Losses>,
    /// Wall time of each phase.
    pub seconds: Seconds,
    /// The discriminator's warm-up, if the file had none.
    pub warm_up: Option<WarmUp>,
    /// The measured result.
    pub evaluation: Option<Evaluation>,
}

/// Wall time of each phase, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// Rendering and labelling samples.
    pub label: f64,
    /// Stage 1, all members.
    pub adapt: f64,
    /// Stage 2.
    pub unlearn: f64,
    /// Measuring the result.
    pub evaluate: f64,
}

impl Seconds {
    /// Everything but the measurement, which is not part of the method.
    pub fn method(&self) -> f64 {
        self.label + self.adapt + self.unlearn
    }
}

/// Name of the method, for provenance.
pub const METHOD: &str = "Adapt then Unlearn (arXiv 2309.14054)";
