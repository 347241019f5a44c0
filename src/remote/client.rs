//! This end: asks for a run, and passes on what comes of it.

use std::{
    cell::{OnceCell, RefCell},
    fmt,
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use super::{
    connection::{Line, Tensors},
    error::RemoteError,
    handshake::{greet, refused},
    message::{Answer, Head, Message, PictureSetName, PoolName, Refusal, ServerCard, WireState},
    parcel::{resume_point, send_pictures, send_pool, shown_of, to_host, unpack_state},
    token::Token,
};
use crate::{
    checkpoint,
    device::{ComputeDevice, DeviceCard},
    feedback::ImagePool,
    model::Model,
    networks::{FlatParams, Pictures},
    unlearn::{
        Auxiliary, Base, DistantState, Flow, Iteration, Method, Monitor, Outcome, Request, ResumePoint, State, StateRef,
    },
};

/// How long is waited for somebody to answer at one of an address's places.
const ANSWER: Duration = Duration::from_secs(10);

/// A device of another machine, on which `unlearn-studio serve` runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    address: String,
    token: Token,
    card: ServerCard,
}

impl Remote {
    /// Finds out what is at `address` (`HOST:PORT`), and whether this token is the right one.
    pub fn connect(address: &str, token: Token) -> Result<Self, RemoteError> {
        let address = address.trim().to_owned();
        let (_, card) = line_to(&address, &token)?;
        Ok(Self { address, token, card })
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What a person wants to know of it.
    pub fn card(&self) -> DeviceCard {
        let ServerCard { name, kind, api, memory } = &self.card;
        // The names of interfaces last as long as the program.
        let api = api.as_deref().and_then(|api| ComputeDevice::APIS.iter().copied().find(|known| *known == api));
        DeviceCard { name: format!("{name} (remote)"), kind: *kind, api, memory: *memory }
    }

    /// Bytes that a run may take there, as far as they were known when it was asked.
    pub fn usable_memory(&self) -> Option<u64> {
        self.card.memory
    }

    /// Runs a method there on the model that is open here. If the computation panics there, this panics with the same reason.
    pub fn run(
        &self,
        method: &'static dyn Method,
        model: &Model,
        request: Request<'_>,
        monitor: &mut dyn Monitor,
    ) -> Result<Outcome, RemoteError> {
        let (mut line, _) = line_to(&self.address, &self.token)?;
        let base = request.base;
        ask(&mut line, method, model, request)?;
        let run = Run { line: RefCell::new(line), method, base, failed: RefCell::new(None) };
        run.follow(monitor)
    }
}

/// A line to the server at an address, which knows the token.
fn line_to(address: &str, token: &Token) -> Result<(Line, ServerCard), RemoteError> {
    let unreachable =
        |reason: String| RemoteError::Unreachable { address: address.to_owned(), reason: reason.to_lowercase() };
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
        return Err(RemoteError::Address(crate::sanitize::sanitize(address, 100)));
    }
    let places = address.to_socket_addrs().map_err(|error| unreachable(error.to_string()))?;
    let mut reason = "there is no such machine".to_owned();
    for place in places {
        match TcpStream::connect_timeout(&place, ANSWER) {
            Ok(stream) => {
                let line = Line::new(stream, address.to_owned());
                let mut line = line.map_err(|error| unreachable(error.to_string()))?;
                let card = greet(&mut line, token)?;
                return Ok((line, card));
            }
            Err(error) => reason = error.to_string(),
        }
    }
    Err(unreachable(reason))
}

