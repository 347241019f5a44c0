//! What a labeler has still to look through.

use std::sync::Arc;

use super::{error::EngineError, request::LabelRequest};
use crate::{feedback::LabelerSpec, metrics::Labeler};

/// Seconds for which everything else waits.
const SECONDS: f64 = 0.1;
/// Samples that are looked through at once: before it is known how long one takes, and at most.
const FIRST: u64 = 4;
const MOST: u64 = 64;

/// The samples that a labeler has still to look through, and the labeler.
#[derive(Default)]
pub(super) struct PendingLabels {
    request: Option<Box<LabelRequest>>,
    /// The labeler that was used last.
    labeler: Option<(LabelerSpec, Arc<Labeler>)>,
    /// Seconds that a sample took.
    per_sample: Option<f64>,
}

impl PendingLabels {
    /// These samples instead of any others, or no more.
    pub(super) fn put(&mut self, request: Option<Box<LabelRequest>>) {
        self.request = request.filter(|request| !request.indices.is_empty());
    }

    pub(super) fn take(&mut self) -> Option<Box<LabelRequest>> {
        self.request.take()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.request.is_none()
    }

    /// The labeler, opened unless it is.
    pub(super) fn open(&mut self, spec: &LabelerSpec) -> Result<Arc<Labeler>, EngineError> {
        if let Some((_, labeler)) = self.labeler.as_ref().filter(|(known, _)| known == spec) {
            return Ok(labeler.clone());
        }
        let labeler = Arc::new(spec.open()?);
        self.labeler = Some((spec.clone(), labeler.clone()));
        // It may be a hundred times as large as the one before.
        self.per_sample = None;
        Ok(labeler)
    }

    /// Samples for whose labels everything else can wait.
    pub(super) fn count(&self) -> u64 {
        self.per_sample.map_or(FIRST, |seconds| (SECONDS / seconds.max(1e-9)) as u64).clamp(1, MOST)
    }

    /// Notes how many seconds the labels of so many samples took.
    pub(super) fn took(&mut self, seconds: f64, samples: usize) {
        if samples > 0 {
            self.per_sample = Some(seconds / samples as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_of_how_long_another_labeler_takes() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/labelers");
        let spec = LabelerSpec { path: folder.join("grey8.onnx"), mean: None, std: None };
        let mut pending = PendingLabels::default();
        pending.open(&spec).unwrap();
        pending.took(0.001, 64);
        pending.open(&spec).unwrap();
        assert_eq!(pending.count(), MOST);
        pending.open(&LabelerSpec { mean: Some(vec![0.5]), ..spec }).unwrap();
        assert_eq!(pending.count(), FIRST);
    }

    #[test]
    fn everything_else_waits_for_a_tenth_of_a_second() {
        let mut pending = PendingLabels::default();
        assert_eq!(pending.count(), FIRST);
        for (seconds, samples, count) in [(0.04, 4, 10), (3.0, 2, 1), (0.001, 64, MOST), (5.0, 0, MOST), (0.2, 10, 5)] {
            pending.took(seconds, samples);
            assert_eq!(pending.count(), count, "{samples} samples in {seconds} s");
        }
    }
}
