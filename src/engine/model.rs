//! A model file opened on a device, and the way back into a file.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value, json};

use super::{error::EngineError, heap::returning_memory, report::program};
use crate::{
    checkpoint::{self, AdamMoments, Checkpoint, OptimState},
    networks::{
        Details, FlatParams, Generator, HostTensor, ParamLayout, Params, flat::to_vec, is_buffer, read_discriminator,
        read_generator, set_classes,
    },
    train::{Adam, Networks, Trainer, adam::AdamConfig},
    unlearn::{Gan, feedback::Sample},
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

/// What a person wants to know about a model file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelCard {
    /// The file.
    pub file: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Family of the architecture.
    pub family: &'static str,
    /// Side of the images in pixels.
    pub resolution: usize,
    /// Channels of the images.
    pub image_channels: usize,
    /// Length of `z`.
    pub latent: usize,
    /// Number of classes; 0 in unconditional networks.
    pub classes: usize,
    /// Whether the file left open how many classes there are, so that a person may have to say it.
    pub can_be_conditional: bool,
    /// Length of `w`.
    pub w_dim: usize,
    /// What the family says of the architecture beside that.
    #[serde(flatten)]
    pub details: Details,
    /// Channels of the generator at 4x4, 8x8, ...
    pub channels: Vec<usize>,
    /// Number of the generator's parameters.
    pub generator_parameters: usize,
    /// Number of the discriminator's parameters, if there is one.
    pub discriminator_parameters: Option<usize>,
    /// Which networks and optimizer states are in the file.
    pub contents: Vec<&'static str>,
    /// The training script's arguments.
    pub args: serde_json::Map<String, Value>,
    /// Architecture and provenance as the writer noted them.
    pub metadata: std::collections::BTreeMap<String, String>,
}

impl Model {
    /// Opens a model file.
    pub fn load(path: &Path, device: &Device) -> Result<Self, EngineError> {
        Self::load_watched(path, device, &mut |_, _| {})
    }

    /// Opens a model file; `watch` is told again and again how many bytes were read and how many there are to read. These
    /// are twice the file's: its tensors are read, then its digest is taken.
    pub fn load_watched(path: &Path, device: &Device, watch: &mut dyn FnMut(u64, u64)) -> Result<Self, EngineError> {
        Self::load_with_classes(path, None, device, watch)
    }

