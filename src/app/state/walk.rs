//! The way between two samples that is walked along, and what is seen of it.

use super::{tiles::Source, view::DetailTile};
use crate::{feedback::Sample, networks::LatentAddress};

/// Where a walk stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum WalkState {
    /// Nobody walks.
    #[default]
    None,
    /// A sample was chosen; the next one that is clicked is where the walk leads to.
    Choosing(Sample),
    /// From one to the other.
    Open(Box<OpenWalk>),
}

/// A walk that is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenWalk {
    /// Where it begins; truncation and class of this sample are those of the whole way.
    pub from: Sample,
    /// Where it ends.
    pub to: LatentAddress,
    /// How far one has come, from 0 to 1.
    pub t: f32,
    /// What was drawn last, once something was.
    pub place: Option<WalkPlace>,
    /// What was asked for last.
    pub(super) asked: Option<WalkPlaceKey>,
    /// Whether the answer to that is on its way.
    pub(super) pending: bool,
    /// When newer weights of a run may be asked for, in the window's seconds.
    pub(super) next_refresh: f64,
}

/// Which place is seen, with which weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WalkPlaceKey {
    pub(super) t: f32,
    pub(super) sources: Vec<Source>,
    /// Which change of the weights.
    pub(super) epoch: u64,
}

/// A place on the way, drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct WalkPlace {
    /// Which, from 0 to 1.
    pub t: f32,
    /// A picture of each set of weights: before, after; one where there is no after.
    pub tiles: Vec<DetailTile>,
    /// Whether the way is a straight line between mapped latents; otherwise it is an arc between latents.
    pub mapped: bool,
    /// A number that no other place of this walk has.
    pub serial: u64,
}

impl OpenWalk {
    pub(super) fn new(from: Sample, to: LatentAddress) -> Self {
        Self { from, to, t: 0.0, place: None, asked: None, pending: false, next_refresh: 0.0 }
    }

    /// Whether the place that one has come to is still to be drawn.
    pub fn is_waiting(&self) -> bool {
        self.place.as_ref().is_none_or(|place| place.t != self.t)
    }

    /// Whether `key` should be asked for at `now` (in the window's seconds); it then counts as asked for. A drag is followed
    /// at once: the engine drops what it passed over. That only the weights are newer can wait for the last answer.
    pub(super) fn ask(&mut self, key: WalkPlaceKey, now: f64) -> bool {
        let newer = self.asked.as_ref().is_some_and(|asked| (asked.t, &asked.sources) == (key.t, &key.sources));
        if self.asked.as_ref() == Some(&key) || (newer && (self.pending || now < self.next_refresh)) {
            return false;
        }
        (self.asked, self.pending) = (Some(key), true);
        true
    }

    /// Takes in what was drawn at `t`.
    pub(super) fn put(&mut self, t: f32, tiles: Vec<DetailTile>, mapped: bool) {
        self.pending &= self.asked.as_ref().is_none_or(|asked| asked.t != t);
        let serial = self.place.as_ref().map_or(0, |place| place.serial + 1);
        self.place = Some(WalkPlace { t, tiles, mapped, serial });
    }
}

impl WalkState {
    /// The walk that is looked at.
    pub fn open(&self) -> Option<&OpenWalk> {
        if let Self::Open(walk) = self { Some(walk) } else { None }
    }

    /// The sample that a walk is to begin at, while one is chosen where it leads to.
    pub fn start(&self) -> Option<Sample> {
        if let Self::Choosing(from) = self { Some(*from) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::state::tiles::sample_at;

    fn key(t: f32, epoch: u64) -> WalkPlaceKey {
        WalkPlaceKey { t, sources: vec![Source::Original, Source::Current], epoch }
    }

    #[test]
    fn a_drag_is_followed_at_once_and_newer_weights_wait_for_the_last_answer() {
        let mut walk = OpenWalk::new(sample_at(0, 1, 1.0).unwrap(), LatentAddress { seed: 0, index: 2 });
        assert!(walk.ask(key(0.0, 3), 0.0) && !walk.ask(key(0.0, 3), 1.0));
        assert!(walk.ask(key(0.1, 3), 1.0), "the place before is still on its way");
        assert!(!walk.ask(key(0.1, 4), 1.0), "newer weights");
        walk.put(0.0, Vec::new(), true);
        assert!(!walk.ask(key(0.1, 4), 1.0), "an older place arrived");
        walk.put(0.1, Vec::new(), true);
        walk.next_refresh = 2.0;
        assert!(!walk.ask(key(0.1, 4), 1.5) && walk.ask(key(0.1, 4), 2.5));
        assert_eq!(walk.place.map(|place| (place.t, place.serial)), Some((0.1, 1)));
    }
}
