//! What would lose weights that are in no file yet.

use std::path::PathBuf;

use crate::device::DeviceChoice;

/// What is to be done once the person agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// Open another model.
    Open(PathBuf),
    /// Compute on another device; of several GPUs, on the one of this name.
    Device(DeviceChoice, Option<String>),
}
