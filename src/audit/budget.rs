//! How long is looked, and at what.

use serde::{Deserialize, Serialize};

use super::search::SearchBudget;

/// How long is looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditBudget {
    /// Samples of every model that are measured; where pictures are completed, those kept for measuring if they are fewer.
    pub samples: usize,
    /// Latent search.
    pub search: SearchBudget,
    /// Relearning.
    pub relearn: RelearnBudget,
    /// Samples of each kind over which features are compared.
    pub compared: usize,
    /// Samples at each place on the way back.
    pub back: usize,
}

impl Default for AuditBudget {
    fn default() -> Self {
        Self {
            samples: 3000,
            search: SearchBudget { starts: 100, steps: 36 },
            relearn: RelearnBudget { pictures: vec![1, 5, 25], steps: 40, samples: 400, batch: 16, micro_batch: 0 },
            compared: 128,
            back: 400,
        }
    }
}

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

/// What a part of an audit is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Measuring.
    Measure,
    /// Comparing layers.
    Layers,
    /// Latent search.
    Search,
    /// Hiding other patches of pictures that are completed.
    Masks,
    /// Relearning.
    Relearn,
    /// The way back.
    Back,
}
