//! The headless verbs: the same engine as the window, in a terminal.

mod evaluate;
mod export;
mod info;
mod progress;
mod sample;
mod unlearn;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, error::ErrorKind};

use crate::{device::DeviceChoice, engine::LabelerSpec};

/// Make a trained GAN stop producing something unwanted and keep everything else.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    /// Model file to open in the window.
    model: Option<PathBuf>,
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
}

/// The compute device.
#[derive(Clone, Copy, Debug, Args)]
struct DeviceArgs {
    /// Compute device.
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
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
    fn spec(&self, path: &std::path::Path) -> LabelerSpec {
        LabelerSpec { path: path.to_owned(), mean: self.labeler_mean.clone(), std: self.labeler_std.clone() }
    }
}

/// Arguments that cannot be used: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unusable(String);

/// Runs the program with the process's arguments. Exit codes: 0 done, 1 failed, 2 unusable arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
                _ => 2,
            };
            // If even the message cannot be printed, the exit code still tells.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let result = match cli.verb {
        None => Err(no_window(cli.model)),
        Some(Verb::Info(args)) => info::run(&args),
        Some(Verb::Sample(args)) => sample::run(&args),
        Some(Verb::Unlearn(args)) => unlearn::run(&args),
        Some(Verb::Evaluate(args)) => evaluate::run(&args),
        Some(Verb::Export(args)) => export::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<Unusable>() { 2 } else { 1 })
        }
    }
}

fn no_window(model: Option<PathBuf>) -> anyhow::Error {
    let model = model.map_or_else(|| "MODEL".to_owned(), |path| path.display().to_string());
    Unusable(format!("there is no window yet; try `unlearn-studio info {model}` or `unlearn-studio unlearn --help`"))
        .into()
}

/// Fails before any work is done if a file could not be written where it is wanted.
fn check_writable(path: &std::path::Path) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => std::path::Path::new("."),
    };
    let unusable = |what: &str| Unusable(format!("{}: {what}; nothing was done", path.display()));
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

/// Fails unless the extension names a model format that can be written.
fn check_model_extension(path: &std::path::Path) -> anyhow::Result<()> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    if ["safetensors", "pt", "pth"].contains(&extension.as_str()) {
        return Ok(());
    }
    let sentence = "a model is written as .safetensors, .pt or .pth";
    Err(Unusable(format!("{}: {sentence}; nothing was done", path.display())).into())
}
