//! What clicks and dragged rectangles do.

use eframe::egui::{self, PointerButton, Pos2, Rect, Response, Role, Ui, WidgetInfo, vec2};

use super::view::GridView;
use crate::{
    app::{
        state::{layout::TileLayout, studio::Studio},
        views::format::format_probability,
    },
    feedback::{Mark, Sample},
};

impl GridView {
    pub(super) fn click(
        &mut self,
        ui: &Ui,
        background: &Response,
        response: &Response,
        (place, sample): (usize, Sample),
        studio: &mut Studio,
    ) {
        let mark = studio.marks.get(sample);
        let label = studio.order.label(sample);
        response.widget_info(|| {
            let mark_name = match mark {
                None => "",
                Some(Mark::Negative) => ", must go",
                Some(Mark::Positive) => ", may stay",
            };
            let likely = label.map(|label| format!(", {} likely to show it", format_probability(label.probability)));
            let name = format!("Sample {}{mark_name}{}", sample.address().index, likely.unwrap_or_default());
            WidgetInfo::selected(Role::Button, true, mark.is_some(), name)
        });
        if studio.walk.start().is_some() {
            if response.clicked() {
                studio.view.cursor = place;
                background.request_focus();
                studio.walk_to(sample);
            }
            return;
        }
        let shift = ui.input(|i| i.modifiers.shift);
        if response.double_clicked() {
            // Looking closely is no answer: the mark is as it was before the first of the two clicks.
            if let Some((_, before)) = self.before_click.take().filter(|(clicked, _)| *clicked == sample) {
                studio.marks.set_state(sample, before);
            }
        } else if response.clicked_by(PointerButton::Secondary) || (response.clicked() && shift) {
            studio.marks.toggle(sample, Mark::Positive);
        } else if response.clicked() {
            self.before_click = Some((sample, studio.marks.state(sample)));
            studio.marks.toggle(sample, Mark::Negative);
        } else {
            return;
        }
        studio.view.cursor = place;
        background.request_focus();
        if response.double_clicked() {
            studio.open_detail(sample);
        }
    }

    /// The rectangle that is being drawn, and what it catches; it marks when it is let go.
    pub(super) fn rectangle(
        &mut self,
        ui: &Ui,
        background: &Response,
        origin: Pos2,
        layout: &TileLayout,
        studio: &mut Studio,
    ) -> Vec<usize> {
        // Less than this is a click that trembled.
        const DRAG_THRESHOLD: f32 = 6.0;
        let pointer = |get: fn(&egui::PointerState) -> Option<Pos2>| ui.input(|input| get(&input.pointer));
        if self.drag_start.is_none()
            && background.dragged_by(PointerButton::Primary)
            && let Some((start, now)) = pointer(|p| p.press_origin()).zip(pointer(|p| p.latest_pos()))
            && start.distance(now) > DRAG_THRESHOLD
        {
            self.drag_start = Some(start - origin.to_vec2());
        }
        let (Some(start), Some(pointer)) = (self.drag_start, ui.input(|i| i.pointer.latest_pos())) else {
            return Vec::new();
        };
        if ui.input(|i| i.key_pressed(egui::Key::Escape)) {
            self.drag_start = None;
            return Vec::new();
        }
        let selected = layout.within(Rect::from_two_pos(start, pointer - origin.to_vec2()));
        let clip = ui.clip_rect();
        let beyond = (pointer.y - clip.bottom()).max(0.0) - (clip.top() - pointer.y).max(0.0);
        if beyond != 0.0 {
            ui.scroll_with_delta(vec2(0.0, -beyond.clamp(-30.0, 30.0)));
            ui.ctx().request_repaint();
        }
        if background.drag_stopped() || !ui.input(|i| i.pointer.any_down()) {
            self.drag_start = None;
            let modifiers = ui.input(|i| i.modifiers);
            let mark = match (modifiers.command, modifiers.shift) {
                (true, _) => None,
                (_, true) => Some(Mark::Positive),
                _ => Some(Mark::Negative),
            };
            let samples: Vec<Sample> = selected.iter().filter_map(|&index| studio.sample(index)).collect();
            studio.marks.set(samples, mark);
            return Vec::new();
        }
        selected
    }
}
