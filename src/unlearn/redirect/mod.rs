//! Redirect and polish, this program's own: each negative is led to a picture without what must go, along the straight rule of
//! Feature Unlearning, but only the samples that were found to be negative are led, and all others are held where they are. A
//! short adversarial training then makes the shares and the finish right.

mod method;
mod settings;
mod targets;

pub use method::Redirect;
pub use settings::RedirectSettings;
