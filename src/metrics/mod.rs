//! What came of it: a labeler's view of samples, PUL, Fréchet distance, pictures.
//!
//! `metrics` imports `networks`, nothing else of the crate. In come images as plain values, out go numbers and files.

mod caption;
mod completions;
pub mod frechet;
pub mod grid;
mod guard;
mod heads;
pub mod labeler;
mod labeler_error;
mod labels;
mod network;
mod preprocess;
pub mod pul;
pub mod tiles;

pub use caption::{Caption, add_caption};
pub use completions::{
    Completed, CompletionChange, CompletionEvaluation, CompletionQuality, completion_quality, hidden_errors,
};
pub use frechet::{Features, FrechetBasis, FrechetError, Gaussian, frechet_distance, frechet_floor};
pub use grid::{GridError, write_before_after, write_grid};
pub use heads::{Head, Target};
pub use labeler::Labeler;
pub use labeler_error::{LabelerError, LabelerProblem};
pub use labels::Labels;
pub use pul::{EvaluateError, Evaluation, evaluate, pul};
pub use tiles::{Tiles, to_rgb8};
