//! The worker thread and what it holds.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    thread::JoinHandle,
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{
    command::{Command, Event, SampleRequest, SuggestRequest, Tiles, Weights},
    control::PendingSamples,
    error::EngineError,
    feedback_source::LabelerSpec,
    model::Model,
    run,
    sampler::Sampler,
    suggest::{Reference, Suggestions},
};
use crate::{
    checkpoint,
    device::ComputeDevice,
    gan::{FlatParams, Params},
    metrics::to_rgb8,
    train::Trainer,
    unlearn::extrapolate::extrapolate,
};

/// A handle to the worker thread. Dropping it ends the worker after its current iteration.
pub struct Engine {
    /// Requests go in here.
    pub commands: Sender<Command>,
    /// Answers come out here.
    pub events: Receiver<Event>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts a worker on a device.
    pub fn start(device: ComputeDevice) -> std::io::Result<Self> {
        let (commands, inbox) = unbounded();
        let (outbox, events) = unbounded();
        let thread = std::thread::Builder::new()
            .name("unlearn-engine".to_owned())
            .spawn(move || worker(device, &inbox, &outbox))?;
        Ok(Self { commands, events, thread: Some(thread) })
    }

    /// Sends a command; a worker that is gone is noticed by whoever waits for its events.
    pub fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.send(Command::Quit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn worker(device: ComputeDevice, commands: &Receiver<Command>, events: &Sender<Event>) {
    let mut session = Session::new(device);
    let mut pending = PendingSamples::default();
    loop {
        // Everything that waits is read first, so that of several sample requests only the latest is rendered.
        let command = match pending.take() {
            None => match commands.recv() {
                Ok(command) => command,
                Err(_) => return,
            },
            Some(request) => match commands.try_recv() {
                Ok(command) => {
                    pending.put_if_absent(request);
                    command
                }
                Err(_) => {
                    answer(events, || session.tiles(request, None).map(|t| Event::Tiles(Box::new(t))));
                    continue;
                }
            },
        };
        match command {
            Command::Quit => return,
            Command::Sample(request) => pending.put(request),
            Command::Start(request) => {
                let mut quit = false;
                answer(events, || {
                    let report = run::run(&mut session, *request, commands, events, &mut quit)?;
                    Ok(Event::Done(Box::new(report)))
                });
                if quit {
                    return;
                }
            }
            Command::Load(path) => answer(events, || {
                let model = Model::load(&path, &session.device.device)?;
                let card = model.card();
                session.replace(model);
                Ok(Event::Loaded(Box::new(card)))
            }),
            Command::Suggest(request) => answer(events, || {
                let suggestions = session.suggest(&request)?;
                Ok(Event::Suggested(Box::new(suggestions)))
            }),
            Command::Class(class) => answer(events, || {
                session.model_mut()?.set_class(class)?;
                Ok(Event::Class(class))
            }),
            Command::Export(path) => answer(events, || {
                session.export(&path, None)?;
                Ok(Event::Exported(path))
            }),
            Command::Snapshot => answer(events, || {
                let number = session.snapshot(None);
                number.map(Event::Snapshot).ok_or(EngineError::State("nothing was trained yet"))
            }),
            Command::Pause | Command::Resume | Command::Stop => {}
        }
    }
}

/// Runs one command; errors and panics become [`Event::Failed`].
fn answer(events: &Sender<Event>, f: impl FnOnce() -> Result<Event, EngineError>) {
    let event = match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(event)) => event,
        Ok(Err(error)) => Event::Failed(error.to_string()),
        Err(panic) => Event::Failed(panic_sentence(panic.as_ref())),
    };
    let _ = events.send(event);
}

/// What a panic becomes for a person.
pub fn panic_sentence(panic: &(dyn std::any::Any + Send)) -> String {
    let reason = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    let reason = reason.lines().next().unwrap_or_default();
    format!("the computation failed ({reason}); the last good state is kept")
}

/// What the worker holds between commands.
pub(super) struct Session {
    pub(super) device: ComputeDevice,
    pub(super) model: Option<Arc<Model>>,
    /// The adapted generators of the last run.
    pub(super) adapted: Vec<FlatParams>,
    /// The result of the last run.
    pub(super) trained: Option<Box<Trainer>>,
    /// How the result came about, for the file's metadata.
    pub(super) provenance: Vec<(String, String)>,
    snapshots: Vec<FlatParams>,
    /// What the last suggestions were made from.
    reference: Option<Reference>,
}

