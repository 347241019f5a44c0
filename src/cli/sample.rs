//! `sample MODEL --out FILE`: a picture of samples, or exact numbers.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use clap::Args;

use super::{ClassArgs, DeviceArgs, Unusable};
use crate::{
    checkpoint::{read_tensors, write_tensors},
    metrics::{Tiles, write_grid},
    model::{Model, Sampler},
    networks::{Generator, HostTensor, latents::push_class},
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
    /// Latents to render instead of seeded ones: a .safetensors file with a tensor `z` [count, latent] (and, for a
    /// class-conditional model, `c` [count, classes]).
    #[arg(long, conflicts_with_all = ["seed", "count"])]
    latents: Option<PathBuf>,
    #[command(flatten)]
    class: ClassArgs,
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
    let mut model = Model::load(&args.model, &device.device)?;
    model.set_class(args.class.class)?;
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let [channels, height, width] = sampler.image_shape();
    let images = match &args.latents {
        None => sampler.render_at(args.seed, 0..args.count, args.psi),
        Some(path) => {
            let tensors = read_tensors(path)?.0;
            let latent = model.generator.z_dim();
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
            let rows = with_classes(&model.generator, z, tensors.get("c"))
                .map_err(|problem| anyhow::anyhow!("{}: {problem}", path.display()))?;
            sampler.render(&rows, args.psi)
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

/// Rows of `z` with those of `c` behind them, as a class-conditional generator takes them; `--class` stands for `c`.
fn with_classes(generator: &Generator, z: &HostTensor, c: Option<&HostTensor>) -> Result<Vec<f32>, String> {
    let (latent, classes) = (generator.z_dim(), generator.classes());
    if classes == 0 {
        return Ok(z.data.clone());
    }
    let count = z.data.len() / latent;
    let labels = match (c, generator.class()) {
        (Some(c), _) if c.shape == [count, classes] => c.data.clone(),
        (Some(c), _) => {
            return Err(format!("the tensor c has shape {:?}; this model takes [{count}, {classes}]", c.shape));
        }
        (None, Some(class)) => {
            let mut labels = Vec::new();
            (0..count).for_each(|_| push_class(&mut labels, class, classes));
            labels
        }
        (None, None) => {
            return Err(format!(
                "it has no tensor c [{count}, {classes}], and this model has classes (or give --class)"
            ));
        }
    };
    Ok(z.data.chunks(latent).zip(labels.chunks(classes)).flat_map(|(z, c)| z.iter().chain(c).copied()).collect())
}
