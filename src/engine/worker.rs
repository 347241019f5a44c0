//! The worker thread: commands in, events out, one after the other.

use std::{collections::VecDeque, thread::JoinHandle};

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};

use super::{
    audit::{audit, prepare},
    audit_control::AuditControl,
    command::Command,
    devices::Devices,
    draw::draw,
    error::{EngineError, is_out_of_memory},
    evaluate::compare_files,
    event::Event,
    export::{convert, export, export_weights},
    files::do_file_job,
    fit::Way,
    history::{self, load},
    job::{JobControl, outcome, send_event},
    label::label_some,
    pictures::{open_pictures, open_remembered},
    pictures_card::PicturesCard,
    request::ProjectRequest,
    retrained::{name_offered, retrained},
    run::{Job, open_unended, run},
    session::Session,
    smaller_parts::in_smaller_parts,
    suggest::suggest,
    tiles::{PendingSamples, send_tiles},
    train::train,
};
use crate::networks::Pictures;

/// A handle to the worker thread. Dropping it ends the worker after its current iteration.
pub struct Engine {
    /// Requests go in here.
    pub commands: Sender<Command>,
    /// Answers come out here.
    pub events: Receiver<Event>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts a worker on a device, here or elsewhere.
    pub fn start(devices: impl Into<Devices>) -> std::io::Result<Self> {
        Self::spawn(devices.into(), false)
    }

    /// Starts a worker that leaves the processor to whoever else wants it, such as a window.
    pub fn start_in_background(devices: impl Into<Devices>) -> std::io::Result<Self> {
        Self::spawn(devices.into(), true)
    }

