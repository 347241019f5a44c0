//! Training a generator towards given images of given latents: what methods without a discriminator run.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{
    adversarial::no_way_on,
    field::{Field, FieldKind},
    method::{Ended, MethodError, Outcome, Plan},
    monitor::{Flow, Iteration, Monitor, StageRound, State, StateRef},
    restriction::Restricted,
    resume::ResumePoint,
};
use crate::{
    feedback::PoolCursor,
    networks::{Dual, FlatParams, Generator, Leaves, Noise, SourceState, flat::to_vec, latents::NormalSource},
    train::{
        GeneratorTrainer, GeneratorTrainerNumbers,
        ms_ssim::ms_ssim,
        passes::{each, parts_of},
        schedule::half_cosine,
    },
};

/// The numbers of a training towards given images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegressionConfig {
    /// Number of iterations.
    pub iterations: usize,
    /// Step size, for parameters of equalised layers.
    pub lr: f64,
    /// The learning rate falls from its start to this fraction of it along half a cosine; 1 keeps it constant.
    pub final_lr: f64,
    /// Samples per iteration.
    pub batch: usize,
    /// Samples in one pass at most; 0 means the whole batch.
    pub micro_batch: usize,
    /// Decay of the averaged generator per iteration.
    pub ema_decay: f64,
}

/// The settings, for methods whose settings have a [`RegressionConfig`] named `train`; the iterations stand first.
pub(crate) const FIELDS: &[Field] = &[
    Field {
        key: "lr",
        paths: &["train.lr"],
        label: "Learning rate",
        help: "Step size.",
        group: GROUP,
        kind: FieldKind::Real { min: 1e-6, max: 0.1, step: 1e-5, decimals: 6 },
    },
    Field {
        key: "final-lr",
        paths: &["train.final_lr"],
        label: "Final rate",
        help: "The fraction of the learning rate that is left at the end; 1 keeps it constant.",
        group: GROUP,
        kind: FieldKind::Real { min: 0.0, max: 1.0, step: 0.01, decimals: 4 },
    },
    Field {
        key: "ema-decay",
        paths: &["train.ema_decay"],
        label: "EMA decay",
        help: "How slowly the averaged generator (the one you see and save) follows the trained one.",
        group: GROUP,
        kind: FieldKind::Real { min: 0.0, max: 0.9999, step: 0.001, decimals: 4 },
    },
    Field {
        key: "batch",
        paths: &["train.batch"],
        label: "Batch",
        help: "Samples per step, half of them of what must go.",
        group: GROUP,
        kind: FieldKind::Integer { min: 2, max: 256, step: 1.0 },
    },
    Field {
        key: "micro-batch",
        paths: &["train.micro_batch"],
        label: "Micro-batch",
        help: "Samples computed at once; fewer need less memory. 0 computes the whole batch, or what of it fits into memory.",
        group: GROUP,
        kind: FieldKind::Integer { min: 0, max: 256, step: 1.0 },
    },
];
const GROUP: &str = "Training";

/// How long a [`RegressionConfig`] named `train` trains.
pub(crate) const ITERATIONS: Field = Field {
    key: "iters",
    paths: &["train.iterations"],
    label: "Unlearning steps",
    help: "How long to unlearn. More steps take longer and are not always better.",
    group: "",
    kind: FieldKind::Integer { min: 1, max: 100_000, step: 5.0 },
};

impl RegressionConfig {
    /// Checks that it can be run; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        if self.iterations == 0 {
            return Err("there must be at least one iteration".to_owned());
        }
        if self.batch < 2 {
            return Err(format!("a batch of {} cannot hold both kinds of samples; take 2 at least", self.batch));
        }
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return Err("the learning rate must be a positive number".to_owned());
        }
        if !(0.0..=1.0).contains(&self.final_lr) {
            return Err("the final rate is a fraction from 0 to 1 of the learning rate".to_owned());
        }
        if !(0.0..1.0).contains(&self.ema_decay) {
            return Err("the decay of the average must be at least 0 and below 1".to_owned());
        }
        Ok(())
    }

    /// Samples in one pass at most.
    pub fn pass(&self) -> usize {
        match self.micro_batch {
            0 => self.batch,
            micro => micro.min(self.batch),
        }
    }

    /// How much there is to do.
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            iterations: self.iterations,
            result_iterations: self.iterations,
            batch: self.batch,
            micro_batch: self.micro_batch,
            samples: self.iterations * self.batch,
            pass: self.pass(),
            auxiliary: 0,
        }
    }

    fn lr_factor(&self, index: usize) -> f64 {
        half_cosine(index, self.iterations, self.final_lr)
    }
}

