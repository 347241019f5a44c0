//! SalUn (Fan et al. 2024, arXiv 2310.12508) as a method of its own: a saliency mask, and relabelling without a discriminator.
//! The mask alone is an option of every method that trains: `restriction`.

mod method;
mod relabel;
mod settings;

pub use method::Saliency;
pub use settings::SaliencySettings;
