//! *Relearning*: how soon ordinary training on a few pictures of it brings back what was forgotten.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{
    budget::RelearnBudget,
    error::AuditError,
    learner::{Lessons, learner},
    search::SEEN,
    statistics::Rate,
    subject::{Judge, Subject},
};
use crate::{model::Sampler, networks::FlatParams};

/// Iterations after which is looked: often at first, when most happens.
const LOOKS: [usize; 16] = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80];

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

/// How many of a seed's first samples show it, and of how many that is: of a model that completes pictures there may be fewer.
pub fn count(
    subject: &Subject,
    weights: &FlatParams,
    judge: Judge<'_>,
    seed: u64,
    samples: usize,
) -> Result<Rate, AuditError> {
    let mut sampler = Sampler::new(&subject.generator, weights);
    let [c, h, w] = sampler.image_shape();
    let indices = subject.measured(samples);
    let mut seen = 0;
    for part in indices.chunks(sampler.page(8)) {
        let images = sampler.render_at(seed, part.iter().copied(), 1.0);
        let found = judge.probabilities(&images, [part.len(), c, h, w])?;
        seen += found.into_iter().filter(|p| *p > SEEN).count();
    }
    Ok(Rate::of(seen, indices.len()))
}

/// Trains a model on these pictures as its family is trained ([`learner`]), until half of what the original shows is back. `original` is how
/// many of `seed`'s first samples show it there. `None` if `progress` (told the samples trained on and drawn) stopped it; a model that
/// cannot be trained learns nothing.
pub(super) fn relearn(
    subject: &Subject,
    judge: Judge<'_>,
    lessons: Lessons,
    budget: &RelearnBudget,
    original: Rate,
    seed: u64,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<RelearningResult>, AuditError> {
    let looks = looks(budget.steps);
    let mut relearning = Relearning {
        pictures: lessons.pool.len(),
        curve: Vec::new(),
        samples: original.of,
        original: original.count,
        steps_to_half: None,
    };
    let is_back = |seen: usize| original.count > 0 && 2 * seen >= original.count;
    let first = count(subject, &subject.weights, judge, seed, budget.samples)?.count;
    relearning.curve.push((0, first));
    relearning.steps_to_half = is_back(first).then_some(0);
    let Some(mut learner) = learner(subject, lessons, budget, seed) else {
        return Ok(Some(RelearningResult { relearning, weights: subject.weights.clone() }));
    };
    let steps = if is_back(first) { 0 } else { budget.steps };
    for index in 0..steps {
        let finite = learner.step(index);
        if progress(budget.batch).is_break() {
            return Ok(None);
        }
        if !finite {
            break;
        }
        let done = index + 1;
        if !looks.contains(&done) {
            continue;
        }
        let seen = count(subject, learner.weights(), judge, seed, budget.samples)?.count;
        relearning.curve.push((done, seen));
        if progress(budget.samples / SAMPLES_OF_AN_ITERATION).is_break() {
            return Ok(None);
        }
        if is_back(seen) {
            relearning.steps_to_half = Some(done);
            break;
        }
    }
    Ok(Some(RelearningResult { relearning, weights: learner.weights().clone() }))
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
