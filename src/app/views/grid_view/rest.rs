//! Asks whether the rest of the page may stay, where something on it must go. What may stay teaches a probe as much as what must
//! go, and costs one click a page.

use eframe::egui::{Align2, Area, Button, Id, Margin, Order, Rect, Stroke, Ui, pos2, vec2};

use super::{page, view::GridView};
use crate::{
    app::{
        state::{studio::Studio, view::Compare},
        views::{theme::palette, widgets},
    },
    feedback::Mark,
};

/// Unmarked samples of the page that are worth asking about.
const WORTH_ASKING: usize = 4;

/// Below this width of the grid the question makes room: the button says it as well.
const NARROW: f32 = 420.0;

/// The room at the grid's lower edge that the question takes at most.
const ROOM: [f32; 2] = [380.0, 62.0];

/// A word below the grid, while the page shows marks that must go and samples without a mark.
pub(super) fn ui(view: &mut GridView, ui: &Ui, place: Rect, studio: &mut Studio) {
    let was_asked = std::mem::replace(&mut view.asks_for_rest, false);
    let marks: Vec<Option<Mark>> =
        view.page.clone().filter_map(|index| Some(studio.marks.get(studio.sample(index)?))).collect();
    let unmarked = marks.iter().filter(|mark| mark.is_none()).count();
    let idle = studio.run.in_progress().is_none() && view.drag_start.is_none();
    // Who looks at what changed is not marking.
    let is_marking = matches!(studio.view.compare, Compare::After | Compare::Before);
    if !idle || !is_marking || unmarked < WORTH_ASKING || !marks.contains(&Some(Mark::Negative)) {
        return;
    }
    if !was_asked && is_pointed_at(ui, place) {
        // Whoever clicks the lowest tiles must not meet it under the pointer.
        return;
    }
    view.asks_for_rest = true;
    let p = palette(ui.style());
    Area::new(Id::unique("rest"))
        .order(Order::Middle)
        .pivot(Align2::CENTER_BOTTOM)
        .fixed_pos(place.center_bottom() - vec2(0.0, 12.0))
        .show(ui.ctx(), |ui| {
            let left = if place.width() > NARROW { 14 } else { 6 };
            widgets::pill(ui).inner_margin(Margin { left, right: 6, top: 5, bottom: 5 }).show(ui, |ui| {
                ui.horizontal(|ui| {
                    if place.width() > NARROW {
                        ui.label("Marked all that must go here?");
                    }
                    let button = Button::new(format!("The other {unmarked} may stay")).stroke(Stroke::new(1.0, p.positive));
                    let help = "Marks every unmarked sample in view as one that may stay (Ctrl+Shift+A). It takes one click and \
                                teaches as much as all the others.";
                    if ui.add(button.corner_radius(12)).on_hover_text(help).clicked() {
                        page::rest_may_stay(view, studio);
                    }
                });
            });
        });
}

/// Whether the pointer is where the question would stand.
fn is_pointed_at(ui: &Ui, place: Rect) -> bool {
    let [width, height] = ROOM;
    let bottom = place.center_bottom();
    let room =
        Rect::from_min_max(pos2(bottom.x - width / 2.0, bottom.y - height), pos2(bottom.x + width / 2.0, bottom.y));
    ui.input(|input| input.pointer.latest_pos()).is_some_and(|pointer| room.contains(pointer))
}
