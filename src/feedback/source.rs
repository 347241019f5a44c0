//! Who says which samples are negative and which positive.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{labeler_spec::LabelerSpec, marks::Feedback};

/// Who gives feedback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedbackSource {
    /// A classifier; samples of the classes `forget` are negative, samples it is sure are not are positive.
    Labeler {
        /// The ONNX file.
        labeler: LabelerSpec,
        /// What to forget, as [`Labeler::target`](crate::metrics::Labeler::target) takes it.
        forget: String,
    },
    /// A feedback file; fewer marks than [`CollectSettings::few_marks`](super::CollectSettings::few_marks) are learned from by a probe.
    File(PathBuf),
    /// Marks made in the window, taken like those of a file.
    Marks(Box<Feedback>),
    /// A simulated user who marks a handful of samples page by page, a classifier answering for them.
    Clicks {
        /// The ONNX file.
        labeler: LabelerSpec,
        /// What to forget, as [`Labeler::target`](crate::metrics::Labeler::target) takes it.
        forget: String,
        /// Number of samples that are clicked.
        clicks: usize,
        /// Whether only negatives are clicked, and the rest of the pages looked at may stay.
        rest_may_stay: bool,
        /// Whether the probe also sees the classifier's features. It then learns from who gives the answers, so this says
        /// what a classifier made for such images adds, not what the GAN alone knows.
        features: bool,
        /// Whether the user also draws where in the picture the thing is, as the program that draws faces knows it.
        #[serde(default)]
        regions: bool,
    },
}

impl FeedbackSource {
    /// Whether a person marked the samples and no labeler had a part in it.
    pub fn is_marks(&self) -> bool {
        matches!(self, Self::Marks(_) | Self::File(_))
    }
}
