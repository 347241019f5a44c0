//! What happens between two iterations of a run: commands are handled, samples are rendered, progress is reported.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use indexmap::IndexMap;

use super::{
    autosave::{Autosave, Counters, resume_point},
    command::Command,
    error::EngineError,
    estimate::Estimator,
    event::Event,
    export::{export, export_weights},
    files::do_file_job,
    fit::Way,
    history,
    job::send_event,
    phase::{Phase, Progress},
    request::ProjectRequest,
    results::Held,
    retrained::retrained,
    session::Session,
    tiles::{PendingSamples, send_tiles},
    time_left::{Part, TimeLeft},
};
use crate::{
    project::NodeId,
    unlearn::{Auxiliary, Flow, Iteration, LayerShare, Monitor, Plan, ResumePoint, StageRound, StateRef},
};

/// Steers one run.
pub(super) struct RunControl<'a> {
    pub(super) session: &'a mut Session,
    commands: &'a Receiver<Command>,
    events: &'a Sender<Event>,
    pub(super) stopped: bool,
    /// Whether the worker is to end as well; the caller's, so that it survives an error or a panic of the run.
    pub(super) quit: &'a mut bool,
    /// Samples computed at once, while running out of memory may be due to them; the caller's, too.
    pub(super) pass: &'a mut Option<Way>,
    paused: bool,
    /// Whether the state in training may be shown and exported as a result.
    is_result: bool,
    /// Iterations that made the result.
    pub(super) iterations: usize,
    /// Where the method is.
    pub(super) reached: Option<StageRound>,
    /// What the last iteration that made the result measured.
    pub(super) last: IndexMap<&'static str, f32>,
    /// Wall time of each stage before the run was interrupted.
    pub(super) earlier: BTreeMap<String, f64>,
    /// Wall time of each stage, and since when the present one is counted.
    pub(super) seconds: IndexMap<&'static str, f64>,
    counted: Instant,
    /// How the result comes about; the session's, once there is one.
    pub(super) provenance: Vec<(String, String)>,
    pending: PendingSamples,
    /// Training iterations done in the whole run.
    trained: usize,
    /// What the rest of the run will take, since when it is counted, and how long it was paused meanwhile.
    pub(super) time_left: TimeLeft,
    began: Instant,
    paused_for: Duration,
    /// Looks at the result at every automatic snapshot.
    pub(super) estimator: Option<Estimator>,
    /// The run's node in the project.
    pub(super) node: Option<NodeId>,
    /// How much there is to do.
    pub(super) plan: Plan,
    /// Saves where the run stands.
    autosave: Option<Autosave>,
    /// Whether where it stands now is saved already.
    is_saved: bool,
    /// How much of each layer may move, where not all may.
    pub(super) layers: Vec<LayerShare>,
    /// Where the method stood when the person stopped it.
    pub(super) stopped_at: Option<(ResumePoint, Counters)>,
    /// Whether what it takes to go on with an earlier run is still there, and is given up once this one has made anything.
    pub(super) supersedes: bool,
}

/// What a run could be gone on with.
type Resume<'a> = Option<&'a dyn Fn() -> ResumePoint>;

impl<'a> RunControl<'a> {
    pub(super) fn new(
        session: &'a mut Session,
        commands: &'a Receiver<Command>,
        events: &'a Sender<Event>,
        (quit, pass): (&'a mut bool, &'a mut Option<Way>),
        plan: Plan,
    ) -> Self {
        Self {
            session,
            commands,
            events,
            stopped: false,
            quit,
            pass,
            paused: false,
            is_result: false,
            iterations: 0,
            reached: None,
            last: IndexMap::new(),
            earlier: BTreeMap::new(),
            seconds: IndexMap::new(),
            counted: Instant::now(),
            provenance: Vec::new(),
            pending: PendingSamples::default(),
            trained: 0,
            time_left: TimeLeft::default(),
            began: Instant::now(),
            paused_for: Duration::ZERO,
            estimator: None,
            node: None,
            plan,
            autosave: None,
            is_saved: false,
            layers: Vec::new(),
            stopped_at: None,
            supersedes: false,
        }
    }

