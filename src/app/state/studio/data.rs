//! What the studio holds: the state of the window, without its drawing.

use std::{collections::VecDeque, path::PathBuf, sync::Arc};

use crate::{
    app::{
        link::{Link, WantedDevice},
        state::{
            audit::{AuditState, RetrainedModels},
            charts::Charts,
            labeler::LabelerChoice,
            marks::Marks,
            marks_check::{LearnedMarks, MarksCheck},
            most_changed::MostChanged,
            notices::{Level, Notices, Topic},
            pending_action::PendingAction,
            prefs::Prefs,
            preset::PresetChoice,
            run_state::{RunState, RunStatus},
            sample_order::SampleOrder,
            tiles::{Source, TileCache},
            timeline::Timeline,
            view::{Detail, View},
            walk::WalkState,
        },
    },
    device::{DeviceCard, DeviceChoice},
    engine::{AskedLabeler, Command, ImageSource, ProjectCard, ProjectRequest, RenderedTiles},
    feedback::Suggestions,
    model::ModelCard,
    project::NodeId,
    remote::Remote,
    unlearn::{DEFAULT, LayerShare, Method, Settings},
};

/// The part of the time that may go into showing a run while it goes on.
pub(super) const SHOW_SHARE: f64 = 0.2;

/// What is said while the GPU's kernels are compiled and timed.
pub const TUNING: &str = "Tuning GPU kernels for this device\u{2026}";

/// Seed, truncation and class of samples that are drawn together.
pub(super) type Row = (u64, f32, Option<u32>);

/// A request for tiles that is being answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingTiles {
    pub(super) epoch: u64,
    pub(super) refresh: bool,
    /// What all of them have in common: another seed, truncation or class is not waited behind them.
    pub(super) row: Row,
    /// When, in the window's seconds.
    pub(super) at: f64,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The latest result.
    Result,
    /// The marks, after this change.
    Marks(u64),
    /// Something that is lost to nobody.
    Other,
}

