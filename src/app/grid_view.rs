//! The grid: what is seen, what a click and a key do. The pictures themselves are drawn by [`super::grid_paint`].

mod keys;
mod toolbar;

use eframe::{
    egui::{
        self, EventFilter, Id, PointerButton, Pos2, Rect, Response, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui,
        WidgetInfo, scroll_area::ScrollSource, vec2,
    },
    wgpu,
};

use super::{
    atlas::Atlas,
    grid_paint::{Globals, GridFrame, Instance, NO_SLOT, Picture, colour, flag},
    layout::Layout,
    studio::{Compare, SAMPLES, Studio},
    theme::{self, palette},
    tiles::{Source, TileKey},
    widgets,
};
use crate::unlearn::feedback::{Mark, Sample};

/// Room around the tiles.
const MARGIN: f32 = 14.0;
/// Bytes that are copied to the window's GPU in a frame; the rest waits for the next one.
const UPLOAD: usize = 12 << 20;
/// Seconds in which a new picture fades in.
const FADE: f64 = 0.22;
/// How much larger the tile under the pointer gets.
const ZOOM: f32 = 1.38;

/// The grid's own state.
pub(super) struct GridView {
    /// Format of what is drawn onto; without a GPU nothing is.
    format: Option<wgpu::TextureFormat>,
    atlas: Atlas,
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
    /// Tiles of the last frame, for the frame log.
    pub(super) drawn: usize,
}

impl GridView {
    pub(super) fn new(format: Option<wgpu::TextureFormat>) -> Self {
        Self {
            format,
            atlas: Atlas::new(64),
            corner: None,
            follow: false,
            scroll_to: None,
            settled: Source::Original,
            page: 0..0,
            columns: 1,
            visible_height: 0.0,
            offset: 0.0,
            drawn: 0,
        }
    }

