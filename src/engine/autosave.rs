//! Saving where a run stands, beside the run.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::EngineError;
use crate::{
    networks::flat::to_vec,
    project::{ProjectError, RunState},
    unlearn::ResumePoint,
};

/// Time between two saves where nobody says otherwise.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// What is counted over a whole run, whatever comes between.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counters {
    /// Iterations that made the result.
    pub(super) iterations: usize,
    /// Iterations of all stages.
    pub(super) trained: usize,
    /// Wall time of each stage.
    pub(super) seconds: BTreeMap<String, f64>,
}

/// Saves where a run stands, on a thread of its own: the run goes on meanwhile.
pub(super) struct Autosave {
    file: PathBuf,
    every: Duration,
    last: Instant,
    writing: Option<JoinHandle<Result<(), ProjectError>>>,
    /// Whether the person has been told that saving does not work.
    failed: bool,
}

impl Autosave {
    pub(super) fn new(file: PathBuf, every: Duration) -> Self {
        Self { file, every, last: Instant::now(), writing: None, failed: false }
    }

    /// Whether it is time to save again.
    pub(super) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.every && self.writing.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Saves; a save in progress is waited for. Gives a warning the first time that saving fails.
    pub(super) fn save(&mut self, point: ResumePoint, counters: &Counters) -> Option<String> {
        let warning = self.wait();
        let file = self.file.clone();
        let counters = serde_json::to_value(counters).unwrap_or_default();
        let write = move || {
            let ResumePoint { position, tensors } = point;
            let tensors = tensors.into_iter().map(|(name, tensor)| (name, to_vec(tensor))).collect();
            RunState { position, counters, tensors }.save(&file)
        };
        let thread = std::thread::Builder::new().name("unlearn-autosave".to_owned());
        self.writing = thread.spawn(write).ok();
        self.last = Instant::now();
        warning
    }

    /// Waits until what was given is on the disk.
    pub(super) fn wait(&mut self) -> Option<String> {
        let failure = match self.writing.take()?.join() {
            Ok(Ok(())) => {
                self.failed = false;
                return None;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the thread that saves has stopped".to_owned(),
        };
        let first = !std::mem::replace(&mut self.failed, true);
        first.then(|| format!("the run goes on, but where it stands cannot be saved: {failure}"))
    }
}

/// A run that breaks off goes on from what it gave to be saved, and nothing is written into its folder behind its back.
impl Drop for Autosave {
    fn drop(&mut self) {
        self.wait();
    }
}

/// What a saved state was made of.
pub(super) fn resume_point(
    state: RunState,
    device: &burn::tensor::Device,
) -> Result<(ResumePoint, Counters), EngineError> {
    let RunState { position, counters, tensors } = state;
    let tensor = |values: Vec<f32>| -> Tensor<1> {
        let shape = [values.len()];
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    let tensors = tensors.into_iter().map(|(name, values)| (name, tensor(values))).collect();
    let counters = match counters {
        Value::Null => Counters::default(),
        counters => serde_json::from_value(counters).map_err(|error| EngineError::Internal(error.to_string()))?,
    };
    Ok((ResumePoint { position, tensors }, counters))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn what_was_given_to_be_saved_is_on_the_disk_when_a_run_breaks_off() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run");
        let tensors = [("values".to_owned(), Tensor::ones([4_000_000], &Device::flex()))].into_iter().collect();
        let point = ResumePoint { position: serde_json::json!({ "iteration": 3 }), tensors };
        let broke_off = std::panic::catch_unwind(|| {
            let mut autosave = Autosave::new(file.clone(), EVERY);
            autosave.save(point, &Counters { iterations: 4, ..Counters::default() });
            panic!("wgpu error: Out of Memory");
        });
        assert!(broke_off.is_err() && file.is_file());
        let (_, counters) = resume_point(RunState::load(&file).unwrap(), &Device::flex()).unwrap();
        assert_eq!(counters.iterations, 4);
    }
}
