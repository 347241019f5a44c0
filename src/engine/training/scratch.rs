//! Training from scratch, resumable: the same weights come out whether or not it was stopped on the way.
//!
//! On the CPU that holds byte for byte. A GPU gets the same latents and noise too, but may round sums differently.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    card::{Card, Grown, TrainingCard},
    choices::{Augmentation, Choices},
    fidelity::Fidelity,
    memory::fit,
    state::TrainingState,
    stepping::Training,
};
use crate::{
    checkpoint::Checkpoint,
    data::{ImageSet, Order},
    engine::error::EngineError,
    metrics::Labeler,
    model::{Model, ModelError},
    networks::{Architecture, FlatParams, FreshFamily, Generator, NormalSource, Params},
    train::{Adam, Augment, BatchInputs, Checkpointing, HalfPrecision, Losses, TrainConfig, Trainer},
};

/// Streams of the training's seed.
const WEIGHTS: u64 = 100;
const DRAWS: u64 = 101;

/// Takes a generator's noise away: its maps and their strengths are 0, and without maps no gradient moves the strengths.
fn silence(generator: &mut Params) {
    let noise = |key: &str| key.starts_with("noises.") || key.ends_with(".noise.weight");
    generator.iter_mut().filter(|(key, _)| noise(key)).for_each(|(_, tensor)| tensor.data.fill(0.0));
}

/// A training from scratch, between two iterations.
pub struct Scratch {
    model: Model,
    trainer: Trainer,
    state: TrainingState,
    card: Card,
    grown_from: Vec<Grown>,
    images: ImageSet,
    order: Order,
    rng: NormalSource,
    fidelity: Option<Fidelity>,
    /// The last state that a forward pass has tried.
    last_good: Option<(Trainer, TrainingState)>,
}

impl Scratch {
    /// A training of new networks, or of networks that take over a model of half the resolution.
    pub fn fresh(
        (family, architecture): (FreshFamily, &Architecture),
        (choices, seed): (Choices, u64),
        images: ImageSet,
        card: Card,
        small: Option<&Model>,
        device: &Device,
    ) -> Result<Self, EngineError> {
        let source = || NormalSource::new(seed, WEIGHTS);
        let mut rng = source();
        let checkpoint = match small {
            None => {
                let g = family.generator(architecture, &mut rng).map_err(|source| {
                    let file = Path::new("new").to_owned();
                    ModelError::Architecture { file, source }
                })?;
                let d = architecture.discriminator(&mut rng);
                Checkpoint { g_ema: Some(g.clone()), g: Some(g), d: Some(d), ..Checkpoint::default() }
            }
            Some(small) => {
                let misfit = || EngineError::CannotGrow { file: small.path.clone() };
                let c = &small.export();
                let grow = |params: &Option<Params>, rng: &mut NormalSource| {
                    params.as_ref().and_then(|params| architecture.grow_generator(params, rng)).ok_or_else(misfit)
                };
                // The new layers of both generators are the same.
                let (g_ema, g) = (grow(&c.g_ema, &mut source())?, grow(&c.g, &mut rng)?);
                let d = c.d.as_ref().and_then(|d| architecture.grow_discriminator(d, &mut rng)).ok_or_else(misfit)?;
                Checkpoint { g_ema: Some(g_ema), g: Some(g), d: Some(d), ..Checkpoint::default() }
            }
        };
        let mut checkpoint = checkpoint;
        if !choices.noise {
            [&mut checkpoint.g, &mut checkpoint.g_ema].into_iter().flatten().for_each(silence);
        }
        let model = Model::new(Path::new("new"), String::new(), checkpoint, device)?;
        let rng = NormalSource::new(seed, DRAWS).state();
        let state = TrainingState {
            iteration: 0,
            seen: 0,
            seed,
            rng,
            path_mean: 0,
            augment_p: 0,
            choices,
            images: images.len(),
        };
        let grown_from = small.map(Grown::of).unwrap_or_default();
        Self::new(model, state, images, (card, grown_from))
    }

    /// The training that wrote `model` and [`TrainingState::of`] it, going on.
    pub fn resume(model: Model, state: TrainingState, images: ImageSet, card: Card) -> Result<Self, EngineError> {
        let grown_from = TrainingCard::of(&model).map(|card| card.grown_from).unwrap_or_default();
        Self::new(model, state, images, (card, grown_from))
    }

    fn new(
        model: Model,
        state: TrainingState,
        images: ImageSet,
        (card, grown_from): (Card, Vec<Grown>),
    ) -> Result<Self, EngineError> {
        let gan = model.gan()?;
        let (g, d, g_ema) = (gan.g.clone(), gan.d.clone(), gan.g_ema.clone());
        let networks = gan.networks.clone().with_checkpointing(state.choices.checkpointing == Checkpointing::On);
        let mut trainer = Trainer::new(networks, state.choices.config(), g, d, g_ema);
        for (fresh, saved) in [(&mut trainer.g_optim, &gan.g_optim), (&mut trainer.d_optim, &gan.d_optim)] {
            if let Some(saved) = saved {
                *fresh = Adam { config: fresh.config, ..saved.clone() };
            }
        }
        trainer.path_mean = f32::from_bits(state.path_mean);
        trainer.augment = match state.choices.augment {
            Augmentation::None => None,
            kind => Some(Augment {
                p: f64::from_bits(state.augment_p),
                mirror: kind == Augmentation::Full,
                ..Augment::default()
            }),
        };
        let order = Order::new(state.seed, images.len());
        let rng = NormalSource::resume(state.rng);
        Ok(Self { model, trainer, state, card, grown_from, images, order, rng, fidelity: None, last_good: None })
    }

