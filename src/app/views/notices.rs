//! What is said to the user, in a strip of its own below the grid: over anything else it would cover a control.

use eframe::egui::{self, Context, Frame, Margin, ScrollArea, Stroke, Ui, vec2};

use super::{
    format::with_capital,
    theme::{self, palette},
    widgets,
};
use crate::app::state::{
    notices::{Level, Notice},
    studio::Studio,
};

/// The strip grows no higher: what is shown stays in sight.
const HEIGHT: f32 = 132.0;
/// Width of what stands beside a sentence.
const BESIDE: f32 = 60.0;

/// Takes away what has been there long enough, and wakes the window for the next one; whether there is nothing to say.
pub(crate) fn is_empty(ctx: &Context, studio: &mut Studio) -> bool {
    if let Some(soon) = studio.notices.age(studio.now) {
        ctx.request_repaint_after(std::time::Duration::from_secs_f64(soon.max(0.05)));
    }
    studio.notices.all().is_empty()
}

pub(crate) fn ui(ui: &mut Ui, studio: &mut Studio) {
    let mut dismissed = None;
    let area = ScrollArea::vertical().id_salt("notices").auto_shrink([false, true]);
    // Without a least height it could not grow beyond what it had in the frame before.
    area.min_scrolled_height(HEIGHT).max_height(HEIGHT).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        for (index, notice) in studio.notices.all().iter().enumerate() {
            if line(ui, notice) {
                dismissed = Some(index);
            }
        }
    });
    if let Some(index) = dismissed {
        studio.notices.dismiss(index);
    }
}

/// One of them; whether it is to go.
fn line(ui: &mut Ui, notice: &Notice) -> bool {
    let p = palette(ui.style());
    let (colour, close) = match notice.level {
        Level::Done => (p.positive, "Hide notice"),
        Level::Warning => (p.before, "Hide notice"),
        Level::Error => (p.negative, "Dismiss error"),
    };
    let frame = Frame::new()
        .fill(theme::mix(p.card, colour, 0.08))
        .stroke(Stroke::new(1.0, theme::mix(p.line, colour, 0.5)))
        .corner_radius(8)
        .inner_margin(Margin::symmetric(12, 6));
    let content = |ui: &mut Ui| {
        let width = (ui.available_width() - BESIDE).max(80.0);
        widgets::dot(ui, colour);
        let times = if notice.times > 1 { format!(" ({} times)", notice.times) } else { String::new() };
        let text = format!("{}{times}", capitalized(&notice.text));
        ui.allocate_ui_with_layout(vec2(width, 0.0), egui::Layout::top_down(egui::Align::Min), |ui| {
            ui.set_width(width);
            ui.add(egui::Label::new(text).wrap());
        });
        ui.small_button("\u{d7}").accessible_name(close).clicked()
    };
    frame.show(ui, |ui| ui.horizontal_top(content).inner).inner
}

/// A sentence as it stands alone. What begins with a file's name stays as it is.
pub(crate) fn capitalized(sentence: &str) -> String {
    let first = sentence.split_whitespace().next().unwrap_or_default();
    if !first.chars().all(char::is_alphabetic) {
        return sentence.to_owned();
    }
    with_capital(sentence)
}
