//! The two stages: adapt to the negatives, then unlearn on the positives.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{
    ewc::{Ewc, fisher_diagonal},
    extrapolate::extrapolate,
    repulsion::Repulsion,
    settings::{AdaptSettings, StageConfig, Start},
};
use crate::{
    feedback::{ImagePool, PoolCursor},
    model::Gan,
    networks::{FlatParams, SourceState, flat::to_vec, latents::NormalSource},
    train::{BatchInputs, Draw, GeneratorTerm, Labels, Losses, Retained, TrainConfig, Trainer},
    unlearn::monitor::Flow,
};

/// Sees the number (from 0), the losses, the state and the cursors of every iteration, and says whether to go on.
pub type AfterIteration<'a> = dyn FnMut(usize, &Losses, &Trainer, &dyn Fn() -> Cursors) -> Flow + 'a;

/// Where the random numbers and the pools of a stage stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursors {
    rng: SourceState,
    real: PoolCursor,
    unwanted: Option<PoolCursor>,
}

/// Where an interrupted stage goes on.
pub struct StageResume<'a> {
    /// The iteration that comes next.
    pub index: usize,
    /// Where its random numbers and pools stood.
    pub cursors: Cursors,
    /// Puts back the trainer's state; the error is one clause.
    pub restore: &'a dyn Fn(&mut Trainer) -> Result<(), String>,
}

/// How a stage ended.
#[derive(Clone, Debug)]
pub enum StageEnd {
    /// All iterations ran.
    Done(Box<Trainer>),
    /// It was stopped; the state reached so far.
    Stopped(Box<Trainer>),
    /// A loss was not finite; the last state that produced finite losses.
    NonFinite {
        /// The last good state.
        last_good: Box<Trainer>,
        /// Which loss.
        loss: &'static str,
        /// In which iteration of the stage, from 0.
        iteration: usize,
    },
}

/// Stage 1: fine-tunes a copy of the averaged generator on the negatives, held by EWC. The adapted parameters are the
/// returned state's `g_ema`. The error says in one clause why the stage cannot go on where it stood.
pub fn adapt(
    gan: &Gan,
    negatives: &mut ImagePool,
    settings: &AdaptSettings,
    member: usize,
    resume: Option<StageResume<'_>>,
    after: &mut AfterIteration<'_>,
) -> Result<StageEnd, String> {
    let mut rng = NormalSource::new(settings.seed, 1 + member as u64);
    let ewc = ewc(gan, settings, &mut rng);
    let trainer = gan.trainer(settings.adapt.train.clone(), gan.g_ema.clone());
    let term = ewc.as_ref().map(|ewc| ewc as &dyn GeneratorTerm);
    let pools = Images { real: negatives, unwanted: None };
    run_stage(trainer, &settings.adapt, pools, term, &mut rng, resume, after)
}

/// The EWC term around the averaged generator; `None` if its weight is zero.
fn ewc(gan: &Gan, settings: &AdaptSettings, rng: &mut NormalSource) -> Option<Ewc> {
    if settings.ewc_lambda == 0.0 {
        return None;
    }
    let device = gan.g_ema.device();
    let TrainConfig { mixing, random_noise, .. } = settings.adapt.train;
    let samples = settings.fisher_samples;
    let draw = Draw::random(&gan.networks.generator, samples, mixing, random_noise, rng, &device);
    let fisher = fisher_diagonal(&gan.networks, &gan.g_ema, &gan.d, &draw);
    Some(Ewc { lambda: settings.ewc_lambda, fisher, anchor: gan.g_ema.values.clone() })
}

/// Stage 2: trains the original generator on the positives while the repulsion term drives it away from the adapted
/// parameters, each `[parameters]`. The negatives are used only if `unwanted_share` asks for them. The error is that of
/// [`adapt`].
pub fn unlearn(
    gan: &Gan,
    positives: &mut ImagePool,
    negatives: &mut ImagePool,
    adapted: &[Tensor<1>],
    settings: &AdaptSettings,
    resume: Option<StageResume<'_>>,
    after: &mut AfterIteration<'_>,
) -> Result<StageEnd, String> {
    let mut rng = NormalSource::new(settings.seed, 0);
    let mut trainer = gan.trainer(settings.unlearn.train.clone(), start(gan, adapted, settings));
    if settings.extrapolate != 1.0 {
        trainer.g_ema = trainer.g.clone();
    }
    let step = gan.networks.generator.learning_rate_factor();
    let repulsion = Repulsion::new(settings.repulsion, &gan.g.layout, adapted.to_vec());
    let repulsion = repulsion.map(|repulsion| repulsion.in_units_of(step));
    let term = repulsion.as_ref().map(|repulsion| repulsion as &dyn GeneratorTerm);
    let pools = Images { real: positives, unwanted: Some(negatives) };
    run_stage(trainer, &settings.unlearn, pools, term, &mut rng, resume, after)
}

