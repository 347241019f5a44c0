//! Tiles that were rendered: kept while they are looked at, forgotten when room is needed.

use std::{collections::HashMap, sync::Arc};

use crate::{engine::Weights, feedback::Sample, networks::LatentAddress};

/// Bytes of all tiles that are kept.
const BUDGET: usize = 256 << 20;

/// Which weights made a tile. Unlike [`Weights`], it can be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The model as it was loaded.
    Original,
    /// The result so far.
    Current,
    /// A snapshot of a run.
    Snapshot(usize),
    /// The method's sliders at this many thousandths each.
    Slider([i32; 2]),
    /// A node of the history.
    Node(u64),
    /// The pictures that a model completes.
    Picture,
    /// What it sees of them.
    Masked,
}

impl Source {
    /// What the engine calls it.
    pub fn weights(self) -> Weights {
        match self {
            Self::Original => Weights::Original,
            Self::Current => Weights::Current,
            Self::Snapshot(number) => Weights::Snapshot(number),
            Self::Slider(places) => Weights::Slider(places.map(|thousandths| f64::from(thousandths) / 1000.0)),
            Self::Node(number) => Weights::Node(number),
            Self::Picture => Weights::Picture,
            Self::Masked => Weights::Masked,
        }
    }

    /// What it is here; `None` for weights that the window never asks for.
    pub fn of(weights: Weights) -> Option<Self> {
        match weights {
            Weights::Original => Some(Self::Original),
            Weights::Current => Some(Self::Current),
            Weights::Snapshot(number) => Some(Self::Snapshot(number)),
            Weights::Slider(places) => Some(Self::Slider(places.map(|place| (place * 1000.0).round() as i32))),
            Weights::Node(number) => Some(Self::Node(number)),
            Weights::Picture => Some(Self::Picture),
            Weights::Masked => Some(Self::Masked),
            Weights::Auxiliary(_) => None,
        }
    }
}

/// Which picture: who made it, from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TileKey {
    /// The weights.
    pub source: Source,
    /// The sample.
    pub sample: Sample,
}

/// One picture.
#[derive(Clone, Debug)]
pub struct Tile {
    /// `[side, side, 4]`.
    pub rgba: Arc<[u8]>,
    /// Width and height in pixels.
    pub side: usize,
    /// Which change of the weights it shows.
    pub epoch: u64,
    /// A number that no other picture has.
    pub serial: u64,
    /// When the first picture under this key arrived, in the window's seconds.
    pub since: f64,
    used: u64,
}

impl TileKey {
    fn untruncated(self) -> Untruncated {
        (self.source, self.sample.address(), self.sample.class())
    }
}

/// Which picture, whatever its truncation.
type Untruncated = (Source, LatentAddress, Option<u32>);

/// All tiles that are kept.
#[derive(Debug, Default)]
pub struct TileCache {
    tiles: HashMap<TileKey, Tile>,
    /// With which truncation a picture was drawn last.
    latest: HashMap<Untruncated, Sample>,
    bytes: usize,
    clock: u64,
    budget: Option<usize>,
}

impl TileCache {
    /// A cache of at most `budget` bytes.
    pub fn with_budget(budget: usize) -> Self {
        Self { budget: Some(budget), ..Self::default() }
    }

    /// A tile, if it is there; it counts as used.
    pub fn get(&mut self, key: TileKey) -> Option<&Tile> {
        self.clock += 1;
        let clock = self.clock;
        let tile = self.tiles.get_mut(&key)?;
        tile.used = clock;
        Some(tile)
    }

    /// Which change of the weights a tile shows, without counting as use.
    pub fn epoch(&self, key: TileKey) -> Option<u64> {
        self.tiles.get(&key).map(|tile| tile.epoch)
    }

    /// How much a sample's picture differs between two sets of weights: the mean difference of its colour values, 0 to 1,
    /// without counting as use. `None` unless both pictures are there, of one size.
    pub fn change(&self, sample: Sample, between: [Source; 2]) -> Option<f32> {
        let [before, after] = between.map(|source| self.tiles.get(&TileKey { source, sample }));
        let (before, after) = (before?, after?);
        // The fourth value of a pixel is the same everywhere.
        let values = before.side * before.side * 3;
        if before.side != after.side || values == 0 {
            return None;
        }
        let differences = before.rgba.iter().zip(after.rgba.iter()).map(|(a, b)| u64::from(a.abs_diff(*b)));
        Some(differences.sum::<u64>() as f32 / (255 * values) as f32)
    }

