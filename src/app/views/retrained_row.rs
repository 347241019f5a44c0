//! The retrained model that audits of a node compare with: a row that stands where an audit is begun.

use eframe::egui::{RichText, Ui};

use super::{
    dialogs::{Dialogs, Purpose},
    widgets,
};
use crate::{app::state::studio::Studio, project::Node};

const HELP: &str = "A model that was trained without what must go: the gold standard. It goes through the same audit, and its rows stand \
                    beside the others in the report. Without one nobody can say whether what an attack finds means that it was kept.";
const OFFERED: &str =
    "Offered, as its file says that it was trained on the same data without this, and with all that was to be kept.";

pub(crate) fn ui(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs, node: &Node) {
    studio.look_for_retrained(node);
    let looking = studio.retrained_models.looking_at.clone().filter(|(of, _)| *of == node.id).map(|(_, file)| file);
    let chosen = studio.retrained_for(node).map(|(file, is_offered)| (file.to_owned(), is_offered));
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("Retrained model (never saw it)").small()).on_hover_text(HELP);
        let name = |file: &std::path::Path| file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        match (&looking, &chosen) {
            (Some(file), _) => {
                widgets::busy(ui, 14.0);
                ui.label(RichText::new(format!("Looking at {}\u{2026}", name(file))).small().weak());
            }
            (None, Some((file, is_offered))) => {
                let origin = if *is_offered { OFFERED } else { "Chosen for audits of this node." };
                let help = format!("{origin}\n{}", file.display());
                ui.label(RichText::new(name(file)).small().strong()).on_hover_text(help);
                if *is_offered {
                    ui.label(RichText::new("offered").small().weak()).on_hover_text(OFFERED);
                }
            }
            (None, None) => {
                ui.label(RichText::new("none").small().weak());
            }
        }
        let choose = widgets::minor_button(ui, "Choose\u{2026}").on_hover_text(HELP);
        if choose.accessible_name("Choose retrained model").clicked() {
            dialogs.ask(Purpose::OpenRetrainedModel(node.id), studio);
        }
        if chosen.is_some() {
            let clear = widgets::minor_button(ui, "Clear").on_hover_text("Audit without a retrained model");
            if clear.accessible_name("Clear retrained model").clicked() {
                studio.clear_retrained(node.id);
            }
        }
    });
    if let Some(refused) = studio.retrained_refused(node.id) {
        ui.label(RichText::new(refused).small().color(ui.visuals().error_fg_color));
    }
}
