//! How a batch is computed so that it fits into memory: in parts, and with its blocks computed again in the backward pass.

use super::memory_estimate::{MemoryEstimate, words};
use crate::{
    model::ModelCard,
    networks::discriminator::BATCH_GROUP,
    train::Checkpointing,
    unlearn::{CHECKPOINTING, Settings},
};

/// The setting that says how many samples are computed at once.
pub const MICRO_BATCH: &str = "micro-batch";
/// Part of the free memory that a run is made to fit into: a system that has none left does not answer.
const USABLE: f64 = 0.9;

/// A way to compute a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Samples computed at once.
    pub samples: usize,
    /// Whether blocks are computed again in the backward pass.
    pub checkpointing: bool,
}

impl Way {
    /// Takes it over into the settings of a run; the error is one sentence.
    pub fn apply(self, settings: &mut Settings) -> Result<(), String> {
        if settings.field(MICRO_BATCH).is_some() {
            settings.set(MICRO_BATCH, self.samples)?;
        }
        if self.checkpointing { settings.set(CHECKPOINTING, "on") } else { Ok(()) }
    }
}

/// What may be done to a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// What was asked for.
    pub(super) asked: Way,
    /// Samples in the batch.
    pub(super) batch: usize,
    /// Samples that stay together: a discriminator's groups.
    pub(super) group: usize,
    /// Whether it may be computed in smaller parts.
    pub(super) splits: bool,
    /// Whether blocks may be computed again.
    pub(super) checkpoints: bool,
}

impl Choice {
    /// What these settings leave open for a model.
    fn of(card: &ModelCard, settings: &Settings) -> Option<Self> {
        let (plan, checkpointing) = (settings.plan()?, settings.compute().ok()?.checkpointing);
        let judged = settings.method().needs(settings.values()).discriminator;
        let known = card.maps.checkpointed.iter().any(Option::is_some);
        Some(Self {
            asked: Way { samples: plan.pass, checkpointing: known && checkpointing == Checkpointing::On },
            batch: plan.batch,
            group: if judged { BATCH_GROUP } else { 1 },
            splits: settings.field(MICRO_BATCH).is_some() && plan.micro_batch == 0,
            checkpoints: known && settings.method().trains() && checkpointing == Checkpointing::Auto,
        })
    }

    /// The ways that are open, in the order in which they are tried: as it was asked, in ever smaller parts, and the same with blocks
    /// computed again, which takes longer.
    fn ways(&self) -> Vec<Way> {
        let smaller = |samples: &usize| if self.splits { halved(*samples, self.group) } else { None };
        let sizes: Vec<usize> = std::iter::successors(Some(self.asked.samples), smaller).collect();
        let with = |checkpointing: bool| sizes.iter().map(move |samples| Way { samples: *samples, checkpointing });
        let again = with(true).filter(|_| self.checkpoints && !self.asked.checkpointing);
        with(self.asked.checkpointing).chain(again).collect()
    }

    /// The first way in which it fits into `free` bytes, if what was asked does not; the last one where none does. `needed` says what a
    /// way takes.
    pub(super) fn fit(&self, free: u64, needed: impl Fn(Way) -> Option<f64>) -> Option<Fit> {
        let usable = free as f64 * USABLE;
        let ways = self.ways();
        let (asked, others) = ways.split_first()?;
        let whole = needed(*asked).filter(|needed| *needed > usable)?;
        let mut found = None;
        for way in others {
            let parts = needed(*way)?;
            found = Some(Fit { way: *way, choice: *self, whole, parts, usable });
            if parts <= usable {
                break;
            }
        }
        found
    }
}

/// How a run is made to fit.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// How it is computed.
    pub way: Way,
    choice: Choice,
    /// What computing it as it was asked would take, in bytes.
    whole: f64,
    /// What computing it this way takes.
    parts: f64,
    /// What there is for a run.
    usable: f64,
}

impl Fit {
    /// What it means for a run with so many bytes of free memory, in a sentence.
    pub fn sentence(&self, free: u64) -> String {
        let (whole, free, parts) = (words(self.whole), words(free as f64), words(self.parts));
        let Choice { asked, batch, .. } = self.choice;
        let what = match asked.samples {
            samples if samples == batch => "the whole batch at once needs".to_owned(),
            1 => "a sample at a time needs".to_owned(),
            samples => format!("{samples} samples at once need"),
        };
        let samples = match self.way.samples {
            1 => "1 sample is".to_owned(),
            samples => format!("{samples} samples are"),
        };
        let mut sentence = format!("{what} about {whole} of memory and {free} is free: {samples} computed at a time");
        if self.way.checkpointing && !asked.checkpointing {
            sentence += ", and blocks again for their gradients, which takes longer";
        }
        if self.parts > self.usable {
            sentence += &format!("; this may need {parts} and not fit either");
        }
        sentence
    }
}

