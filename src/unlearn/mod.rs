//! The methods, each in a folder of its own.
//!
//! Imports `feedback`, `model`, `train` and `networks`.

pub mod adapt;

pub use adapt::{
    settings::{Preset, Settings, StageConfig, Start},
    stages::{Ended, Flow, Iteration, Monitor, Stage},
};
