//! A model file opened on a device, and the way back into a file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use burn::tensor::Device;
use serde_json::Value;

use super::{
    card::{Completes, MapBytes, ModelCard},
    error::ModelError,
    gan::Gan,
    heap::returning_memory,
    optimizer::{adam_from_host, adam_to_host},
    passes::looking_bytes,
    provenance::program,
    sample::Sample,
};
use crate::{
    checkpoint::{self, Checkpoint, OptimState, Unchanged},
    networks::{
        FlatParams, Generator, ParamLayout, Params, Pictures, Purpose, is_buffer, read_discriminator, read_generator,
        set_classes,
    },
    train::{Adam, Networks, Trainer, passes::at_once},
};

/// A model file, opened.
#[derive(Debug)]
pub struct Model {
    /// Where it came from.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// What the file holds, without the values that are on the device: a large model is never held twice.
    template: Checkpoint,
    /// The generator's architecture.
    pub generator: Generator,
    /// The averaged generator's parameters (the trained ones if the file has no average): what is shown.
    pub g_ema: FlatParams,
    /// Everything that training needs; `None` without a discriminator.
    pub gan: Option<Gan>,
    /// Whether the discriminator is the file's own; one that was warmed up knows little of what samples show.
    pub has_own_discriminator: bool,
}

impl Model {
    /// Opens a model file.
    pub fn load(path: &Path, device: &Device) -> Result<Self, ModelError> {
        Self::load_watched(path, device, &mut |_, _| {})
    }

    /// Opens a model file, which must stay the same meanwhile; `watch` is told again and again how many bytes were read and how many there are to read. These
    /// are twice the file's: its tensors are read, then its digest is taken.
    pub fn load_watched(path: &Path, device: &Device, watch: &mut dyn FnMut(u64, u64)) -> Result<Self, ModelError> {
        Self::load_with_classes(path, None, device, watch)
    }