    /// Keeps pictures `rgb` `[tiles, side, side, 3]` of these samples, in place of older ones.
    pub fn put(&mut self, source: Source, samples: &[Sample], side: usize, rgb: &[u8], (epoch, now): (u64, f64)) {
        for (&sample, rgb) in samples.iter().zip(rgb.chunks_exact((side * side * 3).max(1))) {
            let rgba: Arc<[u8]> = rgb.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
            self.clock += 1;
            self.bytes += rgba.len();
            let key = TileKey { source, sample };
            let older = self.tiles.get(&key).or_else(|| self.latest(key));
            let since = older.map_or(now, |tile| tile.since);
            self.latest.insert(key.untruncated(), sample);
            let tile = Tile { rgba, side, epoch, serial: self.clock, since, used: self.clock };
            if let Some(old) = self.tiles.insert(key, tile) {
                self.bytes -= old.rgba.len();
            }
        }
        self.make_room();
    }

    /// The picture of a sample that was drawn last, whatever its truncation.
    fn latest(&self, key: TileKey) -> Option<&Tile> {
        let sample = *self.latest.get(&key.untruncated())?;
        self.tiles.get(&TileKey { source: key.source, sample })
    }

    /// What is shown of a sample: itself where all of these weights have drawn it. Until they have, the same latent with
    /// the truncation drawn last, if all of them have drawn that: a comparison of two truncations would show changes that
    /// are none.
    pub fn stand_in(&self, sources: &[Source], sample: Sample) -> Sample {
        let drawn = |sample: &Sample| {
            sources.iter().all(|&source| self.tiles.contains_key(&TileKey { source, sample: *sample }))
        };
        let latest = sources.iter().filter_map(|&source| self.latest.get(&TileKey { source, sample }.untruncated()));
        std::iter::once(&sample).chain(latest).copied().find(drawn).unwrap_or(sample)
    }

    /// Forgets the tiles of some weights.
    pub fn forget(&mut self, gone: impl Fn(Source) -> bool) {
        self.tiles.retain(|key, _| !gone(key.source));
        self.latest.retain(|(source, ..), _| !gone(*source));
        self.bytes = self.tiles.values().map(|tile| tile.rgba.len()).sum();
    }

    /// Number of tiles.
    pub fn len(&self) -> usize {
        self.tiles.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tiles.is_empty()
    }

    /// Drops what was used longest ago, a quarter more than needed so that it is seldom.
    fn make_room(&mut self) {
        let budget = self.budget.unwrap_or(BUDGET);
        if self.bytes <= budget {
            return;
        }
        let mut ages: Vec<(u64, TileKey)> = self.tiles.iter().map(|(key, tile)| (tile.used, *key)).collect();
        ages.sort_unstable_by_key(|(used, _)| *used);
        for (_, key) in ages {
            if self.bytes <= budget / 4 * 3 {
                break;
            }
            if let Some(tile) = self.tiles.remove(&key) {
                self.bytes -= tile.rgba.len();
            }
            if self.latest.get(&key.untruncated()) == Some(&key.sample) {
                self.latest.remove(&key.untruncated());
            }
        }
    }
}

/// What to ask the engine for next.
#[derive(Clone, Debug, PartialEq)]
pub struct TileRequest {
    /// The weights.
    pub source: Source,
    /// The samples, all of one seed and truncation.
    pub samples: Vec<Sample>,
    /// Whether pictures are there already and only show older weights.
    pub refresh: bool,
}

