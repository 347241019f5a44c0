//! What a labeler says of the samples, and in which order the grid shows them for it.

use std::ops::Range;

use crate::{
    engine::{LabelQuestion, LabelRequest, LabelledSamples, SampleLabel},
    feedback::Sample,
};

/// Samples that are looked through at once.
const LOOK_THROUGH: usize = 500;
/// Questions whose answers are kept: the seeds and classes that were looked at last.
const KEPT: usize = 12;

/// In which order the grid shows samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By their numbers.
    #[default]
    AsDrawn,
    /// Those first that most likely show it.
    MostLikely,
    /// Those first that least likely show it.
    LeastLikely,
}

impl Order {
    /// All of them, with their names and what they show.
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::AsDrawn, "As drawn", "Sample 0, sample 1, and so on"),
        (Self::MostLikely, "Most likely first", "First the samples that most likely show it, as the labeler sees them"),
        (
            Self::LeastLikely,
            "Least likely first",
            "First the samples that least likely show it, as the labeler sees them",
        ),
    ];
}

/// Which samples the grid shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    #[default]
    All,
    /// Those that show it.
    Showing,
    /// Those that do not.
    NotShowing,
}

impl Filter {
    /// All of them, with their names and what they show.
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::All, "All samples", "Whatever they show"),
        (Self::Showing, "Only those that show it", "Samples whose likeliest class is one that must go"),
        (Self::NotShowing, "Only those that do not", "Samples whose likeliest class may stay"),
    ];

    fn takes(self, label: &SampleLabel) -> bool {
        match self {
            Self::All => true,
            Self::Showing => label.shows,
            Self::NotShowing => !label.shows,
        }
    }
}

/// A labeler's answers to one question: of the first samples, in the order of their numbers.
#[derive(Clone, Debug)]
struct Answers {
    question: LabelQuestion,
    labels: Vec<SampleLabel>,
}

/// The numbers of the samples that the grid shows instead of all as they are drawn, and what they were arranged by.
#[derive(Clone, Debug)]
struct Arrangement {
    question: LabelQuestion,
    by: (Order, Filter),
    /// Samples that were looked through.
    looked_through: usize,
    indices: Vec<u64>,
}

/// How far the labeler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookedThrough {
    /// Samples that it has looked through.
    pub done: usize,
    /// Samples that it is to look through; as many as are done when it has ended.
    pub of: usize,
    /// Those among the former that show it.
    pub showing: usize,
}

/// The labeler's answers, and how the grid is ordered by them.
///
/// The grid stays as drawn until all samples that are to be looked through are: what is being marked does not move. While the labeler has to
/// wait for something long, those are put in order that it has looked through.
#[derive(Clone, Debug, Default)]
pub struct SampleOrder {
    choice: (Order, Filter),
    /// What is asked now, if anything can be.
    question: Option<LabelQuestion>,
    /// Samples that are to be looked through.
    wanted: usize,
    /// Whether they were asked for.
    asked: bool,
    /// Whether the labeler waits for something long.
    waits: bool,
    /// The answers that are kept, those to the latest question last.
    answers: Vec<Answers>,
    arrangement: Option<Arrangement>,
    revision: u64,
}

/// What the engine is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderRequest {
    /// Look through these samples.
    LookThrough(LabelRequest),
    /// Look through no more.
    Stop,
}

impl SampleOrder {
    /// The order and the filter that were chosen.
    pub fn choice(&self) -> (Order, Filter) {
        self.choice
    }

    /// Chooses an order and a filter.
    pub fn choose(&mut self, order: Order, filter: Filter) {
        if self.choice == (Order::AsDrawn, Filter::All) {
            self.wanted = 0;
        }
        self.choice = (order, filter);
    }

    /// A number that changes whenever other samples stand in the grid's places.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How far the labeler is; `None` while nothing is ordered by it.
    pub fn looked_through(&self) -> Option<LookedThrough> {
        if self.is_plain() {
            return None;
        }
        let labels = &self.current()?.labels;
        let showing = labels.iter().filter(|label| label.shows).count();
        Some(LookedThrough { done: labels.len(), of: self.wanted.max(labels.len()), showing })
    }

    /// Whether the labeler waits for something that may take minutes.
    pub fn set_waiting(&mut self, waits: bool) {
        self.waits = waits;
    }

    /// Looks through more samples than so far.
    pub fn look_through_more(&mut self) {
        self.wanted = self.done() + LOOK_THROUGH;
    }

    /// Looks through no more, and is content with those that were looked through.
    pub fn stop(&mut self) {
        self.wanted = self.done();
        if self.wanted == 0 {
            self.choice = Default::default();
        }
    }

