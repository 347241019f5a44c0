//! The line above the grid: before or after, which samples, how large, and what concerns the whole page.

use eframe::egui::{
    self, Button, ComboBox, DragValue, PopupCloseBehavior, RichText, Slider, Ui,
    containers::menu::{MenuButton, MenuConfig},
};

use super::{
    fit::{Fit, MARGIN, PADDING, SPACE, Widths},
    order_menu, page,
    view::GridView,
};
use crate::{
    app::{
        state::{
            studio::Studio,
            view::{Beside, Compare},
        },
        views::widgets,
    },
    feedback::Mark,
    networks::{Hidden, Masking, Motion},
};

/// Width of the choice of what stands before the result, and of that of a class.
const BESIDE: f32 = 118.0;
const CLASS: f32 = 96.0;
/// Width of the split line's slider.
const SPLIT: f32 = 70.0;

fn widths(ui: &Ui, studio: &Studio) -> Widths {
    let text = |text: &str| {
        let font = egui::TextStyle::Button.resolve(ui.style());
        ui.painter().layout_no_wrap(text.to_owned(), font, egui::Color32::PLACEHOLDER).size().x
    };
    let icon = ui.spacing().icon_width + ui.spacing().icon_spacing;
    let seed = (text(&studio.view.seed.to_string()) + 2.0 * PADDING[0]).max(ui.spacing().interact_size.x);
    let class = if has_classes(studio) { CLASS + icon + SPACE } else { 0.0 };
    let split = if studio.view.compare == Compare::Split { SPLIT + 2.0 * SPACE } else { 0.0 };
    let beside = if studio.completes_pictures() { BESIDE + icon + SPACE } else { 0.0 };
    Widths {
        compare: Compare::ALL.map(|(_, name, _)| text(name)),
        beside: beside + split,
        samples: seed + SPACE + class,
        menus: ["Page", "View"].map(text),
        order: studio.labeler.as_ref().map(|_| text("Order 100%")),
        label: text(seed_label(studio)),
    }
}

pub(super) fn ui(view: &mut GridView, ui: &mut Ui, studio: &mut Studio) {
    let fit = widths(ui, studio).fit(ui.available_width());
    ui.scope(|ui| {
        ui.spacing_mut().button_padding.x = fit.padding;
        if fit.two_lines {
            ui.horizontal_wrapped(|ui| comparison(ui, studio, fit));
            ui.horizontal(|ui| samples(view, ui, studio, fit));
        } else {
            ui.horizontal(|ui| {
                comparison(ui, studio, fit);
                samples(view, ui, studio, fit);
            });
        }
    });
}

/// What is compared.
fn comparison(ui: &mut Ui, studio: &mut Studio, fit: Fit) {
    ui.add_space(MARGIN);
    if fit.buttons {
        compare(ui, studio)
    } else {
        compare_in_a_menu(ui, studio)
    }
    beside(ui, studio);
    if studio.view.compare == Compare::Split {
        ui.add_space(SPACE);
        ui.spacing_mut().slider_width = SPLIT;
        let slider = Slider::new(&mut studio.view.split, 0.0..=1.0).show_value(false);
        ui.add(slider).accessible_name("Split line").on_hover_text("Position of the line between before and after");
    }
}

/// Which samples are shown, and how.
fn samples(view: &mut GridView, ui: &mut Ui, studio: &mut Studio, fit: Fit) {
    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
        ui.add_space(MARGIN);
        ui.add_enabled_ui(studio.model.is_some(), |ui| {
            page_menu(view, ui, studio);
            view_menu(ui, studio);
            seed(view, ui, studio, fit.label);
            class(ui, studio);
            order_menu::ui(ui, studio);
        });
    });
}

fn compare_in_a_menu(ui: &mut Ui, studio: &mut Studio) {
    let [before, after] = studio.compared_sources();
    let shown =
        Compare::ALL.iter().find(|(compare, ..)| *compare == studio.view.compare).map_or("", |(_, name, _)| name);
    ui.menu_button(shown, |ui| {
        for (compare, name, help) in Compare::ALL {
            let enabled = compare == Compare::After || before != after;
            let button = Button::selectable(studio.view.compare == compare, name);
            if ui.add_enabled(enabled, button).on_hover_text(help).clicked() {
                studio.view.compare = compare;
            }
        }
        widgets::close_after_key(ui);
    })
    .response
    .on_hover_text("Before, after, or both");
}

