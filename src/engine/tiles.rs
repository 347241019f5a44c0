//! Requests for samples, answered: of several of one kind only the latest.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use crossbeam_channel::Sender;
use indexmap::IndexMap;

use super::{
    error::{EngineError, panic_sentence},
    event::{Event, RenderedTiles, WalkTiles},
    history::{has_node, weights_of},
    job::send_event,
    request::{SampleKind, SampleRequest, WalkRequest},
    sample::{render, render_between},
    session::Session,
    weights::Weights,
};
use crate::{
    networks::{FlatParams, Masking, Motion},
    unlearn::StateRef,
};

/// Something to draw.
#[derive(Clone)]
pub(super) enum PendingRequest {
    Samples(SampleRequest),
    Walk(WalkRequest),
}

/// The latest sample request of each kind, and the latest place of a walk.
#[derive(Default)]
pub(super) struct PendingSamples {
    samples: IndexMap<SampleKind, SampleRequest>,
    walk: Option<WalkRequest>,
}

impl PendingSamples {
    pub(super) fn put(&mut self, request: SampleRequest) {
        self.samples.insert(request.kind, request);
    }

    pub(super) fn put_walk(&mut self, request: WalkRequest) {
        self.walk = Some(request);
    }

    /// Puts a request back unless a newer one of its kind has arrived.
    pub(super) fn put_if_absent(&mut self, request: PendingRequest) {
        match request {
            PendingRequest::Samples(request) => {
                self.samples.entry(request.kind).or_insert(request);
            }
            PendingRequest::Walk(request) => {
                self.walk.get_or_insert(request);
            }
        }
    }

    /// A walk goes first: who drags through it looks at nothing else.
    pub(super) fn take(&mut self) -> Option<PendingRequest> {
        let samples = |(_, request)| PendingRequest::Samples(request);
        let walk = self.walk.take().map(PendingRequest::Walk);
        walk.or_else(|| self.samples.shift_remove_index(0).map(samples))
    }
}

/// Answers one request; `current` is the state of a run in progress.
pub(super) fn send_tiles(
    events: &Sender<Event>,
    session: &mut Session,
    request: PendingRequest,
    current: Option<StateRef<'_>>,
) {
    let asked = request.clone();
    let draw = |session: &mut Session| -> Result<Event, EngineError> {
        Ok(match request {
            PendingRequest::Samples(request) => Event::Tiles(Box::new(tiles(session, request, current)?)),
            PendingRequest::Walk(request) => Event::Walk(Box::new(walk_tiles(session, request, current)?)),
        })
    };
    let failed = match catch_unwind(AssertUnwindSafe(|| draw(session))) {
        Ok(Ok(event)) => return send_event(events, event),
        Ok(Err(error)) => error.sentence(),
        Err(panic) => panic_sentence(panic.as_ref()),
    };
    let (weights, event) = match asked {
        PendingRequest::Samples(asked) => (vec![asked.weights], Event::NoTiles(Box::new(asked))),
        PendingRequest::Walk(asked) => (asked.walk.weights.clone(), Event::NoWalk(Box::new(asked))),
    };
    // A node may be deleted, and snapshots go when another node is shown, between the window's asking for a picture and this
    // answer: nobody needs to be told.
    let is_gone = weights.iter().any(|&weights| match weights {
        Weights::Node(id) => !has_node(session, id),
        Weights::Snapshot(number) => session.results.snapshot(number).is_err(),
        _ => false,
    });
    send_event(events, event);
    if !is_gone {
        send_event(events, Event::Failed(failed));
    }
}

/// The values of a set of weights; `current` is the state of a run in progress.
fn values_of(
    session: &mut Session,
    weights: Weights,
    current: Option<StateRef<'_>>,
) -> Result<FlatParams, EngineError> {
    let model = session.model()?;
    match weights {
        Weights::Node(id) => weights_of(session, id),
        // Nothing computes them.
        Weights::Picture | Weights::Masked => Ok(model.g_ema.clone()),
        weights => session.results.weights(&model, weights, current),
    }
}

/// Draws a place on the way between two samples, moved as they are shown.
fn walk_tiles(
    session: &mut Session,
    request: WalkRequest,
    current: Option<StateRef<'_>>,
) -> Result<WalkTiles, EngineError> {
    let clock = Instant::now();
    let motion = session.motion;
    let (rgb, side) = draw_place(session, &request, motion, current)?;
    let mapped = session.model()?.generator.has_mapping();
    Ok(WalkTiles { request, side, rgb, mapped, seconds: clock.elapsed().as_secs_f64() })
}

/// A place on the way between two samples, `[weights, side, side, 3]`, and its side.
pub(super) fn draw_place(
    session: &mut Session,
    WalkRequest { walk, t }: &WalkRequest,
    motion: Motion,
    current: Option<StateRef<'_>>,
) -> Result<(Vec<u8>, usize), EngineError> {
    let model = session.model()?;
    let (mut rgb, mut side) = (Vec::new(), model.generator.resolution());
    for &weights in &walk.weights {
        let params = values_of(session, weights, current)?;
        let state = (session.results.version, motion);
        let (drawn, drawn_side) = render_between(&model, &params, (walk, weights, *t), state, &mut session.centres)?;
        rgb.extend(drawn);
        side = drawn_side;
    }
    Ok((rgb, side))
}

/// Renders samples of the session's weights.
pub(super) fn tiles(
    session: &mut Session,
    request: SampleRequest,
    current: Option<StateRef<'_>>,
) -> Result<RenderedTiles, EngineError> {
    let model = session.model()?;
    let clock = Instant::now();
    let weights = values_of(session, request.weights, current)?;
    let finding = clock.elapsed().as_secs_f64();
    // Marks and pictures that are saved show a sample as it is.
    let (motion, masking) = match request.kind {
        SampleKind::Grid | SampleKind::Detail => (session.motion, session.masking),
        _ => (Motion::default(), Masking::default()),
    };
    let state = (session.results.version, motion, masking);
    let tiles = render(&model, &weights, request, state, &mut session.centres)?;
    Ok(RenderedTiles { finding, ..tiles })
}
