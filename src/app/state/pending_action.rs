//! What would lose weights that are in no file yet.

use std::path::PathBuf;

use crate::{device::DeviceChoice, remote::Remote};

/// What is to be done once the user agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingAction {
    /// Open another model.
    OpenModel(PathBuf),
    /// Open a model that completes pictures, with drawn faces to complete.
    OpenWithAvatars(PathBuf),
    /// Compute on another device; of several GPUs, on the one of this name.
    ChangeDevice(DeviceChoice, Option<String>),
    /// Let runs compute on another machine.
    UseRemote(Box<Remote>),
}
