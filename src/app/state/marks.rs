//! What the user marked, with undo and redo.

use crate::feedback::{Feedback, Mark, Region, Sample};

/// A mark and where in the picture it says the thing is; nothing of an unmarked sample.
pub type MarkState = Option<(Mark, Option<Region>)>;

/// One step that can be undone: what each sample was and became.
type Change = Vec<(Sample, MarkState, MarkState)>;

/// Steps that can be undone.
const DEPTH: usize = 500;

/// Feedback and how it came about.
#[derive(Clone, Debug)]
pub struct Marks {
    feedback: Feedback,
    undo: Vec<Change>,
    redo: Vec<Change>,
    /// Counts the changes.
    revision: u64,
}

impl Marks {
    /// No marks yet, for the model file with this SHA-256.
    pub fn new(model_sha256: &str) -> Self {
        Self { feedback: Feedback::new(model_sha256), undo: Vec::new(), redo: Vec::new(), revision: 0 }
    }

    /// Marks that were made earlier; there is nothing to undo.
    pub fn of(feedback: Feedback) -> Self {
        Self { feedback, undo: Vec::new(), redo: Vec::new(), revision: 0 }
    }

    /// A number that changes with the marks.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The marks.
    pub fn feedback(&self) -> &Feedback {
        &self.feedback
    }

    /// The mark of a sample.
    pub fn get(&self, sample: Sample) -> Option<Mark> {
        self.feedback.get(sample)
    }

    /// Numbers of negatives and positives.
    pub fn counts(&self) -> (usize, usize) {
        let negatives = self.feedback.negatives().count();
        (negatives, self.feedback.len() - negatives)
    }

    /// A click: marks a sample, or clears it if it has this mark already.
    pub fn toggle(&mut self, sample: Sample, mark: Mark) {
        let to = if self.get(sample) == Some(mark) { None } else { Some(mark) };
        self.set([sample], to);
    }

    /// Gives samples a mark, or none, in one step. Nothing is noted if nothing changes.
    pub fn set(&mut self, samples: impl IntoIterator<Item = Sample>, mark: Option<Mark>) {
        let mut change = Change::new();
        for sample in samples {
            let before = state(&self.feedback, sample);
            if before.as_ref().map(|(mark, _)| *mark) != mark {
                let after = mark.map(|mark| (mark, None));
                put(&mut self.feedback, sample, &after);
                change.push((sample, before, after));
            }
        }
        self.note(change);
    }

    /// Where in its picture a marked sample shows the thing, if the user painted it.
    pub fn region(&self, sample: Sample) -> Option<&Region> {
        self.feedback.region(sample)
    }

    /// Says where in a sample's picture the thing is that must go, in one step: who shows where also says that it must go.
    /// `None` takes the region back and leaves the mark.
    pub fn set_region(&mut self, sample: Sample, region: Option<Region>) {
        let after = match region {
            Some(region) => Some((Mark::Negative, Some(region))),
            None => self.get(sample).map(|mark| (mark, None)),
        };
        self.set_state(sample, after);
    }

    /// All that is said of a sample.
    pub fn state(&self, sample: Sample) -> MarkState {
        state(&self.feedback, sample)
    }

    /// Makes a sample what it was, in one step.
    pub fn set_state(&mut self, sample: Sample, after: MarkState) {
        let before = self.state(sample);
        if before != after {
            put(&mut self.feedback, sample, &after);
            self.note(vec![(sample, before, after)]);
        }
    }

    /// Takes over other marks for the same model in place of all there are; one step.
    pub fn replace(&mut self, feedback: &Feedback) {
        let mut change = Change::new();
        for (sample, _) in self.feedback.iter() {
            let (before, after) = (state(&self.feedback, sample), state(feedback, sample));
            if before != after {
                change.push((sample, before, after));
            }
        }
        for (sample, _) in feedback.iter() {
            if self.get(sample).is_none() {
                change.push((sample, None, state(feedback, sample)));
            }
        }
        for (sample, _, after) in &change {
            put(&mut self.feedback, *sample, after);
        }
        self.note(change);
    }

    /// Takes away all marks; one step.
    pub fn clear(&mut self) {
        let all: Vec<Sample> = self.feedback.iter().map(|(sample, _)| sample).collect();
        self.set(all, None);
    }

    /// Whether there is a step to take back.
    pub fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    /// Whether there is a step to do again.
    pub fn can_redo(&self) -> bool {
        !self.redo.is_empty()
    }

    /// Takes back the last step.
    pub fn undo(&mut self) {
        if let Some(change) = self.undo.pop() {
            for (sample, before, _) in change.iter().rev() {
                put(&mut self.feedback, *sample, before);
            }
            self.redo.push(change);
            self.revision += 1;
        }
    }

    /// Does the step again that was taken back last.
    pub fn redo(&mut self) {
        if let Some(change) = self.redo.pop() {
            for (sample, _, after) in &change {
                put(&mut self.feedback, *sample, after);
            }
            self.undo.push(change);
            self.revision += 1;
        }
    }

