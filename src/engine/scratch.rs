//! Training from scratch, resumable: the same weights come out whether or not it was stopped on the way.
//!
//! That holds on the CPU. A GPU draws noise maps by itself, from a stream that no file can hold.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::{
    error::EngineError,
    fidelity::Fidelity,
    training_card::{Card, Grown, TrainingCard},
};
use crate::{
    checkpoint::Checkpoint,
    data::{ImageSet, Order},
    metrics::Labeler,
    model::Model,
    networks::{Architecture, NormalSource, Params, SourceState},
    train::{Adam, Augment, Extras, Losses, TrainConfig, Trainer},
};

/// The metadata key of a [`State`], as JSON.
const STATE: &str = "training";
/// Streams of the training's seed.
const WEIGHTS: u64 = 100;
const DRAWS: u64 = 101;

/// What a person chooses of the [`TrainConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choices {
    /// Samples per iteration.
    pub batch: usize,
    /// Samples per forward pass; 0 means the whole batch.
    pub micro_batch: usize,
    /// Learning rate.
    pub lr: f64,
    /// Weight of R1.
    pub r1: f64,
    /// Weight of the path length penalty.
    pub path: f64,
    /// Probability of style mixing.
    #[serde(default = "default_mixing")]
    pub mixing: f64,
    /// Whether layers take noise. Small networks use it for detail that they cannot make yet, and keep the dots.
    #[serde(default = "default_noise")]
    pub noise: bool,
    /// Adaptive augmentation: whether it is used, and whether it may mirror images.
    #[serde(default)]
    pub augment: Augmentation,
}

/// Which adaptive augmentation a training uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Augmentation {
    /// None: for data without end, like the drawn avatars.
    #[default]
    None,
    /// All but mirroring: where left and right mean something, as in digits.
    Unmirrored,
    /// All.
    Full,
}

fn default_noise() -> bool {
    true
}

fn default_mixing() -> f64 {
    TrainConfig::default().mixing
}

impl Default for Choices {
    /// The authors' values, but regularised for small images: at 32 and 64 pixels an R1 of 10 slows learning down, and
    /// the path length penalty kept a fresh network from making different images at all (see `benches/README.md`).
    fn default() -> Self {
        let TrainConfig { batch, micro_batch, lr, .. } = TrainConfig::default();
        Self {
            batch,
            micro_batch,
            lr,
            r1: 1.0,
            path: 0.0,
            mixing: default_mixing(),
            noise: true,
            augment: Augmentation::None,
        }
    }
}

impl Choices {
    fn config(&self) -> TrainConfig {
        let Self { batch, micro_batch, lr, r1, path: path_regularize, mixing, noise: random_noise, augment: _ } = *self;
        TrainConfig { batch, micro_batch, lr, r1, path_regularize, mixing, random_noise, ..TrainConfig::default() }
    }

    /// One sentence on what cannot be used.
    pub fn check(&self) -> Result<(), String> {
        let group = crate::networks::discriminator::BATCH_GROUP;
        if self.batch == 0 || (self.batch > group && !self.batch.is_multiple_of(group)) {
            return Err(format!("--batch must be 1 to {group} or a multiple of {group}"));
        }
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return Err("--lr must be a number above 0".to_owned());
        }
        for (name, value) in [("--r1", self.r1), ("--path", self.path)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(format!("{name} must be a number from 0"));
            }
        }
        if !(0.0..=1.0).contains(&self.mixing) {
            return Err("--mixing must be a number from 0 to 1".to_owned());
        }
        Ok(())
    }
}

/// Where a training stands, besides its networks and optimizers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Iterations done.
    pub iteration: usize,
    /// Images taken from the data.
    pub seen: u64,
    /// Seed of weights, data order and draws.
    pub seed: u64,
    /// The stream of latents, mixing and noise.
    pub rng: SourceState,
    /// Running mean of path lengths, its bits: decimal text would not bring back every number.
    pub path_mean: u32,
    /// Probability of augmentation, its bits.
    #[serde(default)]
    pub augment_p: u64,
    /// Hyperparameters.
    pub choices: Choices,
    /// Number of training images.
    pub images: usize,
}

