//! Which samples show what must be forgotten and which do not: marks and their files, labelers' answers, the probe that
//! learns from a few marks, and the images all that leads to (`image_pool`, which keeps few; `renderer`, which draws the others).
//!
//! Imports `model`, `metrics` and `networks`; for a pool's batches also `train`, for a simulated user `data`. In: a
//! [`Model`](crate::model::Model), a [`FeedbackSource`]. Out: [`Pools`] of images and the [`Feedback`] they stand for;
//! [`Suggestions`] what to mark next.

mod by_probe;
mod collect;
mod error;
mod features;
mod file;
mod gone;
mod image_pool;
mod labeler_spec;
mod marks;
mod pools;
pub mod probe;
pub mod probe_test;
mod reference;
mod region;
mod region_map;
mod renderer;
mod settings;
mod simulated_user;
mod source;

pub use collect::{CollectRequest, collect};
pub use error::PoolError;
pub use file::{FeedbackError, entry_of};
pub use gone::{GoneError, GoneEstimate, MarksProbe, estimate_gone, gone_samples};
pub use image_pool::{ImagePool, PoolCursor};
pub use labeler_spec::LabelerSpec;
pub use marks::{Feedback, Mark};
pub use pools::{FeedbackSummary, Learned, Pools, by_labeler, by_marks};
pub use probe::ProbeError;
pub use reference::{REFERENCE, Ranked, Reference, Suggestions};
pub use region::{MOST_POINTS, Outline, Region, RegionError};
pub use renderer::{Origin, PictureRenderer, Renderer, SampleRenderer, StyleRenderer};
pub use settings::CollectSettings;
pub use simulated_user::{SimulatedUser, known_region};
pub use source::FeedbackSource;

pub use crate::model::Sample;
