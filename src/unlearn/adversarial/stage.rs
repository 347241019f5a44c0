//! A stage of adversarial iterations: what every method that trains against a discriminator runs.

use serde::{Deserialize, Serialize};

use super::config::StageConfig;
use crate::{
    feedback::{ImagePool, PoolCursor},
    networks::{SourceState, flat::to_vec, latents::NormalSource},
    train::{BatchInputs, GeneratorTerm, Labels, Losses, Retained, Trainer},
    unlearn::{monitor::Flow, restriction::Restricted},
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
        /// The last good state, with fresh optimizers: theirs would take as much memory as the weights all the time.
        last_good: Box<Trainer>,
        /// Which loss.
        loss: &'static str,
        /// In which iteration of the stage, from 0.
        iteration: usize,
    },
}

/// What a stage trains on.
pub(crate) struct Images<'a> {
    /// The real images.
    pub(crate) real: &'a mut ImagePool,
    /// Images that count as fakes, if the configuration wants any.
    pub(crate) unwanted: Option<&'a mut ImagePool>,
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

/// A stage that is to be run.
pub(crate) struct Stage<'a> {
    /// Its numbers.
    pub(crate) config: &'a StageConfig,
    /// Which of the generator's weights may move.
    pub(crate) restricted: &'a Restricted,
}

impl Stage<'_> {
    /// Runs it to its end: one adversarial iteration after the other. The error says in one clause why it cannot go on where it
    /// stood.
    pub(crate) fn run(
        &self,
        mut trainer: Trainer,
        mut images: Images<'_>,
        term: Option<&dyn GeneratorTerm>,
        rng: &mut NormalSource,
        resume: Option<StageResume<'_>>,
        after: &mut AfterIteration<'_>,
    ) -> Result<StageEnd, String> {
        let Self { config, restricted } = *self;
        let device = trainer.g.device();
        let mut first = 0;
        if let Some(StageResume { index, cursors, restore }) = resume {
            restore(&mut trainer)?;
            images.resume(&cursors)?;
            (first, *rng) = (index, NormalSource::resume(cursors.rng));
        }
        // A state is known to be good once an iteration that started from it gave finite losses.
        let mut last_good = trainer.weights();
        for index in first..config.iterations {
            trainer.movable = restricted.at(index, config.iterations);
            let before = trainer.weights();
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
                let last_good = Box::new(trainer.back_to(last_good));
                return Ok(StageEnd::NonFinite { last_good, loss, iteration: index });
            }
            last_good = before;
            let cursors = || images.cursors(rng);
            let stopped = after(index, &losses, &trainer, &cursors) == Flow::Stop;
            if stopped || index + 1 == config.iterations {
                // The last update has not been tried by any forward pass yet.
                if let Some(loss) = non_finite_parameters(&trainer) {
                    let last_good = Box::new(trainer.back_to(last_good));
                    return Ok(StageEnd::NonFinite { last_good, loss, iteration: index });
                }
            }
            if stopped {
                return Ok(StageEnd::Stopped(Box::new(trainer)));
            }
        }
        Ok(StageEnd::Done(Box::new(trainer)))
    }
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
