//! A model file opened on a device, its samples, and the way back into a file.
//!
//! Imports `checkpoint`, `train` and `networks`. In: a path and a device. Out: a [`Model`] with a [`ModelCard`] for a
//! person and a [`Gan`] to train; images at addresses ([`Sample`]) through a [`Sampler`].

mod card;
mod error;
mod gan;
mod heap;
mod opened;
mod optimizer;
mod passes;
mod provenance;
mod sample;
mod sampler;

pub use card::{MapBytes, ModelCard};
pub use error::ModelError;
pub use gan::Gan;
pub use opened::Model;
pub use passes::samples_of_a_pass;
pub use provenance::program;
pub use sample::Sample;
pub use sampler::Sampler;
