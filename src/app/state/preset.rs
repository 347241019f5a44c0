//! Settings to start from: the program's own and the person's.

use crate::unlearn::Preset;

/// Which settings a run starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresetChoice {
    /// One of the program's.
    Built(Preset),
    /// One of the person's own.
    Own(String),
}
