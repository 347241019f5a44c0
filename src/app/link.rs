//! The thread between the window and the engine: it starts the engine, passes commands in and events out, and wakes the
//! window. Looking for a device and starting may take a moment; the window is there meanwhile.

use crossbeam_channel::{Receiver, Sender, select, unbounded};

use crate::{
    device::{ComputeDevice, DeviceCard, DeviceChoice, SystemMemory, cpu, gpus, open, system_memory},
    engine::{Command, Engine, Event},
};

/// News for the window.
#[derive(Clone, Debug)]
pub enum News {
    /// The engine runs on this device.
    Ready(DeviceCard),
    /// The memory of this machine; told at the start and whenever a model was opened or a run is over.
    Memory(SystemMemory),
    /// The engine says something.
    Engine(Event),
    /// There is no engine, or no more, and why.
    Lost(String),
}

/// The window's end.
pub struct Link {
    commands: Sender<Command>,
    news: Receiver<News>,
}

impl Link {
    /// Starts an engine on the device of choice; of several GPUs, on the one of this name. `wake` is called whenever there is
    /// news.
    pub fn start(choice: DeviceChoice, adapter: Option<String>, wake: impl Fn() + Send + 'static) -> Self {
        let (commands, inbox) = unbounded();
        let (outbox, news) = unbounded();
        let tell = move |news: News| {
            let heard = outbox.send(news).is_ok();
            wake();
            heard
        };
        let thread = std::thread::Builder::new().name("unlearn-link".to_owned());
        // Without a thread there are no news either, which `next` tells.
        let _ = thread.spawn(move || serve(choice, adapter.as_deref(), &inbox, &tell));
        Self { commands, news }
    }

    /// Sends a command; it waits until the engine is there.
    pub fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// The next news, if there is any.
    pub fn next(&self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// Waits for the next news, for tests.
    pub fn wait(&self, patience: std::time::Duration) -> Option<News> {
        self.news.recv_timeout(patience).ok()
    }
}

fn serve(choice: DeviceChoice, adapter: Option<&str>, inbox: &Receiver<Command>, tell: &impl Fn(News) -> bool) {
    let device = match open(choice, adapter) {
        Ok(device) => device,
        Err(error) => {
            tell(News::Lost(format!("{error}; the CPU is used instead")));
            cpu()
        }
    };
    let card = device.card();
    let engine = match Engine::start_in_background(device) {
        Ok(engine) => engine,
        Err(error) => {
            tell(News::Lost(format!("the computing thread cannot be started ({error}); close other programs")));
            return;
        }
    };
    tell(News::Ready(card));
    let tell_memory = || system_memory().is_none_or(|memory| tell(News::Memory(memory)));
    tell_memory();
    loop {
        select! {
            recv(inbox) -> command => match command {
                Ok(command) => engine.send(command),
                Err(_) => {
                    engine.send(Command::Quit);
                    engine.abandon();
                    return;
                }
            },
            recv(engine.events) -> event => match event {
                Ok(event) => {
                    let idle = matches!(event, Event::Idle);
                    if !(tell(News::Engine(event)) && (!idle || tell_memory())) {
                        engine.send(Command::Quit);
                        engine.abandon();
                        return;
                    }
                }
                Err(_) => {
                    tell(News::Lost("the computing thread ended unexpectedly; it is started again".to_owned()));
                    return;
                }
            },
        }
    }
}

/// Looks for GPUs without making anybody wait; `then` is given all of them, best first.
pub fn look_for_gpus(then: impl FnOnce(Vec<DeviceCard>) + Send + 'static) {
    std::thread::spawn(move || then(gpus().iter().map(ComputeDevice::card).collect()));
}
