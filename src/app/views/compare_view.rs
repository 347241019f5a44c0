//! The nodes made from one parent, side by side: as points, and as rows of the same samples.

use eframe::egui::{
    self, Align, Key, Layout, Margin, Rect, RichText, ScrollArea, Sense, Stroke, StrokeKind, TextStyle, Ui, pos2,
    text::LayoutJob, vec2,
};

use super::{
    scatter::{self, Touched, describe},
    theme::palette,
    thumbnails::Thumbnails,
    widgets,
};
use crate::{
    app::state::{
        comparison::{ComparedNode, Comparison},
        notices::Level,
        studio::Studio,
        tiles::Source,
    },
    engine::SampleKind,
    feedback::Sample,
    project::NodeId,
};

/// Width of a row's words, and the largest side of its pictures.
const WORDS: f32 = 200.0;
const LARGEST: f32 = 56.0;
/// Height of a row's words.
const LINES: f32 = 46.0;
const GAP: f32 = 4.0;
/// Between samples that must go and those that may stay.
const DIVIDE: f32 = 14.0;

/// The view's own state.
#[derive(Default)]
pub(crate) struct CompareView {
    /// What is pointed at, in the row or in the plot.
    hovered: Option<NodeId>,
    /// The node whose row was last brought into view.
    seen: Option<NodeId>,
    /// Whether the distance is on a logarithmic axis.
    log: bool,
    /// Whether no field for text had the keyboard when the frame began, or just before.
    pub(crate) keyboard_is_free: bool,
}

/// Where the pictures of every row are.
struct Columns {
    negatives: Vec<Sample>,
    kept: Vec<Sample>,
    side: f32,
}

impl CompareView {
    pub(crate) fn ui(
        &mut self,
        ui: &mut Ui,
        studio: &mut Studio,
        thumbnails: &mut Thumbnails,
        comparison: &Comparison,
    ) {
        let is_asking = ui.memory(|memory| memory.top_modal_layer().is_some());
        if !is_asking && self.keyboard_is_free && ui.input(|input| input.key_pressed(Key::Escape)) {
            studio.view.scatter = false;
        }
        egui::Frame::new().inner_margin(Margin { left: 16, right: 16, top: 10, bottom: 8 }).show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.label(RichText::new("Methods compared").heading());
                ui.label(RichText::new(format!("on \u{201c}{}\u{201d}", comparison.parent)).weak());
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let back = widgets::minor_button(ui, "Back to the samples");
                    if back.on_hover_text("Shows the grid again (Escape)").clicked() {
                        studio.view.scatter = false;
                    }
                    let log = widgets::outlined(ui, |ui| ui.checkbox(&mut self.log, "Log"))
                        .accessible_name("Logarithmic distance");
                    log.on_hover_text("The distance on a logarithmic axis");
                });
            });
            ui.add_space(4.0);
            let selected = studio.selected_node().map(|node| node.id);
            let height = (ui.available_height() * 0.46).max(150.0);
            let mut touched = scatter::ui(ui, comparison, (self.hovered, selected), self.log, height);
            ui.add_space(6.0);
            let to_be_seen = selected.filter(|_| self.seen != selected);
            self.seen = selected;
            let rows = rows(ui, studio, thumbnails, comparison, (self.hovered, selected, to_be_seen));
            touched.hovered = touched.hovered.or(rows.hovered);
            touched.clicked = touched.clicked.or(rows.clicked);
            self.hovered = touched.hovered;
            match touched.clicked {
                Some(_) if studio.run.in_progress().is_some() => {
                    studio.notify(Level::Warning, "A run is in progress; another node can be shown when it has ended.");
                }
                Some(id) => studio.show_history(id),
                None => {}
            }
        });
    }
}

