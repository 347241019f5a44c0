//! The grid in its scrolled area: which tiles are seen, who gets the pointer and the keys.

use eframe::egui::{
    self, Align2, EventFilter, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, TextStyle, Ui, WidgetInfo,
    scroll_area::ScrollSource, style::ScrollAnimation, vec2,
};

use super::{
    first_steps, heat_scale, keys, order_wait,
    page::{MARGIN, page},
    paint::VisibleGrid,
    rest, status, toolbar,
    view::GridView,
    walk,
};
use crate::{
    app::{
        state::{layout::TileLayout, studio::Studio},
        views::{format::format_probability, theme::palette},
    },
    feedback::Sample,
};

impl GridView {
    pub(crate) fn ui(&mut self, ui: &mut Ui, studio: &mut Studio) {
        ui.add_space(8.0);
        toolbar::ui(self, ui, studio);
        studio.update_order();
        if self.order_revision != studio.order.revision() {
            // Other samples stand in these places now.
            (self.order_revision, self.scroll_to, self.drag_start) = (studio.order.revision(), Some(0.0), None);
        }
        if studio.model.is_none() {
            self.filled = false;
            status::empty(ui, studio);
            return;
        }
        if studio.sample_count() == 0 {
            self.filled = false;
            status::no_pictures(ui);
            return;
        }
        if studio.shown_count() == 0 {
            self.filled = false;
            let place = ui.available_rect_before_wrap();
            status::none_shown(ui, studio);
            order_wait::ui(ui, place, studio);
            return;
        }
        first_steps::ui(ui, studio);
        let mut area = ScrollArea::vertical().id_salt("samples").auto_shrink(false).scroll_source(ScrollSource {
            drag: egui::containers::scroll_area::DragScroll::Never,
            ..ScrollSource::ALL
        });
        if let Some(offset) = self.scroll_to.take() {
            area = area.vertical_scroll_offset(offset.max(0.0));
        }
        let place = ui.available_rect_before_wrap();
        area.show_viewport(ui, |ui, viewport| self.content(ui, viewport, studio));
        status::ui(ui, place, studio, self.any_drawn);
        heat_scale::ui(ui, place, studio);
        order_wait::ui(ui, place, studio);
        rest::ui(self, ui, place, studio);
        walk::ui(ui, place, studio);
    }

    fn content(&mut self, ui: &mut Ui, viewport: Rect, studio: &mut Studio) {
        let layout = TileLayout::new(ui.available_width() - 2.0 * MARGIN, studio.view.tile, studio.shown_count());
        // The same samples stay in view when tiles get another size.
        if layout.columns != self.layout.columns && self.visible_height > 0.0 {
            let row = self.page.start / layout.columns;
            self.scroll_to = Some(row as f32 * layout.pitch());
        }
        ui.set_height(layout.size().y + 2.0 * MARGIN);
        let corner = ui.min_rect().min;
        // The content's point that lies at the screen's `corner + MARGIN`.
        let origin = corner + vec2(MARGIN, MARGIN);
        let seen = layout.seen(viewport.top() - MARGIN, viewport.bottom() - MARGIN);
        (self.page, self.layout) = (page(&layout, viewport.top(), viewport.bottom()), layout);
        (self.visible_height, self.offset) = (viewport.height(), viewport.top());
        let on_screen =
            ui.clip_rect().intersect(Rect::from_min_size(corner, ui.max_rect().size().max(viewport.size())));

        let id = ui.scope_id().with("grid");
        let background = ui.interact(on_screen, id, Sense::DRAG | Sense::FOCUSABLE);
        background.widget_info(|| WidgetInfo::labeled(Role::Group, true, "Samples"));
        let arrows = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(id, arrows));
        if background.gained_focus() {
            // egui takes this only from the next frame on, and until then arrow keys would lead away from the grid.
            ui.ctx().request_repaint();
        }

        let samples: Vec<(usize, Sample)> = seen.filter_map(|i| Some((i, studio.sample(i)?))).collect();
        let mut hovered = None;
        for &(index, sample) in &samples {
            let rect = layout.rect(index).translate(origin.to_vec2());
            let response = ui.interact(rect.intersect(on_screen), id.with(index), Sense::CLICK);
            if response.hovered() && self.drag_start.is_none() {
                hovered = Some(index);
            }
            self.click(ui, &background, &response, (index, sample), studio);
        }
        let selected = match studio.walk.start() {
            // A drag marks nothing while a sample is to be chosen, nor does one that was under way go on afterwards.
            Some(from) => {
                self.drag_start = None;
                samples.iter().filter(|(_, sample)| *sample == from).map(|(index, _)| *index).collect()
            }
            None => self.rectangle(ui, &background, origin, &layout, studio),
        };
        let (nobody, asking) = ui.memory(|memory| (memory.focused().is_none(), memory.top_modal_layer().is_some()));
        // The key that ends typing elsewhere (Enter in a setting) is not meant for the grid.
        if (background.has_focus() || (nobody && self.keyboard_is_free)) && !asking {
            keys::handle_keys(self, ui, &layout, studio);
        }
        if self.page.contains(&studio.view.cursor) {
            self.led_to = None;
        }
        if std::mem::take(&mut self.scroll_to_cursor) {
            self.led_to = Some(studio.view.cursor);
            let rect = layout.rect(studio.view.cursor).translate(origin.to_vec2());
            // At once: the next key may come before a motion has ended.
            ui.scroll_to_rect_animation(rect.expand(MARGIN), None, ScrollAnimation::none());
        }

        let visible: Vec<Sample> = samples.iter().map(|&(_, sample)| sample).collect();
        studio.request_tiles(&visible);
        self.magnify(ui, hovered, studio);
        let shown = VisibleGrid { origin, on_screen, layout, focused: background.has_focus() };
        self.paint(ui, &shown, &samples, &selected, studio);
        if let Some(place) = hovered {
            probability(ui, layout.rect(place).translate(origin.to_vec2()), studio, place);
        }
        if let Some(area) = self.drag_start.zip(ui.input(|i| i.pointer.latest_pos())) {
            let rect = Rect::from_two_pos(area.0 + origin.to_vec2(), area.1);
            let p = palette(ui.style());
            let stroke = Stroke::new(1.0, p.text);
            ui.painter().rect(rect, 3.0, p.text.gamma_multiply(0.08), stroke, StrokeKind::Inside);
        }
    }

    /// Enlarges the tile on which the pointer rests.
    fn magnify(&mut self, ui: &Ui, hovered: Option<usize>, studio: &Studio) {
        let is_down = ui.input(|input| input.pointer.any_down());
        self.magnifier.update(hovered, is_down, studio.marks.revision(), studio.now);
        if let Some(seconds) = self.magnifier.next_change(studio.now) {
            ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(seconds));
        }
    }
}

/// How likely the sample under the pointer shows what must go, where the labeler was asked.
fn probability(ui: &Ui, tile: Rect, studio: &Studio, place: usize) {
    let Some(label) = studio.sample(place).and_then(|sample| studio.order.label(sample)) else { return };
    let p = palette(ui.style());
    let text = ui.painter().layout_no_wrap(
        format_probability(label.probability),
        TextStyle::Small.resolve(ui.style()),
        p.text,
    );
    let plate = Align2::CENTER_BOTTOM.anchor_size(tile.center_bottom() - vec2(0.0, 4.0), text.size() + vec2(10.0, 4.0));
    ui.painter().rect_filled(plate, 6.0, p.card.gamma_multiply(0.9));
    ui.painter().galley(plate.min + vec2(5.0, 2.0), text, p.text);
}
