//! What methods that train against a discriminator share: a stage of adversarial iterations, its settings, what it
//! measures, and where an interrupted one stands.

mod config;
mod position;
mod stage;
mod values;

pub use config::StageConfig;
pub(crate) use position::Position;
pub use stage::{AfterIteration, Cursors, StageEnd, StageResume};
pub(crate) use stage::{Images, Stage};
pub(crate) use values::{ADVERSARIAL_LOSSES, RETENTION, TO_ORIGINAL, distance_between, no_way_on, reached, values_of};