    pub(super) fn send_event(&self, event: Event) {
        send_event(self.events, event);
    }

    /// A step outside of the method.
    pub(super) fn step(&mut self, phase: Phase, done: usize, of: usize) -> ControlFlow<()> {
        self.is_result = false;
        let seconds_left = self.seconds_left(phase, (done, of));
        self.send_event(Event::Progress(Progress { phase, done, of, seconds_left }));
        self.handle_commands(None, None);
        if self.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// The method begins.
    pub(super) fn begin(&mut self) -> Result<(), EngineError> {
        self.counted = Instant::now();
        if let (Some(node), Some(project)) = (self.node, &self.session.project) {
            self.autosave = Some(Autosave::new(project.run_file(node), self.session.save_every));
        }
        Ok(())
    }

    /// Where the run that goes on stood: what was kept in memory, else what is on the disk. `None` if it had not begun to train.
    pub(super) fn saved_state(
        &mut self,
        kept: Option<(ResumePoint, Counters)>,
    ) -> Result<Option<ResumePoint>, EngineError> {
        let (point, counters) = match (kept, self.node, &self.session.project) {
            (Some(kept), ..) => kept,
            (None, Some(node), Some(project)) => {
                let Some(state) = project.run_state(node)? else { return Ok(None) };
                resume_point(state, self.session.device())?
            }
            (None, ..) => return Ok(None),
        };
        self.iterations = counters.iterations;
        self.trained = counters.trained;
        self.earlier = counters.seconds;
        Ok(Some(point))
    }

    /// The run ends before it trained anything: stopped, or to be gone on with by whoever opens the project next.
    pub(super) fn left_off<T>(&self) -> Result<Option<T>, EngineError> {
        match (*self.quit, self.node) {
            (true, Some(_)) => Ok(None),
            _ => Err(EngineError::State("stopped before training began; nothing was changed")),
        }
    }

    /// Something was made: what was stopped before cannot be gone on with any more. Until then nothing was changed.
    pub(super) fn supersede(&mut self) {
        if !std::mem::take(&mut self.supersedes) {
            return;
        }
        self.session.stopped = None;
        if let Some(project) = &mut self.session.project {
            project.forget_stopped();
        }
    }

    /// Waits until where the run stands is on the disk.
    pub(super) fn wait_for_autosave(&mut self) {
        if let Some(warning) = self.autosave.as_mut().and_then(Autosave::wait) {
            self.send_event(Event::Warning(warning));
        }
    }

    fn save(&mut self, resume: Resume<'_>) {
        let counters = self.counters();
        let (Some(autosave), Some(point)) = (&mut self.autosave, resume) else { return };
        self.is_saved = true;
        let point = point();
        if point.is_start() {
            return;
        }
        if let Some(warning) = autosave.save(point, &counters) {
            self.send_event(Event::Warning(warning));
        }
    }

    fn counters(&self) -> Counters {
        let mut seconds = self.earlier.clone();
        seconds.extend(self.seconds.iter().map(|(stage, seconds)| ((*stage).to_owned(), *seconds)));
        Counters { iterations: self.iterations, trained: self.trained, seconds }
    }

    /// Handles what was asked since the last time, renders what was requested, waits while paused.
    fn handle_commands(&mut self, current: Option<StateRef<'_>>, resume: Resume<'_>) {
        loop {
            // Everything that waits is read first, so that of several sample requests only the latest is rendered.
            while let Ok(command) = self.commands.try_recv() {
                self.handle_command(command, current);
            }
            while let Some(request) = self.pending.take() {
                send_tiles(self.events, self.session, request, self.result(current));
            }
            if !self.paused || self.stopped {
                return;
            }
            // Who pauses may go home, and the machine may not.
            if !self.is_saved {
                self.save(resume);
                self.wait_for_autosave();
            }
            let paused_since = Instant::now();
            let command = self.commands.recv().unwrap_or(Command::Quit);
            // A pause says nothing about how long an iteration takes.
            self.paused_for += paused_since.elapsed();
            self.handle_command(command, current);
        }
    }

    fn handle_command(&mut self, command: Command, current: Option<StateRef<'_>>) {
        match command {
            Command::Sample(request) => self.pending.put(request),
            Command::Walk(request) => self.pending.put_walk(request),
            Command::Pause => {
                self.paused = true;
                self.send_event(Event::Paused);
            }
            Command::Resume => {
                self.paused = false;
                self.send_event(Event::Resumed);
            }
            Command::Stop => self.stopped = true,
            Command::Quit => {
                self.stopped = true;
                *self.quit = true;
            }
            Command::Snapshot => self.snapshot(current),
            Command::AutoSnapshots(count) => self.session.auto_snapshots = count,
            Command::Export(path) => {
                let done = self.session.model().and_then(|model| {
                    export(&model, &self.session.results, self.result(current), &path)?;
                    Ok(Event::Exported(path))
                });
                self.send_saved(done);
            }
            Command::ExportWeights(path, weights) => {
                let done = self.session.model().and_then(|model| {
                    export_weights(&model, &self.session.results, self.result(current), weights, &path)?;
                    Ok(Event::Exported(path))
                });
                self.send_saved(done);
            }
            Command::File(job) => {
                let read = job.is_read();
                let done = do_file_job(self.session, *job, self.result(current));
                if read { self.send_answer(done) } else { self.send_saved(done) }
            }
            Command::SaveEvery(every) => self.session.save_every = every,
            Command::Label(request) => self.session.labels.put(request),
            Command::Move(motion) => self.session.motion = motion,
            Command::Mask(masking) => self.session.masking = masking,
            Command::Project(request) => self.handle_project(*request),
            Command::Retrained(request) => {
                let done = retrained(self.session, *request, self.node);
                self.send_answer(done);
            }
            Command::ProjectsFolder(folder) => self.session.projects_folder = folder,
            Command::Load(_)
            | Command::Pictures(_)
            | Command::Class(_)
            | Command::Start(_)
            | Command::Suggest(_)
            | Command::Convert(_)
            | Command::Draw(_)
            | Command::Compare(_)
            | Command::Audit(_)
            | Command::Train(_) => {
                self.send_event(Event::Warning("a run is in progress; stop it first".to_owned()));
            }
        }
    }

    /// What can be done to a history while a run is in progress.
    fn handle_project(&mut self, request: ProjectRequest) {
        let running = self.node;
        match request {
            ProjectRequest::Marks(_) | ProjectRequest::Rename(..) => {
                let card = history::change(self.session, request).map(|_| history::card(self.session, running));
                self.send_answer(card.map(Event::Project));
            }
            _ => self.send_event(Event::Warning("a run is in progress; stop it first".to_owned())),
        }
    }

    fn send_answer(&self, answer: Result<Event, EngineError>) {
        self.send_event(answer.unwrap_or_else(|error| Event::Failed(error.sentence())));
    }

    fn send_saved(&self, answer: Result<Event, EngineError>) {
        self.send_event(answer.unwrap_or_else(|error| Event::NotSaved(error.sentence())));
    }

    /// The state that may be shown and exported as a result.
    fn result<'t>(&self, current: Option<StateRef<'t>>) -> Option<StateRef<'t>> {
        current.filter(|_| self.is_result)
    }

    fn snapshot(&mut self, current: Option<StateRef<'_>>) {
        let held = current.map(|state| Held::of(state, self.iterations)).or_else(|| self.session.results.held());
        let Some(held) = held else {
            return self.send_event(Event::Warning("there is nothing to take a snapshot of yet".to_owned()));
        };
        let iteration = held.iteration;
        let number = self.keep(held);
        self.send_event(Event::Snapshot { number, iteration });
    }

    /// Keeps a state: in the project if that works, else in memory. A snapshot that cannot be written is no reason to end.
    fn keep(&mut self, held: Held) -> usize {
        let place = self.session.results.snapshots.len();
        let file =
            self.node.zip(self.session.project.as_ref()).map(|(node, project)| project.snapshot_file(node, place));
        let written = file.filter(|file| held.save(file).is_ok());
        if let (Some(_), Some(node), Some(project)) = (&written, self.node, &mut self.session.project) {
            let _ = project.note_snapshot(node, held.iteration);
        }
        self.session.results.keep(held, written)
    }

    /// The snapshot that is due after this iteration, and what the labeler says about it.
    fn auto_snapshot(&mut self, state: StateRef<'_>) {
        let due = |done: usize| done * self.session.auto_snapshots / self.plan.result_iterations.max(1);
        let index = self.iterations - 1;
        if due(self.iterations) == due(index) {
            return;
        }
        self.snapshot(Some(state));
        let (Some(estimator), Ok(model)) = (&self.estimator, self.session.model()) else { return };
        match estimator.estimate(&model.generator, state.g_ema()) {
            Ok((pul, frechet)) => self.send_event(Event::Estimate { index, pul, frechet }),
            Err(error) => self.send_event(Event::Warning(error.sentence())),
        }
    }

    /// What the rest of the run takes, now that so many steps of a phase, of so many, are done.
    fn seconds_left(&mut self, phase: Phase, (done, of): (usize, usize)) -> Option<f64> {
        let now = self.began.elapsed().saturating_sub(self.paused_for).as_secs_f64();
        self.time_left.advance(Part::of(phase)?, done, of, now);
        self.time_left.seconds()
    }

    fn count_seconds(&mut self, stage: &'static str) {
        let earlier = self.earlier.remove(stage).unwrap_or_default();
        *self.seconds.entry(stage).or_default() += earlier + self.counted.elapsed().as_secs_f64();
        self.counted = Instant::now();
    }
}

