//! `info MODEL [--json]`: what is in the file.

use std::path::PathBuf;

use clap::Args;

use crate::{device, engine::Model};

#[derive(Debug, Args)]
pub(super) struct InfoArgs {
    /// Model file.
    model: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &InfoArgs) -> anyhow::Result<()> {
    let card = Model::load(&args.model, &device::cpu().device)?.card();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&card)?);
        return Ok(());
    }
    let side = card.resolution;
    println!("file            {}", card.file.display());
    println!("sha256          {}", card.sha256);
    println!("family          {}, {side}x{side}, {} channels", card.family, card.image_channels);
    println!("latent          {}, mapped to {} in {} layers", card.latent, card.style, card.mapping_layers);
    let widths = card.channels.iter().enumerate().map(|(i, c)| format!("{c} at {}", 4 << i));
    println!("channels        {}", widths.collect::<Vec<_>>().join(", "));
    println!("generator       {} parameters", card.generator_parameters);
    match card.discriminator_parameters {
        Some(n) => println!("discriminator   {n} parameters"),
        None => println!("discriminator   none"),
    }
    println!("contents        {}", card.contents.join(", "));
    for (key, value) in &card.args {
        println!("args.{key:<10} {value}");
    }
    for (key, value) in &card.metadata {
        println!("{key:<15} {value}");
    }
    Ok(())
}
