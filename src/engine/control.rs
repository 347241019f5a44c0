//! What happens between two iterations: commands are obeyed, samples are rendered, progress is told.

use std::{ops::ControlFlow, time::Instant};

use crossbeam_channel::{Receiver, Sender};
use indexmap::IndexMap;

use super::{
    command::{Command, Event, Phase, Progress, SampleKind, SampleRequest},
    estimate::Estimator,
    session::{Kept, Session},
    worker::tell_tiles,
};
use crate::{
    networks::{FlatParams, flat::to_vec},
    train::Trainer,
    unlearn::{Flow, Iteration, Monitor, Stage},
};

/// Distances are measured every so many iterations of stage 2.
const DISTANCES_EVERY: usize = 10;

/// The latest sample request of each kind.
#[derive(Default)]
pub(super) struct PendingSamples(IndexMap<SampleKind, SampleRequest>);

impl PendingSamples {
    pub(super) fn put(&mut self, request: SampleRequest) {
        self.0.insert(request.kind, request);
    }

    /// Puts a request back unless a newer one of its kind has arrived.
    pub(super) fn put_if_absent(&mut self, request: SampleRequest) {
        self.0.entry(request.kind).or_insert(request);
    }

    pub(super) fn take(&mut self) -> Option<SampleRequest> {
        self.0.shift_remove_index(0).map(|(_, request)| request)
    }
}

/// Steers one run.
pub(super) struct Control<'a> {
    pub(super) session: &'a mut Session,
    pub(super) commands: &'a Receiver<Command>,
    pub(super) events: &'a Sender<Event>,
    pub(super) stopped: bool,
    /// Whether the worker is to end as well; the caller's, so that it survives an error or a panic of the run.
    pub(super) quit: &'a mut bool,
    paused: bool,
    phase: Option<Phase>,
    /// Iterations of stage 2 done.
    done: usize,
    pending: PendingSamples,
    /// Training iterations done and to do in the whole run.
    trained: usize,
    to_train: usize,
    training_since: Option<Instant>,
    /// Looks at the result at every automatic snapshot.
    pub(super) estimator: Option<Estimator>,
}

impl<'a> Control<'a> {
    pub(super) fn new(
        session: &'a mut Session,
        commands: &'a Receiver<Command>,
        events: &'a Sender<Event>,
        quit: &'a mut bool,
        to_train: usize,
    ) -> Self {
        Self {
            session,
            commands,
            events,
            stopped: false,
            quit,
            paused: false,
            phase: None,
            done: 0,
            pending: PendingSamples::default(),
            trained: 0,
            to_train,
            training_since: None,
            estimator: None,
        }
    }

