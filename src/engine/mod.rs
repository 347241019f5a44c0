//! The background worker: commands in, events out; one file a job.
//!
//! Imports everything below it and knows no window and no terminal. One thread owns the networks; whoever holds the
//! [`Engine`] sends [`Command`]s and receives [`Event`]s. Requests for samples are answered between iterations, and of
//! several requests of one kind only the latest. A panic or an error inside the worker becomes [`Event::Failed`]; what was
//! loaded and reached before stays.
//!
//! The jobs (`open`, `sample`, `label`, `draw`, `suggest`, `run`, `evaluate`, `train`, `audit`, `export`, `files`) take values ([`request`])
//! and give values; what lasts between them is the session's.

mod audit;
mod audit_control;
mod audit_facts;
mod autosave;
mod command;
mod completions;
mod control;
pub mod cost;
mod devices;
mod draw;
mod error;
mod estimate;
pub mod evaluate;
mod event;
mod exclusion;
mod export;
mod files;
pub mod fit;
mod halve;
mod history;
mod job;
mod label;
mod memory;
pub mod memory_estimate;
mod open;
mod pending_labels;
mod phase;
mod pictures;
mod pictures_card;
mod prepare;
mod project_card;
mod report;
pub mod request;
mod results;
mod retrained;
mod run;
mod sample;
mod seed;
mod session;
#[cfg(test)]
mod small_device;
mod smaller_parts;
mod suggest;
mod tiles;
mod time_left;
mod train;
pub mod training;
mod warm_up;
mod weights;
mod worker;

pub use crate::data::ImageSource;
pub use command::Command;
pub use devices::Devices;
pub use error::{EngineError, panic_sentence};
pub use event::{Event, LabelerCard, LabelledSamples, RenderedTiles, SampleLabel, WalkTiles};
pub use memory::{peak_memory, reset_peak_memory};
pub use phase::{Phase, Progress};
pub use pictures_card::PicturesCard;
pub use project_card::{AskedLabeler, AskedRun, InterruptedRun, NodeReport, ProjectCard};
pub use report::{RunReport, Seconds};
pub use request::{
    AuditRequest, AuditSubject, EvaluationRequest, FileJob, LabelQuestion, LabelRequest, OpenRequest, PictureRequest,
    ProjectRequest, RetrainedQuestion, RetrainedRequest, RunRequest, SampleKind, SampleRequest, SuggestRequest, Walk,
    WalkRequest,
};
pub use warm_up::WarmUp;
pub use weights::Weights;
pub use worker::Engine;
