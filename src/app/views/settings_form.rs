//! Every setting of a run, with a one-line explanation each, whatever the method.

use eframe::egui::{Checkbox, CollapsingHeader, ComboBox, DragValue, Grid, Response, RichText, Ui};
use serde_json::Value;

use super::widgets;
use crate::unlearn::{COLLECT_FIELDS, Field, FieldKind, Settings};

/// Least width of a table's first column, and room between the columns.
const LABELS: f32 = 150.0;
const BETWEEN: f32 = 12.0;
/// From here on numbers are written with an exponent.
const LARGE: f64 = 1e9;

/// All settings; those that matter most first, the others folded away.
pub(super) fn ui(ui: &mut Ui, settings: &mut Settings, with_labeler: bool) {
    let mut groups: Vec<(&'static str, Vec<&'static Field>)> = Vec::new();
    for field in settings.fields() {
        match groups.iter_mut().find(|(group, _)| *group == field.group) {
            Some((_, fields)) => fields.push(field),
            None => groups.push((field.group, vec![field])),
        }
    }
    let collect = COLLECT_FIELDS.first().map_or("", |field| field.group);
    for (group, fields) in groups {
        let title = if group == collect && !with_labeler { "Marks" } else { group };
        match group {
            "" => table(ui, "main settings", &fields, settings),
            _ => {
                CollapsingHeader::new(RichText::new(title))
                    .id_salt(group)
                    .show_unindented(ui, |ui| table(ui, group, &fields, settings));
            }
        }
    }
}

fn table(ui: &mut Ui, salt: &str, fields: &[&'static Field], settings: &mut Settings) {
    // What a table's cell calls available is not what is left of the panel.
    let room = ui.available_width() - LABELS - BETWEEN;
    Grid::new(salt).num_columns(2).min_col_width(LABELS).spacing([BETWEEN, 6.0]).show(ui, |ui| {
        for field in fields {
            let label = ui.label(RichText::new(field.label).weak()).on_hover_text(field.help);
            if let Some(value) = field.get(settings.values()).cloned() {
                let (response, changed) = edit(ui, field, value, room);
                response.labelled_by(label.id).accessible_name(field.label).on_hover_text(field.help);
                if let Some(value) = changed {
                    // What the controls give is of the field's kind.
                    let _ = settings.set(field.key, value);
                }
            }
            ui.end_row();
        }
    });
}

/// A control for a value, at most as wide as there is room, and the new value if it was changed.
fn edit(ui: &mut Ui, field: &Field, value: Value, room: f32) -> (Response, Option<Value>) {
    match field.kind {
        FieldKind::Integer { min, max, step } => {
            let mut number = value.as_u64().unwrap_or(min);
            let response = ui.add(DragValue::new(&mut number).range(min..=max).speed(step));
            let changed = response.changed().then(|| Value::from(number));
            (response, changed)
        }
        FieldKind::Real { min, max, step, decimals } => {
            let mut number = value.as_f64().unwrap_or(min);
            let control = DragValue::new(&mut number).range(min..=max).speed(step).max_decimals(decimals);
            let control = if max > LARGE { control.custom_formatter(with_exponent) } else { control };
            let response = ui.add(control);
            let changed = response.changed().then(|| Value::from(number));
            (response, changed)
        }
        FieldKind::Bool => {
            let mut on = value.as_bool().unwrap_or(false);
            let response = ui.add(Checkbox::without_text(&mut on));
            let changed = response.changed().then(|| Value::from(on));
            (response, changed)
        }
        FieldKind::Choice(choices) => {
            let now = choices.iter().find(|choice| value == choice.value);
            let mut changed = None;
            let shown = now.map_or("", |choice| choice.label);
            // A long name is cut rather than drawn beyond the panel.
            let width = room.clamp(80.0, 150.0);
            let combo = ComboBox::from_id_salt(field.key).width(width).truncate().selected_text(shown);
            let mut list = |ui: &mut Ui| {
                for choice in choices {
                    if ui.selectable_label(now == Some(choice), choice.label).clicked() {
                        changed = Some(Value::from(choice.value));
                    }
                }
                widgets::close_after_key(ui);
            };
            let cell = ui.scope(|ui| {
                ui.set_max_width(width);
                combo.show_ui(ui, &mut list).response
            });
            (cell.inner, changed)
        }
    }
}

/// Large numbers with an exponent.
fn with_exponent(value: f64, _: std::ops::RangeInclusive<usize>) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") }
}
