//! The line at the top: files, undo, device, theme.

use eframe::egui::{self, Button, Key, KeyboardShortcut, Modifiers, RichText, Ui};

use super::{
    device_menu::DeviceMenu,
    dialogs::{Dialogs, Purpose},
    key_list::KeyList,
    remote_dialog::RemoteDialog,
    theme, widgets,
};
use crate::app::state::{bundled::BUNDLED_MODELS, prefs::Theme, studio::Studio, window_layout::WindowLayout};

const OPEN: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::O);
const SAVE: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::S);
const UNDO: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Z);
const REDO: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z);
const LEFT_PANEL: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::B);
const RIGHT_PANEL: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::B);
const KEYS: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::F1);
const KEYS_ALTERNATIVE: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::Questionmark);
const REDO_ALTERNATIVE: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Y);

/// Below this width the program's name makes room: the window's title says it, too.
const NARROW: f32 = 900.0;

/// The bar's own state.
#[derive(Default)]
pub(crate) struct TopBar {
    device: DeviceMenu,
    /// The question for a device of another machine.
    pub(crate) remote: RemoteDialog,
    /// The list of all keys.
    pub(crate) keys: KeyList,
}

fn left_panel(window: &mut WindowLayout) -> &mut bool {
    &mut window.left_panel
}

fn right_panel(window: &mut WindowLayout) -> &mut bool {
    &mut window.right_panel
}

/// Shows or hides a panel; that is remembered.
fn toggle(studio: &mut Studio, panel: fn(&mut WindowLayout) -> &mut bool) {
    let shown = panel(&mut studio.prefs.window);
    *shown = !*shown;
    studio.prefs.save();
}

impl TopBar {
    /// Keys that work everywhere; while something is typed in a field, only those that mean nothing there.
    pub(crate) fn shortcuts(&mut self, ui: &Ui, (studio, dialogs): (&mut Studio, &mut Dialogs), is_typing: bool) {
        let pressed = |shortcut: &KeyboardShortcut| ui.input_mut(|input| input.consume_shortcut(shortcut));
        if pressed(&OPEN) {
            dialogs.ask(Purpose::OpenModel, studio);
        }
        if pressed(&SAVE) && studio.model.is_some() {
            dialogs.ask(Purpose::SaveModel, studio);
        }
        // A field undoes and redoes what was typed in it, not marks.
        if !is_typing {
            if pressed(&REDO) || pressed(&REDO_ALTERNATIVE) {
                studio.marks.redo();
            }
            if pressed(&UNDO) {
                studio.marks.undo();
            }
        }
        // Ctrl+Shift first: a shortcut without Shift would take it as well.
        if pressed(&RIGHT_PANEL) {
            toggle(studio, right_panel);
        }
        if pressed(&LEFT_PANEL) {
            toggle(studio, left_panel);
        }
        // Where something is typed a question mark is one.
        let asked = pressed(&KEYS) || (!is_typing && pressed(&KEYS_ALTERNATIVE));
        if asked {
            self.keys.open();
        }
    }

    pub(crate) fn ui(&mut self, ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
        let narrow = ui.available_width() < NARROW;
        ui.horizontal_centered(|ui| {
            let window = studio.prefs.window;
            if widgets::panel_toggle(ui, "Left panel", "Ctrl+B", false, window.left_panel) {
                toggle(studio, left_panel);
            }
            if !narrow {
                ui.label(RichText::new("Unlearn Studio").size(16.0).strong());
                ui.add_space(14.0);
            }
            open_menu(ui, studio, dialogs);
            save_menu(ui, studio, dialogs);
            ui.add_space(6.0);
            let undo = ui.add_enabled(studio.marks.can_undo(), Button::new("Undo").frame_when_inactive(false));
            if undo.on_hover_text("Undo the last mark (Ctrl+Z)").clicked() {
                studio.marks.undo();
            }
            let redo = ui.add_enabled(studio.marks.can_redo(), Button::new("Redo").frame_when_inactive(false));
            if redo.on_hover_text("Redo it (Ctrl+Y)").clicked() {
                studio.marks.redo();
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if widgets::panel_toggle(ui, "Right panel", "Ctrl+Shift+B", true, window.right_panel) {
                    toggle(studio, right_panel);
                }
                help_menu(ui, studio, &mut self.keys);
                theme_menu(ui, studio);
                self.device.ui(ui, studio, &mut self.remote);
            });
        });
    }
}

