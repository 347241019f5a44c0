//! The headless verbs: the same engine as the window, in a terminal.
//!
//! Results go to stdout. A command that fails says one sentence on stderr and writes nothing, except that `unlearn`
//! keeps the last good state of a training that broke off. Where stderr is no terminal, it holds failures and warnings
//! only: no progress, no notes.
//!
//! Exit codes: 0 done (also when Ctrl-C ended a training early), 1 failed, 2 unusable arguments, 130 ended at once by Ctrl-C
//! (the second one, where the first asks a training to stop). Unusable is what can be
//! seen without opening an input file: options, numbers out of range, extensions, output folders that cannot be written
//! to. Whatever depends on what is in a file is a failure, so a class that the labeler does not know is one.

mod args;
mod audit;
mod avatars;
mod client;
mod compare;
mod evaluate;
mod export;
mod info;
mod manuals;
mod output;
mod progress;
mod resume;
mod run_device;
mod sample;
mod serve;
mod train;
mod unlearn;
mod unusable;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

use self::{args::DeviceName, output::complain, unusable::Unusable};
use crate::{app, device::DeviceChoice, engine::panic_sentence};

/// Make a trained generative model stop producing something unwanted and keep everything else.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, args_override_self = true)]
struct Cli {
    /// Model file or project to open in the window.
    model: Option<PathBuf>,
    /// Compute device of the window; the one chosen last if none is named.
    #[arg(long, value_enum)]
    device: Option<DeviceName>,
    /// Write the time of every frame of the window to this file.
    #[arg(long, value_name = "FILE.csv", hide_short_help = true)]
    frame_log: Option<PathBuf>,
    /// Let the window drive itself (resting, scrolling, training) and print how long its frames take.
    #[arg(long, hide_short_help = true)]
    measure: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what is in a model file.
    Info(info::InfoArgs),
    /// Render samples of a model.
    Sample(sample::SampleArgs),
    /// Make a model forget something.
    Unlearn(Box<unlearn::UnlearnArgs>),
    /// Go on with a run that was interrupted or stopped.
    Resume(resume::ResumeArgs),
    /// Run several methods on the same feedback and compare them.
    Compare(Box<compare::CompareArgs>),
    /// Measure what a labeler sees before and after.
    Evaluate(evaluate::EvaluateArgs),
    /// Find out how far forgetting holds: measure, attack, report.
    Audit(Box<audit::AuditArgs>),
    /// Convert between model formats.
    Export(export::ExportArgs),
    /// Lend this machine's device to runs of another one.
    Serve(serve::ServeArgs),
    /// Draw faces with known attributes, to train on.
    Avatars(avatars::AvatarsArgs),
    /// Train a new model from scratch.
    Train(Box<train::TrainArgs>),
    /// Write manual pages and completions for shells, for a package.
    #[command(hide = true)]
    Manuals(manuals::ManualsArgs),
}

/// What the program can be asked: verbs and options.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let since = Instant::now();
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Without a desktop, Mesa's Vulkan layer that asks it for the preferred GPU fails and prints errors of its own.
        // SAFETY: this is the program's first act, there is no other thread.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
    // A panic is told as one sentence like any other failure, wherever it happens.
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let result = match Cli::try_parse() {
        Ok(cli) => catch_unwind(AssertUnwindSafe(|| run(cli, since)))
            .unwrap_or_else(|panic| Err(anyhow::anyhow!(panic_sentence(panic.as_ref())))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                // If even the help cannot be printed, there is nobody to tell.
                let _ = error.print();
                Ok(())
            }
            _ => Err(Unusable(usage_sentence(&error)).into()),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("error: {error:#}"));
            ExitCode::from(if error.is::<Unusable>() { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli, since: Instant) -> anyhow::Result<()> {
    match cli.verb {
        None => {
            let options = {
                let Cli { model, device, frame_log, measure, .. } = cli;
                let device = device.map(DeviceChoice::from);
                app::Options { model, device, frame_log, measure, since: Some(since), ..app::Options::default() }
            };
            Ok(app::run(options)?)
        }
        Some(Verb::Info(args)) => info::run(&args),
        Some(Verb::Sample(args)) => sample::run(&args),
        Some(Verb::Unlearn(args)) => unlearn::run(&args),
        Some(Verb::Resume(args)) => resume::run(&args),
        Some(Verb::Compare(args)) => compare::run(&args),
        Some(Verb::Evaluate(args)) => evaluate::run(&args),
        Some(Verb::Audit(args)) => audit::run(&args),
        Some(Verb::Export(args)) => export::run(&args),
        Some(Verb::Serve(args)) => serve::run(&args),
        Some(Verb::Avatars(args)) => avatars::run(&args),
        Some(Verb::Train(args)) => train::run(&args),
        Some(Verb::Manuals(args)) => manuals::run(&args, &command()),
    }
}

/// What clap says in several paragraphs, without the usage, as one sentence.
fn usage_sentence(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.split("\n\nUsage:").next().unwrap_or_default();
    let text = text.split("\n\nFor more information").next().unwrap_or_default();
    let text = text.trim_start_matches("error: ").replace("\n\n", "; ");
    let sentence = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{sentence}; --help says more")
}
