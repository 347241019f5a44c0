//! What would lose weights that are in no file: closing the window, another model, another device. The person is asked, and
//! files that are being written are waited for.

use eframe::egui::{Context, RichText, Ui, ViewportCommand};

use super::{
    dialogs::{Dialogs, Purpose},
    theme::palette,
    widgets,
};
use crate::app::state::{leaving::Leaving, studio::Studio};

/// Where closing stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Nobody wants to.
    #[default]
    No,
    /// The person is asked.
    Asking,
    /// As soon as everything is saved.
    AfterSaving,
    /// Now.
    Agreed,
}

impl Closing {
    /// Called in every frame.
    pub(crate) fn ui(&mut self, ctx: &Context, studio: &mut Studio, dialogs: &mut Dialogs) {
        if ctx.input(|input| input.viewport().close_requested()) && *self != Self::Agreed {
            let would_be_lost = studio.unsaved || studio.run.going().is_some();
            if would_be_lost {
                *self = Self::Asking;
                studio.leaving = None;
                ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            } else if studio.writing > 0 {
                *self = Self::AfterSaving;
                ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            }
        }
        if *self == Self::No && studio.leaving.is_some() {
            *self = Self::Asking;
        }
        match *self {
            Self::Asking => {
                let response = widgets::question(ctx, "close").show(ctx, |ui| ask(ui, studio, dialogs));
                if let Some(answer) = response.inner {
                    *self = answer;
                } else if response.should_close() {
                    *self = Self::No;
                }
                if *self == Self::No {
                    studio.leaving = None;
                }
            }
            // A save that was cancelled or failed leaves everything as it is.
            Self::AfterSaving if !dialogs.is_busy() && studio.writing == 0 => {
                *self = if studio.unsaved { Self::No } else { Self::Agreed };
                if studio.unsaved {
                    studio.leaving = None;
                }
            }
            _ => {}
        }
        if *self == Self::Agreed {
            if studio.leaving.is_some() {
                studio.agree();
                *self = Self::No;
            } else {
                ctx.send_viewport_cmd(ViewportCommand::Close);
            }
        }
    }

    pub(crate) fn is_asking(self) -> bool {
        self == Self::Asking
    }
}

fn ask(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) -> Option<Closing> {
    let going = studio.run.going().is_some();
    ui.set_width(400.0);
    ui.label(RichText::new(if going { "A run is under way" } else { "The result is not saved" }).heading());
    let text = match (&studio.leaving, going) {
        (Some(Leaving::Open(_)), _) => "What was unlearned is in no file yet, and opening another model lets it go.",
        (Some(Leaving::Device(..)), _) => {
            "What was unlearned is in no file yet, and another device begins with the model as it was opened."
        }
        (None, true) => "Closing ends it. What it has reached so far can be saved first.",
        (None, false) => "What was unlearned is in no file yet.",
    };
    widgets::explain(ui, text);
    ui.add_space(10.0);
    let mut answer = None;
    ui.horizontal(|ui| {
        let colour = palette(ui.style()).after;
        if studio.unsaved && widgets::wide_button(ui, "Save\u{2026}", colour, 110.0).clicked() {
            if going {
                studio.stop();
            }
            dialogs.ask(Purpose::SaveModel, studio);
            answer = Some(Closing::AfterSaving);
        }
        let without = match studio.leaving {
            Some(Leaving::Open(_)) => "Open without saving",
            Some(Leaving::Device(..)) => "Change without saving",
            None => "Close without saving",
        };
        if widgets::side_button(ui, without).clicked() {
            answer = Some(Closing::Agreed);
        }
        if widgets::side_button(ui, "Stay").clicked() {
            answer = Some(Closing::No);
        }
    });
    answer
}
