//! How far a job is.

use serde::{Serialize, Serializer};

use crate::{audit::Part, unlearn::StageRound};

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Training a discriminator for a generator that came without one.
    WarmUp,
    /// Sorting samples into negatives and positives.
    Label,
    /// A stage of the method.
    Method(StageRound),
    /// Measuring the result.
    Evaluate,
    /// Training from scratch.
    Train,
    /// A part of an audit.
    Audit(Part),
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WarmUp => f.write_str("warm up"),
            Self::Label => f.write_str("label"),
            Self::Method(at) => at.fmt(f),
            Self::Evaluate => f.write_str("evaluate"),
            Self::Train => f.write_str("train"),
            Self::Audit(part) => f.write_str(match part {
                Part::Measure => "measure",
                Part::Layers => "layers",
                Part::Search => "search",
                Part::Masks => "masks",
                Part::Relearn => "relearn",
                Part::Back => "way back",
            }),
        }
    }
}

impl Serialize for Phase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Steps done in this phase.
    pub done: usize,
    /// Steps in this phase.
    pub of: usize,
    /// Estimate for the rest of the job, all its phases, in seconds; pauses do not count. `None` until the first steps were measured.
    pub seconds_left: Option<f64>,
}
