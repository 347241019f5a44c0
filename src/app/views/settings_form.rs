//! Every setting of a run, with a one-line explanation each.

use eframe::egui::{CollapsingHeader, ComboBox, DragValue, Grid, Response, RichText, Ui};

use crate::unlearn::{
    Settings, StageConfig, Start,
    repulsion::{Distance, RepulsionLoss},
};

struct Field {
    name: &'static str,
    help: &'static str,
    edit: fn(&mut Ui, &mut Settings) -> Response,
}

const fn field(name: &'static str, help: &'static str, edit: fn(&mut Ui, &mut Settings) -> Response) -> Field {
    Field { name, help, edit }
}

const MAIN: &[Field] = &[
    field("Unlearning steps", "How long to unlearn. More steps take longer and are not always better.", |ui, s| {
        ui.add(DragValue::new(&mut s.unlearn.iterations).range(1..=100_000).speed(5))
    }),
    field(
        "Protect everything else",
        "How strongly samples that may stay are kept as they are. 0 is the published method.",
        |ui, s| ui.add(DragValue::new(&mut s.unlearn.train.retain).range(0.0..=1000.0).speed(0.05)),
    ),
    field(
        "Removal strength",
        "The share of samples that must go among the fakes the discriminator learns to reject. Higher removes more \
         thoroughly. 0 is the published method.",
        |ui, s| ui.add(DragValue::new(&mut s.unlearn.train.unwanted_share).range(0.0..=0.95).speed(0.01)),
    ),
    field("Seed", "The same seed and settings give the same result on the same device.", |ui, s| {
        ui.add(DragValue::new(&mut s.seed))
    }),
];

const STAGE_1: &[Field] = &[
    field("Learning steps", "How long copies of the model learn to generate what must go.", |ui, s| {
        ui.add(DragValue::new(&mut s.adapt.iterations).range(1..=100_000).speed(5))
    }),
    field("Copies", "How many such copies are trained, each on different draws.", |ui, s| {
        ui.add(DragValue::new(&mut s.adapted).range(1..=16))
    }),
    field("Learning rate", "Step size of this stage.", |ui, s| rate(ui, &mut s.adapt)),
    field("EWC weight", "How strongly a copy is held to the original where its weights matter most.", |ui, s| {
        ui.add(DragValue::new(&mut s.ewc_lambda).range(0.0..=1e12).speed(1e6).custom_formatter(short))
    }),
    field(
        "Fisher samples",
        "Samples used to estimate which weights matter: at most 4, or a multiple of 4.",
        |ui, s| ui.add(DragValue::new(&mut s.fisher_samples).range(0..=4096)),
    ),
];

const STAGE_2: &[Field] = &[
    field("Learning rate", "Step size of this stage.", |ui, s| rate(ui, &mut s.unlearn)),
    field("Final rate", "The fraction of the learning rate that is left at the end; 1 keeps it constant.", |ui, s| {
        ui.add(DragValue::new(&mut s.unlearn.final_lr).range(0.0..=1.0).speed(0.01))
    }),
    field(
        "Start from",
        "The averaged generator is the one you see; the authors' code starts from the trained one.",
        |ui, s| {
            let name = |start| if start == Start::Averaged { "averaged" } else { "trained" };
            let combo = ComboBox::from_id_salt("start").selected_text(name(s.start)).show_ui(ui, |ui| {
                for start in [Start::Averaged, Start::Trained] {
                    ui.selectable_value(&mut s.start, start, name(start));
                }
            });
            combo.response
        },
    ),
    field(
        "Start pushed further",
        "Starts at theta_N + gamma (theta_G - theta_N): 1 is the original, more starts further away from what must go.",
        |ui, s| ui.add(DragValue::new(&mut s.extrapolate).range(-4.0..=8.0).speed(0.01)),
    ),
    field("Repulsion", "The loss that pushes away from the copies of stage 1.", |ui, s| {
        let name = |loss| match loss {
            RepulsionLoss::El2 => "EL2",
            RepulsionLoss::Nl2 => "NL2",
            RepulsionLoss::Il2 => "IL2",
        };
        let combo = ComboBox::from_id_salt("loss").selected_text(name(s.repulsion.loss)).show_ui(ui, |ui| {
            for loss in [RepulsionLoss::El2, RepulsionLoss::Nl2, RepulsionLoss::Il2] {
                ui.selectable_value(&mut s.repulsion.loss, loss, name(loss));
            }
        });
        combo.response
    }),
    field("Distance", "Measured as in the authors' code (mean) or as in the paper (sum).", |ui, s| {
        let name = |distance| if distance == Distance::Mean { "mean" } else { "sum" };
        let combo = ComboBox::from_id_salt("distance").selected_text(name(s.repulsion.distance)).show_ui(ui, |ui| {
            for distance in [Distance::Mean, Distance::Sum] {
                ui.selectable_value(&mut s.repulsion.distance, distance, name(distance));
            }
        });
        combo.response
    }),
    field("Repulsion gamma", "Factor on the distance in the repulsion loss.", |ui, s| {
        ui.add(DragValue::new(&mut s.repulsion.gamma).range(0.0..=1e6).speed(0.1))
    }),
    field("EL2 weight", "Weight of the EL2 loss; the other losses have none.", |ui, s| {
        ui.add(DragValue::new(&mut s.repulsion.weight).range(0.0..=1e6).speed(1.0))
    }),
    field(
        "EMA decay",
        "How slowly the averaged generator (the one you see and save) follows the trained one.",
        |ui, s| ui.add(DragValue::new(&mut s.unlearn.train.ema_decay).range(0.0..=0.9999).speed(0.001).max_decimals(4)),
    ),
];