    /// As [`load_watched`](Self::load_watched), for a file that does not say how many classes its generator has: they stand
    /// one-hot behind `z`.
    pub fn load_with_classes(
        path: &Path,
        classes: Option<usize>,
        device: &Device,
        watch: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, EngineError> {
        let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        returning_memory(|| {
            let mut checkpoint = checkpoint::load_watched(path, &mut |read| watch(read.min(length), 2 * length))?;
            let sha256 = checkpoint::sha256_watched(path, &mut |read| watch(length + read.min(length), 2 * length))?;
            if let Some(classes) = classes {
                for generator in [&mut checkpoint.g_ema, &mut checkpoint.g].into_iter().flatten() {
                    if !set_classes(generator, classes) {
                        return Err(EngineError::ClassesKnown { file: path.to_owned() });
                    }
                }
            }
            Self::new(path, sha256, checkpoint, device)
        })
    }

    /// A model from an already read checkpoint.
    pub fn new(path: &Path, sha256: String, mut checkpoint: Checkpoint, device: &Device) -> Result<Self, EngineError> {
        let misfit = |source| EngineError::Architecture { file: path.to_owned(), source };
        let shown = checkpoint.g_ema.as_mut().or(checkpoint.g.as_mut());
        let shown = shown.ok_or_else(|| EngineError::NoGenerator { file: path.to_owned() })?;
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
    pub fn set_class(&mut self, class: Option<usize>) -> Result<(), EngineError> {
        let classes = self.generator.classes();
        if let Some(class) = class.filter(|class| *class >= classes) {
            return Err(EngineError::NoClass { file: self.path.clone(), class, classes });
        }
        self.generator = self.generator.clone().with_class(class);
        if let Some(gan) = &mut self.gan {
            gan.networks.generator = self.generator.clone();
        }
        Ok(())
    }

    /// What the generator takes for a sample: its latent and, in class-conditional models, its class behind it.
    pub fn latent(&self, sample: Sample) -> Result<Vec<f32>, EngineError> {
        let (class, classes) = (sample.class().map(|class| class as usize), self.generator.classes());
        match class.filter(|class| *class >= classes) {
            Some(class) => Err(EngineError::NoClass { file: self.path.clone(), class, classes }),
            None => Ok(self.generator.latent_of(sample.address(), class)),
        }
    }

    /// Puts a discriminator beside the generator.
    pub fn adopt_discriminator(&mut self, mut params: Params) -> Result<(), EngineError> {
        self.gan = Some(gan(&self.path, &mut self.template, &mut params, &self.generator, &self.g_ema)?);
        self.template.d = Some(params);
        Ok(())
    }

    /// The networks for training.
    pub fn gan(&self) -> Result<&Gan, EngineError> {
        self.gan.as_ref().ok_or_else(|| EngineError::NoDiscriminator { file: self.path.clone() })
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
            w_dim: self.generator.w_dim(),
            details: self.generator.details(),
            channels: self.generator.channels(),
            generator_parameters: self.g_ema.layout.total(),
            discriminator_parameters: self.gan.as_ref().map(|gan| gan.d.layout.total()),
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

    /// The file's content with networks and optimizer states replaced by a training state; buffers and everything
    /// that training does not touch stay bit for bit.
    pub fn with_trained(&self, trained: &Trainer) -> Checkpoint {
        let Checkpoint { g_ema, g, d, g_optim, d_optim, args, ada_aug_p, metadata, dcgan } = &self.template;
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
) -> Result<Gan, EngineError> {
    let device = g_ema.device();
    let disagree = || EngineError::NetworksDisagree { file: path.to_owned() };
    let discriminator =
        read_discriminator(d, &device).map_err(|source| EngineError::Architecture { file: path.to_owned(), source })?;
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

/// The optimizer state of a file as flat vectors; `None` if it has never stepped.
fn adam_from_host(state: &OptimState, like: &FlatParams) -> Option<Adam> {
    let step = state.moments.values().map(|m| m.step).fold(0f32, f32::max);
    if step == 0.0 {
        return None;
    }
    let mut exp_avg = vec![0.0; like.layout.total()];
    let mut exp_avg_sq = exp_avg.clone();
    for (i, (_, _, range)) in like.layout.iter().enumerate() {
        let Some(moments) = state.moments.get(&i) else { continue };
        if moments.exp_avg.data.len() != range.len() || moments.exp_avg_sq.data.len() != range.len() {
            return None;
        }
        exp_avg[range.clone()].copy_from_slice(&moments.exp_avg.data);
        exp_avg_sq[range].copy_from_slice(&moments.exp_avg_sq.data);
    }
    let device = like.device();
    let tensor = |values: Vec<f32>| -> Tensor<1> {
        let shape = [values.len()];
        Tensor::from_data(TensorData::new(values, shape), &device)
    };
    Some(Adam {
        // The stage that adopts the state sets its own hyperparameters.
        config: AdamConfig::lazy(0.0, 1),
        step: f64::from(step),
        exp_avg: tensor(exp_avg),
        exp_avg_sq: tensor(exp_avg_sq),
    })
}

/// An optimizer state as PyTorch keeps it; `groups` are the original's `param_groups`, if there were any.
fn adam_to_host(adam: &Adam, like: &FlatParams, groups: Value) -> OptimState {
    let (exp_avg, exp_avg_sq) = (to_vec(adam.exp_avg.clone()), to_vec(adam.exp_avg_sq.clone()));
    let moments: IndexMap<usize, AdamMoments> = like
        .layout
        .iter()
        .enumerate()
        .map(|(i, (_, shape, range))| {
            let tensor = |values: &[f32]| HostTensor::new(shape.to_vec(), values[range.clone()].to_vec());
            let moments =
                AdamMoments { step: adam.step as f32, exp_avg: tensor(&exp_avg), exp_avg_sq: tensor(&exp_avg_sq) };
            (i, moments)
        })
        .collect();
    let mut group =
        groups.get(0).cloned().unwrap_or_else(|| json!({ "weight_decay": 0, "amsgrad": false, "maximize": false }));
    if let Some(group) = group.as_object_mut() {
        group.insert("lr".to_owned(), json!(adam.config.lr));
        group.insert("betas".to_owned(), json!([adam.config.beta1, adam.config.beta2]));
        group.insert("eps".to_owned(), json!(adam.config.eps));
        group.insert("params".to_owned(), json!((0..like.layout.len()).collect::<Vec<_>>()));
    }
    OptimState { moments, param_groups: json!([group]) }
}