/// Asks for a run, and sends what it works on.
fn ask(line: &mut Line, method: &dyn Method, model: &Model, request: Request<'_>) -> Result<(), RemoteError> {
    let Request { negatives, positives, values, resume, .. } = request;
    let head = Head { method: method.id().to_owned(), values: values.clone(), class: model.generator.class() };
    line.send(&Message::Run(Box::new(head)))?;
    match line.receive()? {
        Message::Send => {}
        Message::Refused(Refusal::Other(reason)) => return Err(refused(line, &reason)),
        other => return Err(line.unexpected(&other)),
    }
    send_model(line, model)?;
    if let Some(pictures) = model.generator.completion().and_then(|network| network.pictures()) {
        send_pictures(line, PictureSetName::Model, &**pictures)?;
    }
    let retained = |pool: &ImagePool| pool.pictures().cloned();
    if let Some(pictures) = retained(positives).or_else(|| retained(negatives)) {
        // Those behind the pool's end are never looked up.
        let pictures = First { pictures: &*pictures, count: positives.len().max(negatives.len()) };
        send_pictures(line, PictureSetName::Retained, &pictures)?;
    }
    for (name, pool) in [(PoolName::Negatives, negatives), (PoolName::Positives, positives)] {
        send_pool(line, name, pool)?;
    }
    if let Some(ResumePoint { position, tensors }) = resume {
        line.send_tensors(&Message::Resume(position), &to_host(tensors))?;
    }
    line.send(&Message::Begin)
}

/// Sends the model, as the file that it could be saved as.
fn send_model(line: &Line, model: &Model) -> Result<(), RemoteError> {
    let here = |reason: String| RemoteError::Here(format!("the model cannot be sent: {reason}"));
    let folder = tempfile::tempdir().map_err(|error| here(error.to_string()))?;
    let path = folder.path().join("model.safetensors");
    checkpoint::save(&path, &model.export()).map_err(|error| here(error.to_string()))?;
    let mut file = std::fs::File::open(&path).map_err(|error| here(error.to_string()))?;
    let length = file.metadata().map_err(|error| here(error.to_string()))?.len();
    line.send_with(&Message::Model, length, &mut |to| std::io::copy(&mut file, to).map(|_| ()))
}

/// The first of some pictures.
#[derive(Debug)]
struct First<'a> {
    pictures: &'a dyn Pictures,
    count: usize,
}

impl Pictures for First<'_> {
    fn count(&self) -> usize {
        self.count.min(self.pictures.count())
    }

    fn side(&self) -> usize {
        self.pictures.side()
    }

    fn picture(&self, number: usize) -> Vec<f32> {
        self.pictures.picture(number)
    }

    fn digest(&self, number: usize) -> [u8; 32] {
        self.pictures.digest(number)
    }

    fn find(&self, digest: &[u8; 32]) -> Option<usize> {
        self.pictures.find(digest)
    }
}

/// A run that goes on there.
struct Run<'a> {
    line: RefCell<Line>,
    method: &'static dyn Method,
    base: &'a Base,
    /// Why what was looked at did not come.
    failed: RefCell<Option<RemoteError>>,
}

