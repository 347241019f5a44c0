//! Settings to start from: the program's own and the user's.

/// Which settings a run starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresetChoice {
    /// One of the method's, by its id.
    BuiltIn(&'static str),
    /// One of the user's own.
    Custom(String),
}
