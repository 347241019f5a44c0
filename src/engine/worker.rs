//! The worker thread: commands in, events out, one after the other.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{
    command::{Command, Event, SampleRequest},
    control::PendingSamples,
    error::EngineError,
    run,
    session::Session,
};
use crate::{device::ComputeDevice, model::Model, networks::FlatParams};

/// Time between two [`Event::Opening`]; small files are open before the first.
const OPENING_NEWS: Duration = Duration::from_millis(100);

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
                session.set_class(class)?;
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
        Ok(Err(error)) => Event::Failed(error.sentence()),
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
        Ok(Err(error)) => refuse(events, asked, error.sentence()),
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
