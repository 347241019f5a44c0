//! Runs that were stopped and can go on.

use std::fs;

use super::{
    error::ProjectError,
    manifest::{Node, NodeId, Status},
    store::Project,
};

impl Project {
    /// The run that was stopped and can go on: its state is there, and nothing was made from its result.
    pub fn stopped(&self) -> Option<&Node> {
        let nodes = &self.manifest.nodes;
        let is_parent = |id: NodeId| nodes.iter().any(|node| node.parent == Some(id));
        nodes
            .iter()
            .rev()
            .find(|node| node.status == Status::Stopped && self.run_file(node.id).is_file() && !is_parent(node.id))
    }

    /// A stopped run goes on, or has failed to: until it ends, what it had made when it was stopped stays its node's model.
    pub fn set_status(&mut self, id: NodeId, status: Status) -> Result<(), ProjectError> {
        self.node(id)?;
        self.change(|manifest| {
            if let Some(node) = manifest.nodes.iter_mut().find(|node| node.id == id) {
                node.status = status;
            }
        })
    }

    /// Gives up what it would take to go on with stopped runs; their results stay.
    pub fn forget_stopped(&mut self) {
        let stopped = self.manifest.nodes.iter().filter(|node| node.status == Status::Stopped);
        for node in stopped.filter(|_| self.read_only.is_none()) {
            // What cannot be removed only takes room.
            let _ = fs::remove_file(self.run_file(node.id));
        }
    }
}