    /// What was chosen of half precision.
    pub fn half_precision(&self) -> HalfPrecision {
        self.state.choices.half_precision
    }

    /// Whether it computes in half precision from now on.
    pub fn set_half_precision(&mut self, half: bool) {
        self.trainer.networks = self.trainer.networks.clone().with_half_precision(half);
    }

    /// Lets it compute a batch in parts, and blocks again, where it does not fit into the memory that is free (`free` says how much
    /// that is beside the bytes that it holds already); what is to be said of it, in a sentence. Parts stay what they are when it
    /// is resumed, so that it comes to the same weights.
    pub fn fit_into_memory(&mut self, free: impl FnOnce(u64) -> Option<u64>) -> Option<String> {
        let (mut card, choices) = (self.model.card(), &mut self.state.choices);
        if self.trainer.networks.are_half_precision() {
            card.maps = card.half_maps;
        }
        let parameters = 2 * card.generator_parameters + card.discriminator_parameters.unwrap_or_default();
        let free = free((parameters * size_of::<f32>()) as u64)?;
        let fit = fit(&card, choices, free)?;
        choices.micro_batch = fit.way.samples;
        self.trainer.config = choices.config();
        self.trainer.networks = self.trainer.networks.clone().with_checkpointing(fit.way.checkpointing);
        Some(fit.sentence(free))
    }

    /// Where the training stands.
    pub fn state(&self) -> &TrainingState {
        &self.state
    }

    /// One iteration, and its losses.
    fn iterate(&mut self) -> Result<Losses, &'static str> {
        let before = (self.trainer.clone(), self.state.clone());
        let batch = self.state.choices.batch;
        let side = self.images.side();
        let values = self.images.images(&self.order.next(self.state.seen, batch));
        let real = TensorData::new(values, [batch, 3, side, side]);
        let real = Tensor::from_data(real, &self.trainer.g.device());
        let losses = self.trainer.iterate(self.state.iteration, real, BatchInputs::default(), None, &mut self.rng);
        if let Some(loss) = losses.non_finite() {
            (self.trainer, self.state) = self.last_good.take().unwrap_or(before);
            self.rng = NormalSource::resume(self.state.rng);
            return Err(loss);
        }
        self.last_good = Some(before);
        self.fidelity = None;
        self.state.iteration += 1;
        self.state.seen += batch as u64;
        self.state.rng = self.rng.state();
        self.state.path_mean = self.trainer.path_mean.to_bits();
        self.state.augment_p = self.trainer.augment.map_or(0.0, |augment| augment.p).to_bits();
        Ok(losses)
    }
}

impl Training for Scratch {
    fn iteration(&self) -> usize {
        self.state.iteration
    }

    fn batch(&self) -> usize {
        self.state.choices.batch
    }

    fn begin(&mut self, _of: usize) {}

    fn step(&mut self) -> Result<(), &'static str> {
        self.iterate().map(|_| ())
    }

    fn shown(&self) -> (&Generator, &FlatParams) {
        (&self.model.generator, &self.trainer.g_ema)
    }

    fn measure(&mut self, labeler: &Labeler, samples: usize) -> Result<Fidelity, EngineError> {
        let (generator, weights) = (&self.model.generator, &self.trainer.g_ema);
        let fidelity = Fidelity::measure(generator, weights, &self.images, labeler, samples)?;
        Ok(self.fidelity.insert(fidelity).clone())
    }

    fn checkpoint(&self) -> Checkpoint {
        let mut out = self.model.with_trained(&self.trainer);
        out.ada_aug_p = self.trainer.augment.map(|augment| augment.p);
        // What unlearning follows, under the names that the authors' training script gives them.
        let TrainConfig { batch, lr, r1, path_regularize, mixing, .. } = &self.trainer.config;
        if let serde_json::Value::Object(args) = serde_json::json!({
            "batch": batch, "lr": lr, "r1": r1, "path_regularize": path_regularize, "mixing": mixing,
        }) {
            out.args.extend(args);
        }
        TrainingCard {
            card: self.card.clone(),
            images: self.state.images,
            iterations: self.state.iteration,
            images_seen: self.state.seen,
            seed: self.state.seed,
            grown_from: self.grown_from.clone(),
            fidelity: self.fidelity.clone(),
            program: String::new(),
        }
        .write(&mut out.metadata);
        self.state.write(&mut out);
        out
    }
}
