//! The history as it is shown.

use std::path::PathBuf;

use crate::project::{Manifest, NodeId};

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
    /// The node whose run was interrupted, if there is one.
    pub interrupted: Option<NodeId>,
}
