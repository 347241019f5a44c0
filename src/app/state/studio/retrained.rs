//! The retrained model that audits of a node compare with: chosen, offered, or none.

use std::path::{Path, PathBuf};

use super::data::Studio;
use crate::{
    app::state::bundled::bundled_models,
    engine::{Command, RetrainedQuestion, RetrainedRequest},
    feedback::LabelerSpec,
    project::{Node, NodeId, Retrained},
};

impl Studio {
    /// The labeler that is open and what of it must be gone, as an audit takes it; without, a node's own is asked.
    pub(super) fn audit_labeler(&self) -> Option<(LabelerSpec, String)> {
        let chosen = self.labeler.as_ref().filter(|labeler| !labeler.forget.is_empty());
        chosen.map(|labeler| (labeler.card.spec.clone(), labeler.target()))
    }

    /// The retrained model that audits of a node compare with, and whether it is merely offered.
    pub fn retrained_for<'a>(&'a self, node: &'a Node) -> Option<(&'a Path, bool)> {
        match &node.retrained {
            Some(Retrained::File(file)) => Some((file, false)),
            Some(Retrained::Without) => None,
            None => {
                let question = self.retrained_question(node.id)?;
                let (_, found) = self.retrained_models.asked.iter().find(|(asked, _)| *asked == question)?;
                found.as_deref().map(|file| (file, true))
            }
        }
    }

    /// Looks for one that can be offered, once for each labeler and class.
    pub fn look_for_retrained(&mut self, node: &Node) {
        let Some(question) = self.retrained_question(node.id).filter(|_| node.retrained.is_none()) else { return };
        if self.retrained_models.asked.iter().all(|(asked, _)| *asked != question) {
            self.retrained_models.asked.push((question.clone(), None));
            self.send(Command::Retrained(Box::new(RetrainedRequest::Find(question))));
        }
    }

    fn retrained_question(&self, node: NodeId) -> Option<RetrainedQuestion> {
        Some(RetrainedQuestion { node, labeler: self.audit_labeler(), folder: bundled_models()? })
    }

    /// Compares with this file in audits of a node, if that can be done.
    pub fn choose_retrained(&mut self, node: NodeId, file: PathBuf) {
        self.retrained_models.refused = None;
        self.retrained_models.looking_at = Some((node, file.clone()));
        self.send(Command::Retrained(Box::new(RetrainedRequest::Choose(node, file))));
    }

    /// Compares with none in audits of a node.
    pub fn clear_retrained(&mut self, node: NodeId) {
        self.retrained_models.refused = None;
        self.send(Command::Retrained(Box::new(RetrainedRequest::Clear(node))));
    }

    /// Why the file that was chosen last for a node cannot be compared with, in one sentence.
    pub fn retrained_refused(&self, node: NodeId) -> Option<&str> {
        let refused = self.retrained_models.refused.as_ref();
        refused.filter(|(of, _)| *of == node).map(|(_, reason)| reason.as_str())
    }

    /// Whether a failure is that of the retrained model of the audit in progress, whose file may have changed or gone since it was chosen: then
    /// it is said where that is, if that is in view.
    pub(super) fn take_retrained_failure(&mut self, sentence: &str) -> bool {
        let Some(audited) = self.running_audit().map(|audit| audit.node) else { return false };
        if self.selected_node().is_none_or(|node| node.id != audited) {
            return false;
        }
        let node = self.history.as_ref().and_then(|history| history.manifest.node(audited));
        let file = node.and_then(|node| self.retrained_for(node)).map(|(file, _)| file.display().to_string());
        if !file.is_some_and(|file| sentence.contains(&file)) {
            return false;
        }
        self.retrained_models.refused = Some((audited, sentence.to_owned()));
        true
    }

    pub(super) fn handle_retrained_found(&mut self, question: &RetrainedQuestion, found: Option<PathBuf>) {
        if let Some((_, known)) = self.retrained_models.asked.iter_mut().find(|(asked, _)| asked == question) {
            *known = found;
        }
    }

    pub(super) fn handle_retrained_refused(&mut self, node: NodeId, reason: String) {
        self.retrained_models.looking_at = None;
        self.retrained_models.refused = Some((node, reason));
    }
}
