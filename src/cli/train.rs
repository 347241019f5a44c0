//! `train DATA --out MODEL`: a StyleGAN2 from scratch.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail};
use clap::Args;

use super::{DeviceArgs, LabelerArgs, Unusable, progress::Bar};
use crate::{
    checkpoint,
    data::{ImageSet, LARGEST, avatars, idx, read_folder},
    engine::{
        Phase, Progress,
        scratch::{Augmentation, Choices, Scratch, State},
        training_card::Card,
    },
    metrics::{Tiles, write_grid},
    model::{Model, Sampler},
    networks::Architecture,
};

/// DATA that is no path.
const AVATARS: &str = "avatars";
/// Drawings that make up the avatars.
const AVATAR_COUNT: usize = 100_000;
/// Seed of the avatars, whatever the seed of the training.
const AVATAR_SEED: u64 = 0;
/// Channels at 4x4, 8x8, ... unless others are asked for.
const CHANNELS: [usize; 9] = [128, 128, 96, 64, 48, 32, 16, 16, 8];
/// Samples that the finished model is measured on.
const MEASURED: usize = 5000;
/// Samples in the picture, and in a row of it.
const GRID: (u64, usize) = (100, 10);

#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    /// What to train on: `avatars`, a folder of pictures, or an IDX file (as MNIST's, .gz or not).
    data: PathBuf,
    /// File to write: .safetensors or .pt.
    #[arg(long)]
    out: PathBuf,
    /// Go on with the training that wrote this file.
    #[arg(long, value_name = "MODEL")]
    resume: Option<PathBuf>,
    /// Take over a model of half the resolution, whose training is many times cheaper (progressive growing).
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["resume", "latent", "mapping"])]
    grow: Option<PathBuf>,
    /// Side of the images in pixels, a power of two [default: 64; an IDX file's own].
    #[arg(long)]
    resolution: Option<usize>,
    /// Channels: one number, or one for 4x4, one for 8x8, ...
    #[arg(long, value_delimiter = ',', conflicts_with = "resume")]
    channels: Option<Vec<usize>>,
    /// Length of the latents.
    #[arg(long, default_value_t = 128, conflicts_with = "resume", value_parser = super::positive)]
    latent: usize,
    /// Layers of the mapping network.
    #[arg(long, default_value_t = 4, conflicts_with = "resume", value_parser = super::positive)]
    mapping: usize,
    /// Iterations in all, those before a --resume included.
    #[arg(long, default_value_t = 10_000, value_parser = super::positive)]
    iters: usize,
    /// Thousands of images to see in all, instead of --iters.
    #[arg(long, conflicts_with = "iters", value_parser = super::positive)]
    kimg: Option<usize>,
    /// Samples per iteration: at most 4, or a multiple of 4.
    #[arg(long)]
    batch: Option<usize>,
    /// Samples per forward pass (to save memory); 0 means the whole batch.
    #[arg(long)]
    micro_batch: Option<usize>,
    /// Learning rate.
    #[arg(long)]
    lr: Option<f64>,
    /// Weight of the R1 penalty.
    #[arg(long)]
    r1: Option<f64>,
    /// Weight of the path length penalty.
    #[arg(long)]
    path: Option<f64>,
    /// Probability of style mixing.
    #[arg(long, value_name = "P")]
    mixing: Option<f64>,
    /// Train without noise maps: small networks use noise for detail that they cannot make yet.
    #[arg(long, conflicts_with = "resume")]
    no_noise: bool,
    /// Adaptive augmentation [default: none for avatars, unmirrored for IDX files, full for folders].
    #[arg(long, value_enum)]
    augment: Option<Augmentation>,
    /// Seed of weights, data order and draws.
    #[arg(long, default_value_t = 0, conflicts_with = "resume")]
    seed: u64,
    /// Save after every so many iterations.
    #[arg(long, default_value_t = 500, value_parser = super::positive)]
    save_every: usize,
    /// Write a picture of samples whenever the model is saved (.png).
    #[arg(long, value_name = "PNG")]
    grid: Option<PathBuf>,
    /// ONNX classifier: compares samples of the finished model with the data, for the model's card.
    #[arg(long, value_name = "ONNX")]
    labeler: Option<PathBuf>,
    #[command(flatten)]
    labeler_args: LabelerArgs,
    /// Date for the model's card.
    #[arg(long)]
    date: Option<String>,
    /// Licence for the model's card.
    #[arg(long)]
    licence: Option<String>,
    #[command(flatten)]
    device: DeviceArgs,
}

