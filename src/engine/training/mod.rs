//! Training a model from scratch: its data's order, its hyperparameters, where it stands, what its file says of it.

mod card;
mod choices;
mod completion;
mod fidelity;
mod memory;
mod scratch;
mod state;
mod stepping;

pub use card::{Card, Grown, TrainingCard};
pub use choices::{Augmentation, Choices, ChosenChoices};
pub use completion::{CompletionChoices, CompletionTraining};
pub use fidelity::{Fidelity, HeadShares};
pub use memory::training_bytes;
pub use scratch::Scratch;
pub use state::TrainingState;
pub use stepping::Training;

use std::path::PathBuf;

/// What came of a training.
#[derive(Clone, Debug)]
pub struct TrainReport {
    /// The model that was written.
    pub out: PathBuf,
    /// The picture that was written.
    pub grid: Option<PathBuf>,
    /// Iterations done, what came before included.
    pub done: usize,
    /// Iterations that there were to do.
    pub of: usize,
    /// How like the data the samples are, if it was measured.
    pub fidelity: Option<Fidelity>,
}
