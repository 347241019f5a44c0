//! What an audit does between two steps: it says how far it is, draws what is looked at, and can be held and stopped.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};

use super::{
    command::Command,
    error::EngineError,
    event::Event,
    files::do_file_job,
    history,
    job::send_event,
    phase::{Phase, Progress},
    request::ProjectRequest,
    retrained::retrained,
    session::Session,
    suggest::suggest,
    tiles::{PendingSamples, send_tiles},
};
use crate::audit::Part;

/// The worker's side of an audit. Samples are drawn, marks kept and files written meanwhile; what would
/// take the model away is refused, and everything else waits.
pub(super) struct AuditControl<'a> {
    pub(super) session: &'a mut Session,
    pub(super) commands: &'a Receiver<Command>,
    pub(super) events: &'a Sender<Event>,
    pub(super) waiting: &'a mut VecDeque<Command>,
    pub(super) pending: &'a mut PendingSamples,
    /// Estimate for the rest, in seconds.
    pub(super) seconds_left: Option<f64>,
    paused: Duration,
    stopped: bool,
}

impl<'a> AuditControl<'a> {
    pub(super) fn new(
        session: &'a mut Session,
        (commands, events): (&'a Receiver<Command>, &'a Sender<Event>),
        waiting: &'a mut VecDeque<Command>,
        pending: &'a mut PendingSamples,
    ) -> Self {
        Self { session, commands, events, waiting, pending, seconds_left: None, paused: Duration::ZERO, stopped: false }
    }

    /// How long it was held so far.
    pub(super) fn paused_for(&self) -> Duration {
        self.paused
    }

    /// Says how far it is, and whether it may go on; no part is the preparation.
    pub(super) fn progress(&mut self, part: Option<Part>, done: usize, of: usize) -> ControlFlow<()> {
        let phase = part.map_or(Phase::WarmUp, Phase::Audit);
        send_event(self.events, Event::Progress(Progress { phase, done, of, seconds_left: self.seconds_left }));
        let mut held: Option<Instant> = None;
        loop {
            while let Ok(command) = self.commands.try_recv() {
                self.handle(command, &mut held);
            }
            while let Some(request) = self.pending.take() {
                send_tiles(self.events, self.session, request, None);
            }
            if held.is_none() || self.stopped {
                break;
            }
            let command = self.commands.recv().unwrap_or(Command::Quit);
            self.handle(command, &mut held);
        }
        if let Some(held) = held {
            self.paused += held.elapsed();
        }
        if self.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn handle(&mut self, command: Command, held: &mut Option<Instant>) {
        match command {
            Command::Sample(request) => self.pending.put(request),
            Command::Walk(request) => self.pending.put_walk(request),
            Command::Pause => {
                held.get_or_insert_with(Instant::now);
                send_event(self.events, Event::Paused);
            }
            Command::Resume => {
                if let Some(since) = held.take() {
                    self.paused += since.elapsed();
                }
                send_event(self.events, Event::Resumed);
            }
            Command::Stop => self.stopped = true,
            Command::Quit => {
                self.stopped = true;
                // Nobody wants what else waits.
                self.waiting.push_front(Command::Quit);
            }
            // Marks are on the disk within a second, whatever else goes on.
            Command::Project(request) if matches!(*request, ProjectRequest::Marks(_) | ProjectRequest::Rename(..)) => {
                let card = history::change(self.session, *request).map(|_| history::card(self.session, None));
                self.answer(card.map(Event::Project));
            }
            Command::File(job) => {
                let read = job.is_read();
                match (do_file_job(self.session, *job, None), read) {
                    (Err(error), false) => send_event(self.events, Event::NotSaved(error.sentence())),
                    (done, _) => self.answer(done),
                }
            }
            Command::Suggest(request) => {
                let suggested =
                    self.session.model().and_then(|model| suggest(&model, &request, &mut self.session.reference));
                self.answer(suggested.map(|suggestions| Event::Suggested(Box::new(suggestions))));
            }
            Command::Retrained(request) => {
                let done = retrained(self.session, *request, None);
                self.answer(done);
            }
            Command::Label(request) => self.session.labels.put(request),
            Command::Move(motion) => self.session.motion = motion,
            Command::Mask(masking) => self.session.masking = masking,
            Command::Load(_) | Command::Start(_) | Command::Audit(_) => {
                send_event(self.events, Event::Warning("an audit is in progress; stop it first".to_owned()));
            }
            command => self.waiting.push_back(command),
        }
    }

    fn answer(&self, answer: Result<Event, EngineError>) {
        send_event(self.events, answer.unwrap_or_else(|error| Event::Failed(error.sentence())));
    }
}