/// How two images are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Mean absolute difference.
    Absolute,
    /// Mean squared difference.
    Squared,
    /// Mean absolute difference plus 1 - MS-SSIM.
    AbsoluteAndStructure,
}

impl Difference {
    fn between(self, found: Tensor<4>, wanted: Tensor<4>) -> Tensor<1> {
        match self {
            Self::Absolute => (found - wanted).abs().mean(),
            Self::Squared => (found - wanted).square().mean(),
            Self::AbsoluteAndStructure => {
                let structure = ms_ssim(found.clone(), wanted.clone());
                (found - wanted).abs().mean() + 1.0 - structure
            }
        }
    }
}

/// Samples of one kind in a batch: what they are made from and what they should be.
pub(crate) struct Part {
    /// What its loss is called.
    pub(crate) name: &'static str,
    /// `[samples, latent_dim]`.
    pub(crate) z: Tensor<2>,
    /// Truncation, `[samples, 1]`; none truncates nothing.
    pub(crate) psi: Option<Tensor<2>>,
    /// `[samples, channels, side, side]`.
    pub(crate) wanted: Tensor<4>,
    /// How they are compared.
    pub(crate) difference: Difference,
    /// Weight in the loss.
    pub(crate) weight: f64,
}

/// Where the batches come from.
pub(crate) trait Examples {
    /// The next batch.
    fn next(&mut self, rng: &mut NormalSource) -> Vec<Part>;

    /// Where the pools it draws from stand.
    fn cursors(&self) -> Vec<PoolCursor>;

    /// Goes on where such pools stood; `false` if they cannot have been these.
    fn resume(&mut self, cursors: &[PoolCursor]) -> bool;
}

/// Where a training stands between two iterations.
#[derive(Serialize, Deserialize)]
struct Numbers {
    next: usize,
    rng: SourceState,
    pools: Vec<PoolCursor>,
    trainer: GeneratorTrainerNumbers,
}

/// A generator and what it is trained with.
pub(crate) struct Regression<'a> {
    pub(crate) config: &'a RegressionConfig,
    pub(crate) restricted: &'a Restricted,
    /// Centre of truncation of the base model, `[1, w_dim]`, where samples are truncated.
    pub(crate) centre: Option<Tensor<2>>,
    pub(crate) at: StageRound,
    pub(crate) seed: u64,
}

impl Regression<'_> {
    /// Trains `start`, or goes on where `resume` says. The result is the averaged generator.
    pub(crate) fn run(
        &self,
        generator: &Generator,
        start: &FlatParams,
        examples: &mut dyn Examples,
        resume: Option<ResumePoint>,
        monitor: &mut dyn Monitor,
    ) -> Result<Outcome, MethodError> {
        let Self { config, restricted, at, .. } = *self;
        let first = restricted.start(start);
        let mut trainer =
            GeneratorTrainer::new(generator.clone(), first, restricted.movable.clone(), config.lr, config.ema_decay);
        let mut rng = NormalSource::new(self.seed, 0);
        let mut begin = 0;
        if let Some(point) = resume {
            let numbers: Numbers =
                serde_json::from_value(point.position.clone()).map_err(|error| no_way_on(error.to_string()))?;
            let missing = |name| no_way_on(format!("`{name}` is missing, or belongs to other networks"));
            trainer.restore(&numbers.trainer, |name| point.tensor(name)).map_err(missing)?;
            if !examples.resume(&numbers.pools) {
                return Err(no_way_on("the samples it trained on are not these".to_owned()));
            }
            (begin, rng) = (numbers.next, NormalSource::resume(numbers.rng));
        }
        let mut last_good = trainer.g_ema.clone();
        for index in begin..config.iterations {
            let parts = examples.next(&mut rng);
            trainer.movable = restricted.at(index, config.iterations);
            let (losses, gradient) =
                loss_and_gradient(generator, &trainer.g, self.centre.as_ref(), &parts, config.micro_batch);
            let before = trainer.g_ema.clone();
            trainer.step(gradient, config.lr_factor(index));
            let values: Vec<_> = parts.iter().map(|part| part.name).zip(to_vec(losses)).collect();
            let last = index + 1 == config.iterations;
            let broken = values.iter().find(|(_, value)| !value.is_finite()).map(|(name, _)| *name);
            let broken = broken.or_else(|| {
                // The last update has not been tried by any forward pass yet.
                let weights = || to_vec(trainer.g_ema.values.clone().abs().max());
                (last && weights().iter().any(|value| !value.is_finite())).then_some("averaged generator")
            });
            if let Some(what) = broken {
                let state = Some(State::Generator(Box::new(last_good)));
                return Ok(Outcome { state, ended: Ended::NonFinite { at, iteration: index, what } });
            }
            last_good = before;
            let point = || {
                let numbers = Numbers {
                    next: index + 1,
                    rng: rng.state(),
                    pools: examples.cursors(),
                    trainer: trainer.numbers(),
                };
                // Plain numbers and names can always be written as JSON.
                ResumePoint { position: serde_json::to_value(numbers).unwrap_or_default(), tensors: trainer.tensors() }
            };
            let iteration = Iteration { at, index, of: config.iterations, values };
            if monitor.after(&iteration, StateRef::Generator(&trainer.g_ema), &point) == Flow::Stop {
                let state = Some(State::Generator(Box::new(trainer.g_ema)));
                return Ok(Outcome { state, ended: Ended::Stopped });
            }
        }
        Ok(Outcome { state: Some(State::Generator(Box::new(trainer.g_ema))), ended: Ended::Done })
    }
}

