//! What the user should know. Errors stay until they are read.

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something was done.
    Done,
    /// Something is not as one would think.
    Warning,
    /// Something failed; it stays until it is dismissed.
    Error,
}

/// What a notice is about, so that it goes when that has come right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topic {
    /// A model that was opened.
    Model,
    /// A labeler that was opened.
    Labeler,
    /// Marks that were loaded.
    Marks,
    /// Pictures that were opened.
    Pictures,
    /// A run.
    Run,
    /// Anything else.
    #[default]
    Other,
}

/// One sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// How much it matters.
    pub level: Level,
    /// What it is about.
    pub topic: Topic,
    /// The sentence.
    pub text: String,
    /// How often it was said.
    pub times: usize,
    /// When it was said last, in the window's seconds.
    pub at: f64,
}

/// Seconds that a notice stays, unless it is an error.
const STAYS: f64 = 7.0;
/// More are not kept at once: the oldest that are no errors go.
const KEPT: usize = 5;

/// The notices on the screen, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Notices(Vec<Notice>);

impl Notices {
    /// Says something; the same sentence twice is counted, not shown twice.
    pub fn push(&mut self, level: Level, text: impl Into<String>, now: f64) {
        self.push_about(Topic::Other, level, text, now);
    }

    /// Says something that [`Notices::settle`] takes away again.
    pub fn push_about(&mut self, topic: Topic, level: Level, text: impl Into<String>, now: f64) {
        let text = text.into();
        if let Some(same) = self.0.iter_mut().find(|notice| notice.text == text) {
            same.times += 1;
            (same.topic, same.at) = (topic, now);
            return;
        }
        self.0.push(Notice { level, topic, text, times: 1, at: now });
        while self.0.len() > KEPT {
            let oldest = self.0.iter().position(|notice| notice.level != Level::Error).unwrap_or(0);
            self.0.remove(oldest);
        }
    }

    /// Takes away what has been there long enough; gives the seconds until the next one goes.
    pub fn age(&mut self, now: f64) -> Option<f64> {
        self.0.retain(|notice| notice.level == Level::Error || now < notice.at + STAYS);
        let ends = self.0.iter().filter(|notice| notice.level != Level::Error).map(|notice| notice.at + STAYS - now);
        ends.reduce(f64::min)
    }

    /// All there are.
    pub fn all(&self) -> &[Notice] {
        &self.0
    }

    /// Takes away what was said of this file's failures: it has been written since.
    pub fn forget_failures_of(&mut self, file: &str) {
        self.0.retain(|notice| notice.level != Level::Error || !notice.text.contains(file));
    }

    /// Takes away what was said of failures in this respect: it has come right, or begins anew.
    pub fn settle(&mut self, topic: Topic) {
        self.0.retain(|notice| notice.topic != topic || notice.level == Level::Done);
    }

    /// Takes one away.
    pub fn dismiss(&mut self, index: usize) {
        if index < self.0.len() {
            self.0.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stay_until_they_are_dismissed() {
        let mut notices = Notices::default();
        notices.push(Level::Error, "broken", 0.0);
        notices.push(Level::Done, "saved", 1.0);
        notices.push(Level::Error, "broken", 2.0);
        assert_eq!(notices.age(3.0), Some(5.0));
        assert_eq!(notices.age(8.5), None);
        assert_eq!((notices.all().len(), notices.all()[0].times), (1, 2));
        for i in 0..9 {
            notices.push(Level::Warning, format!("{i}"), 9.0);
        }
        assert_eq!((notices.all().len(), notices.all()[0].text.as_str()), (KEPT, "broken"));
        notices.dismiss(0);
        notices.dismiss(77);
        assert_eq!(notices.all()[0].text, "5");
    }

    #[test]
    fn errors_go_with_their_cause() {
        let mut notices = Notices::default();
        notices.push_about(Topic::Model, Level::Error, "a.pt: no model", 0.0);
        notices.push_about(Topic::Run, Level::Error, "the run failed", 0.0);
        notices.push(Level::Error, "b.png: cannot be written", 0.0);
        notices.settle(Topic::Labeler);
        assert_eq!(notices.all().len(), 3);
        notices.settle(Topic::Model);
        notices.settle(Topic::Run);
        assert_eq!(
            notices.all().iter().map(|notice| notice.text.as_str()).collect::<Vec<_>>(),
            ["b.png: cannot be written"]
        );
    }
}
