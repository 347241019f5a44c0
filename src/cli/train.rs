//! `train DATA --out MODEL`: a StyleGAN2, a StyleGAN3 or a masked autoencoder from scratch.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::{
    args::{DeviceArgs, LabelerArgs},
    client::wait,
    progress::Bar,
    unusable::Unusable,
};
use crate::{
    data::{ImageSource, LARGEST, avatars},
    engine::{
        Command, Engine, Event,
        request::{Exclusion, TrainRequest, TrainingLength, TrainingStart},
        training::{Augmentation, Card, Choices, ChosenChoices, CompletionChoices, TrainReport},
    },
    networks::{CompletionArchitecture, FreshFamily},
    train::{Checkpointing, HalfPrecision},
};

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
    /// What to train; a StyleGAN3 takes the first of --channels as most channels of a layer and the last for the last layer.
    #[arg(long, value_enum, default_value_t = FamilyName::Stylegan2, conflicts_with_all = ["resume", "grow"])]
    family: FamilyName,
    /// Side of the images in pixels, a power of two [default: 64; an IDX file's own].
    #[arg(long)]
    resolution: Option<usize>,
    /// Channels: one number, or one for 4x4, one for 8x8, ...
    #[arg(long, value_delimiter = ',', conflicts_with = "resume")]
    channels: Option<Vec<usize>>,
    /// Length of the latents.
    #[arg(long, default_value_t = 128, conflicts_with = "resume", value_parser = super::args::positive)]
    latent: usize,
    /// Layers of the mapping network.
    #[arg(long, default_value_t = 4, conflicts_with = "resume", value_parser = super::args::positive)]
    mapping: usize,
    /// Of a vit-mae: pixels along a side of a patch.
    #[arg(long, value_name = "PIXELS", default_value_t = 8, conflicts_with = "resume", value_parser = super::args::positive)]
    patch: usize,
    /// Of a vit-mae: width, layers and heads of the encoder.
    #[arg(long, value_name = "W,L,H", value_delimiter = ',', conflicts_with = "resume")]
    encoder: Option<Vec<usize>>,
    /// Of a vit-mae: width, layers and heads of the decoder.
    #[arg(long, value_name = "W,L,H", value_delimiter = ',', conflicts_with = "resume")]
    decoder: Option<Vec<usize>>,
    /// Of a vit-mae: the share of the patches that is hidden.
    #[arg(long, value_name = "SHARE", default_value_t = 0.75, conflicts_with = "resume")]
    mask_ratio: f32,
    /// Of a vit-mae: compare patches normalised to mean 0 and deviation 1.
    #[arg(long, conflicts_with = "resume")]
    norm_pix_loss: bool,
    /// Iterations in all, those before a --resume included.
    #[arg(long, default_value_t = 10_000, value_parser = super::args::positive)]
    iters: usize,
    /// Thousands of images to see in all, instead of --iters.
    #[arg(long, conflicts_with = "iters", value_parser = super::args::positive)]
    kimg: Option<usize>,
    /// Samples per iteration: at most 4, or a multiple of 4.
    #[arg(long)]
    batch: Option<usize>,
    /// Samples per forward pass (to save memory); 0 means the whole batch, or what of it fits into memory.
    #[arg(long)]
    micro_batch: Option<usize>,
    /// Compute the maps of a block again where its gradients need them, instead of keeping all of a pass: a third more time, a
    /// fraction of the memory, the same weights [default: auto].
    #[arg(long, value_enum)]
    checkpointing: Option<CheckpointingName>,
    /// On a graphics card, store the maps of the four largest sides as 16-bit numbers: about half of their memory [default: off].
    #[arg(long, value_enum)]
    half_precision: Option<HalfPrecisionName>,
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
    augment: Option<AugmentationName>,
    /// Seed of weights, data order and draws.
    #[arg(long, default_value_t = 0, conflicts_with = "resume")]
    seed: u64,
    /// Save after every so many iterations.
    #[arg(long, default_value_t = 500, value_parser = super::args::positive)]
    save_every: usize,
    /// Write a picture of samples whenever the model is saved (.png).
    #[arg(long, value_name = "PNG")]
    grid: Option<PathBuf>,
    /// Leave out every image of this class, to make a model that never learned it: an attribute of the drawn faces (`hat!=none`), a
    /// label of an IDX file (`4`), or a class that --labeler sees in the pictures of a folder.
    #[arg(long, value_name = "CLASS")]
    exclude: Option<String>,
    /// The labels of an IDX file, for --exclude; without it, those that lie beside it under MNIST's names.
    #[arg(long, value_name = "IDX", requires = "exclude")]
    labels: Option<PathBuf>,
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

