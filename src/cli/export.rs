//! `export MODEL OUT`: convert between formats.

use std::path::PathBuf;

use clap::Args;

use crate::{checkpoint, device, engine::Model};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Model file.
    model: PathBuf,
    /// File to write: .safetensors, .pt or .pth.
    out: PathBuf,
}

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<()> {
    super::check_model_extension(&args.out)?;
    super::check_writable(&args.out)?;
    let model = Model::load(&args.model, &device::cpu().device)?;
    checkpoint::save(&args.out, &model.export())?;
    super::say(args.out.display())
}
