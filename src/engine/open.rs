//! Opening a model file.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use burn::tensor::Device;

use super::error::EngineError;
use crate::model::Model;

/// Time between two reports; small files are open before the first.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Opens a file on a device; `report` is now and then given the bytes read and those there are to read.
pub(super) fn open(path: &Path, device: &Device, mut report: impl FnMut(u64, u64)) -> Result<Model, EngineError> {
    let mut last = Instant::now();
    let model = Model::load_watched(path, device, &mut |read, of| {
        if last.elapsed() >= REPORT_EVERY {
            last = Instant::now();
            report(read, of);
        }
    })?;
    Ok(model)
}