/// The next samples to render: first those of which nothing can be shown, then those that show another truncation, the
/// oldest picture first, then those that show older weights.
///
/// `visible` are the samples looked at, best first, all of one seed and truncation.
pub fn next_tile_request(
    cache: &TileCache,
    visible: &[Sample],
    sources: &[Source],
    epoch: u64,
    limit: usize,
) -> Option<TileRequest> {
    let missing = |&source: &Source| {
        let keys = visible.iter().map(|&sample| TileKey { source, sample });
        let unseen = keys.filter(|key| cache.epoch(*key).is_none());
        // While truncation is dragged faster than pictures are made, every tile has its turn.
        let mut missing: Vec<(u64, Sample)> =
            unseen.map(|key| (cache.latest(key).map_or(0, |tile| tile.serial), key.sample)).collect();
        missing.sort_by_key(|(serial, _)| *serial);
        Some((missing.first()?.0, source, missing))
    };
    if let Some((_, source, missing)) = sources.iter().filter_map(missing).min_by_key(|(serial, ..)| *serial) {
        let samples = missing.into_iter().take(limit.max(1)).map(|(_, sample)| sample).collect();
        return Some(TileRequest { source, samples, refresh: false });
    }
    for &source in sources.iter().filter(|&&source| source == Source::Current) {
        let shown = |&sample: &Sample| cache.epoch(TileKey { source, sample }).filter(|&seen| seen < epoch);
        let mut stale: Vec<(u64, Sample)> = visible.iter().filter_map(|s| Some((shown(s)?, *s))).collect();
        // The oldest first: where weights change faster than pictures are made, the last row would wait for ever.
        stale.sort_by_key(|(seen, _)| *seen);
        if !stale.is_empty() {
            let samples = stale.into_iter().take(limit.max(1)).map(|(_, sample)| sample).collect();
            return Some(TileRequest { source, samples, refresh: true });
        }
    }
    None
}

