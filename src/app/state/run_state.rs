//! What a run is doing, as far as the window knows.

use std::time::{Duration, Instant};

use crate::engine::{Phase, Progress, RunReport};

/// Where a run stands.
#[derive(Debug, Default)]
pub enum RunState {
    /// None was started.
    #[default]
    None,
    /// One is under way.
    Going(Going),
    /// One is over.
    Over(Box<RunReport>),
    /// One could not be carried out; the sentence was shown as a notice.
    Failed,
}

/// A run under way.
#[derive(Debug)]
pub struct Going {
    /// When it began.
    pub since: Instant,
    /// How far it is.
    pub progress: Option<Progress>,
    /// Whether it is held.
    pub held: Held,
    /// Adapted generators in the ensemble.
    pub members: usize,
    /// Whether it is measured in the end.
    pub measured: bool,
    /// When iterations of stage 2 began to be counted, and how many there were: the first ones warm up.
    pace: Option<(Instant, usize)>,
}

/// Whether a run is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It goes on.
    No,
    /// It will be held after this iteration.
    Soon,
    /// It is held.
    Yes,
    /// It was told to end.
    Ending,
}

impl RunState {
    /// A run begins.
    pub fn begin(members: usize, measured: bool) -> Self {
        let since = Instant::now();
        Self::Going(Going { since, progress: None, held: Held::No, members, measured, pace: None })
    }

    /// The run under way.
    pub fn going(&self) -> Option<&Going> {
        if let Self::Going(going) = self { Some(going) } else { None }
    }

    /// The run under way.
    pub fn going_mut(&mut self) -> Option<&mut Going> {
        if let Self::Going(going) = self { Some(going) } else { None }
    }
}

impl Going {
    /// What it is doing, in a person's words.
    pub fn doing(&self) -> String {
        match (self.held, self.progress) {
            (Held::Ending, _) => "Ending after this iteration".to_owned(),
            (Held::Yes, _) => "Paused".to_owned(),
            (_, None) => "Getting ready".to_owned(),
            (_, Some(progress)) => match progress.phase {
                Phase::WarmUp => "Training a discriminator, as the file has none".to_owned(),
                Phase::Label if progress.done >= progress.of => "Getting ready to learn".to_owned(),
                Phase::Label => "Looking for samples of it".to_owned(),
                Phase::Adapt(member) if self.members > 1 => {
                    format!("Learning what must go ({} of {})", member + 1, self.members)
                }
                Phase::Adapt(_) => "Learning what must go".to_owned(),
                Phase::Unlearn => "Unlearning".to_owned(),
                Phase::Evaluate => "Measuring the result".to_owned(),
                Phase::Train => "Training".to_owned(),
            },
        }
    }

    /// Part of the present stage that is done, 0 to 1.
    pub fn fraction(&self) -> f32 {
        self.progress.map_or(0.0, |progress| progress.done as f32 / progress.of.max(1) as f32)
    }

    /// An iteration of stage 2 is done; `index` counts from 0.
    pub fn pace(&mut self, index: usize) {
        self.pace.get_or_insert((Instant::now(), index));
    }

    /// Whether it was held: its pace then says nothing.
    pub fn disturb(&mut self) {
        self.pace = None;
    }

    /// Seconds of an iteration of stage 2, if enough of them went by undisturbed until `index`.
    pub fn seconds_per_iteration(&self, index: usize) -> Option<f64> {
        let (since, from) = self.pace?;
        let done = index.checked_sub(from).filter(|&done| done >= 8)?;
        Some(since.elapsed().as_secs_f64() / done as f64)
    }
}

/// A time in a person's words.
pub fn in_words(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.max(0.0)).map_or(u64::MAX, |time| time.as_secs());
    match seconds {
        0..=9 => "a few seconds".to_owned(),
        10..=89 => format!("{} s", seconds / 5 * 5),
        90..=5399 => format!("{} min", (seconds + 30) / 60),
        5400..=172_799 => format!("{:.1} h", seconds as f64 / 3600.0),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// An amount of memory in a person's words.
pub fn in_bytes(bytes: f64) -> String {
    if bytes < 1e9 { format!("{:.0} MB", (bytes / 1e6).max(1.0)) } else { format!("{:.1} GB", bytes / 1e9) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_they_are_known() {
        let table = [(3.0, "a few seconds"), (47.0, "45 s"), (170.0, "3 min"), (7200.0, "2.0 h"), (1e6, "11 days")];
        for (seconds, expected) in table {
            assert_eq!(in_words(seconds), expected);
        }
        assert_eq!([in_words(f64::NAN), in_words(-5.0)], ["a few seconds"; 2]);
        assert_eq!([in_bytes(3.4e8), in_bytes(1.25e9), in_bytes(10.0)], ["340 MB", "1.2 GB", "1 MB"]);
    }

    #[test]
    fn stages_have_words() {
        let mut run = RunState::begin(2, true);
        let going = run.going_mut().unwrap();
        assert_eq!((going.doing().as_str(), going.fraction()), ("Getting ready", 0.0));
        for (done, expected) in [(3, "Looking for samples of it"), (9, "Getting ready to learn")] {
            going.progress = Some(Progress { phase: Phase::Label, done, of: 9, seconds_left: None });
            assert_eq!(going.doing(), expected);
        }
        going.progress = Some(Progress { phase: Phase::Adapt(1), done: 3, of: 12, seconds_left: None });
        assert_eq!((going.doing().as_str(), going.fraction()), ("Learning what must go (2 of 2)", 0.25));
        going.held = Held::Yes;
        assert_eq!(going.doing(), "Paused");
        assert_eq!(going.seconds_per_iteration(100), None);
        going.pace(2);
        going.pace(3);
        assert!(going.seconds_per_iteration(5).is_none() && going.seconds_per_iteration(12).is_some());
    }
}
