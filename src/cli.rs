//! The headless verbs: the same engine as the window, in a terminal.
//!
//! Results go to stdout. A command that fails says one sentence on stderr and writes nothing, except that `unlearn`
//! keeps the last good state of a training that broke off. Where stderr is no terminal, it holds failures and warnings
//! only: no progress, no notes.
//!
//! Exit codes: 0 done (also when Ctrl-C ended a training early), 1 failed, 2 unusable arguments. Unusable is what can be
//! seen without opening an input file: options, numbers out of range, extensions, output folders that cannot be written
//! to. Whatever depends on what is in a file is a failure, so a class that the labeler does not know is one.

mod avatars;
mod client;
mod evaluate;
mod export;
mod info;
mod progress;
mod sample;
mod train;
mod unlearn;

use std::{
    io::{ErrorKind as IoErrorKind, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::{Args, Parser, Subcommand, ValueEnum, error::ErrorKind};

use crate::{
    app,
    device::{ComputeDevice, DeviceChoice},
    engine::panic_sentence,
    feedback::LabelerSpec,
    sanitize::{sanitize, sanitize_lines},
};

/// Make a trained GAN stop producing something unwanted and keep everything else.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, args_override_self = true)]
struct Cli {
    /// Model file to open in the window.
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
    /// Measure what a labeler sees before and after.
    Evaluate(evaluate::EvaluateArgs),
    /// Convert between model formats.
    Export(export::ExportArgs),
    /// Draw faces with known attributes, to train on.
    Avatars(avatars::AvatarsArgs),
    /// Train a new model from scratch.
    Train(Box<train::TrainArgs>),
}

/// The compute device.
#[derive(Clone, Copy, Debug, Args)]
struct DeviceArgs {
    /// Compute device.
    #[arg(long, value_enum, default_value_t)]
    device: DeviceName,
}

impl DeviceArgs {
    fn open(self) -> anyhow::Result<ComputeDevice> {
        Ok(DeviceChoice::from(self.device).open()?)
    }
}

/// A [`DeviceChoice`] as it is written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum DeviceName {
    /// The best GPU, else the CPU.
    #[default]
    Auto,
    /// A GPU; a software adapter only if there is no other.
    Gpu,
    /// The CPU.
    Cpu,
}

impl From<DeviceName> for DeviceChoice {
    fn from(name: DeviceName) -> Self {
        match name {
            DeviceName::Auto => Self::Auto,
            DeviceName::Gpu => Self::Gpu,
            DeviceName::Cpu => Self::Cpu,
        }
    }
}

/// Which class of a class-conditional model.
#[derive(Clone, Copy, Debug, Args)]
struct ClassArgs {
    /// Draw only this class of a class-conditional model; without it, every sample has a class of its own.
    #[arg(long, value_name = "CLASS")]
    class: Option<usize>,
}

/// A classifier in an ONNX file.
#[derive(Clone, Debug, Args)]
struct LabelerArgs {
    /// Mean that the labeler subtracts from values in [0, 1]: one number, or one per channel.
    #[arg(long, value_delimiter = ',', value_name = "MEAN")]
    labeler_mean: Option<Vec<f32>>,
    /// Standard deviation that the labeler divides by: one number, or one per channel.
    #[arg(long, value_delimiter = ',', value_name = "STD")]
    labeler_std: Option<Vec<f32>>,
}

impl LabelerArgs {
    fn spec(&self, path: &Path) -> LabelerSpec {
        LabelerSpec { path: path.to_owned(), mean: self.labeler_mean.clone(), std: self.labeler_std.clone() }
    }
}

/// A number of things, at least one.
fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

/// Arguments that cannot be used: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unusable(String);

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
        Some(Verb::Evaluate(args)) => evaluate::run(&args),
        Some(Verb::Export(args)) => export::run(&args),
        Some(Verb::Avatars(args)) => avatars::run(&args),
        Some(Verb::Train(args)) => train::run(&args),
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

/// A line on stderr. A terminal that is gone must not end a run.
fn complain(line: &str) {
    /// Characters of a line.
    const LONGEST: usize = 2000;
    let _ = writeln!(std::io::stderr(), "{}", sanitize(line, LONGEST));
}

/// Prints a result. Whoever closed the pipe has read enough.
fn say(text: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", sanitize_lines(&text.to_string())).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != IoErrorKind::BrokenPipe => {
            anyhow::bail!("the result cannot be printed: {error}")
        }
        _ => Ok(()),
    }
}

/// Fails before any work is done if a file could not be written where it is wanted.
fn check_writable(path: &Path) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let unusable = |what: &str| Unusable(format!("{}: {what}; nothing was done", path.display()));
    if folder.exists() && !folder.is_dir() {
        return Err(unusable("its folder is a file").into());
    }
    if !folder.is_dir() {
        return Err(unusable("its folder does not exist").into());
    }
    if path.is_dir() {
        return Err(unusable("is a folder, not a file").into());
    }
    // Permissions can lie (network drives, read-only mounts), so the only honest check is to try.
    tempfile::Builder::new()
        .prefix(".unlearn-studio")
        .tempfile_in(folder)
        .map(drop)
        .map_err(|_| unusable("its folder cannot be written to").into())
}

/// Fails unless the file's extension is one of these.
fn check_extension(path: &Path, known: &[&str], what: &str) -> anyhow::Result<()> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    if known.contains(&extension.as_str()) {
        return Ok(());
    }
    let known: Vec<String> = known.iter().map(|extension| format!(".{extension}")).collect();
    let known = known.join(" or ");
    Err(Unusable(format!("{}: {what} is written as {known}; nothing was done", path.display())).into())
}

/// Fails unless the extension names a model format that can be written.
fn check_model_extension(path: &Path) -> anyhow::Result<()> {
    check_extension(path, &["safetensors", "pt", "pth"], "a model")
}
