//! Which labeler, before it is opened.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::metrics::{Labeler, LabelerError};

/// A classifier and how it wants its input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelerSpec {
    /// The ONNX file.
    pub path: PathBuf,
    /// Mean to subtract from values in [0, 1]; one number or one per channel.
    #[serde(default)]
    pub mean: Option<Vec<f32>>,
    /// Standard deviation to divide by; one number or one per channel.
    #[serde(default)]
    pub std: Option<Vec<f32>>,
}

impl LabelerSpec {
    /// Opens the classifier.
    pub fn open(&self) -> Result<Labeler, LabelerError> {
        let labeler = Labeler::open(&self.path)?;
        if self.mean.is_none() && self.std.is_none() {
            return Ok(labeler);
        }
        let mean = self.mean.as_deref().unwrap_or(&[0.0]);
        let std = self.std.as_deref().unwrap_or(&[1.0]);
        labeler.with_normalization(mean, std)
    }
}
