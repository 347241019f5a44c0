//! What `project.json` says.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version this program writes; it reads all up to it.
pub(super) const VERSION: u64 = 1;

/// A node's number; the first is 0, and none is given twice.
pub type NodeId = u64;

/// The history.
///
/// Fields that a later version adds survive being read and written by this one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this file.
    pub version: u64,
    /// The program that wrote it last.
    #[serde(default)]
    pub program: String,
    /// All nodes, parents before children.
    pub nodes: Vec<Node>,
    /// The node that the next request starts from.
    #[serde(default)]
    pub base: NodeId,
    /// The child of `base` that is shown beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<NodeId>,
    /// The number of the next node.
    #[serde(default)]
    pub next: NodeId,
    /// Where the pictures come from that its models complete, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Value>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A model in the history: the opened file, or what a request made of its parent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its number.
    pub id: NodeId,
    /// The node it was made from; none of the opened file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<NodeId>,
    /// What it is called.
    pub name: String,
    /// The model file, relative to the project's folder if it is in it; none while its run is in progress, unless that was stopped
    /// before and goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// SHA-256 of the model file, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Classes behind the latent of a generator whose file does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// What was asked, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// The method that made it, in the words that people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The file of the labeler that was to measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labeler: Option<PathBuf>,
    /// How it came about.
    #[serde(default)]
    pub status: Status,
    /// Iterations that made it, and those that were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<(usize, usize)>,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Numbers>,
    /// The model that audits of it compare with; none if nobody chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrained: Option<Retrained>,
    /// Iterations that led to each snapshot, in the order in which they were taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<usize>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Which model, trained without what must go, an audit compares with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retrained {
    /// None, although one may be offered.
    Without,
    /// This file.
    File(PathBuf),
}

/// What a request says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// What its node is called.
    pub name: String,
    /// What was asked, in one line.
    pub line: String,
    /// See [`Node::method`].
    pub method: String,
    /// See [`Node::labeler`].
    pub labeler: Option<PathBuf>,
    /// Iterations that were asked for.
    pub iterations: usize,
}

/// How a node came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is the opened file.
    #[default]
    Original,
    /// Its run has not ended.
    Unfinished,
    /// Its run did all it had to do.
    Done,
    /// Its run was stopped.
    Stopped,
    /// Its run failed; it is the last good state.
    Failed,
    /// It is a snapshot of a run.
    Snapshot,
}

/// What was measured of a node against its parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// Percentage of unlearning, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pul: Option<f64>,
    /// The same, 0 to 100, as the marks let it be estimated where no labeler measured it; 0 where no change was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated: Option<f64>,
    /// Fréchet distance to the parent's kept samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frechet: Option<f64>,
    /// What it is for two sets of the parent's own samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frechet_floor: Option<f64>,
}

impl Manifest {
    /// The node of this number.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// The node and everything that was made from it, parents before children.
    pub fn subtree(&self, id: NodeId) -> Vec<NodeId> {
        let mut found = vec![id];
        for node in &self.nodes {
            if node.parent.is_some_and(|parent| found.contains(&parent)) {
                found.push(node.id);
            }
        }
        found
    }

    /// What is wrong with it, if anything is; the text is one clause.
    pub(super) fn problem(&self) -> Option<String> {
        let Some(first) = self.nodes.first() else { return Some("it has no node".to_owned()) };
        if first.parent.is_some() || first.file.is_none() {
            return Some("its first node is not a model that was opened".to_owned());
        }
        for (place, node) in self.nodes.iter().enumerate() {
            let before = &self.nodes[..place];
            if before.iter().any(|other| other.id == node.id) {
                return Some(format!("node {} is there twice", node.id));
            }
            if place > 0 && !before.iter().any(|other| Some(other.id) == node.parent) {
                return Some(format!("node {} has no parent before it", node.id));
            }
            // Whoever made the file could point anywhere else.
            let escapes = |file: &PathBuf| file.is_relative() && file.components().any(|part| part.as_os_str() == "..");
            if node.file.as_ref().is_some_and(escapes) {
                return Some(format!("the file of node {} lies outside the project", node.id));
            }
        }
        let usable = |id: NodeId| self.node(id).is_some_and(|node| node.file.is_some());
        (!usable(self.base)).then(|| format!("node {}, which the next request starts from, has no model", self.base))
    }
}
