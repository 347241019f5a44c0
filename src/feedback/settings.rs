//! How negatives and positives are looked for.

use serde::{Deserialize, Serialize};

/// Samples of the pool's seed are drawn at this truncation: none.
pub(super) const POOL_PSI: f32 = 1.0;

/// What a person chooses of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectSettings {
    /// Samples a labeler or a probe looks at to find negatives and positives.
    pub labelled: usize,
    /// A labelled sample counts as positive if its probability of what must go is at most this.
    pub positive_below: f64,
    /// Fewer marked samples than this are not trained on as they are: a probe learns from them and marks those of
    /// `labelled` others that it is sure of. 0 never does.
    #[serde(default)]
    pub few_marks: usize,
    /// Seed of the samples that are looked at.
    pub seed: u64,
}