impl Session {
    fn new(device: ComputeDevice) -> Self {
        Self {
            device,
            model: None,
            adapted: Vec::new(),
            trained: None,
            provenance: Vec::new(),
            snapshots: Vec::new(),
            reference: None,
        }
    }

    /// Puts another model in place of everything that was loaded and trained.
    fn replace(&mut self, model: Model) {
        *self = Self { model: Some(Arc::new(model)), ..Self::new(self.device.clone()) };
    }

    pub(super) fn model(&self) -> Result<Arc<Model>, EngineError> {
        self.model.clone().ok_or(EngineError::State("no model is open; open one first"))
    }

    /// The model, to be changed between two runs.
    fn model_mut(&mut self) -> Result<&mut Model, EngineError> {
        let model = self.model.as_mut().ok_or(EngineError::State("no model is open; open one first"))?;
        Arc::get_mut(model).ok_or(EngineError::State("the model is in use; stop the run first"))
    }

    /// Gives the model a discriminator.
    pub(super) fn adopt_discriminator(&mut self, params: Params) -> Result<(), EngineError> {
        self.model_mut()?.adopt_discriminator(params)
    }

    pub(super) fn original_g_ema(&self) -> Option<&FlatParams> {
        self.model.as_ref().map(|model| &model.g_ema)
    }

    /// Learns from marks; what does not depend on them is kept for the next time.
    fn suggest(&mut self, request: &SuggestRequest) -> Result<Suggestions, EngineError> {
        let model = self.model()?;
        let labeler = request.labeler.as_ref().map(LabelerSpec::open).transpose()?;
        let known = self.reference.take();
        let reference = match known.filter(|r| r.answers(request.seed, request.psi, labeler.as_ref())) {
            Some(reference) => reference,
            None => Reference::new(&model, (request.seed, request.psi), labeler.as_ref())?,
        };
        let reference = self.reference.insert(reference);
        let probe = reference.probe(&model, &request.feedback, labeler.as_ref())?;
        Ok(reference.suggest(&probe, &request.feedback, request.count))
    }

    /// Keeps weights (the result's, if none are given) and says their number.
    pub(super) fn snapshot(&mut self, weights: Option<FlatParams>) -> Option<usize> {
        let weights = weights.or_else(|| self.trained.as_ref().map(|t| t.g_ema.clone()))?;
        self.snapshots.push(weights);
        Some(self.snapshots.len() - 1)
    }

    /// Renders samples; `current` are the weights of a run in progress.
    pub(super) fn tiles(&self, request: SampleRequest, current: Option<&FlatParams>) -> Result<Tiles, EngineError> {
        let model = self.model()?;
        let original = &model.g_ema;
        let missing = EngineError::State("these weights do not exist yet");
        let weights = match request.weights {
            Weights::Original => original.clone(),
            Weights::Current => current.or(self.trained.as_ref().map(|t| &t.g_ema)).unwrap_or(original).clone(),
            Weights::Adapted(member) => self.adapted.get(member).ok_or(missing)?.clone(),
            Weights::Snapshot(number) => self.snapshots.get(number).ok_or(missing)?.clone(),
            Weights::Extrapolated(gamma) => {
                if self.adapted.is_empty() {
                    return Err(missing);
                }
                let adapted: Vec<_> = self.adapted.iter().map(|a| a.values.clone()).collect();
                original.with_values(extrapolate(&original.values, &adapted, gamma))
            }
        };
        let mut sampler = Sampler::new(&model.generator, &weights);
        let images = sampler.render_at(request.seed, request.indices.iter().copied(), request.psi);
        let [channels, side, _] = sampler.image_shape();
        let rgb = to_rgb8(&images, [request.indices.len(), channels, side, side])
            .ok_or(EngineError::State("images of this many channels cannot be shown"))?;
        Ok(Tiles { request, side, rgb })
    }

    /// Writes the state of a run in progress, else the last result, else the model as it was loaded.
    pub(super) fn export(&self, path: &Path, current: Option<&Trainer>) -> Result<(), EngineError> {
        let model = self.model()?;
        let mut out = match current.or(self.trained.as_deref()) {
            Some(trained) => model.with_trained(trained),
            None => model.export(),
        };
        out.metadata.extend(self.provenance.iter().cloned());
        Ok(checkpoint::save(path, &out)?)
    }
}
