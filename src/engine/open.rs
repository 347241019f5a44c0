//! Opening a model file.

use std::time::{Duration, Instant};

use burn::tensor::Device;

use super::{error::EngineError, request::OpenRequest};
use crate::model::Model;

/// Time between two reports; small files are open before the first.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Opens a file on a device; `report` is now and then given the bytes read and those there are to read.
pub(super) fn open(
    request: &OpenRequest,
    device: &Device,
    mut report: impl FnMut(u64, u64),
) -> Result<Model, EngineError> {
    let mut last = Instant::now();
    let model = Model::load_with_classes(&request.path, request.classes, device, &mut |read, of| {
        if last.elapsed() >= REPORT_EVERY {
            last = Instant::now();
            report(read, of);
        }
    })?;
    Ok(model)
}