/// The loss of every part, `[parts]`, without its weight, and the gradient `[parameters]` of their weighted sum, in passes of
/// `micro_batch` samples at most; 0 as [`parts_of`] says.
pub(crate) fn loss_and_gradient(
    generator: &Generator,
    g: &FlatParams,
    centre: Option<&Tensor<2>>,
    parts: &[Part],
    micro_batch: usize,
) -> (Tensor<1>, Tensor<1>) {
    let device = g.device();
    let rows: Vec<usize> = parts.iter().map(|part| part.z.dims()[0]).collect();
    let (most, beside) = parts_of(micro_batch, &device);
    let all = passes(&rows, if most == 0 { rows.iter().sum() } else { most });
    let pass = |pieces: Vec<Piece>| {
        let p = g.leaves();
        let z = pieces.iter().map(|piece| parts[piece.part].z.clone().narrow(0, piece.from, piece.count)).collect();
        let psi = pieces.iter().map(|piece| match &parts[piece.part].psi {
            Some(psi) => psi.clone().narrow(0, piece.from, piece.count),
            None => Tensor::ones([piece.count, 1], &device),
        });
        let ws =
            truncated(generator, &p, Tensor::cat(z, 0), centre.map(|centre| (centre, Tensor::cat(psi.collect(), 0))));
        let images = generator.synthesize(&p, &ws, &Noise::Constant).value;
        let mut losses = Vec::with_capacity(pieces.len());
        let mut sum: Option<Tensor<1>> = None;
        let mut row = 0;
        for piece in &pieces {
            let part = &parts[piece.part];
            let share = piece.count as f64 / part.z.dims()[0] as f64;
            let found = images.clone().narrow(0, row, piece.count);
            row += piece.count;
            let wanted = part.wanted.clone().narrow(0, piece.from, piece.count);
            let loss = part.difference.between(found, wanted) * share;
            losses.push((piece.part, loss.clone().inner()));
            let weighted = loss * part.weight;
            sum = Some(sum.map_or(weighted.clone(), |sum| sum + weighted));
        }
        (losses, sum.map(|sum| p.gradient(&mut sum.backward())))
    };
    let mut losses: Vec<Option<Tensor<1>>> = vec![None; parts.len()];
    let mut gradient: Option<Tensor<1>> = None;
    for (seen, part) in each(all, beside, pass) {
        for (number, loss) in seen {
            losses[number] = Some(losses[number].take().map_or(loss.clone(), |sum| sum + loss));
        }
        if let Some(part) = part {
            gradient = Some(gradient.map_or(part.clone(), |gradient| gradient + part));
        }
    }
    let losses = losses.into_iter().map(|loss| loss.unwrap_or_else(|| Tensor::zeros([1], &device))).collect();
    (Tensor::cat(losses, 0), gradient.unwrap_or_else(|| g.values.zeros_like()))
}