    /// The first tile that is seen.
    pub(super) fn first(&self) -> usize {
        self.page.start
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, studio: &mut Studio) {
        ui.add_space(8.0);
        toolbar::ui(self, ui, studio);
        if studio.model.is_none() {
            empty(ui, studio);
            return;
        }
        let mut area = ScrollArea::vertical().id_salt("samples").auto_shrink(false).scroll_source(ScrollSource {
            drag: egui::containers::scroll_area::DragScroll::Never,
            ..ScrollSource::ALL
        });
        if let Some(offset) = self.scroll_to.take() {
            area = area.vertical_scroll_offset(offset.max(0.0));
        }
        area.show_viewport(ui, |ui, viewport| self.content(ui, viewport, studio));
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
        if (ground.has_focus() || nobody) && !asking {
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

    fn click(
        &mut self,
        ui: &Ui,
        ground: &Response,
        response: &Response,
        (index, sample): (usize, Sample),
        studio: &mut Studio,
    ) {
        let mark = studio.marks.get(sample);
        response.widget_info(|| {
            let name = match mark {
                None => format!("Sample {index}"),
                Some(Mark::Negative) => format!("Sample {index}, must go"),
                Some(Mark::Positive) => format!("Sample {index}, may stay"),
            };
            WidgetInfo::selected(Role::Button, true, mark.is_some(), name)
        });
        let shift = ui.input(|i| i.modifiers.shift);
        if response.clicked_by(PointerButton::Secondary) || (response.clicked() && shift) {
            studio.marks.toggle(sample, Mark::Positive);
        } else if response.clicked() {
            studio.marks.toggle(sample, Mark::Negative);
        } else {
            return;
        }
        studio.view.cursor = index;
        ground.request_focus();
        if response.double_clicked() {
            studio.look_at(sample);
        }
    }

    /// The rectangle that is being drawn, and what it catches; it marks when it is let go.
    fn rectangle(
        &mut self,
        ui: &Ui,
        ground: &Response,
        origin: Pos2,
        layout: &Layout,
        studio: &mut Studio,
    ) -> Vec<usize> {
        // Less than this is a click that trembled.
        const TREMBLE: f32 = 6.0;
        let pointer = |get: fn(&egui::PointerState) -> Option<Pos2>| ui.input(|input| get(&input.pointer));
        if self.corner.is_none()
            && ground.dragged_by(PointerButton::Primary)
            && let Some((start, now)) = pointer(|p| p.press_origin()).zip(pointer(|p| p.latest_pos()))
            && start.distance(now) > TREMBLE
        {
            self.corner = Some(start - origin.to_vec2());
        }
        let (Some(corner), Some(pointer)) = (self.corner, ui.input(|i| i.pointer.latest_pos())) else {
            return Vec::new();
        };
        if ui.input(|i| i.key_pressed(egui::Key::Escape)) {
            self.corner = None;
            return Vec::new();
        }
        let caught = layout.within(Rect::from_two_pos(corner, pointer - origin.to_vec2()));
        let clip = ui.clip_rect();
        let beyond = (pointer.y - clip.bottom()).max(0.0) - (clip.top() - pointer.y).max(0.0);
        if beyond != 0.0 {
            ui.scroll_with_delta(vec2(0.0, -beyond.clamp(-30.0, 30.0)));
            ui.ctx().request_repaint();
        }
        if ground.drag_stopped() || !ui.input(|i| i.pointer.any_down()) {
            self.corner = None;
            let modifiers = ui.input(|i| i.modifiers);
            let mark = match (modifiers.command, modifiers.shift) {
                (true, _) => None,
                (_, true) => Some(Mark::Positive),
                _ => Some(Mark::Negative),
            };
            let samples: Vec<Sample> = caught.iter().filter_map(|&index| studio.sample(index)).collect();
            studio.marks.set(samples, mark);
            return Vec::new();
        }
        caught
    }

    fn paint(&mut self, ui: &Ui, place: &Place, samples: &[(usize, Sample)], caught: &[usize], studio: &mut Studio) {
        let Some(format) = self.format else { return };
        let [before, after] = studio.pair();
        let needed = studio.sources();
        if samples.iter().all(|&(_, sample)| studio.has_tile(after, sample)) {
            self.settled = after;
        }
        self.atlas.begin_frame();
        let side = samples
            .iter()
            .find_map(|&(_, sample)| studio.tiles.get(TileKey { source: needed[0], sample }).map(|tile| tile.side));
        if let Some(side) = side.filter(|&side| side != self.atlas.side()) {
            self.atlas = Atlas::new(side);
        }
        let (mut pictures, mut bytes, mut moving) = (Vec::new(), 0, false);
        let mut slot = |atlas: &mut Atlas, studio: &mut Studio, source: Source, sample: Sample| -> Option<(u32, f32)> {
            let key = TileKey { source, sample };
            let tile = studio.tiles.get(key).filter(|tile| tile.side == atlas.side())?.clone();
            if bytes > UPLOAD && atlas.held(key) != Some(tile.serial) {
                moving = true;
                return None;
            }
            let place = atlas.place(key, tile.serial)?;
            bytes += if place.stale { tile.rgba.len() } else { 0 };
            pictures.push(Picture { slot: place.slot, serial: tile.serial, rgba: tile.rgba.clone() });
            let fade = ((studio.now - tile.since) / FADE).clamp(0.0, 1.0) as f32;
            moving |= fade < 1.0;
            Some((place.slot, fade))
        };
        let corner = place.on_screen.min;
        let mut instances = Vec::with_capacity(samples.len() + 1);
        let mut lifted = None;
        for &(index, sample) in samples {
            let rect = place.layout.rect(index).translate(place.origin.to_vec2() - corner.to_vec2());
            let old = if needed.contains(&before) { slot(&mut self.atlas, studio, before, sample) } else { None };
            let mut new = if needed.contains(&after) { slot(&mut self.atlas, studio, after, sample) } else { None };
            if new.is_none() && needed.contains(&after) && studio.view.compare != Compare::Before {
                new = slot(&mut self.atlas, studio, self.settled, sample);
            }
            let mark = match studio.marks.get(sample) {
                Some(Mark::Negative) => flag::NEGATIVE,
                Some(Mark::Positive) => flag::POSITIVE,
                None => 0,
            };
            let cursor = if place.focused && index == studio.view.cursor { flag::CURSOR } else { 0 };
            let in_rectangle = if caught.binary_search(&index).is_ok() { flag::CAUGHT } else { 0 };
            let instance = Instance {
                rect: [rect.left(), rect.top(), rect.width(), rect.height()],
                slots: [old.map_or(NO_SLOT, |(slot, _)| slot), new.map_or(NO_SLOT, |(slot, _)| slot)],
                flags: mark | cursor | in_rectangle,
                fade: [old.map_or(0.0, |(_, fade)| fade), new.map_or(0.0, |(_, fade)| fade)],
            };
            if place.hovered == Some(index) {
                lifted = Some(instance);
            }
            instances.push(instance);
        }
        let growth = ui.ctx().animate_bool_with_time(Id::unique("hovered tile"), lifted.is_some(), 0.12);
        if let Some(mut instance) = lifted {
            let [left, top, width, height] = instance.rect;
            let size = width * (1.0 + (ZOOM - 1.0) * growth);
            let rect = Rect::from_center_size(Pos2::new(left + width / 2.0, top + height / 2.0), vec2(size, size));
            let free = place.on_screen.translate(-corner.to_vec2()).shrink(4.0);
            let inside = vec2(
                (free.left() - rect.left()).max(0.0) - (rect.right() - free.right()).max(0.0),
                (free.top() - rect.top()).max(0.0) - (rect.bottom() - free.bottom()).max(0.0),
            );
            let rect = rect.translate(inside);
            instance.rect = [rect.left(), rect.top(), rect.width(), rect.height()];
            instance.flags |= flag::HOVERED;
            instances.push(instance);
        }
        if moving {
            ui.ctx().request_repaint();
        }
        self.drawn = samples.len();
        let p = palette(ui.style());
        let (columns, side) = (self.atlas.columns(), self.atlas.side());
        let globals = Globals {
            size: place.on_screen.size().into(),
            scale: ui.ctx().pixels_per_point(),
            mode: match studio.view.compare {
                // Without an after, before is all there is.
                _ if before == after && studio.view.compare != Compare::Before => 0,
                Compare::After => 0,
                Compare::Before => 1,
                Compare::Split => 2,
                Compare::Difference => 3,
                Compare::Heat => 4,
            },
            split: studio.view.split,
            radius: (place.layout.tile * 0.07).clamp(2.0, 7.0),
            columns: columns as u32,
            tile: side as f32,
            atlas: (columns * side) as f32,
            pad: [0.0; 3],
            negative: colour(p.negative),
            positive: colour(p.positive),
            before: colour(p.before),
            after: colour(p.after),
            cursor: colour(p.text),
            empty: colour(theme::mix(p.canvas, p.card, 0.8)),
        };
        let frame = GridFrame { format, globals, instances, pictures, atlas: (columns, side) };
        ui.painter().add(frame.shape(place.on_screen));
    }
}

/// Where the grid lies in this frame.
struct Place {
    /// The content's origin on the screen.
    origin: Pos2,
    /// What is seen of it.
    on_screen: Rect,
    layout: Layout,
    hovered: Option<usize>,
    focused: bool,
}

/// The tiles of the rows that are seen whole, or nearly.
fn whole_rows(layout: &Layout, viewport: Rect) -> std::ops::Range<usize> {
    let third = layout.tile / 3.0;
    layout.seen(viewport.top() - MARGIN + third, viewport.bottom() - MARGIN - third)
}

fn empty(ui: &mut Ui, studio: &Studio) {
    let height = ui.available_height();
    ui.vertical_centered(|ui| {
        ui.add_space(height * 0.36);
        if let Some(path) = &studio.opening {
            ui.add(egui::Spinner::new().size(26.0).color(palette(ui.style()).after));
            ui.add_space(8.0);
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            ui.label(format!("Opening {name}"));
            if studio.opened > 0.0 {
                ui.add_space(8.0);
                let bar = egui::ProgressBar::new(studio.opened).desired_width(240.0).desired_height(8.0);
                ui.add(bar.fill(palette(ui.style()).after).corner_radius(4.0));
            }
        } else {
            ui.label(egui::RichText::new("Drop a model here").size(22.0));
            ui.add_space(2.0);
            widgets::explain(ui, "or choose one under Open: a StyleGAN2 checkpoint, .safetensors or .pt");
        }
    });
}
