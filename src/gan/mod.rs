//! The networks and nothing else: StyleGAN2 generator and discriminator, dual numbers, seeded latents.
//!
//! `gan` imports no other module of the crate.

pub mod params;

pub use params::{HostTensor, Params};
