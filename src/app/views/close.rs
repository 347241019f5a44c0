//! What would lose weights that are in no file: closing the window, another model, another device. The user is asked, and
//! files that are being written are waited for.

use eframe::egui::{Context, RichText, Ui, ViewportCommand};

use super::{
    dialogs::{Dialogs, Purpose},
    theme::palette,
    widgets,
};
use crate::app::state::{pending_action::PendingAction, studio::Studio};

/// How far closing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It was not asked for.
    #[default]
    Idle,
    /// The user is asked.
    Asking,
    /// As soon as everything is saved.
    AfterSaving,
    /// Now.
    Confirmed,
}

impl Closing {
    /// Called in every frame.
    pub(crate) fn ui(&mut self, ctx: &Context, studio: &mut Studio, dialogs: &mut Dialogs) {
        if ctx.input(|input| input.viewport().close_requested()) && *self != Self::Confirmed {
            let would_be_lost = studio.unsaved || studio.run.in_progress().is_some();
            if would_be_lost {
                *self = Self::Asking;
                studio.pending_action = None;
                ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            } else if studio.writing > 0 {
                *self = Self::AfterSaving;
                ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            }
        }
        if *self == Self::Idle && studio.pending_action.is_some() {
            *self = Self::Asking;
        }
        match *self {
            Self::Asking => {
                let response = widgets::question(ctx, "close").show(ctx, |ui| ask(ui, studio, dialogs));
                if let Some(answer) = response.inner {
                    *self = answer;
                } else if response.should_close() {
                    *self = Self::Idle;
                }
                if *self == Self::Idle {
                    studio.pending_action = None;
                }
            }
            // A save that was cancelled or failed leaves everything as it is.
            Self::AfterSaving if !dialogs.is_busy() && studio.writing == 0 => {
                *self = if studio.unsaved { Self::Idle } else { Self::Confirmed };
                if studio.unsaved {
                    studio.pending_action = None;
                }
            }
            _ => {}
        }
        if *self == Self::Confirmed {
            if studio.pending_action.is_some() {
                studio.confirm_pending_action();
                *self = Self::Idle;
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
    let running = studio.run.in_progress().is_some();
    ui.set_width(400.0);
    ui.label(RichText::new(if running { "A run is in progress" } else { "The result is not saved" }).heading());
    let text = match (&studio.pending_action, running) {
        (Some(PendingAction::OpenModel(_)), _) => {
            "The result is not in any file yet; opening another model discards it."
        }
        (Some(PendingAction::ChangeDevice(..)), _) => {
            "The result is not in any file yet; another device starts again from the original model."
        }
        (None, true) if studio.unsaved => "Closing ends it. You can save the result so far first.",
        (None, true) => "Closing ends it. There is no result to save yet.",
        (None, false) => "The result is not in any file yet.",
    };
    widgets::explain(ui, text);
    ui.add_space(10.0);
    let mut answer = None;
    ui.horizontal(|ui| {
        let colour = palette(ui.style()).after;
        if studio.unsaved && widgets::wide_button(ui, "Save\u{2026}", colour, 110.0).clicked() {
            if running {
                studio.stop();
            }
            dialogs.ask(Purpose::SaveModel, studio);
            answer = Some(Closing::AfterSaving);
        }
        let without = match studio.pending_action {
            Some(PendingAction::OpenModel(_)) => "Open without saving",
            Some(PendingAction::ChangeDevice(..)) => "Switch without saving",
            None if !studio.unsaved => "Close anyway",
            None => "Close without saving",
        };
        if widgets::side_button(ui, without).clicked() {
            answer = Some(Closing::Confirmed);
        }
        if widgets::side_button(ui, "Cancel").clicked() {
            answer = Some(Closing::Idle);
        }
    });
    answer
}
