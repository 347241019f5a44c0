//! What would lose weights that are in no file: closing the window, another model, another device. The user is asked, and
//! files that are being written are waited for.

use eframe::egui::{Context, RichText, Ui, ViewportCommand};

use super::{
    dialogs::{Dialogs, Purpose},
    theme::palette,
    widgets,
};
use crate::app::state::{pending_action::PendingAction, studio::Studio, tiles::Source};

/// How far closing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It was not asked for.
    #[default]
    Idle,
    /// The user is asked.
    Asking,
    /// As soon as everything is written and, where this is a number, one more result than that was saved.
    AfterSaving(Option<usize>),
    /// Now.
    Confirmed,
}

impl Closing {
    /// Called in every frame.
    pub(crate) fn ui(&mut self, ctx: &Context, studio: &mut Studio, dialogs: &mut Dialogs) {
        if ctx.input(|input| input.viewport().close_requested()) && *self != Self::Confirmed {
            // What is kept on the disk is there again when the model is opened the next time, a run in progress too.
            let running = studio.run.in_progress().is_some() && !studio.is_kept();
            let would_be_lost = studio.unsaved || running || studio.has_unsaved_marks();
            if would_be_lost {
                *self = Self::Asking;
                studio.pending_action = None;
                ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            } else if studio.is_writing() {
                *self = Self::AfterSaving(None);
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
            Self::AfterSaving(before) if !dialogs.is_busy() && !studio.is_writing() => {
                let saved = before.is_none_or(|before| studio.saved_results > before);
                *self = if saved { Self::Confirmed } else { Self::Idle };
                if !saved {
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
    let title = match (running, studio.unsaved) {
        (true, _) => "A run is in progress",
        (false, true) => "The result is not saved",
        (false, false) => "Your marks are not saved",
    };
    ui.label(RichText::new(title).heading());
    let text = match (&studio.pending_action, running) {
        (Some(PendingAction::OpenModel(_) | PendingAction::OpenWithAvatars(_)), _) => {
            "Opening another model discards it."
        }
        (Some(PendingAction::ChangeDevice(..) | PendingAction::UseRemote(_)), _) => {
            "Another device starts again from the original model and discards it."
        }
        (None, true) if studio.unsaved => "Closing ends it. You can save the result so far first.",
        (None, true) => "Closing ends it. There is no result to save yet.",
        (None, false) => "Closing the window discards it.",
    };
    widgets::explain(ui, text);
    ui.add_space(10.0);
    let mut answer = None;
    ui.horizontal(|ui| {
        let colour = palette(ui.style()).after;
        if studio.unsaved && widgets::wide_button(ui, "Save\u{2026}", colour, 110.0).clicked() {
            // The run goes on until the window is closed: who cancels has lost nothing.
            studio.timeline.show(Source::Current);
            dialogs.ask(Purpose::SaveModel, studio);
            answer = Some(Closing::AfterSaving(Some(studio.saved_results)));
        }
        let without = match studio.pending_action {
            Some(PendingAction::OpenModel(_) | PendingAction::OpenWithAvatars(_)) => "Open without saving",
            Some(PendingAction::ChangeDevice(..) | PendingAction::UseRemote(_)) => "Switch without saving",
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
