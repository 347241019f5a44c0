//! What a stage measures, by name, and what came of it.

use super::stage::StageEnd;
use crate::{
    networks::{FlatParams, flat::to_vec},
    train::{Losses, Trainer},
    unlearn::{
        chart::{Curve, Meaning},
        method::{Ended, MethodError},
        monitor::StageRound,
    },
};

const DISCRIMINATOR: &str = "discriminator";
const GENERATOR: &str = "generator";
pub(crate) const RETENTION: &str = "retention";
const R1: &str = "r1";
const PATH_LENGTH: &str = "path_length";
pub(crate) const TO_ORIGINAL: &str = "to_original";

/// The curves of the two networks' losses.
pub(crate) const ADVERSARIAL_LOSSES: &[Curve] = &[
    Curve { name: DISCRIMINATOR, label: "discriminator", meaning: Meaning::Before },
    Curve { name: GENERATOR, label: "generator", meaning: Meaning::After },
];

/// The losses by name; `term` is the name of the stage's own.
pub(crate) fn values_of(losses: &Losses, term: &'static str) -> Vec<(&'static str, f32)> {
    let some = [
        (DISCRIMINATOR, Some(losses.d)),
        (GENERATOR, Some(losses.g)),
        (term, losses.term),
        (RETENTION, losses.retain),
        (R1, losses.r1),
        (PATH_LENGTH, losses.path),
    ];
    some.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Root mean square difference of two sets of parameters.
pub(crate) fn distance_between(a: &FlatParams, b: &FlatParams) -> f32 {
    let square = (a.values.clone() - b.values.clone()).square().mean();
    to_vec(square).first().map_or(f32::NAN, |square| square.sqrt())
}

/// The state a stage reached, and how it ended.
pub(crate) fn reached(end: StageEnd, at: StageRound) -> (Box<Trainer>, Ended) {
    match end {
        StageEnd::Done(state) => (state, Ended::Done),
        StageEnd::Stopped(state) => (state, Ended::Stopped),
        StageEnd::NonFinite { last_good, loss, iteration } => {
            (last_good, Ended::NonFinite { at, iteration, what: loss })
        }
    }
}

/// Why an interrupted run cannot be gone on with, as a sentence; `reason` is a clause.
pub(crate) fn no_way_on(reason: String) -> MethodError {
    MethodError(format!("the run cannot go on where it was interrupted: {reason}"))
}
