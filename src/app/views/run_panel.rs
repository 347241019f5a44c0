//! Starting a run and watching it: a preset, a button, its progress.

use eframe::egui::{self, ComboBox, Label, ProgressBar, RichText, TextEdit, Ui};

use super::{
    audit_card,
    charts::ChartsView,
    dialogs::{Dialogs, Purpose},
    follow,
    format::{format_bytes, format_duration, group_digits},
    history, mask_picture,
    notices::capitalized,
    result_card, settings_form,
    theme::palette,
    widgets,
};
use crate::{
    app::state::{
        preset::PresetChoice,
        run_state::{RunInProgress, RunState, RunStatus},
        studio::{Studio, TUNING},
    },
    engine::{ImageSource, Phase},
    unlearn::{METHODS, Method, Settings, default_method},
};

/// The panel's own state.
#[derive(Default)]
pub(crate) struct RunPanel {
    /// Name of a preset that is being saved.
    name: Option<String>,
    /// Whether that name is still to get the keyboard.
    name_wants_keyboard: bool,
}

impl RunPanel {
    pub(crate) fn ui(&mut self, ui: &mut Ui, studio: &mut Studio, charts: &mut ChartsView, dialogs: &mut Dialogs) {
        if studio.run.in_progress().is_some() {
            progress(ui, studio);
            charts.ui(ui, studio, dialogs);
            return;
        }
        audit_card::ui(ui, studio);
        history::interrupted(ui, studio);
        let is_finished = matches!(studio.run, RunState::Finished(_));
        if is_finished {
            result_card::ui(ui, studio, dialogs);
            charts.ui(ui, studio, dialogs);
            widgets::gap(ui);
        }
        widgets::section(ui, "Unlearn", |ui| self.preset_buttons(ui, studio));
        method_chooser(ui, studio);
        ui.add_space(4.0);
        self.preset(ui, studio);
        ui.add_space(6.0);
        settings_form::ui(ui, &mut studio.settings, studio.labeler.is_some());
        ui.add_space(8.0);
        mask_picture::ui(ui, &studio.layers);
        if !is_finished {
            charts.ui(ui, studio, dialogs);
        }
    }

    fn preset(&mut self, ui: &mut Ui, studio: &mut Studio) {
        let presets = studio.settings.method().presets();
        let name = |choice: &PresetChoice| match choice {
            PresetChoice::BuiltIn(id) => {
                presets.iter().find(|preset| preset.id == *id).map_or(*id, |preset| preset.name).to_owned()
            }
            PresetChoice::Custom(name) => name.clone(),
        };
        let changed = studio.is_preset_modified();
        let own: Vec<String> = studio.prefs.presets.keys().cloned().collect();
        let mut choice = None;
        ui.horizontal(|ui| {
            let label = ui.label(RichText::new("Preset").weak());
            let shown = name(&studio.preset) + if changed { " (changed)" } else { "" };
            let combo = ComboBox::from_id_salt("preset").selected_text(shown).width(140.0).show_ui(ui, |ui| {
                for preset in presets {
                    let this = PresetChoice::BuiltIn(preset.id);
                    let response = ui.selectable_label(studio.preset == this, preset.name).on_hover_text(preset.help);
                    if response.clicked() {
                        choice = Some(this);
                    }
                }
                for name in own {
                    let this = PresetChoice::Custom(name.clone());
                    if ui.selectable_label(studio.preset == this, name).clicked() {
                        choice = Some(this);
                    }
                }
                widgets::close_after_key(ui);
            });
            combo.response.labelled_by(label.id).accessible_name("Preset");
        });
        if let Some(choice) = choice {
            studio.choose_preset(choice);
        }
        self.name_preset(ui, studio);
    }

    /// What can be done with a preset; beside the title, where it moves no setting when it comes and goes.
    fn preset_buttons(&mut self, ui: &mut Ui, studio: &mut Studio) {
        let changed = studio.is_preset_modified();
        if changed
            && widgets::minor_button(ui, "Save preset\u{2026}")
                .on_hover_text("Save these settings under a name")
                .clicked()
        {
            (self.name, self.name_wants_keyboard) = (Some(String::new()), true);
        }
        if let (PresetChoice::Custom(name), false) = (studio.preset.clone(), changed)
            && widgets::minor_button(ui, "Delete preset")
                .on_hover_text("The settings stay as they are for the next run")
                .clicked()
        {
            studio.delete_preset(&name);
        }
    }

