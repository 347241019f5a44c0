//! `sample MODEL --out FILE`: a picture of samples, or exact numbers.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{
    args::{ClassArgs, DeviceArgs, ModelArgs},
    client::{ask, exported, loaded},
    unusable::Unusable,
};
use crate::{
    engine::{
        Command, Engine, Event,
        request::{DrawRequest, Latents},
    },
    networks::{Hidden, Masking},
};

/// A [`Hidden`] as it is written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum HiddenName {
    /// Patches anywhere, by the seed.
    #[default]
    Random,
    /// All around the middle (outpainting).
    Border,
    /// The middle (inpainting).
    Centre,
}

impl From<HiddenName> for Hidden {
    fn from(name: HiddenName) -> Self {
        match name {
            HiddenName::Random => Self::Random,
            HiddenName::Border => Self::Border,
            HiddenName::Centre => Self::Centre,
        }
    }
}

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
    /// What is hidden of the pictures that a masked autoencoder completes.
    #[arg(long, value_enum, default_value_t)]
    hide: HiddenName,
    /// The share of a picture that is hidden, above 0 and below 1 [default: the model's own].
    #[arg(long, value_name = "SHARE")]
    hidden: Option<f32>,
    /// Put what a masked autoencoder sees of each picture left of its completion.
    #[arg(long)]
    masked: bool,
    /// Latents to render instead of seeded ones: a .safetensors file with a tensor `z` [count, latent] (and, for a
    /// class-conditional model, `c` [count, classes]).
    #[arg(long, conflicts_with_all = ["seed", "count"])]
    latents: Option<PathBuf>,
    #[command(flatten)]
    class: ClassArgs,
    #[command(flatten)]
    model_args: ModelArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(super) fn run(args: &SampleArgs) -> anyhow::Result<()> {
    super::unusable::check_extension(&args.out, &["png", "safetensors"], "a picture or a set of numbers")?;
    super::unusable::check_writable(&args.out)?;
    if !args.psi.is_finite() {
        return Err(Unusable("--psi must be a finite number".to_owned()).into());
    }
    if args.hidden.is_some_and(|share| !(share > 0.0 && share < 1.0)) {
        return Err(Unusable("--hidden must be a share above 0 and below 1".to_owned()).into());
    }
    super::progress::end_when_interrupted()?;
    let engine = Engine::start(args.device.open()?)?;
    ask(&engine, Command::Load(args.model_args.open(&args.model)), loaded)?;
    if args.class.class.is_some() {
        ask(&engine, Command::Class(args.class.class), |event| matches!(event, Event::Class(_)).then_some(()))?;
    }
    let latents = match &args.latents {
        None => Latents::Seed { seed: args.seed, count: args.count },
        Some(path) => Latents::File(path.clone()),
    };
    let masking = Masking { hidden: args.hide.into(), share: args.hidden };
    let request = DrawRequest { out: args.out.clone(), latents, psi: args.psi, masking, seen: args.masked };
    let out = ask(&engine, Command::Draw(Box::new(request)), exported)?;
    super::output::say(out.display())
}
