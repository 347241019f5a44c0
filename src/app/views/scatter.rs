//! Nodes as points: how much is gone, over how much everything else has changed.

use eframe::egui::{
    self, Align2, Color32, CursorIcon, FontId, Painter, Pos2, Rect, Sense, Stroke, TextStyle, Ui, vec2,
};
use egui_plot::{AxisHints, GridInput, GridMark, LineStyle, Plot, PlotBounds, PlotPoint, Points, VLine};

use super::{
    axes,
    format::format_change,
    theme::{Palette, palette},
};
use crate::{
    app::state::comparison::{Comparison, Measured},
    project::NodeId,
};

/// Width and height of what belongs to a point, for the pointer.
const REACH: f32 = 20.0;
const RADIUS: f32 = 5.0;

/// What was done with a node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Touched {
    /// The pointer or the keyboard is at it.
    pub(crate) hovered: Option<NodeId>,
    /// It was chosen.
    pub(crate) clicked: Option<NodeId>,
}

/// What was measured, for people.
pub(crate) fn describe(measured: Measured) -> String {
    format!("{:.1}% gone, {}", measured.pul, format_change(measured.frechet, measured.floor))
}

/// Draws the points; `highlighted` is pointed at somewhere else, `selected` is shown.
pub(crate) fn ui(
    ui: &mut Ui,
    comparison: &Comparison,
    (highlighted, selected): (Option<NodeId>, Option<NodeId>),
    log: bool,
    height: f32,
) -> Touched {
    let p = palette(ui.style());
    let scale = move |x: f64| if log { x.max(1e-9).log10() } else { x };
    let back = move |x: f64| if log { 10f64.powf(x) } else { x };
    let bounds = bounds(comparison, scale, log);
    let floors: Vec<f64> = comparison.floors.iter().map(|&floor| scale(floor)).collect();
    let points: Vec<[f64; 2]> = comparison.measured().map(|(_, m)| [scale(m.frechet), m.pul]).collect();
    let plot =
        axes::still(Plot::new("methods").height(height), p.line)
            .x_grid_spacer(|input: GridInput| axes::marks(input, 6.0, 0.0))
            .y_grid_spacer(move |input: GridInput| axes::marks(input, f64::from(height) / 50.0, 0.0))
            .custom_x_axes(vec![
                AxisHints::new_x()
                    .label("Change in everything else (Fr\u{e9}chet distance): less is better")
                    .formatter(move |mark: GridMark, _: &_| {
                        if log { axes::number(back(mark.value)) } else { axes::tick(mark.value, mark.step_size) }
                    })
                    .label_spacing(egui::Rangef::new(24.0, 40.0)),
            ])
            .custom_y_axes(vec![
                AxisHints::new_y()
                    .label("Share gone (%)")
                    .formatter(|mark: GridMark, _: &_| axes::tick(mark.value, mark.step_size))
                    .label_spacing(egui::Rangef::new(14.0, 24.0))
                    .min_thickness(38.0),
            ])
            .label_formatter(|_| None);
    let response = plot.show(ui, move |plot| {
        plot.set_plot_bounds(bounds);
        for floor in floors {
            plot.vline(VLine::new("floor", floor).color(p.before).style(LineStyle::dashed_loose()).allow_hover(false));
        }
        plot.points(Points::new("nodes", points).radius(RADIUS).color(p.after).allow_hover(false));
    });
    let count = comparison.measured().count();
    let name = format!("Methods: share gone over change in everything else, {count} points");
    response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Group, true, &name));
    let place = |x: f64, y: f64| response.transform.position_from_point(&PlotPoint::new(scale(x), y));
    let frame = *response.transform.frame();
    let painter = ui.painter().with_clip_rect(frame.expand(2.0));
    let font = TextStyle::Small.resolve(ui.style());
    for &floor in &comparison.floors {
        let at = frame.bottom() - 4.0;
        let text = format!("{} = no change", axes::number(floor));
        let corner = Pos2::new(place(floor, 0.0).x + 4.0, at);
        painter.text(corner, Align2::LEFT_BOTTOM, text, font.clone(), p.before);
    }
    let places: Vec<Pos2> = comparison.measured().map(|(_, m)| place(m.frechet, m.pul)).collect();
    let mut touched = Touched::default();
    for ((node, measured), &at) in comparison.measured().zip(&places) {
        let id = ui.scope_id().with(("point", node.id));
        let point = ui.interact(Rect::from_center_size(at, vec2(REACH, REACH)), id, Sense::click());
        let is_selected = selected == Some(node.id);
        let name = format!("Point: {}, {}", node.name, describe(measured));
        point.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_selected, &name));
        if point.clicked() {
            point.request_focus();
            touched.clicked = Some(node.id);
        }
        let is_hovered = point.hovered() || point.has_focus();
        if is_hovered {
            touched.hovered = Some(node.id);
        }
        if is_hovered || is_selected || highlighted == Some(node.id) {
            let colour = if is_selected { p.after } else { p.weak };
            painter.circle_stroke(at, RADIUS + 4.0, Stroke::new(2.0, colour));
        }
        point.on_hover_cursor(CursorIcon::PointingHand).on_hover_text(format!("{}\n{}", node.name, describe(measured)));
    }
    let names: Vec<(&str, Color32)> = comparison
        .measured()
        .map(|(node, _)| {
            let lit = selected == Some(node.id) || highlighted == Some(node.id) || touched.hovered == Some(node.id);
            (node.name.as_str(), if lit { p.text } else { p.weak })
        })
        .collect();
    label(&painter, frame, &places, &names, &font, p);
    touched
}

