//! Measurements and attacks that say how far forgetting holds, and the report of them.
//!
//! Imports `feedback`, `model`, `metrics`, `train` and `networks`. In: the model before, the model after and, where there is one, a model that was
//! trained without what must go ([`Subject`]), and a labeler ([`Judge`]). Out: [`Findings`], and an [`AuditReport`] of them as a page and as JSON that
//! can be checked ([`verify`]).

mod charts;
mod error;
mod examiner;
mod findings;
mod layers;
mod measure;
mod page;
mod relearn;
mod report;
mod search;
mod statistics;
mod subject;
mod verdict;
mod verify;

pub use error::AuditError;
pub use findings::{
    AUDIT_SEED, AuditBudget, Audited, BackPoint, Findings, GALLERY, Gallery, ModelRelearning, ModelSearch, Part,
    ProbeFacts, WorstCase, WorstSamples,
};
pub use layers::{BlockDistance, LayerSimilarity};
pub use measure::{HeadNames, Independent, Measurements, ModelMeasurement, Pul};
pub use page::{Picture, Pictures, page};
pub use relearn::{RelearnBudget, Relearning};
pub use report::{AncestryNode, AuditReport, Facts, HashedFile, SCHEMA, audited_sha256, digest, sha256};
pub use search::{Search, SearchBudget, Space};
pub use statistics::{Rate, clopper_pearson, pul_interval};
pub use subject::{Judge, Role, Subject};
pub use verdict::{Verdict, hides, limits, verdicts};
pub use verify::{Checked, verify};
