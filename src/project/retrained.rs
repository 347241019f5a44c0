//! The retrained models that audits compare with.

use super::{
    error::ProjectError,
    manifest::{NodeId, Retrained},
    store::Project,
};

impl Project {
    /// Keeps the choice of a model that never saw what a node forgot, for the node's audits.
    pub fn set_retrained(&mut self, id: NodeId, retrained: Retrained) -> Result<(), ProjectError> {
        self.node(id)?;
        self.change(|manifest| {
            if let Some(node) = manifest.nodes.iter_mut().find(|node| node.id == id) {
                node.retrained = Some(retrained);
            }
        })
    }
}
