//! The history as a tree: what was made from what, what was asked, what came of it.

use eframe::egui::{
    self, Align, Layout, Pos2, Rect, RichText, ScrollArea, Sense, Stroke, StrokeKind, TextEdit, Ui, pos2,
    text::{LayoutJob, TextWrapping},
    vec2,
};

use super::{
    audit_card,
    dialogs::Dialogs,
    follow,
    format::{about, format_bytes, format_change, group_digits},
    retrained_row,
    theme::palette,
    thumbnails::Thumbnails,
    widgets,
};
use crate::{
    app::state::{run_state::RunState, studio::Studio, tiles::Source},
    engine::{ProjectCard, SampleKind},
    feedback::Sample,
    project::{Node, NodeId, Status},
};

/// A node's place, and the steps between two.
const NODE: egui::Vec2 = vec2(238.0, 54.0);
const STEP: egui::Vec2 = vec2(256.0, 60.0);
/// Rows that are seen without scrolling.
const ROWS: f32 = 3.0;

/// The view's own state.
#[derive(Default)]
pub(crate) struct HistoryView {
    rename: Option<(NodeId, String)>,
    delete: Option<NodeId>,
    /// The node that was last brought into view.
    seen: Option<NodeId>,
}

/// Whether there is anything to show.
pub(crate) fn is_empty(studio: &Studio) -> bool {
    studio.model.is_none() || studio.history.as_ref().is_none_or(|history| history.manifest.nodes.len() < 2)
}

impl HistoryView {
    pub(crate) fn ui(&mut self, ui: &mut Ui, studio: &mut Studio, thumbnails: &mut Thumbnails, dialogs: &mut Dialogs) {
        let (Some(history), Some(sample)) = (studio.history.clone(), studio.preview_sample()) else { return };
        ui.horizontal(|ui| {
            ui.label(RichText::new("History").heading());
            if let Some(reason) = &history.read_only {
                ui.label(RichText::new(format!("read-only: {reason}")).color(ui.visuals().warn_fg_color));
            }
            // In a narrow window the buttons take two rows.
            let row = Layout::right_to_left(Align::Center).with_main_wrap(true);
            ui.with_layout(row, |ui| self.actions(ui, studio, &history));
        });
        if let Some(node) = studio.selected_node().cloned()
            && studio.audit_obstacle(&node).is_none()
        {
            retrained_row::ui(ui, studio, dialogs, &node);
        }
        let places = places(&history);
        let rows = places.iter().map(|(_, _, row)| row + 1).max().unwrap_or(1);
        let columns = places.iter().map(|(_, column, _)| column + 1).max().unwrap_or(1);
        let height = (rows as f32).min(ROWS) * STEP.y;
        // The panel is as high as it was in the last frame; without a least height new rows would never get room.
        let scroll = ScrollArea::both().id_salt("history").max_height(height).min_scrolled_height(height);
        scroll.auto_shrink([false, true]).show(ui, |ui| {
            let size = vec2(columns as f32 * STEP.x, rows as f32 * STEP.y);
            let (area, _) = ui.allocate_exact_size(size, Sense::hover());
            let rect = |column: usize, row: usize| {
                let corner = area.min + vec2(column as f32 * STEP.x, row as f32 * STEP.y);
                Rect::from_min_size(corner + vec2(2.0, 3.0), NODE)
            };
            lines(ui, &history, &places, rect);
            let selected = studio.selected_node().map(|node| node.id);
            if self.seen != selected {
                let place = places.iter().find(|(id, ..)| Some(*id) == selected);
                if let Some(&(_, column, row)) = place {
                    // At once: what moves is hard to click.
                    let place = rect(column, row).expand2(vec2(8.0, 0.0));
                    ui.scroll_to_rect_animation(place, None, egui::style::ScrollAnimation::none());
                }
                self.seen = selected;
            }
            for &(id, column, row) in &places {
                if let Some(node) = history.manifest.node(id) {
                    self.node(ui, studio, thumbnails, (&history, node), rect(column, row), sample);
                }
            }
        });
        self.questions(ui, studio, &history);
    }

