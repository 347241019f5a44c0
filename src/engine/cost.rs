//! What a run will take, before it starts: a rough answer from shapes and from how fast samples are drawn.

use super::memory_estimate::MemoryEstimate;
use crate::{model::ModelCard, unlearn::Settings};

/// An adversarial iteration with all its passes takes about as long as drawing this many of its batches.
///
/// From `benches/README.md`: iterations of 80.6, 232 and 465 ms against 16 samples drawn in 6 to 35 ms.
pub(super) const BATCHES_PER_ITERATION: f64 = 13.0;
/// An estimate of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Wall time of the method, once the speed of drawing or of an iteration is known.
    pub seconds: Option<f64>,
    /// Memory at its highest, in bytes.
    pub bytes: f64,
    /// What of it is taken for what.
    pub memory: MemoryEstimate,
}

/// How fast this machine is with this model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    /// Seconds to draw one sample.
    pub per_sample: Option<f64>,
    /// Seconds of one iteration, from an earlier run with these networks, and its batch.
    pub per_iteration: Option<(f64, usize)>,
}

/// The cost of a run with these settings that keeps `snapshots` states in memory; `None` of settings that cannot be run.
pub fn cost(card: &ModelCard, settings: &Settings, snapshots: usize, speed: Speed) -> Option<Cost> {
    let per_image = match speed {
        Speed { per_iteration: Some((seconds, batch)), .. } => Some(seconds / batch.max(1) as f64),
        Speed { per_sample: Some(seconds), .. } => Some(seconds * BATCHES_PER_ITERATION),
        _ => None,
    };
    let samples = settings.plan()?.samples as f64;
    let memory = MemoryEstimate::of(card, settings, snapshots)?;
    Some(Cost { seconds: per_image.map(|seconds| seconds * samples), bytes: memory.total(), memory })
}

/// How many snapshots a run may keep without taking more than about a gigabyte.
pub fn affordable_snapshots(card: &ModelCard, wanted: usize) -> usize {
    let one = (2 * card.generator_parameters + card.discriminator_parameters.unwrap_or(0)) * 4;
    wanted.min((1 << 30) / one.max(1)).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::memory_estimate::card_of, unlearn::FIRST};

    #[test]
    fn time_grows_with_iterations_and_is_exact_once_it_was_measured() {
        let card = card_of(100_000, 100_000);
        let seconds = |iterations: usize, speed| {
            let mut settings = Settings::of(FIRST);
            settings.set("iters", iterations).unwrap();
            cost(&card, &settings, 0, speed).unwrap().seconds
        };
        assert_eq!(seconds(900, Speed::default()), None);
        let measured = Speed { per_iteration: Some((0.08, 16)), per_sample: Some(9.0) };
        for (iterations, expected) in [(900, 1000.0), (1800, 1900.0)] {
            let seconds = seconds(iterations, measured).unwrap();
            assert!((seconds - expected * 0.08).abs() < 1e-9, "{seconds}");
        }
    }

    #[test]
    fn a_gigabyte_holds_few_snapshots_of_large_networks() {
        assert_eq!(affordable_snapshots(&card_of(1_000_000, 1_000_000), 12), 12);
        assert_eq!(affordable_snapshots(&card_of(30_000_000, 30_000_000), 12), 2);
    }
}