/// The sample at an address; `None` if `psi` is not a finite number.
pub fn sample_at(seed: u64, index: u64, psi: f32) -> Option<Sample> {
    Sample::new(LatentAddress { seed, index }, psi)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(index: u64) -> Sample {
        sample_at(0, index, 1.0).unwrap()
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        // Tiles of 2x2: 16 bytes each.
        let mut cache = TileCache::with_budget(16 * 8);
        for index in 0..8 {
            cache.put(Source::Original, &[sample(index)], 2, &[index as u8; 12], (0, 0.0));
        }
        assert_eq!(cache.len(), 8);
        let key = |index| TileKey { source: Source::Original, sample: sample(index) };
        assert_eq!(cache.get(key(0)).map(|tile| tile.rgba[..4].to_vec()), Some(vec![0, 0, 0, 255]));
        cache.put(Source::Current, &[sample(0)], 2, &[9; 12], (0, 0.0));
        assert_eq!(cache.len(), 6);
        assert!(cache.get(key(0)).is_some() && cache.get(key(1)).is_none() && cache.get(key(3)).is_none());
        assert!(cache.get(key(4)).is_some());
        cache.forget(|source| source == Source::Original);
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn a_picture_changes_by_the_mean_of_its_differences() {
        let mut cache = TileCache::default();
        let both = [Source::Original, Source::Current];
        assert_eq!(cache.change(sample(0), both), None);
        cache.put(Source::Original, &[sample(0), sample(1)], 1, &[0, 0, 0, 9, 9, 9], (0, 0.0));
        assert_eq!(cache.change(sample(0), both), None);
        cache.put(Source::Current, &[sample(0), sample(1)], 1, &[255, 0, 0, 9, 9, 9], (1, 0.0));
        assert_eq!([0, 1].map(|index| cache.change(sample(index), both)), [Some(1.0 / 3.0), Some(0.0)]);
        cache.put(Source::Current, &[sample(0)], 2, &[0; 12], (2, 0.0));
        assert_eq!(cache.change(sample(0), both), None, "pictures of two sizes");
    }

    #[test]
    fn missing_tiles_come_before_old_ones() {
        let visible: Vec<Sample> = (0..6).map(sample).collect();
        let mut cache = TileCache::default();
        let sources = [Source::Original, Source::Current];
        let next = |cache: &TileCache, epoch, limit| {
            next_tile_request(cache, &visible, &sources, epoch, limit).map(|w| (w.source, w.samples.len(), w.refresh))
        };
        assert_eq!(next(&cache, 0, 4), Some((Source::Original, 4, false)));
        cache.put(Source::Original, &visible, 1, &[0; 18], (0, 0.0));
        assert_eq!(next(&cache, 7, 9), Some((Source::Current, 6, false)), "the original never gets old");
        cache.put(Source::Current, &visible[..4], 1, &[0; 12], (5, 0.0));
        assert_eq!(next(&cache, 7, 9), Some((Source::Current, 2, false)));
        cache.put(Source::Current, &visible[4..], 1, &[0; 6], (7, 0.0));
        assert_eq!(next(&cache, 7, 3), Some((Source::Current, 3, true)));
        cache.put(Source::Current, &visible, 1, &[0; 18], (7, 0.0));
        assert_eq!(next(&cache, 7, 3), None);
    }

    fn truncated(index: u64, psi: f32) -> Sample {
        sample_at(0, index, psi).unwrap()
    }

    #[test]
    fn another_truncation_stands_in_until_a_sample_is_drawn() {
        let mut cache = TileCache::default();
        let [before, after] = [Source::Original, Source::Current];
        let wanted = truncated(0, 0.5);
        assert_eq!(cache.stand_in(&[after], wanted), wanted, "there is nothing");
        cache.put(after, &[truncated(0, 1.0)], 1, &[1; 3], (0, 2.0));
        cache.put(before, &[truncated(0, 1.0)], 1, &[2; 3], (0, 2.0));
        cache.put(after, &[truncated(0, 0.7)], 1, &[3; 3], (0, 3.0));
        assert_eq!(cache.stand_in(&[after], wanted), truncated(0, 0.7), "the latest");
        assert_eq!(cache.stand_in(&[after, before], wanted), truncated(0, 1.0), "what both have drawn");
        assert_eq!(cache.stand_in(&[after], truncated(1, 0.5)), truncated(1, 0.5), "another sample");
        let other = wanted.with_class(Some(1));
        assert_eq!(cache.stand_in(&[after], other), other, "another class");
        cache.put(after, &[wanted], 1, &[4; 3], (0, 9.0));
        assert_eq!(cache.stand_in(&[after], wanted), wanted);
        let tile = cache.get(TileKey { source: after, sample: wanted }).map(|tile| tile.since);
        assert_eq!(tile, Some(2.0), "what takes the place of another picture does not fade in");
        cache.forget(|source| source == after);
        assert_eq!(cache.stand_in(&[after], wanted), wanted, "it is forgotten");
        assert_eq!(cache.stand_in(&[before], wanted), truncated(0, 1.0));
    }

    #[test]
    fn what_stands_in_is_forgotten_with_its_picture() {
        let mut cache = TileCache::with_budget(4 * 4);
        for index in 0..5 {
            cache.put(Source::Current, &[sample(index)], 1, &[0; 3], (0, 0.0));
        }
        assert_eq!((cache.len(), cache.latest.len()), (3, 3));
        let wanted = |index| truncated(index, 0.5);
        assert_eq!(cache.stand_in(&[Source::Current], wanted(0)), wanted(0));
        assert_eq!(cache.stand_in(&[Source::Current], wanted(4)), sample(4));
    }

    /// Two truncations later than pictures can be made, no tile still shows the first one.
    #[test]
    fn every_tile_has_its_turn_while_truncation_is_dragged() {
        let samples = |psi: f32| -> Vec<Sample> { (0..4).map(|index| truncated(index, psi)).collect() };
        let sources = [Source::Current, Source::Original];
        let mut cache = TileCache::default();
        for source in sources {
            cache.put(source, &samples(1.0), 1, &[0; 12], (0, 0.0));
        }
        let mut asked = Vec::new();
        for psi in [0.9, 0.8, 0.7, 0.6] {
            let wanted = next_tile_request(&cache, &samples(psi), &sources, 0, 2).expect("nothing is drawn yet");
            cache.put(wanted.source, &wanted.samples, 1, &[0; 6], (0, 0.0));
            asked.push((wanted.source, wanted.samples[0].address().index));
        }
        let [after, before] = sources;
        assert_eq!(asked, [(after, 0), (after, 2), (before, 0), (before, 2)]);
    }

    #[test]
    fn every_tile_has_its_turn_however_fast_the_weights_change() {
        let visible: Vec<Sample> = (0..6).map(sample).collect();
        let mut cache = TileCache::default();
        cache.put(Source::Current, &visible, 1, &[0; 18], (0, 0.0));
        for epoch in 1..=3 {
            let wanted = next_tile_request(&cache, &visible, &[Source::Current], epoch, 2).expect("all are old");
            cache.put(Source::Current, &wanted.samples, 1, &[0; 6], (epoch, 0.0));
        }
        let key = |&sample: &Sample| TileKey { source: Source::Current, sample };
        let seen: Vec<_> = visible.iter().map(|sample| cache.epoch(key(sample))).collect();
        assert_eq!(seen, [Some(1), Some(1), Some(2), Some(2), Some(3), Some(3)]);
    }

    #[test]
    fn weights_survive_being_a_key() {
        for weights in [Weights::Original, Weights::Current, Weights::Snapshot(3), Weights::Slider([-0.35, 2.0])] {
            assert_eq!(Source::of(weights).map(Source::weights), Some(weights));
        }
        assert_eq!(Source::of(Weights::Auxiliary(0)), None);
    }
}
