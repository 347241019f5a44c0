//! Painting where in a picture the thing is: with the pointer a stroke or a box, with the keyboard a box.

use eframe::egui::{
    self, Align2, Color32, EventFilter, FontId, Key, Painter, Pos2, Rect, Response, Sense, Shape, Stroke, StrokeKind,
    Ui, Vec2, vec2,
};

use super::{theme::palette, widgets};
use crate::{
    app::state::marks::Marks,
    feedback::{MOST_POINTS, Mark, Outline, Region, Sample},
};

/// How far the brush must have moved for another point, and how far an arrow key moves a box, in parts of the picture.
const STEP: f32 = 0.02;
/// The box that the keyboard begins with, and the smallest it makes.
const FIRST: [[f32; 2]; 2] = [[0.3, 0.3], [0.7, 0.7]];
const SMALLEST: f32 = 0.04;
/// Height of two lines of explanation, in points.
const EXPLANATION: f32 = 32.0;

/// What is being painted, in parts of the picture.
struct Drawing {
    points: Vec<[f32; 2]>,
    is_box: bool,
}

/// The brush, and what it paints at the moment.
pub(crate) struct RegionPainter {
    is_box: bool,
    radius: f32,
    drawing: Option<Drawing>,
}

impl Default for RegionPainter {
    fn default() -> Self {
        Self { is_box: false, radius: 0.06, drawing: None }
    }
}

impl RegionPainter {
    /// What a picture that is painted on wants of the pointer.
    pub(crate) const SENSE: Sense = Sense::CLICK.union(Sense::DRAG).union(Sense::FOCUSABLE);

    /// Another sample is looked at.
    pub(crate) fn reset(&mut self) {
        self.drawing = None;
    }

    /// Handles pointer and keys over the picture of a sample, and draws what is painted.
    pub(crate) fn picture(&mut self, ui: &Ui, picture: &Response, marks: &mut Marks, sample: Sample) {
        self.pointer(ui, picture, marks, sample);
        if picture.has_focus() {
            let arrows = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(picture.id, arrows));
            keys(ui, marks, sample);
        }
        let painter = ui.painter().with_clip_rect(picture.rect);
        let p = palette(ui.style());
        match &self.drawing {
            Some(drawing) => draw(&painter, picture.rect, &self.outline(drawing), p.negative),
            None => {
                if let Some(region) = marks.region(sample) {
                    draw(&painter, picture.rect, &region.outline(), p.negative);
                } else if picture.hovered() {
                    let at = picture.rect.center_bottom() - vec2(0.0, 8.0);
                    let font = FontId::proportional(12.5);
                    let galley = painter.layout_no_wrap("Drag over the thing that must go".to_owned(), font, p.text);
                    let place = Align2::CENTER_BOTTOM.anchor_size(at, galley.size());
                    painter.rect_filled(place.expand2(vec2(7.0, 4.0)), 6.0, p.panel.gamma_multiply(0.85));
                    painter.galley(place.min, galley, p.text);
                }
            }
        }
        if picture.has_focus() {
            painter.rect_stroke(picture.rect, 8.0, Stroke::new(2.0, p.after), StrokeKind::Inside);
        }
    }

    fn pointer(&mut self, ui: &Ui, picture: &Response, marks: &mut Marks, sample: Sample) {
        let Some(at) = picture.interact_pointer_pos() else {
            self.drawing = None;
            return;
        };
        let part = |at: Pos2| {
            let part = (at - picture.rect.min) / picture.rect.size();
            [part.x.clamp(0.0, 1.0), part.y.clamp(0.0, 1.0)]
        };
        if picture.drag_started() {
            let (shift, origin) = ui.input(|input| (input.modifiers.shift, input.pointer.press_origin()));
            let is_box = self.is_box != shift;
            self.drawing = Some(Drawing { points: vec![part(origin.unwrap_or(at))], is_box });
        }
        let Some(drawing) = &mut self.drawing else { return };
        let (now, last) = (part(at), drawing.points.last().copied().unwrap_or_default());
        if drawing.is_box {
            drawing.points.truncate(1);
            drawing.points.push(now);
        } else if drawing.points.len() < MOST_POINTS && vec2(now[0] - last[0], now[1] - last[1]).length() >= STEP {
            drawing.points.push(now);
        }
        if picture.drag_stopped()
            && let Some(drawing) = self.drawing.take()
            && let Some(region) = self.region(&drawing)
        {
            marks.set_region(sample, Some(region));
        }
    }

    fn outline(&self, drawing: &Drawing) -> Outline {
        match drawing.points[..] {
            [a, b] if drawing.is_box => {
                Outline::Box([a[0].min(b[0]), a[1].min(b[1])], [a[0].max(b[0]), a[1].max(b[1])])
            }
            _ => Outline::Stroke(drawing.points.clone(), self.radius),
        }
    }

    /// What was painted; a box without an area is none.
    fn region(&self, drawing: &Drawing) -> Option<Region> {
        let wide = |at: [f32; 2]| at.map(f64::from);
        match drawing.points[..] {
            [a, b] if drawing.is_box => Region::between(wide(a), wide(b)).ok(),
            _ if drawing.is_box => None,
            _ => Region::stroke(drawing.points.iter().copied().map(wide), f64::from(self.radius)).ok(),
        }
    }

    /// The choice of the brush, and the way back. Whether the arrow keys size the brush.
    pub(crate) fn controls(&mut self, ui: &mut Ui, marks: &mut Marks, sample: Sample) -> bool {
        let row = ui.horizontal_wrapped(|ui| {
            ui.label("Where it is:");
            let help = "Drag over the picture to paint roughly where the thing is. The probe looks there first.";
            if ui.selectable_label(!self.is_box, "Brush").on_hover_text(help).clicked() {
                self.is_box = false;
            }
            let help = "Drag from corner to corner. With Shift, a drag draws the other one of brush and box.";
            if ui.selectable_label(self.is_box, "Box").on_hover_text(help).clicked() {
                self.is_box = true;
            }
            let size = ui.add_enabled_ui(!self.is_box, |ui| {
                ui.spacing_mut().slider_width = 70.0;
                let slider = egui::Slider::new(&mut self.radius, 0.02..=0.2).show_value(false);
                ui.add(slider).accessible_name("Brush size").on_hover_text("Size of the brush").has_focus()
            });
            let painted = marks.region(sample).is_some();
            if ui.add_enabled(painted, egui::Button::new("Clear place")).clicked() {
                marks.set_region(sample, None);
            }
            size.inner
        });
        let text = match (marks.region(sample), marks.get(sample)) {
            (Some(region), _) => format!("The probe looks there first: {}.", describe(region)),
            (None, Some(Mark::Positive)) => "Painting on it says that it must go after all.".to_owned(),
            (None, _) => {
                "Drag over the picture to show where the thing is that must go; a few samples are enough. With the keyboard: \
                 Tab to the picture, arrow keys move a box, Shift and arrow keys size it."
                    .to_owned()
            }
        };
        // Two lines in any case: the picture above must not move while it is painted on.
        ui.scope(|ui| {
            ui.set_min_height(EXPLANATION);
            widgets::explain(ui, text);
        });
        row.inner
    }
}

