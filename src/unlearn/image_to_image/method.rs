//! *Image to image* as one of the methods.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::{
    losses::{Seen, gaussian_like, losses},
    settings::{FIELDS, ImageToImageSettings, PRESETS, preset},
};
use crate::{
    feedback::{ImagePool, PoolCursor},
    networks::{CompletionNetwork, FlatParams, NormalSource, SourceState, flat::to_vec},
    train::{GeneratorTrainer, GeneratorTrainerNumbers, Movable, passes},
    unlearn::{
        adversarial::no_way_on,
        chart::{Chart, Curve, Meaning},
        field::Field,
        method::{
            Base, Ended, Method, MethodError, Needs, Outcome, Plan, Preset, Request, SampleSource, normal_values,
        },
        monitor::{Flow, Iteration, Monitor, Stage, StageRound, State, StateRef, UNLEARN},
        restriction::Restricted,
        resume::ResumePoint,
        values::Values,
    },
};

const FORGET: &str = "forget";
const RETAIN: &str = "retain";
const CHARTS: &[Chart] = &[Chart {
    title: "Losses",
    help: "How far the encoder is from noise on pictures that must go, and from itself on pictures that may stay.",
    stage: UNLEARN.id,
    curves: &[
        Curve { name: FORGET, label: "must go", meaning: Meaning::Negative },
        Curve { name: RETAIN, label: "may stay", meaning: Meaning::Positive },
    ],
}];

/// Image-to-image unlearning (Li et al. 2024, arXiv 2402.00351).
#[derive(Clone, Copy, Debug)]
pub struct ImageToImage;

impl Method for ImageToImage {
    fn id(&self) -> &'static str {
        "image-to-image"
    }

    fn name(&self) -> &'static str {
        "Image to image"
    }

    fn help(&self) -> &'static str {
        "The encoder learns to see noise where it sees what must go, and to see all else as before."
    }

    fn reference(&self) -> &'static str {
        "arXiv 2402.00351"
    }

    fn presets(&self) -> &'static [Preset] {
        PRESETS
    }

    fn preset(&self, id: &str) -> Option<Values> {
        preset(id)
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn normalize(&self, values: &Values) -> Result<Values, String> {
        normal_values::<ImageToImageSettings>(values)
    }

    fn check(&self, values: &Values) -> Result<(), String> {
        values.read::<ImageToImageSettings>()?.check()
    }

    /// Without pictures that may stay nothing holds the encoder, which is said and not refused.
    fn needs(&self, _: &Values) -> Needs {
        Needs { samples: SampleSource::Pictures, ..Needs::default() }
    }

    fn plan(&self, values: &Values) -> Option<Plan> {
        Some(values.read::<ImageToImageSettings>().ok()?.plan())
    }

    fn stages(&self) -> &'static [Stage] {
        &[UNLEARN]
    }

    fn charts(&self) -> &'static [Chart] {
        CHARTS
    }

    fn run(&self, request: Request<'_>, monitor: &mut dyn Monitor) -> Result<Outcome, MethodError> {
        let Request { base, negatives, positives, values, resume } = request;
        let settings: ImageToImageSettings = values.read().map_err(MethodError)?;
        let network = base
            .generator
            .completion()
            .ok_or_else(|| MethodError("this method is for models that complete pictures".to_owned()))?;
        if positives.is_empty() {
            monitor.warn("no pictures that may stay: nothing holds what the model makes of other pictures".to_owned());
        }
        let restricted = settings.restriction.find(base, negatives, monitor);
        let restricted = restricted.within(encoder(network, &base.g_ema));
        let mut training = Training { settings: &settings, base, network, restricted, negatives, positives };
        training.run(resume, monitor)
    }
}

/// 1 for the encoder's parameters, `[parameters]`.
fn encoder(network: &dyn CompletionNetwork, like: &FlatParams) -> Tensor<1> {
    let mask = like.layout.fill(|name, _| if network.is_encoder(name) { 1.0 } else { 0.0 });
    let shape = [mask.len()];
    Tensor::from_data(TensorData::new(mask, shape), &like.device())
}

/// Where a training stands between two steps.
#[derive(Serialize, Deserialize)]
struct Numbers {
    next: usize,
    rng: SourceState,
    pools: [PoolCursor; 2],
    trainer: GeneratorTrainerNumbers,
}

struct Training<'a> {
    settings: &'a ImageToImageSettings,
    base: &'a Base,
    network: &'a dyn CompletionNetwork,
    restricted: Restricted,
    negatives: &'a mut ImagePool,
    positives: &'a mut ImagePool,
}