/// What is seen: everything there is to see, and room for names.
fn bounds(comparison: &Comparison, scale: impl Fn(f64) -> f64, log: bool) -> PlotBounds {
    let all = comparison.measured().map(|(_, measured)| measured);
    let distances = all.clone().map(|measured| measured.frechet).chain(comparison.floors.iter().copied());
    let (low, high) = distances.fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
    let (low, high) = if log { (scale(low), scale(high)) } else { (0.0, high) };
    let width = (high - low).max(if log { 0.1 } else { 1e-6 });
    let least = all.map(|measured| measured.pul).fold(100.0, f64::min);
    let bottom = ((least - 5.0) / 10.0).floor() * 10.0;
    let margin = 0.06 * (100.0 - bottom);
    let left = if log { low - 0.08 * width } else { 0.0 };
    PlotBounds::from_min_max([left, bottom], [high + 0.2 * width, 100.0 + margin])
}

/// Writes each name beside its point, where it covers neither another name nor a point if there is such a place.
fn label(painter: &Painter, frame: Rect, points: &[Pos2], names: &[(&str, Color32)], font: &FontId, p: Palette) {
    let spots: Vec<Rect> = points.iter().map(|&at| Rect::from_center_size(at, vec2(RADIUS, RADIUS) * 2.4)).collect();
    let mut taken: Vec<Rect> = Vec::new();
    for (number, (&at, &(name, colour))) in points.iter().zip(names).enumerate() {
        let galley = painter.layout_no_wrap(name.to_owned(), font.clone(), colour);
        let size = galley.size();
        let gap = RADIUS + 7.0;
        let corners = [
            at + vec2(gap, -size.y / 2.0),
            at + vec2(-gap - size.x, -size.y / 2.0),
            at + vec2(-size.x / 2.0, gap),
            at + vec2(-size.x / 2.0, -gap - size.y),
            at + vec2(gap, gap / 2.0),
            at + vec2(-gap - size.x, gap / 2.0),
            at + vec2(gap, -gap / 2.0 - size.y),
            at + vec2(-gap - size.x, -gap / 2.0 - size.y),
        ];
        let rect = |corner: &Pos2| Rect::from_min_size(*corner, size);
        let others = || spots.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, spot)| spot);
        let is_free = |corner: &&Pos2| {
            let rect = rect(corner);
            frame.contains_rect(rect) && !taken.iter().chain(others()).any(|other| other.intersects(rect))
        };
        let within = |corner: &&Pos2| frame.contains_rect(rect(corner));
        let found = corners.iter().find(is_free).or_else(|| corners.iter().find(within)).unwrap_or(&corners[0]);
        taken.push(rect(found));
        painter.rect_filled(rect(found), 2.0, p.canvas.gamma_multiply(0.6));
        painter.galley(*found, galley, colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::state::comparison::ComparedNode;

    #[test]
    fn everything_is_within_the_bounds() {
        for values in
            [vec![(94.0, 15.5), (23.9, 4.7)], vec![(100.0, 3.0), (100.0, 3.0)], vec![(-12.0, 300.0), (99.0, 2.6)]]
        {
            let node = |(id, &(pul, frechet)): (usize, &(f64, f64))| ComparedNode {
                id: id as NodeId,
                name: id.to_string(),
                measured: Ok(Measured { pul, frechet, floor: None }),
                has_model: true,
            };
            let nodes = values.iter().enumerate().map(node).collect();
            let comparison = Comparison { parent: "digits".to_owned(), nodes, floors: vec![2.5] };
            for log in [false, true] {
                let scale = |x: f64| if log { x.log10() } else { x };
                let bounds = bounds(&comparison, scale, log);
                assert!(bounds.is_valid(), "{bounds:?}");
                let inside = |x: f64, y: f64| bounds.range_x().contains(&x) && bounds.range_y().contains(&y);
                assert!(values.iter().all(|&(pul, frechet)| inside(scale(frechet), pul)), "{bounds:?}");
                assert!(inside(scale(2.5), 100.0));
            }
        }
    }
}
