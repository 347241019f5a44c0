//! The strip of snapshots below the grid, and the slider that leads beyond them.

use eframe::egui::{self, Key, RichText, ScrollArea, Sense, Slider, Stroke, StrokeKind, Ui, vec2};

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

fn stops(ui: &mut Ui, studio: &mut Studio, thumbnails: &mut Thumbnails, sample: Sample) {
    ui.spacing_mut().item_spacing.x = 6.0;
    let snapshots = studio.timeline.snapshots().to_vec();
    let runs = snapshots.last().map_or(0, |snapshot| snapshot.run);
    let mut all = vec![(Source::Original, "before".to_owned(), "Before: the original model".to_owned())];
    all.extend(snapshots.iter().map(|snapshot| {
        let run = if runs > 0 { format!("run {}, ", snapshot.run + 1) } else { String::new() };
        let name = format!("Snapshot {}: {run}after {} steps", snapshot.number + 1, snapshot.iteration);
        (Source::Snapshot(snapshot.number), snapshot.iteration.to_string(), name)
    }));
    if studio.unsaved || !snapshots.is_empty() {
        all.push((Source::Current, "now".to_owned(), "Now: the latest result".to_owned()));
    }
    let p = palette(ui.style());
    for (source, caption, name) in all {
        // "Now" changes all the time: the grid shows it.
        let pictured = if source == Source::Current {
            snapshots.last().map_or(Source::Original, |last| Source::Snapshot(last.number))
        } else {
            source
        };
        if !thumbnails.has(pictured, sample) {
            thumbnails.request(studio, SampleKind::Timeline, pictured, &[sample]);
        }
        let chosen = studio.timeline.shown() == source;
        let (rect, response) = ui.allocate_exact_size(vec2(SIDE, SIDE + 18.0), Sense::click());
        let picture = egui::Rect::from_min_size(rect.min, vec2(SIDE, SIDE));
        thumbnails.paint(ui, picture, pictured, sample);
        let colour = if source == Source::Original { p.before } else { p.after };
        if chosen || response.hovered() || response.has_focus() {
            let stroke = if chosen { Stroke::new(2.5, colour) } else { Stroke::new(1.5, p.weak) };
            ui.painter().rect_stroke(picture, 4.0, stroke, StrokeKind::Inside);
        }
        let text = if chosen { colour } else { p.weak };
        let font = egui::TextStyle::Small.resolve(ui.style());
        ui.painter().text(rect.center_bottom() - vec2(0.0, 2.0), egui::Align2::CENTER_BOTTOM, caption, font, text);
        response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, chosen, &name));
        if response.clicked() {
            studio.timeline.show(source);
            response.request_focus();
        }
        if response.has_focus() {
            let step = |ui: &Ui, key| ui.input(|input| input.key_pressed(key));
            let by = isize::from(step(ui, Key::ArrowRight)) - isize::from(step(ui, Key::ArrowLeft));
            if by != 0 {
                studio.timeline.step(by);
            }
        }
        response.on_hover_text(name);
    }
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
