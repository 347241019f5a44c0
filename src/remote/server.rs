//! The other end: runs methods for whoever knows the token, one at a time.

use std::{
    any::Any,
    convert::Infallible,
    fmt, io,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    connection::{Line, Tensors},
    error::RemoteError,
    handshake::welcome,
    job::{Job, receive_job},
    message::{Answer, Head, Message, Refusal, ServerCard, WireEnded, WireIteration},
    parcel::{pack_state, shown, to_host},
    token::Token,
};
use crate::{
    device::ComputeDevice,
    unlearn::{
        Auxiliary, Base, ComputeSettings, Flow, Iteration, LayerShare, Method, Monitor, Outcome, Request, ResumePoint,
        StateRef, method,
    },
};

/// Lines at a time; more are closed at once.
const GUESTS: usize = 16;
/// How long a run that is asked for waits for the one before it, whose client may have gone just now.
const TURN: Duration = Duration::from_secs(3);

/// Something that whoever started a server may want to read.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Who is at the other end.
    pub from: SocketAddr,
    /// What happened, in one clause.
    pub what: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.from, self.what)
    }
}

/// Waits for clients.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    token: Token,
    device: ComputeDevice,
}

/// What all lines of a server share.
struct Shared {
    token: Token,
    device: ComputeDevice,
    turn: Turn,
    guests: AtomicUsize,
    notice: Box<dyn Fn(Notice) + Send + Sync>,
}

