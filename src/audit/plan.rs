//! How much there is to do in an audit, and how far it is.

use std::ops::ControlFlow;

use super::{
    budget::{AuditBudget, Part},
    relearn::{SAMPLES_OF_AN_ITERATION, looks},
    search::Space,
    subject::Subject,
    worst,
};

/// Samples that are looked through for those that a probe and a relearning learn from at most, in multiples of the measured ones.
pub(super) const LOOKED: usize = 2;
/// Places on the way back from the result to the original, as parts of the way.
pub(super) const BACK: [f64; 6] = [0.0, 0.1, 0.25, 0.5, 0.75, 1.0];
/// A sample climbed costs about as much as so many drawn.
pub(super) const SAMPLES_OF_A_CLIMB: usize = 4;

/// Counts what is done and asks whether to go on.
pub(super) struct Work<'a> {
    done: usize,
    of: usize,
    part: Part,
    tell: &'a mut dyn FnMut(Part, usize, usize) -> ControlFlow<()>,
}

impl<'a> Work<'a> {
    pub(super) fn new(plan: &Plan, tell: &'a mut dyn FnMut(Part, usize, usize) -> ControlFlow<()>) -> Self {
        Self { done: 0, of: plan.total(), part: Part::Measure, tell }
    }

    pub(super) fn add(&mut self, units: usize) -> ControlFlow<()> {
        self.done += units;
        (self.tell)(self.part, self.done.min(self.of), self.of)
    }

    /// What is done once a part is over, whether or not it took all that was planned; it never goes back.
    pub(super) fn jump(&mut self, part: Part, done: usize) {
        (self.part, self.done) = (part, done.max(self.done));
    }
}

/// How much there is to do, in samples drawn.
pub(super) struct Plan {
    measure: usize,
    layers: usize,
    /// Latent searches, or masks.
    search: usize,
    /// One training.
    pub(super) training: usize,
    trainings: usize,
    back: usize,
}

impl Plan {
    /// The original first.
    pub(super) fn of(subjects: &[&Subject], budget: &AuditBudget) -> Self {
        let searches: usize = subjects.iter().map(|subject| Space::of(subject).len()).sum();
        let masked = subjects.iter().filter(|subject| subject.generator.completion().is_some()).count();
        let trained = subjects[1..].iter().filter(|subject| subject.can_learn()).count();
        let AuditBudget { samples, search, relearn, compared, back } = budget;
        Self {
            measure: samples * subjects.len() + samples * LOOKED,
            layers: 4 * compared,
            search: searches * search.starts * (search.steps + 1) * SAMPLES_OF_A_CLIMB + masked * worst::MASKED_SAMPLES,
            training: relearn.steps * relearn.batch * SAMPLES_OF_AN_ITERATION
                + looks(relearn.steps).len() * relearn.samples,
            trainings: trained * relearn.pictures.len(),
            back: back * BACK.len(),
        }
    }

    pub(super) fn until_layers(&self) -> usize {
        self.measure
    }

    pub(super) fn until_search(&self) -> usize {
        self.measure + self.layers
    }

    pub(super) fn until_relearn(&self) -> usize {
        self.until_search() + self.search
    }

    pub(super) fn until_back(&self) -> usize {
        self.until_relearn() + self.training * self.trainings
    }

    fn total(&self) -> usize {
        self.until_back() + self.back
    }
}
