//! The history as it is shown.

use std::path::{Path, PathBuf};

use super::request::RunRequest;
use crate::{
    audit::audited_sha256,
    feedback::{FeedbackSource, LabelerSpec},
    project::{Manifest, NodeId},
    unlearn::Settings,
};

/// The history as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectCard {
    /// The project's folder.
    pub folder: PathBuf,
    /// Whether it was made by opening a model, and saved nowhere by the user yet.
    pub is_unnamed: bool,
    /// Why it may only be looked at, if so.
    pub read_only: Option<String>,
    /// All nodes, the one that the next request starts from, and the child that is shown.
    pub manifest: Manifest,
    /// Bytes that each node takes on the disk, in the nodes' order.
    pub sizes: Vec<u64>,
    /// The run that was interrupted, if there is one.
    pub interrupted: Option<InterruptedRun>,
    /// The run that was stopped and can go on, if there is one.
    pub stopped: Option<InterruptedRun>,
    /// The labeler of the latest run that had one, if its file is still there.
    pub labeler: Option<AskedLabeler>,
    /// The reports of audits that are there, in the nodes' order.
    pub reports: Vec<NodeReport>,
}

impl ProjectCard {
    /// Where the report of an audit of a node stands in a project's folder; its numbers stand beside it as JSON.
    pub fn audit_page(folder: &Path, node: NodeId) -> PathBuf {
        folder.join("nodes").join(node.to_string()).join("audit.html")
    }
}

/// The report of an audit of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// The node.
    pub node: NodeId,
    /// SHA-256 of the weights that were audited: a run that goes on gives its node others. `None` if the page's numbers are not there to
    /// say it.
    pub sha256: Option<String>,
}

impl NodeReport {
    /// The report of a node in a project's folder, if there is one.
    pub(super) fn find(folder: &Path, node: NodeId) -> Option<Self> {
        let page = ProjectCard::audit_page(folder, node);
        page.is_file().then(|| Self { node, sha256: audited_sha256(&page.with_extension("json")) })
    }
}

/// A labeler and what was asked of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedLabeler {
    /// The classifier.
    pub spec: LabelerSpec,
    /// What was to be gone, as [`Labeler::target`](crate::metrics::Labeler::target) takes it.
    pub forget: String,
    /// Whether it decided which samples must go; otherwise it only measured the result.
    pub gives_feedback: bool,
}

/// A run that was interrupted or stopped and can be gone on with.
#[derive(Clone, Debug, PartialEq)]
pub struct InterruptedRun {
    /// Its node.
    pub node: NodeId,
    /// What was asked; `None` if that cannot be read any more.
    pub asked: Option<Box<AskedRun>>,
}

/// What was asked of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedRun {
    /// The method and all settings.
    pub settings: Settings,
    /// Where its samples come from.
    pub feedback: FeedbackSource,
    /// Whether it is to be measured.
    pub measured: bool,
}

impl From<RunRequest> for AskedRun {
    fn from(request: RunRequest) -> Self {
        let RunRequest { feedback, settings, evaluation, .. } = request;
        Self { settings, feedback, measured: evaluation.is_some() }
    }
}