    fn name_preset(&mut self, ui: &mut Ui, studio: &mut Studio) {
        let Some(mut name) = self.name.take() else { return };
        let mut open = true;
        ui.horizontal(|ui| {
            let line = TextEdit::singleline(&mut name).hint_text("Name").desired_width(130.0);
            let line = ui.add(line).accessible_name("Preset name");
            // With the click that led here egui takes it away again.
            self.name_wants_keyboard &= !line.has_focus();
            if self.name_wants_keyboard {
                line.request_focus();
            }
            let entered = line.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            let save = ui.add_enabled(!name.trim().is_empty(), egui::Button::new("Save preset")).clicked();
            if (entered || save) && !name.trim().is_empty() {
                studio.save_preset(&name);
                open = false;
            }
            open &= !ui.button("Cancel").clicked();
        });
        if open {
            self.name = Some(name);
        }
    }
}

fn method_chooser(ui: &mut Ui, studio: &mut Studio) {
    let method = studio.settings.method();
    let mut chosen = None;
    ui.horizontal(|ui| {
        let label = ui.label(RichText::new("Method").weak());
        let combo = ComboBox::from_id_salt("method").selected_text(method.name()).width(190.0).show_ui(ui, |ui| {
            let completes = studio.model.as_ref().is_some_and(|card| card.completes.is_some());
            let fits =
                |method: &&&'static dyn Method| method.needs(Settings::of(**method).values()).samples.fits(completes);
            for other in METHODS.iter().filter(fits) {
                let name = if other.id() == default_method(completes).id() {
                    format!("{} (default)", other.name())
                } else {
                    other.name().to_owned()
                };
                let response = ui.selectable_label(other.id() == method.id(), name);
                if response.on_hover_text(format!("{} ({})", other.help(), other.reference())).clicked() {
                    chosen = Some(*other);
                }
            }
            widgets::close_after_key(ui);
        });
        combo.response.labelled_by(label.id).accessible_name("Method");
    });
    widgets::explain(ui, method.help());
    if let Some(method) = chosen {
        studio.choose_method(method);
    }
}

/// Where the pictures that may stay come from, for a model that completes pictures.
fn retained(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    if !studio.completes_pictures() {
        return;
    }
    ui.horizontal(|ui| {
        ui.label(RichText::new("May stay").weak());
        let help = "Which pictures the model must go on completing as before: those found among the open ones, or all of \
                    another folder, if the pictures it was trained on are not at hand.";
        let name = studio.retained.as_ref().map_or("from the open pictures".to_owned(), ImageSource::name);
        let button = ui.add(egui::Button::new(&name).truncate()).on_hover_text(help);
        if button.clicked() {
            match studio.retained {
                Some(_) => studio.retained = None,
                None => dialogs.ask(Purpose::OpenRetained, studio),
            }
        }
    });
}

/// What the next run starts from, if that is not the model as it was opened, and the way back to that.
fn starting_point(ui: &mut Ui, studio: &mut Studio) {
    let Some(from) = studio.starting_point() else { return };
    widgets::explain(ui, format!("Starts from {from}."));
    let help = "The next run starts from the model as it was opened. What was made from it stays in the history.";
    if widgets::minor_button(ui, "Start from the original again").on_hover_text(help).clicked() {
        studio.start_from_original();
    }
    ui.add_space(4.0);
}

