//! What the colours of the heat view mean: a strip of them at the lower left corner of the grid, over which clicks reach the
//! tiles below.

use eframe::egui::{
    Align2, Color32, Id, Mesh, Rect, Role, Sense, Shape, Stroke, StrokeKind, TextStyle, Ui, WidgetInfo, pos2, vec2,
};

use crate::app::{
    grid::heat,
    state::{studio::Studio, view::Compare},
    views::theme::palette,
};

/// Size of the strip of colours, and room around it.
const STRIP: [f32; 2] = [120.0, 10.0];
const PADDING: f32 = 8.0;
/// Width of the words at either end.
const WORDS: [f32; 2] = [22.0, 38.0];
/// Below this width the question for the rest of the page lies beside the corner.
const NARROW: f32 = 640.0;
/// Places of the strip that have a colour of their own.
const PLACES: u16 = 48;

/// Draws the scale while the grid shows how much each pixel changed.
pub(super) fn ui(ui: &Ui, place: Rect, studio: &Studio) {
    let [before, after] = studio.compared_sources();
    if studio.view.compare != Compare::Heat || before == after {
        return;
    }
    let p = palette(ui.style());
    let size = vec2(WORDS[0] + STRIP[0] + WORDS[1] + 2.0 * PADDING, STRIP[1] + 2.0 * PADDING);
    let lift = if place.width() < NARROW { 58.0 } else { 12.0 };
    let corner = place.left_bottom() + vec2(12.0, -lift - size.y);
    let card = Rect::from_min_size(corner, size);
    let painter = ui.painter().with_clip_rect(place);
    painter.rect(card, 8.0, p.card, Stroke::new(1.0, p.line), StrokeKind::Inside);
    let strip = Rect::from_min_size(corner + vec2(PADDING + WORDS[0], PADDING), STRIP.into());
    painter.add(colours(strip));
    let font = TextStyle::Small.resolve(ui.style());
    let most = format!("{:.0}%", heat::MOST * 100.0);
    painter.text(strip.left_center() - vec2(5.0, 0.0), Align2::RIGHT_CENTER, "0%", font.clone(), p.text);
    painter.text(strip.right_center() + vec2(5.0, 0.0), Align2::LEFT_CENTER, format!("{most}+"), font, p.text);
    let response = ui.interact(card, Id::unique("heat scale"), Sense::hover());
    let name = format!("Heat scale: how much a pixel changed, from 0% to {most} and more");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &name));
    response.on_hover_text(format!(
        "How much a pixel changed: the largest difference of its red, green and blue, as a share of their full range. \
         Changes of {most} and more look the same."
    ));
}

fn colours(strip: Rect) -> Shape {
    let mut mesh = Mesh::default();
    for number in 0..=PLACES {
        let share = f32::from(number) / f32::from(PLACES);
        let [red, green, blue] = heat::colour(share * heat::MOST).map(|channel| (channel * 255.0).round() as u8);
        let colour = Color32::from_rgb(red, green, blue);
        let x = strip.left() + share * strip.width();
        mesh.colored_vertex(pos2(x, strip.top()), colour);
        mesh.colored_vertex(pos2(x, strip.bottom()), colour);
    }
    for number in 0..u32::from(PLACES) {
        let left = 2 * number;
        mesh.add_triangle(left, left + 1, left + 2);
        mesh.add_triangle(left + 1, left + 2, left + 3);
    }
    Shape::mesh(mesh)
}
