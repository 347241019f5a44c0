//! What must go and what may stay: pictures first, numbers second.

use eframe::egui::{
    self, ComboBox, Event, Key, Modifiers, Response, RichText, ScrollArea, Stroke, StrokeKind, Ui, vec2,
};

use super::{
    dialogs::{Dialogs, Purpose},
    format::group_digits,
    theme::palette,
    thumbnails::Thumbnails,
    widgets,
};
use crate::{
    app::state::{studio::Studio, tiles::Source},
    engine::SampleKind,
    feedback::{Mark, Sample, probe::Confidence},
};

/// Thumbnails of each kind that are shown; the rest is a number.
const SHOWN: usize = 24;
/// The least width of a marked sample, and of one that is suggested, and how many stand in a row at most.
const MARKED: (f32, f32) = (34.0, 8.0);
const SUGGESTED: (f32, f32) = (50.0, 4.0);
/// The room between samples.
const GAP: f32 = 4.0;

pub(crate) fn ui(ui: &mut Ui, studio: &mut Studio, thumbnails: &mut Thumbnails, dialogs: &mut Dialogs) {
    let (negatives, positives) = studio.marks.counts();
    widgets::section(ui, "Feedback", |ui| menu(ui, studio, dialogs));
    if negatives + positives == 0 {
        ui.add_space(2.0);
        widgets::explain(
            ui,
            "Click samples that must go. Right-click or Shift-click those that may stay. Drag to mark several at once; \
             click again to clear a mark.",
        );
    }
    // Above the marks, which grow with every answer: what is being clicked must not move.
    suggestions(ui, studio, thumbnails);
    let p = palette(ui.style());
    for (mark, count, name, colour) in
        [(Mark::Negative, negatives, "Must go", p.negative), (Mark::Positive, positives, "May stay", p.positive)]
    {
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            widgets::dot(ui, colour);
            ui.label(name);
            ui.label(RichText::new(group_digits(count)).color(colour));
        });
        let feedback = studio.marks.feedback();
        let samples: Vec<Sample> =
            feedback.iter().filter(|&(_, m)| m == mark).map(|(sample, _)| sample).take(SHOWN).collect();
        strip(ui, studio, thumbnails, &samples, mark);
        if count > samples.len() {
            widgets::explain(ui, format!("and {} more", group_digits(count - samples.len())));
        }
    }
    labeler(ui, studio, dialogs);
}