fn compare(ui: &mut Ui, studio: &mut Studio) {
    let [before, after] = studio.compared_sources();
    ui.spacing_mut().item_spacing.x = 2.0;
    for (compare, name, help) in Compare::ALL {
        let chosen = studio.view.compare == compare;
        let enabled = compare == Compare::After || before != after;
        let button = Button::selectable(chosen, name);
        let response = ui.add_enabled(enabled, button).on_hover_text(help);
        if response.on_disabled_hover_text("There is no result yet: nothing has been unlearned.").clicked() {
            studio.view.compare = compare;
        }
    }
    ui.spacing_mut().item_spacing.x = 8.0;
}

/// What stands before the result, in a model that completes pictures.
fn beside(ui: &mut Ui, studio: &mut Studio) {
    if !studio.completes_pictures() {
        return;
    }
    let name = |beside: Beside| Beside::ALL.iter().find(|(this, ..)| *this == beside).map_or("", |(_, name, _)| name);
    let shown = ComboBox::from_id_salt("beside").selected_text(name(studio.view.beside)).width(BESIDE);
    let combo = shown.show_ui(ui, |ui| {
        for (beside, name, help) in Beside::ALL {
            ui.selectable_value(&mut studio.view.beside, beside, name).on_hover_text(help);
        }
        widgets::close_after_key(ui);
    });
    combo.response.accessible_name("Before shows").on_hover_text("What stands before the result");
}

fn seed(view: &mut GridView, ui: &mut Ui, studio: &mut Studio, with_label: bool) {
    let drag = DragValue::new(&mut studio.view.seed).speed(0.1);
    let response = ui.add(drag).accessible_name("Seed");
    let help = match studio.completes_pictures() {
        true => "A different seed hides other patches. The same seed and picture give the same mask on every machine.",
        false => {
            "A different seed shows different samples. The same seed and index give the same sample on every machine."
        }
    };
    if response.on_hover_text(help).changed() {
        view.scroll_to = Some(0.0);
        studio.view.cursor = 0;
    }
    if with_label {
        ui.label(RichText::new(seed_label(studio)).weak());
    }
}

fn seed_label(studio: &Studio) -> &'static str {
    if studio.completes_pictures() { "Mask seed" } else { "Seed" }
}

fn has_classes(studio: &Studio) -> bool {
    studio.model.as_ref().is_some_and(|card| card.classes > 0)
}

/// Which class is drawn, if the model knows classes.
fn class(ui: &mut Ui, studio: &mut Studio) {
    let classes = studio.model.as_ref().map_or(0, |card| card.classes);
    let Ok(classes) = u32::try_from(classes) else { return };
    if classes == 0 {
        return;
    }
    let name = |class: Option<u32>| class.map_or_else(|| "All classes".to_owned(), |class| format!("Class {class}"));
    let shown = studio.view.class;
    let mut chosen = shown;
    let idle = studio.run.in_progress().is_none();
    ui.add_enabled_ui(idle, |ui| {
        let combo = ComboBox::from_id_salt("class").selected_text(name(shown)).width(CLASS).show_ui(ui, |ui| {
            for class in std::iter::once(None).chain((0..classes).map(Some)) {
                ui.selectable_value(&mut chosen, class, name(class));
            }
            widgets::close_after_key(ui);
        });
        let help = "One class only, or all classes. A run unlearns only in the classes shown here. The class is part of a \
                    sample's address.";
        combo.response.accessible_name("Class").on_hover_text(help).on_disabled_hover_text("Stop the run first.");
    });
    if chosen != shown {
        studio.choose_class(chosen);
    }
}

fn view_menu(ui: &mut Ui, studio: &mut Studio) {
    // It stays open while its sliders are dragged, and the grid follows them.
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let (response, _) = MenuButton::new("View").config(config).ui(ui, |ui| {
        ui.set_min_width(230.0);
        ui.label("Tile size");
        ui.add(Slider::new(&mut studio.view.tile, 40.0..=220.0).show_value(false)).accessible_name("Tile size");
        if studio.completes_pictures() {
            ui.add_space(6.0);
            masking(ui, studio);
            return;
        }
        ui.add_space(6.0);
        ui.label("Truncation psi").on_hover_text(
            "How far samples may stray from the model's average: 1 shows its full range, lower values show safer, more \
             similar samples. Marks made at 1 teach the most.",
        );
        let slider = Slider::new(&mut studio.view.psi, 0.0..=1.5).fixed_decimals(2).step_by(0.01);
        ui.add(slider).accessible_name("Truncation psi");
        if studio.model.as_ref().is_some_and(|card| card.can_move) {
            ui.add_space(6.0);
            motion(ui, studio);
        }
    });
    let what = if studio.completes_pictures() { "Tile size and what is hidden" } else { "Tile size and truncation" };
    response.on_hover_text(what);
}

