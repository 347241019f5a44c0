//! Progress on a terminal; nothing where there is none.

use std::{io::IsTerminal, time::Duration};

use crossbeam_channel::{Receiver, unbounded};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    atomic_file,
    engine::{Phase, Progress},
};

/// One line on the terminal.
pub(super) struct Bar {
    bar: ProgressBar,
    phase: Option<Phase>,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{prefix:>10} {wide_bar} {pos}/{len} {msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self { bar, phase: None }
    }

    /// One that nobody sees.
    pub(super) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), phase: None }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        if self.phase != Some(progress.phase) {
            self.phase = Some(progress.phase);
            self.bar.set_prefix(progress.phase.to_string());
        }
        self.bar.set_length(progress.of as u64);
        self.bar.set_position(progress.done as u64);
        if let Some(seconds) = progress.seconds_left {
            let left = HumanDuration(Duration::from_secs_f64(seconds.max(0.0)));
            self.bar.set_message(format!("{left} left"));
        } else {
            self.bar.set_message("");
        }
    }

    /// A line above the bar; like the bar, only on a terminal.
    pub(super) fn note(&self, line: &str) {
        self.bar.println(line);
    }

    /// A line that must be read, terminal or not.
    pub(super) fn warn(&self, line: &str) {
        if self.bar.is_hidden() {
            super::output::complain(line);
        } else {
            self.bar.println(line);
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// What a shell calls a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// The first Ctrl-C (or polite kill) arrives here instead of ending the process; the second ends it at once, whatever it
/// is doing.
pub(super) fn interrupts() -> anyhow::Result<Receiver<()>> {
    let (sender, receiver) = unbounded();
    let mut asked = false;
    ctrlc::set_handler(move || {
        if std::mem::replace(&mut asked, true) {
            end();
        }
        let _ = sender.send(());
    })?;
    Ok(receiver)
}

/// Lets Ctrl-C end the process at once, but without a temporary file beside the one that it was writing.
pub(super) fn end_when_interrupted() -> anyhow::Result<()> {
    Ok(ctrlc::set_handler(|| end())?)
}

fn end() -> ! {
    atomic_file::remove_unfinished();
    std::process::exit(INTERRUPTED);
}