impl TrainArgs {
    fn drawn(&self) -> bool {
        self.data.as_os_str() == AVATARS
    }

    fn choices(&self, mut choices: Choices) -> anyhow::Result<Choices> {
        choices.batch = self.batch.unwrap_or(choices.batch);
        choices.micro_batch = self.micro_batch.unwrap_or(choices.micro_batch);
        choices.lr = self.lr.unwrap_or(choices.lr);
        choices.r1 = self.r1.unwrap_or(choices.r1);
        choices.path = self.path.unwrap_or(choices.path);
        choices.noise &= !self.no_noise;
        choices.mixing = self.mixing.unwrap_or(choices.mixing);
        choices.augment = self.augment.unwrap_or(choices.augment);
        choices.check().map_err(Unusable)?;
        Ok(choices)
    }

    /// The training images, at `side` pixels if it is known already.
    fn images(&self, side: Option<usize>, bar: &Bar) -> anyhow::Result<ImageSet> {
        let side_or = side.unwrap_or(avatars::SIZE as usize);
        if self.drawn() {
            let drawn = side_or.max(avatars::SIZE as usize);
            let images = ImageSet::avatars(AVATAR_SEED, AVATAR_COUNT, drawn as u32).shrunk(side_or);
            return images.with_context(|| format!("avatars cannot be drawn with {side_or}x{side_or} pixels"));
        }
        if !self.data.is_dir() {
            return Ok(idx::read_images(&self.data, side)?);
        }
        let (images, skipped) = read_folder(&self.data, side_or)?;
        if !skipped.is_empty() {
            let names: Vec<_> =
                skipped.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy()).collect();
            bar.warn(&format!("warning: {}: not readable as pictures: {}", self.data.display(), names.join(", ")));
        }
        Ok(images)
    }

    fn card(&self) -> Card {
        let own = || self.drawn().then(|| env!("CARGO_PKG_LICENSE").to_owned());
        let name = self.data.file_name().unwrap_or(self.data.as_os_str());
        Card {
            data: name.to_string_lossy().into_owned(),
            date: self.date.clone(),
            licence: self.licence.clone().or_else(own),
        }
    }

    fn architecture(&self, side: usize) -> anyhow::Result<Architecture> {
        let levels = side.ilog2() as usize - 1;
        let channels = match self.channels.as_deref() {
            None => CHANNELS[..levels].to_vec(),
            Some([one]) => vec![*one; levels],
            Some(list) if list.len() == levels => list.to_vec(),
            Some(list) => bail!(Unusable(format!(
                "--channels has {} numbers where {side}x{side} pixels need {levels}",
                list.len()
            ))),
        };
        if channels.contains(&0) {
            bail!(Unusable("--channels must be at least 1".to_owned()));
        }
        Ok(Architecture { channels, image_channels: 3, latent: self.latent, mapping_layers: self.mapping })
    }

    fn open(&self, bar: &Bar) -> anyhow::Result<Scratch> {
        let device = self.device.device.open()?.device;
        let Some(path) = &self.resume else {
            let augment = match () {
                () if self.drawn() => Augmentation::None,
                () if self.data.is_dir() => Augmentation::Full,
                () => Augmentation::Unmirrored,
            };
            let choices = self.choices(Choices { augment, ..Choices::default() })?;
            let images = self.images(self.resolution, bar)?;
            let small = self.grow.as_ref().map(|path| Model::load(path, &device)).transpose()?;
            let mut architecture = self.architecture(images.side())?;
            if let Some(small) = &small {
                (architecture.latent, architecture.mapping_layers) =
                    (small.generator.latent_dim(), Architecture::mapping_layers_of(&small.generator));
            }
            let (card, small) = (self.card(), small.as_ref());
            return Ok(Scratch::fresh(&architecture, (choices, self.seed), images, card, small, &device)?);
        };
        let model = Model::load(path, &device)?;
        let mut state = State::of(&model)
            .with_context(|| format!("{}: it was not written by a training that can go on", path.display()))?;
        let side = model.generator.resolution();
        if model.generator.image_channels() != 3 || self.resolution.is_some_and(|asked| asked != side) {
            bail!("{}: its images have {side}x{side} pixels; nothing else can be asked for", path.display());
        }
        state.choices = self.choices(state.choices)?;
        let images = self.images(Some(side), bar)?;
        if images.len() != state.images {
            bail!(
                "{}: it was trained on {} images and {} has {}; give the same data to go on",
                path.display(),
                state.images,
                self.data.display(),
                images.len()
            );
        }
        Ok(Scratch::resume(model, state, images, self.card())?)
    }

    fn save(&self, training: &Scratch) -> anyhow::Result<()> {
        checkpoint::save(&self.out, &training.checkpoint())?;
        let Some(grid) = &self.grid else { return Ok(()) };
        let trainer = training.trainer();
        let mut sampler = Sampler::new(&trainer.networks.generator, &trainer.g_ema);
        let [channels, height, width] = sampler.image_shape();
        let images = sampler.render_at(0, 0..GRID.0, 1.0);
        let tiles = Tiles::from_images(&images, [GRID.0 as usize, channels, height, width]);
        Ok(write_grid(grid, &tiles.context("the samples cannot be shown")?, GRID.1, &[])?)
    }
}

