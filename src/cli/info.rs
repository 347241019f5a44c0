//! `info MODEL [--json]`: what is in the file.

use std::path::PathBuf;

use clap::Args;

use super::{
    args::ModelArgs,
    client::{ask, loaded},
};
use crate::{
    device,
    engine::{Command, Engine},
};

#[derive(Debug, Args)]
pub(super) struct InfoArgs {
    /// Model file.
    model: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model_args: ModelArgs,
}

pub(super) fn run(args: &InfoArgs) -> anyhow::Result<()> {
    let engine = Engine::start(device::cpu())?;
    let card = ask(&engine, Command::Load(args.model_args.open(&args.model)), loaded)?;
    if args.json {
        return super::output::say(serde_json::to_string_pretty(&card)?);
    }
    let side = card.resolution;
    let widths = card.channels.iter().zip(&card.sides).map(|(c, side)| format!("{c} at {side}"));
    let discriminator = card.discriminator_parameters.map_or("none".to_owned(), |n| format!("{n} parameters"));
    let mut lines = vec![
        format!("file            {}", card.file.display()),
        format!("sha256          {}", card.sha256),
        format!("family          {}, {side}x{side}, {} channels", card.family, card.image_channels),
        format!("latent          {}, mapped to {}", card.latent, card.w_dim),
        format!("classes         {}", if card.classes == 0 { "none".to_owned() } else { card.classes.to_string() }),
        format!("channels        {}", widths.collect::<Vec<_>>().join(", ")),
        format!("generator       {} parameters", card.generator_parameters),
        format!("discriminator   {discriminator}"),
        format!("contents        {}", card.contents.join(", ")),
    ];
    lines.extend(card.details.iter().map(|(name, value)| format!("{name:<15} {value}")));
    lines.extend(card.args.iter().map(|(key, value)| format!("args.{key:<10} {value}")));
    lines.extend(card.metadata.iter().map(|(key, value)| format!("{key:<15} {value}")));
    super::output::say(lines.join("\n"))
}