    /// Tells an event. Nobody listening is no reason to fail: the run's result still counts.
    pub(super) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// A step outside of training.
    pub(super) fn step(&mut self, phase: Phase, done: usize, of: usize) -> ControlFlow<()> {
        self.phase = Some(phase);
        self.tell(Event::Progress(Progress { phase, done, of, seconds_left: None }));
        self.obey(None);
        if self.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Obeys what was asked since the last time, renders what was requested, waits while paused.
    fn obey(&mut self, current: Option<&Trainer>) {
        loop {
            // Everything that waits is read first, so that of several sample requests only the latest is rendered.
            while let Ok(command) = self.commands.try_recv() {
                self.obey_one(command, current);
            }
            self.render(self.result(current));
            if !self.paused || self.stopped {
                return;
            }
            let held_since = Instant::now();
            let command = self.commands.recv().unwrap_or(Command::Quit);
            // A pause says nothing about how long an iteration takes.
            self.training_since = self.training_since.map(|since| since + held_since.elapsed());
            self.obey_one(command, current);
        }
    }

    fn obey_one(&mut self, command: Command, current: Option<&Trainer>) {
        match command {
            Command::Sample(request) => self.pending.put(request),
            Command::Pause => {
                self.paused = true;
                self.tell(Event::Paused);
            }
            Command::Resume => {
                self.paused = false;
                self.tell(Event::Resumed);
            }
            Command::Stop => self.stopped = true,
            Command::Quit => {
                self.stopped = true;
                *self.quit = true;
            }
            Command::Snapshot => self.snapshot(current),
            Command::AutoSnapshots(count) => self.session.auto_snapshots = count,
            Command::Export(path) => {
                let done = self.session.export(&path, self.result(current));
                self.tell(done.map_or_else(|error| Event::Failed(error.sentence()), |()| Event::Exported(path)));
            }
            Command::ExportWeights(path, weights) => {
                let done = self.session.export_weights(&path, weights, self.result(current));
                self.tell(done.map_or_else(|error| Event::Failed(error.sentence()), |()| Event::Exported(path)));
            }
            Command::File(job) => {
                let result = self.result(current).map(|trainer| trainer.g_ema.clone());
                let done = self.session.file(*job, result.as_ref());
                self.tell(done.unwrap_or_else(|error| Event::Failed(error.sentence())));
            }
            Command::Load(_) | Command::Class(_) | Command::Start(_) | Command::Suggest(_) => {
                self.tell(Event::Warning("a run is in progress; stop it first".to_owned()));
            }
        }
    }

    /// The state that may be shown and exported as a result. What stage 1 trains makes what is to be forgotten.
    fn result<'t>(&self, current: Option<&'t Trainer>) -> Option<&'t Trainer> {
        current.filter(|_| self.phase == Some(Phase::Unlearn))
    }

    fn snapshot(&mut self, current: Option<&Trainer>) {
        let kept = current.map(|trainer| Kept::of(trainer, self.done));
        let event = match self.session.snapshot(kept) {
            Some((number, iteration)) => Event::Snapshot { number, iteration },
            None => Event::Warning("there is nothing to take a snapshot of yet".to_owned()),
        };
        self.tell(event);
    }

    /// The snapshot that is due after this iteration, and what the labeler says about it.
    fn auto_snapshot(&mut self, iteration: &Iteration, state: &Trainer) {
        let due = |done: usize| done * self.session.auto_snapshots / iteration.of.max(1);
        if due(iteration.index + 1) == due(iteration.index) {
            return;
        }
        self.snapshot(Some(state));
        let Some(estimator) = &self.estimator else { return };
        match estimator.look(&state.networks.generator, &state.g_ema) {
            Ok((pul, frechet)) => self.tell(Event::Estimate { index: iteration.index, pul, frechet }),
            Err(error) => self.tell(Event::Warning(error.sentence())),
        }
    }

    fn render(&mut self, current: Option<&Trainer>) {
        while let Some(request) = self.pending.take() {
            tell_tiles(self.events, self.session, request, current.map(|trainer| &trainer.g_ema));
        }
    }

    fn seconds_left(&self) -> Option<f64> {
        let elapsed = self.training_since?.elapsed().as_secs_f64();
        // The clock starts when the first iteration is done.
        let rate = elapsed / self.trained.saturating_sub(1).max(1) as f64;
        Some(rate * self.to_train.saturating_sub(self.trained) as f64)
    }

    fn tell_distances(&self, index: usize, state: &Trainer) {
        let Some(original) = self.session.original_g_ema() else { return };
        let rms = |other: &FlatParams| {
            let square = (state.g.values.clone() - other.values.clone()).square().mean();
            to_vec(square).first().map_or(f32::NAN, |v| v.sqrt())
        };
        let adapted = &self.session.adapted;
        let to_adapted = adapted.iter().map(rms).sum::<f32>() / adapted.len().max(1) as f32;
        let to_original = rms(original);
        self.tell(Event::Distances { index, to_adapted, to_original });
    }
}

impl Monitor for Control<'_> {
    fn after(&mut self, iteration: &Iteration, state: &Trainer) -> Flow {
        // The first iteration warms caches (and, on a GPU, tunes kernels): it says nothing about the others.
        self.training_since.get_or_insert_with(Instant::now);
        self.trained += 1;
        let phase = match iteration.stage {
            Stage::Adapt { member } => Phase::Adapt(member),
            Stage::Unlearn => Phase::Unlearn,
        };
        self.phase = Some(phase);
        let (done, of) = (iteration.index + 1, iteration.of);
        let seconds_left = (self.trained > 1).then(|| self.seconds_left()).flatten();
        self.tell(Event::Progress(Progress { phase, done, of, seconds_left }));
        self.tell(Event::Iteration(*iteration));
        if phase == Phase::Unlearn {
            // Should anything fail from here on, this is what was reached.
            self.session.trained = Some(Box::new(state.clone()));
            self.session.version += 1;
            self.done = iteration.index + 1;
            self.auto_snapshot(iteration, state);
        }
        if phase == Phase::Unlearn && (iteration.index.is_multiple_of(DISTANCES_EVERY) || done == of) {
            self.tell_distances(iteration.index, state);
        }
        self.obey(Some(state));
        if self.stopped { Flow::Stop } else { Flow::Continue }
    }
}
