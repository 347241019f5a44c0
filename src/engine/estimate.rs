//! What a labeler says about a run that is not over yet.

use std::{ops::ControlFlow, sync::Arc};

use super::{error::EngineError, evaluate::label_samples};
use crate::{
    metrics::{Labeler, Labels, Target, evaluate},
    model::Model,
    networks::{FlatParams, Generator},
};

/// Samples of an estimate in between: a tenth of a second on the demo models, and a PUL within a few percent.
const SAMPLES: usize = 256;

/// Compares the state of a run with the model it started from, over few samples.
pub(super) struct Estimator {
    labeler: Arc<Labeler>,
    target: Target,
    seed: u64,
    before: Labels,
}

impl Estimator {
    pub(super) fn new(model: &Model, labeler: Arc<Labeler>, target: Target, seed: u64) -> Result<Self, EngineError> {
        let before = label(&model.generator, &model.g_ema, &labeler, (target.head_number(), seed))?;
        Ok(Self { labeler, target, seed, before })
    }

    /// PUL and Fréchet distance of these weights.
    pub(super) fn estimate(
        &self,
        generator: &Generator,
        weights: &FlatParams,
    ) -> Result<(Option<f64>, Option<f64>), EngineError> {
        let after = label(generator, weights, &self.labeler, (self.target.head_number(), self.seed))?;
        let seen = evaluate(&self.before, &after, &self.target)?;
        Ok((seen.pul, seen.frechet))
    }
}

fn label(
    generator: &Generator,
    weights: &FlatParams,
    labeler: &Labeler,
    (head, seed): (usize, u64),
) -> Result<Labels, EngineError> {
    let labels = label_samples(generator, weights, labeler, head, seed, SAMPLES, &mut |_| ControlFlow::Continue(()))?;
    labels.ok_or_else(|| EngineError::Internal("there is nothing to look at".to_owned()))
}
