//! The strip of snapshots below the grid, and the slider that leads beyond them.

use eframe::egui::{
    self, Button, Key, Rect, RichText, ScrollArea, Sense, Shape, Slider, Stroke, StrokeKind, TextStyle, Ui, WidgetInfo,
    style::ScrollAnimation, vec2,
};

use super::{
    dialogs::{Dialogs, Purpose},
    theme::palette,
    thumbnails::Thumbnails,
    widgets,
};
use crate::{
    app::state::{notices::Level, studio::Studio, tiles::Source},
    engine::SampleKind,
    feedback::Sample,
};

const SIDE: f32 = 50.0;
/// Height of a stop: its picture and the words below it.
const STOP: f32 = SIDE + 18.0;
/// Below this width the slider makes room for the snapshots.
const NARROW: f32 = 480.0;

/// Whether there is anything to show.
pub(crate) fn is_empty(studio: &Studio) -> bool {
    studio.model.is_none() || (studio.timeline.snapshots().is_empty() && studio.timeline.sliders().is_empty())
}

pub(crate) fn ui(ui: &mut Ui, studio: &mut Studio, thumbnails: &mut Thumbnails, dialogs: &mut Dialogs) {
    let Some(sample) = studio.preview_sample() else { return };
    ui.horizontal(|ui| {
        ui.label(RichText::new("Timeline").heading());
        ui.label(RichText::new(studio.timeline.caption()).weak());
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let export = ui.button("Save this\u{2026}").on_hover_text("Save the weights shown as a model");
            if export.clicked() {
                dialogs.ask(Purpose::SaveModel, studio);
            }
            starting_point(ui, studio);
            if studio.run.in_progress().is_some()
                && ui.button("Take snapshot").on_hover_text("Keep the current state on the timeline").clicked()
            {
                studio.take_snapshot();
            }
        });
    });
    ui.add_space(2.0);
    ui.horizontal_top(|ui| {
        let narrow = ui.available_width() < NARROW;
        if !studio.timeline.snapshots().is_empty() {
            play_button(ui, studio);
        }
        let slider = match (!studio.timeline.sliders().is_empty(), narrow) {
            (false, _) => 0.0,
            (true, false) => 250.0,
            (true, true) => 170.0,
        };
        let width = ui.available_width() - slider;
        ui.allocate_ui(vec2(width, SIDE + 26.0), |ui| {
            ScrollArea::horizontal().id_salt("timeline").auto_shrink([false, true]).stick_to_right(true).show(
                ui,
                |ui| {
                    ui.horizontal_top(|ui| stops(ui, studio, thumbnails, sample));
                },
            );
        });
        if slider > 0.0 {
            ui.add_space(10.0);
            ui.vertical(|ui| weights_sliders(ui, studio, if narrow { 70.0 } else { 150.0 }));
        }
    });
}

/// Plays the timeline or holds it. Its sign is drawn: fonts differ in the signs for this.
fn play_button(ui: &mut Ui, studio: &mut Studio) {
    let is_playing = studio.timeline.is_playing();
    let (name, help) = match is_playing {
        true => ("Pause the timeline", "Stays at this snapshot"),
        false => ("Play the timeline", "Shows one snapshot after the other, up to now"),
    };
    let button = ui.add(Button::new("").min_size(vec2(32.0, SIDE)));
    let colour = ui.style().interact(&button).fg_stroke.color;
    let sign = Rect::from_center_size(button.rect.center(), vec2(11.0, 13.0));
    if is_playing {
        for x in [sign.left(), sign.right() - 4.0] {
            let bar = Rect::from_min_size(egui::pos2(x, sign.top()), vec2(4.0, sign.height()));
            ui.painter().rect_filled(bar, 1.0, colour);
        }
    } else {
        let corners = vec![sign.left_top(), sign.right_center(), sign.left_bottom()];
        ui.painter().add(Shape::convex_polygon(corners, colour, Stroke::NONE));
    }
    if button.accessible_name(name).on_hover_text(help).clicked() {
        match is_playing {
            true => studio.timeline.pause(),
            false => studio.play_timeline(),
        }
    }
}

fn stops(ui: &mut Ui, studio: &mut Studio, thumbnails: &mut Thumbnails, sample: Sample) {
    ui.spacing_mut().item_spacing.x = 6.0;
    let runs: Vec<_> = studio.timeline.snapshots_by_run().map(<[_]>::to_vec).collect();
    let last = runs.last().and_then(|snapshots| snapshots.last()).copied();
    let has_now = last.is_some() || studio.unsaved;
    let mut show = |ui: &mut Ui, source, caption: &str, name: &str| {
        // "Now" changes all the time: the grid shows it.
        let pictured = match (source, last) {
            (Source::Current, Some(last)) => Source::Snapshot(last.number),
            (Source::Current, None) => Source::Original,
            _ => source,
        };
        stop(ui, studio, thumbnails, (source, pictured, sample), caption, name);
    };
    show(ui, Source::Original, "before", "Before: the original model");
    for (number, snapshots) in runs.iter().enumerate() {
        let run = if runs.len() > 1 { format!("run {}, ", number + 1) } else { String::new() };
        if runs.len() > 1 {
            divider(ui, &format!("Run {}", number + 1));
        }
        for snapshot in snapshots {
            let name = format!("Snapshot {}: {run}after {} steps", snapshot.number + 1, snapshot.iteration);
            show(ui, Source::Snapshot(snapshot.number), &snapshot.iteration.to_string(), &name);
        }
    }
    if has_now {
        show(ui, Source::Current, "now", "Now: the latest result");
    }
}