/// The window without its drawing.
pub struct Studio {
    pub(super) link: Link,
    pub(super) wake: Arc<dyn Fn() + Send + Sync>,
    /// The compute device that was asked for; of several GPUs, its name.
    pub requested_device: (DeviceChoice, Option<String>),
    /// The other machine that runs compute on, if one was chosen.
    pub remote: Option<Remote>,
    /// The compute device, once it is known.
    pub device: Option<DeviceCard>,
    /// Bytes of memory that programs may still take, as far as it is known.
    pub free_memory: Option<u64>,
    /// The open model.
    pub model: Option<Box<ModelCard>>,
    /// Other pictures that may stay, in place of those found among the open ones.
    pub retained: Option<ImageSource>,
    /// The pictures that are open beside a model that completes them.
    pub pictures: Option<ImageSource>,
    /// The model that is being opened.
    pub opening: Option<PathBuf>,
    /// How much of it was read, from 0 to 1.
    pub opened: f32,
    /// The labeler or feedback file that is being read.
    pub reading: Option<PathBuf>,
    /// What was asked for that may fail to open, in the order in which the engine answers.
    pub(super) asked: VecDeque<Topic>,
    /// Why the last model could not be opened, if no other was opened since.
    pub not_opened: Option<String>,
    /// What waits for the user's word, as it would lose weights.
    pub pending_action: Option<PendingAction>,
    /// What is marked.
    pub marks: Marks,
    /// What the grid shows.
    pub view: View,
    /// In which order the grid shows it, and what a labeler says of it.
    pub order: SampleOrder,
    /// The tiles.
    pub tiles: TileCache,
    /// Thumbnails that arrived, to be made into textures.
    pub thumbnails: Vec<RenderedTiles>,
    /// What textures show that is not so any more.
    pub changed_thumbnails: Vec<Source>,
    /// The sample looked at closely.
    pub detail: Option<Detail>,
    /// The walk from one sample to another.
    pub walk: WalkState,
    /// The run.
    pub run: RunState,
    /// Settings of the next run.
    pub settings: Settings,
    /// What they started from.
    pub preset: PresetChoice,
    /// The audit in progress, or the last one.
    pub audit: Option<AuditState>,
    /// Retrained models that audits may compare with.
    pub retrained_models: RetrainedModels,
    /// The history of the open model, where one is kept.
    pub history: Option<Arc<ProjectCard>>,
    /// The node that stands in for "before" to compare with, if it is not the parent.
    pub compared_node: Option<NodeId>,
    /// The curves.
    pub charts: Charts,
    /// The method of the run in progress, or of the last one.
    pub running_method: &'static dyn Method,
    /// Whether what is shown was only to be looked at.
    pub is_previewing: bool,
    /// How much of each layer the run may move, where not all may.
    pub layers: Vec<LayerShare>,
    /// The snapshots.
    pub timeline: Timeline,
    /// Which sample that must go changed most, of those whose pictures were seen.
    pub(super) most_changed: MostChanged,
    /// The labeler.
    pub labeler: Option<LabelerChoice>,
    /// The labeler that comes with the program for the open model.
    pub bundled_labeler: Option<PathBuf>,
    /// What the labeler was asked that is being opened because the history knows it.
    pub(super) asked_labeler: Option<AskedLabeler>,
    /// The history whose labeler was opened with it.
    pub(super) labeler_history: Option<PathBuf>,
    /// What to look at next, learned from the marks.
    pub suggestions: Option<Suggestions>,
    /// Whether suggestions are being made.
    pub suggesting: bool,
    /// Which revision of the marks they are made from.
    pub(super) learning_from: u64,
    /// What was learned from the marks last.
    pub(super) learned: Option<LearnedMarks>,
    /// Where the check of the marks before a run stands.
    pub(super) marks_check: MarksCheck,
    /// What is to be said.
    pub notices: Notices,
    /// What is remembered.
    pub prefs: Prefs,
    /// Whether weights were trained that are in no file yet.
    pub unsaved: bool,
    /// What the files hold that are being written, and which these are, in their order.
    pub(super) writing: VecDeque<(Written, PathBuf)>,
    /// The file that could not be written last, until it was.
    pub not_saved: Option<PathBuf>,
    /// Which change of the marks was saved to a file of the user's.
    pub(super) saved_marks: u64,
    /// Results that were saved since the window was opened.
    pub saved_results: usize,
    /// The window's clock, in seconds.
    pub now: f64,
    /// When the file that is being opened was asked for.
    pub(super) opening_since: f64,
    /// Which change of the marks is on the disk, and when it was written, in the window's seconds.
    pub(super) kept_marks: (u64, f64),
    /// Where every opened model gets a project.
    pub(super) projects_folder: Option<PathBuf>,
    pub(super) epoch: u64,
    pub(super) pending_tiles: Option<PendingTiles>,
    pub(super) thumbnails_pending: [bool; 2],
    /// When the grid may next be brought up to date while a run goes on.
    pub(super) next_refresh: f64,
    /// Seconds that a sample takes to draw.
    pub(super) per_sample: Option<f64>,
    /// The least it took: what the machine can do when it is not busy with other things.
    pub(super) per_sample_at_best: Option<f64>,
}

impl Studio {
    /// A studio with nothing open. `wake` asks for a frame, from any thread.
    pub fn new(prefs: Prefs, device: DeviceChoice, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(wake);
        Self {
            link: link(WantedDevice::Here(device, prefs.gpu.clone()), &wake),
            requested_device: (device, prefs.gpu.clone()),
            wake,
            remote: None,
            device: None,
            free_memory: None,
            model: None,
            pictures: None,
            retained: None,
            opening: None,
            opened: 0.0,
            reading: None,
            asked: VecDeque::new(),
            not_opened: None,
            pending_action: None,
            marks: Marks::new(""),
            view: View::default(),
            order: SampleOrder::default(),
            tiles: TileCache::default(),
            thumbnails: Vec::new(),
            changed_thumbnails: Vec::new(),
            detail: None,
            walk: WalkState::None,
            run: RunState::None,
            settings: Settings::default(),
            preset: PresetChoice::BuiltIn(Settings::default().method().default_preset()),
            audit: None,
            retrained_models: RetrainedModels::default(),
            history: None,
            compared_node: None,
            charts: Charts::default(),
            layers: Vec::new(),
            running_method: DEFAULT,
            is_previewing: false,
            timeline: Timeline::default(),
            most_changed: MostChanged::default(),
            labeler: None,
            bundled_labeler: None,
            asked_labeler: None,
            labeler_history: None,
            suggestions: None,
            suggesting: false,
            learning_from: u64::MAX,
            learned: None,
            marks_check: MarksCheck::None,
            notices: Notices::default(),
            prefs,
            unsaved: false,
            writing: VecDeque::new(),
            not_saved: None,
            saved_results: 0,
            saved_marks: 0,
            now: 0.0,
            opening_since: 0.0,
            kept_marks: (0, 0.0),
            projects_folder: None,
            epoch: 0,
            pending_tiles: None,
            thumbnails_pending: [false; 2],
            next_refresh: 0.0,
            per_sample: None,
            per_sample_at_best: None,
        }
    }

