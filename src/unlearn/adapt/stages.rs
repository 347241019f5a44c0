//! The two stages: adapt to the negatives, then unlearn on the positives.

use burn::tensor::Tensor;

use super::{
    ewc::{Ewc, fisher_diagonal},
    extrapolate::extrapolate,
    repulsion::Repulsion,
    settings::{AdaptSettings, Start},
};
use crate::{
    feedback::ImagePool,
    model::Gan,
    networks::{FlatParams, latents::NormalSource},
    train::{Draw, GeneratorTerm, TrainConfig},
    unlearn::{
        adversarial::{AfterIteration, Images, Stage, StageEnd, StageResume},
        restriction::Restricted,
    },
};

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
    let stage = Stage { config: &settings.adapt, restricted: &Restricted::default() };
    stage.run(trainer, pools, term, &mut rng, resume, after)
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
    // Squares of small gradients would vanish in half precision.
    let networks = gan.networks.clone().with_half_precision(false);
    let fisher = fisher_diagonal(&networks, &gan.g_ema, &gan.d, &draw);
    Some(Ewc { lambda: settings.ewc_lambda, fisher, anchor: gan.g_ema.values.clone() })
}

/// What stage 2 works with.
pub struct Pools<'a> {
    /// The real images.
    pub positives: &'a mut ImagePool,
    /// Used only if `unwanted_share` asks for them.
    pub negatives: &'a mut ImagePool,
    /// Parameters of every adapted generator, each `[parameters]`.
    pub adapted: &'a [Tensor<1>],
    /// Which weights may move.
    pub restricted: &'a Restricted,
}

/// Stage 2: trains the original generator on the positives while the repulsion term drives it away from the adapted
/// parameters. The error is that of [`adapt`].
pub fn unlearn(
    gan: &Gan,
    Pools { positives, negatives, adapted, restricted }: Pools<'_>,
    settings: &AdaptSettings,
    resume: Option<StageResume<'_>>,
    after: &mut AfterIteration<'_>,
) -> Result<StageEnd, String> {
    let mut rng = NormalSource::new(settings.seed, 0);
    let first = restricted.start(&start(gan, adapted, settings));
    let mut trainer = gan.trainer(settings.unlearn.train.clone(), first);
    trainer.g_ema = match settings.extrapolate {
        1.0 => restricted.start(&gan.g_ema),
        _ => trainer.g.clone(),
    };
    let step = gan.networks.generator.learning_rate_factor();
    let repulsion = Repulsion::new(settings.repulsion, &gan.g.layout, adapted.to_vec());
    let repulsion = repulsion.map(|repulsion| repulsion.in_units_of(step));
    let term = repulsion.as_ref().map(|repulsion| repulsion as &dyn GeneratorTerm);
    let pools = Images { real: positives, unwanted: Some(negatives) };
    let stage = Stage { config: &settings.unlearn, restricted };
    stage.run(trainer, pools, term, &mut rng, resume, after)
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
