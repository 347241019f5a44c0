//! *Unlearn* from marks: a run that takes long starts at once only from marks that say clearly what must go.

use super::data::Studio;
use crate::{
    app::state::marks_check::{LearnedMarks, MarksCheck, MarksVerdict, too_few_marks},
    feedback::probe::{Confidence, ProbeQuality},
};

impl Studio {
    /// Starts a run, or first asks the user where the marks are weak. Where only learning from them can tell, that is done
    /// first, and the run starts after it if they are clear.
    pub fn unlearn(&mut self) {
        let revision = self.marks.revision();
        match self.marks_verdict() {
            // Where something is in the way, that is what there is to say.
            _ if self.obstacle().is_some() => self.start(),
            MarksVerdict::Clear => self.start(),
            MarksVerdict::Weak(_) => self.marks_check = MarksCheck::Asking(revision),
            MarksVerdict::Unknown => {
                self.suggest();
                self.marks_check = MarksCheck::Learning(revision);
            }
        }
    }

    /// What the user is asked before a run from weak marks; `None` while nothing is asked.
    pub fn marks_question(&self) -> Option<String> {
        if self.marks_check != MarksCheck::Asking(self.marks.revision()) || self.obstacle().is_some() {
            return None;
        }
        match self.marks_verdict() {
            MarksVerdict::Weak(why) => Some(why),
            MarksVerdict::Clear | MarksVerdict::Unknown => None,
        }
    }

    /// Whether a run waits for what is being learned from the marks.
    pub fn is_checking_marks(&self) -> bool {
        self.suggesting && self.marks_check == MarksCheck::Learning(self.marks.revision())
    }

    /// No run after all: the user goes on marking, with suggestions that fit the marks there are.
    pub fn mark_more(&mut self) {
        self.marks_check = MarksCheck::None;
        if self.learned_now().is_none() {
            self.suggest();
        }
    }

    /// No run after all.
    pub fn cancel_marks_check(&mut self) {
        self.marks_check = MarksCheck::None;
    }

    /// Notes what came of learning from the marks that were asked about last.
    pub(super) fn note_learned(&mut self, outcome: Result<ProbeQuality, String>) {
        self.learned = Some(LearnedMarks { revision: self.learning_from, outcome });
    }

    /// Goes on with a check that waited for what was learned; whether one did.
    pub(super) fn resume_marks_check(&mut self) -> bool {
        let MarksCheck::Learning(revision) = self.marks_check else { return false };
        self.marks_check = MarksCheck::None;
        // A preview may have begun meanwhile: no run is started behind it.
        let goes_on = revision == self.marks.revision() && self.obstacle().is_none();
        if goes_on {
            self.unlearn();
        }
        goes_on
    }

    /// Forgets what was learned from the marks: these are others now, which are counted anew.
    pub(super) fn forget_marks_check(&mut self) {
        (self.learned, self.marks_check, self.learning_from) = (None, MarksCheck::None, u64::MAX);
    }

    /// What was learned from the marks as they are now.
    fn learned_now(&self) -> Option<&LearnedMarks> {
        self.learned.as_ref().filter(|learned| learned.revision == self.marks.revision())
    }

    fn marks_verdict(&self) -> MarksVerdict {
        if self.labeler.as_ref().is_some_and(|labeler| labeler.gives_feedback) {
            return MarksVerdict::Clear;
        }
        let learns = self.learns_from_few_marks();
        let learned = self.learned_now().filter(|_| learns).map(|learned| &learned.outcome);
        match learned {
            Some(Err(reason)) => return MarksVerdict::Weak(reason.clone()),
            Some(Ok(quality)) if quality.confidence == Confidence::Low => {
                let why = "Your marks do not make clear yet what must go: much of the wrong thing may be unlearned.";
                return MarksVerdict::Weak(why.to_owned());
            }
            _ => {}
        }
        let (negatives, positives) = self.marks.counts();
        let needs_positives = learns || self.settings.method().needs(self.settings.values()).positives;
        match too_few_marks(negatives, needs_positives.then_some(positives)) {
            Some(why) => MarksVerdict::Weak(why),
            None if learns && learned.is_none() => MarksVerdict::Unknown,
            None => MarksVerdict::Clear,
        }
    }
}
