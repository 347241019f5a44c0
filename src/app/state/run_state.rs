//! What a run is doing, as far as the window knows.

use std::time::Instant;

use crate::{
    engine::{Phase, Progress, RunReport},
    feedback::FeedbackSource,
    unlearn::{Settings, Stage},
};

/// Where a run stands.
#[derive(Debug, Default)]
pub enum RunState {
    /// None was started.
    #[default]
    None,
    /// One is in progress.
    InProgress(RunInProgress),
    /// One has ended.
    Finished(Box<RunReport>),
    /// One could not be carried out; the sentence was shown as a notice.
    Failed,
}

/// A run in progress.
#[derive(Debug)]
pub struct RunInProgress {
    /// When it began.
    pub since: Instant,
    /// How far it is.
    pub progress: Option<Progress>,
    /// Whether it is computing.
    pub status: RunStatus,
    /// What it is made of.
    pub plan: RunPlan,
    /// When iterations that make the result began to be counted, and how many there were since: the first ones warm up.
    timed: Option<(Instant, usize)>,
}

/// What a run is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// Where its samples come from.
    pub collection: Collection,
    /// The method's stages.
    pub stages: &'static [Stage],
    /// Whether it is measured in the end.
    pub measured: bool,
}

/// Where the samples that a run trains on come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// A labeler sorts new ones.
    Labeler,
    /// New ones like the few that are marked.
    LikeMarks,
    /// The marked ones themselves.
    Marks,
}

impl Collection {
    /// Where a run takes its samples from that is asked like this.
    pub fn of(feedback: &FeedbackSource, settings: &Settings) -> Self {
        let few = settings.collect().map_or(0, |collect| collect.few_marks);
        match feedback {
            FeedbackSource::Labeler { .. } => Self::Labeler,
            FeedbackSource::Marks(marks) if marks.len() < few => Self::LikeMarks,
            FeedbackSource::Clicks { .. } => Self::LikeMarks,
            FeedbackSource::Marks(_) | FeedbackSource::File(_) => Self::Marks,
        }
    }
}

/// Whether a run is computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// It computes.
    Running,
    /// It pauses after this iteration.
    Pausing,
    /// It is paused.
    Paused,
    /// It ends after this iteration.
    Stopping,
}

impl RunState {
    /// A run begins.
    pub fn start(plan: RunPlan) -> Self {
        let status = RunStatus::Running;
        Self::InProgress(RunInProgress { since: Instant::now(), progress: None, status, plan, timed: None })
    }

    /// The run in progress.
    pub fn in_progress(&self) -> Option<&RunInProgress> {
        if let Self::InProgress(run) = self { Some(run) } else { None }
    }

    /// The run in progress.
    pub fn in_progress_mut(&mut self) -> Option<&mut RunInProgress> {
        if let Self::InProgress(run) = self { Some(run) } else { None }
    }
}

impl RunInProgress {
    /// What it is doing, for display.
    pub fn description(&self) -> String {
        match (self.status, self.progress) {
            (RunStatus::Stopping, _) => "Stopping after this step".to_owned(),
            (RunStatus::Pausing, _) => "Pausing after this step".to_owned(),
            (RunStatus::Paused, _) => "Paused".to_owned(),
            (RunStatus::Running, None) => "Preparing".to_owned(),
            (RunStatus::Running, Some(progress)) => match progress.phase {
                Phase::WarmUp => "Training a discriminator, as the file has none".to_owned(),
                Phase::Label if progress.done >= progress.of => "Preparing to learn".to_owned(),
                Phase::Label => match self.plan.collection {
                    Collection::Labeler => "Sorting samples with the labeler".to_owned(),
                    Collection::LikeMarks => "Finding more samples like those you marked".to_owned(),
                    Collection::Marks => "Collecting the samples you marked".to_owned(),
                },
                Phase::Method(at) => at.doing(),
                Phase::Evaluate => "Measuring the result".to_owned(),
                Phase::Train => "Training".to_owned(),
                Phase::Audit(_) => "Auditing".to_owned(),
            },
        }
    }

    /// Part of the present stage that is done, 0 to 1.
    pub fn fraction(&self) -> f32 {
        self.progress.map_or(0.0, |progress| progress.done as f32 / progress.of.max(1) as f32)
    }

    /// An iteration that makes the result is done.
    pub fn count_iteration(&mut self) {
        match &mut self.timed {
            Some((_, count)) => *count += 1,
            None => self.timed = Some((Instant::now(), 0)),
        }
    }

    /// Forgets the time measured so far: a pause would count as computing.
    pub fn reset_timing(&mut self) {
        self.timed = None;
    }

    /// Seconds of such an iteration, if enough of them went by undisturbed.
    pub fn seconds_per_iteration(&self) -> Option<f64> {
        let (since, count) = self.timed.filter(|&(_, count)| count >= 8)?;
        Some(since.elapsed().as_secs_f64() / count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unlearn::{FIRST, StageRound};

    #[test]
    fn every_stage_has_a_description() {
        for (collection, expected) in [
            (Collection::Labeler, "Sorting samples with the labeler"),
            (Collection::LikeMarks, "Finding more samples like those you marked"),
            (Collection::Marks, "Collecting the samples you marked"),
        ] {
            let mut state = RunState::start(RunPlan { collection, stages: FIRST.stages(), measured: true });
            let run = state.in_progress_mut().unwrap();
            assert_eq!((run.description().as_str(), run.fraction()), ("Preparing", 0.0));
            for (done, expected) in [(3, expected), (9, "Preparing to learn")] {
                run.progress = Some(Progress { phase: Phase::Label, done, of: 9, seconds_left: None });
                assert_eq!(run.description(), expected);
            }
            let phase = Phase::Method(StageRound { stage: &FIRST.stages()[0], round: 1, rounds: 2 });
            run.progress = Some(Progress { phase, done: 3, of: 12, seconds_left: None });
            assert_eq!((run.description().as_str(), run.fraction()), ("Learning what must go (2 of 2)", 0.25));
            for (status, expected) in [(RunStatus::Pausing, "Pausing after this step"), (RunStatus::Paused, "Paused")] {
                run.status = status;
                assert_eq!(run.description(), expected);
            }
        }
    }

    #[test]
    fn a_speed_needs_eight_iterations_without_a_pause() {
        let plan = RunPlan { collection: Collection::Marks, stages: FIRST.stages(), measured: false };
        let mut state = RunState::start(plan);
        let run = state.in_progress_mut().unwrap();
        assert_eq!(run.seconds_per_iteration(), None);
        (0..8).for_each(|_| run.count_iteration());
        assert_eq!(run.seconds_per_iteration(), None);
        run.count_iteration();
        assert!(run.seconds_per_iteration().is_some());
        run.reset_timing();
        assert_eq!(run.seconds_per_iteration(), None);
    }
}
