//! Which tile lies where in the texture that the grid is drawn from.

use std::collections::HashMap;

use crate::app::state::tiles::TileKey;

/// Largest width and height of the texture: every device that draws a window can hold it (64 MiB).
const MAX_TEXTURE: usize = 4096;

/// Places for tiles of one size in a square texture.
#[derive(Debug)]
pub struct Atlas {
    side: usize,
    columns: usize,
    slots: HashMap<TileKey, Slot>,
    free: Vec<u32>,
    frame: u64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    number: u32,
    serial: u64,
    used: u64,
}

/// Where a tile is to be drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Number of the place, row by row.
    pub slot: u32,
    /// Whether another picture was there in the frame before.
    pub stale: bool,
}

impl Atlas {
    /// Places for tiles of `side` pixels.
    pub fn new(side: usize) -> Self {
        let columns = (MAX_TEXTURE / side.max(1)).clamp(1, 64);
        let count = (columns * columns) as u32;
        Self { side, columns, slots: HashMap::new(), free: (0..count).rev().collect(), frame: 0 }
    }

    /// Width and height of a tile.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Tiles in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Begins a frame: what is placed from now on is not given away until the next one.
    pub fn begin_frame(&mut self) {
        self.frame += 1;
    }

    /// The place of a tile whose picture has this number; `None` if all are taken by tiles of this frame.
    pub fn assign(&mut self, key: TileKey, serial: u64) -> Option<Placement> {
        let frame = self.frame;
        if let Some(slot) = self.slots.get_mut(&key) {
            let stale = slot.serial != serial;
            (slot.serial, slot.used) = (serial, frame);
            return Some(Placement { slot: slot.number, stale });
        }
        if self.free.is_empty() {
            self.evict_oldest();
        }
        let number = self.free.pop()?;
        self.slots.insert(key, Slot { number, serial, used: frame });
        Some(Placement { slot: number, stale: true })
    }

    /// Which picture lies at a tile's place, if it has one.
    pub fn serial(&self, key: TileKey) -> Option<u64> {
        self.slots.get(&key).map(|slot| slot.serial)
    }

    /// Frees the older half of what is not in this frame.
    fn evict_oldest(&mut self) {
        let mut old: Vec<(u64, TileKey)> =
            self.slots.iter().filter(|(_, slot)| slot.used < self.frame).map(|(key, slot)| (slot.used, *key)).collect();
        old.sort_unstable_by_key(|(used, _)| *used);
        old.truncate(old.len().div_ceil(2));
        for (_, key) in old {
            if let Some(slot) = self.slots.remove(&key) {
                self.free.push(slot.number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::state::tiles::{Source, sample_at};

    fn key(index: u64) -> TileKey {
        TileKey { source: Source::Original, sample: sample_at(0, index, 1.0).unwrap() }
    }

    #[test]
    fn no_two_tiles_of_a_frame_share_a_place() {
        let mut atlas = Atlas::new(1024);
        assert_eq!(atlas.columns(), 4);
        for frame in 0..20u64 {
            atlas.begin_frame();
            let mut seen = std::collections::HashSet::new();
            for index in frame * 3..frame * 3 + 16 {
                let place = atlas.assign(key(index), 0).unwrap();
                assert!(place.slot < 16 && seen.insert(place.slot), "frame {frame}, tile {index}");
            }
            assert_eq!(atlas.assign(key(1000), 0), None, "all are taken");
        }
    }

    #[test]
    fn a_tile_is_copied_once_for_each_picture() {
        let mut atlas = Atlas::new(64);
        atlas.begin_frame();
        let first = atlas.assign(key(1), 5).unwrap();
        assert!(first.stale);
        assert_eq!(atlas.assign(key(1), 5), Some(Placement { stale: false, ..first }));
        assert_eq!(atlas.assign(key(1), 6), Some(first));
        assert_eq!((atlas.serial(key(1)), atlas.serial(key(2))), (Some(6), None));
    }
}