    fn note(&mut self, change: Change) {
        if change.is_empty() {
            return;
        }
        self.redo.clear();
        self.revision += 1;
        self.undo.push(change);
        let extra = self.undo.len().saturating_sub(DEPTH);
        self.undo.drain(..extra);
    }
}

fn state(feedback: &Feedback, sample: Sample) -> MarkState {
    feedback.get(sample).map(|mark| (mark, feedback.region(sample).cloned()))
}

fn put(feedback: &mut Feedback, sample: Sample, state: &MarkState) {
    match state {
        Some((mark, region)) => {
            feedback.mark(sample, *mark);
            feedback.set_region(sample, region.clone());
        }
        None => {
            feedback.clear(sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{LatentAddress, NormalSource};

    fn sample(index: u64) -> Sample {
        Sample::new(LatentAddress { seed: 1, index }, 1.0).unwrap()
    }

    fn region(right: f64) -> Region {
        Region::between([0.0, 0.25], [right.clamp(0.1, 1.0), 0.5]).unwrap()
    }

    #[test]
    fn who_shows_where_marks_what_must_go() {
        let mut marks = Marks::new("");
        marks.toggle(sample(1), Mark::Positive);
        marks.set_region(sample(1), Some(region(0.5)));
        assert_eq!((marks.get(sample(1)), marks.region(sample(1))), (Some(Mark::Negative), Some(&region(0.5))));
        marks.undo();
        assert_eq!((marks.get(sample(1)), marks.region(sample(1))), (Some(Mark::Positive), None));
        marks.redo();
        marks.set_region(sample(1), None);
        assert_eq!((marks.get(sample(1)), marks.region(sample(1))), (Some(Mark::Negative), None));
        marks.undo();
        // A click that clears the mark takes the region along, and undoing brings both back.
        marks.toggle(sample(1), Mark::Negative);
        assert_eq!(marks.get(sample(1)), None);
        marks.undo();
        assert_eq!(marks.region(sample(1)), Some(&region(0.5)));
        let revision = marks.revision();
        marks.set_region(sample(1), Some(region(0.5)));
        marks.set_region(sample(7), None);
        assert_eq!(marks.revision(), revision, "nothing changed");
    }

    #[test]
    fn clicks_mark_move_and_clear() {
        let mut marks = Marks::new("");
        marks.toggle(sample(1), Mark::Negative);
        marks.toggle(sample(2), Mark::Negative);
        marks.toggle(sample(2), Mark::Positive);
        marks.toggle(sample(1), Mark::Negative);
        assert_eq!((marks.get(sample(1)), marks.get(sample(2)), marks.counts()), (None, Some(Mark::Positive), (0, 1)));
    }

    #[test]
    fn a_page_is_one_step_and_nothing_is_no_step() {
        let mut marks = Marks::new("");
        marks.set((0..30).map(sample), Some(Mark::Positive));
        marks.set((0..30).map(sample), Some(Mark::Positive));
        marks.undo();
        assert_eq!((marks.counts(), marks.can_undo(), marks.can_redo()), ((0, 0), false, true));
        marks.redo();
        assert_eq!(marks.counts(), (0, 30));
        marks.toggle(sample(3), Mark::Negative);
        assert!(!marks.can_redo());
    }

    #[test]
    fn a_file_replaces_marks_and_can_be_taken_back() {
        let mut marks = Marks::new("");
        marks.set((0..3).map(sample), Some(Mark::Negative));
        let mut other = Feedback::new("");
        other.mark(sample(2), Mark::Positive);
        other.mark(sample(9), Mark::Negative);
        other.mark(sample(1), Mark::Negative);
        other.set_region(sample(1), Some(region(0.3)));
        let before = marks.feedback().clone();
        marks.replace(&other);
        assert_eq!(*marks.feedback(), other);
        marks.undo();
        assert_eq!(*marks.feedback(), before);
    }

    /// Random steps, all taken back, then all done again.
    #[test]
    fn undo_and_redo_lead_through_the_same_states() {
        let mut rng = NormalSource::new(4, 4);
        let mut marks = Marks::new("");
        let mut states = vec![marks.feedback().clone()];
        for _ in 0..200 {
            let (from, mark) = (rng.below(20) as u64, [Some(Mark::Negative), Some(Mark::Positive), None][rng.below(3)]);
            match rng.below(4) {
                0 => marks.set_region(sample(from), Some(region(rng.uniform()))),
                1 => marks.set_region(sample(from), None),
                _ => marks.set((from..from + 1 + rng.below(5) as u64).map(sample), mark),
            }
            if *marks.feedback() != states[states.len() - 1] {
                states.push(marks.feedback().clone());
            }
        }
        for state in states.iter().rev().skip(1) {
            marks.undo();
            assert_eq!(marks.feedback(), state);
        }
        assert!(!marks.can_undo());
        for state in &states[1..] {
            marks.redo();
            assert_eq!(marks.feedback(), state);
        }
    }
}
