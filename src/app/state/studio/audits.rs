//! Audits: starting, holding and ending them.

use std::path::PathBuf;

use super::data::Studio;
use crate::{
    app::state::{
        audit::{AuditState, RunningAudit},
        bundled::bundled_models,
        notices::Level,
        run_state::RunStatus,
    },
    audit::{AUDIT_SEED, AuditBudget, AuditReport},
    engine::{AuditRequest, AuditSubject, Command, Phase, Progress, ProjectCard},
    project::{Node, NodeId},
};

impl Studio {
    /// The audit in progress.
    pub fn running_audit(&self) -> Option<&RunningAudit> {
        if let Some(AuditState::Running(audit)) = &self.audit { Some(audit) } else { None }
    }

    fn running_audit_mut(&mut self) -> Option<&mut RunningAudit> {
        if let Some(AuditState::Running(audit)) = &mut self.audit { Some(audit) } else { None }
    }

    /// What keeps a node from being audited, in one sentence.
    pub fn audit_obstacle(&self, node: &Node) -> Option<String> {
        let Some(history) = &self.history else { return Some("Open a model first.".to_owned()) };
        if node.parent.is_none() {
            return Some("Nothing was unlearned in the opened model.".to_owned());
        }
        if node.file.is_none() {
            return Some("Its run has not ended.".to_owned());
        }
        if self.sample_count() == 0 {
            return Some("Open a folder of pictures first.".to_owned());
        }
        if let Some(reason) = &history.read_only {
            return Some(format!("This project is read-only here: {reason}."));
        }
        if self.run.in_progress().is_some() || self.running_audit().is_some() {
            return Some("Something else is being computed.".to_owned());
        }
        let measured =
            node.labeler.is_some() || self.labeler.as_ref().is_some_and(|labeler| !labeler.forget.is_empty());
        (!measured)
            .then(|| "Choose a labeler and what of it must be gone: somebody has to say what samples show.".to_owned())
    }

    /// Where the report of a node stands, or will.
    pub fn audit_page(&self, node: NodeId) -> Option<PathBuf> {
        Some(ProjectCard::audit_page(&self.history.as_ref()?.folder, node))
    }

    /// The report of a node's audit, if there is one: its page, and one sentence if it is not of the weights that the node has now.
    pub fn audit_report(&self, node: NodeId) -> Option<(PathBuf, Option<String>)> {
        let history = self.history.as_ref()?;
        let report = history.reports.iter().find(|report| report.node == node)?;
        let note = match &report.sha256 {
            Some(sha256) => self.note_on_weights(node, sha256),
            None => {
                Some("The numbers of this report are not beside it, so nothing says which weights it is of.".to_owned())
            }
        };
        Some((self.audit_page(node)?, note))
    }

    /// What is to be said of a report of these weights, in one sentence, if its node has others now: its run went on.
    pub fn note_on_weights(&self, node: NodeId, audited: &str) -> Option<String> {
        let now = self.history.as_ref()?.manifest.node(node)?.sha256.as_deref()?;
        let short = |sha256: &str| sha256.get(..12).unwrap_or(sha256).to_owned();
        (now != audited).then(|| {
            format!(
                "This report is of earlier weights ({}\u{2026}): the node's run has gone on since, and its weights are {}\u{2026} now. Audit it \
                 again.",
                short(audited),
                short(now)
            )
        })
    }

    /// Audits a node against the one it was made from.
    pub fn start_audit(&mut self, node: NodeId) {
        let Some(page) = self.audit_page(node) else { return };
        self.retrained_models.refused = None;
        let history = self.history.as_ref();
        let audited = history.and_then(|history| history.manifest.node(node));
        let retrained = audited.and_then(|node| self.retrained_for(node)).map(|(file, _)| file.to_owned());
        // Nobody may have looked for one yet.
        let is_open = retrained.is_none() && audited.is_some_and(|node| node.retrained.is_none());
        let request = AuditRequest {
            subject: AuditSubject::Node { project: None, node },
            retrained,
            offered_from: bundled_models().filter(|_| is_open),
            labeler: self.audit_labeler(),
            second: None,
            class: None,
            classes: None,
            pictures: None,
            budget: AuditBudget::default(),
            seed: AUDIT_SEED,
            out: page.clone(),
        };
        self.send(Command::Audit(Box::new(request)));
        self.audit = Some(AuditState::Running(RunningAudit { node, page, progress: None, status: RunStatus::Running }));
    }

    /// Holds the audit, or goes on with it.
    pub fn pause_or_resume_audit(&mut self) {
        let Some(audit) = self.running_audit_mut() else { return };
        let command = match audit.status {
            RunStatus::Running => {
                audit.status = RunStatus::Pausing;
                Command::Pause
            }
            RunStatus::Paused => Command::Resume,
            RunStatus::Pausing | RunStatus::Stopping => return,
        };
        self.send(command);
    }

    /// Ends the audit; nothing is written.
    pub fn stop_audit(&mut self) {
        let Some(audit) = self.running_audit_mut() else { return };
        audit.status = RunStatus::Stopping;
        self.send(Command::Stop);
    }

    /// Puts what an audit found away.
    pub fn close_audit(&mut self) {
        if matches!(self.audit, Some(AuditState::Done { .. })) {
            self.audit = None;
        }
    }

    /// Whether this progress is the audit's.
    pub(super) fn take_audit_progress(&mut self, progress: Progress) -> bool {
        let Some(audit) = self.running_audit_mut() else { return false };
        if !matches!(progress.phase, Phase::Audit(_) | Phase::WarmUp) {
            return false;
        }
        audit.progress = Some(progress);
        true
    }

    /// Whether a pause or its end was the audit's.
    pub(super) fn take_audit_status(&mut self, status: RunStatus) -> bool {
        let Some(audit) = self.running_audit_mut() else { return false };
        if audit.status != RunStatus::Stopping {
            audit.status = status;
        }
        true
    }

    pub(super) fn handle_audited(&mut self, report: Option<Box<AuditReport>>) {
        let Some(AuditState::Running(audit)) = self.audit.take() else { return };
        match report {
            Some(report) => self.audit = Some(AuditState::Done { node: audit.node, report, page: audit.page }),
            None => self.notify(Level::Warning, "The audit was stopped; nothing was written.".to_owned()),
        }
    }
}
