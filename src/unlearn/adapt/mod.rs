//! *Adapt then Unlearn* (Tiwary, Guha, Panda, Prathosh; arXiv 2309.14054): stage 1 adapts copies of the generator to the
//! negatives, held by EWC; stage 2 trains the original on the positives, repelled from the copies. Between them one can
//! also extrapolate.

mod charts;
pub mod ewc;
pub mod extrapolate;
mod extrapolation;
mod fields;
mod method;
pub mod presets;
pub mod repulsion;
pub mod settings;
pub mod stages;

pub use extrapolation::Extrapolate;
pub use method::Adapt;