/// A [`FreshFamily`] as it is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FamilyName {
    /// StyleGAN2.
    Stylegan2,
    /// StyleGAN3 that follows translations.
    #[value(name = "stylegan3-t")]
    Stylegan3T,
    /// StyleGAN3 that follows rotations as well.
    #[value(name = "stylegan3-r")]
    Stylegan3R,
    /// A masked autoencoder, which completes pictures.
    #[value(name = "vit-mae")]
    VitMae,
}

impl FamilyName {
    /// Of a family that draws samples.
    fn fresh(self) -> Option<FreshFamily> {
        match self {
            Self::Stylegan2 => Some(FreshFamily::StyleGan2),
            Self::Stylegan3T => Some(FreshFamily::StyleGan3T),
            Self::Stylegan3R => Some(FreshFamily::StyleGan3R),
            Self::VitMae => None,
        }
    }
}

/// An [`Augmentation`] as it is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum AugmentationName {
    /// None: for data without end, like the drawn avatars.
    None,
    /// All but mirroring: where left and right mean something, as in digits.
    Unmirrored,
    /// All.
    Full,
}

impl From<AugmentationName> for Augmentation {
    fn from(name: AugmentationName) -> Self {
        match name {
            AugmentationName::None => Self::None,
            AugmentationName::Unmirrored => Self::Unmirrored,
            AugmentationName::Full => Self::Full,
        }
    }
}

/// A [`Checkpointing`] as it is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum CheckpointingName {
    /// Where the smallest parts of a batch would not fit into memory otherwise.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl From<CheckpointingName> for Checkpointing {
    fn from(name: CheckpointingName) -> Self {
        match name {
            CheckpointingName::Auto => Self::Auto,
            CheckpointingName::On => Self::On,
            CheckpointingName::Off => Self::Off,
        }
    }
}

/// A [`HalfPrecision`] as it is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum HalfPrecisionName {
    /// On graphics cards that know it.
    Auto,
    /// Always; a device that does not know it is refused.
    On,
    /// Never.
    Off,
}

impl From<HalfPrecisionName> for HalfPrecision {
    fn from(name: HalfPrecisionName) -> Self {
        match name {
            HalfPrecisionName::Auto => Self::Auto,
            HalfPrecisionName::On => Self::On,
            HalfPrecisionName::Off => Self::Off,
        }
    }
}

impl TrainArgs {
    fn data(&self) -> ImageSource {
        ImageSource::of(self.data.clone())
    }

    fn choices(&self) -> anyhow::Result<ChosenChoices> {
        let chosen = ChosenChoices {
            batch: self.batch,
            micro_batch: self.micro_batch,
            lr: self.lr,
            r1: self.r1,
            path: self.path,
            mixing: self.mixing,
            no_noise: self.no_noise,
            augment: self.augment.map(Augmentation::from),
            checkpointing: self.checkpointing.map(Checkpointing::from),
            half_precision: self.half_precision.map(HalfPrecision::from),
        };
        let unusable = |(name, reason): (&str, String)| Unusable(format!("--{} {reason}", name.replace('_', "-")));
        chosen.apply(Choices::default()).check().map_err(unusable)?;
        Ok(chosen)
    }

    /// A masked autoencoder's start, its sizes checked.
    fn completion(&self, resolution: Option<usize>) -> anyhow::Result<TrainingStart> {
        let sizes = |name: &str, asked: &Option<Vec<usize>>, usual: [usize; 3]| -> anyhow::Result<[usize; 3]> {
            let sizes = match asked {
                None => usual,
                Some(list) => <[usize; 3]>::try_from(list.as_slice())
                    .map_err(|_| Unusable(format!("--{name} takes three numbers: width, layers, heads")))?,
            };
            let [width, layers, heads] = sizes;
            if layers == 0 || heads == 0 || width % 4 != 0 || width == 0 || width % heads != 0 {
                let rule = "the width must be a multiple of 4 and of the heads, and there must be a layer";
                bail!(Unusable(format!("--{name} {width},{layers},{heads}: {rule}")));
            }
            Ok(sizes)
        };
        if !(self.mask_ratio > 0.0 && self.mask_ratio < 1.0) {
            bail!(Unusable("--mask-ratio must be a share above 0 and below 1".to_owned()));
        }
        let usual = CompletionChoices::default();
        let choices = CompletionChoices {
            batch: self.batch.unwrap_or(usual.batch),
            lr: self.lr.unwrap_or(usual.lr),
            decay: usual.decay,
        };
        if choices.batch == 0 || !(choices.lr > 0.0 && choices.lr.is_finite()) {
            bail!(Unusable("--batch and --lr must be above 0".to_owned()));
        }
        let architecture = CompletionArchitecture {
            resolution: resolution.unwrap_or(avatars::SIZE as usize),
            patch: self.patch,
            channels: 3,
            encoder: sizes("encoder", &self.encoder, [128, 6, 4])?,
            decoder: sizes("decoder", &self.decoder, [64, 2, 4])?,
            mask_ratio: self.mask_ratio,
            norm_pix_loss: self.norm_pix_loss,
        };
        Ok(TrainingStart::FreshCompletion { architecture, resolution, choices, seed: self.seed })
    }

