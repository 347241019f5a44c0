//! How much memory a training from scratch takes, and how it is made to fit.

use super::choices::Choices;
use crate::{
    engine::{
        fit::{Choice, Fit, Way},
        memory_estimate::{BATCHES, FLOAT, PassMaps, kernel_bytes},
    },
    model::ModelCard,
    networks::discriminator::BATCH_GROUP,
    train::Checkpointing,
};

/// Bytes that a training takes at its highest beside the model and the data that it is on: states and passes.
pub fn training_bytes(card: &ModelCard, batch: usize, way: Way) -> f64 {
    let bytes = |parameters: usize| parameters as f64 * FLOAT;
    let (g, d) = (bytes(card.generator_parameters), bytes(card.discriminator_parameters.unwrap_or_default()));
    // Weights, average, two moments; of the discriminator no average.
    let state = 4.0 * g + 3.0 * d;
    // While a pass is under way there are what the discriminator's steps made of its state, gradients and scaled weights.
    let under_way = 3.0 * d + 2.0 * (g + d);
    let image = (card.image_channels * card.resolution * card.resolution) as f64 * FLOAT;
    let maps = PassMaps::of(&card.maps, way.checkpointing).of_a_sample(true);
    let passes = way.samples as f64 * maps + BATCHES * batch as f64 * image;
    // The states before this iteration and before the last one can be gone back to.
    2.0 * state + (under_way + passes).max(state) + kernel_bytes(&card.channels, &card.sides, way.samples)
}

/// How a training fits into `free` bytes where it would not as it was asked, as far as that is left open.
pub(super) fn fit(card: &ModelCard, choices: &Choices, free: u64) -> Option<Fit> {
    let known = card.maps.checkpointed.iter().any(Option::is_some);
    let Choices { batch, checkpointing, .. } = *choices;
    let choice = Choice {
        asked: Way { samples: choices.config().pass(), checkpointing: known && checkpointing == Checkpointing::On },
        batch,
        group: BATCH_GROUP.min(batch),
        splits: choices.micro_batch == 0,
        checkpoints: known && checkpointing == Checkpointing::Auto,
    };
    choice.fit(free, |way| Some(training_bytes(card, batch, way)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::memory_estimate::card_of, networks::CheckpointedBytes};

    #[test]
    fn a_training_is_made_to_fit_by_parts_and_then_by_checkpointing() {
        let mut card = card_of(100_000, 100_000);
        card.maps.checkpointed = [Some(CheckpointedBytes { kept: 100_000, block: 300_000 }); 2];
        let found = |choices: &Choices, needed: f64| {
            let fit = fit(&card, choices, (needed / 0.9) as u64 + 1)?;
            Some((fit.way.samples, fit.way.checkpointing))
        };
        let needed = |samples, checkpointing| training_bytes(&card, 16, Way { samples, checkpointing });
        let usual = Choices { batch: 16, ..Choices::default() };
        assert_eq!(found(&usual, needed(16, false)), None);
        assert_eq!(found(&usual, needed(8, false)), Some((8, false)));
        assert_eq!(found(&usual, needed(4, false)), Some((4, false)));
        assert_eq!(found(&usual, needed(4, true)), Some((4, true)));
        assert_eq!(found(&usual, 1.0), Some((4, true)), "the smallest is tried where nothing fits");
        let never = Choices { checkpointing: Checkpointing::Off, ..usual.clone() };
        assert_eq!(found(&never, needed(4, true)), Some((4, false)));
        let chosen = Choices { micro_batch: 8, ..usual };
        assert_eq!(found(&chosen, needed(4, false)), Some((8, true)), "parts that were chosen stay");
        // Of a batch of two both are looked at together.
        let small = Choices { batch: 2, ..Choices::default() };
        assert_eq!(found(&small, 1.0), Some((2, true)));
        // Three states of 2.8 MB are the least.
        assert!(needed(4, true) > 3.0 * 2.8e6 && needed(4, true) < 20e6, "{}", needed(4, true));
    }
}
