//! What a run was and what came of it, for people and for machines.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde::Serialize;

use super::{project_card::AskedRun, warm_up::WarmUp};
use crate::{
    feedback::{FeedbackSummary, GoneEstimate},
    metrics::Evaluation,
    project::NodeId,
    unlearn::{LayerShare, Method, Settings, StageRound},
};

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
    /// The method and all settings.
    pub settings: Settings,
    /// The feedback that was used.
    pub feedback: FeedbackSummary,
    /// Whether the run was stopped before its end.
    pub stopped: bool,
    /// The error that ended the run early, if one did.
    pub failed: Option<String>,
    /// Where the method was in the end.
    pub reached: Option<StageRound>,
    /// Iterations that made the result.
    pub iterations: usize,
    /// What the last one of them measured, by name.
    pub last_losses: IndexMap<&'static str, f32>,
    /// Wall time of each phase.
    pub seconds: Seconds,
    /// The discriminator's warm-up, if the file had none.
    pub warm_up: Option<WarmUp>,
    /// Why it could not be measured, where it was to be and could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measurement_failed: Option<String>,
    /// How much of each layer could move, where not all could.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerShare>,
    /// Whether it was only to be looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preview: bool,
    /// Its node in the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The measured result.
    pub evaluation: Option<Evaluation>,
    /// How much is gone as far as the marks tell, of a run from marks that no labeler measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated: Option<GoneEstimate>,
    /// Why that cannot be estimated, where it was to be and could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate_failed: Option<String>,
    /// What was asked, if the run was stopped and can go on. It is nothing that a report on the disk could say for long.
    #[serde(skip)]
    pub can_go_on: Option<Box<AskedRun>>,
}

/// Wall time of each phase, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// Rendering and labelling samples.
    pub label: f64,
    /// Each stage of the method.
    #[serde(flatten)]
    pub stages: IndexMap<&'static str, f64>,
    /// Measuring the result.
    pub evaluate: f64,
}

impl Seconds {
    /// Everything but the measurement, which is not part of the method.
    pub fn method(&self) -> f64 {
        self.label + self.stages.values().sum::<f64>()
    }
}

/// A method's name and where it was published, for provenance.
pub(super) fn provenance_of(method: &dyn Method) -> String {
    format!("{} ({})", method.name(), method.reference())
}
