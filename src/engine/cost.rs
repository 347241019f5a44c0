//! What a run will take, before it starts: a rough answer from shapes and from how fast samples are drawn.

use crate::{model::ModelCard, unlearn::Plan};

/// An adversarial iteration with all its passes takes about as long as drawing this many of its batches.
///
/// From `benches/README.md`: iterations of 80.6, 232 and 465 ms against 16 samples drawn in 6 to 35 ms.
pub(super) const BATCHES_PER_ITERATION: f64 = 13.0;
/// Copies of each network's parameters: trained and averaged, two moments, gradient, the last good state, the file's.
const COPIES: f64 = 9.0;
/// Feature maps kept for the backward pass, per feature map that a layer gives.
const KEPT_MAPS: f64 = 8.0;

/// An estimate of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Wall time of the method, once the speed of drawing or of an iteration is known.
    pub seconds: Option<f64>,
    /// Memory at its highest, in bytes.
    pub bytes: f64,
}

/// How fast this machine is with this model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    /// Seconds to draw one sample.
    pub per_sample: Option<f64>,
    /// Seconds of one iteration, from an earlier run with these networks, and its batch.
    pub per_iteration: Option<(f64, usize)>,
}

/// The cost of a run with so much to do that keeps `snapshots` states.
pub fn cost(card: &ModelCard, plan: Plan, snapshots: usize, speed: Speed) -> Cost {
    let per_image = match speed {
        Speed { per_iteration: Some((seconds, batch)), .. } => Some(seconds / batch.max(1) as f64),
        Speed { per_sample: Some(seconds), .. } => Some(seconds * BATCHES_PER_ITERATION),
        _ => None,
    };
    let generator = card.generator_parameters as f64 * 4.0;
    let discriminator = card.discriminator_parameters.unwrap_or(card.generator_parameters) as f64 * 4.0;
    // Two maps at each resolution.
    let maps: f64 = card
        .channels
        .iter()
        .zip(&card.sides)
        .map(|(&channels, &side)| 2.0 * channels as f64 * (side as f64).powi(2) * 4.0)
        .sum();
    let bytes = COPIES * (generator + discriminator)
        + plan.auxiliary as f64 * generator
        + snapshots as f64 * (2.0 * generator + discriminator)
        + KEPT_MAPS * maps * plan.pass as f64;
    Cost { seconds: per_image.map(|seconds| seconds * plan.samples as f64), bytes }
}

/// How many snapshots a run may keep without taking more than about a gigabyte.
pub fn affordable_snapshots(card: &ModelCard, wanted: usize) -> usize {
    let one = (2 * card.generator_parameters + card.discriminator_parameters.unwrap_or(0)) * 4;
    wanted.min((1 << 30) / one.max(1)).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unlearn::{FIRST, Settings};

    fn plan(change: &[(&str, usize)]) -> Plan {
        let mut settings = Settings::of(FIRST);
        change.iter().for_each(|(key, value)| settings.set(key, *value).unwrap());
        settings.plan().unwrap()
    }

    fn card(parameters: usize) -> ModelCard {
        ModelCard {
            file: "m.pt".into(),
            sha256: String::new(),
            family: "StyleGAN2",
            resolution: 32,
            image_channels: 3,
            latent: 64,
            classes: 0,
            can_be_conditional: false,
            can_move: false,
            completes: None,
            w_dim: 64,
            details: Default::default(),
            channels: vec![32; 4],
            sides: vec![4, 8, 16, 32],
            generator_parameters: parameters,
            discriminator_parameters: Some(parameters),
            contents: Vec::new(),
            args: serde_json::Map::new(),
            metadata: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn time_grows_with_iterations_and_is_exact_once_it_was_measured() {
        let none = cost(&card(100_000), plan(&[]), 0, Speed::default());
        assert_eq!(none.seconds, None);
        let measured = Speed { per_iteration: Some((0.08, 16)), per_sample: Some(9.0) };
        for (iterations, expected) in [(900, 1000.0), (1800, 1900.0)] {
            let seconds = cost(&card(100_000), plan(&[("iters", iterations)]), 0, measured).seconds.unwrap();
            assert!((seconds - expected * 0.08).abs() < 1e-9, "{seconds}");
        }
    }

    #[test]
    fn memory_falls_with_smaller_passes_and_grows_with_snapshots() {
        let bytes = |change: &[(&str, usize)], snapshots| {
            cost(&card(1_000_000), plan(change), snapshots, Speed::default()).bytes
        };
        let whole = bytes(&[], 0);
        assert!((bytes(&[], 10) - whole - 10.0 * 12e6).abs() < 1.0);
        let parts = bytes(&[("micro-batch", 4)], 0);
        // 2 layers of 32 channels at 4, 8, 16 and 32: 87040 values per image.
        assert!((whole - parts - 12.0 * KEPT_MAPS * 87_040.0 * 4.0).abs() < 1.0);
        assert_eq!(affordable_snapshots(&card(1_000_000), 12), 12);
        assert_eq!(affordable_snapshots(&card(30_000_000), 12), 2);
    }
}