/// Asks before a run from weak marks, or says that it is being found out whether they are weak; whether either is so.
fn marks_question(ui: &mut Ui, studio: &mut Studio) -> bool {
    if studio.is_checking_marks() {
        ui.horizontal(|ui| {
            widgets::busy(ui, 16.0);
            ui.label(RichText::new("Checking your marks first\u{2026}").weak());
            let cancel = widgets::minor_button(ui, "Cancel").accessible_name("Cancel the check of the marks");
            follow::to(ui, &cancel);
            if cancel.clicked() {
                studio.cancel_marks_check();
            }
        });
        return true;
    }
    let Some(why) = studio.marks_question() else { return false };
    let (p, id) = (palette(ui.style()), egui::Id::unique("marks question"));
    widgets::card(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.add(Label::new(RichText::new("Are these marks enough?").heading().color(p.before)).wrap());
        ui.add(Label::new(capitalized(&why)).wrap());
        ui.add_space(4.0);
        ui.horizontal_wrapped(|ui| {
            let help = "Marks that show more of what must go, and of what looks like it and may stay, make it clearer.";
            let more = widgets::wide_button(ui, "Mark more", p.after, 104.0).on_hover_text(help);
            follow::to(ui, &more);
            let is_free = ui.memory(|memory| memory.focused().is_none());
            if appears(ui, id) && is_free {
                more.request_focus();
            }
            if more.clicked() {
                follow::leave(ui, &more);
                studio.mark_more();
            }
            let anyway = widgets::side_button(ui, "Unlearn anyway");
            follow::from(ui, &anyway);
            if anyway.clicked() {
                studio.start();
            }
        });
    });
    ui.add_space(6.0);
    true
}

/// Whether something is drawn that was not there in the frame before.
fn appears(ui: &Ui, id: egui::Id) -> bool {
    let now = ui.ctx().cumulative_frame_nr();
    let before: Option<u64> = ui.data_mut(|data| {
        let before = data.get_temp(id);
        data.insert_temp(id, now);
        before
    });
    before.is_none_or(|before| before + 1 < now)
}

/// What the next run starts from, removes and costs, and the buttons that begin it.
pub(crate) fn start(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    retained(ui, studio, dialogs);
    starting_point(ui, studio);
    if let Some(summary) = studio.removal_summary() {
        widgets::explain(ui, summary);
        ui.add_space(4.0);
    }
    if let Some(missing) = studio.missing() {
        widgets::explain(ui, missing);
        ui.add_space(4.0);
    }
    let obstacle = studio.obstacle();
    let is_asked = marks_question(ui, studio);
    let p = palette(ui.style());
    let waiting = studio.preview_obstacle();
    ui.horizontal(|ui| {
        let spacing = ui.spacing().item_spacing.x;
        let preview = 84.0;
        let width = ui.available_width() - preview - spacing;
        // It stays where it is while the question is asked: a second click must not answer it.
        ui.add_enabled_ui(obstacle.is_none() && !is_asked, |ui| {
            let unlearn = widgets::wide_button(ui, "Unlearn", p.after, width);
            // After a preview the keyboard is on what it was on before.
            match studio.is_previewing {
                true => follow::from(ui, &unlearn),
                false => follow::to(ui, &unlearn),
            }
            if unlearn.clicked() {
                studio.unlearn();
            }
        });
        ui.add_enabled_ui(waiting.is_none(), |ui| {
            let help = "Dampens the weights that matter for what must go: rough, in seconds, nothing trained or saved.";
            let button = widgets::side_button(ui, "Preview").on_hover_text(help);
            follow::to(ui, &button);
            if button.on_disabled_hover_text(waiting.unwrap_or_default()).clicked() {
                studio.preview();
            }
        });
    });
    if studio.is_previewing && studio.run.in_progress().is_none() {
        widgets::explain(ui, "This is a preview: dampened weights. The sliders below the grid choose how much.");
    }
    ui.add_space(2.0);
    match (obstacle, studio.cost()) {
        (Some(obstacle), _) => {
            widgets::explain(ui, obstacle);
        }
        (None, Some(cost)) => {
            let time = cost.seconds.map_or_else(String::new, |seconds| format!("{}, ", format_duration(seconds)));
            widgets::explain(ui, format!("Estimate: {time}{} of memory.", format_bytes(cost.bytes))).on_hover_text(
                "Based on the settings and on how fast samples are generated; after a first run, on how fast that was.",
            );
            if let Some(memory) = studio.memory().map(|bytes| bytes as f64).filter(|&memory| cost.bytes > memory) {
                let memory = format_bytes(memory);
                let has = match studio.device.as_ref().is_some_and(|card| card.is_gpu()) {
                    true => format!("This GPU has {memory}"),
                    false => format!("This machine has {memory} free"),
                };
                let text = format!("{has}. A smaller batch or micro-batch needs less.");
                let colour = ui.visuals().warn_fg_color;
                ui.add(egui::Label::new(RichText::new(text).small().color(colour)).wrap());
            }
        }
        (None, None) => {}
    }
}

