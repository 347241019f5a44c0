//! `avatars --out DIR --count N`: the drawn data set as files.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use image::RgbImage;

use super::unusable::Unusable;
use crate::atomic_file;
use crate::data::avatars::{Attributes, SIZE, draw};

#[derive(Debug, Args)]
pub(super) struct AvatarsArgs {
    /// Folder to write to; made if it does not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of drawings.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    count: u64,
    /// Seed of the drawings.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Pixels along a side.
    #[arg(long, default_value_t = SIZE, value_parser = clap::value_parser!(u32).range(32..=1024))]
    size: u32,
}

pub(super) fn run(args: &AvatarsArgs) -> anyhow::Result<()> {
    let out = &args.out;
    if out.exists() && !out.is_dir() {
        bail!(Unusable(format!("{}: is a file, not a folder; nothing was done", out.display())));
    }
    std::fs::create_dir_all(out).map_err(|error| {
        Unusable(format!("{}: the folder cannot be made ({error}); nothing was done", out.display()))
    })?;
    let table = out.join("attributes.csv");
    super::unusable::check_writable(&table)?;
    let mut rows = format!("file,{}\n", Attributes::NAMES.join(","));
    for index in 0..args.count {
        let avatar = draw(args.seed, index, args.size);
        let name = format!("{index:06}.png");
        rows += &format!("{name},{}\n", avatar.attributes.values().join(","));
        let picture = RgbImage::from_raw(args.size, args.size, avatar.rgb).context("the drawing has another size")?;
        let path = out.join(name);
        picture.save(&path).with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    atomic_file::write(&table, rows.as_bytes()).with_context(|| format!("{}: cannot be written", table.display()))?;
    super::output::say(table.display())
}
