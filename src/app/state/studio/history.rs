//! The history: looking at its nodes, starting from them, and keeping the marks.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;

use super::data::Studio;
use crate::{
    app::state::{
        charts::Charts,
        comparison::Comparison,
        notices::{Level, Topic},
        run_state::{Collection, RunPlan, RunState},
        tiles::Source,
        timeline::Timeline,
    },
    engine::{AskedRun, Command, ProjectCard, ProjectRequest},
    feedback::Sample,
    project::{Node, NodeId},
    unlearn::{Settings, Slider},
};

/// Samples of each node in a comparison, and those among them that must go, at most.
const COMPARED: usize = 10;
const MOST_NEGATIVES: usize = 6;
/// How long a closed window may still be saving.
const PATIENCE: Duration = Duration::from_secs(20);
/// The setting for how many samples are in one pass.
const MICRO_BATCH: &str = "micro-batch";
/// Seconds between two times that the marks are written.
const MARKS_EVERY: f64 = 0.4;

impl Studio {
    pub(super) fn handle_project(&mut self, card: Option<Box<ProjectCard>>) {
        let card: Option<Arc<ProjectCard>> = card.map(Arc::from);
        let place = |card: &Option<Arc<ProjectCard>>| card.as_ref().map(|c| (c.manifest.base, c.manifest.shown));
        let moved = place(&card) != place(&self.history);
        let base = |card: &Option<Arc<ProjectCard>>| card.as_ref().map(|card| card.manifest.base);
        self.view.scatter &= base(&card) == base(&self.history);
        if let (Some(card), None) = (&card, &self.history) {
            self.open_labeler_of(card);
        }
        let known = |id: &NodeId| card.as_ref().is_some_and(|card| card.manifest.node(*id).is_some());
        self.compared_node = self.compared_node.filter(known);
        self.forget_changed(card.as_deref());
        self.retrained_models.looking_at = None;
        self.history = card;
        // What a run shows of itself is newer than its node.
        if moved && self.run.in_progress().is_none() {
            self.show_node();
        }
    }

    /// A stopped run that went on has made another model of its node.
    fn forget_changed(&mut self, card: Option<&ProjectCard>) {
        let (Some(before), Some(now)) = (&self.history, card) else { return };
        let changed = |node: &&Node| {
            let known = before.manifest.node(node.id).filter(|known| known.sha256.is_some());
            known.is_some_and(|known| known.sha256 != node.sha256)
        };
        let changed: Vec<Source> = now.manifest.nodes.iter().filter(changed).map(|n| Source::Node(n.id)).collect();
        self.tiles.forget(|source| changed.contains(&source));
        self.changed_thumbnails.extend(changed);
    }

    /// Takes over what the history says is shown: a node beside its parent, or the parent alone.
    fn show_node(&mut self) {
        let shown = self.history.as_ref().and_then(|history| history.manifest.node(history.manifest.shown?));
        let snapshots = shown.map_or(Vec::new(), |node| node.snapshots.clone());
        self.timeline = Timeline::default();
        if shown.is_some() {
            self.timeline.begin_run();
        }
        for (number, iteration) in snapshots.into_iter().enumerate() {
            self.timeline.add(number, iteration);
        }
        self.epoch = if shown.is_some() { self.epoch + 1 } else { 0 };
        self.tiles.forget(|source| !matches!(source, Source::Original | Source::Node(_)));
        (self.run, self.is_previewing) = (RunState::None, false);
        self.charts = Charts::of(self.settings.method(), self.charts.log);
        (self.unsaved, self.pending_tiles, self.detail) = (false, None, None);
    }

    fn request(&self, request: ProjectRequest) {
        self.send(Command::Project(Box::new(request)));
    }

    /// Keeps the marks on the disk, if they have changed; called in every frame. Gives the seconds until it is to be called
    /// again, if it is not yet time.
    pub fn keep_marks(&mut self) -> Option<f64> {
        let (revision, at) = self.kept_marks;
        if revision == self.marks.revision() || !self.is_kept() {
            return None;
        }
        let left = at + MARKS_EVERY - self.now;
        if left > 0.0 {
            return Some(left);
        }
        self.write_marks();
        None
    }

    /// The node that is looked at: the result that is shown, or the model that the next request starts from.
    pub fn selected_node(&self) -> Option<&Node> {
        let manifest = &self.history.as_ref()?.manifest;
        manifest.node(manifest.shown.unwrap_or(manifest.base))
    }

    /// The nodes made from the base, side by side; `None` while fewer than two of them were measured.
    pub fn comparison(&self) -> Option<Comparison> {
        Comparison::of(&self.history.as_ref()?.manifest)
    }

    /// The samples that a comparison shows: some that must go, and some that may stay. Where too few are marked as the latter
    /// these are the first that bear no mark.
    pub fn compared_samples(&self) -> [Vec<Sample>; 2] {
        let negatives: Vec<Sample> = self.marks.feedback().negatives().take(MOST_NEGATIVES).collect();
        let all = (0..self.sample_count() as u64).filter_map(|number| self.sample_of_number(number));
        let unmarked = all.filter(|&sample| self.marks.get(sample).is_none());
        let kept = self.marks.feedback().positives().chain(unmarked).take(COMPARED - negatives.len()).collect();
        [negatives, kept]
    }

    /// Shows a node beside its parent.
    pub fn show_history(&mut self, id: NodeId) {
        if self.can_move() {
            self.compared_node = None;
            self.request(ProjectRequest::Show(id));
        }
    }

    /// The next request starts from this node.
    pub fn start_from(&mut self, id: NodeId) {
        if self.can_move() {
            self.compared_node = None;
            self.request(ProjectRequest::StartFrom(id));
        }
    }

