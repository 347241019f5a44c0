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
    let known = reference.take();
    let made = match known.filter(|r| r.answers(request.seed, request.psi, labeler.as_ref())) {
        Some(known) => known,
        None => Reference::new(model, (request.seed, request.psi), labeler.as_ref())?,
    };
    let reference = reference.insert(made);
    let probe = reference.probe(model, &request.feedback, labeler.as_ref())?;
    Ok(reference.suggest(&probe, &request.feedback, request.count))
}
