//! The thread between the window and the engine: it starts the engine, passes commands in and events out, and wakes the
//! window. Looking for a device and starting may take a moment; the window is there meanwhile.

use std::{
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, select, unbounded};

use crate::{
    device::{ComputeDevice, DeviceCard, DeviceChoice, SystemMemory, cpu, gpus, open, system_memory},
    engine::{Command, Devices, Engine, Event},
    remote::Remote,
};

/// What an engine is to compute with.
#[derive(Clone, Debug)]
pub enum WantedDevice {
    /// The device of choice; of several GPUs, the one of this name.
    Here(DeviceChoice, Option<String>),
    /// For its runs, one of another machine.
    Remote(Box<Remote>),
}

/// What the window is told.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// The engine runs on this device.
    Ready(DeviceCard),
    /// The memory of this machine; sent at the start and whenever a model was opened or a run is over.
    Memory(SystemMemory),
    /// An event of the engine.
    Engine(Event),
    /// There is no engine, or no more, and why.
    Lost(String),
}

/// The window's end.
pub struct Link {
    commands: Sender<Command>,
    events: Receiver<LinkEvent>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Starts an engine on the device that is wanted. `wake` is called whenever there is an event.
    pub fn start(wanted: WantedDevice, wake: impl Fn() + Send + 'static) -> Self {
        let (commands, inbox) = unbounded();
        let (outbox, events) = unbounded();
        let send_event = move |event: LinkEvent| {
            let delivered = outbox.send(event).is_ok();
            wake();
            delivered
        };
        let thread = std::thread::Builder::new().name("unlearn-link".to_owned());
        // Without a thread there are no events either, which `next` then says.
        let thread = thread.spawn(move || serve(wanted, &inbox, &send_event)).ok();
        Self { commands, events, thread }
    }

    /// Sends a command; it waits until the engine is there.
    pub fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Ends the engine, and gives it this long to save what it has reached.
    pub fn close(&mut self, patience: Duration) {
        let Some(thread) = self.thread.take() else { return };
        // Without a sender of commands the engine is asked to end.
        self.commands = unbounded().0;
        let since = Instant::now();
        while !thread.is_finished() && since.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The next event, if there is one.
    pub fn next(&self) -> Option<LinkEvent> {
        self.events.try_recv().ok()
    }
}

fn serve(wanted: WantedDevice, inbox: &Receiver<Command>, send_event: &impl Fn(LinkEvent) -> bool) {
    let devices: Devices = match wanted {
        WantedDevice::Remote(remote) => (*remote).into(),
        WantedDevice::Here(choice, adapter) => match open(choice, adapter.as_deref()) {
            Ok(device) => device.into(),
            Err(error) => {
                send_event(LinkEvent::Lost(format!("{error}; using the CPU instead")));
                cpu().into()
            }
        },
    };
    let card = devices.card();
    let engine = match Engine::start_in_background(devices) {
        Ok(engine) => engine,
        Err(error) => {
            send_event(LinkEvent::Lost(format!(
                "the compute thread could not be started ({error}); close other programs and try again"
            )));
            return;
        }
    };
    send_event(LinkEvent::Ready(card));
    let send_memory = || system_memory().is_none_or(|memory| send_event(LinkEvent::Memory(memory)));
    send_memory();
    loop {
        select! {
            recv(inbox) -> command => match command {
                Ok(command) => engine.send(command),
                // Dropping the engine waits for what it is saving.
                Err(_) => return,
            },
            recv(engine.events) -> event => match event {
                Ok(event) => {
                    let idle = matches!(event, Event::Idle);
                    if !(send_event(LinkEvent::Engine(event)) && (!idle || send_memory())) {
                        engine.send(Command::Quit);
                        engine.abandon();
                        return;
                    }
                }
                Err(_) => {
                    send_event(LinkEvent::Lost("the compute thread stopped unexpectedly; it is being restarted".to_owned()));
                    return;
                }
            },
        }
    }
}

/// Looks for GPUs without making anybody wait; `then` is given all of them, best first.
pub fn list_gpus(then: impl FnOnce(Vec<DeviceCard>) + Send + 'static) {
    std::thread::spawn(move || then(gpus().iter().map(ComputeDevice::card).collect()));
}
