//! The studio: everything the window shows and can do, without drawing. What the user asks for goes in through its methods and
//! becomes commands to the engine; the engine's events become what is shown.
//!
//! [`Studio`] is declared in `data`; every other file adds what it can do in one respect and imports nothing else of this
//! folder. Imports the plain data beside it ([`super`]), [`crate::app::link`] and the engine.

mod audits;
mod data;
mod events;
mod files;
mod history;
mod marks_check;
mod order;
mod presets;
mod retrained;
mod runs;
mod samples;
mod unsaved;
mod walks;

pub use data::{Studio, TUNING};
pub use samples::SAMPLES;
