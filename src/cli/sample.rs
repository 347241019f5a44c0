//! `sample MODEL --out FILE`: a picture of samples, or exact numbers.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use clap::Args;

use super::{DeviceArgs, Unusable};
use crate::{
    checkpoint::{read_tensors, write_tensors},
    engine::{Model, sampler::Sampler},
    gan::HostTensor,
    metrics::{Tiles, write_grid},
};

#[derive(Debug, Args)]
pub(super) struct SampleArgs {
    /// Model file.
    model: PathBuf,
    /// File to write: .png for a grid, .safetensors for numbers (with --latents).
    #[arg(long)]
    out: PathBuf,
    /// Seed of the latents.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of samples.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    count: u64,
    /// Truncation.
    #[arg(long, default_value_t = 1.0)]
    psi: f32,
    /// Latents to render instead of seeded ones: a .safetensors file with a tensor `z` [count, latent].
    #[arg(long, conflicts_with_all = ["seed", "count"])]
    latents: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(super) fn run(args: &SampleArgs) -> anyhow::Result<()> {
    super::check_extension(&args.out, &["png", "safetensors"], "a picture or a set of numbers")?;
    super::check_writable(&args.out)?;
    let numbers = args.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors"));
    if !args.psi.is_finite() {
        return Err(Unusable("--psi must be a finite number".to_owned()).into());
    }
    let device = args.device.device.open()?;
    let model = Model::load(&args.model, &device.device)?;
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let [channels, height, width] = sampler.image_shape();
    let images = match &args.latents {
        None => sampler.render_at(args.seed, 0..args.count, args.psi),
        Some(path) => {
            let tensors = read_tensors(path)?.0;
            let latent = model.generator.latent_dim();
            let z = match tensors.get("z") {
                Some(z) if z.shape.len() == 2 && z.shape[1] == latent && z.shape[0] > 0 => z,
                Some(z) => anyhow::bail!(
                    "{}: the tensor z has shape {:?}; this model takes [count, {latent}]",
                    path.display(),
                    z.shape
                ),
                None => anyhow::bail!("{}: it has no tensor z [count, {latent}]", path.display()),
            };
            if z.data.iter().any(|value| !value.is_finite()) {
                anyhow::bail!("{}: the tensor z has values that are not finite numbers", path.display());
            }
            sampler.render(&z.data, args.psi)
        }
    };
    let count = images.len() / (channels * height * width);
    let shape = [count, channels, height, width];
    if numbers {
        let images = HostTensor::new(shape.to_vec(), images);
        let tensors = BTreeMap::from([("images".to_owned(), images)]);
        write_tensors(&args.out, &tensors, &BTreeMap::new())?;
    } else {
        let columns = (count as f64).sqrt().ceil() as usize;
        let tiles = Tiles::from_images(&images, shape)
            .with_context(|| format!("{channels} channels cannot be shown as a picture"))?;
        write_grid(&args.out, &tiles, columns, &[])?;
    }
    super::say(args.out.display())
}
