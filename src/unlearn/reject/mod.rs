//! Reject and retain, this program's own: what works of adversarial training on positives. Unwanted samples stand among the
//! discriminator's fakes, so that it goes on rejecting what is hardly generated any more; the generator keeps its own images
//! of the positives.

mod fields;
mod method;
mod settings;

pub use method::Reject;
pub use settings::RejectSettings;
