//! Starting a run and watching it: a preset, a button, how far it is, what came of it.

use eframe::egui::{self, ComboBox, ProgressBar, RichText, TextEdit, Ui};

use super::{
    run_state::{Going, Held, RunState, in_bytes, in_words},
    settings_form,
    studio::{PresetChoice, Studio, TUNING},
    theme::palette,
    widgets,
};
use crate::{engine::RunReport, unlearn::Preset};

/// The panel's own state.
#[derive(Default)]
pub(super) struct RunPanel {
    /// Name of a preset that is being kept.
    name: Option<String>,
}

impl RunPanel {
    pub(super) fn ui(&mut self, ui: &mut Ui, studio: &mut Studio) {
        if studio.run.going().is_some() {
            going(ui, studio);
            return;
        }
        if let RunState::Over(report) = &studio.run {
            over(ui, report);
            widgets::gap(ui);
        }
        widgets::section(ui, "Unlearn", |_| {});
        self.preset(ui, studio);
        ui.add_space(6.0);
        settings_form::ui(ui, &mut studio.settings, studio.labeler.is_some());
        ui.add_space(12.0);
        start(ui, studio);
    }

    fn preset(&mut self, ui: &mut Ui, studio: &mut Studio) {
        let name = |choice: &PresetChoice| match choice {
            PresetChoice::Built(Preset::Quick) => "Quick".to_owned(),
            PresetChoice::Built(Preset::Paper) => "Paper".to_owned(),
            PresetChoice::Own(name) => name.clone(),
        };
        let changed = studio.is_changed();
        let own: Vec<String> = studio.prefs.presets.keys().cloned().collect();
        let mut choice = None;
        ui.horizontal(|ui| {
            let label = ui.label(RichText::new("Preset").weak());
            let shown = name(&studio.preset) + if changed { ", changed" } else { "" };
            let combo = ComboBox::from_id_salt("preset").selected_text(shown).width(140.0).show_ui(ui, |ui| {
                let built = [
                    (Preset::Quick, "Reaches a good result in the least time."),
                    (Preset::Paper, "The authors' numbers: thorough and slow."),
                ];
                for (preset, help) in built {
                    let this = PresetChoice::Built(preset);
                    let response = ui.selectable_label(studio.preset == this, name(&this)).on_hover_text(help);
                    if response.clicked() {
                        choice = Some(this);
                    }
                }
                for name in own {
                    let this = PresetChoice::Own(name.clone());
                    if ui.selectable_label(studio.preset == this, name).clicked() {
                        choice = Some(this);
                    }
                }
            });
            combo.response.labelled_by(label.id).accessible_name("Preset");
            if changed
                && widgets::minor_button(ui, "Keep\u{2026}").on_hover_text("Keep these settings as a preset").clicked()
            {
                self.name = Some(String::new());
            }
            if let (PresetChoice::Own(name), false) = (studio.preset.clone(), changed)
                && widgets::minor_button(ui, "Forget").on_hover_text("Forget this preset").clicked()
            {
                studio.drop_preset(&name);
            }
        });
        if let Some(choice) = choice {
            studio.choose_preset(choice);
        }
        self.keep(ui, studio);
    }

    fn keep(&mut self, ui: &mut Ui, studio: &mut Studio) {
        let Some(mut name) = self.name.take() else { return };
        let mut open = true;
        ui.horizontal(|ui| {
            let line = TextEdit::singleline(&mut name).hint_text("its name").desired_width(130.0);
            let line = ui.add(line).accessible_name("Name of the preset");
            let entered = line.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            let keep = ui.add_enabled(!name.trim().is_empty(), egui::Button::new("Keep")).clicked();
            if (entered || keep) && !name.trim().is_empty() {
                studio.keep_preset(&name);
                open = false;
            }
            open &= !ui.button("Cancel").clicked();
        });
        if open {
            self.name = Some(name);
        }
    }
}

fn start(ui: &mut Ui, studio: &mut Studio) {
    if let Some(number) = studio.from {
        let moment = studio.timeline.moments().iter().find(|moment| moment.number == number).copied();
        let iteration = moment.map_or(0, |moment| moment.iteration);
        widgets::explain(ui, format!("It goes on from the snapshot after {iteration} iterations."));
    }
    let obstacle = studio.obstacle();
    let colour = palette(ui.style()).after;
    ui.add_enabled_ui(obstacle.is_none(), |ui| {
        if widgets::main_button(ui, "Unlearn", colour).clicked() {
            studio.start();
        }
    });
    ui.add_space(2.0);
    match (obstacle, studio.cost()) {
        (Some(obstacle), _) => {
            widgets::explain(ui, obstacle);
        }
        (None, Some(cost)) => {
            let time = cost.seconds.map_or_else(String::new, |seconds| format!("About {}, ", in_words(seconds)));
            widgets::explain(ui, format!("{time}{} of memory.", in_bytes(cost.bytes))).on_hover_text(
                "An estimate from the settings and from how fast samples are drawn; after a first run, from how fast \
                 that was.",
            );
            if let Some(memory) = studio.memory().map(|bytes| bytes as f64).filter(|&memory| cost.bytes > memory) {
                let text = format!(
                    "Only {} are there. A smaller batch or micro-batch (under Both stages) takes less.",
                    in_bytes(memory)
                );
                let colour = ui.visuals().warn_fg_color;
                ui.add(egui::Label::new(RichText::new(text).small().color(colour)).wrap());
            }
        }
        (None, None) => {}
    }
}