    fn spawn(devices: Devices, background: bool) -> std::io::Result<Self> {
        let (commands, inbox) = unbounded();
        let (outbox, events) = unbounded();
        let thread = std::thread::Builder::new().name("unlearn-engine".to_owned()).spawn(move || {
            if background {
                yield_to_others();
            }
            worker(devices, &inbox, &outbox);
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

/// What the worker's loop knows.
struct Worker<'a> {
    session: Session,
    commands: &'a Receiver<Command>,
    events: &'a Sender<Event>,
    /// Commands that came while a job was in progress and are for after it.
    waiting: VecDeque<Command>,
    pending: PendingSamples,
}

fn worker(devices: Devices, commands: &Receiver<Command>, events: &Sender<Event>) {
    let (session, pending) = (Session::new(devices), PendingSamples::default());
    let mut worker = Worker { session, commands, events, waiting: VecDeque::new(), pending };
    while let Some(command) = worker.next() {
        if !worker.handle_command(command) {
            break;
        }
    }
    history::forget_if_empty(&mut worker.session);
}

impl Worker<'_> {
    /// The next command; `None` if nobody is there any more. Samples are rendered when no other command waits: everything
    /// that waits is read first, so that of several requests for samples only the latest is answered. A labeler looks through
    /// samples when nothing else is asked.
    fn next(&mut self) -> Option<Command> {
        loop {
            if let Some(command) = self.waiting.pop_front() {
                return Some(command);
            }
            let Some(request) = self.pending.take() else {
                if self.session.labels.is_empty() {
                    return self.commands.recv().ok();
                }
                match self.commands.try_recv() {
                    Err(TryRecvError::Empty) => label_some(self.events, &mut self.session),
                    command => return command.ok(),
                }
                continue;
            };
            match self.commands.try_recv() {
                Ok(command) => {
                    self.pending.put_if_absent(request);
                    return Some(command);
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                    send_tiles(self.events, &mut self.session, request, None);
                }
            }
        }
    }

    /// Does what is asked; `false` if the worker is to end.
    fn handle_command(&mut self, command: Command) -> bool {
        let Self { session, commands, events, waiting, pending } = self;
        match command {
            Command::Quit => return false,
            Command::Sample(request) => pending.put(request),
            Command::Walk(request) => pending.put_walk(request),
            Command::Start(request) => return self.run(Job::New(request)),
            Command::Load(request) => {
                let report = |read, of| send_event(events, Event::Opening { read, of });
                let loaded = attempt(events, || {
                    let note = load(session, &request, report)?;
                    session.classes = request.classes;
                    Ok(note)
                });
                if let Some(note) = loaded {
                    if let Some(note) = note {
                        send_event(events, Event::Warning(note));
                    }
                    let pictures = request.pictures.as_ref();
                    let opened = pictures.and_then(|source| attempt(events, || open_pictures(session, source)));
                    send_opened(session, events);
                    let notes = opened.into_iter().flat_map(|(_, notes)| notes);
                    notes.for_each(|note| send_event(events, Event::Warning(note)));
                }
                send_event(events, Event::Idle);
            }
            Command::Project(request) => {
                if let ProjectRequest::Continue { micro_batch } = *request {
                    let way = micro_batch.map(|samples| Way { samples, checkpointing: false });
                    return self.run(Job::Continue(way));
                }
                let keeps_marks = matches!(*request, ProjectRequest::Marks(_));
                if let Some(replaced) = attempt(events, || history::change(session, *request)) {
                    if replaced {
                        send_opened(session, events);
                    } else if !keeps_marks {
                        send_history(session, events);
                    }
                }
            }
            Command::ProjectsFolder(folder) => session.projects_folder = folder,
            Command::SaveEvery(every) => session.save_every = every,
            Command::AutoSnapshots(count) => session.auto_snapshots = count,
            Command::File(job) if job.is_read() => answer(events, || do_file_job(session, *job, None)),
            Command::File(job) => send_saved(events, || do_file_job(session, *job, None)),
            Command::ExportWeights(path, weights) => send_saved(events, || {
                export_weights(&*session.model()?, &session.results, None, weights, &path)?;
                Ok(Event::Exported(path))
            }),
            Command::Suggest(request) => answer(events, || {
                let model = session.model()?;
                Ok(Event::Suggested(Box::new(suggest(&model, &request, &mut session.reference)?)))
            }),
            Command::Label(request) => session.labels.put(request),
            Command::Move(motion) => session.motion = motion,
            Command::Mask(masking) => session.masking = masking,
            Command::Pictures(source) => {
                if let Some(opened) = attempt(events, || open_pictures(session, &source)) {
                    send_pictures(opened, events);
                    if let Some(Some(marks)) = attempt(events, || history::marks(session)) {
                        send_event(events, Event::Marks(Box::new(marks)));
                    }
                }
            }
            Command::Class(class) => answer(events, || {
                session.set_class(class)?;
                Ok(Event::Class(class))
            }),
            Command::Export(path) => send_saved(events, || {
                export(&*session.model()?, &session.results, None, &path)?;
                Ok(Event::Exported(path))
            }),
            Command::Convert(request) => answer(events, || {
                let change = convert(&*session.model()?, &request)?;
                Ok(Event::Converted { path: request.out, change })
            }),
            Command::Draw(request) => answer(events, || {
                draw(&*session.model()?, &request)?;
                Ok(Event::Exported(request.out))
            }),
            Command::Compare(request) => {
                let mut control = JobControl::new(commands, events, waiting);
                answer(events, || {
                    let evaluation = compare_files(&request, session.device(), &mut control)?;
                    Ok(Event::Compared(evaluation.map(Box::new)))
                });
            }
            Command::Audit(mut request) => {
                let done = attempt(events, || {
                    name_offered(session, &mut request);
                    let prepared = prepare(&request, session.project.as_ref())?;
                    let device = session.devices.local.clone();
                    let mut control = AuditControl::new(session, (commands, events), waiting, pending);
                    audit(prepared, &request, &device, &mut control)
                });
                if let Some(report) = done {
                    let written = report.is_some();
                    send_event(events, Event::Audited(report.map(Box::new)));
                    if written && session.project.is_some() {
                        send_history(session, events);
                    }
                }
                send_event(events, Event::Idle);
            }
            Command::Retrained(request) => answer(events, || retrained(session, *request, None)),
            Command::Train(request) => {
                let mut control = JobControl::new(commands, events, waiting);
                answer(events, || Ok(Event::Trained(Box::new(train(&request, &session.devices.local, &mut control)?))));
            }
            Command::Snapshot => answer(events, || {
                let held = session.results.held().ok_or(EngineError::State("nothing was trained yet"))?;
                let iteration = held.iteration;
                Ok(Event::Snapshot { number: session.results.keep(held, None), iteration })
            }),
            Command::Pause | Command::Resume | Command::Stop => {}
        }
        true
    }
}

/// What is said after a run that broke off and can go on.
const GO_ON: &str = "nothing that was saved is lost: the run can go on from there; with a smaller micro-batch or on the CPU if memory \
                     or the device was the trouble";

impl Worker<'_> {
    /// Runs a method; `false` if the worker is to end.
    fn run(&mut self, job: Job) -> bool {
        let Self { session, commands, events, .. } = self;
        let (mut job, mut pass, mut quit) = (job, None, false);
        let report = loop {
            let asked = match &job {
                Job::New(request) => Some(request.clone()),
                Job::Continue(_) => None,
            };
            let ended = outcome(|| {
                if matches!(job, Job::Continue(_)) && open_unended(session)? {
                    send_opened(session, events);
                }
                run(session, job, commands, events, (&mut quit, &mut pass))
            });
            let sentence = match ended {
                Ok(report) => break Some(report),
                Err(sentence) => sentence,
            };
            let last = pass.take().filter(|_| !quit && is_out_of_memory(&sentence));
            let Some(smaller) = last.and_then(|last| in_smaller_parts(session, asked, last)) else {
                send_event(events, Event::Failed(sentence));
                break None;
            };
            smaller.events.into_iter().for_each(|event| send_event(events, event));
            job = smaller.job;
        };
        if quit {
            return false;
        }
        send_history(session, events);
        let unfinished = session.project.as_ref().is_some_and(|project| project.unfinished().is_some());
        if report.is_none() && unfinished {
            send_event(events, Event::Warning(GO_ON.to_owned()));
        }
        if let Some(Some(report)) = report {
            send_event(events, Event::Done(Box::new(report)));
        }
        send_event(events, Event::Idle);
        true
    }
}

/// Says which pictures are open, and what there is to say of them.
fn send_pictures((card, notes): (PicturesCard, Vec<String>), events: &Sender<Event>) {
    send_event(events, Event::Pictures(Box::new(card)));
    notes.into_iter().for_each(|note| send_event(events, Event::Warning(note)));
}

/// Says which model is open, its pictures, its history and its marks.
fn send_opened(session: &mut Session, events: &Sender<Event>) {
    let remembered = open_remembered(session);
    let Ok(model) = session.model() else { return };
    send_event(events, Event::Loaded(Box::new(model.card())));
    match remembered {
        Some(Ok(opened)) => send_pictures(opened, events),
        // A folder may be gone; another can be opened.
        Some(Err(error)) => send_event(events, Event::Warning(error.sentence())),
        None => {
            if let Some(pictures) = session.pictures() {
                let card = PicturesCard { source: pictures.source().clone(), count: pictures.count() };
                send_event(events, Event::Pictures(Box::new(card)));
            }
        }
    }
    if let Some(Some(marks)) = attempt(events, || history::marks(session)) {
        send_event(events, Event::Marks(Box::new(marks)));
    }
    send_history(session, events);
}

/// Says what the history is now.
fn send_history(session: &Session, events: &Sender<Event>) {
    send_event(events, Event::Project(history::card(session, None)));
}

/// Writes a file; an error or a panic becomes [`Event::NotSaved`].
fn send_saved(events: &Sender<Event>, f: impl FnOnce() -> Result<Event, EngineError>) {
    send_event(events, outcome(f).unwrap_or_else(Event::NotSaved));
}

/// Tries something; an error or a panic becomes [`Event::Failed`].
fn attempt<T>(events: &Sender<Event>, f: impl FnOnce() -> Result<T, EngineError>) -> Option<T> {
    outcome(f).map_err(|sentence| send_event(events, Event::Failed(sentence))).ok()
}

/// Runs one command; errors and panics become [`Event::Failed`].
fn answer(events: &Sender<Event>, f: impl FnOnce() -> Result<Event, EngineError>) {
    if let Some(event) = attempt(events, f) {
        send_event(events, event);
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, answer};

    #[test]
    fn a_panic_in_a_command_is_a_failure_and_not_the_end() {
        let (events, received) = crossbeam_channel::unbounded();
        answer(&events, || panic!("boom"));
        answer(&events, || Ok(Event::Paused));
        let failed = received.try_recv();
        assert!(matches!(&failed, Ok(Event::Failed(sentence)) if sentence.contains("boom")), "{failed:?}");
        assert!(matches!(received.try_recv(), Ok(Event::Paused)));
    }
}