    /// What can be done with the node that is looked at.
    fn actions(&mut self, ui: &mut Ui, studio: &mut Studio, history: &ProjectCard) {
        let Some(node) = studio.selected_node().cloned() else { return };
        let idle = studio.run.in_progress().is_none();
        let writable = history.read_only.is_none();
        let whole = node.file.is_some();
        let may = |enabled: bool, ui: &mut Ui, text: &str, help: &str| {
            let button = ui.add_enabled(enabled, widgets::minor(text)).on_hover_text(help);
            follow::from(ui, &button);
            button.clicked()
        };
        if may(idle && writable && node.parent.is_some(), ui, "Delete\u{2026}", "Delete this and what was made from it")
        {
            self.delete = Some(node.id);
        }
        if may(writable, ui, "Rename\u{2026}", "Give it another name") {
            self.rename = Some((node.id, node.name.clone()));
        }
        // Where its result is shown, the button stands there.
        let is_stopped = history.stopped.as_ref().is_some_and(|run| run.node == node.id);
        if is_stopped
            && !matches!(studio.run, RunState::Finished(_))
            && may(idle && writable, ui, "Go on", "Goes on where it was stopped, to the end that was asked for")
        {
            studio.continue_run();
        }
        let other = history.manifest.base != node.id;
        if may(
            idle && whole && other,
            ui,
            "Use as starting point",
            "The next run starts from this model; mark its samples",
        ) {
            studio.start_from(node.id);
        }
        if node.parent.is_some() {
            let obstacle = studio.audit_obstacle(&node);
            let help = "Tests how far forgetting holds: measures, attacks, and writes a report";
            let button = ui.add_enabled(obstacle.is_none(), widgets::minor("Audit"));
            follow::from(ui, &button);
            if button.on_hover_text(help).on_disabled_hover_text(obstacle.unwrap_or_default()).clicked() {
                studio.start_audit(node.id);
            }
        }
        if studio.comparison().is_some() {
            let button = widgets::minor_button(ui, "Compare methods");
            let help = "Shows what was made from the same model side by side: as points, and as the same samples";
            if button.on_hover_text(help).clicked() {
                studio.view.scatter ^= true;
            }
        }
    }

