//! What the grid waits for.

use std::time::Duration;

use eframe::egui::{self, Align2, Area, Id, Margin, Order, Rect, Ui, vec2};

use crate::app::{
    state::{
        sample_order::Filter,
        studio::{Studio, TUNING},
    },
    views::{format::group_digits, theme::palette, widgets},
};

/// Seconds after which a wait is worth a word.
const SOON: f64 = 0.25;

/// Why something is not there yet.
fn text(studio: &Studio, any: bool) -> Option<String> {
    if let Some((path, seconds)) = studio.file_being_opened() {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let read = match (100.0 * studio.opened) as u32 {
            0 => String::new(),
            percent => format!(" {percent}%"),
        };
        return (seconds > SOON).then(|| format!("Opening {name}\u{2026}{read}"));
    }
    if studio.device.is_none() {
        return Some("Looking for a device\u{2026}".to_owned());
    }
    if studio.is_tuning_for_samples() {
        return Some(TUNING.to_owned());
    }
    (!any && studio.is_filling()).then(|| "Generating samples\u{2026}".to_owned())
}

/// A word above the grid while a file is being opened or the first samples are on their way.
pub(super) fn ui(ui: &Ui, place: Rect, studio: &Studio, any: bool) {
    if studio.file_being_opened().is_some() || (!any && studio.is_filling()) {
        // Nothing else may wake the window before the wait is worth a word.
        ui.ctx().request_repaint_after(Duration::from_secs_f64(SOON));
    }
    let Some(text) = text(studio, any) else { return };
    Area::new(Id::unique("status"))
        .order(Order::Middle)
        .interactable(false)
        .pivot(Align2::CENTER_TOP)
        .fixed_pos(place.center_top() + vec2(0.0, 18.0))
        .show(ui.ctx(), |ui| {
            widgets::pill(ui).inner_margin(Margin::symmetric(14, 7)).show(ui, |ui| {
                ui.horizontal(|ui| {
                    widgets::busy(ui, 14.0);
                    ui.add(egui::Label::new(text).extend());
                });
            });
        });
}

/// What stands where the grid will be.
pub(super) fn empty(ui: &mut Ui, studio: &Studio) {
    let height = ui.available_height();
    ui.vertical_centered(|ui| {
        // Sentences keep away from the edges.
        ui.set_max_width((ui.available_width() - 48.0).max(200.0));
        ui.add_space(height * 0.32);
        if let Some(path) = &studio.opening {
            widgets::busy(ui, 28.0);
            ui.add_space(8.0);
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            ui.label(format!("Opening {name}\u{2026}"));
            if studio.opened > 0.0 {
                ui.add_space(8.0);
                let bar = egui::ProgressBar::new(studio.opened).desired_width(240.0).desired_height(8.0);
                ui.add(bar.fill(palette(ui.style()).after).corner_radius(4.0));
            }
        } else if let Some(reason) = &studio.not_opened {
            ui.label(egui::RichText::new("The file was not opened").size(22.0).color(palette(ui.style()).negative));
            ui.add_space(2.0);
            ui.add(egui::Label::new(reason).wrap());
            ui.add_space(6.0);
            widgets::explain(ui, "Drop another model here, or choose one under Open: the bundled faces always open.");
        } else {
            ui.label("Unlearn Studio makes an image model forget what you mark, and keep everything else.");
            ui.add_space(10.0);
            ui.label(egui::RichText::new("Drop a model here").size(22.0));
            ui.add_space(2.0);
            widgets::explain(
                ui,
                "or choose one under Open: StyleGAN2, StyleGAN3 or DCGAN as .safetensors, .pt or .pkl, or a ViT-MAE's folder",
            );
        }
    });
}

/// What stands in the grid's place while none of the samples that a labeler looked through is to be shown.
pub(super) fn none_shown(ui: &mut Ui, studio: &Studio) {
    let height = ui.available_height();
    let done = studio.order.looked_through().map_or(0, |looked| looked.done);
    let (what, done) = (if studio.order.choice().1 == Filter::Showing { "None" } else { "Each" }, group_digits(done));
    ui.vertical_centered(|ui| {
        ui.add_space(height * 0.36);
        ui.label(egui::RichText::new(format!("{what} of the {done} samples looked through shows it")).size(22.0));
        ui.add_space(2.0);
        widgets::explain(ui, "under Order you can look through more, or show all samples again");
    });
}

/// What stands where the grid will be once a model that completes pictures has some.
pub(super) fn no_pictures(ui: &mut Ui) {
    let height = ui.available_height();
    ui.vertical_centered(|ui| {
        ui.add_space(height * 0.36);
        ui.label(egui::RichText::new("Drop a folder of pictures here").size(22.0));
        ui.add_space(2.0);
        widgets::explain(ui, "or choose one under Pictures: this model completes pictures of which it sees a part");
    });
}
