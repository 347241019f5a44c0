//! When the tile under the pointer is enlarged: for who rests on it to look, never for who marks.

/// How much larger the tile under the pointer gets.
const ZOOM: f32 = 1.38;
/// Seconds that the pointer rests on a tile before that is enlarged.
const REST: f64 = 0.6;
/// Seconds without marking before any tile is enlarged: whoever marks goes on to a neighbour, which must not be covered.
const PAUSE: f64 = 1.2;
/// Seconds in which a tile grows.
const GROWING: f64 = 0.12;

/// What the pointer and the marks did last. Times are the window's seconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Magnifier {
    /// The tile under the pointer, and since when.
    resting: Option<(usize, f64)>,
    /// When a button was down or a mark changed.
    acted: f64,
    /// Which change of the marks was the last one.
    revision: u64,
}

impl Default for Magnifier {
    fn default() -> Self {
        Self { resting: None, acted: f64::NEG_INFINITY, revision: 0 }
    }
}

impl Magnifier {
    /// Notes what is under the pointer in this frame, whether a button of it is down, and which change of the marks was the
    /// last one.
    pub(super) fn update(&mut self, tile: Option<usize>, is_down: bool, revision: u64, now: f64) {
        if is_down || revision != self.revision {
            (self.acted, self.revision) = (now, revision);
        }
        if self.resting.map(|(resting, _)| resting) != tile {
            self.resting = tile.map(|tile| (tile, now));
        }
    }

    /// When the tile under the pointer begins to grow. One that was clicked does not: its next neighbour is about to be.
    fn begin(&self) -> Option<f64> {
        let (_, since) = self.resting?;
        (self.acted < since).then(|| (since + REST).max(self.acted + PAUSE))
    }

    /// The tile that is enlarged, and how much larger than the others it is.
    pub(super) fn zoom(&self, now: f64) -> Option<(usize, f32)> {
        let growth = ((now - self.begin()?) / GROWING).clamp(0.0, 1.0) as f32;
        let (tile, _) = self.resting?;
        (growth > 0.0).then_some((tile, 1.0 + (ZOOM - 1.0) * growth))
    }

    /// Seconds until the tile looks different, if it will.
    pub(super) fn next_change(&self, now: f64) -> Option<f64> {
        let begin = self.begin()?;
        (now < begin + GROWING).then(|| (begin - now).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: f64, magnifier: &Magnifier) -> Option<usize> {
        magnifier.zoom(seconds).map(|(tile, _)| tile)
    }

    #[test]
    fn a_tile_grows_once_the_pointer_rests_on_it() {
        let mut magnifier = Magnifier::default();
        assert_eq!((magnifier.zoom(0.0), magnifier.next_change(0.0)), (None, None));
        magnifier.update(Some(3), false, 0, 10.0);
        assert_eq!((after(10.59, &magnifier), magnifier.next_change(10.1)), (None, Some(0.5)));
        let (tile, half) = magnifier.zoom(10.66).expect("it grows");
        assert!(tile == 3 && (half - 1.19).abs() < 1e-3, "{half}");
        assert_eq!(magnifier.next_change(10.66), Some(0.0));
        assert_eq!(magnifier.zoom(11.0), Some((3, ZOOM)));
        assert_eq!(magnifier.next_change(11.0), None);
        // A frame in which nothing happens changes nothing; the next tile begins anew.
        magnifier.update(Some(3), false, 0, 12.0);
        assert_eq!(after(12.0, &magnifier), Some(3));
        magnifier.update(Some(4), false, 0, 12.1);
        assert_eq!((after(12.1, &magnifier), after(12.6, &magnifier), after(12.9, &magnifier)), (None, None, Some(4)));
        magnifier.update(None, false, 0, 13.0);
        assert_eq!(after(99.0, &magnifier), None);
    }

    /// Tile after tile is clicked, with time to think in between: none is enlarged, so none covers the next.
    #[test]
    fn nothing_grows_while_tiles_are_marked() {
        let mut magnifier = Magnifier::default();
        for click in 0..6 {
            let (now, tile) = (2.0 * f64::from(click), click as usize);
            magnifier.update(Some(tile), false, click as u64, now);
            assert_eq!(after(now + 0.5, &magnifier), None);
            magnifier.update(Some(tile), true, click as u64, now + 0.5);
            magnifier.update(Some(tile), false, click as u64 + 1, now + 0.6);
            assert_eq!(after(now + 1.9, &magnifier), None, "a clicked tile stays as it is");
        }
        // On another tile, and after a pause, it is a look again.
        magnifier.update(Some(9), false, 6, 11.0);
        assert_eq!((after(11.7, &magnifier), after(11.95, &magnifier)), (None, Some(9)));
    }

    #[test]
    fn nothing_grows_in_a_stroke_or_when_a_key_marks() {
        let mut magnifier = Magnifier::default();
        for frame in 0..100 {
            magnifier.update(Some(2), true, 0, f64::from(frame) * 0.1);
            assert_eq!(after(f64::from(frame) * 0.1, &magnifier), None);
        }
        magnifier.update(Some(5), false, 0, 20.0);
        assert_eq!(after(21.0, &magnifier), Some(5));
        magnifier.update(Some(5), false, 1, 21.0);
        assert_eq!(after(30.0, &magnifier), None, "a key has marked a sample");
    }
}
