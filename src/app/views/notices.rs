//! What is said to the user, at the lower right corner of the grid: on the panels it would cover a button.

use eframe::egui::{self, Align2, Area, Context, Frame, Id, Margin, Order, Rect, Stroke, vec2};

use super::{
    theme::{self, palette},
    widgets,
};
use crate::app::state::{notices::Level, studio::Studio};

/// Shows them at the lower right corner of `place`.
pub(crate) fn ui(ctx: &Context, studio: &mut Studio, place: Rect) {
    if let Some(soon) = studio.notices.age(studio.now) {
        ctx.request_repaint_after(std::time::Duration::from_secs_f64(soon.max(0.05)));
    }
    if studio.notices.all().is_empty() {
        return;
    }
    let p = palette(&ctx.global_style());
    let mut dismissed = None;
    let screen = ctx.content_rect().max;
    let corner = place.max - screen - vec2(14.0, 14.0);
    Area::new(Id::unique("notices")).order(Order::Foreground).anchor(Align2::RIGHT_BOTTOM, corner).show(ctx, |ui| {
        ui.set_max_width(380.0);
        for (index, notice) in studio.notices.all().iter().enumerate() {
            let (colour, close) = match notice.level {
                Level::Done => (p.positive, "Hide notice"),
                Level::Warning => (p.before, "Hide notice"),
                Level::Error => (p.negative, "Dismiss error"),
            };
            let frame = Frame::new()
                .fill(theme::mix(p.card, colour, 0.08))
                .stroke(Stroke::new(1.0, theme::mix(p.line, colour, 0.5)))
                .corner_radius(8)
                .shadow(egui::Shadow {
                    offset: [0, 3],
                    blur: 14,
                    spread: 0,
                    color: egui::Color32::from_black_alpha(70),
                })
                .inner_margin(Margin::symmetric(12, 9));
            frame.show(ui, |ui| {
                ui.horizontal_top(|ui| {
                    widgets::dot(ui, colour);
                    let times = notice.times;
                    let times = if times > 1 { format!(" ({times} times)") } else { String::new() };
                    let text = format!("{}{times}", capitalized(&notice.text));
                    let down = egui::Layout::top_down(egui::Align::Min);
                    ui.allocate_ui_with_layout(vec2(290.0, 0.0), down, |ui| {
                        ui.set_width(290.0);
                        ui.add(egui::Label::new(text).wrap());
                    });
                    if ui.small_button("\u{d7}").accessible_name(close).clicked() {
                        dismissed = Some(index);
                    }
                });
            });
            ui.add_space(2.0);
        }
    });
    if let Some(index) = dismissed {
        studio.notices.dismiss(index);
    }
}

/// A sentence as it stands alone. What begins with a file's name stays as it is.
pub(crate) fn capitalized(sentence: &str) -> String {
    let first = sentence.split_whitespace().next().unwrap_or_default();
    if !first.chars().all(char::is_alphabetic) {
        return sentence.to_owned();
    }
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |letter| letter.to_uppercase().chain(letters).collect())
}