fn open_menu(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    ui.menu_button("Open", |ui| {
        ui.set_min_width(260.0);
        if ui.add(Button::new("Model\u{2026}").shortcut_text("Ctrl+O")).clicked() {
            dialogs.ask(Purpose::OpenModel, studio);
        }
        for model in BUNDLED_MODELS {
            let Some(path) = model.path() else { continue };
            if ui.button(model.name).on_hover_text(model.help).clicked() {
                match model.completes {
                    true => studio.open_with_avatars(path),
                    false => studio.open(path),
                }
            }
        }
        let pictures = ui.add_enabled(studio.completes_pictures(), Button::new("Pictures\u{2026}"));
        let help = "The folder of pictures that the model completes.";
        let response = pictures.on_hover_text(help);
        if response.on_disabled_hover_text("For models that complete pictures.").clicked() {
            dialogs.ask(Purpose::OpenPictures, studio);
        }
        let recent = studio.prefs.recent.clone();
        if !recent.is_empty() {
            ui.separator();
            widgets::explain(ui, "Recent");
        }
        for path in recent {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            if ui.button(name).on_hover_text(path.display().to_string()).clicked() {
                studio.open(path);
            }
        }
        widgets::close_after_key(ui);
    });
}

fn save_menu(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    ui.add_enabled_ui(studio.model.is_some(), |ui| {
        ui.menu_button("Save", |ui| {
            ui.set_min_width(260.0);
            let shown = studio.timeline.caption();
            let button = Button::new("Model as\u{2026}").shortcut_text("Ctrl+S");
            let help = format!(
                "Saves the weights shown as after ({shown}) as .safetensors or .pt, or as .pkl if it came in one."
            );
            let entries = [
                (ui.add(button).on_hover_text(help), Purpose::SaveModel),
                (ui.button("Image (PNG)\u{2026}"), Purpose::SaveGrid),
            ];
            if studio.completes_pictures() {
                let folder = ui.button("Hugging Face folder\u{2026}");
                let help = "As transformers opens it: config.json and model.safetensors.";
                if folder.on_hover_text(help).clicked() {
                    dialogs.ask(Purpose::SaveFolder, studio);
                }
            }
            for (response, purpose) in entries {
                if response.clicked() {
                    dialogs.ask(purpose, studio);
                }
            }
            let project = ui.add_enabled(studio.history.is_some(), Button::new("Project as\u{2026}"));
            if project.on_hover_text("Moves the whole history to a folder of your choice.").clicked() {
                dialogs.ask(Purpose::SaveProject, studio);
            }
            let snapshots = !studio.timeline.snapshots().is_empty();
            let more = [
                (snapshots, "Animation (GIF)\u{2026}", Purpose::SaveAnimation),
                (!studio.charts.is_empty(), "Charts (CSV)\u{2026}", Purpose::SaveCharts),
                (!studio.marks.feedback().is_empty(), "Marks (JSON)\u{2026}", Purpose::SaveFeedback),
            ];
            for (enabled, name, purpose) in more {
                if ui.add_enabled(enabled, Button::new(name)).clicked() {
                    dialogs.ask(purpose, studio);
                }
            }
            widgets::close_after_key(ui);
        });
    });
}

fn help_menu(ui: &mut Ui, studio: &mut Studio, keys: &mut KeyList) {
    ui.menu_button("Help", |ui| {
        ui.set_min_width(180.0);
        if ui.add(Button::new("Keys").shortcut_text("F1")).clicked() {
            keys.open();
        }
        if ui.add_enabled(studio.prefs.first_steps_done, Button::new("First steps")).clicked() {
            studio.prefs.first_steps_done = false;
            studio.prefs.save();
        }
        widgets::close_after_key(ui);
    });
}

fn theme_menu(ui: &mut Ui, studio: &mut Studio) {
    ui.menu_button("Theme", |ui| {
        for (choice, name) in [(Theme::System, "Follow system"), (Theme::Dark, "Dark"), (Theme::Light, "Light")] {
            if ui.add(Button::selectable(studio.prefs.theme == choice, name)).clicked() {
                studio.prefs.theme = choice;
                studio.prefs.save();
                theme::choose(ui.ctx(), choice);
            }
        }
        widgets::close_after_key(ui);
    });
}