/// A row of the same samples for the parent and for each node.
fn rows(
    ui: &mut Ui,
    studio: &mut Studio,
    thumbnails: &mut Thumbnails,
    comparison: &Comparison,
    (highlighted, selected, to_be_seen): (Option<NodeId>, Option<NodeId>, Option<NodeId>),
) -> Touched {
    let [negatives, kept] = studio.compared_samples();
    let count = negatives.len() + kept.len();
    let room = ui.available_width() - WORDS - DIVIDE - 24.0;
    let side = (room / count.max(1) as f32 - GAP).clamp(20.0, LARGEST);
    let columns = Columns { negatives, kept, side };
    let mut touched = Touched::default();
    titles(ui, &columns);
    ScrollArea::vertical().id_salt("compared nodes").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        let (rect, _) = row(ui, &columns, Sense::hover());
        words(ui, rect, "Before", &comparison.parent);
        pictures(ui, studio, thumbnails, &columns, rect, Source::Original);
        for node in &comparison.nodes {
            let outcome = match node.measured {
                Ok(measured) => describe(measured),
                Err(reason) => format!("not measured: {reason}"),
            };
            let name = format!("{}: {outcome}", node.name);
            let (rect, response) = row(ui, &columns, if node.has_model { Sense::click() } else { Sense::hover() });
            if to_be_seen == Some(node.id) {
                ui.scroll_to_rect_animation(rect, None, egui::style::ScrollAnimation::none());
            }
            let is_selected = selected == Some(node.id);
            response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, node.has_model, is_selected, &name));
            frame(ui, rect, (is_selected, highlighted == Some(node.id) || response.has_focus()));
            words(ui, rect, &node.name, &outcome);
            if node.has_model {
                pictures(ui, studio, thumbnails, &columns, rect, Source::Node(node.id));
            }
            if response.hovered() || response.has_focus() {
                touched.hovered = Some(node.id);
            }
            if response.clicked() {
                response.request_focus();
                touched.clicked = Some(node.id);
            }
            response.on_hover_text(hint(studio, node, &name));
        }
    });
    touched
}

fn hint(studio: &Studio, node: &ComparedNode, name: &str) -> String {
    let of_history = studio.history.as_ref().and_then(|history| history.manifest.node(node.id));
    let asked = of_history.and_then(|node| node.asked.as_deref()).unwrap_or("");
    format!("{name}\n{asked}")
}

/// Says over the pictures which of them must go.
fn titles(ui: &mut Ui, columns: &Columns) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 14.0), Sense::hover());
    let p = palette(ui.style());
    let font = TextStyle::Small.resolve(ui.style());
    for (samples, first, text, colour) in [
        (&columns.negatives, 0, "must go", p.negative),
        (&columns.kept, columns.negatives.len(), "may stay", p.positive),
    ] {
        if !samples.is_empty() {
            let at = pos2(columns.place(rect, first).left(), rect.center().y);
            ui.painter().text(at, egui::Align2::LEFT_CENTER, text, font.clone(), colour);
        }
    }
}

fn row(ui: &mut Ui, columns: &Columns, sense: Sense) -> (Rect, egui::Response) {
    ui.allocate_exact_size(vec2(ui.available_width(), columns.side.max(LINES) + 8.0), sense)
}

fn frame(ui: &Ui, rect: Rect, (is_selected, is_highlighted): (bool, bool)) {
    let p = palette(ui.style());
    let stroke = match (is_selected, is_highlighted) {
        (true, _) => Stroke::new(2.0, p.after),
        (_, true) => Stroke::new(1.5, p.weak),
        _ => return,
    };
    ui.painter().rect(rect, 6.0, p.lifted.gamma_multiply(0.5), stroke, StrokeKind::Inside);
}

/// What a row is, in a line that is cut where there is no more room, and what came of it, in two at most.
fn words(ui: &Ui, rect: Rect, title: &str, text: &str) {
    let p = palette(ui.style());
    let lines = [(title, TextStyle::Body, p.text, 1), (text, TextStyle::Small, p.weak, 2)];
    let galleys = lines.map(|(text, style, colour, rows)| {
        let mut job = LayoutJob::simple(text.to_owned(), style.resolve(ui.style()), colour, WORDS - 16.0);
        job.wrap.max_rows = rows;
        (ui.painter().layout_job(job), colour)
    });
    let height: f32 = galleys.iter().map(|(galley, _)| galley.size().y).sum();
    let mut at = pos2(rect.left() + 8.0, rect.center().y - height / 2.0);
    for (galley, colour) in galleys {
        let below = galley.size().y;
        ui.painter().galley(at, galley, colour);
        at.y += below;
    }
}

/// The pictures of a row, which are asked for once it is seen.
fn pictures(ui: &Ui, studio: &mut Studio, thumbnails: &mut Thumbnails, columns: &Columns, rect: Rect, source: Source) {
    if !ui.is_rect_visible(rect) {
        return;
    }
    let samples: Vec<Sample> = columns.negatives.iter().chain(&columns.kept).copied().collect();
    if samples.iter().any(|&sample| !thumbnails.has(source, sample)) {
        thumbnails.request(studio, SampleKind::Timeline, source, &samples);
    }
    for (number, &sample) in samples.iter().enumerate() {
        thumbnails.paint(ui, columns.place(rect, number), source, sample);
    }
}

impl Columns {
    /// Where the picture of this number is in a row.
    fn place(&self, row: Rect, number: usize) -> Rect {
        let divide = if number < self.negatives.len() || self.negatives.is_empty() { 0.0 } else { DIVIDE };
        let left = row.left() + WORDS + divide + number as f32 * (self.side + GAP);
        Rect::from_min_size(pos2(left, row.center().y - self.side / 2.0), vec2(self.side, self.side))
    }
}
