//! An audit, as far as the window knows.

use std::path::PathBuf;

use super::run_state::RunStatus;
use crate::{
    audit::AuditReport,
    engine::{Phase, Progress, RetrainedQuestion},
    project::NodeId,
};

/// Retrained models that audits may compare with: what is known beside the choice that a node keeps.
#[derive(Debug, Default)]
pub struct RetrainedModels {
    /// For which audits one was looked for, and what was found.
    pub asked: Vec<(RetrainedQuestion, Option<PathBuf>)>,
    /// The file that is being looked at, and for which node.
    pub looking_at: Option<(NodeId, PathBuf)>,
    /// Why the file chosen last cannot be compared with, and for which node.
    pub refused: Option<(NodeId, String)>,
}

/// Where an audit stands.
#[derive(Debug)]
pub enum AuditState {
    /// It is in progress.
    Running(RunningAudit),
    /// It is over.
    Done {
        /// The node that was audited.
        node: NodeId,
        /// What was found.
        report: Box<AuditReport>,
        /// The page.
        page: PathBuf,
    },
}

/// An audit in progress.
#[derive(Clone, Debug)]
pub struct RunningAudit {
    /// The node that is audited.
    pub node: NodeId,
    /// The page that will be written.
    pub page: PathBuf,
    /// How far it is.
    pub progress: Option<Progress>,
    /// Whether it is computing.
    pub status: RunStatus,
}

impl RunningAudit {
    /// What it is doing, for display.
    pub fn description(&self) -> &'static str {
        use crate::audit::Part;
        match (self.status, self.progress.map(|progress| progress.phase)) {
            (RunStatus::Stopping, _) => "Stopping after this step",
            (RunStatus::Pausing, _) => "Pausing after this step",
            (RunStatus::Paused, _) => "Paused",
            (RunStatus::Running, Some(Phase::Audit(part))) => match part {
                Part::Measure => "Measuring what is gone and what it cost",
                Part::Layers => "Comparing layers",
                Part::Search => "Searching for what was forgotten",
                Part::Masks => "Hiding other parts of pictures",
                Part::Relearn => "Trying to bring it back by training",
                Part::Back => "Going back towards the original",
            },
            (RunStatus::Running, Some(Phase::WarmUp)) => "Training a discriminator, as the file has none",
            (RunStatus::Running, _) => "Opening the models",
        }
    }

    /// Part that is done, 0 to 1.
    pub fn part(&self) -> f32 {
        let audit = self.progress.filter(|progress| matches!(progress.phase, Phase::Audit(_)));
        audit.map_or(0.0, |progress| progress.done as f32 / progress.of.max(1) as f32)
    }
}
