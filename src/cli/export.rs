//! `export MODEL OUT`: convert between formats.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::{
    args::ModelArgs,
    client::{ask, loaded},
    unusable::Unusable,
};
use crate::{
    device,
    engine::{Command, Engine, Event, request::ConvertRequest},
};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Model file.
    model: PathBuf,
    /// File to write: .safetensors, .pt or .pth, or .pkl if the model came in one; a masked autoencoder without an extension becomes a Hugging Face
    /// folder.
    out: PathBuf,
    /// Round all numbers to 16 bits, half the size (.safetensors only); refused if a pixel changes by more than 1/255.
    #[arg(long)]
    half: bool,
    /// Leave out the optimizers' states and where a training stood: a third of the size, but no training goes on from it.
    #[arg(long)]
    networks_only: bool,
    #[command(flatten)]
    model_args: ModelArgs,
}

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<()> {
    super::unusable::check_model_extension(&args.out, true)?;
    if args.half && !args.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
        bail!(Unusable("--half writes .safetensors files only".to_owned()));
    }
    super::unusable::check_writable(&args.out)?;
    super::progress::end_when_interrupted()?;
    let engine = Engine::start(device::cpu())?;
    ask(&engine, Command::Load(args.model_args.open(&args.model)), loaded)?;
    let request = ConvertRequest { out: args.out.clone(), half: args.half, networks_only: args.networks_only };
    let change = ask(&engine, Command::Convert(Box::new(request)), |event| match event {
        Event::Converted { change, .. } => Some(change),
        _ => None,
    })?;
    if let Some((change, samples)) = change {
        super::output::say(format!("rounding changes no pixel of {samples} samples by more than {change}/255"))?;
    }
    super::output::say(args.out.display())
}