    fn node(
        &mut self,
        ui: &mut Ui,
        studio: &mut Studio,
        thumbnails: &mut Thumbnails,
        (history, node): (&ProjectCard, &Node),
        rect: Rect,
        sample: Sample,
    ) {
        let p = palette(ui.style());
        let manifest = &history.manifest;
        let (is_base, is_shown) = (manifest.base == node.id, manifest.shown == Some(node.id));
        let compared = studio.compared_node == Some(node.id);
        let response = ui.interact(rect, ui.scope_id().with(("node", node.id)), Sense::click());
        let stroke = match (is_shown, is_base, compared) {
            (true, ..) => Stroke::new(2.0, p.after),
            (_, true, _) | (_, _, true) => Stroke::new(2.0, p.before),
            _ if response.hovered() || response.has_focus() => Stroke::new(1.5, p.weak),
            _ => Stroke::new(1.0, p.lifted),
        };
        ui.painter().rect(rect, 6.0, p.lifted, stroke, StrokeKind::Inside);
        let picture = Rect::from_min_size(rect.min + vec2(4.0, 10.0), vec2(34.0, 34.0));
        let source = if is_base { Source::Original } else { Source::Node(node.id) };
        if node.file.is_some() {
            if !thumbnails.has(source, sample) {
                thumbnails.request(studio, SampleKind::Timeline, source, &[sample]);
            }
            thumbnails.paint(ui, picture, source, sample);
        } else {
            nothing_yet(ui, picture);
        }
        let left = picture.right() + 7.0;
        let put = |y: f32, text: &str, style: egui::TextStyle, colour: egui::Color32| {
            let mut job = LayoutJob::simple_singleline(text.to_owned(), style.resolve(ui.style()), colour);
            job.wrap = TextWrapping::truncate_at_width(rect.right() - 6.0 - left);
            let words = ui.painter().layout_job(job);
            ui.painter().galley(pos2(left, y - words.size().y / 2.0), words, colour);
        };
        let outcome = outcome(node);
        // The lines stand in the middle, however many there are.
        let top = rect.center().y - 8.0 * outcome.len() as f32;
        put(top, &node.name, egui::TextStyle::Body, p.text);
        for (line, text) in (1..).zip(&outcome) {
            put(top + 16.0 * line as f32, text, egui::TextStyle::Small, p.weak);
        }
        let what = outcome.join(", ");
        let role = if is_base { ", the next run starts from it" } else { "" };
        let spoken = format!("{}: {what}{role}", node.name);
        response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_shown || is_base, &spoken));
        if response.clicked() && node.file.is_some() {
            response.request_focus();
            studio.show_history(node.id);
        }
        response.context_menu(|ui| {
            ui.set_min_width(190.0);
            let idle = studio.run.in_progress().is_none();
            let writable = history.read_only.is_none();
            let may =
                |enabled: bool, ui: &mut Ui, text: &str| ui.add_enabled(enabled, egui::Button::new(text)).clicked();
            let whole = node.file.is_some();
            if may(idle && whole && !is_base, ui, "Use as starting point") {
                studio.start_from(node.id);
            }
            match studio.audit_obstacle(node) {
                None => {
                    studio.look_for_retrained(node);
                    if may(true, ui, "Audit") {
                        studio.start_audit(node.id);
                    }
                    if let Some((file, _)) = studio.retrained_for(node) {
                        let file = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
                        widgets::explain(ui, format!("Beside {file}, which never saw it."));
                    }
                }
                Some(reason) => {
                    ui.add_enabled(false, egui::Button::new("Audit")).on_disabled_hover_text(reason);
                }
            }
            if let Some((page, note)) = studio.audit_report(node.id) {
                let text = if note.is_some() { audit_card::EARLIER } else { "Show report" };
                if may(true, ui, text) {
                    audit_card::show(ui, &page);
                }
                if let Some(note) = note {
                    widgets::explain(ui, note);
                }
            }
            let compare = if compared { "Compare with the parent again" } else { "Compare with this" };
            if may(whole, ui, compare) {
                studio.compare_with(node.id);
            }
            if may(writable, ui, "Rename\u{2026}") {
                self.rename = Some((node.id, node.name.clone()));
            }
            if may(idle && writable && node.parent.is_some(), ui, "Delete\u{2026}") {
                self.delete = Some(node.id);
            }
            widgets::close_after_key(ui);
        });
        let size =
            manifest.nodes.iter().position(|other| other.id == node.id).and_then(|place| history.sizes.get(place));
        let size = size.map_or_else(String::new, |bytes| format!("\n{} on disk", format_bytes(*bytes as f64)));
        response.on_hover_text(format!("{}\n{}{size}", node.asked.as_deref().unwrap_or("the opened model"), what));
    }

    fn questions(&mut self, ui: &mut Ui, studio: &mut Studio, history: &ProjectCard) {
        if let Some((id, mut name)) = self.rename.take() {
            let response = widgets::question(ui.ctx(), "rename").show(ui.ctx(), |ui| {
                ui.set_width(320.0);
                ui.label(RichText::new("Rename").heading());
                let line = TextEdit::singleline(&mut name).desired_width(f32::INFINITY);
                let line = ui.add(line).accessible_name("Name");
                let entered = line.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
                if !ui.memory(|memory| memory.focused().is_some()) {
                    line.request_focus();
                }
                ui.add_space(8.0);
                let usable = !name.trim().is_empty();
                ui.horizontal(|ui| {
                    let colour = palette(ui.style()).after;
                    let go = ui.add_enabled_ui(usable, |ui| widgets::wide_button(ui, "Save name", colour, 110.0)).inner;
                    let cancel = widgets::side_button(ui, "Cancel").clicked();
                    if (go.clicked() || entered) && usable { Some(true) } else { cancel.then_some(false) }
                })
                .inner
            });
            match response.inner {
                Some(true) => studio.rename_node(id, name),
                Some(false) => {}
                None if response.should_close() => {}
                None => self.rename = Some((id, name)),
            }
        }
        if let Some(id) = self.delete.take() {
            let gone = history.manifest.subtree(id);
            let name = history.manifest.node(id).map_or("", |node| node.name.as_str());
            let size = |node: &NodeId| {
                let place = history.manifest.nodes.iter().position(|other| other.id == *node)?;
                history.sizes.get(place).copied()
            };
            let bytes: u64 = gone.iter().filter_map(size).sum();
            let response = widgets::question(ui.ctx(), "delete").show(ui.ctx(), |ui| {
                ui.set_width(360.0);
                ui.label(RichText::new(format!("Delete \u{201c}{name}\u{201d}?")).heading());
                let others = match gone.len() {
                    0 | 1 => String::new(),
                    2 => " and the one made from it".to_owned(),
                    more => format!(" and the {} made from it", more - 1),
                };
                let text = format!(
                    "This cannot be undone. Deletes the model{others} and frees {}.",
                    format_bytes(bytes as f64)
                );
                widgets::explain(ui, text);
                ui.add_space(8.0);
                ui.horizontal(|ui| {
                    let colour = palette(ui.style()).negative;
                    let go = widgets::wide_button(ui, "Delete", colour, 110.0).clicked();
                    let cancel = widgets::side_button(ui, "Cancel").clicked();
                    if go { Some(true) } else { cancel.then_some(false) }
                })
                .inner
            });
            match response.inner {
                Some(true) => studio.delete_node(id),
                Some(false) => {}
                None if response.should_close() => {}
                None => self.delete = Some(id),
            }
        }
    }
}

