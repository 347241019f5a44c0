//! Says why samples that were to be ordered are not yet, while the labeler that orders them waits for a run or an audit.

use eframe::egui::{Align2, Area, Id, Margin, Order, Rect, Ui, vec2};

use crate::app::{
    state::studio::Studio,
    views::{format::group_digits, widgets},
};

/// Room between the word and the grid's sides, in points.
const MARGIN: f32 = 12.0;

/// A word above the grid, while it waits. There is one at a time: where a walk leads to comes first.
pub(super) fn ui(ui: &Ui, place: Rect, studio: &mut Studio) {
    let Some((what, looked)) = studio.order_waits_for().zip(studio.order.looked_through()) else { return };
    if studio.walk.start().is_some() {
        return;
    }
    let (text, button, help) = match looked.done {
        0 => {
            let help = "Shows samples as drawn, and asks the labeler nothing";
            (
                format!("Not in order yet: the labeler looks through samples once the {what} has ended."),
                "As drawn",
                help,
            )
        }
        done => {
            let text =
                format!("In order: the {} samples looked through. More once the {what} has ended.", group_digits(done));
            (text, "Use only these", "Looks through no more samples")
        }
    };
    Area::new(Id::unique("order waits"))
        .order(Order::Middle)
        .pivot(Align2::CENTER_TOP)
        .fixed_pos(place.center_top() + vec2(0.0, 18.0))
        .show(ui.ctx(), |ui| {
            ui.set_max_width(place.width() - 2.0 * MARGIN);
            widgets::pill(ui).inner_margin(Margin { left: 14, right: 6, top: 5, bottom: 5 }).show(ui, |ui| {
                ui.horizontal_wrapped(|ui| {
                    ui.label(text);
                    if ui.button(button).on_hover_text(help).clicked() {
                        studio.order.stop();
                    }
                });
            });
        });
}
