//! Asks which sample a walk leads to, once one was chosen that it begins at.

use eframe::egui::{Align2, Area, Id, Margin, Order, Rect, Ui, vec2};

use crate::app::{
    state::{studio::Studio, walk::WalkState},
    views::widgets,
};

/// A word above the grid, while a walk has a beginning and no end.
pub(super) fn ui(ui: &Ui, place: Rect, studio: &mut Studio) {
    let Some(from) = studio.walk.start() else { return };
    Area::new(Id::unique("walk to"))
        .order(Order::Middle)
        .pivot(Align2::CENTER_TOP)
        .fixed_pos(place.center_top() + vec2(0.0, 18.0))
        .show(ui.ctx(), |ui| {
            widgets::pill(ui).inner_margin(Margin { left: 14, right: 6, top: 5, bottom: 5 }).show(ui, |ui| {
                ui.horizontal(|ui| {
                    ui.label(format!("Walk from sample {}: click the sample to walk to.", from.address().index));
                    let help = "Escape does the same. Arrow keys and Enter choose a sample, too.";
                    if ui.button("Cancel").on_hover_text(help).clicked() {
                        studio.walk = WalkState::None;
                    }
                });
            });
        });
}