/// How a run fits into `free` bytes where it would not as its settings have it, as far as they leave that open: the largest parts that
/// fit, with checkpointing only where the smallest do not; the smallest with checkpointing where nothing fits.
pub fn fit(card: &ModelCard, settings: &Settings, snapshots: usize, free: u64) -> Option<Fit> {
    let choice = Choice::of(card, settings)?;
    choice.fit(free, |way| {
        let mut settings = settings.clone();
        way.apply(&mut settings).ok()?;
        Some(MemoryEstimate::of(card, &settings, snapshots)?.beside_the_model())
    })
}

/// The next way for a run that did not fit in the `last` one, whoever chose that: fewer samples at once, and then the same with blocks
/// computed again, where its settings leave that open. `None` if there is none.
pub fn smaller(card: &ModelCard, settings: &Settings, last: Way) -> Option<Way> {
    let choice = Choice::of(card, settings)?;
    let fewer = settings.field(MICRO_BATCH).and_then(|_| halved(last.samples, choice.group));
    let again = choice.checkpoints && !last.checkpointing;
    fewer.map(|samples| Way { samples, ..last }).or(again.then_some(Way { checkpointing: true, ..last }))
}

/// About half of a part. Groups of samples that stay together are kept whole.
fn halved(samples: usize, group: usize) -> Option<usize> {
    let half = || (samples / 2).next_multiple_of(group).min(samples - 1) / group * group;
    (samples > group).then(half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::memory_estimate::card_of, networks::CheckpointedBytes, unlearn::method};

    fn settings(id: &str, changes: &[(&str, usize)]) -> Settings {
        let mut settings = Settings::of(method(id).unwrap());
        changes.iter().for_each(|(key, value)| settings.set(key, *value).unwrap());
        settings
    }

    /// A card of networks that know checkpointing.
    fn checkpointed() -> ModelCard {
        let mut card = card_of(100_000, 100_000);
        let bytes = CheckpointedBytes { kept: 100_000, block: 300_000 };
        card.maps.checkpointed = [Some(bytes); 2];
        card.maps.drawn = 100_000;
        card
    }

    fn needs(card: &ModelCard, settings: &Settings) -> f64 {
        MemoryEstimate::of(card, settings, 0).unwrap().beside_the_model()
    }

    fn room(needed: f64) -> u64 {
        (needed / USABLE) as u64 + 1
    }

    #[test]
    fn parts_become_smaller_until_a_discriminator_sees_no_group_or_one_sample_is_left() {
        let card = card_of(100_000, 100_000);
        let all = |card: &ModelCard, id: &str, batch: usize, micro_batch: usize| {
            let settings = settings(id, &[("batch", batch), ("micro-batch", micro_batch)]);
            let asked = Way { samples: settings.plan().unwrap().pass, checkpointing: false };
            let next = |last: &Way| smaller(card, &settings, *last);
            let ways = std::iter::successors(next(&asked), next);
            ways.map(|way| (way.samples, way.checkpointing)).collect::<Vec<_>>()
        };
        let plain = |sizes: &[usize]| sizes.iter().map(|size| (*size, false)).collect::<Vec<_>>();
        assert_eq!(all(&card, "reject", 16, 0), plain(&[8, 4]));
        assert_eq!(all(&card, "reject", 24, 0), plain(&[12, 8, 4]));
        assert_eq!(all(&card, "reject", 16, 5), plain(&[4]));
        assert_eq!(all(&card, "saliency", 10, 0), plain(&[5, 2, 1]));
        assert_eq!(all(&card, "saliency", 10, 2), plain(&[1]));
        assert_eq!(all(&card, "saliency", 10, 1), plain(&[]));
        // Then blocks are computed again, unless somebody says they are not to be.
        assert_eq!(all(&checkpointed(), "reject", 8, 0), [(4, false), (4, true)]);
        let mut never = settings("reject", &[("batch", 4)]);
        never.set(CHECKPOINTING, "off").unwrap();
        assert_eq!(smaller(&checkpointed(), &never, Way { samples: 4, checkpointing: false }), None);
    }

    #[test]
    fn a_micro_batch_is_the_largest_that_fits() {
        let card = card_of(100_000, 100_000);
        let found = |id: &str, needed: f64| {
            let settings = settings(id, &[("batch", 16), ("micro-batch", 0)]);
            fit(&card, &settings, 0, room(needed)).map(|fit| fit.way.samples)
        };
        for (id, sizes) in [("reject", vec![8, 4]), ("saliency", vec![8, 4, 2, 1])] {
            let needs = |size: usize| needs(&card, &settings(id, &[("batch", 16), ("micro-batch", size)]));
            assert_eq!(found(id, needs(0)), None, "{id}: the whole batch fits");
            for size in &sizes {
                assert_eq!(found(id, needs(*size)), Some(*size), "{id}");
            }
            assert_eq!(found(id, 1e6), sizes.last().copied(), "{id}: the smallest is tried where nothing fits");
        }
        // Whoever chose one knows better.
        let chosen = settings("reject", &[("batch", 16), ("micro-batch", 16)]);
        assert!(fit(&card, &chosen, 0, 1).is_none());
        // Dampening has no parts.
        assert!(fit(&card, &Settings::of(method("dampen").unwrap()), 0, 1).is_none());
        // Batches that are no power of two keep whole groups.
        let odd = settings("reject", &[("batch", 12), ("micro-batch", 0)]);
        let fits = |mb: u64| Some(fit(&card, &odd, 0, mb * 5_000_000)?.way.samples);
        let all: Vec<usize> = (0..40).filter_map(fits).collect();
        assert!(all.iter().all(|size| size.is_multiple_of(BATCH_GROUP) && *size < 12) && all.contains(&4), "{all:?}");
    }

    #[test]
    fn blocks_are_computed_again_where_the_smallest_parts_do_not_fit() {
        let card = checkpointed();
        let of = |micro_batch: usize, checkpointing: &str| {
            let mut settings = settings("reject", &[("batch", 16), ("micro-batch", micro_batch)]);
            settings.set(CHECKPOINTING, checkpointing).unwrap();
            settings
        };
        let found = |settings: &Settings, needed: f64| {
            fit(&card, settings, 0, room(needed)).map(|fit| (fit.way.samples, fit.way.checkpointing))
        };
        let needs = |micro_batch, checkpointing| needs(&card, &of(micro_batch, checkpointing));
        assert!(needs(4, "auto") == needs(4, "off") && needs(4, "on") < needs(4, "off"));
        assert_eq!(found(&of(0, "auto"), needs(4, "off")), Some((4, false)));
        // Then in parts as large as they can be.
        assert!(needs(8, "on") < needs(4, "off") && needs(4, "off") < needs(16, "on"));
        assert_eq!(found(&of(0, "auto"), needs(4, "off") - 1e4), Some((8, true)));
        assert_eq!(found(&of(0, "auto"), needs(4, "on")), Some((4, true)));
        assert_eq!(found(&of(0, "auto"), 1e6), Some((4, true)), "the smallest is tried where nothing fits");
        // Of what somebody chose only the rest is open.
        assert_eq!(found(&of(8, "auto"), needs(8, "on")), Some((8, true)));
        assert_eq!(found(&of(0, "off"), needs(8, "on")), Some((4, false)));
        assert_eq!(found(&of(0, "on"), needs(8, "on")), Some((8, true)));
    }

    #[test]
    fn what_is_chosen_is_said() {
        let card = checkpointed();
        let said = |settings: &Settings| {
            let fit = fit(&card, settings, 0, 2_000_000).unwrap();
            (fit.sentence(2_000_000), words(fit.whole), words(fit.parts))
        };
        let mut settings = settings("saliency", &[("batch", 2), ("micro-batch", 0)]);
        settings.set(CHECKPOINTING, "off").unwrap();
        let (sentence, whole, parts) = said(&settings);
        let expected = format!(
            "the whole batch at once needs about {whole} of memory and 2 MB is free: 1 sample is computed at a time; this may need \
             {parts} and not fit either"
        );
        assert_eq!(sentence, expected);
        settings.set(CHECKPOINTING, "auto").unwrap();
        let (sentence, ..) = said(&settings);
        assert!(
            sentence.contains("1 sample is computed at a time, and blocks again for their gradients, "),
            "{sentence}"
        );
        settings.set(MICRO_BATCH, 1).unwrap();
        assert!(said(&settings).0.starts_with("a sample at a time needs about "));
        let somewhere = fit(&card, &settings, 0, 2_000_000).map(|fit| Fit { usable: fit.parts, ..fit }).unwrap();
        assert!(somewhere.sentence(2_000_000).ends_with("which takes longer"));
    }
}