const BOTH: &[Field] = &[
    field("Batch", "Samples per step: at most 4, or a multiple of 4.", |ui, s| {
        both(ui, s, |stage, ui| ui.add(DragValue::new(&mut stage.train.batch).range(1..=256)))
    }),
    field("Micro-batch", "Samples computed at once; fewer need less memory. 0 computes the whole batch.", |ui, s| {
        both(ui, s, |stage, ui| ui.add(DragValue::new(&mut stage.train.micro_batch).range(0..=256)))
    }),
    field("R1 weight", "Restrains the discriminator. Best left as the model was trained.", |ui, s| {
        both(ui, s, |stage, ui| ui.add(DragValue::new(&mut stage.train.r1).range(0.0..=1000.0).speed(0.1)))
    }),
    field(
        "Path length weight",
        "Keeps the generator smooth. Best left as the model was trained; 0 turns it off.",
        |ui, s| {
            both(ui, s, |stage, ui| {
                ui.add(DragValue::new(&mut stage.train.path_regularize).range(0.0..=100.0).speed(0.05))
            })
        },
    ),
];

const FEW: &[Field] = &[field(
    "Find more below",
    "With fewer marks than this, the program learns from them and finds more samples by itself. 0 turns this off.",
    |ui, s| ui.add(DragValue::new(&mut s.few_marks).range(0..=100_000).speed(5)),
)];

const LABELER: &[Field] = &[
    field("Samples to sort", "How many samples the labeler, or what was learned from a few marks, sorts.", |ui, s| {
        ui.add(DragValue::new(&mut s.labelled).range(1..=1_000_000).speed(50))
    }),
    field(
        "May stay below",
        "A sample may stay if the labeler sees what must go in it with at most this probability.",
        |ui, s| ui.add(DragValue::new(&mut s.positive_below).range(0.0..=1.0).speed(0.01)),
    ),
];

/// All settings; those that matter most first, the others folded away.
pub(super) fn ui(ui: &mut Ui, settings: &mut Settings, with_labeler: bool) {
    table(ui, "main settings", MAIN, settings);
    let groups = [("Stage 1: learn what must go", STAGE_1), ("Stage 2: unlearn", STAGE_2), ("Both stages", BOTH)];
    for (title, fields) in groups {
        CollapsingHeader::new(RichText::new(title)).show_unindented(ui, |ui| table(ui, title, fields, settings));
    }
    let title = if with_labeler { "Marks and labeler" } else { "Marks" };
    CollapsingHeader::new(title).id_salt("marks settings").show_unindented(ui, |ui| {
        table(ui, "few marks", FEW, settings);
        table(ui, "labeler", LABELER, settings);
    });
}

fn table(ui: &mut Ui, salt: &str, fields: &[Field], settings: &mut Settings) {
    Grid::new(salt).num_columns(2).min_col_width(150.0).spacing([12.0, 6.0]).show(ui, |ui| {
        for field in fields {
            let label = ui.label(RichText::new(field.name).weak()).on_hover_text(field.help);
            (field.edit)(ui, settings).labelled_by(label.id).accessible_name(field.name).on_hover_text(field.help);
            ui.end_row();
        }
    });
}

fn rate(ui: &mut Ui, stage: &mut StageConfig) -> Response {
    ui.add(DragValue::new(&mut stage.train.lr).range(1e-6..=0.1).speed(1e-5).max_decimals(6))
}

/// Edits the first stage's number and gives it to the second.
fn both(ui: &mut Ui, settings: &mut Settings, edit: fn(&mut StageConfig, &mut Ui) -> Response) -> Response {
    let mut stage = settings.unlearn.clone();
    let response = edit(&mut stage, ui);
    if response.changed() {
        let new = &stage.train;
        for train in [&mut settings.adapt.train, &mut settings.unlearn.train] {
            (train.batch, train.micro_batch) = (new.batch, new.micro_batch);
            (train.r1, train.path_regularize) = (new.r1, new.path_regularize);
        }
    }
    response
}

/// Large numbers with an exponent.
fn short(value: f64, _: std::ops::RangeInclusive<usize>) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") }
}
