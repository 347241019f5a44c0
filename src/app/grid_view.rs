//! The grid: what is seen, what a click and a key do. The pictures themselves are drawn by [`super::grid_paint`].

mod keys;
mod paint;
mod pointer;
mod status;
mod toolbar;

use eframe::{
    egui::{
        self, EventFilter, Pos2, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
        scroll_area::ScrollSource, vec2,
    },
    wgpu,
};

use super::{
    atlas::Atlas,
    layout::Layout,
    studio::{SAMPLES, Studio},
    theme::palette,
    tiles::Source,
};
use crate::feedback::{Mark, Sample};
use paint::Place;

/// Room around the tiles.
const MARGIN: f32 = 14.0;

/// The grid's own state.
pub(super) struct GridView {
    /// Format of what is drawn onto; without a GPU nothing is.
    format: Option<wgpu::TextureFormat>,
    atlas: Atlas,
    /// The sample that was clicked last, and its mark before.
    before_click: Option<(Sample, Option<Mark>)>,
    /// Where a rectangle was begun, in the content.
    corner: Option<Pos2>,
    /// The cursor has moved: bring it into view.
    follow: bool,
    /// Jump there in the next frame.
    scroll_to: Option<f32>,
    /// What was shown as after when all of it was there.
    settled: Source,
    /// Tiles that are seen, for what concerns the page.
    page: std::ops::Range<usize>,
    columns: usize,
    visible_height: f32,
    offset: f32,
    /// Whether nothing had the keyboard when the frame began.
    pub(super) keyboard_is_free: bool,
    /// Whether new pictures fade in: not where drawing is dear.
    fades: bool,
    /// Tiles of the last frame, for the frame log.
    pub(super) drawn: usize,
    /// Whether all of them had their picture, and whether any had.
    pub(super) filled: bool,
    any: bool,
}

impl GridView {
    pub(super) fn new(format: Option<wgpu::TextureFormat>, fades: bool) -> Self {
        Self {
            format,
            atlas: Atlas::new(64),
            before_click: None,
            corner: None,
            follow: false,
            scroll_to: None,
            settled: Source::Original,
            page: 0..0,
            columns: 1,
            visible_height: 0.0,
            offset: 0.0,
            keyboard_is_free: true,
            fades,
            drawn: 0,
            filled: false,
            any: false,
        }
    }

    /// Format of what is drawn onto.
    pub(super) fn format(&self) -> Option<wgpu::TextureFormat> {
        self.format
    }

    /// Height of what is seen, in points.
    pub(super) fn height(&self) -> f32 {
        self.visible_height
    }

    /// Scrolls there in the next frame.
    pub(super) fn jump(&mut self, offset: f32) {
        self.scroll_to = Some(offset);
    }

    /// The first tile that is seen.
    pub(super) fn first(&self) -> usize {
        self.page.start
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, studio: &mut Studio) {
        ui.add_space(8.0);
        toolbar::ui(self, ui, studio);
        if studio.model.is_none() {
            self.filled = false;
            status::empty(ui, studio);
            return;
        }
        let mut area = ScrollArea::vertical().id_salt("samples").auto_shrink(false).scroll_source(ScrollSource {
            drag: egui::containers::scroll_area::DragScroll::Never,
            ..ScrollSource::ALL
        });
        if let Some(offset) = self.scroll_to.take() {
            area = area.vertical_scroll_offset(offset.max(0.0));
        }
        let place = ui.available_rect_before_wrap();
        area.show_viewport(ui, |ui, viewport| self.content(ui, viewport, studio));
        status::ui(ui, place, studio, self.any);
    }

    fn content(&mut self, ui: &mut Ui, viewport: Rect, studio: &mut Studio) {
        let layout = Layout::new(ui.available_width() - 2.0 * MARGIN, studio.view.tile, SAMPLES);
        // The same samples stay in view when tiles get another size.
        if layout.columns != self.columns && self.visible_height > 0.0 {
            let row = self.page.start / layout.columns;
            self.scroll_to = Some(row as f32 * layout.pitch());
        }
        ui.set_height(layout.size().y + 2.0 * MARGIN);
        let corner = ui.min_rect().min;
        // The content's point that lies at the screen's `corner + MARGIN`.
        let origin = corner + vec2(MARGIN, MARGIN);
        let seen = layout.seen(viewport.top() - MARGIN, viewport.bottom() - MARGIN);
        (self.page, self.columns) = (whole_rows(&layout, viewport), layout.columns);
        (self.visible_height, self.offset) = (viewport.height(), viewport.top());
        let on_screen =
            ui.clip_rect().intersect(Rect::from_min_size(corner, ui.max_rect().size().max(viewport.size())));

        let id = ui.scope_id().with("grid");
        let ground = ui.interact(on_screen, id, Sense::DRAG | Sense::FOCUSABLE);
        ground.widget_info(|| WidgetInfo::labeled(Role::Group, true, "Samples"));
        let arrows = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(id, arrows));

        let samples: Vec<(usize, Sample)> = seen.filter_map(|i| Some((i, studio.sample(i)?))).collect();
        let mut hovered = None;
        for &(index, sample) in &samples {
            let rect = layout.rect(index).translate(origin.to_vec2());
            let response = ui.interact(rect.intersect(on_screen), id.with(index), Sense::CLICK);
            if response.hovered() && self.corner.is_none() {
                hovered = Some(index);
            }
            self.click(ui, &ground, &response, (index, sample), studio);
        }
        let caught = self.rectangle(ui, &ground, origin, &layout, studio);
        let (nobody, asking) = ui.memory(|memory| (memory.focused().is_none(), memory.top_modal_layer().is_some()));
        // The key that ends typing elsewhere (Enter in a setting) is not meant for the grid.
        if (ground.has_focus() || (nobody && self.keyboard_is_free)) && !asking {
            keys::obey(self, ui, &layout, studio);
        }
        if std::mem::take(&mut self.follow) {
            let rect = layout.rect(studio.view.cursor).translate(origin.to_vec2());
            ui.scroll_to_rect(rect.expand(MARGIN), None);
        }

        let visible: Vec<Sample> = samples.iter().map(|&(_, sample)| sample).collect();
        studio.want(&visible);
        let place = Place { origin, on_screen, layout, hovered, focused: ground.has_focus() };
        self.paint(ui, &place, &samples, &caught, studio);
        if let Some(area) = self.corner.zip(ui.input(|i| i.pointer.latest_pos())) {
            let rect = Rect::from_two_pos(area.0 + origin.to_vec2(), area.1);
            let p = palette(ui.style());
            let stroke = Stroke::new(1.0, p.text);
            ui.painter().rect(rect, 3.0, p.text.gamma_multiply(0.08), stroke, StrokeKind::Inside);
        }
    }
}

/// The tiles of the rows that are seen whole, or nearly.
fn whole_rows(layout: &Layout, viewport: Rect) -> std::ops::Range<usize> {
    let third = layout.tile / 3.0;
    layout.seen(viewport.top() - MARGIN + third, viewport.bottom() - MARGIN - third)
}
