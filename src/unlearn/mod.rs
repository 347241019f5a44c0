//! The method, *Adapt then Unlearn* (Tiwary, Guha, Panda, Prathosh; arXiv 2309.14054): feedback, EWC, repulsion, the
//! two stages, extrapolation.
//!
//! Imports `train` and `networks`. In: a [`stages::Gan`], pools of negative and positive images, [`Settings`]. Out: the
//! trained state, through a [`stages::Monitor`] that sees every iteration.

pub mod ewc;
pub mod extrapolate;
pub mod feedback;
pub mod pool;
pub mod probe;
pub mod repulsion;
pub mod settings;
pub mod stages;

pub use settings::{Preset, Settings, StageConfig, Start};
pub use stages::{Ended, Flow, Gan, Iteration, Monitor, Stage};
