//! What to look at next, learned from marks.

use super::{error::EngineError, request::SuggestRequest};
use crate::{
    feedback::{LabelerSpec, Reference, Suggestions},
    model::Model,
};

/// Learns from marks; what does not depend on them is kept in `reference` for the next time.
pub(super) fn suggest(
    model: &Model,
    request: &SuggestRequest,
    reference: &mut Option<Reference>,
) -> Result<Suggestions, EngineError> {
    let labeler = request.labeler.as_ref().map(LabelerSpec::open).transpose()?;
    let at = (request.seed, request.psi);
    let made = Reference::renewed(reference.take(), model, at, labeler.as_ref(), &request.feedback)?;
    let reference = reference.insert(made);
    let probe = reference.probe(model, &request.feedback, labeler.as_ref())?;
    Ok(reference.suggest(&probe, &request.feedback, request.count))
}
