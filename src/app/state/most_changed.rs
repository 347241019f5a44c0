//! Which of the samples that must go shows best what a run does.

use crate::feedback::Sample;

/// Mean change of a picture's values, 0 to 1, from which on it is seen.
const NOTICEABLE: f32 = 0.01;
/// How many times as much another sample has to have changed to take its place: pictures that jump are hard to follow.
const CLEARLY: f32 = 1.5;

/// The sample that changed most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MostChanged(Option<Sample>);

impl MostChanged {
    /// Takes in how much each sample has changed, 0 to 1.
    pub fn update(&mut self, changes: &[(Sample, f32)]) {
        let most = changes.iter().max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, change)| *change >= NOTICEABLE);
        let Some(&(sample, most)) = most else {
            self.0 = None;
            return;
        };
        let chosen = changes.iter().find(|(sample, _)| self.0 == Some(*sample));
        if chosen.is_none_or(|(_, change)| CLEARLY * change < most) {
            self.0 = Some(sample);
        }
    }

    /// The sample; `None` while nothing has changed to be seen.
    pub fn sample(&self) -> Option<Sample> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::state::tiles::sample_at;

    #[test]
    fn the_sample_that_changed_most_is_shown_and_seldom_another() {
        let samples = [0, 1, 2].map(|index| sample_at(0, index, 1.0).unwrap());
        let mut most = MostChanged::default();
        // How much each changed, and which is shown then.
        let table = [
            ([0.0, 0.004, 0.0], None),
            ([0.01, 0.02, 0.0], Some(1)),
            ([0.025, 0.02, 0.0], Some(1)),
            ([0.031, 0.02, 0.0], Some(0)),
            ([0.3, 0.2, 0.4], Some(0)),
            ([0.2, 0.2, 0.4], Some(2)),
            // Another run begins from the original again.
            ([0.0, 0.0, 0.002], None),
            ([0.0, 0.03, 0.02], Some(1)),
        ];
        for (changes, expected) in table {
            let changes: Vec<_> = samples.into_iter().zip(changes).collect();
            most.update(&changes);
            assert_eq!(most.sample(), expected.map(|index: usize| samples[index]), "{changes:?}");
        }
        most.update(&[(samples[0], 0.02)]);
        assert_eq!(most.sample(), Some(samples[0]), "the other one's pictures are no longer there");
        most.update(&[]);
        assert_eq!(most.sample(), None);
    }
}