/// What is hidden of the pictures that are shown.
fn masking(ui: &mut Ui, studio: &mut Studio) {
    let mut masking = studio.view.masking;
    let usual = studio.model.as_ref().and_then(|card| card.completes).map_or(0.75, |completes| completes.mask_ratio);
    ui.label("Hidden").on_hover_text(
        "What the model does not see of the pictures shown. Marks and runs hide patches at random, as the model was trained.",
    );
    for (hidden, name, help) in [
        (Hidden::Random, "Patches at random", "By the mask seed, as in training"),
        (Hidden::Border, "All around the middle", "Outpainting"),
        (Hidden::Centre, "The middle", "Inpainting"),
    ] {
        widgets::outlined(ui, |ui| ui.radio_value(&mut masking.hidden, hidden, name)).on_hover_text(help);
    }
    let mut share = masking.share.unwrap_or(usual) * 100.0;
    let slider = Slider::new(&mut share, 5.0..=95.0).suffix(" %").fixed_decimals(0).step_by(1.0);
    if ui.add(slider).accessible_name("Share hidden").changed() {
        masking.share = Some(share / 100.0);
    }
    if ui.add_enabled(masking != Masking::default(), Button::new("As trained")).clicked() {
        masking = Masking::default();
    }
    studio.mask_samples(masking);
}

/// Where the images of a model that follows motions are moved to.
fn motion(ui: &mut Ui, studio: &mut Studio) {
    let mut motion = studio.view.motion;
    ui.label("Translation and rotation").on_hover_text(
        "This model was built to follow motions: the picture moves as a whole, and detail moves with it. Marks, runs and \
         saved pictures show samples as they are.",
    );
    let mut slider = |name: &str, value: &mut f32, most: f32, unit: &str| {
        let slider = Slider::new(value, -most..=most).suffix(unit).fixed_decimals(0).step_by(1.0);
        ui.add(slider.text(name)).accessible_name(name);
    };
    let (mut x, mut y) = (motion.x * 100.0, motion.y * 100.0);
    slider("Right", &mut x, 50.0, " %");
    slider("Down", &mut y, 50.0, " %");
    slider("Rotation", &mut motion.degrees, 180.0, "\u{b0}");
    (motion.x, motion.y) = (x / 100.0, y / 100.0);
    if ui.add_enabled(motion != Motion::default(), Button::new("Reset motion")).clicked() {
        motion = Motion::default();
    }
    studio.move_samples(motion);
}

fn page_menu(view: &mut GridView, ui: &mut Ui, studio: &mut Studio) {
    let menu = ui.menu_button("Page", |ui| {
        ui.set_min_width(240.0);
        let entry = |ui: &mut Ui, name: &str, keys: &str, help: &str| {
            ui.add(Button::new(name).shortcut_text(keys)).on_hover_text(help).clicked()
        };
        let help = "Marks every unmarked sample on this page as one that may stay.";
        if entry(ui, "The rest may stay", "Ctrl+Shift+A", help) {
            page::rest_may_stay(view, studio);
        }
        if entry(ui, "All must go", "Ctrl+A", "Marks every sample on this page as one that must go.") {
            page::mark_page(view, studio, Some(Mark::Negative));
        }
        if entry(ui, "Clear this page", "", "Clears all marks on this page.") {
            page::mark_page(view, studio, None);
        }
        ui.separator();
        if entry(ui, "Next page", "Page Down", "More samples of the same seed.") {
            page::turn(view, studio, 1.0);
        }
        if entry(ui, "Previous page", "Page Up", "Back towards the first sample.") {
            page::turn(view, studio, -1.0);
        }
        widgets::close_after_key(ui);
    });
    menu.response.on_hover_text("Actions for all samples in view");
}
