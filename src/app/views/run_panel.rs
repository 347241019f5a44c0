//! Starting a run and watching it: a preset, a button, its progress, its result.

use eframe::egui::{self, ComboBox, Label, ProgressBar, RichText, TextEdit, Ui};

use super::{
    audit_card,
    dialogs::{Dialogs, Purpose},
    format::{about, format_bytes, format_duration, group_digits},
    history, mask_picture, settings_form,
    theme::palette,
    widgets,
};
use crate::{
    app::state::{
        preset::PresetChoice,
        run_state::{RunInProgress, RunState, RunStatus},
        studio::{Studio, TUNING},
    },
    engine::{ImageSource, Phase, RunReport},
    metrics::{CompletionChange, CompletionEvaluation},
    unlearn::{METHODS, Method, Settings, default_method},
};

/// The panel's own state.
#[derive(Default)]
pub(crate) struct RunPanel {
    /// Name of a preset that is being saved.
    name: Option<String>,
}

impl RunPanel {
    pub(crate) fn ui(&mut self, ui: &mut Ui, studio: &mut Studio) {
        if studio.run.in_progress().is_some() {
            progress(ui, studio);
            return;
        }
        audit_card::ui(ui, studio);
        history::interrupted(ui, studio);
        if let RunState::Finished(report) = &studio.run {
            if result(ui, report) {
                studio.continue_run();
            }
            widgets::gap(ui);
        }
        widgets::section(ui, "Unlearn", |_| {});
        method_chooser(ui, studio);
        ui.add_space(4.0);
        self.preset(ui, studio);
        ui.add_space(6.0);
        settings_form::ui(ui, &mut studio.settings, studio.labeler.is_some());
        ui.add_space(8.0);
        mask_picture::ui(ui, &studio.layers);
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
            });
            combo.response.labelled_by(label.id).accessible_name("Preset");
            if changed
                && widgets::minor_button(ui, "Save preset\u{2026}")
                    .on_hover_text("Save these settings under a name")
                    .clicked()
            {
                self.name = Some(String::new());
            }
            if let (PresetChoice::Custom(name), false) = (studio.preset.clone(), changed)
                && widgets::minor_button(ui, "Delete preset")
                    .on_hover_text("The settings stay as they are for the next run")
                    .clicked()
            {
                studio.delete_preset(&name);
            }
        });
        if let Some(choice) = choice {
            studio.choose_preset(choice);
        }
        self.name_preset(ui, studio);
    }

    fn name_preset(&mut self, ui: &mut Ui, studio: &mut Studio) {
        let Some(mut name) = self.name.take() else { return };
        let mut open = true;
        ui.horizontal(|ui| {
            let line = TextEdit::singleline(&mut name).hint_text("Name").desired_width(130.0);
            let line = ui.add(line).accessible_name("Preset name");
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

/// What the next run starts from, removes and costs, and the buttons that begin it.
pub(crate) fn start(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    retained(ui, studio, dialogs);
    let base = studio.history.as_ref().and_then(|history| history.manifest.node(history.manifest.base));
    if let Some(base) = base.filter(|base| base.parent.is_some()) {
        widgets::explain(ui, format!("Starts from \u{201c}{}\u{201d}.", base.name));
    }
    if let Some(summary) = studio.removal_summary() {
        widgets::explain(ui, summary);
        ui.add_space(4.0);
    }
    if let Some(missing) = studio.missing() {
        widgets::explain(ui, missing);
        ui.add_space(4.0);
    }
    let obstacle = studio.obstacle();
    let p = palette(ui.style());
    let waiting = studio.preview_obstacle();
    ui.horizontal(|ui| {
        let spacing = ui.spacing().item_spacing.x;
        let preview = 84.0;
        let width = ui.available_width() - preview - spacing;
        ui.add_enabled_ui(obstacle.is_none(), |ui| {
            if widgets::wide_button(ui, "Unlearn", p.after, width).clicked() {
                studio.start();
            }
        });
        ui.add_enabled_ui(waiting.is_none(), |ui| {
            let help = "Dampens the weights that matter for what must go: rough, in seconds, nothing trained or saved.";
            let button = widgets::side_button(ui, "Preview").on_hover_text(help);
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
    let Some(run) = studio.run.in_progress() else { return };
    let p = palette(ui.style());
    widgets::section(ui, &run.description(), |_| {});
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
    if !words.is_empty() {
        ui.label(RichText::new(words.join("  \u{b7}  ")).weak());
    }
    if studio.is_tuning_for_run() {
        widgets::explain(ui, TUNING);
        // Nothing else wakes the window meanwhile.
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(500));
    }
    ui.add_space(8.0);
    let status = run.status;
    ui.horizontal(|ui| {
        let width = (ui.available_width() - ui.spacing().item_spacing.x) / 2.0;
        match status {
            RunStatus::Running => {
                if widgets::wide_button(ui, "Pause", p.after, width).clicked() {
                    studio.pause();
                }
            }
            RunStatus::Pausing | RunStatus::Paused => {
                if widgets::wide_button(ui, "Resume", p.after, width).clicked() {
                    studio.resume();
                }
            }
            RunStatus::Stopping => {
                ui.add_enabled_ui(false, |ui| widgets::wide_button(ui, "Pause", p.after, width));
            }
        }
        let help = "Stops after this step and keeps the result so far.";
        ui.add_enabled_ui(status != RunStatus::Stopping, |ui| {
            if widgets::wide_button(ui, "Stop", p.negative, width).on_hover_text(help).clicked() {
                studio.stop();
            }
        });
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
    ui.horizontal(|ui| {
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

/// The button that goes on with a run that was stopped; whether it was pressed.
fn go_on(ui: &mut Ui) -> bool {
    ui.add_space(6.0);
    let help = "Goes on where it was stopped, to the end that was asked for";
    widgets::wide_button(ui, "Go on", palette(ui.style()).after, 110.0).on_hover_text(help).clicked()
}

/// What the marks let one say of a result that no labeler measured.
fn estimated(ui: &mut Ui, report: &RunReport) {
    if let Some(seen) = &report.estimated {
        ui.add_space(4.0);
        let text = format!("About {} gone (estimated from your marks)", about(seen.gone));
        let percent = |part: f64| format!("{:.0}%", part * 100.0);
        let hover = format!(
            "What your marks taught was looked for in {} samples that you have not marked: an estimated {} of them showed \
             it before, {} do now. Between {} and {} of it is gone, as far as the marks tell. A labeler would measure it.",
            group_digits(seen.samples),
            percent(seen.share_before),
            percent(seen.share_after),
            percent(seen.at_least),
            percent(seen.at_most),
        );
        ui.add(Label::new(text).wrap()).on_hover_text(hover);
    }
    if let Some(reason) = &report.estimate_failed {
        widgets::explain(ui, format!("How much is gone cannot be estimated from your marks: {reason}."));
    }
}

/// What came of a run; whether it is to go on.
fn result(ui: &mut Ui, report: &RunReport) -> bool {
    let p = palette(ui.style());
    let card = widgets::card(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let (title, colour) = match (&report.failed, report.stopped) {
            (Some(_), _) => ("The run failed", p.negative),
            (None, true) => ("Stopped", p.before),
            (None, false) => ("Done", p.after),
        };
        ui.label(RichText::new(title).heading().color(colour));
        let took = format_duration(report.seconds.method());
        let iterations = group_digits(report.iterations);
        ui.label(RichText::new(format!("{iterations} unlearning steps, {took} in total")).weak());
        if let Some(reason) = &report.measurement_failed {
            widgets::explain(ui, format!("The result is kept, but could not be measured: {reason}."));
        }
        estimated(ui, report);
        if let Some(seen) = &report.evaluation {
            ui.add_space(4.0);
            if let Some(pul) = seen.pul {
                ui.label(RichText::new(format!("{:.0}% gone", pul * 100.0)).size(22.0));
            }
            let (before, after) = (group_digits(seen.negatives_before), group_digits(seen.negatives_after));
            let samples = group_digits(seen.samples);
            let names: Vec<&str> =
                seen.forget.iter().filter_map(|&class| seen.classes.get(class).map(String::as_str)).collect();
            let names = names.join(", ");
            widgets::explain(
                ui,
                format!("{} = {names}: {before} before, {after} after, out of {samples} samples.", seen.head),
            );
            if let Some(completions) = &seen.completions {
                completed(ui, completions);
            }
            if let (Some(distance), Some(floor)) = (seen.frechet, seen.frechet_floor) {
                let decimals = seen.frechet_on.decimals();
                let text = format!("Everything else changed: {distance:.decimals$} ({floor:.decimals$} = no change)");
                let hover = "Fr\u{e9}chet distance of everything else, before to after";
                let note = seen.frechet_on.note().map_or(String::new(), |note| format!(", {note}"));
                widgets::explain(ui, text).on_hover_text(format!("{hover}{note}."));
            }
        }
        report.can_go_on.is_some() && go_on(ui)
    });
    card.inner
}

/// How pictures are completed now.
fn completed(ui: &mut Ui, completions: &CompletionEvaluation) {
    for (name, change) in [("must go", completions.forgotten), ("may stay", completions.kept)] {
        let Some(CompletionChange { pictures, before, after }) = change else { continue };
        let (shown, shows) = (before.shows * 100.0, after.shows * 100.0);
        let text =
            format!("{} pictures that {name}: recognised {shown:.0}% \u{2192} {shows:.0}%", group_digits(pictures));
        let hover = format!(
            "Completions in which the labeler sees what it sees in the picture. Over hidden pixels the peak \
             signal-to-noise ratio goes from {:.1} to {:.1} dB.",
            before.psnr, after.psnr
        );
        widgets::explain(ui, text).on_hover_text(hover);
    }
}
