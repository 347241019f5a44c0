//! Where an engine computes.

use super::error::EngineError;
use crate::{
    device::{ComputeDevice, DeviceCard, cpu, free_beside},
    remote::Remote,
    unlearn::{Settings, uses_half_precision},
};

/// What an engine computes with: a device of this machine, and for its runs perhaps one of another.
#[derive(Clone, Debug)]
pub struct Devices {
    /// What models are opened on, samples drawn and results measured.
    pub local: ComputeDevice,
    /// What methods run on, if that is elsewhere.
    pub remote: Option<Remote>,
}

impl Devices {
    /// What a person wants to know of what methods run on.
    pub fn card(&self) -> DeviceCard {
        self.remote.as_ref().map_or_else(|| self.local.card(), Remote::card)
    }

    /// Whether what a run with these settings trains on this machine is in half precision. What another machine can, it knows itself.
    pub(super) fn half_precision(&self, settings: &Settings) -> Result<bool, EngineError> {
        let chosen = settings.compute().map_err(EngineError::Settings)?.half_precision;
        let is_here = self.remote.is_none();
        Ok(is_here && uses_half_precision(chosen, &self.local).map_err(EngineError::Settings)?)
    }

    /// Bytes that a run may take beside so many that are held already.
    pub(super) fn free_beside(&self, held: u64) -> Option<u64> {
        let Some(remote) = &self.remote else { return self.local.free_beside(held) };
        Some(free_beside(remote.card().kind, remote.usable_memory()?, held))
    }
}

impl From<ComputeDevice> for Devices {
    fn from(local: ComputeDevice) -> Self {
        Self { local, remote: None }
    }
}

impl From<Remote> for Devices {
    fn from(remote: Remote) -> Self {
        Self { local: cpu(), remote: Some(remote) }
    }
}