impl Run<'_> {
    /// Passes everything on to the monitor, until the run is over.
    fn follow(&self, monitor: &mut dyn Monitor) -> Result<Outcome, RemoteError> {
        loop {
            let message = self.line.borrow_mut().receive()?;
            match message {
                Message::Iteration(iteration) => {
                    let iteration = iteration.of_method(self.method).map_err(|reason| self.garbled(reason))?;
                    let answer = self.iteration(&iteration, monitor)?;
                    self.line.borrow().send(&Message::Answer(answer))?;
                }
                Message::Layers(shares) => monitor.layers(shares),
                Message::Warning(doubt) => monitor.warn(doubt),
                Message::Auxiliary(name) => {
                    let tensors = self.line.borrow_mut().tensors()?;
                    let weights = self.shown(tensors)?;
                    monitor.offer(Auxiliary { name, weights });
                }
                Message::Outcome(ended, wire) => {
                    let ended = ended.of_method(self.method).map_err(|reason| self.garbled(reason))?;
                    let state = wire.map(|wire| self.state(wire)).transpose()?;
                    return Ok(Outcome { state, ended });
                }
                Message::Failed(sentence) => return Err(RemoteError::Method(sentence)),
                Message::Panicked(reason) => std::panic::resume_unwind(Box::new(reason)),
                other => return Err(self.line.borrow().unexpected(&other)),
            }
        }
    }

    /// What the monitor says of an iteration.
    fn iteration(&self, iteration: &Iteration, monitor: &mut dyn Monitor) -> Result<Answer, RemoteError> {
        let distant = Distant { run: self, g_ema: OnceCell::new(), state: OnceCell::new(), point: OnceCell::new() };
        let flow = monitor.after(iteration, StateRef::Distant(&distant), &|| distant.point());
        match (self.failed.take(), flow) {
            (Some(error), _) => Err(error),
            (None, Flow::Continue) => Ok(Answer::Continue),
            (None, Flow::Stop) => Ok(Answer::Stop),
        }
    }

    fn garbled(&self, reason: String) -> RemoteError {
        self.line.borrow().garbled(reason)
    }

    /// Asks for something, and takes what comes and its tensors.
    fn fetch(&self, question: Answer) -> Result<(Message, Tensors), RemoteError> {
        if let Some(error) = &*self.failed.borrow() {
            return Err(error.clone());
        }
        let mut line = self.line.borrow_mut();
        line.send(&Message::Answer(question))?;
        Ok((line.receive()?, line.tensors()?))
    }

    fn fetch_shown(&self) -> Result<FlatParams, RemoteError> {
        match self.fetch(Answer::Shown)? {
            (Message::Shown, tensors) => self.shown(tensors),
            (other, _) => Err(self.line.borrow().unexpected(&other)),
        }
    }

    fn fetch_state(&self) -> Result<State, RemoteError> {
        match self.fetch(Answer::State)? {
            (Message::State(wire), tensors) => {
                unpack_state(wire, tensors, self.base).map_err(|reason| self.garbled(reason))
            }
            (other, _) => Err(self.line.borrow().unexpected(&other)),
        }
    }

    fn fetch_point(&self) -> Result<ResumePoint, RemoteError> {
        match self.fetch(Answer::Point)? {
            (Message::Point(position), tensors) => Ok(resume_point(position, tensors, &self.base.g_ema.device())),
            (other, _) => Err(self.line.borrow().unexpected(&other)),
        }
    }

    fn shown(&self, tensors: Tensors) -> Result<FlatParams, RemoteError> {
        let misfit = || self.garbled("the generator is another one".to_owned());
        shown_of(tensors, &self.base.g_ema).ok_or_else(misfit)
    }

    fn state(&self, wire: WireState) -> Result<State, RemoteError> {
        let tensors = self.line.borrow_mut().tensors()?;
        unpack_state(wire, tensors, self.base).map_err(|reason| self.garbled(reason))
    }

    /// What was fetched; if it did not come, what stands in for it until the run ends, which is at once.
    fn or_else<T>(&self, fetched: Result<T, RemoteError>, stand_in: impl FnOnce() -> T) -> T {
        fetched.unwrap_or_else(|error| {
            self.failed.replace(Some(error));
            stand_in()
        })
    }
}

/// The state after one iteration.
struct Distant<'a> {
    run: &'a Run<'a>,
    g_ema: OnceCell<FlatParams>,
    state: OnceCell<State>,
    point: OnceCell<ResumePoint>,
}

impl Distant<'_> {
    /// What it takes to go on from here.
    fn point(&self) -> ResumePoint {
        let fetch = || self.run.or_else(self.run.fetch_point(), ResumePoint::start);
        self.point.get_or_init(fetch).clone()
    }
}

impl DistantState for Distant<'_> {
    fn state(&self) -> &State {
        let stand_in = || State::Generator(Box::new(self.run.base.g_ema.clone()));
        self.state.get_or_init(|| self.run.or_else(self.run.fetch_state(), stand_in))
    }

    fn g_ema(&self) -> &FlatParams {
        if let Some(state) = self.state.get() {
            return state.g_ema();
        }
        self.g_ema.get_or_init(|| self.run.or_else(self.run.fetch_shown(), || self.run.base.g_ema.clone()))
    }

    fn arrived(&self) -> Option<State> {
        let shown = || self.g_ema.get().map(|g_ema| State::Generator(Box::new(g_ema.clone())));
        self.state.get().cloned().or_else(shown).filter(|_| self.run.failed.borrow().is_none())
    }
}

impl fmt::Debug for Distant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a state on another machine")
    }
}