/// More samples like the marked ones, to confirm or to reject.
fn suggestions(ui: &mut Ui, studio: &mut Studio, thumbnails: &mut Thumbnails) {
    let (negatives, positives) = studio.marks.counts();
    if negatives + positives == 0 && studio.suggestions.is_none() {
        return;
    }
    ui.add_space(4.0);
    let obstacle = studio.suggestion_obstacle();
    // As high as the button that stands here otherwise: what is below must not move.
    let text = ui.text_style_height(&egui::TextStyle::Button) + 2.0 * ui.spacing().button_padding.y;
    let height = text.max(ui.spacing().interact_size.y);
    ui.horizontal(|ui| {
        ui.set_min_height(height);
        if studio.suggesting {
            widgets::busy(ui, 16.0);
            ui.add(egui::Label::new(RichText::new("Learning from your marks\u{2026}").weak()).truncate());
            return;
        }
        let again = studio.suggestions.is_some();
        let name = if again { "Suggest others" } else { "Suggest more like these" };
        let button = ui.add_enabled(obstacle.is_none(), egui::Button::new(name));
        let help = "Learns from your marks and shows the samples that are most worth marking next.";
        if button.on_hover_text(help).on_disabled_hover_text(obstacle.unwrap_or_default()).clicked() {
            studio.suggest();
        }
    });
    let Some(found) = &studio.suggestions else { return };
    let quality = found.quality;
    let proposals = found.proposals.clone();
    let sure = match quality.confidence {
        Confidence::High => "Your marks make clear what must go",
        Confidence::Fair => "Your marks give a rough idea of what must go; more marks would help",
        Confidence::Low => "Your marks do not make clear yet what must go: mark more before you unlearn",
    };
    let painted = studio.marks.feedback().negative_regions().next().is_some();
    let hint = match quality.confidence {
        Confidence::Fair | Confidence::Low if !painted => {
            " Double-click one and paint where the thing is: that helps most."
        }
        _ => "",
    };
    let share = quality.share * 100.0;
    let order = quality.auc * 100.0;
    widgets::explain(
        ui,
        format!(
            "{sure}.{hint} It looks like about {share:.0}% of all samples must go. Click or right-click these as well:"
        ),
    )
    .on_hover_text(format!(
        "Predicting each mark from the others puts {order:.0}% of pairs in the right order (chance: 50%)."
    ));
    let unmarked: Vec<Sample> =
        proposals.iter().filter(|&&sample| studio.marks.get(sample).is_none()).copied().collect();
    thumbnails.request(studio, SampleKind::Feedback, Source::Original, &proposals);
    let p = palette(ui.style());
    let side = side(ui.available_width(), SUGGESTED);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(GAP, GAP);
        for &sample in &proposals {
            let mark = studio.marks.get(sample);
            let address = sample.address();
            let state = match mark {
                Some(Mark::Negative) => ", must go",
                Some(Mark::Positive) => ", may stay",
                None => "",
            };
            let name = format!("Suggested sample {}{state}", address.index);
            let response = thumbnails.show(ui, Source::Original, sample, side, &name);
            let colour = match mark {
                Some(Mark::Negative) => Some(p.negative),
                Some(Mark::Positive) => Some(p.positive),
                None if response.hovered() || response.has_focus() => Some(p.weak),
                None => None,
            };
            if let Some(colour) = colour {
                ui.painter().rect_stroke(response.rect, 4.0, Stroke::new(2.5, colour), StrokeKind::Inside);
            }
            let shift = ui.input(|input| input.modifiers.shift);
            let is_pressed = |key| is_pressed(ui, &response, key);
            if response.clicked_by(egui::PointerButton::Secondary)
                || (response.clicked() && shift)
                || is_pressed(Key::P)
            {
                studio.marks.toggle(sample, Mark::Positive);
            } else if response.clicked() || is_pressed(Key::N) {
                studio.marks.toggle(sample, Mark::Negative);
            } else if is_pressed(Key::Delete) || is_pressed(Key::Backspace) {
                studio.marks.set([sample], None);
            }
            response.on_hover_text("Click: must go (N). Right-click: may stay (P).");
        }
    });
    if !unmarked.is_empty() && unmarked.len() < proposals.len() {
        let help = "Marks all other suggested samples as ones that may stay.";
        if widgets::minor_button(ui, "The others may stay").on_hover_text(help).clicked() {
            studio.marks.set(unmarked, Some(Mark::Positive));
        }
    }
}

/// Whether a key is pressed, not held, that marks a sample, while this one has the keyboard: the same as in the grid.
fn is_pressed(ui: &Ui, sample: &Response, key: Key) -> bool {
    let is_new = |event: &Event| matches!(event, Event::Key { key: pressed, pressed: true, repeat: false, .. } if *pressed == key);
    sample.has_focus()
        && ui.input_mut(|input| {
            let is_new = input.events.iter().any(is_new);
            input.consume_key(Modifiers::NONE, key) && is_new
        })
}

/// How wide a sample is where rows are so wide: they are full.
fn side(width: f32, (least, columns): (f32, f32)) -> f32 {
    // Half a point less, as a row that is full to a hair is one that wraps.
    let width = width - 0.5 + GAP;
    let columns = (width / (least + GAP)).floor().clamp(1.0, columns);
    (width / columns - GAP).floor()
}

fn menu(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    ui.menu_button("Marks", |ui| {
        ui.set_min_width(200.0);
        let open = studio.model.is_some();
        if ui.add_enabled(open, egui::Button::new("Load marks\u{2026}")).clicked() {
            dialogs.ask(Purpose::OpenFeedback, studio);
        }
        let any = !studio.marks.feedback().is_empty();
        if ui.add_enabled(any, egui::Button::new("Save marks\u{2026}")).clicked() {
            dialogs.ask(Purpose::SaveFeedback, studio);
        }
        ui.separator();
        if ui.add_enabled(any, egui::Button::new("Clear all marks")).clicked() {
            studio.marks.clear();
        }
        widgets::close_after_key(ui);
    })
    .response
    .on_hover_text("Load, save and clear marks");
}

