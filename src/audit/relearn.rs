//! *Relearning*: how soon ordinary training on a few pictures of it brings back what was forgotten.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{
    error::AuditError,
    search::SEEN,
    subject::{Judge, Subject},
};
use crate::{
    feedback::ImagePool,
    model::{Gan, Sampler},
    networks::{FlatParams, NormalSource},
    train::{BatchInputs, Labels, TrainConfig},
};

/// Iterations after which is looked: often at first, when most happens.
const LOOKS: [usize; 16] = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80];

/// How long is trained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelearnBudget {
    /// Numbers of pictures that are trained on, one training each.
    pub pictures: Vec<usize>,
    /// Iterations of each at most.
    pub steps: usize,
    /// Samples that are looked at each time.
    pub samples: usize,
    /// Samples of an iteration.
    pub batch: usize,
    /// Samples in one pass; 0 for the whole batch.
    pub micro_batch: usize,
}

/// One training on a few pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relearning {
    /// How many pictures.
    pub pictures: usize,
    /// Iterations and, after each, how many of the samples show it.
    pub curve: Vec<(usize, usize)>,
    /// Samples looked at.
    pub samples: usize,
    /// How many of them show it in the original.
    pub original: usize,
    /// The first iteration after which at least half as many show it as in the original (PUL at most 50); none within the budget.
    pub steps_to_half: Option<usize>,
}

/// A training, and pictures of what came back.
pub struct RelearningResult {
    /// The numbers.
    pub relearning: Relearning,
    /// The weights in the end.
    pub weights: FlatParams,
}

/// Iterations after which is looked, up to the budget's end.
pub fn looks(steps: usize) -> Vec<usize> {
    let mut looks: Vec<usize> = LOOKS.into_iter().filter(|look| *look < steps).collect();
    looks.push(steps);
    looks
}

/// How many of a seed's first samples show it.
pub fn count(
    subject: &Subject,
    weights: &FlatParams,
    judge: Judge<'_>,
    seed: u64,
    samples: usize,
) -> Result<usize, AuditError> {
    let mut sampler = Sampler::new(&subject.generator, weights);
    let [c, h, w] = sampler.image_shape();
    let chunk = sampler.chunk() * 8;
    let mut seen = 0;
    for first in (0..samples).step_by(chunk) {
        let n = chunk.min(samples - first);
        let images = sampler.render_at(seed, first as u64..(first + n) as u64, 1.0);
        let found = judge.probabilities(&images, [n, c, h, w])?;
        seen += found.into_iter().filter(|p| *p > SEEN).count();
    }
    Ok(seen)
}

/// Trains a model on the first `pictures` of a pool like any adversarial training (the paper's iteration with fresh optimizers, without
/// path length, on its own discriminator), until half of what the original shows is back. `original` is how many of `seed`'s first samples show it
/// there. `None` if `progress` (told the samples trained on and drawn) stopped it.
pub fn relearn(
    (subject, gan): (&Subject, &Gan),
    judge: Judge<'_>,
    pictures: &ImagePool,
    budget: &RelearnBudget,
    original: usize,
    seed: u64,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<RelearningResult>, AuditError> {
    let mut pool = ImagePool::new(pictures.shape());
    for place in 0..pictures.len() {
        pool.push(pictures.image(place), pictures.origin(place).clone());
    }
    let config = TrainConfig {
        batch: budget.batch,
        micro_batch: budget.micro_batch,
        path_regularize: 0.0,
        ..TrainConfig::default()
    };
    let mut trainer = crate::train::Trainer::new(
        gan.networks.clone(),
        config,
        subject.weights.clone(),
        gan.d.clone(),
        subject.weights.clone(),
    );
    let device = subject.weights.device();
    let mut rng = NormalSource::new(seed, pool.len() as u64);
    let looks = looks(budget.steps);
    let mut relearning =
        Relearning { pictures: pool.len(), curve: Vec::new(), samples: budget.samples, original, steps_to_half: None };
    let is_back = |seen: usize| original > 0 && 2 * seen >= original;
    let first = count(subject, &trainer.g, judge, seed, budget.samples)?;
    relearning.curve.push((0, first));
    relearning.steps_to_half = is_back(first).then_some(0);
    let steps = if is_back(first) { 0 } else { budget.steps };
    for index in 0..steps {
        let (real, origin) = pool.batch(budget.batch, &mut rng, &device);
        let labels = Labels { real: subject.generator.labels(&origin.z), unwanted: None };
        let losses = trainer.iterate(index, real, BatchInputs { labels, ..BatchInputs::default() }, None, &mut rng);
        if progress(budget.batch).is_break() {
            return Ok(None);
        }
        if !(losses.d.is_finite() && losses.g.is_finite()) {
            break;
        }
        let done = index + 1;
        if !looks.contains(&done) {
            continue;
        }
        let seen = count(subject, &trainer.g, judge, seed, budget.samples)?;
        relearning.curve.push((done, seen));
        if progress(budget.samples / SAMPLES_OF_AN_ITERATION).is_break() {
            return Ok(None);
        }
        if is_back(seen) {
            relearning.steps_to_half = Some(done);
            break;
        }
    }
    Ok(Some(RelearningResult { relearning, weights: trainer.g }))
}

/// Drawing a sample costs about so many times less than training on one.
pub const SAMPLES_OF_AN_ITERATION: usize = 6;

/// Weights on the straight line from `after` (0) back to `before` (1).
pub fn back(before: &FlatParams, after: &FlatParams, part: f64) -> Option<FlatParams> {
    let same = before.layout == after.layout;
    let line = |a: Tensor<1>, b: Tensor<1>| a.clone() + (b - a) * part;
    same.then(|| after.with_values(line(after.values.clone(), before.values.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_end_with_the_budget() {
        assert_eq!(looks(10), [1, 2, 3, 4, 6, 8, 10]);
        assert_eq!(looks(1), [1]);
        assert_eq!(looks(100).last(), Some(&100));
    }
}
