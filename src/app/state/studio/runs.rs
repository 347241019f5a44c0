//! Starting, holding and ending a run.

use super::data::Studio;
use crate::{
    app::state::{
        charts::Charts,
        notices::{Level, Topic},
        preset::PresetChoice,
        run_state::{Collection, RunPlan, RunState, RunStatus},
        tiles::Source,
        timeline::{AUTO_SNAPSHOTS, Timeline},
        view::Compare,
    },
    device::Kind,
    engine::{
        Command, EvaluationRequest, RunRequest,
        cost::{Cost, Speed, affordable_snapshots, cost},
        evaluate::EVALUATION_SEED,
    },
    feedback::{FeedbackSource, probe::FEWEST},
    unlearn::{Method, Settings, method},
};

/// Samples the result is measured on.
const MEASURED: usize = 2000;
/// Samples that a preview looks at, of each kind.
const PREVIEWED: usize = 64;
/// Seconds after which a run on a GPU that has done no iteration yet is tuning its kernels.
const TUNING_AFTER: f64 = 3.0;

impl Studio {
    /// What keeps a run from starting, in one sentence.
    pub fn obstacle(&self) -> Option<String> {
        if self.model.is_none() {
            return Some("Open a model first.".to_owned());
        }
        if self.run.in_progress().is_some() {
            return Some("A run is in progress.".to_owned());
        }
        if self.running_audit().is_some() {
            return Some("An audit is in progress.".to_owned());
        }
        if let Some(history) = &self.history {
            if history.interrupted.is_some() {
                return Some("A run was interrupted: go on with it, or delete it, first.".to_owned());
            }
            if let Some(reason) = &history.read_only {
                return Some(format!("This project is read-only here: {reason}. Save it under another name first."));
            }
        }
        if self.sample_count() == 0 {
            return Some("Open a folder of pictures first.".to_owned());
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
                let needed = if self.learns_from_few_marks() { FEWEST } else { 1 };
                if negatives < needed {
                    let more = if negatives > 0 { format!(" (at least {needed})") } else { String::new() };
                    let or = if self.labeler.is_some() { ", or let the labeler decide" } else { "" };
                    return Some(format!("Click the samples that must go{more}{or}."));
                }
                let positives_needed = self.settings.method().needs(self.settings.values()).positives;
                if positives < needed && (positives_needed || self.learns_from_few_marks()) {
                    let how = "right-click them, or choose Page \u{203a} The rest may stay";
                    return Some(format!("Mark at least {needed} that may stay, too: {how}."));
                }
            }
        }
        let needs = self.settings.method().needs(self.settings.values());
        if let Some(missing) = self.missing().filter(|_| needs.classes) {
            return Some(missing);
        }
        self.settings.check().err().map(|reason| format!("Settings: {reason}."))
    }

    /// Whether there are so few marks that a run learns from them and finds more samples by itself.
    pub(super) fn learns_from_few_marks(&self) -> bool {
        let (negatives, positives) = self.marks.counts();
        let few = self.settings.collect().map_or(0, |collect| collect.few_marks);
        negatives + positives < few
    }

    /// What the next run removes and by whose word; `None` while nobody has said anything.
    pub fn removal_summary(&self) -> Option<String> {
        let (negatives, positives) = self.marks.counts();
        if let Some(labeler) = self.labeler.as_ref().filter(|labeler| labeler.gives_feedback) {
            if labeler.forget.is_empty() {
                return None;
            }
            let unused = match negatives + positives {
                0 => String::new(),
                1 => " Your mark is not used.".to_owned(),
                marks => format!(" Your {marks} marks are not used."),
            };
            return Some(format!("Removes {}, as the labeler sees it.{unused}", labeler.removed_classes()));
        }
        let samples = match negatives {
            0 => return None,
            1 => "1 sample".to_owned(),
            _ => format!("{negatives} samples"),
        };
        let measured = match &self.labeler {
            None => String::new(),
            Some(labeler) if labeler.forget.is_empty() => {
                " Choose classes for the labeler to measure the result.".to_owned()
            }
            Some(labeler) => format!(" The labeler only measures {}.", labeler.removed_classes()),
        };
        Some(format!("Removes what you marked as must go ({samples}).{measured}"))
    }

    /// Shows the result beside what it was made from, in the grid.
    pub fn compare_result(&mut self) {
        (self.view.scatter, self.view.compare) = (false, Compare::Split);
        if self.timeline.shown() == Source::Original {
            self.timeline.show(Source::Current);
        }
    }

    /// Snapshots that a run will take.
    pub fn planned_snapshots(&self) -> usize {
        self.model.as_ref().map_or(AUTO_SNAPSHOTS, |card| affordable_snapshots(card, AUTO_SNAPSHOTS))
    }

    /// What the next run will cost.
    pub fn cost(&self) -> Option<Cost> {
        let card = self.model.as_ref()?;
        let device = self.device.as_ref().map_or("", |card| card.name.as_str());
        let speed = Speed {
            // Of samples that are drawn here, which says nothing about another machine.
            per_sample: self.per_sample_at_best.filter(|_| self.remote.is_none()),
            per_iteration: self.prefs.speed((device, self.settings.method().id()), card),
        };
        // Those of a run that has a node are on the disk.
        let snapshots = if self.history.is_some() { 0 } else { self.planned_snapshots() };
        cost(card, &self.settings, snapshots, speed)
    }

    /// Bytes that a run may take on the compute device, as far as they are known: what is free in the machine, or all that
    /// a graphics card has.
    pub fn memory(&self) -> Option<u64> {
        match &self.device {
            Some(card) if card.kind != Kind::Cpu || self.remote.is_some() => card.memory,
            _ => self.free_memory,
        }
    }

    /// Whether the run's first iteration is still to come because a GPU is busy with its kernels.
    pub fn is_tuning_for_run(&self) -> bool {
        let gpu = self.device.as_ref().is_some_and(|card| card.is_gpu());
        let waits = self.run.in_progress().is_some_and(|run| {
            let collected = run.progress.is_none_or(|progress| progress.done >= progress.of);
            collected && run.status == RunStatus::Running && run.since.elapsed().as_secs_f64() > TUNING_AFTER
        });
        gpu && waits && self.charts.is_empty()
    }

    /// Starts a run, whatever the marks are worth.
    pub fn start(&mut self) {
        self.cancel_marks_check();
        if let Some(obstacle) = self.obstacle() {
            self.notify(Level::Warning, obstacle);
            return;
        }
        let feedback = match &self.labeler {
            Some(labeler) if labeler.gives_feedback => {
                FeedbackSource::Labeler { labeler: labeler.card.spec.clone(), forget: labeler.target() }
            }
            _ => FeedbackSource::Marks(Box::new(self.feedback())),
        };
        let measuring = self.labeler.as_ref().filter(|labeler| !labeler.forget.is_empty());
        let evaluation = measuring.map(|labeler| EvaluationRequest {
            labeler: labeler.card.spec.clone(),
            forget: labeler.target(),
            samples: MEASURED,
            seed: EVALUATION_SEED,
        });
        self.notices.settle(Topic::Run);
        let collection = Collection::of(&feedback, &self.settings);
        let (method, measured) = (self.settings.method(), evaluation.is_some());
        self.run = RunState::start(RunPlan { collection, stages: method.stages(), measured });
        self.charts = Charts::of(method, self.charts.log);
        self.timeline.begin_run();
        self.tiles.forget(|source| matches!(source, Source::Slider(_)));
        self.send(Command::AutoSnapshots(self.planned_snapshots()));
        (self.running_method, self.is_previewing) = (method, false);
        self.layers.clear();
        let request = RunRequest {
            feedback,
            settings: self.settings.clone(),
            evaluation,
            out: None,
            retain: self.retained.clone().filter(|_| self.completes_pictures()),
            preview: false,
        };
        self.send(Command::Start(Box::new(request)));
    }

    /// What keeps a preview from being made, in one sentence.
    pub fn preview_obstacle(&self) -> Option<String> {
        if self.model.is_none() || self.run.in_progress().is_some() {
            return Some("A preview needs an open model, and no run in progress.".to_owned());
        }
        if self.unsaved {
            return Some("Save the result first: a preview would take its place.".to_owned());
        }
        let labelled =
            self.labeler.as_ref().is_some_and(|labeler| labeler.gives_feedback && !labeler.forget.is_empty());
        let (negatives, _) = self.marks.counts();
        if !labelled && negatives < FEWEST {
            return Some(format!("Click at least {FEWEST} samples that must go."));
        }
        None
    }

    /// Shows at once, and roughly, what it would look like without what is marked: dampened weights, nothing trained.
    pub fn preview(&mut self) {
        if let Some(obstacle) = self.preview_obstacle() {
            self.notify(Level::Warning, obstacle);
            return;
        }
        let judged = self.model.as_ref().is_some_and(|card| card.discriminator_parameters.is_some());
        let preset = if judged { "ssd" } else { "lfssd" };
        let Some(mut settings) = method("dampen").and_then(|dampen| Settings::preset(dampen, preset)) else { return };
        // The mean of a few gradients of single samples is less of a gamble than one gradient of the few.
        let quick = [("few-marks", 0), ("labelled", 4 * PREVIEWED), ("importance-samples", PREVIEWED), ("batch", 1)];
        for (key, value) in quick {
            if let Err(problem) = settings.set(key, value) {
                self.notify(Level::Error, problem);
                return;
            }
        }
        let feedback = match &self.labeler {
            Some(labeler) if labeler.gives_feedback => {
                FeedbackSource::Labeler { labeler: labeler.card.spec.clone(), forget: labeler.target() }
            }
            _ => FeedbackSource::Marks(Box::new(self.feedback())),
        };
        self.cancel_marks_check();
        self.notices.settle(Topic::Run);
        let method = settings.method();
        let plan = RunPlan { collection: Collection::Marks, stages: method.stages(), measured: false };
        self.run = RunState::start(plan);
        self.timeline.begin_run();
        self.tiles.forget(|source| matches!(source, Source::Slider(_)));
        (self.running_method, self.is_previewing) = (method, true);
        self.layers.clear();
        self.send(Command::AutoSnapshots(0));
        let request = RunRequest { feedback, settings, evaluation: None, out: None, retain: None, preview: true };
        self.send(Command::Start(Box::new(request)));
    }

    /// The run in progress tells anew what it does.
    pub(super) fn show_run_anew(&mut self) {
        let Some(plan) = self.run.in_progress().map(|run| run.plan) else { return };
        self.run = RunState::start(plan);
        self.charts = Charts::of(self.running_method, self.charts.log);
        self.timeline = Timeline::default();
        self.timeline.begin_run();
        self.layers.clear();
    }

    /// Takes another method, with its default preset.
    pub fn choose_method(&mut self, method: &'static dyn Method) {
        if method.id() != self.settings.method().id() {
            self.settings = Settings::of(method);
            self.choose_preset(PresetChoice::BuiltIn(method.default_preset()));
        }
    }

    /// What the chosen method and settings need that is not there, or will have to be made first; one sentence.
    pub fn missing(&self) -> Option<String> {
        let card = self.model.as_ref()?;
        let needs = self.settings.method().needs(self.settings.values());
        if needs.classes && card.classes < 2 {
            return Some("These settings are for a model that draws classes, and this one draws none.".to_owned());
        }
        let made = "This file has no discriminator; one is trained on the model's own samples first.";
        (needs.discriminator && card.discriminator_parameters.is_none()).then(|| made.to_owned())
    }

    /// Holds the run after this iteration.
    pub fn pause(&mut self) {
        if let Some(run) = self.run.in_progress_mut().filter(|run| run.status == RunStatus::Running) {
            run.status = RunStatus::Pausing;
            run.reset_timing();
            self.send(Command::Pause);
        }
    }

    /// Goes on.
    pub fn resume(&mut self) {
        if self.run.in_progress().is_some_and(|run| matches!(run.status, RunStatus::Pausing | RunStatus::Paused)) {
            self.send(Command::Resume);
        }
    }

    /// Ends the run after this iteration; what was reached is kept.
    pub fn stop(&mut self) {
        if let Some(run) = self.run.in_progress_mut() {
            run.status = RunStatus::Stopping;
            self.send(Command::Stop);
        }
    }

    /// Keeps the present state in the timeline.
    pub fn take_snapshot(&mut self) {
        self.send(Command::Snapshot);
    }
}
