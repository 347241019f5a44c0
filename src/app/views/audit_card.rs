//! An audit: how far it is, and what it found.

use eframe::egui::{OpenUrl, ProgressBar, RichText, Ui};

use super::{follow, format::format_duration, theme::palette, widgets};
use crate::app::state::{audit::AuditState, run_state::RunStatus, studio::Studio};

/// The report of an audit of weights that the node had before.
pub(crate) const EARLIER: &str = "Show earlier report";

/// The audit in progress or the last one; nothing if there is none.
pub(crate) fn ui(ui: &mut Ui, studio: &mut Studio) {
    let p = palette(ui.style());
    match &studio.audit {
        None => {}
        Some(AuditState::Running(audit)) => {
            let audit = audit.clone();
            widgets::card(ui).show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.label(RichText::new(format!("Audit of {}", name(studio, audit.node))).heading().color(p.before));
                widgets::explain(ui, audit.description());
                ui.add_space(4.0);
                ui.add(ProgressBar::new(audit.part()).desired_height(6.0))
                    .on_hover_text("Part of the audit that is done");
                let left = audit.progress.and_then(|progress| progress.seconds_left);
                widgets::explain(ui, left.map_or_else(String::new, |left| format!("{} left", format_duration(left))));
                ui.add_space(4.0);
                ui.horizontal(|ui| {
                    let paused = audit.status == RunStatus::Paused;
                    let busy = matches!(audit.status, RunStatus::Pausing | RunStatus::Stopping);
                    let hold = if paused { "Go on" } else { "Pause" };
                    let hold = ui.add_enabled_ui(!busy, |ui| widgets::wide_button(ui, hold, p.after, 110.0)).inner;
                    follow::to(ui, &hold);
                    if hold.clicked() {
                        studio.pause_or_resume_audit();
                    }
                    let stop = widgets::side_button(ui, "Stop").on_hover_text("End the audit; nothing is written");
                    follow::from(ui, &stop);
                    if stop.clicked() {
                        studio.stop_audit();
                    }
                });
            });
            widgets::gap(ui);
        }
        Some(AuditState::Done { node, report, page }) => {
            let (node, page) = (*node, page.clone());
            let note = studio.note_on_weights(node, &report.result.sha256);
            // What was found says nothing of weights that came later.
            let verdicts = if note.is_some() { Vec::new() } else { report.verdicts.clone() };
            widgets::card(ui).show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.label(RichText::new(format!("Audit of {}", name(studio, node))).heading().color(p.after));
                if let Some(note) = &note {
                    ui.label(RichText::new(note).color(ui.visuals().warn_fg_color));
                }
                ui.add_space(4.0);
                ui.horizontal(|ui| {
                    let help = format!("Opens {} in a browser", page.display());
                    let text = if note.is_some() { EARLIER } else { "Show report" };
                    let open = widgets::wide_button(ui, text, p.after, 130.0).on_hover_text(help);
                    follow::to(ui, &open);
                    if open.clicked() {
                        show(ui, &page);
                    }
                    let close = widgets::side_button(ui, "Close");
                    follow::from(ui, &close);
                    if close.clicked() {
                        studio.close_audit();
                    }
                });
                for verdict in &verdicts {
                    ui.add_space(4.0);
                    ui.label(RichText::new(&verdict.about).strong());
                    widgets::explain(ui, &verdict.finding);
                }
            });
            widgets::gap(ui);
        }
    }
}

/// Opens a page in the system's browser.
pub(crate) fn show(ui: &Ui, page: &std::path::Path) {
    ui.ctx().open_url(OpenUrl::new_tab(format!("file://{}", page.display())));
}

fn name(studio: &Studio, node: crate::project::NodeId) -> String {
    let history = studio.history.as_ref();
    history
        .and_then(|history| history.manifest.node(node))
        .map_or_else(|| format!("node {node}"), |node| node.name.clone())
}
