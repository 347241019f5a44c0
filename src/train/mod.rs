//! One adversarial iteration: losses, R1, path length, optimizers, EMA, adaptive augmentation.
//!
//! Imports `networks` only. In: networks, real images, latents. Out: new parameters and losses. What the generator's
//! own term is (EWC, repulsion) is the caller's: see [`GeneratorTerm`].

pub mod adam;
pub mod augment;
pub mod config;
pub mod draw;
mod finite;
mod generator_trainer;
pub mod losses;
pub mod micro_batch;
mod movable;
pub mod ms_ssim;
pub mod passes;
pub mod path_length;
pub mod r1;
mod rows;
pub mod schedule;
mod state;
mod steps;
pub mod trainer;

pub use adam::Adam;
pub use augment::Augment;
pub use config::{Checkpointing, HalfPrecision, TrainConfig};
pub use draw::Draw;
pub use generator_trainer::{GeneratorTrainer, GeneratorTrainerNumbers};
pub use losses::Losses;
pub use movable::Movable;
pub use state::{TrainedWeights, TrainerNumbers};
pub use trainer::{BatchInputs, GeneratorTerm, Labels, Networks, Retained, Trainer};