    /// What the labeler says of a sample, if it was asked.
    pub fn label(&self, sample: Sample) -> Option<SampleLabel> {
        let answers = self.current().filter(|answers| is_of(&answers.question, sample))?;
        answers.labels.get(usize::try_from(sample.address().index).ok()?).copied()
    }

    /// The numbers of the samples that the grid shows, in its order, if `first`, the sample as drawn in the first place, is of
    /// those that were arranged; `None` where all are shown as drawn.
    pub fn indices(&self, first: Sample) -> Option<&[u64]> {
        let arrangement = self.arrangement.as_ref().filter(|arrangement| is_of(&arrangement.question, first))?;
        Some(&arrangement.indices)
    }

    /// Brings the arrangement up to date with what can be asked now (`None`: nothing), where there are so many samples in all.
    /// Gives what the engine is to be sent. Called in every frame.
    pub fn update(&mut self, question: Option<LabelQuestion>, samples: usize) -> Option<OrderRequest> {
        if self.question != question {
            (self.question, self.wanted) = (question, 0);
            // What was asked for is another's; what is to be asked for takes its place.
            let was_asked = std::mem::take(&mut self.asked);
            self.use_kept_answers();
            let next = self.ask(samples);
            self.arrange();
            return next.or_else(|| was_asked.then_some(OrderRequest::Stop));
        }
        let next = self.ask(samples);
        self.arrange();
        next
    }

    /// Takes in answers; of those that are known, whichever came first.
    pub fn add(&mut self, found: LabelledSamples) {
        let Some(answers) = self.answers.iter_mut().find(|answers| answers.question == found.question) else { return };
        let known = answers.labels.len() as u64;
        if let Some(known) = known.checked_sub(found.start).and_then(|known| usize::try_from(known).ok()) {
            answers.labels.extend(found.labels.into_iter().skip(known));
        }
    }

    /// The labeler cannot be asked: all is shown as drawn.
    pub fn fail(&mut self, request: &LabelRequest) {
        if self.question.as_ref() == Some(&request.question) {
            (self.choice, self.asked) = (Default::default(), false);
        }
    }

    /// The engine knows nothing of what it was asked any more.
    pub fn ask_again(&mut self) {
        self.asked = false;
    }

    /// Other samples bear these numbers now.
    pub fn forget(&mut self) {
        let revision = self.revision + u64::from(self.arrangement.is_some());
        *self = Self { revision, ..Self::default() };
    }

    fn is_plain(&self) -> bool {
        self.choice == (Order::AsDrawn, Filter::All)
    }

    fn current(&self) -> Option<&Answers> {
        self.answers.last().filter(|answers| Some(&answers.question) == self.question.as_ref())
    }

    /// Samples of the present question that were looked through.
    fn done(&self) -> usize {
        self.current().map_or(0, |answers| answers.labels.len())
    }

    /// Makes the answers to the present question the last ones, if there are any.
    fn use_kept_answers(&mut self) {
        let known = |answers: &Answers| Some(&answers.question) == self.question.as_ref();
        if let Some(place) = self.answers.iter().position(known) {
            let answers = self.answers.remove(place);
            self.answers.push(answers);
        }
    }

    /// What the engine is to be sent.
    fn ask(&mut self, samples: usize) -> Option<OrderRequest> {
        let Some(question) = self.question.clone().filter(|_| !self.is_plain()) else {
            return std::mem::take(&mut self.asked).then_some(OrderRequest::Stop);
        };
        if self.current().is_none() {
            self.answers.push(Answers { question: question.clone(), labels: Vec::new() });
            let extra = self.answers.len().saturating_sub(KEPT);
            self.answers.drain(..extra);
        }
        let done = self.done();
        if self.wanted == 0 {
            self.wanted = LOOK_THROUGH.max(done);
        }
        self.wanted = self.wanted.min(samples);
        if done >= self.wanted {
            return std::mem::take(&mut self.asked).then_some(OrderRequest::Stop);
        }
        let indices = Range { start: done as u64, end: self.wanted as u64 };
        let is_new = !std::mem::replace(&mut self.asked, true);
        is_new.then_some(OrderRequest::LookThrough(LabelRequest { question, indices }))
    }