fn going(ui: &mut Ui, studio: &mut Studio) {
    let Some(run) = studio.run.going() else { return };
    let p = palette(ui.style());
    widgets::section(ui, &run.doing(), |_| {});
    ui.add_space(4.0);
    stages(ui, run);
    ui.add_space(2.0);
    let bar = ProgressBar::new(run.fraction()).desired_height(8.0).fill(p.after).corner_radius(4.0);
    ui.add(bar).accessible_name("Progress of this stage");
    let mut words = Vec::new();
    if let Some(progress) = run.progress {
        words.push(format!("{} of {}", widgets::grouped(progress.done), widgets::grouped(progress.of)));
        if let (Some(left), Held::No) = (progress.seconds_left, run.held) {
            words.push(format!("{} left", in_words(left)));
        }
    }
    if !words.is_empty() {
        ui.label(RichText::new(words.join("  \u{b7}  ")).weak());
    }
    if studio.run_is_tuning() {
        widgets::explain(ui, TUNING);
        // Nothing else wakes the window meanwhile.
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(500));
    }
    ui.add_space(8.0);
    let held = run.held;
    ui.horizontal(|ui| {
        let width = (ui.available_width() - ui.spacing().item_spacing.x) / 2.0;
        match held {
            Held::No => {
                if widgets::wide_button(ui, "Pause", p.after, width).clicked() {
                    studio.pause();
                }
            }
            Held::Soon | Held::Yes => {
                if widgets::wide_button(ui, "Resume", p.after, width).clicked() {
                    studio.resume();
                }
            }
            Held::Ending => {
                ui.add_enabled_ui(false, |ui| widgets::wide_button(ui, "Pause", p.after, width));
            }
        }
        let help = "Ends after this iteration; what was reached is kept.";
        ui.add_enabled_ui(held != Held::Ending, |ui| {
            if widgets::wide_button(ui, "Stop", p.negative, width).on_hover_text(help).clicked() {
                studio.stop();
            }
        });
    });
}

/// The stages of a run in a line, the present one in colour.
fn stages(ui: &mut Ui, run: &Going) {
    use crate::engine::Phase;
    let here = match run.progress.map(|progress| progress.phase) {
        None | Some(Phase::Label | Phase::WarmUp) => 0,
        Some(Phase::Adapt(_)) => 1,
        Some(Phase::Unlearn | Phase::Train) => 2,
        Some(Phase::Evaluate) => 3,
    };
    let p = palette(ui.style());
    let names = ["Collect", "Learn", "Unlearn", "Measure"];
    let count = if run.measured { 4 } else { 3 };
    ui.horizontal(|ui| {
        for (stage, name) in names.into_iter().take(count).enumerate() {
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

fn over(ui: &mut Ui, report: &RunReport) {
    let p = palette(ui.style());
    widgets::card(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let (title, colour) = match (&report.failed, report.stopped) {
            (Some(_), _) => ("It broke off", p.negative),
            (None, true) => ("Stopped", p.before),
            (None, false) => ("Done", p.after),
        };
        ui.label(RichText::new(title).heading().color(colour));
        let took = in_words(report.seconds.method());
        let iterations = widgets::grouped(report.iterations);
        ui.label(RichText::new(format!("{iterations} iterations of unlearning, {took} in all")).weak());
        if let Some(seen) = &report.evaluation {
            ui.add_space(4.0);
            if let Some(pul) = seen.pul {
                ui.label(RichText::new(format!("{:.0} % gone", pul * 100.0)).size(22.0));
            }
            let (before, after) = (widgets::grouped(seen.negatives_before), widgets::grouped(seen.negatives_after));
            let samples = widgets::grouped(seen.samples);
            let names: Vec<&str> =
                seen.forget.iter().filter_map(|&class| seen.classes.get(class).map(String::as_str)).collect();
            let names = names.join(", ");
            widgets::explain(ui, format!("{}, {names}: {before} before, {after} after, of {samples}.", seen.head));
            if let (Some(distance), Some(floor)) = (seen.frechet, seen.frechet_floor) {
                let decimals = seen.frechet_on.decimals();
                let note = seen.frechet_on.note().map_or(String::new(), |note| format!(", {note}"));
                let moved = format!("The rest moved by {distance:.decimals$}; {floor:.decimals$} is chance");
                widgets::explain(ui, format!("{moved} (Fr\u{e9}chet{note})."));
            }
        }
    });
}
