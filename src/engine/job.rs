//! What every job that takes a while does between two steps.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crossbeam_channel::{Receiver, Sender};

use super::{
    command::Command,
    error::{EngineError, panic_sentence},
    event::Event,
    phase::Progress,
};

/// Sends an event. Nobody listening is no reason to fail: what was reached still counts.
pub(super) fn send_event(events: &Sender<Event>, event: Event) {
    let _ = events.send(event);
}

/// What came of something, or why nothing did, in one sentence.
pub(super) fn outcome<T>(f: impl FnOnce() -> Result<T, EngineError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(|error| error.sentence()),
        Err(panic) => Err(panic_sentence(panic.as_ref())),
    }
}

/// The worker's side of a job that shows nothing while it goes on: it can be stopped, and all other commands wait.
pub(super) struct JobControl<'a> {
    commands: &'a Receiver<Command>,
    events: &'a Sender<Event>,
    waiting: &'a mut VecDeque<Command>,
    stopped: bool,
}

impl<'a> JobControl<'a> {
    pub(super) fn new(
        commands: &'a Receiver<Command>,
        events: &'a Sender<Event>,
        waiting: &'a mut VecDeque<Command>,
    ) -> Self {
        Self { commands, events, waiting, stopped: false }
    }

    /// Says how far the job is, and whether it may go on.
    pub(super) fn progress(&mut self, progress: Progress) -> ControlFlow<()> {
        send_event(self.events, Event::Progress(progress));
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => self.stopped = true,
                Command::Quit => {
                    self.stopped = true;
                    // Nobody wants what else waits.
                    self.waiting.push_front(Command::Quit);
                }
                command => self.waiting.push_back(command),
            }
        }
        if self.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Says something to the person.
    pub(super) fn warn(&self, sentence: String) {
        send_event(self.events, Event::Warning(sentence));
    }
}
