//! How much memory a run will take at its highest, before it starts; and a micro-batch with which it fits.
//!
//! What is counted is what the program holds at a time, from the sizes of vectors and maps; `tests/memory.rs` compares it with what
//! is allocated. The program itself comes on top.

use std::fmt;

use crate::{
    feedback::ImagePool,
    model::ModelCard,
    networks::{discriminator::BATCH_GROUP, ops},
    unlearn::Settings,
};

const FLOAT: f64 = size_of::<f32>() as f64;
/// Batches of images beside those in a pass: real and unwanted ones, each also as augmentation shows it.
const BATCHES: f64 = 4.0;
/// What the library packs for a product of matrices, as large as the caches that it packs for.
const PACKED: f64 = (2 << 20) as f64;
/// Part of the free memory that a run is made to fit into: a system that has none left does not answer.
const USABLE: f64 = 0.9;
/// The setting that says how many samples are computed at once.
pub const MICRO_BATCH: &str = "micro-batch";

/// What a run takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MemoryEstimate {
    /// The open model: its networks, its file's optimizer states, pictures that it completes.
    pub model: f64,
    /// What images are made from, and the images that are kept.
    pub pools: f64,
    /// States that were kept on the way.
    pub snapshots: f64,
    /// Weights that are made beside the result.
    pub auxiliary: f64,
    /// Weights, averages and optimizer states of training while a pass is under way, and what a pass makes of the weights.
    pub training: f64,
    /// Maps that passes keep for their gradients, and images.
    pub passes: f64,
    /// The same as `training` when an iteration ends and no pass is under way.
    pub update: f64,
    /// Looking at samples between two iterations, beside the state that is trained.
    pub looking: f64,
    /// What kernels take while they compute, beside tensors.
    pub kernels: f64,
    /// Samples in a pass.
    pub samples: usize,
}

impl MemoryEstimate {
    /// Of a run with these settings that keeps so many states in memory; `None` of settings that cannot be run.
    pub fn of(card: &ModelCard, settings: &Settings, snapshots: usize) -> Option<Self> {
        let (plan, method) = (settings.plan()?, settings.method());
        let judged = method.needs(settings.values()).discriminator && card.completes.is_none();
        let has = |name: &str| card.contents.contains(&name);
        let g = card.generator_parameters as f64 * FLOAT;
        let own_d = card.discriminator_parameters.map_or(0.0, |parameters| parameters as f64 * FLOAT);
        // One that is warmed up is about as large as the generator.
        let d = if own_d > 0.0 { own_d } else { g };
        let image = (card.image_channels * card.resolution * card.resolution) as f64 * FLOAT;

        // Optimizer states stand in the file's tensors and in the trainer's.
        let networks = if has("g") && has("g_ema") { 2.0 * g } else { g } + own_d;
        let optimizers = if has("g_optim") { 4.0 * g } else { 0.0 } + if has("d_optim") { 4.0 * own_d } else { 0.0 };
        let pictures =
            card.completes.map_or(0.0, |completes| (completes.pictures * 3 * card.resolution * card.resolution) as f64);

        let labelled = settings.collect().ok()?.labelled;
        let pooled = card.completes.map_or(labelled, |completes| completes.pictures.min(labelled));
        let values = card.image_channels * card.resolution * card.resolution;
        let pool = ImagePool::bytes_of(pooled.div_ceil(2), card.latent + card.classes, values) as f64;

        // Of a trained state: weights, average, two moments; of the discriminator no average.
        let state = 4.0 * g + 3.0 * d;
        // What is fallen back to: without optimizers.
        let good = 2.0 * g + d;
        let (training, update, resting) = match (method.trains(), judged) {
            // What is known to be good, the state before this iteration, and of the next what the discriminator's steps made;
            // scaled weights. When the iteration ends the next state is whole, in which the last gradients are first moments.
            (true, true) => (good + state + 3.0 * d + g + d, good + 2.0 * state, good + state),
            // One state, older averages; new moments beside the old ones.
            (true, false) => (7.0 * g, 10.0 * g, 6.0 * g),
            (false, true) => (3.0 * g + d, 3.0 * g + d, g + d),
            (false, false) => (3.0 * g, 3.0 * g, g),
        };

        let maps = card.maps;
        let (g_maps, drawn) = (maps.generator as f64, maps.drawn as f64);
        // With the widths of the generator it keeps two thirds of the maps.
        let d_maps = maps.discriminator.map_or(g_maps * 2.0 / 3.0, |bytes| bytes as f64);
        // The generator's largest layer comes last: its backward pass begins there while all maps are still kept. Before that a
        // discriminator sees the images, whose weights then need no gradient, and keeps half.
        let through_g = g_maps + drawn.max(if judged { d_maps / 2.0 } else { 0.0 });
        let per_sample = match method.trains() && judged {
            // Real and generated images, the latter drawn while the maps of the former are kept.
            true => through_g.max(d_maps + drawn.max(d_maps)),
            false => through_g,
        };
        let least = if judged { BATCH_GROUP.min(plan.batch) } else { 1 };
        let samples = plan.pass.max(least);
        let layers = card.channels.iter().zip(&card.sides);
        let kernels = layers.map(|(channels, side)| ops::workspace_bytes(samples, *channels, *side)).max();
        Some(Self {
            model: networks + optimizers + pictures,
            pools: 2.0 * pool,
            snapshots: snapshots as f64 * if judged { 2.0 * g + d } else { g },
            auxiliary: plan.auxiliary as f64 * g,
            training,
            passes: samples as f64 * per_sample + BATCHES * plan.batch as f64 * image,
            update,
            // With what layers make of their weights.
            looking: resting + maps.looking as f64 + g,
            kernels: kernels.unwrap_or_default() as f64 + PACKED,
            samples,
        })
    }

