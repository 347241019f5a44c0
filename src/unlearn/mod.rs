//! The methods, each in a folder of its own behind one trait ([`Method`]), and the settings of a run.
//!
//! Imports `feedback`, `model`, `train` and `networks`. In: a [`Base`], pools of negatives and positives, [`Settings`].
//! Out: an [`Outcome`], and on the way, through a [`Monitor`], every iteration. What stages a method has, what it
//! measures and what it can be set to, it declares itself ([`Stage`], [`Chart`], [`Field`]); nobody else knows it.

pub mod adapt;
pub mod adversarial;
mod chart;
mod compute;
pub mod dampen;
pub mod feature;
mod field;
pub mod image_to_image;
mod importance;
mod latent_rule;
pub mod mask;
mod method;
mod monitor;
pub mod redirect;
mod registry;
mod regression;
pub mod reject;
mod restriction;
mod resume;
pub mod saliency;
mod settings;
mod values;

pub use chart::{Chart, Curve, Meaning};
pub use compute::{CHECKPOINTING, ComputeSettings, HALF_PRECISION, uses_half_precision};
pub use field::{Choice, Field, FieldKind};
pub use mask::LayerShare;
pub use method::{Base, Ended, Method, MethodError, Needs, Outcome, Plan, Preset, Request, SampleSource, Slider};
pub use monitor::{Auxiliary, DistantState, Flow, Iteration, Monitor, Stage, StageRound, State, StateRef};
pub use registry::{DEFAULT, FIRST, METHODS, default_method, method};
pub use restriction::{Restricted, Restriction};
pub use resume::ResumePoint;
pub use settings::{COLLECT_FIELDS, SEED, Settings};
pub use values::Values;
