//! What to do first, until a run has ended once.

use eframe::egui::{Color32, Frame, Label, Margin, RichText, Stroke, TextStyle, Ui};

use crate::app::{
    state::studio::Studio,
    views::{theme::palette, widgets},
};

/// Width from which on there is room to say what the steps lead to.
const WIDE: f32 = 700.0;

/// The steps, and which of them are done. Marks that somebody else makes count as well.
fn steps(studio: &Studio) -> [(&'static str, bool); 3] {
    let (negatives, _) = studio.marks.counts();
    let labelled = studio.labeler.as_ref().is_some_and(|labeler| labeler.gives_feedback);
    [
        ("Click what must go", negatives > 0 || labelled),
        ("Let it suggest more like these", studio.suggestions.is_some() || labelled),
        ("Unlearn", studio.run.in_progress().is_some()),
    ]
}

/// A line above the grid that ticks itself off.
pub(super) fn ui(ui: &mut Ui, studio: &mut Studio) {
    if studio.prefs.first_steps_done {
        return;
    }
    let p = palette(ui.style());
    let steps = steps(studio);
    let next = steps.iter().position(|(_, done)| !done);
    let frame = Frame::new().fill(p.card).stroke(Stroke::new(1.0, p.line)).corner_radius(8);
    let frame =
        frame.inner_margin(Margin::symmetric(12, 5)).outer_margin(Margin { left: 12, right: 12, top: 4, bottom: 0 });
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_wrapped(|ui| {
            if ui.available_width() > WIDE {
                ui.label(RichText::new("Make this model forget something:").weak());
                ui.add_space(4.0);
            }
            for (number, (step, done)) in steps.into_iter().enumerate() {
                let words = format!("{}. {step}", number + 1);
                // In one piece: a tick or a number that ends a line says nothing.
                if width(ui, &words) > ui.available_size_before_wrap().x {
                    ui.end_row();
                }
                if done {
                    widgets::tick(ui, p.positive, &format!("Done: {step}"));
                }
                let text = RichText::new(words);
                let text = match (done, next == Some(number)) {
                    (true, _) => text.color(p.positive),
                    (_, true) => text.strong(),
                    _ => text.weak(),
                };
                ui.add(Label::new(text).extend());
                ui.add_space(10.0);
            }
            let close = ui.small_button("\u{d7}").accessible_name("Hide first steps");
            if close.on_hover_text("Hides these steps. Help shows them again.").clicked() {
                studio.prefs.first_steps_done = true;
                studio.prefs.save();
            }
        });
    });
}

/// Room that a step takes with its tick.
fn width(ui: &Ui, words: &str) -> f32 {
    const TICK: f32 = 12.0;
    let font = TextStyle::Body.resolve(ui.style());
    let words = ui.painter().layout_no_wrap(words.to_owned(), font, Color32::PLACEHOLDER).size().x;
    TICK + ui.spacing().item_spacing.x + words
}