    fn card(&self) -> Card {
        let drawn = matches!(self.data(), ImageSource::Avatars);
        let own = || drawn.then(|| env!("CARGO_PKG_LICENSE").to_owned());
        let name = self.data.file_name().unwrap_or(self.data.as_os_str());
        Card {
            data: name.to_string_lossy().into_owned(),
            date: self.date.clone(),
            licence: self.licence.clone().or_else(own),
            excluded: self.exclude.clone(),
        }
    }

    /// The channels that were asked for, checked as far as that is possible without opening the data.
    fn channels(&self) -> anyhow::Result<Vec<usize>> {
        let channels = self.channels.clone().unwrap_or_default();
        if channels.contains(&0) {
            bail!(Unusable("--channels must be at least 1".to_owned()));
        }
        let side = match self.data() {
            ImageSource::Idx(_) => self.resolution,
            _ => Some(self.resolution.unwrap_or(avatars::SIZE as usize)),
        };
        let levels = side.map(|side| side.ilog2() as usize - 1);
        match (side, levels, channels.len()) {
            (Some(side), Some(levels), count) if count > 1 && count != levels => {
                bail!(Unusable(format!("--channels has {count} numbers where {side}x{side} pixels need {levels}")))
            }
            _ => Ok(channels),
        }
    }

    fn request(&self) -> anyhow::Result<TrainRequest> {
        let resolution = self.resolution;
        let start = match &self.resume {
            Some(model) => TrainingStart::Resume { model: model.clone(), resolution },
            None if self.family.fresh().is_none() => self.completion(resolution)?,
            None => TrainingStart::Fresh {
                resolution,
                channels: self.channels()?,
                latent: self.latent,
                mapping: self.mapping,
                family: self.family.fresh().unwrap_or_default(),
                seed: self.seed,
                grow: self.grow.clone(),
            },
        };
        Ok(TrainRequest {
            data: self.data(),
            start,
            choices: self.choices()?,
            length: self.kimg.map_or(TrainingLength::Iterations(self.iters), TrainingLength::Kimg),
            out: self.out.clone(),
            grid: self.grid.clone(),
            save_every: self.save_every,
            labeler: self.labeler.as_deref().map(|path| self.labeler_args.spec(path)),
            card: self.card(),
            exclude: self.exclude.clone().map(|classes| Exclusion {
                classes,
                labels: self.labels.clone(),
                labeler: self.labeler.as_deref().map(|path| self.labeler_args.spec(path)),
            }),
        })
    }
}

pub(super) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    super::unusable::check_model_extension(&args.out, false)?;
    super::unusable::check_writable(&args.out)?;
    if let Some(grid) = &args.grid {
        super::unusable::check_extension(grid, &["png"], "a picture")?;
        super::unusable::check_writable(grid)?;
    }
    if args.resolution.is_some_and(|side| !side.is_power_of_two() || !(8..=LARGEST).contains(&side)) {
        bail!(Unusable(format!("--resolution must be a power of two from 8 to {LARGEST}")));
    }
    let request = args.request()?;
    let mut bar = Bar::new();
    let interrupts = super::progress::interrupts()?;
    let engine = Engine::start(args.device.open()?)?;
    engine.send(Command::Train(Box::new(request)));
    let report = wait(&engine, &interrupts, &mut bar, "", |event| match event {
        Event::Trained(report) => Some(report),
        _ => None,
    })?;
    bar.finish();
    let TrainReport { out, grid, done, of, fidelity } = *report;
    for path in [Some(&out), grid.as_ref()].into_iter().flatten() {
        super::output::say(path.display())?;
    }
    if let Some(fidelity) = fidelity {
        super::output::say(fidelity)?;
    }
    if done < of {
        super::output::say(resume_hint(args, done, of))?;
    }
    Ok(())
}

fn resume_hint(args: &TrainArgs, done: usize, of: usize) -> String {
    let show = |path: &Path| path.display().to_string();
    let (data, out) = (show(&args.data), show(&args.out));
    let mut excluded = args.exclude.as_ref().map_or(String::new(), |classes| format!(" --exclude '{classes}'"));
    excluded += &args.labels.as_deref().map_or(String::new(), |labels| format!(" --labels {}", show(labels)));
    format!(
        "stopped after {done} of {of} iterations; to go on: \
         unlearn-studio train {data} --out {out} --resume {out} --iters {of}{excluded}"
    )
}
