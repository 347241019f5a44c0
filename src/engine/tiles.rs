//! Requests for samples, answered: of several of one kind only the latest.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::Sender;
use indexmap::IndexMap;

use super::{
    error::{EngineError, panic_sentence},
    event::{Event, RenderedTiles},
    history::{has_node, weights_of},
    job::send_event,
    request::{SampleKind, SampleRequest},
    sample::render,
    session::Session,
    weights::Weights,
};
use crate::{
    networks::{Masking, Motion},
    unlearn::StateRef,
};

/// The latest sample request of each kind.
#[derive(Default)]
pub(super) struct PendingSamples(IndexMap<SampleKind, SampleRequest>);

impl PendingSamples {
    pub(super) fn put(&mut self, request: SampleRequest) {
        self.0.insert(request.kind, request);
    }

    /// Puts a request back unless a newer one of its kind has arrived.
    pub(super) fn put_if_absent(&mut self, request: SampleRequest) {
        self.0.entry(request.kind).or_insert(request);
    }

    pub(super) fn take(&mut self) -> Option<SampleRequest> {
        self.0.shift_remove_index(0).map(|(_, request)| request)
    }
}

/// Answers one request for samples; `current` is the state of a run in progress.
pub(super) fn send_tiles(
    events: &Sender<Event>,
    session: &mut Session,
    request: SampleRequest,
    current: Option<StateRef<'_>>,
) {
    let asked = request.clone();
    let failed = match catch_unwind(AssertUnwindSafe(|| tiles(session, request, current))) {
        Ok(Ok(tiles)) => return send_event(events, Event::Tiles(Box::new(tiles))),
        Ok(Err(error)) => error.sentence(),
        Err(panic) => panic_sentence(panic.as_ref()),
    };
    // A node may be deleted between the window's asking for its picture and this answer: nobody needs to be told.
    let is_gone = matches!(asked.weights, Weights::Node(id) if !has_node(session, id));
    send_event(events, Event::NoTiles(Box::new(asked)));
    if !is_gone {
        send_event(events, Event::Failed(failed));
    }
}

/// Renders samples of the session's weights.
pub(super) fn tiles(
    session: &mut Session,
    request: SampleRequest,
    current: Option<StateRef<'_>>,
) -> Result<RenderedTiles, EngineError> {
    let model = session.model()?;
    let weights = match request.weights {
        Weights::Node(id) => weights_of(session, id)?,
        // Nothing computes them.
        Weights::Picture | Weights::Masked => model.g_ema.clone(),
        weights => session.results.weights(&model, weights, current)?,
    };
    // Marks and pictures that are saved show a sample as it is.
    let (motion, masking) = match request.kind {
        SampleKind::Grid | SampleKind::Detail => (session.motion, session.masking),
        _ => (Motion::default(), Masking::default()),
    };
    render(&model, &weights, request, (session.results.version, motion, masking), &mut session.centres)
}
