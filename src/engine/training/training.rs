//! What every training from scratch is to whoever steps it.

use super::fidelity::Fidelity;
use crate::{
    checkpoint::Checkpoint,
    engine::error::EngineError,
    metrics::Labeler,
    networks::{FlatParams, Generator},
};

/// A training, between two iterations.
pub trait Training {
    /// Iterations done.
    fn iteration(&self) -> usize;

    /// Images in an iteration.
    fn batch(&self) -> usize;

    /// Said once before the first step: so many iterations are to be done, those before included.
    fn begin(&mut self, of: usize);

    /// One iteration. If a loss is not a finite number, its name comes back and the state is the last good one.
    fn step(&mut self) -> Result<(), &'static str>;

    /// The generator and the weights that are shown.
    fn shown(&self) -> (&Generator, &FlatParams);

    /// Compares samples with the data; the result goes into the model's card until the training goes on.
    fn measure(&mut self, labeler: &Labeler, samples: usize) -> Result<Fidelity, EngineError>;

    /// Everything that a model file holds, with what resuming needs.
    fn checkpoint(&self) -> Checkpoint;
}