fn progress(ui: &mut Ui, studio: &mut Studio) {
    // First, as what is below grows and shrinks: who means to click one of them must not miss it.
    hold(ui, studio);
    let Some(run) = studio.run.in_progress() else { return };
    let p = palette(ui.style());
    ui.add_space(8.0);
    ui.add(Label::new(RichText::new(run.description()).heading()).wrap());
    ui.add_space(4.0);
    stages(ui, run);
    ui.add_space(2.0);
    let bar = ProgressBar::new(run.fraction()).desired_height(8.0).fill(p.after).corner_radius(4.0);
    ui.add(bar).accessible_name("Progress of this stage");
    let mut words = Vec::new();
    if let Some(progress) = run.progress {
        words.push(format!("{} of {}", group_digits(progress.done), group_digits(progress.of)));
        if let (Some(left), RunStatus::Running) = (progress.seconds_left, run.status) {
            words.push(format!("{} left", format_duration(left)));
        }
    }
    // The line is there before its words are.
    ui.label(RichText::new(words.join("  \u{b7}  ")).weak());
    if studio.is_tuning_for_run() {
        widgets::explain(ui, TUNING);
        // Nothing else wakes the window meanwhile.
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(500));
    }
}

/// The buttons that hold a run and end it.
fn hold(ui: &mut Ui, studio: &mut Studio) {
    let Some(status) = studio.run.in_progress().map(|run| run.status) else { return };
    let p = palette(ui.style());
    ui.horizontal(|ui| {
        let width = (ui.available_width() - ui.spacing().item_spacing.x) / 2.0;
        let goes_on = status != RunStatus::Stopping;
        let is_held = matches!(status, RunStatus::Pausing | RunStatus::Paused);
        let text = if is_held { "Resume" } else { "Pause" };
        let hold = ui.add_enabled_ui(goes_on, |ui| widgets::wide_button(ui, text, p.after, width)).inner;
        follow::to(ui, &hold);
        match hold.clicked() {
            true if is_held => studio.resume(),
            true => studio.pause(),
            false => {}
        }
        let help = "Stops after this step and keeps the result so far.";
        let stop = ui.add_enabled_ui(goes_on, |ui| widgets::wide_button(ui, "Stop", p.negative, width)).inner;
        follow::from(ui, &stop);
        if stop.on_hover_text(help).clicked() {
            studio.stop();
        }
    });
}

/// The stages of a run in a line, the present one in colour.
fn stages(ui: &mut Ui, run: &RunInProgress) {
    let stages = run.plan.stages;
    let here = match run.progress.map(|progress| progress.phase) {
        None | Some(Phase::Label | Phase::WarmUp | Phase::Train | Phase::Audit(_)) => 0,
        Some(Phase::Method(at)) => 1 + stages.iter().position(|stage| stage.id == at.stage.id).unwrap_or(0),
        Some(Phase::Evaluate) => 1 + stages.len(),
    };
    let p = palette(ui.style());
    let mut names = vec!["Collect"];
    names.extend(stages.iter().map(|stage| stage.title));
    names.extend(run.plan.measured.then_some("Measure"));
    let count = names.len();
    ui.horizontal_wrapped(|ui| {
        for (stage, name) in names.into_iter().enumerate() {
            let colour = match stage.cmp(&here) {
                std::cmp::Ordering::Less => p.text,
                std::cmp::Ordering::Equal => p.after,
                std::cmp::Ordering::Greater => p.weak,
            };
            ui.label(RichText::new(name).small().color(colour));
            if stage + 1 < count {
                ui.label(RichText::new("\u{203a}").small().color(p.weak));
            }
        }
    });
}