pub(super) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    super::check_model_extension(&args.out)?;
    super::check_writable(&args.out)?;
    if let Some(grid) = &args.grid {
        super::check_extension(grid, &["png"], "a picture")?;
        super::check_writable(grid)?;
    }
    if args.resolution.is_some_and(|side| !side.is_power_of_two() || !(8..=LARGEST).contains(&side)) {
        bail!(Unusable(format!("--resolution must be a power of two from 8 to {LARGEST}")));
    }
    let mut bar = Bar::new();
    let interrupts = super::progress::interrupts()?;
    let labeler = args.labeler.as_deref().map(|path| args.labeler_args.spec(path).open()).transpose()?;
    let mut training = args.open(&bar)?;
    let batch = training.state().choices.batch;
    let of = args.kimg.map_or(args.iters, |kimg| (kimg * 1000).div_ceil(batch));
    let first = training.state().iteration;
    let start = Instant::now();
    let mut stopped = false;
    while training.state().iteration < of && !stopped {
        if let Err(loss) = training.step() {
            args.save(&training)?;
            let reached = training.state().iteration;
            bail!("the {loss} is no finite number any more; {} holds iteration {reached}", args.out.display());
        }
        let done = training.state().iteration;
        let each = start.elapsed().as_secs_f64() / (done - first) as f64;
        bar.show(&Progress { phase: Phase::Train, done, of, seconds_left: Some(each * (of - done) as f64) });
        stopped = interrupts.try_recv().is_ok();
        if done.is_multiple_of(args.save_every) && done < of && !stopped {
            args.save(&training)?;
        }
    }
    // The training is safe before it is measured.
    args.save(&training)?;
    bar.finish();
    let fidelity = match &labeler {
        Some(labeler) if !stopped => {
            let text = training.measure(labeler, MEASURED)?.to_string();
            args.save(&training)?;
            Some(text)
        }
        _ => None,
    };
    for path in [Some(&args.out), args.grid.as_ref()].into_iter().flatten() {
        super::say(path.display())?;
    }
    if let Some(fidelity) = fidelity {
        super::say(fidelity)?;
    }
    let done = training.state().iteration;
    if done < of {
        super::say(resume_hint(args, done, of))?;
    }
    Ok(())
}

fn resume_hint(args: &TrainArgs, done: usize, of: usize) -> String {
    let show = |path: &Path| path.display().to_string();
    let (data, out) = (show(&args.data), show(&args.out));
    format!(
        "stopped after {done} of {of} iterations; to go on: \
         unlearn-studio train {data} --out {out} --resume {out} --iters {of}"
    )
}
