//! The background worker: commands in, events out.
//!
//! Imports everything below it and knows no window. One thread owns the networks; whoever holds the [`Engine`] sends
//! [`Command`]s and receives [`Event`]s. Requests for samples are answered between iterations, and of several requests
//! of one kind only the latest. A panic or an error inside the worker becomes [`Event::Failed`]; what was loaded and
//! reached before stays.

pub mod command;
mod control;
pub mod cost;
mod error;
mod estimate;
pub mod evaluate;
pub mod fidelity;
pub mod files;
pub mod report;
mod run;
pub mod scratch;
mod session;
mod shrink;
pub mod training_card;
pub mod warm_up;
mod worker;

pub use command::{
    Command, Event, Phase, Progress, RunRequest, SampleKind, SampleRequest, SuggestRequest, Tiles, Weights,
};
pub use error::EngineError;
pub use files::{FileJob, LabelerCard};
pub use report::RunReport;
pub use worker::{Engine, panic_sentence};
