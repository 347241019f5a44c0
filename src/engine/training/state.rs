//! Where a training from scratch stands, in a model file's metadata.

use serde::{Deserialize, Serialize};

use super::choices::Choices;
use crate::{checkpoint::Checkpoint, model::Model, networks::SourceState};

/// The metadata key of a [`TrainingState`], as JSON.
const STATE: &str = "training";

/// Where a training stands, besides its networks and optimizers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    /// Iterations done.
    pub iteration: usize,
    /// Images taken from the data.
    pub seen: u64,
    /// Seed of weights, data order and draws.
    pub seed: u64,
    /// The stream of latents, mixing and noise.
    pub rng: SourceState,
    /// Running mean of path lengths, its bits: decimal text would not bring back every number.
    pub path_mean: u32,
    /// Probability of augmentation, its bits.
    #[serde(default)]
    pub augment_p: u64,
    /// Hyperparameters.
    pub choices: Choices,
    /// Number of training images.
    pub images: usize,
}

impl TrainingState {
    /// Takes it out of what a file is to hold.
    pub fn remove(checkpoint: &mut Checkpoint) {
        checkpoint.metadata.remove(STATE);
    }

    /// Puts it into what a file is to hold.
    pub(super) fn write(&self, checkpoint: &mut Checkpoint) {
        if let Ok(state) = serde_json::to_string(self) {
            checkpoint.metadata.insert(STATE.to_owned(), state);
        }
    }

    /// The state in a model file's metadata, if it was trained by this program.
    pub fn of(model: &Model) -> Option<Self> {
        serde_json::from_str(model.metadata().get(STATE)?).ok()
    }
}