fn strip(ui: &mut Ui, studio: &mut Studio, thumbnails: &mut Thumbnails, samples: &[Sample], mark: Mark) {
    if samples.is_empty() {
        return;
    }
    thumbnails.request(studio, SampleKind::Feedback, Source::Original, samples);
    let p = palette(ui.style());
    let (colour, name) = match mark {
        Mark::Negative => (p.negative, "must go"),
        Mark::Positive => (p.positive, "may stay"),
    };
    let mut wanted = None;
    let side = side(ui.available_width(), MARKED);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(GAP, GAP);
        for &sample in samples {
            let address = sample.address();
            let name = format!("Marked sample {} of seed {}, {name}", address.index, address.seed);
            let response = thumbnails.show(ui, Source::Original, sample, side, &name);
            if response.hovered() || response.has_focus() {
                let stroke = Stroke::new(2.0, colour);
                ui.painter().rect_stroke(response.rect, 4.0, stroke, StrokeKind::Inside);
            }
            let clear = is_pressed(ui, &response, Key::Delete) || is_pressed(ui, &response, Key::Backspace);
            if clear || response.clicked_by(egui::PointerButton::Secondary) {
                wanted = Some((sample, true));
            } else if response.clicked() {
                wanted = Some((sample, false));
            }
            response.on_hover_text(format!(
                "Seed {}, sample {}, psi {}. Click to enlarge, right-click to clear the mark (Delete).",
                address.seed,
                address.index,
                sample.psi()
            ));
        }
    });
    match wanted {
        Some((sample, true)) => studio.marks.set([sample], None),
        Some((sample, false)) => studio.open_detail(sample),
        None => {}
    }
}

fn labeler(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    widgets::gap(ui);
    let has = studio.labeler.is_some();
    widgets::section(ui, "Labeler", |ui| {
        let text = if has { "Remove" } else { "Choose\u{2026}" };
        let name = if has { "Remove labeler" } else { "Choose labeler" };
        if ui.button(text).accessible_name(name).clicked() {
            if has {
                studio.labeler = None;
            } else {
                dialogs.ask(Purpose::OpenLabeler, studio);
            }
        }
    });
    let Some(choice) = &mut studio.labeler else {
        widgets::explain(ui, "A classifier (.onnx) can mark samples for you and measure the result.");
        if let Some(path) = studio.bundled_labeler.clone()
            && ui.link("Use the one for this model").on_hover_text("It comes with the program.").clicked()
        {
            studio.open(path);
        }
        return;
    };
    let file = choice.card.spec.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    ui.label(RichText::new(file).weak());
    if choice.card.heads.len() > 1 {
        ui.horizontal(|ui| {
            let label = ui.label("Attribute");
            let shown = choice.card.heads.get(choice.head).map_or("", |head| head.name.as_str()).to_owned();
            let before = choice.head;
            ComboBox::from_id_salt("head")
                .selected_text(shown)
                .show_ui(ui, |ui| {
                    for (number, head) in choice.card.heads.iter().enumerate() {
                        ui.selectable_value(&mut choice.head, number, &head.name);
                    }
                    widgets::close_after_key(ui);
                })
                .response
                .labelled_by(label.id)
                .accessible_name("Attribute of the labeler");
            if choice.head != before {
                choice.forget.clear();
            }
        });
    }
    let classes = choice.card.heads.get(choice.head).map_or(&[][..], |head| &head.classes);
    ui.label("Must go");
    ScrollArea::vertical().id_salt("classes").max_height(150.0).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
            for (number, class) in classes.iter().enumerate() {
                let chosen = choice.forget.contains(&number);
                let response = ui.selectable_label(chosen, class).accessible_name(format!("Class {class} must go"));
                if response.clicked() {
                    if chosen {
                        choice.forget.retain(|&other| other != number);
                    } else if choice.forget.len() + 2 <= classes.len() {
                        choice.forget.push(number);
                    }
                }
            }
        });
    });
    widgets::outlined(ui, |ui| ui.checkbox(&mut choice.gives_feedback, "Use the labeler instead of my marks")).on_hover_text(
        "The labeler decides: samples of the chosen classes must go. Otherwise your marks decide, and the labeler only \
         measures the result.",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_fill_the_panel() {
        for (width, (least, most)) in (150..400).flat_map(|width| [MARKED, SUGGESTED].map(|size| (width as f32, size)))
        {
            let side = side(width, (least, most));
            let columns = ((width + GAP) / (side + GAP)).floor();
            assert!(side >= least && columns <= most, "{width}: {side}");
            assert!(width - (columns * (side + GAP) - GAP) < columns + 1.0, "{width}: {side}, {columns} in a row");
        }
    }
}
