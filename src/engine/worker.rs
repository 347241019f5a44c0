//! The worker thread: commands in, events out, one after the other.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::JoinHandle,
};

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};

use super::{
    command::Command,
    draw::draw,
    error::{EngineError, panic_sentence},
    evaluate::compare_files,
    event::Event,
    export::{convert, export, export_weights},
    files::do_file_job,
    job::{JobControl, send_event},
    open::open,
    run::run,
    session::Session,
    suggest::suggest,
    tiles::{PendingSamples, send_tiles},
    train::train,
};
use crate::device::ComputeDevice;

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

/// What the worker's loop knows.
struct Worker<'a> {
    session: Session,
    commands: &'a Receiver<Command>,
    events: &'a Sender<Event>,
    /// Commands that came while a job was in progress and are for after it.
    waiting: VecDeque<Command>,
    pending: PendingSamples,
}

fn worker(device: ComputeDevice, commands: &Receiver<Command>, events: &Sender<Event>) {
    let (session, pending) = (Session::new(device), PendingSamples::default());
    let mut worker = Worker { session, commands, events, waiting: VecDeque::new(), pending };
    while let Some(command) = worker.next() {
        if !worker.handle_command(command) {
            return;
        }
    }
}

impl Worker<'_> {
    /// The next command; `None` if nobody is there any more. Samples are rendered when no other command waits: everything
    /// that waits is read first, so that of several requests for samples only the latest is answered.
    fn next(&mut self) -> Option<Command> {
        loop {
            if let Some(command) = self.waiting.pop_front() {
                return Some(command);
            }
            let Some(request) = self.pending.take() else { return self.commands.recv().ok() };
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
            Command::Start(request) => {
                let mut quit = false;
                answer(events, || Ok(Event::Done(Box::new(run(session, *request, commands, events, &mut quit)?))));
                send_event(events, Event::Idle);
                return !quit;
            }
            Command::Load(request) => {
                answer(events, || {
                    let report = |read, of| send_event(events, Event::Opening { read, of });
                    let model = open(&request, &session.device.device, report)?;
                    let card = model.card();
                    session.replace(model);
                    Ok(Event::Loaded(Box::new(card)))
                });
                send_event(events, Event::Idle);
            }
            Command::AutoSnapshots(count) => session.auto_snapshots = count,
            Command::File(job) => answer(events, || do_file_job(session, *job, None)),
            Command::ExportWeights(path, weights) => answer(events, || {
                export_weights(&*session.model()?, &session.results, None, weights, &path)?;
                Ok(Event::Exported(path))
            }),
            Command::Suggest(request) => answer(events, || {
                let model = session.model()?;
                Ok(Event::Suggested(Box::new(suggest(&model, &request, &mut session.reference)?)))
            }),
            Command::Class(class) => answer(events, || {
                session.set_class(class)?;
                Ok(Event::Class(class))
            }),
            Command::Export(path) => answer(events, || {
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
                    let evaluation = compare_files(&request, &session.device.device, &mut control)?;
                    Ok(Event::Compared(evaluation.map(Box::new)))
                });
            }
            Command::Train(request) => {
                let mut control = JobControl::new(commands, events, waiting);
                answer(events, || Ok(Event::Trained(Box::new(train(&request, &session.device.device, &mut control)?))));
            }
            Command::Snapshot => answer(events, || {
                let (number, iteration) =
                    session.results.keep(None).ok_or(EngineError::State("nothing was trained yet"))?;
                Ok(Event::Snapshot { number, iteration })
            }),
            Command::Pause | Command::Resume | Command::Stop => {}
        }
        true
    }
}

/// Runs one command; errors and panics become [`Event::Failed`].
fn answer(events: &Sender<Event>, f: impl FnOnce() -> Result<Event, EngineError>) {
    let event = match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(event)) => event,
        Ok(Err(error)) => Event::Failed(error.sentence()),
        Err(panic) => Event::Failed(panic_sentence(panic.as_ref())),
    };
    send_event(events, event);
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