fn start(gan: &Gan, adapted: &[Tensor<1>], settings: &AdaptSettings) -> FlatParams {
    let original = match settings.start {
        Start::Trained => &gan.g,
        Start::Averaged => &gan.g_ema,
    };
    if settings.extrapolate == 1.0 {
        original.clone()
    } else {
        original.with_values(extrapolate(&original.values, adapted, settings.extrapolate))
    }
}

/// What a stage trains on.
struct Images<'a> {
    /// The real images.
    real: &'a mut ImagePool,
    /// Images that count as fakes, if the configuration wants any.
    unwanted: Option<&'a mut ImagePool>,
}

impl Images<'_> {
    fn cursors(&self, rng: &NormalSource) -> Cursors {
        let unwanted = self.unwanted.as_ref().map(|pool| pool.cursor());
        Cursors { rng: rng.state(), real: self.real.cursor(), unwanted }
    }

    fn resume(&mut self, cursors: &Cursors) -> Result<(), String> {
        let unwanted = match (&mut self.unwanted, &cursors.unwanted) {
            (Some(pool), Some(cursor)) => pool.resume(cursor),
            (None, None) => true,
            _ => false,
        };
        let fits = self.real.resume(&cursors.real) && unwanted;
        fits.then_some(()).ok_or_else(|| "the samples it trained on are not these".to_owned())
    }
}

fn run_stage(
    mut trainer: Trainer,
    config: &StageConfig,
    mut images: Images,
    term: Option<&dyn GeneratorTerm>,
    rng: &mut NormalSource,
    resume: Option<StageResume<'_>>,
    after: &mut AfterIteration<'_>,
) -> Result<StageEnd, String> {
    let device = trainer.g.device();
    let mut first = 0;
    if let Some(StageResume { index, cursors, restore }) = resume {
        restore(&mut trainer)?;
        images.resume(&cursors)?;
        (first, *rng) = (index, NormalSource::resume(cursors.rng));
    }
    // A state is known to be good once an iteration that started from it gave finite losses.
    let mut last_good = trainer.clone();
    for index in first..config.iterations {
        let before = trainer.clone();
        trainer.lr_factor = config.lr_factor(index);
        let (batch, unwanted_fakes) = (config.train.batch, config.train.unwanted_fakes());
        let (real, retained) = images.real.batch(batch, rng, &device);
        let unwanted = images.unwanted.as_mut().filter(|_| unwanted_fakes > 0);
        let unwanted = unwanted.map(|pool| pool.batch(unwanted_fakes, rng, &device));
        let class = |origin: &Retained| trainer.networks.generator.labels(&origin.z);
        let labels =
            Labels { real: class(&retained), unwanted: unwanted.as_ref().and_then(|(_, origin)| class(origin)) };
        let unwanted = unwanted.map(|(images, _)| images);
        let inputs = BatchInputs { unwanted, retained: Some(retained), labels };
        let losses = trainer.iterate(index, real, inputs, term, rng);
        if let Some(loss) = losses.non_finite() {
            return Ok(StageEnd::NonFinite { last_good: Box::new(last_good), loss, iteration: index });
        }
        last_good = before;
        let cursors = || images.cursors(rng);
        let stopped = after(index, &losses, &trainer, &cursors) == Flow::Stop;
        if stopped || index + 1 == config.iterations {
            // The last update has not been tried by any forward pass yet.
            if let Some(loss) = non_finite_parameters(&trainer) {
                return Ok(StageEnd::NonFinite { last_good: Box::new(last_good), loss, iteration: index });
            }
        }
        if stopped {
            return Ok(StageEnd::Stopped(Box::new(trainer)));
        }
    }
    Ok(StageEnd::Done(Box::new(trainer)))
}

/// The name of the first network or optimizer with values that are not finite numbers.
fn non_finite_parameters(trainer: &Trainer) -> Option<&'static str> {
    let Trainer { g, d, g_ema, g_optim, d_optim, .. } = trainer;
    [
        (&g_ema.values, "averaged generator"),
        (&g.values, "generator"),
        (&d.values, "discriminator"),
        (&g_optim.exp_avg_sq, "generator's optimizer state"),
        (&d_optim.exp_avg_sq, "discriminator's optimizer state"),
    ]
    .into_iter()
    .find_map(|(values, name)| to_vec(values.clone()).iter().any(|v| !v.is_finite()).then_some(name))
}
