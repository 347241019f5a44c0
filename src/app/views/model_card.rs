//! What is open.

use eframe::egui::{DragValue, Label, RichText, Ui};

use super::{
    dialogs::{Dialogs, Purpose},
    format::group_digits,
    widgets,
};
use crate::{app::state::studio::Studio, model::ModelCard};

pub(crate) fn ui(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    let Some(card) = &studio.model else {
        widgets::section(ui, "Model", |_| {});
        widgets::explain(ui, "No model is open.");
        return;
    };
    let name = studio.open_name().unwrap_or_default();
    let response = widgets::card(ui)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.label(RichText::new(name).heading());
            ui.add_space(1.0);
            let kind = format!("{}, {} \u{d7} {} pixels", card.family, card.resolution, card.resolution);
            ui.label(RichText::new(kind).weak());
            let parameters = card.generator_parameters;
            let size = match parameters {
                0..1_000_000 => group_digits(parameters),
                _ => format!("{:.1} million", parameters as f64 / 1e6),
            };
            let classes = match card.classes {
                0 => String::new(),
                classes => format!(", {} classes", group_digits(classes)),
            };
            ui.label(RichText::new(format!("{size} parameters{classes}")).weak());
            if card.completes.is_none() && card.discriminator_parameters.is_none() {
                ui.label(
                    RichText::new("no discriminator: one will be trained first").color(ui.visuals().warn_fg_color),
                );
            }
        })
        .response;
    let channels: Vec<String> =
        card.channels.iter().zip(&card.sides).map(|(channels, side)| format!("{channels} at {side}")).collect();
    let digest: String = card.sha256.chars().take(16).collect();
    let details: Vec<String> =
        card.details.iter().map(|(name, value)| format!("\n{} {value}", name.replace('_', " "))).collect();
    let hover = format!(
        "{}\ncontains {}\nlatent {}, w {}{}\nchannels {}\nSHA-256 {digest}\u{2026}",
        card.file.display(),
        card.contents.join(", "),
        card.latent,
        card.w_dim,
        details.concat(),
        channels.join(", "),
    );
    response.on_hover_text(hover);
    pictures(ui, studio, dialogs);
    let chosen = studio.model.as_ref().filter(|card| card.can_be_conditional).and_then(|card| classes(ui, card));
    if let Some(classes) = chosen.filter(|_| studio.run.in_progress().is_none()) {
        studio.set_classes(classes);
    }
}

/// Which pictures a model completes, and where to choose them.
fn pictures(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    let Some(completes) = studio.model.as_ref().and_then(|card| card.completes) else { return };
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        if ui.button("Pictures\u{2026}").on_hover_text("The folder of pictures that the model completes").clicked() {
            dialogs.ask(Purpose::OpenPictures, studio);
        }
        let text = match (&studio.pictures, completes.pictures) {
            (Some(source), count) if count > 0 => {
                let name = source.name();
                let short = name.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(&name).to_owned();
                format!("{} of {short}", group_digits(count))
            }
            _ => "none are open yet".to_owned(),
        };
        ui.add(Label::new(RichText::new(text).weak()).truncate());
    });
}

/// Asks how many classes stand behind the latent of a model whose file does not say so; the answer, once it is given.
fn classes(ui: &mut Ui, card: &ModelCard) -> Option<usize> {
    let id = ui.scope_id().with(("classes", &card.sha256, card.classes));
    let mut classes = ui.data(|data| data.get_temp(id)).unwrap_or(card.classes);
    let most = (card.latent + card.classes).saturating_sub(1);
    let help = "A class-conditional model of this kind has its classes behind the latent, and its file does not say how many. \
                0: it has none.";
    let response = ui
        .horizontal(|ui| {
            let label = ui.label(RichText::new("Classes").weak()).on_hover_text(help);
            let value = DragValue::new(&mut classes).range(0..=most).update_while_editing(false);
            ui.add(value).labelled_by(label.id).accessible_name("Number of classes").on_hover_text(help)
        })
        .inner;
    ui.data_mut(|data| data.insert_temp(id, classes));
    let given = response.drag_stopped() || response.lost_focus();
    (given && classes != card.classes).then_some(classes)
}
