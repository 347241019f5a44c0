//! The card of a run that has ended: how much is gone, how much everything else changed, and what can be done with it.

use eframe::egui::{Label, RichText, Ui};

use super::{
    dialogs::{Dialogs, Purpose},
    follow,
    format::{about, format_duration, group_digits},
    theme::palette,
    widgets,
};
use crate::{
    app::state::{run_state::RunState, studio::Studio},
    engine::RunReport,
    metrics::{CompletionChange, CompletionEvaluation},
};

/// What came of the last run, and what can be done with it.
pub(crate) fn ui(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    widgets::card(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let RunState::Finished(report) = &studio.run else { return };
        let p = palette(ui.style());
        let (title, colour) = match (&report.failed, report.stopped) {
            (Some(_), _) => ("The run failed", p.negative),
            (None, true) => ("Stopped", p.before),
            (None, false) => ("Done", p.after),
        };
        ui.label(RichText::new(title).heading().color(colour));
        outcome(ui, report);
        let took = format_duration(report.seconds.method());
        let steps = if report.iterations == 1 { "step" } else { "steps" };
        let iterations = group_digits(report.iterations);
        widgets::explain(ui, format!("{iterations} unlearning {steps}, {took} in total."));
        let (is_result, can_go_on) = (report.iterations > 0, report.can_go_on.is_some());
        if is_result || can_go_on {
            ui.add_space(6.0);
            ui.horizontal_wrapped(|ui| {
                if is_result {
                    save_or_compare(ui, studio, dialogs);
                }
                let help = "Goes on where it was stopped, to the end that was asked for";
                if can_go_on {
                    let go_on = widgets::wide_button(ui, "Go on", p.after, 84.0).on_hover_text(help);
                    follow::to(ui, &go_on);
                    if go_on.clicked() {
                        studio.continue_run();
                    }
                }
            });
        }
    });
}

/// What can be done with a result.
fn save_or_compare(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    let p = palette(ui.style());
    let help = format!("Saves the weights shown as after ({}) as a model file (Ctrl+S)", studio.timeline.caption());
    let save = widgets::wide_button(ui, "Save\u{2026}", p.after, 84.0).on_hover_text(help);
    follow::to(ui, &save);
    if save.accessible_name("Save the result").clicked() {
        dialogs.ask(Purpose::SaveModel, studio);
    }
    let help = "Shows each sample with before on the left and after on the right (3)";
    let compare = widgets::side_button(ui, "Compare").on_hover_text(help);
    follow::from(ui, &compare);
    if compare.accessible_name("Compare before with after").clicked() {
        studio.compare_result();
    }
}

/// How much of what must go is gone: as a labeler measured it, or else as the marks let one estimate it.
fn gone(ui: &mut Ui, report: &RunReport) {
    let big = |ui: &mut Ui, text: String| ui.label(RichText::new(text).size(32.0).strong());
    if let Some(pul) = report.evaluation.as_ref().and_then(|seen| seen.pul) {
        big(ui, format!("{:.0}% gone", pul * 100.0));
    } else if let Some(seen) = &report.estimated {
        let percent = |part: f64| format!("{:.0}%", part * 100.0);
        let hover = format!(
            "What your marks taught was looked for in {} samples that you have not marked: an estimated {} of them showed \
             it before, {} do now. Between {} and {} of it is gone, judging by the marks. A labeler would measure it.",
            group_digits(seen.samples),
            percent(seen.share_before),
            percent(seen.share_after),
            percent(seen.at_least),
            percent(seen.at_most),
        );
        let (title, more) = match seen.sees_change() {
            true => (format!("About {} gone", about(seen.gone)), String::new()),
            false => ("No change seen".to_owned(), format!("; at most {} is gone", percent(seen.at_most))),
        };
        big(ui, title).on_hover_text(&hover);
        ui.add(Label::new(format!("estimated from your marks{more}")).wrap()).on_hover_text(hover);
    }
    if let Some(reason) = &report.estimate_failed {
        widgets::explain(ui, format!("How much is gone cannot be estimated from your marks: {reason}."));
    }
}

/// What was measured of a result, the most important first, or why nothing was.
fn outcome(ui: &mut Ui, report: &RunReport) {
    gone(ui, report);
    if let Some(reason) = &report.measurement_failed {
        widgets::explain(ui, format!("The result is kept, but could not be measured: {reason}."));
    }
    let Some(seen) = &report.evaluation else {
        if report.failed.is_none() && report.measurement_failed.is_none() && report.estimated.is_none() {
            widgets::explain(
                ui,
                match report.stopped {
                    true => "Not measured, as the run was stopped.",
                    false => "Not measured: choose a labeler and what must go, and the next run says how much is gone.",
                },
            );
        }
        return;
    };
    if let (Some(distance), Some(floor)) = (seen.frechet, seen.frechet_floor) {
        let decimals = seen.frechet_on.decimals();
        let text = format!("Everything else changed: {distance:.decimals$} ({floor:.decimals$} = no change)");
        let hover = "Fr\u{e9}chet distance of everything else, before to after";
        let note = seen.frechet_on.note().map_or(String::new(), |note| format!(", {note}"));
        ui.add(Label::new(text).wrap()).on_hover_text(format!("{hover}{note}."));
    }
    let (before, after) = (group_digits(seen.negatives_before), group_digits(seen.negatives_after));
    let samples = group_digits(seen.samples);
    let names: Vec<&str> =
        seen.forget.iter().filter_map(|&class| seen.classes.get(class).map(String::as_str)).collect();
    let names = names.join(", ");
    widgets::explain(ui, format!("{} = {names}: {before} before, {after} after, out of {samples} samples.", seen.head));
    if let Some(completions) = &seen.completions {
        completed(ui, completions);
    }
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
