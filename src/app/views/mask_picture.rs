//! Where the weights are that a run may move: a line a block, a cell a layer, its colour the share of its weights.

use eframe::egui::{
    self, Align2, CollapsingHeader, Color32, Mesh, Rect, Sense, Shape, TextStyle, Ui, WidgetInfo, pos2, vec2,
};
use indexmap::IndexMap;

use super::{
    format::group_digits,
    theme::{mix, palette},
};
use crate::unlearn::LayerShare;

const LINE: f32 = 17.0;
/// Width of a block's name, and of its share.
const NAME: f32 = 92.0;
const SHARE: f32 = 38.0;
const LEGEND: f32 = 90.0;

/// Draws the shares; nothing where all weights may move.
pub(crate) fn ui(ui: &mut Ui, layers: &[LayerShare]) {
    if layers.is_empty() {
        return;
    }
    let title = format!("Weights that may move: {}", percent(share(layers)));
    CollapsingHeader::new(title).id_salt("layers").default_open(true).show_unindented(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for (block, layers) in blocks(layers) {
            line(ui, block, &layers);
        }
        ui.add_space(3.0);
        legend(ui);
    });
}

/// Layers by their blocks, in the order in which blocks first appear.
fn blocks(layers: &[LayerShare]) -> IndexMap<&str, Vec<&LayerShare>> {
    let mut blocks: IndexMap<&str, Vec<&LayerShare>> = IndexMap::new();
    for layer in layers {
        // Reports of earlier versions name no blocks.
        let block = if layer.block.is_empty() { layer.layer.as_str() } else { layer.block.as_str() };
        blocks.entry(block).or_default().push(layer);
    }
    blocks
}

/// The share of all their weights that may move, in `[0, 1]`.
fn share<'a>(layers: impl IntoIterator<Item = &'a LayerShare>) -> f64 {
    let (moving, weights) = layers.into_iter().fold((0.0, 0), |(moving, weights), layer| {
        (moving + layer.share * layer.weights as f64, weights + layer.weights)
    });
    moving / weights.max(1) as f64
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn heat(ui: &Ui, share: f64) -> Color32 {
    let p = palette(ui.style());
    mix(p.lifted, p.after, share as f32)
}

fn describe(layer: &LayerShare) -> String {
    format!("{}: {} of {} weights", layer.layer, percent(layer.share), group_digits(layer.weights))
}

fn line(ui: &mut Ui, block: &str, layers: &[&LayerShare]) {
    let p = palette(ui.style());
    let font = TextStyle::Small.resolve(ui.style());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::hover());
    let of_block = percent(share(layers.iter().copied()));
    let spoken = layers.iter().map(|layer| describe(layer)).collect::<Vec<_>>().join("; ");
    let spoken = format!("{block}: {of_block} may move ({spoken})");
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, &spoken));
    let middle = rect.center().y;
    let name = ui.painter().with_clip_rect(Rect::from_min_size(rect.min, vec2(NAME - 4.0, LINE)));
    name.text(pos2(rect.left(), middle), Align2::LEFT_CENTER, block, font.clone(), p.text);
    ui.painter().text(pos2(rect.right(), middle), Align2::RIGHT_CENTER, of_block, font, p.weak);
    let cells = Rect::from_min_max(rect.min + vec2(NAME, 0.0), rect.max - vec2(SHARE, 0.0));
    let width = cells.width() / layers.len().max(1) as f32;
    for (place, layer) in layers.iter().enumerate() {
        let left = cells.left() + place as f32 * width;
        let cell = Rect::from_min_max(pos2(left, cells.top()), pos2(left + width - 1.0, cells.bottom()));
        ui.painter().rect_filled(cell, 2.0, heat(ui, layer.share));
        let cell = ui.interact(cell, ui.scope_id().with(&layer.layer), Sense::hover());
        cell.on_hover_text(describe(layer));
    }
}

/// Which colour is how much.
fn legend(ui: &mut Ui) {
    let p = palette(ui.style());
    let font = TextStyle::Small.resolve(ui.style());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, "Colours: none of a layer to all of it"));
    let (left, middle) = (rect.left() + NAME, rect.center().y);
    let bar = Rect::from_min_size(pos2(left, middle - 4.0), vec2(LEGEND, 8.0));
    let mut mesh = Mesh::default();
    for (corner, share) in
        [(bar.left_top(), 0.0), (bar.right_top(), 1.0), (bar.right_bottom(), 1.0), (bar.left_bottom(), 0.0)]
    {
        mesh.colored_vertex(corner, heat(ui, share));
    }
    mesh.add_triangle(0, 1, 2);
    mesh.add_triangle(0, 2, 3);
    ui.painter().add(Shape::mesh(mesh));
    let put = |x: f32, align: Align2, text: &str| {
        ui.painter().text(pos2(x, middle), align, text, font.clone(), p.weak);
    };
    put(left - 6.0, Align2::RIGHT_CENTER, "none");
    put(bar.right() + 6.0, Align2::LEFT_CENTER, "all of a layer");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_stand_by_their_blocks() {
        let layer = |layer: &str, block: &str, weights: usize, share: f64| LayerShare {
            layer: layer.to_owned(),
            block: block.to_owned(),
            weights,
            share,
        };
        let layers = [
            layer("style.1", "mapping", 100, 0.25),
            layer("convs.0.conv", "8 x 8", 300, 1.0),
            layer("style.2", "mapping", 300, 0.75),
            layer("old", "", 100, 0.0),
        ];
        let blocks = blocks(&layers);
        let names: Vec<(&str, usize)> = blocks.iter().map(|(block, layers)| (*block, layers.len())).collect();
        assert_eq!(names, [("mapping", 2), ("8 x 8", 1), ("old", 1)]);
        assert_eq!(share(blocks["mapping"].iter().copied()), 0.625);
        assert_eq!(share(&layers), 550.0 / 800.0);
    }
}
