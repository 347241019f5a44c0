//! Training a masked autoencoder from scratch (He et al. 2022, arXiv 2111.06377), resumable like every other training.

use std::{path::Path, sync::Arc};

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{
    card::{Card, TrainingCard},
    fidelity::Fidelity,
    training::Training,
};
use crate::{
    checkpoint::{Checkpoint, state_dict_order},
    data::{ImageSet, Order},
    engine::error::EngineError,
    metrics::Labeler,
    model::Model,
    networks::{CompletionArchitecture, FlatParams, Generator, NormalSource, Pictures, SourceState, flat::to_vec},
    train::{GeneratorTrainer, Movable, adam::AdamConfig, passes},
};

/// Streams of the training's seed.
const WEIGHTS: u64 = 100;
const DRAWS: u64 = 101;
/// The metadata key of a [`CompletionState`], as JSON.
const STATE: &str = "training";
/// Iterations in which the learning rate rises to its full height.
const WARM_UP: usize = 500;
/// The authors' betas.
const BETAS: [f64; 2] = [0.9, 0.95];
/// Decay of the averaged network per iteration.
const EMA_DECAY: f64 = 0.999;

/// Hyperparameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompletionChoices {
    /// Pictures in an iteration.
    pub batch: usize,
    /// Learning rate at its height; it falls to 0 along half a cosine.
    pub lr: f64,
    /// AdamW's weight decay.
    pub decay: f64,
}

impl Default for CompletionChoices {
    /// The authors' decay; batch and rate suit small networks on a processor.
    fn default() -> Self {
        Self { batch: 64, lr: 1e-3, decay: 0.05 }
    }
}

/// Where such a training stands, besides its network and optimizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompletionState {
    iteration: usize,
    seen: u64,
    seed: u64,
    /// The stream of masks.
    masks: SourceState,
    choices: CompletionChoices,
    images: usize,
}

/// A training, between two iterations.
pub struct CompletionTraining {
    model: Model,
    trainer: GeneratorTrainer,
    state: CompletionState,
    /// Iterations that there are to do: the learning rate depends on it.
    of: usize,
    card: Card,
    images: Arc<ImageSet>,
    order: Order,
    masks: NormalSource,
    fidelity: Option<Fidelity>,
    last_good: Option<(GeneratorTrainer, CompletionState)>,
}

impl CompletionTraining {
    /// A training of a new network.
    pub fn fresh(
        architecture: &CompletionArchitecture,
        (choices, seed): (CompletionChoices, u64),
        images: ImageSet,
        card: Card,
        device: &burn::tensor::Device,
    ) -> Result<Self, EngineError> {
        let mut params = architecture.params(&mut NormalSource::new(seed, WEIGHTS));
        // As they come back from a file.
        params.sort_by_cached_key(|key, _| state_dict_order(key));
        let checkpoint = Checkpoint { g_ema: Some(params.clone()), g: Some(params), ..Checkpoint::default() };
        let model = Model::new(Path::new("new"), String::new(), checkpoint, device)?;
        let masks = NormalSource::new(seed, DRAWS).state();
        let state = CompletionState { iteration: 0, seen: 0, seed, masks, choices, images: images.len() };
        let g = model.g_ema.clone();
        Self::new(model, g, state, images, card)
    }

    /// The training that wrote `model`, going on; `None` if none did.
    pub fn resume(model: Model, images: ImageSet, card: Card) -> Option<Result<Self, EngineError>> {
        let state: CompletionState = serde_json::from_str(model.metadata().get(STATE)?).ok()?;
        let (g, optim) = model.trained_completion()?;
        if images.len() != state.images {
            let reason = format!("it was trained on {} images and these are {}", state.images, images.len());
            return Some(Err(EngineError::CannotResume { file: model.path.clone(), reason }));
        }
        Some(Self::new(model, g, state, images, card).map(|mut training| {
            let config = training.trainer.optim.config;
            training.trainer.optim = crate::train::Adam { config, ..optim };
            training
        }))
    }

    fn new(
        model: Model,
        g: FlatParams,
        state: CompletionState,
        images: ImageSet,
        card: Card,
    ) -> Result<Self, EngineError> {
        let CompletionChoices { lr, decay, .. } = state.choices;
        let config = AdamConfig { lr, beta1: BETAS[0], beta2: BETAS[1], eps: 1e-8, decay };
        let images = Arc::new(images);
        let pictures: Arc<dyn Pictures> = Arc::new(Data(images.clone()));
        let generator = model.generator.clone().with_pictures(pictures);
        let mut trainer = GeneratorTrainer::with_optimizer(generator, g, Movable::default(), config, EMA_DECAY);
        trainer.g_ema = model.g_ema.clone();
        let order = Order::new(state.seed, images.len());
        let masks = NormalSource::resume(state.masks);
        let of = state.iteration;
        Ok(Self { model, trainer, state, of, card, images, order, masks, fidelity: None, last_good: None })
    }