impl State {
    /// Takes it out of what a file is to hold.
    pub fn remove(checkpoint: &mut Checkpoint) {
        checkpoint.metadata.remove(STATE);
    }

    /// The state in a model file's metadata, if it was trained by this program.
    pub fn of(model: &Model) -> Option<Self> {
        serde_json::from_str(model.metadata().get(STATE)?).ok()
    }
}

/// Takes a generator's noise away: its maps and their strengths are 0, and without maps no gradient moves the strengths.
fn silence(generator: &mut Params) {
    let noise = |key: &str| key.starts_with("noises.") || key.ends_with(".noise.weight");
    generator.iter_mut().filter(|(key, _)| noise(key)).for_each(|(_, tensor)| tensor.data.fill(0.0));
}

/// A training from scratch, between two iterations.
pub struct Scratch {
    model: Model,
    trainer: Trainer,
    state: State,
    card: Card,
    grown_from: Vec<Grown>,
    images: ImageSet,
    order: Order,
    rng: NormalSource,
    fidelity: Option<Fidelity>,
    /// The last state that a forward pass has tried.
    last_good: Option<(Trainer, State)>,
}

impl Scratch {
    /// A training of new networks, or of networks that take over a model of half the resolution.
    pub fn fresh(
        architecture: &Architecture,
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
                let (g, d) = (architecture.generator(&mut rng), architecture.discriminator(&mut rng));
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
        let state =
            State { iteration: 0, seen: 0, seed, rng, path_mean: 0, augment_p: 0, choices, images: images.len() };
        let grown_from = small.map(Grown::of).unwrap_or_default();
        Self::new(model, state, images, (card, grown_from))
    }

    /// The training that wrote `model` and [`State::of`] it, going on.
    pub fn resume(model: Model, state: State, images: ImageSet, card: Card) -> Result<Self, EngineError> {
        let grown_from = TrainingCard::of(&model).map(|card| card.grown_from).unwrap_or_default();
        Self::new(model, state, images, (card, grown_from))
    }

    fn new(
        model: Model,
        state: State,
        images: ImageSet,
        (card, grown_from): (Card, Vec<Grown>),
    ) -> Result<Self, EngineError> {
        let gan = model.gan()?;
        let (g, d, g_ema) = (gan.g.clone(), gan.d.clone(), gan.g_ema.clone());
        let mut trainer = Trainer::new(gan.networks.clone(), state.choices.config(), g, d, g_ema);
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

    /// Where the training stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The trainer, for what is shown.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// Compares samples with the data; the result goes into the model's card until the training goes on.
    pub fn measure(&mut self, labeler: &Labeler, samples: usize) -> Result<&Fidelity, EngineError> {
        let (generator, weights) = (&self.trainer.networks.generator, &self.trainer.g_ema);
        Ok(self.fidelity.insert(Fidelity::measure(generator, weights, &self.images, labeler, samples)?))
    }

    /// One iteration. If a loss is not a finite number, its name comes back and the state is the last good one.
    pub fn step(&mut self) -> Result<Losses, &'static str> {
        let before = (self.trainer.clone(), self.state.clone());
        let batch = self.state.choices.batch;
        let side = self.images.side();
        let values = self.images.images(&self.order.next(self.state.seen, batch));
        let real = TensorData::new(values, [batch, 3, side, side]);
        let real = Tensor::from_data(real, &self.trainer.g.device());
        let losses = self.trainer.iterate(self.state.iteration, real, Extras::default(), None, &mut self.rng);
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

    /// Everything that a model file holds, with what resuming needs.
    pub fn checkpoint(&self) -> Checkpoint {
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
        if let Ok(state) = serde_json::to_string(&self.state) {
            out.metadata.insert(STATE.to_owned(), state);
        }
        out
    }
}
