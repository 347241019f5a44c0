//! A project: a folder that remembers a history of models, what was asked of each, the marks, and runs in progress.
//!
//! ```text
//! NAME.unlearn/
//!   project.json             the history: every node, its parent, what was asked, what came of it
//!   lock                     held by the program that may change the project
//!   nodes/0/MODEL            the model that was opened first (copied when the first request is made)
//!   nodes/0/marks.json       the marks made on it, a feedback file
//!   nodes/1/request.json     what was asked of the parent: feedback, method, settings
//!   nodes/1/run.safetensors  where the run stands, until it has ended
//!   nodes/1/model.*          the result
//!   nodes/1/report.json      what was measured
//!   nodes/1/snapshots/       states of the run
//! ```
//!
//! Plain files, readable with any JSON and safetensors tool, each written by `atomic_file`. Imports `feedback` and
//! `checkpoint`; what a request or a position says is its caller's business and is kept as JSON.

mod copy;
mod error;
mod lock;
mod manifest;
mod retrained;
mod run_state;
mod stopped;
mod store;

pub use error::ProjectError;
pub use manifest::{Asked, Manifest, Node, NodeId, Numbers, Retrained, Status};
pub use run_state::RunState;
pub use store::{Original, Project, is_project};