    /// Makes a project in this folder for every model that is opened.
    pub fn keep_projects_in(&mut self, folder: PathBuf) {
        self.projects_folder = Some(folder.clone());
        self.send(Command::ProjectsFolder(Some(folder)));
    }

    /// Writes the marks to the disk now, if they have changed since that was last done.
    pub(super) fn write_marks(&mut self) {
        if self.kept_marks.0 != self.marks.revision() && self.is_kept() {
            self.kept_marks = (self.marks.revision(), self.now);
            let marks = Box::new(self.marks.feedback().clone());
            self.send(Command::Project(Box::new(ProjectRequest::Marks(marks))));
        }
    }

    /// Whether files are being written.
    pub fn is_writing(&self) -> bool {
        !self.writing.is_empty()
    }

    /// Whether there are marks that are nowhere but in this window.
    pub fn has_unsaved_marks(&self) -> bool {
        !self.is_kept() && !self.marks.feedback().is_empty() && self.saved_marks != self.marks.revision()
    }

    /// Whether everything that is made and marked is kept on the disk at once.
    pub fn is_kept(&self) -> bool {
        self.history.as_ref().is_some_and(|history| history.read_only.is_none())
    }

    /// Shows a notice to the user.
    pub fn notify(&mut self, level: Level, text: impl Into<String>) {
        self.notices.push(level, text, self.now);
    }

    /// Tells the user of a failure, until that has come right.
    pub(super) fn notify_failure(&mut self, topic: Topic, text: impl Into<String>) {
        self.notices.push_about(topic, Level::Error, text, self.now);
    }

    /// Something has been opened well.
    pub(super) fn settle(&mut self, topic: Topic) {
        self.asked.retain(|asked| *asked != topic);
        self.notices.settle(topic);
    }

    pub(super) fn send(&self, command: Command) {
        self.link.send(command);
    }

    /// Whether training goes on right now.
    pub fn is_training(&self) -> bool {
        self.run.in_progress().is_some_and(|run| run.status != RunStatus::Paused)
    }

    /// Begins anew with another engine, on the device of choice: the open model is opened again and keeps its marks.
    pub(super) fn restart(&mut self) {
        self.device = None;
        let (choice, gpu) = self.requested_device.clone();
        let here = WantedDevice::Here(choice, gpu);
        let wanted = self.remote.clone().map_or(here, |remote| WantedDevice::Remote(Box::new(remote)));
        self.write_marks();
        self.link = link(wanted, &self.wake);
        (self.pending_tiles, self.thumbnails_pending, self.suggesting) = (None, [false; 2], false);
        self.marks_check = MarksCheck::None;
        self.writing.clear();
        self.asked.clear();
        self.reading = None;
        self.order.ask_again();
        if self.run.in_progress().is_some() {
            self.run = RunState::Failed;
        }
        self.send(Command::ProjectsFolder(self.projects_folder.clone()));
        let open = self.history.as_ref().map(|history| history.folder.clone());
        let open = open.or_else(|| self.model.as_ref().map(|card| card.file.clone()));
        if let Some(path) = self.opening.take().or(open) {
            self.load(path);
        }
    }
}

fn link(wanted: WantedDevice, wake: &Arc<dyn Fn() + Send + Sync>) -> Link {
    let wake = wake.clone();
    Link::start(wanted, move || wake())
}