impl Server {
    /// Listens at an address (port 0: any that is free) for clients that know this token.
    pub fn bind(address: impl ToSocketAddrs, token: Token, device: ComputeDevice) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address)?, token, device })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process ends.
    pub fn serve(self, notice: impl Fn(Notice) + Send + Sync + 'static) -> io::Result<Infallible> {
        let Self { listener, token, device } = self;
        let (turn, guests) = (Turn::default(), AtomicUsize::new(0));
        let shared = Arc::new(Shared { token, device, turn, guests, notice: Box::new(notice) });
        loop {
            let Ok((stream, from)) = listener.accept() else {
                // Too many open files, as a rule: they become fewer.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            let (shared, guests) = (shared.clone(), shared.clone());
            if shared.guests.fetch_add(1, Ordering::Relaxed) >= GUESTS {
                shared.guests.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let guest = move || {
                let served = catch_unwind(AssertUnwindSafe(|| attend(&shared, stream, from)));
                shared.guests.fetch_sub(1, Ordering::Relaxed);
                let what = match served {
                    Ok(Ok(())) => return,
                    Ok(Err(RemoteError::Token { .. })) => "it does not know the token".to_owned(),
                    Ok(Err(RemoteError::Stranger { .. })) => "it is no `unlearn-studio`".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(panic) => reason(panic.as_ref()),
                };
                // The address is said once.
                let what = what.trim_start_matches(&format!("{from}: ")).to_owned();
                (shared.notice)(Notice { from, what });
            };
            if std::thread::Builder::new().name("unlearn-guest".to_owned()).spawn(guest).is_err() {
                guests.guests.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// One line, from its first word to its last.
fn attend(shared: &Shared, stream: TcpStream, from: SocketAddr) -> Result<(), RemoteError> {
    let line = Line::new(stream, from.to_string());
    let mut line = line.map_err(|error| RemoteError::Here(format!("the line cannot be used ({error})")))?;
    let served = serve_guest(shared, &mut line, from);
    line.finish();
    served
}

fn serve_guest(shared: &Shared, line: &mut Line, from: SocketAddr) -> Result<(), RemoteError> {
    welcome(line, &shared.token, ServerCard::of(&shared.device))?;
    let head = match line.receive() {
        Ok(Message::Run(head)) => *head,
        // Who only wanted to know what there is has gone.
        Err(RemoteError::Dropped { .. }) => return Ok(()),
        Err(error) => return Err(error),
        Ok(other) => return Err(line.unexpected(&other)),
    };
    let refuse = |line: &Line, reason: String| line.send(&Message::Refused(Refusal::Other(reason)));
    let method = match wanted(&head) {
        Ok(method) => method,
        Err(reason) => return refuse(line, reason),
    };
    let Some(turn) = shared.turn.wait() else {
        let reason = "another run is in progress there; try again when it is over".to_owned();
        return refuse(line, reason);
    };
    let notice = |what: String| (shared.notice)(Notice { from, what });
    notice(format!("a run of {} begins", method.name()));
    line.send(&Message::Send)?;
    let ended = catch_unwind(AssertUnwindSafe(|| compute(line, &head, method, &shared.device)));
    // Whoever is told that this run is over may begin another.
    drop(turn);
    let (last_word, tensors) = match ended {
        Ok(Ok(Ok(outcome))) => last_word(outcome),
        Ok(Ok(Err(sentence))) => (Message::Failed(sentence), Tensors::new()),
        Ok(Err(error)) => return Err(error),
        Err(panic) => (Message::Panicked(reason(panic.as_ref())), Tensors::new()),
    };
    notice(match &last_word {
        Message::Failed(reason) | Message::Panicked(reason) => format!("the run failed: {reason}"),
        _ => "the run is over".to_owned(),
    });
    line.send_tensors(&last_word, &tensors)
}

/// The method of a run that can be run; the error is one clause.
fn wanted(head: &Head) -> Result<&'static dyn Method, String> {
    let method = method(&head.method).ok_or_else(|| format!("there is no method `{}`", head.method))?;
    method.check(&head.values)?;
    Ok(method)
}

/// Runs a method on what its client sends; the inner error is the method's own sentence.
fn compute(
    line: &mut Line,
    head: &Head,
    method: &'static dyn Method,
    device: &ComputeDevice,
) -> Result<Result<Outcome, String>, RemoteError> {
    let Job { model, mut negatives, mut positives, resume } = match receive_job(line, head, &device.device)? {
        Ok(job) => job,
        Err(sentence) => return Ok(Err(sentence)),
    };
    let settings = head.values.read::<ComputeSettings>();
    let base = match settings.and_then(|settings| Base::of(&model).computed(&settings, device)) {
        Ok(base) => base,
        Err(sentence) => return Ok(Err(sentence)),
    };
    let asked =
        Request { base: &base, negatives: &mut negatives, positives: &mut positives, values: &head.values, resume };
    let mut reporter = Reporter { line, broken: None };
    let outcome = method.run(asked, &mut reporter);
    match reporter.broken {
        Some(error) => Err(error),
        None => Ok(outcome.map_err(|error| error.to_string())),
    }
}

/// An outcome as it is said.
fn last_word(Outcome { state, ended }: Outcome) -> (Message, Tensors) {
    let (wire, tensors) = state.map(|state| pack_state(&state)).unzip();
    (Message::Outcome(WireEnded::of(ended), wire), tensors.unwrap_or_default())
}

/// What a panic says.
fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no reason given").to_owned()
}

/// Tells the client everything, and does what it says.
struct Reporter<'a> {
    line: &'a mut Line,
    /// Why the client is not there any more.
    broken: Option<RemoteError>,
}

impl Reporter<'_> {
    /// Says something, if anybody is there.
    fn say(&mut self, message: &Message, tensors: Option<&Tensors>) {
        if self.broken.is_none() {
            let said = match tensors {
                Some(tensors) => self.line.send_tensors(message, tensors),
                None => self.line.send(message),
            };
            self.broken = said.err();
        }
    }

    fn answers(&mut self, state: StateRef<'_>, resume: &dyn Fn() -> ResumePoint) -> Result<Flow, RemoteError> {
        loop {
            let answer = match self.line.receive()? {
                Message::Answer(answer) => answer,
                other => return Err(self.line.unexpected(&other)),
            };
            match answer {
                Answer::Continue => return Ok(Flow::Continue),
                Answer::Stop => return Ok(Flow::Stop),
                Answer::Shown => self.line.send_tensors(&Message::Shown, &shown(state.g_ema()))?,
                Answer::State => {
                    let (wire, tensors) = pack_state(&state.to_owned());
                    self.line.send_tensors(&Message::State(wire), &tensors)?;
                }
                Answer::Point => {
                    let ResumePoint { position, tensors } = resume();
                    self.line.send_tensors(&Message::Point(position), &to_host(tensors))?;
                }
            }
        }
    }
}

impl Monitor for Reporter<'_> {
    fn after(&mut self, iteration: &Iteration, state: StateRef<'_>, resume: &dyn Fn() -> ResumePoint) -> Flow {
        self.say(&Message::Iteration(Box::new(WireIteration::of(iteration))), None);
        if self.broken.is_some() {
            return Flow::Stop;
        }
        self.answers(state, resume).unwrap_or_else(|error| {
            self.broken = Some(error);
            Flow::Stop
        })
    }

    fn offer(&mut self, Auxiliary { name, weights }: Auxiliary) {
        self.say(&Message::Auxiliary(name), Some(&shown(&weights)));
    }

    fn layers(&mut self, shares: Vec<LayerShare>) {
        self.say(&Message::Layers(shares), None);
    }

    fn warn(&mut self, doubt: String) {
        self.say(&Message::Warning(doubt), None);
    }
}

/// Lets one run compute at a time.
#[derive(Default)]
struct Turn {
    taken: Mutex<bool>,
    freed: Condvar,
}

/// The turn of one run, until it goes.
struct Taken<'a>(&'a Turn);

impl Turn {
    /// Waits a little for its turn; `None` if it does not come.
    fn wait(&self) -> Option<Taken<'_>> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_timeout_while(taken, TURN, |taken| *taken);
        let (mut taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (!std::mem::replace(&mut *taken, true)).then(|| Taken(self))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_computes_at_a_time() {
        let turn = Turn::default();
        let first = turn.wait().unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| turn.wait().is_some());
            drop(first);
            assert!(second.join().unwrap());
        });
        let third = turn.wait().unwrap();
        assert!(turn.wait().is_none());
        drop(third);
        assert!(turn.wait().is_some());
    }
}