    /// As [`load_watched`](Self::load_watched), for a file that does not say how many classes its generator has: they stand
    /// one-hot behind `z`.
    pub fn load_with_classes(
        path: &Path,
        classes: Option<usize>,
        device: &Device,
        watch: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, ModelError> {
        let weights = checkpoint::weights_file(path);
        let length = std::fs::metadata(&weights).map_or(0, |metadata| metadata.len());
        returning_memory(|| {
            let unchanged = Unchanged::since_now(&weights);
            // What is wrong with a folder is said by its reader.
            let mut checkpoint = checkpoint::load_watched(path, &mut |read| watch(read.min(length), 2 * length))?;
            let sha256 = checkpoint::sha256_watched(path, &mut |read| watch(length + read.min(length), 2 * length))?;
            unchanged?.check()?;
            if let Some(classes) = classes {
                for generator in [&mut checkpoint.g_ema, &mut checkpoint.g].into_iter().flatten() {
                    if !set_classes(generator, classes) {
                        return Err(ModelError::ClassesKnown { file: path.to_owned() });
                    }
                }
            }
            Self::new(path, sha256, checkpoint, device)
        })
    }

    /// A model from an already read checkpoint.
    pub fn new(path: &Path, sha256: String, mut checkpoint: Checkpoint, device: &Device) -> Result<Self, ModelError> {
        let misfit = |source| ModelError::Architecture { file: path.to_owned(), source };
        let shown = checkpoint.g_ema.as_mut().or(checkpoint.g.as_mut());
        let shown = shown.ok_or_else(|| ModelError::NoGenerator { file: path.to_owned() })?;
        let generator = read_generator(shown, device).map_err(misfit)?;
        let kept = |key: &str| generator.is_kept_on_host(key);
        let g_ema = FlatParams::take_from_host(generator.layout(), shown, kept, device);
        let own = checkpoint.d.is_some();
        let mut model = Self {
            path: path.to_owned(),
            sha256,
            template: checkpoint,
            generator,
            g_ema,
            gan: None,
            has_own_discriminator: own,
        };
        if let Some(d) = model.template.d.take() {
            model.adopt_discriminator(d)?;
        }
        Ok(model)
    }

    /// What the writer said about the file.
    pub fn metadata(&self) -> &std::collections::BTreeMap<String, String> {
        &self.template.metadata
    }

    /// Draws samples of one class only, or (`None`) of the class that each address has.
    pub fn set_class(&mut self, class: Option<usize>) -> Result<(), ModelError> {
        let classes = self.generator.classes();
        if let Some(class) = class.filter(|class| *class >= classes) {
            return Err(ModelError::NoClass { file: self.path.clone(), class, classes });
        }
        self.generator = self.generator.clone().with_class(class);
        if let Some(gan) = &mut self.gan {
            gan.networks.generator = self.generator.clone();
        }
        Ok(())
    }

    /// What the generator takes for a sample: its latent and, in class-conditional models, its class behind it.
    pub fn latent(&self, sample: Sample) -> Result<Vec<f32>, ModelError> {
        let (class, classes) = (sample.class().map(|class| class as usize), self.generator.classes());
        let pictures = self.generator.pictures_for(Purpose::Show);
        let index = sample.address().index;
        if pictures.is_some_and(|pictures| index >= pictures as u64) {
            self.check_samples()?;
            return Err(ModelError::NoPicture {
                file: self.path.clone(),
                index,
                pictures: pictures.unwrap_or_default(),
            });
        }
        match class.filter(|class| *class >= classes) {
            Some(class) => Err(ModelError::NoClass { file: self.path.clone(), class, classes }),
            None => Ok(self.generator.latent_of(sample.address(), class)),
        }
    }

    /// So many samples, or as many pictures as there are for this purpose.
    pub fn available(&self, purpose: Purpose, samples: usize) -> usize {
        self.generator.pictures_for(purpose).map_or(samples, |pictures| pictures.min(samples))
    }

    /// Gives a model that completes pictures the pictures; they have its side.
    pub fn set_pictures(&mut self, pictures: Arc<dyn Pictures>) {
        self.generator = self.generator.clone().with_pictures(pictures);
    }

    /// Whether it has what its samples begin with; a model that completes pictures may have none yet.
    pub fn check_samples(&self) -> Result<(), ModelError> {
        match self.generator.pictures_for(Purpose::Show) {
            Some(0) => Err(ModelError::NoPictures { file: self.path.clone() }),
            _ => Ok(()),
        }
    }

    /// Puts a discriminator beside the generator.
    pub fn adopt_discriminator(&mut self, mut params: Params) -> Result<(), ModelError> {
        self.gan = Some(gan(&self.path, &mut self.template, &mut params, &self.generator, &self.g_ema)?);
        self.template.d = Some(params);
        Ok(())
    }

    /// The discriminator's parameters as a file holds them.
    pub fn discriminator_params(&self) -> Option<Params> {
        Some(self.gan.as_ref()?.d.to_host(self.template.d.as_ref()?))
    }

    /// The networks for training.
    pub fn gan(&self) -> Result<&Gan, ModelError> {
        self.gan.as_ref().ok_or_else(|| ModelError::NoDiscriminator { file: self.path.clone() })
    }

    /// What is in the file.
    pub fn card(&self) -> ModelCard {
        let has = |present: bool, name: &'static str| present.then_some(name);
        let c = &self.template;
        ModelCard {
            file: self.path.clone(),
            sha256: self.sha256.clone(),
            family: self.generator.family(),
            resolution: self.generator.resolution(),
            image_channels: self.generator.image_channels(),
            latent: self.generator.z_dim(),
            classes: self.generator.classes(),
            can_be_conditional: self.generator.can_be_conditional(),
            can_move: self.generator.can_move(),
            completes: self.generator.completion().map(|network| Completes {
                pictures: network.pictures().map_or(0, |pictures| pictures.count()),
                mask_ratio: network.mask_ratio(),
            }),
            w_dim: self.generator.w_dim(),
            details: self.generator.details(),
            channels: self.generator.channels(),
            sides: self.generator.sides(),
            generator_parameters: self.g_ema.layout.total(),
            discriminator_parameters: self.gan.as_ref().map(|gan| gan.d.layout.total()),
            maps: self.map_bytes(false),
            half_maps: self.map_bytes(true),
            contents: [
                has(c.g_ema.is_some(), "g_ema"),
                has(c.g.is_some(), "g"),
                has(c.d.is_some(), "d"),
                has(c.g_optim.is_some(), "g_optim"),
                has(c.d_optim.is_some(), "d_optim"),
            ]
            .into_iter()
            .flatten()
            .collect(),
            args: c.args.clone(),
            metadata: c.metadata.clone(),
        }
    }

    /// What passes through the networks take, with half precision on or off while they are trained.
    fn map_bytes(&self, half: bool) -> MapBytes {
        let device = self.g_ema.device();
        let generator = self.generator.clone().with_half_precision(half);
        let discriminator = self.gan.as_ref().map(|gan| gan.networks.discriminator.clone().with_half_precision(half));
        MapBytes {
            drawn: generator.drawing_bytes(&device),
            generator: generator.training_bytes(),
            discriminator: discriminator.as_ref().map(|discriminator| discriminator.training_bytes()),
            checkpointed: [
                generator.checkpointed_bytes(),
                discriminator.and_then(|discriminator| discriminator.checkpointed_bytes()),
            ],
            looking: looking_bytes(&generator, &device),
            at_once: at_once(generator.completion().is_some(), &device),
        }
    }

    /// The file's content, bit for bit, with its provenance where it says none yet.
    pub fn export(&self) -> Checkpoint {
        let Checkpoint { g_ema, g, d, .. } = &self.template;
        let mut out = self.template.clone();
        match (g_ema, &self.gan) {
            (Some(template), _) => out.g_ema = Some(self.g_ema.to_host(template)),
            (None, _) => out.g = g.as_ref().map(|template| self.g_ema.to_host(template)),
        }
        if let Some(gan) = &self.gan {
            out.g = g.as_ref().map(|template| gan.g.to_host(template));
            out.d = d.as_ref().map(|template| gan.d.to_host(template));
        }
        out.metadata.entry("program".to_owned()).or_insert_with(program);
        out.metadata.entry("source_sha256".to_owned()).or_insert_with(|| self.sha256.clone());
        out
    }

    /// The file's content with the averaged generator replaced, everything else as it was.
    pub fn with_g_ema(&self, g_ema: &FlatParams) -> Checkpoint {
        let Checkpoint { g_ema: averaged, g, .. } = &self.template;
        let template = averaged.as_ref().or(g.as_ref());
        Checkpoint { g_ema: template.map(|template| self.generator_to_host(g_ema, template)), ..self.export() }
    }

    /// A generator's parameters as a file holds them, and the buffers that follow them.
    fn generator_to_host(&self, weights: &FlatParams, template: &Params) -> Params {
        let mut out = weights.to_host(template);
        for (key, values) in self.generator.buffers(template, weights) {
            if let Some(buffer) = out.get_mut(&key) {
                buffer.data = values;
            }
        }
        out
    }

    /// Whether it is written into the file it came in, whose layout nothing else has.
    pub fn is_written_in_place(&self) -> bool {
        self.template.dcgan.is_some()
    }

    /// Lets this model be written into the pickle that another one of its history came in, if it came in none itself.
    pub fn share_pickle(&mut self, other: &Self) {
        if self.template.pickle.is_none() && self.g_ema.layout == other.g_ema.layout {
            self.template.pickle = other.template.pickle.clone();
        }
    }

    /// As [`share_pickle`](Self::share_pickle), with the pickle in this file, if it is one.
    pub fn share_pickle_file(&mut self, path: &Path) -> Result<(), ModelError> {
        let is_pickle = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pkl"));
        if self.template.pickle.is_some() || !is_pickle {
            return Ok(());
        }
        let other = returning_memory(|| checkpoint::load(path))?;
        let shown = other.g_ema.as_ref().or(other.g.as_ref());
        if shown.is_some_and(|shown| ParamLayout::of(shown, is_buffer) == *self.g_ema.layout) {
            self.template.pickle = other.pickle;
        }
        Ok(())
    }

    /// Whether it can be written into the pickle that it, or the first model of its history, came in.
    pub fn has_pickle(&self) -> bool {
        self.template.pickle.is_some()
    }

    /// The file's content with the averaged generator replaced and, where they are given, the trained generator and the
    /// discriminator; without these, the averaged generator stands for both.
    pub fn with_networks(&self, g_ema: &FlatParams, trained: Option<&(FlatParams, FlatParams)>) -> Checkpoint {
        let Checkpoint { g, d, .. } = &self.template;
        let mut out = self.with_g_ema(g_ema);
        let trained_g = trained.map_or(g_ema, |(g, _)| g);
        if self.template.g_ema.is_some() {
            out.g = g.as_ref().map(|template| self.generator_to_host(trained_g, template));
        }
        if let Some((_, trained_d)) = trained {
            out.d = d.as_ref().map(|template| trained_d.to_host(template));
        }
        out
    }

    /// Of a network that completes pictures, whose training wrote this file: the trained parameters and their optimizer.
    pub fn trained_completion(&self) -> Option<(FlatParams, Adam)> {
        let Checkpoint { g, g_optim, .. } = &self.template;
        let g = g.as_ref().filter(|g| ParamLayout::of(g, is_buffer) == *self.g_ema.layout)?;
        let g = FlatParams::from_host(&self.g_ema.layout, g, &self.g_ema.device());
        let optim = adam_from_host(g_optim.as_ref()?, &g)?;
        Some((g, optim))
    }

    /// The file's content with a network that completes pictures replaced by what its training reached.
    pub fn with_trained_completion(&self, g: &FlatParams, g_ema: &FlatParams, optim: &Adam) -> Checkpoint {
        let mut out = self.with_g_ema(g_ema);
        out.metadata.clone_from(&self.template.metadata);
        out.g = self.template.g_ema.as_ref().map(|template| g.to_host(template));
        out.g_optim = Some(adam_to_host(optim, g, Value::Null));
        out
    }

    /// The file's content with networks and optimizer states replaced by a training state; buffers and everything
    /// that training does not touch stay bit for bit.
    pub fn with_trained(&self, trained: &Trainer) -> Checkpoint {
        let Checkpoint { g_ema, g, d, g_optim, d_optim, args, ada_aug_p, metadata, dcgan, pickle } = &self.template;
        let averaged = g_ema.as_ref().or(g.as_ref());
        let groups =
            |state: &Option<OptimState>| state.as_ref().map_or(Value::Null, |state| state.param_groups.clone());
        Checkpoint {
            g_ema: averaged.map(|template| self.generator_to_host(&trained.g_ema, template)),
            g: g.as_ref().or(averaged).map(|template| self.generator_to_host(&trained.g, template)),
            d: d.as_ref().map(|template| trained.d.to_host(template)),
            g_optim: Some(adam_to_host(&trained.g_optim, &trained.g, groups(g_optim))),
            d_optim: Some(adam_to_host(&trained.d_optim, &trained.d, groups(d_optim))),
            args: args.clone(),
            ada_aug_p: *ada_aug_p,
            metadata: metadata.clone(),
            dcgan: dcgan.clone(),
            pickle: pickle.clone(),
        }
    }
}

/// Everything that training needs of a file, with the discriminator `d`; values move to the device.
fn gan(
    path: &Path,
    checkpoint: &mut Checkpoint,
    d: &mut Params,
    generator: &Generator,
    g_ema: &FlatParams,
) -> Result<Gan, ModelError> {
    let device = g_ema.device();
    let disagree = || ModelError::NetworksDisagree { file: path.to_owned() };
    let discriminator =
        read_discriminator(d, &device).map_err(|source| ModelError::Architecture { file: path.to_owned(), source })?;
    let sides = (generator.resolution(), generator.image_channels());
    if sides != (discriminator.resolution(), discriminator.image_channels()) {
        return Err(disagree());
    }
    let classes = discriminator.classes();
    if classes > 0 && classes != generator.classes() {
        return Err(disagree());
    }
    let g = match &mut checkpoint.g {
        // One generator stands for both.
        Some(trained) if checkpoint.g_ema.is_some() => {
            if ParamLayout::of(trained, is_buffer) != *g_ema.layout {
                return Err(disagree());
            }
            FlatParams::take_from_host(&g_ema.layout, trained, |key| generator.is_kept_on_host(key), &device)
        }
        _ => g_ema.clone(),
    };
    let d = FlatParams::take_from_host(discriminator.layout(), d, |_| false, &device);
    let networks = Networks { generator: generator.clone(), discriminator };
    let adopt =
        |state: &Option<OptimState>, like: &FlatParams| state.as_ref().and_then(|state| adam_from_host(state, like));
    let (g_optim, d_optim) = (adopt(&checkpoint.g_optim, &g), adopt(&checkpoint.d_optim, &d));
    Ok(Gan { networks, g, g_ema: g_ema.clone(), d, g_optim, d_optim })
}