    /// What the next run starts from, in a few words, if that is not the model as it was opened.
    pub fn starting_point(&self) -> Option<String> {
        let base = self.history.as_ref().and_then(|history| history.manifest.node(history.manifest.base));
        let base = base.filter(|base| base.parent.is_some()).map(|base| format!("\u{201c}{}\u{201d}", base.name));
        let pushed = self.pushed().map(|(slider, place)| format!("{} ({place:.2})", slider.caption));
        match (base, pushed) {
            (None, None) => None,
            (Some(base), None) => Some(base),
            (base, Some(pushed)) => Some(format!("{}, {pushed}", base.unwrap_or_else(|| "the original".to_owned()))),
        }
    }

    /// The next run starts from the model as it was opened, with weights that no slider has moved.
    pub fn start_from_original(&mut self) {
        while let Some((slider, _)) = self.pushed() {
            let Some(key) = slider.setting else { break };
            if let Err(problem) = self.settings.set(key, slider.original) {
                self.notify(Level::Error, problem);
                break;
            }
        }
        let Some(manifest) = self.history.as_ref().map(|history| &history.manifest) else { return };
        let root = manifest.nodes.iter().find(|node| node.parent.is_none()).map(|node| node.id);
        if let Some(root) = root.filter(|&root| root != manifest.base) {
            self.start_from(root);
        }
    }

    /// The slider that has moved the weights which the next run starts from, and its place. A method that gives such
    /// weights as its result starts from none of them.
    fn pushed(&self) -> Option<(&'static Slider, f64)> {
        let method = self.settings.method();
        let usual = Settings::of(method);
        method.sliders().iter().find_map(|slider| {
            let key = slider.setting?;
            let starts_there = usual.get(key).and_then(Value::as_f64) == Some(slider.original);
            let place = self.settings.get(key).and_then(Value::as_f64)?;
            (starts_there && place != slider.original).then_some((slider, place))
        })
    }

    /// Makes a node of a snapshot and starts the next request from it.
    pub fn start_from_snapshot(&mut self, number: usize) {
        if self.can_move() {
            self.request(ProjectRequest::StartFromSnapshot(number));
        }
    }

    /// Compares with this node instead of the parent; again, with the parent.
    pub fn compare_with(&mut self, id: NodeId) {
        let same = self.compared_node == Some(id);
        self.compared_node = (!same).then_some(id);
        (self.pending_tiles, self.detail) = (None, None);
    }

    /// Gives a node another name.
    pub fn rename_node(&mut self, id: NodeId, name: String) {
        self.request(ProjectRequest::Rename(id, name));
    }

    /// Deletes a node and everything that was made from it.
    pub fn delete_node(&mut self, id: NodeId) {
        if self.run.in_progress().is_none() {
            self.request(ProjectRequest::Delete(id));
        }
    }

    /// Gives up the run that was interrupted; what it had made when it was stopped before stays.
    pub fn give_up(&mut self, id: NodeId) {
        if self.run.in_progress().is_none() {
            self.request(ProjectRequest::GiveUp(id));
        }
    }

    /// Moves the project to another folder.
    pub fn save_project(&mut self, folder: PathBuf) {
        self.request(ProjectRequest::SaveAs(folder));
    }

    /// What was asked of the run that was interrupted, or else stopped.
    fn unended_run(&self) -> Option<&AskedRun> {
        let history = self.history.as_ref();
        let interrupted = history.and_then(|history| history.interrupted.as_ref());
        let stopped = match &self.run {
            RunState::Finished(report) => report.can_go_on.as_deref(),
            _ => None,
        };
        let stopped = || stopped.or_else(|| history?.stopped.as_ref()?.asked.as_deref());
        interrupted.map_or_else(stopped, |run| run.asked.as_deref())
    }

    /// Goes on with the run that was interrupted or stopped.
    pub fn continue_run(&mut self) {
        if self.running_audit().is_some() {
            self.notify(Level::Warning, "An audit is in progress.");
            return;
        }
        if !self.can_move() {
            return;
        }
        self.cancel_marks_check();
        self.notices.settle(Topic::Run);
        let asked = self.unended_run();
        // The form may show another method by now.
        let method = asked.map_or(self.settings.method(), |asked| asked.settings.method());
        let collection = asked.map_or(Collection::Marks, |asked| Collection::of(&asked.feedback, &asked.settings));
        let plan = RunPlan { collection, stages: method.stages(), measured: asked.is_some_and(|asked| asked.measured) };
        (self.running_method, self.is_previewing) = (method, false);
        self.layers.clear();
        self.run = RunState::start(plan);
        self.charts = Charts::of(method, self.charts.log);
        self.timeline = Timeline::default();
        self.timeline.begin_run();
        self.send(Command::AutoSnapshots(self.planned_snapshots()));
        // What the form says now, if it differs: a run that ran out of memory goes on in smaller parts.
        let default = Settings::of(self.settings.method());
        let now = self.settings.get(MICRO_BATCH);
        let micro_batch = now.filter(|now| default.get(MICRO_BATCH) != Some(now)).and_then(|now| now.as_u64());
        self.request(ProjectRequest::Continue { micro_batch: micro_batch.and_then(|n| usize::try_from(n).ok()) });
    }

    /// Ends the engine; what a run has reached is saved, if it takes no longer than anybody would wait for.
    pub fn close(&mut self) {
        self.write_marks();
        self.link.close(PATIENCE);
    }

    /// Whether another node can be opened now: marks that are not written yet are first.
    fn can_move(&mut self) -> bool {
        if self.run.in_progress().is_some() {
            return false;
        }
        self.write_marks();
        true
    }
}