    /// The loss and its gradient `[parameters]` on the next pictures.
    fn gradient(&mut self) -> Option<(f32, Tensor<1>)> {
        let network = self.trainer.generator.completion()?;
        let batch = self.state.choices.batch;
        let pictures = self.images.images(&self.order.next(self.state.seen, batch));
        let images = network.normalised(&pictures, &self.trainer.g.device());
        let noise: Vec<f32> = (0..batch * network.patches()).map(|_| self.masks.uniform() as f32).collect();
        let g = &self.trainer.g;
        let device = g.device();
        let pass = passes::pass_of(batch, 0, &device);
        let parts: Vec<_> = (0..batch).step_by(pass).map(|from| (from, pass.min(batch - from))).collect();
        // Every picture hides as many patches, so that the loss of all is the mean of theirs.
        let part = |(from, count): (usize, usize)| {
            let p = g.leaves();
            let order = network.order(&noise[from * network.patches()..(from + count) * network.patches()]);
            let loss = network.training_loss(&p, images.clone().narrow(0, from, count), &order);
            let loss = loss * (count as f64 / batch as f64);
            (to_vec(loss.clone().inner())[0], p.gradient(&mut loss.backward()))
        };
        let (values, gradients): (Vec<f32>, Vec<_>) = passes::side_by_side(parts, &device, part).into_iter().unzip();
        Some((values.into_iter().sum(), passes::sum(gradients)?))
    }

    /// He et al.'s schedule: a rise, then half a cosine.
    fn rate(&self) -> f64 {
        let (done, of) = (self.state.iteration as f64, self.of.max(1) as f64);
        let rise = ((done + 1.0) / (WARM_UP as f64).min(of / 10.0).max(1.0)).min(1.0);
        rise * 0.5 * (1.0 + (std::f64::consts::PI * (done / of).min(1.0)).cos())
    }
}

impl Training for CompletionTraining {
    fn iteration(&self) -> usize {
        self.state.iteration
    }

    fn batch(&self) -> usize {
        self.state.choices.batch
    }

    fn begin(&mut self, of: usize) {
        self.of = of;
    }

    fn step(&mut self) -> Result<(), &'static str> {
        let before = (self.trainer.clone(), self.state.clone());
        let Some((loss, gradient)) = self.gradient() else { return Err("network") };
        if !loss.is_finite() {
            (self.trainer, self.state) = self.last_good.take().unwrap_or(before);
            self.masks = NormalSource::resume(self.state.masks);
            return Err("loss");
        }
        let rate = self.rate();
        self.trainer.step(gradient, rate);
        self.last_good = Some(before);
        self.fidelity = None;
        self.state.iteration += 1;
        self.state.seen += self.state.choices.batch as u64;
        self.state.masks = self.masks.state();
        Ok(())
    }

    fn shown(&self) -> (&Generator, &FlatParams) {
        (&self.trainer.generator, &self.trainer.g_ema)
    }

    fn measure(&mut self, labeler: &Labeler, samples: usize) -> Result<Fidelity, EngineError> {
        let samples = samples.min(self.images.len());
        let (generator, weights) = (&self.trainer.generator, &self.trainer.g_ema);
        let fidelity = Fidelity::measure(generator, weights, &self.images, labeler, samples)?;
        Ok(self.fidelity.insert(fidelity).clone())
    }

    fn checkpoint(&self) -> Checkpoint {
        // The rate of a step is no part of the state.
        let mut optim = self.trainer.optim.clone();
        optim.config.lr = self.state.choices.lr;
        let mut out = self.model.with_trained_completion(&self.trainer.g, &self.trainer.g_ema, &optim);
        TrainingCard {
            card: self.card.clone(),
            images: self.state.images,
            iterations: self.state.iteration,
            images_seen: self.state.seen,
            seed: self.state.seed,
            grown_from: Vec::new(),
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

/// Training images, to be shown completed.
#[derive(Debug)]
struct Data(Arc<ImageSet>);

impl Pictures for Data {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn side(&self) -> usize {
        self.0.side()
    }

    fn picture(&self, number: usize) -> Vec<f32> {
        self.0.images(&[number])
    }

    /// Nobody names them.
    fn digest(&self, _number: usize) -> [u8; 32] {
        [0; 32]
    }

    fn find(&self, _digest: &[u8; 32]) -> Option<usize> {
        None
    }
}
