//! A device that has no room for many samples, for tests: computing more of one model file's at once panics as a GPU's driver does.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Model files, how many of their samples fit, and after which iteration (from 0) of what makes the result too many are noticed.
static DEVICES: Mutex<Vec<(PathBuf, usize, usize)>> = Mutex::new(Vec::new());

/// From now on so many samples of this model fit.
pub(super) fn fits(model: &Path, samples: usize, noticed_after: usize) {
    let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
    devices.push((model.to_owned(), samples, noticed_after));
}

/// Panics if so many samples of this model do not fit.
pub(super) fn compute(model: &Path, samples: usize, iteration: usize) {
    let devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let full = devices.iter().any(|(path, fits, after)| path == model && samples > *fits && iteration >= *after);
    assert!(!full, "wgpu error: Out of Memory");
}