impl Training<'_> {
    fn run(&mut self, resume: Option<ResumePoint>, monitor: &mut dyn Monitor) -> Result<Outcome, MethodError> {
        let (settings, base) = (self.settings, self.base);
        let first = self.restricted.start(&base.g_ema);
        let movable = self.restricted.movable.clone();
        let mut trainer =
            GeneratorTrainer::with_optimizer(base.generator.clone(), first, movable, settings.optimizer(), 0.0);
        let mut rng = NormalSource::new(settings.seed, 0);
        let mut begin = 0;
        if let Some(point) = resume {
            let numbers: Numbers =
                serde_json::from_value(point.position.clone()).map_err(|error| no_way_on(error.to_string()))?;
            let missing = |name| no_way_on(format!("`{name}` is missing, or belongs to other networks"));
            trainer.restore(&numbers.trainer, |name| point.tensor(name)).map_err(missing)?;
            let [negatives, positives] = &numbers.pools;
            if !(self.negatives.resume(negatives) && self.positives.resume(positives)) {
                return Err(no_way_on("the pictures it trained on are not these".to_owned()));
            }
            (begin, rng) = (numbers.next, NormalSource::resume(numbers.rng));
        }
        let at = StageRound { stage: &UNLEARN, round: 0, rounds: 1 };
        let of = settings.iterations;
        let mut last_good = trainer.g_ema.clone();
        for index in begin..of {
            let forget = self.draw(true, &mut rng);
            let retain = (!self.positives.is_empty()).then(|| self.draw(false, &mut rng));
            trainer.movable = Movable { l1: self.restricted.at(index, of).l1, ..trainer.movable };
            let (values, gradient) = self.gradient(&trainer.g, retain.as_ref(), &forget);
            let before = trainer.g_ema.clone();
            trainer.step(gradient, settings.lr_factor(index));
            let broken = values.iter().find(|(_, value)| !value.is_finite()).map(|(name, _)| *name);
            let broken = broken.or_else(|| {
                // The last update has not been tried by any forward pass yet.
                let weights = || to_vec(trainer.g_ema.values.clone().abs().max());
                (index + 1 == of && weights().iter().any(|value| !value.is_finite())).then_some("encoder")
            });
            if let Some(what) = broken {
                let state = Some(State::Generator(Box::new(last_good)));
                return Ok(Outcome { state, ended: Ended::NonFinite { at, iteration: index, what } });
            }
            last_good = before;
            let point = || {
                let pools = [self.negatives.cursor(), self.positives.cursor()];
                let numbers = Numbers { next: index + 1, rng: rng.state(), pools, trainer: trainer.numbers() };
                // Plain numbers and names can always be written as JSON.
                ResumePoint { position: serde_json::to_value(numbers).unwrap_or_default(), tensors: trainer.tensors() }
            };
            let iteration = Iteration { at, index, of, values };
            if monitor.after(&iteration, StateRef::Generator(&trainer.g_ema), &point) == Flow::Stop {
                let state = Some(State::Generator(Box::new(trainer.g_ema)));
                return Ok(Outcome { state, ended: Ended::Stopped });
            }
        }
        Ok(Outcome { state: Some(State::Generator(Box::new(trainer.g_ema))), ended: Ended::Done })
    }

    /// The next pictures of one kind under fresh masks, in passes, and what the original's encoder makes of them, or of noise.
    fn draw(&mut self, forget: bool, rng: &mut NormalSource) -> Vec<Seen> {
        let device = self.base.g_ema.device();
        let pool = if forget { &mut *self.negatives } else { &mut *self.positives };
        let (pictures, _) = pool.batch(self.settings.batch, rng, &device);
        let pictures = to_vec(pictures);
        let images = self.network.normalised(&rgb(&pictures, pool.shape()), &device);
        let shown = if forget { gaussian_like(&images, rng) } else { images.clone() };
        let patches = self.network.patches();
        let noise: Vec<f32> = (0..self.settings.batch * patches).map(|_| rng.uniform() as f32).collect();
        let network = self.network;
        let original = self.base.g_ema.constants();
        let batch = self.settings.batch;
        let pass = passes::pass_of(batch, self.settings.micro_batch, &device);
        let parts: Vec<_> = (0..batch).step_by(pass).map(|from| (from, pass.min(batch - from))).collect();
        let see = |(from, count): (usize, usize)| {
            let order = network.order(&noise[from * patches..(from + count) * patches]);
            let target = network.encode(&original, shown.clone().narrow(0, from, count), &order);
            Seen { images: images.clone().narrow(0, from, count), order, target }
        };
        passes::side_by_side(parts, &device, see)
    }

    /// The losses by name, and the gradient `[parameters]` of `retain + alpha * forget`.
    fn gradient(
        &self,
        g: &FlatParams,
        retain: Option<&Vec<Seen>>,
        forget: &[Seen],
    ) -> (Vec<(&'static str, f32)>, Tensor<1>) {
        let (network, settings) = (self.network, self.settings);
        let pairs: Vec<_> =
            forget.iter().enumerate().map(|(pass, forget)| (forget, retain.and_then(|kept| kept.get(pass)))).collect();
        let part = |(forget, retain): (&Seen, Option<&Seen>)| {
            let share = forget.order.batch() as f64 / settings.batch as f64;
            let p = g.leaves();
            let found = losses(network, &p, retain, forget);
            let value = |loss: &Tensor<1>| to_vec(loss.clone().inner())[0] * share as f32;
            let values = [value(&found.forget), found.retain.as_ref().map_or(0.0, value)];
            let loss = found.forget * settings.alpha;
            let loss = found.retain.map_or(loss.clone(), |retain| loss + retain);
            (values, p.gradient(&mut (loss * share).backward()))
        };
        let (parts, gradients): (Vec<[f32; 2]>, Vec<_>) =
            passes::side_by_side(pairs, &g.device(), part).into_iter().unzip();
        let total = |kind: usize| parts.iter().map(|values| values[kind]).sum::<f32>();
        let mut values = vec![(FORGET, total(0))];
        values.extend(retain.is_some().then(|| (RETAIN, total(1))));
        (values, passes::sum(gradients).unwrap_or_else(|| g.values.zeros_like()))
    }
}

/// Pictures with three channels: grey is repeated.
fn rgb(pictures: &[f32], [channels, height, width]: [usize; 3]) -> Vec<f32> {
    match channels {
        1 => pictures.chunks_exact(height * width).flat_map(|plane| [plane, plane, plane].concat()).collect(),
        _ => pictures.to_vec(),
    }
}
