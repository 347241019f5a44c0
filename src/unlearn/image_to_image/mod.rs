//! *Machine Unlearning for Image-to-Image Generative Models* (Li et al. 2024, arXiv 2402.00351): an encoder that sees a picture
//! that must be forgotten gives what it gave for noise, and for all others what it gave before.

mod losses;
mod method;
mod settings;

pub use losses::{Losses, Seen, gaussian_like, losses};
pub use method::ImageToImage;
pub use settings::ImageToImageSettings;