/// The mapped latents of every layer; with the base's centre and each sample's psi `[samples, 1]`, truncated.
pub(crate) fn truncated(
    generator: &Generator,
    p: &Leaves,
    z: Tensor<2>,
    truncation: Option<(&Tensor<2>, Tensor<2>)>,
) -> Vec<Dual<2>> {
    let w = generator.map(p, z);
    let w = match truncation {
        None => w,
        Some((centre, psi)) => {
            // What is left of a sample at psi 0: the centre, and whatever a family does not truncate.
            let origin = generator.truncate(w.clone(), centre.clone(), 0.0);
            (w - origin.clone()) * psi + origin
        }
    };
    generator.broadcast(w).into_iter().map(Dual::from).collect()
}

/// Rows of one part within one pass.
struct Piece {
    part: usize,
    from: usize,
    count: usize,
}

/// The rows of all parts, in passes of `pass` at most.
fn passes(rows: &[usize], pass: usize) -> Vec<Vec<Piece>> {
    let mut passes: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut room = pass.max(1);
    for (part, &rows) in rows.iter().enumerate() {
        let mut from = 0;
        while from < rows {
            if room == 0 {
                passes.push(Vec::new());
                room = pass.max(1);
            }
            let count = room.min(rows - from);
            if let Some(last) = passes.last_mut() {
                last.push(Piece { part, from, count });
            }
            (from, room) = (from + count, room - count);
        }
    }
    passes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_hold_every_row_once() {
        let found: Vec<Vec<(usize, usize, usize)>> = passes(&[5, 3], 4)
            .iter()
            .map(|pass| pass.iter().map(|piece| (piece.part, piece.from, piece.count)).collect())
            .collect();
        assert_eq!(found, [vec![(0, 0, 4)], vec![(0, 4, 1), (1, 0, 3)]]);
        assert_eq!(passes(&[2, 2], 9).len(), 1);
    }

    #[test]
    fn the_gradient_is_the_slope_whatever_the_passes_and_the_truncation() {
        use crate::{model::Model, networks::latents::NormalSource};
        use burn::tensor::{Device, TensorData};
        let device = Device::flex();
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/stylegan2-16.pt");
        let model = Model::load(&file, &device).unwrap();
        let generator = &model.generator;
        let centre = generator.w_mean(&model.g_ema.constants());
        let mut rng = NormalSource::new(1, 0);
        let dim = generator.latent_dim();
        let mut part = |name, count: usize, difference, weight, truncated: bool| {
            let z = Tensor::from_data(TensorData::new(rng.normals(count * dim), [count, dim]), &device);
            let side = generator.resolution();
            let shape = [count, generator.image_channels(), side, side];
            let wanted: Vec<f32> = rng.normals(shape.iter().product()).iter().map(|x| x * 0.3).collect();
            let wanted = Tensor::from_data(TensorData::new(wanted, shape), &device);
            let psi = truncated.then(|| Tensor::ones([count, 1], &device) * 0.6);
            Part { name, z, psi, wanted, difference, weight }
        };
        let parts = [
            part("changed", 3, Difference::AbsoluteAndStructure, 1.5, true),
            part("kept", 2, Difference::Squared, 1.0, false),
        ];
        let loss = |g: &FlatParams, pass: usize| {
            let (losses, gradient) = loss_and_gradient(generator, g, Some(&centre), &parts, pass);
            let losses = to_vec(losses);
            (f64::from(losses[0]) * 1.5 + f64::from(losses[1]), to_vec(gradient))
        };
        let (_, whole) = loss(&model.g_ema, 5);
        let (_, split) = loss(&model.g_ema, 2);
        let norm = |a: &[f32]| a.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let apart: Vec<f32> = whole.iter().zip(&split).map(|(a, b)| a - b).collect();
        assert!(norm(&apart) < 1e-4 * norm(&whole), "{} of {}", norm(&apart), norm(&whole));
        // Along the gradient itself the slope is its length.
        let direction: Vec<f32> = whole.iter().map(|x| x / norm(&whole) as f32).collect();
        let toward = Tensor::<1>::from_data(TensorData::new(direction.clone(), [direction.len()]), &device);
        let at = |t: f64| loss(&model.g_ema.with_values(model.g_ema.values.clone() + toward.clone() * t), 5).0;
        let step = 2e-3;
        let slope = (at(step) - at(-step)) / (2.0 * step);
        assert!((slope - norm(&whole)).abs() < 0.02 * norm(&whole), "{slope} for {}", norm(&whole));
    }
}
