//! The worker thread and what it holds.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use burn::tensor::Tensor;
use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{
    command::{Command, Event, SampleRequest, SuggestRequest, Tiles, Weights},
    control::PendingSamples,
    error::EngineError,
    feedback_source::LabelerSpec,
    model::Model,
    run,
    sampler::Sampler,
    shrink::shrink,
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

/// Time between two [`Event::Opening`]; small files are open before the first.
const OPENING_NEWS: Duration = Duration::from_millis(100);
/// Centres of truncation that are remembered.
const CENTRES: usize = 8;

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
        Self::spawn(device, false)
    }

    /// Starts a worker that leaves the processor to whoever else wants it, such as a window.
    pub fn start_in_background(device: ComputeDevice) -> std::io::Result<Self> {
        Self::spawn(device, true)
    }

    fn spawn(device: ComputeDevice, background: bool) -> std::io::Result<Self> {
        let (commands, inbox) = unbounded();
        let (outbox, events) = unbounded();
        let thread = std::thread::Builder::new().name("unlearn-engine".to_owned()).spawn(move || {
            if background {
                yield_to_others();
            }
            worker(device, &inbox, &outbox);
        })?;
        Ok(Self { commands, events, thread: Some(thread) })
    }

    /// Ends the worker without waiting for it.
    pub fn abandon(mut self) {
        self.thread.take();
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

/// Lowers the priority of this thread, and of the computing threads, which it starts.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        use std::ffi::c_int;
        /// `SCHED_BATCH`: a thread that computes, and need not have the processor at once when it could go on.
        const BATCH: c_int = 3;
        unsafe extern "C" {
            fn nice(increment: c_int) -> c_int;
            fn sched_setscheduler(thread: c_int, policy: c_int, priority: *const c_int) -> c_int;
        }
        // SAFETY: `nice` takes and gives a number; `sched_setscheduler` reads a `sched_param`, which is one number. On
        // Linux both concern the calling thread (0) and those it starts later. A refusal changes nothing.
        unsafe {
            nice(5);
            sched_setscheduler(0, BATCH, &0);
        }
    }
    // The pool belongs to whoever uses it first. If that was somebody else, its threads stay as they are.
    let _ = rayon::ThreadPoolBuilder::new().build_global();
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
                    tell_tiles(events, &mut session, request, None);
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
                let _ = events.send(Event::Idle);
                if quit {
                    return;
                }
            }
            Command::Load(path) => {
                answer(events, || {
                    let mut told = Instant::now();
                    let model = Model::load_watched(&path, &session.device.device, &mut |read, of| {
                        if told.elapsed() >= OPENING_NEWS {
                            told = Instant::now();
                            let _ = events.send(Event::Opening { read, of });
                        }
                    })?;
                    let card = model.card();
                    session.replace(model);
                    Ok(Event::Loaded(Box::new(card)))
                });
                let _ = events.send(Event::Idle);
            }
            Command::AutoSnapshots(count) => session.auto_snapshots = count,
            Command::File(job) => answer(events, || session.file(*job, None)),
            Command::ExportWeights(path, weights) => answer(events, || {
                session.export_weights(&path, weights, None)?;
                Ok(Event::Exported(path))
            }),
            Command::Suggest(request) => answer(events, || {
                let suggestions = session.suggest(&request)?;
                Ok(Event::Suggested(Box::new(suggestions)))
            }),
            Command::Class(class) => answer(events, || {
                session.model_mut()?.set_class(class)?;
                session.reference = None;
                Ok(Event::Class(class))
            }),
            Command::Export(path) => answer(events, || {
                session.export(&path, None)?;
                Ok(Event::Exported(path))
            }),
            Command::Snapshot => answer(events, || {
                let (number, iteration) =
                    session.snapshot(None).ok_or(EngineError::State("nothing was trained yet"))?;
                Ok(Event::Snapshot { number, iteration })
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

/// Answers one request for samples.
pub(super) fn tell_tiles(
    events: &Sender<Event>,
    session: &mut Session,
    request: SampleRequest,
    current: Option<&FlatParams>,
) {
    let asked = request.clone();
    let event = match catch_unwind(AssertUnwindSafe(|| session.tiles(request, current))) {
        Ok(Ok(tiles)) => Event::Tiles(Box::new(tiles)),
        Ok(Err(error)) => refuse(events, asked, error.to_string()),
        Err(panic) => refuse(events, asked, panic_sentence(panic.as_ref())),
    };
    let _ = events.send(event);
}

fn refuse(events: &Sender<Event>, request: SampleRequest, sentence: String) -> Event {
    let _ = events.send(Event::NoTiles(Box::new(request)));
    Event::Failed(sentence)
}

/// What a panic becomes for a person.
pub fn panic_sentence(panic: &(dyn std::any::Any + Send)) -> String {
    let reason = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    let reason = reason.lines().next().unwrap_or_default();
    let lower = reason.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let advice = if says(&["out of memory", "outofmemory", "out_of_memory", "not enough memory", "capacity overflow"]) {
        "; the device's memory is too small for this: choose a smaller batch or micro-batch, or another device"
    } else if says(&["device lost", "device is lost", "devicelost", "device_lost"]) {
        "; the device was lost: choose another one, or start the program again"
    } else {
        ""
    };
    format!("the computation failed ({reason}){advice}; the last good state is kept")
}

/// A state of a run that can be shown, exported and continued from. Tensors are shared, not copied.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) g_ema: FlatParams,
    pub(super) g: FlatParams,
    pub(super) d: FlatParams,
    /// Iterations of stage 2 that led to it.
    pub(super) iteration: usize,
}

impl Kept {
    pub(super) fn of(trainer: &Trainer, iteration: usize) -> Self {
        let Trainer { g_ema, g, d, .. } = trainer.clone();
        Self { g_ema, g, d, iteration }
    }
}

/// What the worker holds between commands.
pub(super) struct Session {
    pub(super) device: ComputeDevice,
    pub(super) model: Option<Arc<Model>>,
    /// The adapted generators of the last run.
    pub(super) adapted: Vec<FlatParams>,
    /// The result of the last run.
    pub(super) trained: Option<Box<Trainer>>,
    /// Counts the changes of the result.
    pub(super) version: u64,
    /// How the result came about, for the file's metadata.
    pub(super) provenance: Vec<(String, String)>,
    /// Snapshots that a run takes by itself.
    pub(super) auto_snapshots: usize,
    pub(super) snapshots: Vec<Kept>,
    /// Centres of truncation, latest last.
    centres: Vec<((Weights, u64), Tensor<2>)>,
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
            version: 0,
            provenance: Vec::new(),
            auto_snapshots: 0,
            snapshots: Vec::new(),
            centres: Vec::new(),
            reference: None,
        }
    }

    /// Puts another model in place of everything that was loaded and trained.
    fn replace(&mut self, model: Model) {
        let (version, auto_snapshots) = (self.version + 1, self.auto_snapshots);
        let empty = Self::new(self.device.clone());
        *self = Self { model: Some(Arc::new(model)), version, auto_snapshots, ..empty };
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

    /// Keeps a state (the result, if none is given) and says its number and iteration.
    pub(super) fn snapshot(&mut self, kept: Option<Kept>) -> Option<(usize, usize)> {
        let last = self.snapshots.last().map_or(0, |last| last.iteration);
        let kept = kept.or_else(|| self.trained.as_ref().map(|trained| Kept::of(trained, last)))?;
        let iteration = kept.iteration;
        self.snapshots.push(kept);
        Some((self.snapshots.len() - 1, iteration))
    }

    /// The state under this number.
    pub(super) fn kept(&self, number: usize) -> Result<&Kept, EngineError> {
        self.snapshots.get(number).ok_or(EngineError::State("these weights do not exist yet"))
    }

    /// The parameters of an averaged generator; `current` are those of a run in progress.
    pub(super) fn weights(&self, weights: Weights, current: Option<&FlatParams>) -> Result<FlatParams, EngineError> {
        let model = self.model()?;
        let original = &model.g_ema;
        let missing = EngineError::State("these weights do not exist yet");
        Ok(match weights {
            Weights::Original => original.clone(),
            Weights::Current => current.or(self.trained.as_ref().map(|t| &t.g_ema)).unwrap_or(original).clone(),
            Weights::Adapted(member) => self.adapted.get(member).ok_or(missing)?.clone(),
            Weights::Snapshot(number) => self.kept(number)?.g_ema.clone(),
            Weights::Extrapolated(gamma) => {
                if self.adapted.is_empty() {
                    return Err(missing);
                }
                let adapted: Vec<_> = self.adapted.iter().map(|a| a.values.clone()).collect();
                original.with_values(extrapolate(&original.values, &adapted, gamma))
            }
        })
    }

    /// Renders samples; `current` are the weights of a run in progress.
    pub(super) fn tiles(&mut self, request: SampleRequest, current: Option<&FlatParams>) -> Result<Tiles, EngineError> {
        let clock = Instant::now();
        let model = self.model()?;
        let weights = self.weights(request.weights, current)?;
        // Of the weights that can be asked for, only the current ones and those of the last run change.
        let key = (request.weights, if request.weights == Weights::Original { 0 } else { self.version });
        let centre = self.centres.iter().find(|(k, _)| *k == key).map(|(_, centre)| centre.clone());
        let known = centre.is_some();
        let class = request.class.map(|class| class as usize);
        let classes = model.generator.classes();
        if let Some(class) = class.filter(|class| *class >= classes) {
            return Err(EngineError::NoClass { file: model.path.clone(), class, classes });
        }
        // What is asked for, whatever a run would draw.
        let generator = model.generator.clone().with_class(class);
        let mut sampler = Sampler::new(&generator, &weights).with_centre(centre);
        let images = sampler.render_at(request.seed, request.indices.iter().copied(), request.psi);
        if let (Some(centre), false) = (sampler.centre(), known) {
            self.centres.push((key, centre));
            let extra = self.centres.len().saturating_sub(CENTRES);
            self.centres.drain(..extra);
        }
        let [channels, side, _] = sampler.image_shape();
        let rgb = to_rgb8(&images, [request.indices.len(), channels, side, side])
            .ok_or(EngineError::State("images of this many channels cannot be shown"))?;
        let (rgb, side) = shrink(rgb, side, request.kind.max_side().unwrap_or(side));
        Ok(Tiles { request, side, rgb, version: self.version, seconds: clock.elapsed().as_secs_f64() })
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

    /// Writes the model with the averaged generator of `weights`; of the current ones, everything that was trained.
    pub(super) fn export_weights(
        &self,
        path: &Path,
        weights: Weights,
        current: Option<&Trainer>,
    ) -> Result<(), EngineError> {
        let model = self.model()?;
        let note = match weights {
            Weights::Current => return self.export(path, current),
            Weights::Original => return Ok(checkpoint::save(path, &model.export())?),
            Weights::Adapted(member) => format!("adapted generator {}", member + 1),
            Weights::Snapshot(number) => format!("snapshot after iteration {}", self.kept(number)?.iteration),
            Weights::Extrapolated(gamma) => format!("extrapolated, gamma {gamma}"),
        };
        let mut out = model.with_g_ema(&self.weights(weights, None)?);
        out.metadata.extend(self.provenance.iter().cloned());
        out.metadata.insert("weights".to_owned(), note);
        Ok(checkpoint::save(path, &out)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, answer, panic_sentence};

    #[test]
    fn a_panic_in_a_command_is_a_failure_and_not_the_end() {
        let (events, heard) = crossbeam_channel::unbounded();
        answer(&events, || panic!("boom"));
        answer(&events, || Ok(Event::Paused));
        let failed = heard.try_recv();
        assert!(matches!(&failed, Ok(Event::Failed(sentence)) if sentence.contains("boom")), "{failed:?}");
        assert!(matches!(heard.try_recv(), Ok(Event::Paused)));
    }

    #[test]
    fn a_failure_says_what_to_change() {
        let table = [
            ("wgpu error: Out of Memory\nmore", "smaller batch"),
            ("Parent device is lost", "choose another one"),
            ("index out of bounds", "(index out of bounds); the last good state is kept"),
        ];
        for (reason, expected) in table {
            let sentence = panic_sentence(&reason);
            assert!(sentence.contains(expected) && !sentence.contains('\n'), "{sentence}");
            assert!(sentence.ends_with("the last good state is kept"), "{sentence}");
        }
    }
}
