//! Selective Synaptic Dampening (Foster, Schoepf, Brintrup 2024, arXiv 2308.07707) and its loss-free variant: shrinks the
//! weights that matter for the negatives only. Nothing is trained; once the importances are there, other settings are one pass
//! over the weights.

mod dampening;
mod method;
mod settings;

pub use dampening::dampen;
pub use method::Dampen;
pub use settings::DampenSettings;
