//! Measurements and attacks that say how far forgetting holds, and the report of them.
//!
//! Imports `feedback`, `model`, `metrics`, `train`, `data`, `checkpoint` and `networks`. In: the model before, the model after and, where there is one, a
//! model that was trained without what must go ([`Subject`]), and a labeler ([`Judge`]). Out: [`Findings`], and an [`AuditReport`] of them as a page
//! and as JSON that can be checked ([`verify`]).
//!
//! A model that completes pictures goes through the same: `completion_tally` adds how well it completes, `worst` other masks in place of a
//! search among latents, and `learner` trains either kind as it was made.

mod attack_verdicts;
mod budget;
mod charts;
mod completion_tally;
mod error;
mod examiner;
mod findings;
mod layers;
mod learner;
mod limits;
mod measure;
mod page;
mod plan;
mod relearn;
mod report;
mod search;
mod statistics;
mod subject;
mod verdict;
mod verify;
mod worst;

pub use attack_verdicts::hides;
pub use budget::{AuditBudget, Part, RelearnBudget};
pub use completion_tally::{CompletedPictures, Completions};
pub use error::AuditError;
pub use findings::{
    AUDIT_SEED, Audited, BackPoint, Findings, GALLERY, Gallery, ModelRelearning, ModelSearch, ProbeFacts,
};
pub use layers::{BlockDistance, LayerSimilarity};
pub use limits::limits;
pub use measure::{HeadNames, Independent, Measurements, ModelMeasurement, Pul};
pub use page::{Picture, Pictures, page};
pub use relearn::Relearning;
pub use report::{AncestryNode, AuditReport, Facts, HashedFile, NamedPictures, SCHEMA, audited_sha256, digest, sha256};
pub use search::{Search, SearchBudget, Space};
pub use statistics::{Rate, clopper_pearson, pul_interval};
pub use subject::{Judge, Role, Subject};
pub use verdict::{Verdict, verdicts};
pub use verify::{Checked, verify};
pub use worst::{WorstCase, WorstSamples};
