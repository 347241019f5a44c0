//! Starting, holding and ending a run.

use super::data::Studio;
use crate::{
    app::state::{
        charts::Charts,
        notices::Level,
        run_state::{Held, RunState},
        tiles::Source,
        timeline::SNAPSHOTS,
    },
    device::Kind,
    engine::{
        Command, FeedbackSource, RunRequest,
        command::EvaluationRequest,
        cost::{Cost, Speed, affordable_snapshots, cost},
        evaluate::EVALUATION_SEED,
    },
    unlearn::probe::FEWEST,
};

/// Samples the result is measured on.
const MEASURED: usize = 2000;
/// Seconds after which a run on a GPU that has done no iteration yet is tuning its kernels.
const TUNES: f64 = 3.0;

impl Studio {
    /// What keeps a run from starting, in one sentence.
    pub fn obstacle(&self) -> Option<String> {
        if self.model.is_none() {
            return Some("Open a model first.".to_owned());
        }
        if self.run.going().is_some() {
            return Some("A run is under way.".to_owned());
        }
        let (negatives, positives) = self.marks.counts();
        match &self.labeler {
            Some(labeler) if labeler.gives_feedback => {
                if labeler.forget.is_empty() {
                    return Some("Choose the classes that must go.".to_owned());
                }
            }
            _ => {
                // A few marks are learned from, which takes some of each kind.
                let learned_from = negatives + positives < self.settings.few_marks;
                let needed = if learned_from { FEWEST } else { 1 };
                if negatives < needed {
                    let so_far = if negatives > 0 { format!(" At least {needed}.") } else { String::new() };
                    return Some(format!("Click the samples that must go.{so_far}"));
                }
                if positives < needed {
                    let how = "right-click, or Page \u{203a} The rest may stay";
                    return Some(format!("Mark at least {needed} that may stay, too: {how}."));
                }
            }
        }
        self.settings.check().err().map(|reason| format!("Settings: {reason}."))
    }

    /// Snapshots that a run will take.
    pub fn snapshots(&self) -> usize {
        self.model.as_ref().map_or(SNAPSHOTS, |card| affordable_snapshots(card, SNAPSHOTS))
    }

    /// What the next run will cost.
    pub fn cost(&self) -> Option<Cost> {
        let card = self.model.as_ref()?;
        let device = self.device.as_ref().map_or("", |card| card.name.as_str());
        let speed = Speed { per_sample: self.per_sample_at_best, per_iteration: self.prefs.speed(device, card) };
        Some(cost(card, &self.settings, self.snapshots(), speed))
    }

    /// Bytes that a run may take on the compute device, as far as they are known: what is free in the machine, or all that
    /// a graphics card has.
    pub fn memory(&self) -> Option<u64> {
        match &self.device {
            Some(card) if card.kind != Kind::Cpu => card.memory,
            _ => self.free_memory,
        }
    }

    /// Whether the run's first iteration is still to come because a GPU is busy with its kernels.
    pub fn run_is_tuning(&self) -> bool {
        let gpu = self.device.as_ref().is_some_and(|card| card.is_gpu());
        let waits = self.run.going().is_some_and(|going| {
            let collected = going.progress.is_none_or(|progress| progress.done >= progress.of);
            collected && going.held == Held::No && going.since.elapsed().as_secs_f64() > TUNES
        });
        gpu && waits && self.charts.is_empty()
    }

    /// Starts a run.
    pub fn start(&mut self) {
        if let Some(obstacle) = self.obstacle() {
            self.say(Level::Warning, obstacle);
            return;
        }
        let feedback = match &self.labeler {
            Some(labeler) if labeler.gives_feedback => {
                FeedbackSource::Labeler { labeler: labeler.card.spec.clone(), forget: labeler.target() }
            }
            _ => FeedbackSource::Marks(Box::new(self.feedback())),
        };
        let evaluation = self.labeler.as_ref().map(|labeler| EvaluationRequest {
            labeler: labeler.card.spec.clone(),
            forget: labeler.target(),
            samples: MEASURED,
            seed: EVALUATION_SEED,
        });
        self.run = RunState::begin(self.settings.adapted, evaluation.is_some());
        self.charts = Charts { log: self.charts.log, ..Charts::default() };
        self.timeline.begin();
        self.tiles.forget(|source| matches!(source, Source::Extrapolated(_)));
        self.send(Command::AutoSnapshots(self.snapshots()));
        let request = RunRequest { feedback, settings: self.settings.clone(), evaluation, from: self.from };
        self.send(Command::Start(Box::new(request)));
    }

    /// Holds the run after this iteration.
    pub fn pause(&mut self) {
        if let Some(going) = self.run.going_mut().filter(|going| going.held == Held::No) {
            going.held = Held::Soon;
            going.disturb();
            self.send(Command::Pause);
        }
    }

    /// Goes on.
    pub fn resume(&mut self) {
        if self.run.going().is_some_and(|going| matches!(going.held, Held::Soon | Held::Yes)) {
            self.send(Command::Resume);
        }
    }

    /// Ends the run after this iteration; what was reached is kept.
    pub fn stop(&mut self) {
        if let Some(going) = self.run.going_mut() {
            going.held = Held::Ending;
            self.send(Command::Stop);
        }
    }

    /// Keeps the present state in the timeline.
    pub fn take_snapshot(&mut self) {
        self.send(Command::Snapshot);
    }
}