    /// All of it, at its highest.
    pub fn total(&self) -> f64 {
        self.model + self.beside_the_model()
    }

    /// What a run takes beside the model, which is open already.
    pub fn beside_the_model(&self) -> f64 {
        let highest = (self.training + self.passes).max(self.update).max(self.looking);
        self.pools + self.snapshots + self.auxiliary + highest + self.kernels
    }
}

impl fmt::Display for MemoryEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weights = self.model + self.snapshots + self.auxiliary + self.training;
        write!(f, "about {} of memory: {} for weights and their training", words(self.total()), words(weights))?;
        let samples = if self.samples == 1 { "1 sample".to_owned() } else { format!("{} samples", self.samples) };
        write!(f, ", {} for maps of {samples}, {} for pools", words(self.passes), words(self.pools))
    }
}

fn words(bytes: f64) -> String {
    match bytes {
        large if large >= 1e9 => format!("{:.1} GB", large / 1e9),
        small => format!("{:.0} MB", (small / 1e6).max(1.0)),
    }
}

/// How a run is made to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Samples computed at once.
    pub micro_batch: usize,
    /// What the whole batch at once would take beside the model, in bytes.
    pub whole: f64,
    /// What these samples take.
    pub parts: f64,
    /// What there is for a run.
    pub usable: f64,
}

impl Fit {
    /// What it means for a run with so many bytes of free memory, in a sentence.
    pub fn sentence(&self, free: u64) -> String {
        let (whole, free, parts) = (words(self.whole), words(free as f64), words(self.parts));
        let samples = match self.micro_batch {
            1 => "1 sample is".to_owned(),
            samples => format!("{samples} samples are"),
        };
        let mut sentence = format!(
            "the whole batch at once needs about {whole} of memory and {free} is free: {samples} computed at a time"
        );
        if self.parts > self.usable {
            sentence += &format!(", which may need {parts} and not fit either");
        }
        sentence
    }
}

/// The largest micro-batch with which a run fits into `free` bytes, where its settings name none and the whole batch does not; the
/// smallest one where nothing fits.
pub fn fit(card: &ModelCard, settings: &Settings, snapshots: usize, free: u64) -> Option<Fit> {
    let plan = settings.plan()?;
    settings.field(MICRO_BATCH).filter(|_| plan.micro_batch == 0)?;
    let usable = free as f64 * USABLE;
    let needed = |micro_batch: usize| {
        let mut settings = settings.clone();
        settings.set(MICRO_BATCH, micro_batch).ok()?;
        Some(MemoryEstimate::of(card, &settings, snapshots)?.beside_the_model())
    };
    let whole = needed(0).filter(|needed| *needed > usable)?;
    let mut found = None;
    let mut now = plan.batch;
    while let Some(micro_batch) = halved(settings, now) {
        now = micro_batch;
        let parts = needed(micro_batch)?;
        found = Some(Fit { micro_batch, whole, parts, usable });
        if parts <= usable {
            break;
        }
    }
    found
}

