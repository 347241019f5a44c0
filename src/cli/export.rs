//! `export MODEL OUT`: convert between formats.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::Unusable;
use crate::{
    checkpoint::{self, Checkpoint},
    device,
    metrics::to_rgb8,
    model::{Model, Sampler},
};

/// Samples that a rounded model is compared on.
const COMPARED: u64 = 64;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Model file.
    model: PathBuf,
    /// File to write: .safetensors, .pt or .pth.
    out: PathBuf,
    /// Round all numbers to 16 bits, half the size (.safetensors only); refused if a pixel changes by more than 1/255.
    #[arg(long)]
    half: bool,
    /// Leave out the optimizers' states and where a training stood: a third of the size, but no training goes on from it.
    #[arg(long)]
    networks_only: bool,
}

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<()> {
    super::check_model_extension(&args.out)?;
    if args.half && !args.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
        bail!(Unusable("--half writes .safetensors files only".to_owned()));
    }
    super::check_writable(&args.out)?;
    let model = Model::load(&args.model, &device::cpu().device)?;
    let mut out = model.export();
    if args.networks_only {
        (out.g_optim, out.d_optim) = (None, None);
        crate::engine::scratch::State::remove(&mut out);
    }
    if args.half {
        save_half(&args.out, &model, &out)?;
    } else {
        checkpoint::save(&args.out, &out)?;
    }
    super::say(args.out.display())
}

/// Writes beside the target first, to see what rounding did.
fn save_half(path: &Path, model: &Model, out: &Checkpoint) -> anyhow::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = tempfile::tempdir_in(folder).with_context(|| format!("{}: cannot be written", path.display()))?;
    let trial = folder.path().join("half.safetensors");
    checkpoint::save_half(&trial, out)?;
    let rounded = Model::load(&trial, &device::cpu().device)?;
    let change = largest_change(model, &rounded).context("images of this many channels cannot be compared")?;
    if change > 1 {
        bail!("{}: rounding to 16 bits changes a pixel by {change}/255; nothing was written", path.display());
    }
    checkpoint::save_half(path, out)?;
    super::say(format!("rounding changes no pixel of {COMPARED} samples by more than {change}/255"))
}

/// Largest difference of any 8-bit value between the samples of two models.
fn largest_change(a: &Model, b: &Model) -> Option<u8> {
    let bytes = |model: &Model| {
        let mut sampler = Sampler::new(&model.generator, &model.g_ema);
        let [channels, height, width] = sampler.image_shape();
        to_rgb8(&sampler.render_at(0, 0..COMPARED, 1.0), [COMPARED as usize, channels, height, width])
    };
    let (a, b) = (bytes(a)?, bytes(b)?);
    a.iter().zip(&b).map(|(a, b)| a.abs_diff(*b)).max()
}
