//! What can go wrong in the engine, each in one sentence.

use std::path::PathBuf;

use crate::{
    audit::AuditError,
    checkpoint::CheckpointError,
    data::DataError,
    device::NoGpu,
    feedback::{FeedbackError, PoolError, ProbeError},
    metrics::{EvaluateError, GridError, LabelerError},
    model::ModelError,
    project::ProjectError,
    remote::RemoteError,
    sanitize::sanitize,
    unlearn::MethodError,
};

/// Why the engine could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Opening, changing or writing a model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Finding negatives and positives.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// Reading or writing a model file.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A model that is no part of a larger one.
    #[error(
        "{}: it cannot be grown; give a model with g, g_ema and d whose resolution is half of what is asked for, and the \
         same channels, latent and mapping", file.display()
    )]
    CannotGrow {
        /// The model file.
        file: PathBuf,
    },
    /// Opening or running a labeler.
    #[error(transparent)]
    Labeler(#[from] LabelerError),
    /// Reading or writing feedback.
    #[error(transparent)]
    Feedback(#[from] FeedbackError),
    /// Learning from a handful of marks.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Comparing before and after.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// Auditing a model.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// No GPU where one was asked for.
    #[error(transparent)]
    Device(#[from] NoGpu),
    /// Reading or changing a project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Settings that cannot be run.
    #[error("{0}")]
    Settings(String),
    /// A method that could not begin.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// A run on another machine.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A number was not finite.
    #[error(
        "{at}, iteration {iteration}: the {what} is not finite; the last good state is kept, try a lower learning rate"
    )]
    NonFinite {
        /// Where.
        at: String,
        /// Number of the iteration, from 1.
        iteration: usize,
        /// Which number.
        what: &'static str,
    },
    /// A training from scratch whose loss was not finite.
    #[error("the {what} is no finite number any more; {} holds iteration {reached}", out.display())]
    Diverged {
        /// The model file.
        out: PathBuf,
        /// Which loss.
        what: &'static str,
        /// The last good iteration.
        reached: usize,
    },
    /// A file that no training can go on from, or not with this data.
    #[error("{}: {reason}", file.display())]
    CannotResume {
        /// The model file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// Two models that cannot be compared.
    #[error("{} and {} have latents of different length and cannot be compared", before.display(), after.display())]
    NotAlike {
        /// The original.
        before: PathBuf,
        /// The other.
        after: PathBuf,
    },
    /// Rounding would be seen.
    #[error("{}: rounding to 16 bits changes a pixel by {change}/255; nothing was written", file.display())]
    TooCoarse {
        /// The file that was to be written.
        file: PathBuf,
        /// By how many 255ths a pixel changes.
        change: u8,
    },
    /// Training data that cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A picture that cannot be drawn or written.
    #[error(transparent)]
    Picture(#[from] GridError),
    /// A file of latents that does not fit.
    #[error("{}: {reason}", file.display())]
    Latents {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A command that does not fit the engine's state.
    #[error("{0}")]
    State(&'static str),
    /// Something failed that should not have.
    #[error("{0}")]
    Internal(String),
}

impl EngineError {
    /// What to tell a person: one sentence on one line, whatever the file it quotes holds.
    pub fn sentence(&self) -> String {
        /// Characters of a sentence.
        const LONGEST: usize = 2000;
        sanitize(&self.to_string(), LONGEST)
    }
}

/// Whether a reason, or a sentence that quotes it, says that a device has no memory left.
pub(super) fn is_out_of_memory(reason: &str) -> bool {
    let lower = reason.to_lowercase();
    let words = ["out of memory", "outofmemory", "out_of_memory", "not enough memory", "capacity overflow"];
    words.iter().any(|word| lower.contains(word))
}

/// What a panic becomes for a person.
pub fn panic_sentence(panic: &(dyn std::any::Any + Send)) -> String {
    let reason = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    let reason = reason.lines().next().unwrap_or_default();
    let lower = reason.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let advice = if is_out_of_memory(reason) {
        "; the device's memory is too small for this: choose a smaller batch or micro-batch, or another device"
    } else if says(&["device lost", "device is lost", "devicelost", "device_lost"]) {
        "; the device was lost: choose another one, or start the program again"
    } else {
        ""
    };
    format!("the computation failed ({reason}){advice}; the last good state is kept")
}

#[cfg(test)]
mod tests {
    use super::panic_sentence;

    #[test]
    fn a_failure_says_what_to_change() {
        let table = [
            ("wgpu error: Out of Memory\nmore", "smaller batch"),
            ("Parent device is lost", "choose another one"),
            ("index out of bounds", "(index out of bounds); the last good state is kept"),
        ];
        for (reason, expected) in table {
            let sentence = panic_sentence(&reason);
            assert!(sentence.contains(expected) && !sentence.contains('\n'), "{sentence}");
            assert!(sentence.ends_with("the last good state is kept"), "{sentence}");
        }
    }
}
