//! Talking with the engine: a command goes in, and what comes out is shown until the answer is there.

use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, never, select};

use super::progress::Bar;
use crate::engine::{Command, Engine, Event};

/// Sends one command and waits for its answer.
pub(super) fn ask<T>(engine: &Engine, command: Command, pick: impl FnMut(Event) -> Option<T>) -> anyhow::Result<T> {
    engine.send(command);
    wait(engine, &never(), &mut Bar::hidden(), "", pick)
}

/// Shows progress and warnings until `pick` takes an event. Ctrl-C asks the job to stop and says `stopping`, unless that is
/// empty.
pub(super) fn wait<T>(
    engine: &Engine,
    interrupts: &Receiver<()>,
    bar: &mut Bar,
    stopping: &str,
    mut pick: impl FnMut(Event) -> Option<T>,
) -> anyhow::Result<T> {
    loop {
        select! {
            recv(interrupts) -> _ => {
                if !stopping.is_empty() {
                    bar.warn(stopping);
                }
                engine.send(Command::Stop);
            }
            recv(engine.events) -> event => match event.context("the engine ended unexpectedly")? {
                Event::Progress(progress) => bar.show(&progress),
                Event::Warning(sentence) => bar.warn(&format!("warning: {sentence}")),
                Event::Failed(sentence) => bail!("{sentence}"),
                event => {
                    if let Some(answer) = pick(event) {
                        return Ok(answer);
                    }
                }
            }
        }
    }
}

/// The path of a file that was written.
pub(super) fn exported(event: Event) -> Option<std::path::PathBuf> {
    if let Event::Exported(path) = event { Some(path) } else { None }
}

/// What is in a model that was opened.
pub(super) fn loaded(event: Event) -> Option<Box<crate::model::ModelCard>> {
    if let Event::Loaded(card) = event { Some(card) } else { None }
}
