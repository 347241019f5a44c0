//! What to do first, until a run has ended once.

use eframe::egui::{Align, Color32, Frame, Label, Layout, Margin, RichText, Stroke, TextStyle, Ui};

use crate::app::{
    state::studio::Studio,
    views::{
        theme::{Palette, palette},
        widgets,
    },
};

/// What the steps lead to, where there is room to say it.
const WHAT: &str = "Make this model forget something:";
/// Room after a step.
const AFTER: f32 = 10.0;

/// What is to be done, and whether it is.
type Step = (&'static str, bool);

/// The steps. Marks that somebody else makes count as well.
fn steps(studio: &Studio) -> [Step; 3] {
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
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let close = ui.small_button("\u{d7}").accessible_name("Hide first steps");
                if close.on_hover_text("Hides these steps. Help shows them again.").clicked() {
                    studio.prefs.first_steps_done = true;
                    studio.prefs.save();
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let (room, needed) = (ui.available_width(), needed(ui, &steps));
                    if needed > room {
                        next_only(ui, &steps, next);
                        return;
                    }
                    if needed + width(ui, WHAT) <= room {
                        ui.label(RichText::new(WHAT).weak());
                    }
                    all(ui, &steps, next, p);
                });
            });
        });
    });
}

/// All steps in a line, those that are done ticked off.
fn all(ui: &mut Ui, steps: &[Step], next: Option<usize>, p: Palette) {
    for (number, &(step, done)) in steps.iter().enumerate() {
        if done {
            widgets::tick(ui, p.positive, &format!("Done: {step}"));
        }
        let text = RichText::new(format!("{}. {step}", number + 1));
        let text = match (done, next == Some(number)) {
            (true, _) => text.color(p.positive),
            (_, true) => text.strong(),
            _ => text.weak(),
        };
        ui.add(Label::new(text).extend());
        ui.add_space(AFTER);
    }
}

/// Where there is no room for all: the next step, and how many there are. A second line would take a row of the grid.
fn next_only(ui: &mut Ui, steps: &[Step], next: Option<usize>) {
    let number = next.unwrap_or(steps.len().saturating_sub(1));
    let Some((step, _)) = steps.get(number) else { return };
    ui.label(RichText::new(format!("{} of {}", number + 1, steps.len())).weak());
    ui.add(Label::new(RichText::new(*step).strong()).truncate());
}

/// Room that all steps take in one line, ticked off.
fn needed(ui: &Ui, steps: &[Step]) -> f32 {
    const TICK: f32 = 12.0;
    let step = |(number, (step, _)): (usize, &Step)| {
        TICK + ui.spacing().item_spacing.x + width(ui, &format!("{}. {step}", number + 1)) + AFTER
    };
    steps.iter().enumerate().map(step).sum()
}

/// Room that words take in a line.
fn width(ui: &Ui, words: &str) -> f32 {
    let font = TextStyle::Body.resolve(ui.style());
    let words = ui.painter().layout_no_wrap(words.to_owned(), font, Color32::PLACEHOLDER).size().x;
    words + ui.spacing().item_spacing.x
}
