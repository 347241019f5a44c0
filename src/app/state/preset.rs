//! Settings to start from: the program's own and the user's.

use crate::unlearn::Preset;

/// Which settings a run starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresetChoice {
    /// One of the program's.
    BuiltIn(Preset),
    /// One of the user's own.
    Custom(String),
}
