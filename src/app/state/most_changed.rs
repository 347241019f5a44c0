//! Which of the samples that must go shows best what a run does.

use crate::feedback::Sample;

/// Mean change of a picture's values, 0 to 1, from which on it is seen.
const NOTICEABLE: f32 = 0.01;
/// How many times as much another sample has to have changed to take its place: pictures that jump are hard to follow.
const CLEARLY: f32 = 1.5;

/// The sample that changed most, and how much it did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MostChanged(Option<(Sample, f32)>);

impl MostChanged {
    /// Takes note of how much a sample that must go has changed, 0 to 1.
    pub fn note(&mut self, sample: Sample, change: f32) {
        let least = match self.0 {
            Some((chosen, most)) if chosen != sample => CLEARLY * most,
            _ => NOTICEABLE,
        };
        if change >= least {
            self.0 = Some((sample, change));
        } else if self.sample() == Some(sample) {
            self.0 = None;
        }
    }

    /// The sample; `None` while nothing has changed to be seen.
    pub fn sample(&self) -> Option<Sample> {
        self.0.map(|(sample, _)| sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::state::tiles::sample_at;

    #[test]
    fn the_sample_that_changed_most_is_shown_and_seldom_another() {
        let [a, b, c] = [0, 1, 2].map(|index| sample_at(0, index, 1.0).unwrap());
        let mut most = MostChanged::default();
        // What changed, and what is shown then.
        let table = [
            (a, 0.0, None),
            (a, 0.004, None),
            (b, 0.02, Some(b)),
            (a, 0.025, Some(b)),
            (c, 0.2, Some(c)),
            (b, 0.29, Some(c)),
            (b, 0.31, Some(b)),
            // A new run begins from the original again.
            (b, 0.001, None),
            (c, 0.03, Some(c)),
        ];
        for (sample, change, expected) in table {
            most.note(sample, change);
            assert_eq!(most.sample(), expected, "{sample:?} changed by {change}");
        }
    }
}
