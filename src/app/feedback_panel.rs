//! What must go and what may stay: pictures first, numbers second.

use eframe::egui::{self, ComboBox, RichText, Stroke, StrokeKind, Ui, vec2};

use super::{
    dialogs::{Dialogs, Purpose},
    studio::Studio,
    theme::palette,
    thumbnails::Thumbnails,
    tiles::Source,
    widgets,
};
use crate::{
    engine::SampleKind,
    unlearn::feedback::{Mark, Sample},
};

/// Thumbnails of each kind that are shown; the rest is a number.
const SHOWN: usize = 24;
const SIDE: f32 = 36.0;

pub(super) fn ui(ui: &mut Ui, studio: &mut Studio, thumbnails: &mut Thumbnails, dialogs: &mut Dialogs) {
    let (negatives, positives) = studio.marks.counts();
    widgets::section(ui, "Feedback", |ui| menu(ui, studio, dialogs));
    if negatives + positives == 0 {
        ui.add_space(2.0);
        widgets::explain(
            ui,
            "Click what must go. Right-click or Shift-click what may stay. Drag to mark many at once; a second click \
             takes a mark away.",
        );
    }
    let p = palette(ui.style());
    for (mark, count, name, colour) in
        [(Mark::Negative, negatives, "Must go", p.negative), (Mark::Positive, positives, "May stay", p.positive)]
    {
        ui.add_space(6.0);
        ui.horizontal(|ui| {
            widgets::dot(ui, colour);
            ui.label(name);
            ui.label(RichText::new(widgets::grouped(count)).color(colour));
        });
        let feedback = studio.marks.feedback();
        let samples: Vec<Sample> =
            feedback.iter().filter(|&(_, m)| m == mark).map(|(sample, _)| sample).take(SHOWN).collect();
        strip(ui, studio, thumbnails, &samples, mark);
        if count > samples.len() {
            widgets::explain(ui, format!("and {} more", widgets::grouped(count - samples.len())));
        }
    }
    labeler(ui, studio, dialogs);
}

fn menu(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    ui.menu_button("Marks", |ui| {
        ui.set_min_width(200.0);
        let open = studio.model.is_some();
        if ui.add_enabled(open, egui::Button::new("Load marks\u{2026}")).clicked() {
            dialogs.ask(Purpose::OpenFeedback, studio);
        }
        let any = !studio.marks.feedback().is_empty();
        if ui.add_enabled(any, egui::Button::new("Save marks\u{2026}")).clicked() {
            dialogs.ask(Purpose::SaveFeedback, studio);
        }
        ui.separator();
        if ui.add_enabled(any, egui::Button::new("Clear all marks")).clicked() {
            studio.marks.clear();
        }
    })
    .response
    .on_hover_text("Load, save and clear marks");
}

fn strip(ui: &mut Ui, studio: &mut Studio, thumbnails: &mut Thumbnails, samples: &[Sample], mark: Mark) {
    thumbnails.want(studio, SampleKind::Feedback, Source::Original, samples);
    let p = palette(ui.style());
    let (colour, name) = match mark {
        Mark::Negative => (p.negative, "must go"),
        Mark::Positive => (p.positive, "may stay"),
    };
    let mut wanted = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        for &sample in samples {
            let address = sample.address();
            let name = format!("Marked sample {} of seed {}, {name}", address.index, address.seed);
            let response = thumbnails.show(ui, Source::Original, sample, SIDE, &name);
            if response.hovered() || response.has_focus() {
                let stroke = Stroke::new(2.0, colour);
                ui.painter().rect_stroke(response.rect, 4.0, stroke, StrokeKind::Inside);
            }
            if response.clicked_by(egui::PointerButton::Secondary) {
                wanted = Some((sample, true));
            } else if response.clicked() {
                wanted = Some((sample, false));
            }
            response.on_hover_text(format!(
                "Seed {}, sample {}, psi {}. Click to look closely, right-click to take the mark away.",
                address.seed,
                address.index,
                sample.psi()
            ));
        }
    });
    match wanted {
        Some((sample, true)) => studio.marks.set([sample], None),
        Some((sample, false)) => studio.look_at(sample),
        None => {}
    }
}

fn labeler(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    widgets::gap(ui);
    let has = studio.labeler.is_some();
    widgets::section(ui, "Labeler", |ui| {
        let text = if has { "Remove" } else { "Choose\u{2026}" };
        let name = if has { "Remove labeler" } else { "Choose labeler" };
        if ui.button(text).accessible_name(name).clicked() {
            if has {
                studio.labeler = None;
            } else {
                dialogs.ask(Purpose::OpenLabeler, studio);
            }
        }
    });
    let Some(choice) = &mut studio.labeler else {
        widgets::explain(ui, "A classifier (.onnx) can say what must go in your stead, and measure what came of it.");
        return;
    };
    let file = choice.card.spec.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    ui.label(RichText::new(file).weak());
    ui.horizontal(|ui| {
        let label = ui.label("Forget class");
        ComboBox::from_id_salt("class")
            .selected_text(choice.forget.to_string())
            .show_ui(ui, |ui| {
                for class in 0..choice.card.classes.min(1000) {
                    ui.selectable_value(&mut choice.forget, class, class.to_string());
                }
            })
            .response
            .labelled_by(label.id)
            .accessible_name("Class to forget");
    });
    ui.checkbox(&mut choice.gives_feedback, "It marks the samples").on_hover_text(
        "The labeler looks at samples and takes those of its class as what must go. Otherwise your marks count, and \
         the labeler only measures the result.",
    );
}
