//! A line between two machines: whole messages, heartbeats, and an end to waiting.
//!
//! One end speaks and the other listens. Who listens sends no heartbeats: who speaks may compute, or be paused, for hours, and nobody would
//! take them.

use std::{
    collections::BTreeMap,
    io::{self, BufReader, BufWriter, Read, Write},
    net::{Shutdown, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::{
    error::RemoteError,
    frame::{self, FrameError, KNOWN, Limits, STRANGER},
    message::Message,
};
use crate::{
    checkpoint::{EncodedTensors, read_tensors_from},
    networks::HostTensor,
};

/// The end that speaks says so often that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// Whoever says nothing for so long is not there any more.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// The same before the two ends know each other.
const GREETING: Duration = Duration::from_secs(10);
/// How long an end that has said its last word waits for the other to take it.
const FAREWELL: Duration = Duration::from_secs(10);

/// Named tensors.
pub(super) type Tensors = BTreeMap<String, HostTensor>;

type Writer = Arc<Mutex<BufWriter<TcpStream>>>;

/// A line to another machine.
pub(super) struct Line {
    /// What sentences call the other end.
    address: String,
    reader: BufReader<TcpStream>,
    writer: Writer,
    limits: Limits,
    patience: Duration,
    /// Bytes of the last message's payload that were not read.
    unread: u64,
    /// Whether this end listens.
    listens: Arc<AtomicBool>,
    /// Ends the heartbeats when it goes.
    _beats: Option<Sender<()>>,
}

impl Line {
    /// A line that nobody is known at the other end of.
    pub(super) fn new(stream: TcpStream, address: String) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(GREETING))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let writer = Arc::new(Mutex::new(BufWriter::new(stream.try_clone()?)));
        let reader = BufReader::new(stream);
        let (limits, patience, listens) = (STRANGER, GREETING, Arc::default());
        Ok(Self { address, reader, writer, limits, patience, unread: 0, listens, _beats: None })
    }

    /// The other end is known: it may send more, and both tell each other that they are there.
    pub(super) fn open(&mut self) -> Result<(), RemoteError> {
        (self.limits, self.patience) = (KNOWN, PATIENCE);
        self.reader.get_ref().set_read_timeout(Some(PATIENCE)).map_err(|error| self.broken(&error))?;
        let (stop, stopped) = bounded::<()>(0);
        let (writer, listens) = (self.writer.clone(), self.listens.clone());
        let beats = move || {
            while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                let listens = listens.load(Ordering::Relaxed);
                if !listens && send(&writer, &Message::Beat, 0, &mut |_| Ok(())).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("unlearn-heartbeat".to_owned()).spawn(beats);
        thread.map_err(|error| RemoteError::Here(format!("no thread can be started ({error})")))?;
        self._beats = Some(stop);
        Ok(())
    }

    /// What the other end is called.
    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    /// Says something.
    pub(super) fn send(&self, message: &Message) -> Result<(), RemoteError> {
        self.send_with(message, 0, &mut |_| Ok(()))
    }

    /// Says something that tensors belong to.
    pub(super) fn send_tensors(&self, message: &Message, tensors: &Tensors) -> Result<(), RemoteError> {
        let encoded = EncodedTensors::new(tensors);
        self.send_with(message, encoded.length(), &mut |to| encoded.write(to))
    }

    /// Says something that `length` bytes belong to, which `write` writes.
    pub(super) fn send_with(
        &self,
        message: &Message,
        length: u64,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), RemoteError> {
        send(&self.writer, message, length, write).map_err(|error| self.broken(&error))
    }

    /// The next message; what was not read of the last one's payload is passed over.
    pub(super) fn receive(&mut self) -> Result<Message, RemoteError> {
        self.listens.store(true, Ordering::Relaxed);
        let received = self.next();
        self.listens.store(false, Ordering::Relaxed);
        received
    }

    fn next(&mut self) -> Result<Message, RemoteError> {
        loop {
            let unread = std::mem::take(&mut self.unread);
            io::copy(&mut (&mut self.reader).take(unread), &mut io::sink()).map_err(|error| self.broken(&error))?;
            let frame = frame::read(&mut self.reader, self.limits).map_err(|error| match error {
                FrameError::Line(error) => self.broken(&error),
                too_long @ FrameError::TooLong { .. } => self.garbled(too_long),
            })?;
            self.unread = frame.payload;
            match serde_json::from_slice(&frame.text).map_err(|error| self.garbled(error))? {
                Message::Beat => {}
                message => return Ok(message),
            }
        }
    }

    /// The tensors that belong to the last message.
    pub(super) fn tensors(&mut self) -> Result<Tensors, RemoteError> {
        let length = self.unread;
        let read = self.payload(|payload| Ok(read_tensors_from(Path::new("tensors"), payload, length)))?;
        read.map(|(tensors, _)| tensors).map_err(|error| self.garbled(error))
    }

    /// The bytes that belong to the last message, `length` of them.
    pub(super) fn bytes(&mut self, length: u64) -> Result<Vec<u8>, RemoteError> {
        if length != self.unread {
            return Err(self.garbled(format!("{} bytes for {length}", self.unread)));
        }
        let mut bytes = Vec::new();
        self.payload(|payload| payload.read_to_end(&mut bytes))?;
        Ok(bytes)
    }

    /// Writes the bytes that belong to the last message somewhere.
    pub(super) fn copy_to(&mut self, to: &mut dyn Write) -> Result<(), RemoteError> {
        let mut failed = None;
        self.payload(|payload| {
            let mut part = vec![0; 1 << 16];
            loop {
                let read = payload.read(&mut part)?;
                if read == 0 {
                    return Ok(());
                }
                if let Err(error) = to.write_all(&part[..read]) {
                    failed = Some(error);
                    return Ok(());
                }
            }
        })?;
        failed.map_or(Ok(()), |error| Err(RemoteError::Here(format!("what came cannot be kept ({error})"))))
    }

    /// Reads the last message's payload; what fails on the line is said as such, whatever `read` makes of it.
    fn payload<T>(&mut self, read: impl FnOnce(&mut Payload<'_>) -> io::Result<T>) -> Result<T, RemoteError> {
        let left = std::mem::take(&mut self.unread);
        let mut payload = Payload { reader: &mut self.reader, left, failed: None };
        let made = read(&mut payload);
        let Payload { left, failed, .. } = payload;
        self.unread = left;
        match (failed, made) {
            (Some(error), _) | (None, Err(error)) => Err(self.broken(&error)),
            (None, Ok(made)) => Ok(made),
        }
    }

    /// Lets the other end take what was said, and ends.
    pub(super) fn finish(mut self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writer.get_ref().shutdown(Shutdown::Write);
        drop(writer);
        let since = Instant::now();
        let mut rest = [0; 4096];
        // What is closed with something unread is lost for whoever has not read all of it yet.
        while since.elapsed() < FAREWELL && self.reader.read(&mut rest).is_ok_and(|read| read > 0) {}
    }

    /// What came makes no sense.
    pub(super) fn garbled(&self, reason: impl ToString) -> RemoteError {
        let reason = crate::sanitize::sanitize(&reason.to_string(), 200);
        RemoteError::Garbled { address: self.address.clone(), reason }
    }

    /// A message that should not come now.
    pub(super) fn unexpected(&self, message: &Message) -> RemoteError {
        let text = format!("{message:?}");
        self.garbled(format!("unexpectedly: {}", text.chars().take(40).collect::<String>()))
    }

    fn broken(&self, error: &io::Error) -> RemoteError {
        let address = self.address.clone();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                RemoteError::Silent { address, seconds: self.patience.as_secs() }
            }
            io::ErrorKind::UnexpectedEof => {
                RemoteError::Dropped { address, reason: "the other end closed it".to_owned() }
            }
            _ => RemoteError::Dropped { address, reason: error.to_string() },
        }
    }
}

fn send(
    writer: &Writer,
    message: &Message,
    length: u64,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
    frame::write(&mut *writer, &text, length)?;
    write(&mut *writer)?;
    writer.flush()
}

/// A payload while it is read: its end is the end, and a line that breaks before is remembered.
struct Payload<'a> {
    reader: &'a mut BufReader<TcpStream>,
    left: u64,
    failed: Option<io::Error>,
}

impl Read for Payload<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(to.len());
        if most == 0 {
            return Ok(0);
        }
        let read = match self.reader.read(&mut to[..most]) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            read => read,
        };
        match read {
            Ok(read) => {
                self.left -= read as u64;
                Ok(read)
            }
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}