/// A run that was interrupted, and the way on; nothing if there is none.
pub(crate) fn interrupted(ui: &mut Ui, studio: &mut Studio) {
    let Some(history) = &studio.history else { return };
    let Some(node) = history.interrupted.as_ref().and_then(|run| history.manifest.node(run.node)).cloned() else {
        return;
    };
    let writable = history.read_only.is_none();
    let p = palette(ui.style());
    widgets::card(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.label(RichText::new("A run was interrupted").heading().color(p.before));
        let asked = node.asked.as_deref().unwrap_or(&node.name);
        widgets::explain(ui, format!("It was to {asked}. It can go on from where it was last saved."));
        ui.add_space(6.0);
        ui.add_enabled_ui(writable, |ui| {
            ui.horizontal(|ui| {
                let go_on = widgets::wide_button(ui, "Go on", p.after, 110.0);
                follow::to(ui, &go_on);
                if go_on.clicked() {
                    studio.continue_run();
                }
                let help = match node.file {
                    None => "Deletes what it has trained so far",
                    Some(_) => "Keeps what it had made when it was stopped before",
                };
                let give_up = widgets::side_button(ui, "Discard it").on_hover_text(help);
                follow::from(ui, &give_up);
                if give_up.clicked() {
                    studio.give_up(node.id);
                }
            });
        });
    });
    widgets::gap(ui);
}

/// In place of the picture of a model that is being made: three dots.
fn nothing_yet(ui: &Ui, place: Rect) {
    let p = palette(ui.style());
    ui.painter().rect_filled(place, 4.0, p.card);
    for dot in [-1.0, 0.0, 1.0] {
        ui.painter().circle_filled(place.center() + vec2(7.0 * dot, 0.0), 1.8, p.weak);
    }
}

/// What came of a node: a few words, or what was measured of it, a line each.
fn outcome(node: &Node) -> Vec<String> {
    let steps = node.iterations.map_or(0, |(done, _)| done);
    let how = match node.status {
        Status::Original => return vec!["the opened model".to_owned()],
        Status::Unfinished => return vec!["not finished".to_owned()],
        Status::Done => "",
        Status::Stopped => "stopped, ",
        Status::Failed => "failed, ",
        Status::Snapshot => "a snapshot, ",
    };
    let numbers = node.numbers.unwrap_or_default();
    let estimated = numbers.estimated.map(|gone| match gone > 0.0 {
        true => format!("about {} gone", about(gone / 100.0)),
        false => "no change seen".to_owned(),
    });
    let gone = numbers.pul.map(|pul| format!("{pul:.0}% gone")).or(estimated);
    let changed = numbers.frechet.map(|frechet| format_change(frechet, numbers.frechet_floor));
    let mut lines: Vec<String> = gone.into_iter().chain(changed).collect();
    match lines.first_mut() {
        Some(first) => first.insert_str(0, how),
        None => lines.push(format!("{how}{} steps", group_digits(steps))),
    }
    lines
}

/// The column and row of every node: a first child continues its parent's row, the others begin new ones.
fn places(history: &ProjectCard) -> Vec<(NodeId, usize, usize)> {
    let nodes = &history.manifest.nodes;
    let mut places = Vec::with_capacity(nodes.len());
    let mut next_row = 0;
    // A stack in place of recursion: a history can be long.
    let mut stack: Vec<(NodeId, usize, Option<usize>)> =
        nodes.iter().filter(|node| node.parent.is_none()).map(|node| (node.id, 0, None)).collect();
    while let Some((id, column, row)) = stack.pop() {
        let row = row.unwrap_or(next_row);
        next_row = next_row.max(row + 1);
        places.push((id, column, row));
        let children: Vec<NodeId> = nodes.iter().filter(|node| node.parent == Some(id)).map(|node| node.id).collect();
        for (place, child) in children.iter().enumerate().rev() {
            stack.push((*child, column + 1, (place == 0).then_some(row)));
        }
    }
    places
}

/// From each parent to its children.
fn lines(ui: &Ui, history: &ProjectCard, places: &[(NodeId, usize, usize)], rect: impl Fn(usize, usize) -> Rect) {
    let place = |id: NodeId| places.iter().find(|(other, ..)| *other == id).map(|&(_, column, row)| rect(column, row));
    let stroke = Stroke::new(1.5, palette(ui.style()).weak);
    for node in &history.manifest.nodes {
        let (Some(from), Some(to)) = (node.parent.and_then(place), place(node.id)) else { continue };
        let middle = (from.right() + to.left()) / 2.0;
        let path: [Pos2; 4] =
            [from.right_center(), pos2(middle, from.center().y), pos2(middle, to.center().y), to.left_center()];
        for pair in path.windows(2) {
            ui.painter().line_segment([pair[0], pair[1]], stroke);
        }
    }
}
