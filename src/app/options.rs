//! How the window is opened.

use std::{path::PathBuf, time::Instant};

use crate::device::DeviceChoice;

/// How the window is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The model to open; the bundled one if none is named.
    pub model: Option<PathBuf>,
    /// Where every model that is opened gets a project; none is made if nobody says.
    pub projects: Option<PathBuf>,
    /// The compute device, if it is not to be the one chosen last.
    pub device: Option<DeviceChoice>,
    /// A CSV file for the time of every frame.
    pub frame_log: Option<PathBuf>,
    /// The window is drawn by the processor: motion for its own sake would take time from computing.
    pub software: bool,
    /// The window drives itself, prints how long its frames took, and closes.
    pub measure: bool,
    /// When the program began; now, if nobody says.
    pub since: Option<Instant>,
}