/// Where a run begins.
fn divider(ui: &mut Ui, title: &str) {
    let p = palette(ui.style());
    let font = TextStyle::Small.resolve(ui.style());
    let words = ui.painter().layout_no_wrap(title.to_owned(), font, p.weak);
    let (rect, response) = ui.allocate_exact_size(vec2(words.size().x + 4.0, STOP), Sense::hover());
    let line = rect.top()..=rect.top() + SIDE;
    ui.painter().vline(rect.center().x, line, Stroke::new(1.0, p.weak.gamma_multiply(0.6)));
    let corner = rect.center_bottom() - vec2(words.size().x / 2.0, words.size().y + 2.0);
    ui.painter().galley(corner, words, p.weak);
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, title));
}

/// One set of weights to look at: a small picture of a sample that they generate, and what they are called.
fn stop(
    ui: &mut Ui,
    studio: &mut Studio,
    thumbnails: &mut Thumbnails,
    (source, pictured, sample): (Source, Source, Sample),
    caption: &str,
    name: &str,
) {
    let p = palette(ui.style());
    if !thumbnails.has(pictured, sample) {
        thumbnails.request(studio, SampleKind::Timeline, pictured, &[sample]);
    }
    let chosen = studio.timeline.shown() == source;
    let (rect, response) = ui.allocate_exact_size(vec2(SIDE, STOP), Sense::click());
    if chosen && studio.timeline.is_playing() {
        ui.scroll_to_rect_animation(rect, None, ScrollAnimation::none());
    }
    let picture = Rect::from_min_size(rect.min, vec2(SIDE, SIDE));
    thumbnails.paint(ui, picture, pictured, sample);
    let colour = if source == Source::Original { p.before } else { p.after };
    if chosen || response.hovered() || response.has_focus() {
        let stroke = if chosen { Stroke::new(2.5, colour) } else { Stroke::new(1.5, p.weak) };
        ui.painter().rect_stroke(picture, 4.0, stroke, StrokeKind::Inside);
    }
    let text = if chosen { colour } else { p.weak };
    let font = TextStyle::Small.resolve(ui.style());
    ui.painter().text(rect.center_bottom() - vec2(0.0, 2.0), egui::Align2::CENTER_BOTTOM, caption, font, text);
    response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, chosen, name));
    if response.clicked() {
        studio.timeline.show(source);
        response.request_focus();
    }
    if response.has_focus() {
        let by = widgets::presses(ui.ctx(), Key::ArrowRight, Key::ArrowLeft);
        if by != 0 {
            studio.timeline.step(by);
        }
    }
    response.on_hover_text(name);
}

fn starting_point(ui: &mut Ui, studio: &mut Studio) {
    let Source::Snapshot(number) = studio.timeline.shown() else { return };
    if !studio.is_kept() || studio.run.in_progress().is_some() {
        return;
    }
    let help = "Makes a model of this snapshot in the history; the next run starts from it.";
    let button = ui.button("Use as starting point").accessible_name("Use snapshot as starting point");
    if button.on_hover_text(help).clicked() {
        studio.start_from_snapshot(number);
    }
}

fn weights_sliders(ui: &mut Ui, studio: &mut Studio, width: f32) {
    let sliders = studio.timeline.sliders();
    let shown = match studio.timeline.shown() {
        Source::Slider(places) => Some(places.map(|thousandths| f64::from(thousandths) / 1000.0)),
        _ => None,
    };
    let place = |number: usize| sliders.get(number).map_or(0.0, |slider| slider.original);
    let mut places = shown.unwrap_or([place(0), place(1)]);
    ui.spacing_mut().slider_width = width;
    let mut changed = false;
    for (slider, place) in sliders.iter().zip(&mut places) {
        let title = if sliders.len() == 1 { format!("{} (no training)", slider.name) } else { slider.name.to_owned() };
        let label = ui.label(RichText::new(title).weak()).on_hover_text(slider.help);
        let control = Slider::new(place, slider.min..=slider.max).fixed_decimals(2);
        let control = if slider.step > 0.0 { control.step_by(slider.step) } else { control.logarithmic(true) };
        let response = ui.add(control).labelled_by(label.id).accessible_name(slider.name);
        if response.changed() {
            changed = true;
        }
    }
    if changed {
        studio.timeline.show(Source::Slider(places.map(|place| (place * 1000.0).round() as i32)));
    }
    let settings: Vec<_> =
        sliders.iter().zip(places).filter_map(|(slider, place)| Some((slider.setting?, place))).collect();
    if settings.is_empty() {
        return;
    }
    // It is always there, so that nothing moves when the slider does.
    ui.add_enabled_ui(shown.is_some(), |ui| {
        let help = "The next run starts from these weights.";
        let button = widgets::minor_button(ui, "Use as starting point");
        let button = button.accessible_name("Use pushed weights as starting point");
        if !button.on_hover_text(help).on_disabled_hover_text("Move the slider first.").clicked() {
            return;
        }
        for (setting, place) in settings {
            if let Err(problem) = studio.settings.set(setting, place) {
                studio.notify(Level::Error, problem);
            }
        }
    });
}