/// Where a region lies, in words.
fn describe(region: &Region) -> String {
    let (name, [low, high]) = match region.outline() {
        Outline::Box(low, high) => ("box", [low, high]),
        Outline::Stroke(points, radius) => {
            let fold = |axis: usize, pick: fn(f32, f32) -> f32, by: f32| {
                let edge = points.iter().map(|at| at[axis] + by).reduce(pick);
                edge.unwrap_or_default().clamp(0.0, 1.0)
            };
            let (low, high) =
                ([0, 1].map(|axis| fold(axis, f32::min, -radius)), [0, 1].map(|axis| fold(axis, f32::max, radius)));
            ("stroke", [low, high])
        }
    };
    let percent = |part: f32| (100.0 * part).round();
    format!(
        "a {name} from {} to {} % across and {} to {} % down",
        percent(low[0]),
        percent(high[0]),
        percent(low[1]),
        percent(high[1])
    )
}

/// Arrow keys move a box, with Shift its right lower corner; Delete takes the region away.
fn keys(ui: &Ui, marks: &mut Marks, sample: Sample) {
    let pressed = |key: Key| ui.input(|input| input.key_pressed(key));
    if pressed(Key::Delete) || pressed(Key::Backspace) {
        marks.set_region(sample, None);
        return;
    }
    let by = |more: Key, less: Key| widgets::presses(ui.ctx(), more, less) as f32;
    let by = STEP * vec2(by(Key::ArrowRight, Key::ArrowLeft), by(Key::ArrowDown, Key::ArrowUp));
    if by == Vec2::ZERO {
        return;
    }
    let shift = ui.input(|input| input.modifiers.shift);
    let [low, high] = match marks.region(sample).map(Region::outline) {
        Some(Outline::Box(low, high)) if shift => {
            let size = |axis: usize, by: f32| (high[axis] + by).clamp((low[axis] + SMALLEST).min(1.0), 1.0);
            [low, [size(0, by.x), size(1, by.y)]]
        }
        Some(Outline::Box(low, high)) => {
            let by = [0, 1].map(|axis| by[axis].clamp(-low[axis], 1.0 - high[axis]));
            [low, high].map(|corner| [corner[0] + by[0], corner[1] + by[1]])
        }
        _ => FIRST,
    };
    let wide = |at: [f32; 2]| at.map(|value| f64::from(value.clamp(0.0, 1.0)));
    if let Ok(region) = Region::between(wide(low), wide(high)) {
        marks.set_region(sample, Some(region));
    }
}

/// Draws a region over a picture.
fn draw(painter: &Painter, picture: Rect, outline: &Outline, colour: Color32) {
    let at = |[x, y]: [f32; 2]| picture.lerp_inside(vec2(x, y));
    match outline {
        Outline::Box(low, high) => {
            let rect = Rect::from_min_max(at(*low), at(*high));
            painter.rect(rect, 2.0, colour.gamma_multiply(0.22), Stroke::new(2.0, colour), StrokeKind::Inside);
        }
        Outline::Stroke(points, radius) => {
            let radius = radius * picture.width();
            let points: Vec<Pos2> = points.iter().copied().map(at).collect();
            let cover = colour.gamma_multiply(0.3);
            painter.add(Shape::line(points.clone(), Stroke::new(2.0 * radius, cover)));
            match points[..] {
                [only] => {
                    painter.circle_filled(only, radius, cover);
                }
                [first, second, ..] => {
                    painter.add(Shape::convex_polygon(cap(first, second, radius), cover, Stroke::NONE));
                    let (last, before) = (points[points.len() - 1], points[points.len() - 2]);
                    painter.add(Shape::convex_polygon(cap(last, before, radius), cover, Stroke::NONE));
                }
                [] => {}
            }
            painter.add(Shape::line(points.clone(), Stroke::new(2.0, colour)));
        }
    }
}

/// The round end of a stroke that comes from `from`.
fn cap(end: Pos2, from: Pos2, radius: f32) -> Vec<Pos2> {
    const CORNERS: usize = 12;
    let across = (end - from).angle() - std::f32::consts::FRAC_PI_2;
    let angle = |i: usize| across + std::f32::consts::PI * i as f32 / CORNERS as f32;
    (0..=CORNERS).map(|i| end + radius * Vec2::angled(angle(i))).collect()
}