/// A smaller micro-batch of a run with these settings than so many samples computed at once; `None` if there is none.
pub fn smaller(settings: &Settings, samples: usize) -> Option<usize> {
    settings.field(MICRO_BATCH)?;
    halved(settings, samples)
}

/// About half of a micro-batch. A discriminator looks at samples in groups, so parts hold whole ones; without it they go down to
/// one sample.
fn halved(settings: &Settings, micro_batch: usize) -> Option<usize> {
    let group = if settings.method().needs(settings.values()).discriminator { BATCH_GROUP } else { 1 };
    let half = || (micro_batch / 2).next_multiple_of(group).min(micro_batch - 1) / group * group;
    (micro_batch > group).then(half)
}

/// A card of a StyleGAN2 of 32x32 with so many parameters, for tests.
#[cfg(test)]
pub(super) fn card_of(generator: usize, discriminator: usize) -> ModelCard {
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
        generator_parameters: generator,
        discriminator_parameters: Some(discriminator),
        maps: crate::model::MapBytes { drawn: 500_000, generator: 1_000_000, discriminator: Some(700_000), looking: 0 },
        contents: vec!["g_ema", "g", "d"],
        args: serde_json::Map::new(),
        metadata: std::collections::BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{
        model::MapBytes,
        networks::{Architecture, NormalSource, read_discriminator, read_generator},
        unlearn::{FIRST, method},
    };

    fn settings(id: &str, changes: &[(&str, usize)]) -> Settings {
        let mut settings = Settings::of(method(id).unwrap());
        changes.iter().for_each(|(key, value)| settings.set(key, *value).unwrap());
        settings
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1.0, "{found}, not {expected}");
    }

    #[test]
    fn everything_that_is_held_is_counted() {
        // 8 MB and 4 MB of weights.
        let card = card_of(2_000_000, 1_000_000);
        let batch = [("batch", 16), ("micro-batch", 0), ("labelled", 5000)];
        let whole = MemoryEstimate::of(&card, &settings("reject", &batch), 3).unwrap();
        close(whole.model, 20e6);
        close(whole.snapshots, 3.0 * 20e6);
        close(whole.auxiliary, 0.0);
        // A state of 44 MB, the weights of one, the discriminator's next, scaled weights.
        close(whole.training, 44e6 + 20e6 + 12e6 + 12e6);
        close(whole.update, 2.0 * 44e6 + 20e6);
        // Twice 0.7 MB are less than 1 MB of the generator with 0.5 MB of its last layer; the sizes of images are exact.
        close(whole.passes, 16.0 * 1.5e6 + 4.0 * 16.0 * 12_288.0);
        let pool = ImagePool::bytes_of(2500, 64, 3072) as f64;
        close(whole.pools, 2.0 * pool);
        assert!(whole.pools > 2500.0 * 2.0 * 12_288.0, "these are kept");
        assert!(whole.training + whole.passes > whole.update);
        close(whole.total(), 20e6 + 60e6 + 2.0 * pool + whole.kernels + whole.training + whole.passes);
        // Packed planes of 32 channels with 32x32 pixels and those of their gradients are less than the 8 MB of all sums, whose
        // parts are of 36 kB.
        assert!((300e3 + PACKED..8.5e6 + PACKED).contains(&whole.kernels), "{}", whole.kernels);

        // In parts there is less of the maps alone; an optimizer state in the file stands twice.
        let parts = settings("reject", &[("batch", 16), ("micro-batch", 4), ("labelled", 5000)]);
        let parts = MemoryEstimate::of(&card, &parts, 0).unwrap();
        close(whole.passes - parts.passes, 12.0 * 1.5e6);
        close(parts.training, whole.training);
        // Then the end of an iteration, where the next state is whole, takes more than a pass.
        close(parts.total(), 20e6 + 2.0 * pool + parts.kernels + whole.update);
        let with = ModelCard { contents: vec!["g_ema", "g", "d", "g_optim", "d_optim"], ..card.clone() };
        let with = MemoryEstimate::of(&with, &settings("reject", &batch), 0).unwrap();
        close(with.model - whole.model, 4.0 * 8e6 + 4.0 * 4e6);

        // Without a discriminator nothing of one is held.
        let alone = MemoryEstimate::of(&card, &settings("saliency", &[("batch", 16)]), 1).unwrap();
        close(alone.training, 7.0 * 8e6);
        close(alone.snapshots, 8e6);
        close(alone.passes, 16.0 * 1.5e6 + 4.0 * 16.0 * 12_288.0);
        // A wide discriminator keeps more for two batches of images than the generator for one.
        let mut wide = card.clone();
        wide.maps.discriminator = Some(900_000);
        let wide = MemoryEstimate::of(&wide, &settings("reject", &batch), 0).unwrap();
        close(wide.passes - whole.passes, 16.0 * 0.3e6);
        // Copies that learn what must go are kept beside the result.
        let adapted = MemoryEstimate::of(&card, &settings("adapt", &[("adapted", 3)]), 0).unwrap();
        close(adapted.auxiliary, 3.0 * 8e6);
    }

    #[test]
    fn what_is_looked_at_may_take_most() {
        let mut card = card_of(10_000, 10_000);
        let small = MemoryEstimate::of(&card, &Settings::of(FIRST), 0).unwrap();
        card.maps.looking = 300_000_000;
        let large = MemoryEstimate::of(&card, &Settings::of(FIRST), 0).unwrap();
        close(
            large.total() - small.total(),
            // Beside it there are the state, what is fallen back to, and scaled weights, of 40 kB each network.
            300e6 + 7.0 * 40e3 + 4.0 * 40e3 - small.training.mul_add(1.0, small.passes).max(small.update),
        );
    }

    /// A card of a StyleGAN2 with these channels, a latent of 512 and a mapping network of eight layers.
    fn stylegan2(channels: &[usize]) -> ModelCard {
        let architecture =
            Architecture { channels: channels.to_vec(), image_channels: 3, latent: 512, mapping_layers: 8 };
        let (device, mut rng) = (Device::flex(), NormalSource::new(1, 0));
        let generator = read_generator(&architecture.generator(&mut rng), &device).unwrap();
        let discriminator = read_discriminator(&architecture.discriminator(&mut rng), &device).unwrap();
        let parameters = [generator.layout().total(), discriminator.layout().total()];
        let maps = MapBytes {
            drawn: generator.drawing_bytes(&device),
            generator: generator.training_bytes(),
            discriminator: Some(discriminator.training_bytes()),
            looking: 0,
        };
        let resolution = generator.resolution();
        ModelCard { resolution, latent: 512, maps, ..card_of(parameters[0], parameters[1]) }
    }

    #[test]
    fn networks_of_configuration_f_fit_into_the_cards_that_people_have() {
        // Karras et al. 2020: 512 channels up to 64x64, then half as many at twice the side.
        let large = stylegan2(&[512, 512, 512, 512, 512, 256, 128, 64, 32]);
        let found = MemoryEstimate::of(&large, &settings("reject", &[("batch", 4)]), 0).unwrap();
        assert_eq!(large.generator_parameters, 30_370_060);
        // Maps of six times a layer's channels at every side are 1.7 GB a sample, half of the discriminator's 0.5 GB more.
        assert!((found.passes / 4.0 - 2.2e9).abs() < 0.1e9, "{found:?}");
        assert!(found.total() < 16e9, "{found}");
        let small = stylegan2(&[512, 512, 512, 512, 512, 256, 128]);
        let whole = settings("reject", &[("batch", 16), ("micro-batch", 0)]);
        assert!(MemoryEstimate::of(&small, &whole, 0).unwrap().total() > 10e9);
        assert_eq!(fit(&small, &whole, 0, 8 << 30).map(|fit| fit.micro_batch), Some(8));
        assert_eq!(fit(&small, &whole, 0, 24 << 30), None);
    }

    #[test]
    fn it_is_said_in_a_line() {
        let estimate = MemoryEstimate::of(&card_of(30_000_000, 29_000_000), &settings("reject", &[("batch", 4)]), 0);
        let said = estimate.unwrap().to_string();
        let (total, rest) = said.split_once(" of memory: ").unwrap();
        assert!(total.starts_with("about ") && total.ends_with(" GB"), "{said}");
        assert!(
            rest.contains(" for weights and their training, ") && rest.contains(" MB for maps of 4 samples, "),
            "{said}"
        );
        assert_eq!([words(1.0), words(999e6), words(1e9), words(2.34e10)], ["1 MB", "999 MB", "1.0 GB", "23.4 GB"]);
    }

    #[test]
    fn parts_become_smaller_until_a_discriminator_sees_no_group_or_one_sample_is_left() {
        let all = |id: &str, batch: usize, micro_batch: usize| {
            let settings = settings(id, &[("batch", batch), ("micro-batch", micro_batch)]);
            let first = smaller(&settings, settings.plan().unwrap().pass);
            std::iter::successors(first, |last| smaller(&settings, *last)).collect::<Vec<_>>()
        };
        assert_eq!(all("reject", 16, 0), [8, 4]);
        assert_eq!(all("reject", 24, 0), [12, 8, 4]);
        assert_eq!(all("reject", 16, 5), [4]);
        assert_eq!(all("saliency", 10, 0), [5, 2, 1]);
        assert_eq!(all("saliency", 10, 2), [1]);
        assert_eq!(all("saliency", 10, 1), [0; 0]);
    }

    #[test]
    fn a_micro_batch_is_the_largest_that_fits() {
        let card = card_of(100_000, 100_000);
        let needs = |id: &str, micro_batch: usize| {
            let settings = settings(id, &[("batch", 16), ("micro-batch", micro_batch)]);
            MemoryEstimate::of(&card, &settings, 0).unwrap().beside_the_model()
        };
        let found = |id: &str, room: f64| {
            let settings = settings(id, &[("batch", 16), ("micro-batch", 0)]);
            fit(&card, &settings, 0, (room / USABLE) as u64 + 1).map(|fit| fit.micro_batch)
        };
        for (id, sizes) in [("reject", vec![8, 4]), ("saliency", vec![8, 4, 2, 1])] {
            assert_eq!(found(id, needs(id, 0)), None, "{id}: the whole batch fits");
            for size in &sizes {
                assert_eq!(found(id, needs(id, *size)), Some(*size), "{id}");
            }
            assert_eq!(found(id, 1e6), sizes.last().copied(), "{id}: the smallest is tried where nothing fits");
        }
        let tight = settings("saliency", &[("batch", 2), ("micro-batch", 0)]);
        let nowhere = fit(&card, &tight, 0, 2_000_000).unwrap();
        let (whole, parts) = (words(nowhere.whole), words(nowhere.parts));
        let expected = format!(
            "the whole batch at once needs about {whole} of memory and 2 MB is free: 1 sample is computed at a time"
        );
        assert_eq!(nowhere.sentence(2_000_000), format!("{expected}, which may need {parts} and not fit either"));
        let somewhere = Fit { usable: nowhere.parts, ..nowhere };
        assert_eq!(somewhere.sentence(2_000_000), expected);
        // Whoever chose one knows better.
        let chosen = settings("reject", &[("batch", 16), ("micro-batch", 16)]);
        assert_eq!(fit(&card, &chosen, 0, 1), None);
        // Dampening has no parts.
        assert_eq!(fit(&card, &Settings::of(method("dampen").unwrap()), 0, 1), None);
        // Batches that are no power of two keep whole groups.
        let odd = settings("reject", &[("batch", 12), ("micro-batch", 0)]);
        let all: Vec<usize> = (0..40).filter_map(|mb| Some(fit(&card, &odd, 0, mb * 5_000_000)?.micro_batch)).collect();
        assert!(all.iter().all(|size| size.is_multiple_of(BATCH_GROUP) && *size < 12) && all.contains(&4), "{all:?}");
    }
}
