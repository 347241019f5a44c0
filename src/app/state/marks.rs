//! What the user marked, with undo and redo.

use crate::feedback::{Feedback, Mark, Sample};

/// One step that can be undone: what each sample was and became.
type Change = Vec<(Sample, Option<Mark>, Option<Mark>)>;

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
            let before = self.get(sample);
            if before != mark {
                put(&mut self.feedback, sample, mark);
                change.push((sample, before, mark));
            }
        }
        self.note(change);
    }

    /// Takes over other marks for the same model in place of all there are; one step.
    pub fn replace(&mut self, feedback: &Feedback) {
        let mut change = Change::new();
        for (sample, mark) in self.feedback.iter() {
            if feedback.get(sample) != Some(mark) {
                change.push((sample, Some(mark), feedback.get(sample)));
            }
        }
        for (sample, mark) in feedback.iter() {
            if self.get(sample).is_none() {
                change.push((sample, None, Some(mark)));
            }
        }
        for &(sample, _, to) in &change {
            put(&mut self.feedback, sample, to);
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
            for &(sample, before, _) in change.iter().rev() {
                put(&mut self.feedback, sample, before);
            }
            self.redo.push(change);
            self.revision += 1;
        }
    }

    /// Does the step again that was taken back last.
    pub fn redo(&mut self) {
        if let Some(change) = self.redo.pop() {
            for &(sample, _, after) in &change {
                put(&mut self.feedback, sample, after);
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

fn put(feedback: &mut Feedback, sample: Sample, mark: Option<Mark>) {
    match mark {
        Some(mark) => feedback.mark(sample, mark),
        None => feedback.clear(sample),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{LatentAddress, NormalSource};

    fn sample(index: u64) -> Sample {
        Sample::new(LatentAddress { seed: 1, index }, 1.0).unwrap()
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
            marks.set((from..from + 1 + rng.below(5) as u64).map(sample), mark);
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