    /// Puts samples in order once all that are to be looked through are, or no more can be for now. While more are, those stay that were
    /// in order before.
    fn arrange(&mut self) {
        let arrangement = self.arrangement.as_ref().filter(|old| Some(&old.question) == self.question.as_ref());
        let before = arrangement.map_or(0, |old| old.looked_through);
        let at_hand = self.done() >= self.wanted || (self.waits && before == 0);
        let count = if at_hand { self.done() } else { before };
        let wanted = (!self.is_plain() && count > 0).then_some((self.choice, count));
        let is_of_another = self.arrangement.is_some() && arrangement.is_none();
        if wanted == arrangement.map(|old| (old.by, old.looked_through)) && !is_of_another {
            return;
        }
        let answers = wanted.and_then(|_| self.current());
        self.arrangement = answers.map(|Answers { question, labels }| Arrangement {
            question: question.clone(),
            by: self.choice,
            looked_through: count,
            indices: arranged(self.choice, &labels[..count.min(labels.len())]),
        });
        self.revision += 1;
    }
}

/// Whether a question is about the samples that this one is among.
fn is_of(question: &LabelQuestion, sample: Sample) -> bool {
    (question.seed, question.psi, question.class) == (sample.address().seed, sample.psi(), sample.class())
}

/// The numbers of samples with these labels, filtered and in order; alike ones by number.
fn arranged((order, filter): (Order, Filter), labels: &[SampleLabel]) -> Vec<u64> {
    let mut kept: Vec<(u64, f32)> = labels
        .iter()
        .zip(0..)
        .filter(|(label, _)| filter.takes(label))
        .map(|(label, index)| (index, label.probability))
        .collect();
    match order {
        Order::AsDrawn => {}
        Order::MostLikely => kept.sort_by(|(_, a), (_, b)| b.total_cmp(a)),
        Order::LeastLikely => kept.sort_by(|(_, a), (_, b)| a.total_cmp(b)),
    }
    kept.into_iter().map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::state::tiles::sample_at, feedback::LabelerSpec};

    fn question(seed: u64) -> LabelQuestion {
        let labeler = LabelerSpec { path: "digits.onnx".into(), mean: None, std: None };
        LabelQuestion { labeler, target: "scores=4".to_owned(), seed, psi: 1.0, class: None }
    }

    fn labels(probabilities: &[f32]) -> Vec<SampleLabel> {
        probabilities.iter().map(|&probability| SampleLabel { probability, shows: probability > 0.4 }).collect()
    }

    fn found(seed: u64, start: u64, probabilities: &[f32]) -> LabelledSamples {
        LabelledSamples { question: question(seed), start, labels: labels(probabilities) }
    }

    fn asked(seed: u64, indices: Range<u64>) -> Option<OrderRequest> {
        Some(OrderRequest::LookThrough(LabelRequest { question: question(seed), indices }))
    }

    fn first(seed: u64) -> Sample {
        sample_at(seed, 0, 1.0).unwrap()
    }

    #[test]
    fn samples_are_filtered_and_ordered() {
        let labels = labels(&[0.5, 0.1, 0.9, 0.5, 0.3]);
        let table: [(Order, Filter, &[u64]); 6] = [
            (Order::AsDrawn, Filter::All, &[0, 1, 2, 3, 4]),
            (Order::MostLikely, Filter::All, &[2, 0, 3, 4, 1]),
            (Order::LeastLikely, Filter::All, &[1, 4, 0, 3, 2]),
            (Order::AsDrawn, Filter::Showing, &[0, 2, 3]),
            (Order::MostLikely, Filter::Showing, &[2, 0, 3]),
            (Order::LeastLikely, Filter::NotShowing, &[1, 4]),
        ];
        for (order, filter, expected) in table {
            assert_eq!(arranged((order, filter), &labels), expected, "{order:?}, {filter:?}");
        }
    }

    #[test]
    fn the_grid_is_ordered_once_all_are_looked_through() {
        let mut order = SampleOrder::default();
        assert_eq!(order.update(Some(question(0)), 4), None, "as drawn, nobody is asked");
        order.choose(Order::MostLikely, Filter::All);
        assert_eq!(order.update(Some(question(0)), 4), asked(0, 0..4));
        assert_eq!(order.update(Some(question(0)), 4), None, "it is asked once");
        order.add(found(0, 0, &[0.2, 0.8]));
        assert_eq!(order.update(Some(question(0)), 4), None);
        assert_eq!(order.looked_through(), Some(LookedThrough { done: 2, of: 4, showing: 1 }));
        assert_eq!((order.indices(first(0)), order.revision()), (None, 0));
        assert_eq!(order.label(sample_at(0, 1, 1.0).unwrap()).map(|label| label.probability), Some(0.8));
        // What is there already, and two more; what leaves a gap is no use.
        order.add(found(0, 3, &[0.0]));
        order.add(found(0, 1, &[0.7, 0.9, 0.1]));
        assert_eq!(order.update(Some(question(0)), 4), Some(OrderRequest::Stop));
        assert_eq!((order.indices(first(0)), order.revision()), (Some(&[2, 1, 0, 3][..]), 1));
        // Another truncation, class or seed is another sample.
        assert_eq!(order.indices(sample_at(0, 0, 0.5).unwrap()), None);
        assert_eq!(order.indices(first(0).with_class(Some(1))), None);
        assert_eq!(order.label(first(1)), None);
        order.choose(Order::MostLikely, Filter::Showing);
        assert_eq!(order.update(Some(question(0)), 4), None);
        assert_eq!((order.indices(first(0)), order.revision()), (Some(&[2, 1][..]), 2));
        order.choose(Order::AsDrawn, Filter::All);
        assert_eq!(order.update(Some(question(0)), 4), None);
        assert_eq!((order.indices(first(0)), order.revision()), (None, 3));
    }

    #[test]
    fn while_the_labeler_waits_what_is_at_hand_is_ordered() {
        let mut order = SampleOrder::default();
        order.choose(Order::MostLikely, Filter::All);
        order.set_waiting(true);
        assert_eq!(order.update(Some(question(0)), 4), asked(0, 0..4));
        assert_eq!(order.indices(first(0)), None, "nothing is at hand");
        order.add(found(0, 0, &[0.2, 0.8]));
        order.update(Some(question(0)), 4);
        assert_eq!(order.indices(first(0)), Some(&[1, 0][..]));
        // It goes on: these stay where they are until all are there.
        order.set_waiting(false);
        order.add(found(0, 2, &[0.9]));
        order.update(Some(question(0)), 4);
        assert_eq!((order.indices(first(0)), order.revision()), (Some(&[1, 0][..]), 1));
        order.add(found(0, 3, &[0.1]));
        order.update(Some(question(0)), 4);
        assert_eq!(order.indices(first(0)), Some(&[2, 1, 0, 3][..]));
    }

    #[test]
    fn another_question_makes_answers_stale_and_the_former_are_kept() {
        let mut order = SampleOrder::default();
        order.choose(Order::LeastLikely, Filter::All);
        order.update(Some(question(0)), 2);
        order.add(found(0, 0, &[0.9, 0.1]));
        order.update(Some(question(0)), 2);
        assert_eq!(order.indices(first(0)), Some(&[1, 0][..]));
        assert_eq!(order.update(Some(question(1)), 2), asked(1, 0..2));
        assert_eq!((order.indices(first(0)), order.indices(first(1))), (None, None), "as drawn, until they are there");
        // Late answers to the first question are no answers to the second.
        order.add(found(0, 0, &[0.5, 0.5]));
        assert_eq!(order.update(Some(question(1)), 2), None);
        assert_eq!(order.looked_through(), Some(LookedThrough { done: 0, of: 2, showing: 0 }));
        // No class chosen: nothing can be asked.
        assert_eq!(order.update(None, 2), Some(OrderRequest::Stop));
        assert_eq!(order.looked_through(), None);
        assert_eq!(order.update(Some(question(0)), 2), None, "the answers are known");
        assert_eq!(order.indices(first(0)), Some(&[1, 0][..]));
        order.forget();
        assert_eq!((order.update(Some(question(0)), 2), order.choice()), (None, Default::default()));
        assert_eq!(order.indices(first(0)), None);
    }

    #[test]
    fn looking_through_can_be_stopped_gone_on_with_and_fail() {
        let mut order = SampleOrder::default();
        order.choose(Order::AsDrawn, Filter::Showing);
        order.update(Some(question(0)), 10_000);
        order.stop();
        assert_eq!(order.update(Some(question(0)), 10_000), Some(OrderRequest::Stop));
        assert_eq!(order.choice(), Default::default(), "nothing was looked through");
        order.choose(Order::AsDrawn, Filter::Showing);
        assert_eq!(order.update(Some(question(0)), 10_000), asked(0, 0..500));
        order.add(found(0, 0, &[0.9, 0.1, 0.8]));
        order.stop();
        assert_eq!(order.update(Some(question(0)), 10_000), Some(OrderRequest::Stop));
        assert_eq!(order.indices(first(0)), Some(&[0, 2][..]));
        order.look_through_more();
        assert_eq!(order.update(Some(question(0)), 10_000), asked(0, 3..503));
        order.add(found(0, 3, &[0.7]));
        assert_eq!(order.update(Some(question(0)), 10_000), None);
        assert_eq!(order.indices(first(0)), Some(&[0, 2][..]), "what is being marked does not move");
        order.ask_again();
        assert_eq!(order.update(Some(question(0)), 10_000), asked(0, 4..503));
        order.fail(&LabelRequest { question: question(0), indices: 4..503 });
        assert_eq!(order.update(Some(question(0)), 10_000), None);
        assert_eq!((order.choice(), order.indices(first(0))), (Default::default(), None));
    }
}
