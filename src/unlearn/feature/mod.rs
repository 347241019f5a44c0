//! Feature Unlearning (Moon, Cho, Kim 2023, arXiv 2303.05699): each sample becomes itself without the feature, by one straight
//! direction among the latents. No discriminator, no adversary.

mod method;
mod settings;
mod targets;

pub use method::Feature;
pub use settings::FeatureSettings;