impl Monitor for RunControl<'_> {
    fn after(&mut self, iteration: &Iteration, state: StateRef<'_>, resume: &dyn Fn() -> ResumePoint) -> Flow {
        #[cfg(test)]
        super::small_device::compute(
            &self.session.model().expect("the model of a run").path,
            self.plan.pass,
            iteration.index,
        );
        self.supersede();
        self.trained += 1;
        self.is_result = iteration.is_result();
        self.reached = Some(iteration.at);
        let (done, of) = (iteration.index + 1, iteration.of);
        let phase = Phase::Method(iteration.at);
        let seconds_left = self.seconds_left(phase, (iteration.place() + 1, of * iteration.at.rounds));
        self.send_event(Event::Progress(Progress { phase, done, of, seconds_left }));
        self.send_event(Event::Iteration(iteration.clone()));
        if self.is_result {
            // Should anything fail from here on, this is what was reached.
            match state {
                StateRef::Distant(_) => self.session.results.moved_on(),
                state => self.session.results.set(state.to_owned()),
            }
            self.session.results.provenance.clone_from(&self.provenance);
            self.iterations += 1;
            self.last = iteration.values.iter().copied().collect();
            self.auto_snapshot(state);
        }
        self.is_saved = false;
        self.handle_commands(Some(state), Some(resume));
        if let (true, StateRef::Distant(state)) = (self.is_result, state)
            && let Some(arrived) = state.arrived()
        {
            self.session.results.state = Some(arrived);
        }
        self.count_seconds(iteration.at.stage.id);
        let due = self.autosave.as_ref().is_some_and(Autosave::is_due);
        if (due || self.stopped) && !self.is_saved {
            self.save(Some(resume));
        }
        if self.stopped && !*self.quit {
            self.stopped_at = Some((resume(), self.counters())).filter(|(point, _)| !point.is_start());
        }
        if self.stopped { Flow::Stop } else { Flow::Continue }
    }

    fn offer(&mut self, auxiliary: Auxiliary) {
        let number = self.session.results.auxiliary.len();
        self.send_event(Event::Auxiliary { number, name: auxiliary.name.clone() });
        self.session.results.auxiliary.push(auxiliary);
    }

    fn layers(&mut self, shares: Vec<LayerShare>) {
        self.send_event(Event::Layers(shares.clone()));
        self.layers = shares;
    }

    fn warn(&mut self, doubt: String) {
        self.send_event(Event::Warning(doubt));
    }
}
