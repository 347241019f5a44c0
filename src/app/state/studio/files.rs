//! Opening and saving, which the engine's thread does.

use std::path::{Path, PathBuf};

use super::data::{Studio, Written};
use crate::{
    app::state::{
        labeler::LabelerChoice,
        notices::{Level, Topic},
        pending_action::PendingAction,
        series::csv,
        tiles::{Source, TileKey},
    },
    engine::{Command, FileJob, ImageSource, LabelerCard, OpenRequest, PictureRequest, ProjectCard},
    feedback::{LabelerSpec, Mark, Sample},
    metrics::Caption,
    project::is_project,
};

/// Samples in a saved picture, and in a row of it.
const PICTURE: usize = 64;
const COLUMNS: usize = 8;

impl Studio {
    /// Opens whatever this is: a model, a labeler, a feedback file or pictures, by its extension; of a folder, by what is in it.
    pub fn open(&mut self, path: PathBuf) {
        if is_pictures(&path) {
            self.open_pictures(ImageSource::of(path));
            return;
        }
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        match extension.as_str() {
            "onnx" => self.open_labeler(path),
            // A project, by the file that says what is in it.
            "json" if path.file_name().is_some_and(|name| name == "project.json" || name == "config.json") => {
                self.perform_or_ask(PendingAction::OpenModel(path));
            }
            "json" => self.open_feedback(path),
            _ if self.run.in_progress().is_some() => {
                self.notify(Level::Warning, "A run is in progress; stop it before opening another model.");
            }
            _ => self.perform_or_ask(PendingAction::OpenModel(path)),
        }
    }

    /// Opens a model that completes pictures, with drawn faces to complete.
    pub fn open_with_avatars(&mut self, path: PathBuf) {
        match self.run.in_progress() {
            Some(_) => self.notify(Level::Warning, "A run is in progress; stop it before opening another model."),
            None => self.perform_or_ask(PendingAction::OpenWithAvatars(path)),
        }
    }

    pub(super) fn load_with_avatars(&mut self, path: PathBuf) {
        self.begin_opening(&path);
        let pictures = Some(ImageSource::Avatars);
        self.send(Command::Load(OpenRequest { path, classes: None, pictures }));
    }

    /// Opens a model, whatever is open.
    pub(super) fn load(&mut self, path: PathBuf) {
        self.begin_opening(&path);
        self.send(Command::Load(path.into()));
    }

    fn begin_opening(&mut self, path: &Path) {
        (self.opening, self.opening_since, self.opened) = (Some(path.to_owned()), self.now, 0.0);
        self.not_opened = None;
        self.asked.push_back(Topic::Model);
    }

    /// Says how many classes the open model has, whose file does not say so; opens it again. That is remembered.
    pub fn set_classes(&mut self, classes: usize) {
        let Some(card) = &self.model else { return };
        let path = card.file.clone();
        self.prefs.classes.insert(card.sha256.clone(), classes);
        self.prefs.save();
        self.perform_or_ask(PendingAction::OpenModel(path));
    }

    fn read(&mut self, path: &Path, topic: Topic) {
        (self.reading, self.opening_since) = (Some(path.to_owned()), self.now);
        self.asked.push_back(topic);
    }

    /// The file that is being opened and for how many seconds.
    pub fn file_being_opened(&self) -> Option<(&Path, f64)> {
        let path = self.opening.as_deref().or(self.reading.as_deref())?;
        Some((path, self.now - self.opening_since))
    }

    fn open_labeler(&mut self, path: PathBuf) {
        self.read_labeler(LabelerSpec { path, mean: None, std: None });
    }

    fn read_labeler(&mut self, spec: LabelerSpec) {
        self.read(&spec.path, Topic::Labeler);
        self.send(Command::File(Box::new(FileJob::OpenLabeler(spec))));
    }

    /// Opens the labeler that a history knows of, once, when that is opened; not in place of another.
    pub(super) fn open_labeler_of(&mut self, history: &ProjectCard) {
        if self.labeler_history.as_ref() == Some(&history.folder) {
            return;
        }
        self.labeler_history = Some(history.folder.clone());
        if let Some(asked) = history.labeler.as_ref().filter(|_| self.labeler.is_none() && self.reading.is_none()) {
            self.asked_labeler = Some(asked.clone());
            self.read_labeler(asked.spec.clone());
        }
    }

    fn open_feedback(&mut self, path: PathBuf) {
        self.read(&path, Topic::Marks);
        self.send(Command::File(Box::new(FileJob::OpenFeedback(path))));
    }

    pub(super) fn set_labeler(&mut self, card: LabelerCard) {
        let asked = self.asked_labeler.take().filter(|asked| asked.spec == card.spec);
        // The same file again keeps the choice; another one chooses nothing by itself, so that no mark is overridden.
        if self.labeler.as_ref().is_none_or(|old| old.card != card) {
            self.labeler = Some(match asked {
                Some(asked) => LabelerChoice::asked(card, &asked),
                None => LabelerChoice::new(card),
            });
        }
    }

    pub(super) fn write(&mut self, path: PathBuf, command: Command) {
        self.write_as(Written::Other, path, command);
    }

    fn write_as(&mut self, what: Written, path: PathBuf, command: Command) {
        self.writing.push_back((what, path));
        self.send(command);
    }

    /// Writes the weights that are shown as "after".
    pub fn save_model(&mut self, path: PathBuf) {
        let shown = self.timeline.shown();
        let command = match shown {
            Source::Current => Command::Export(path.clone()),
            source => Command::ExportWeights(path.clone(), source.weights()),
        };
        let what = if shown == Source::Current { Written::Result } else { Written::Other };
        self.write_as(what, path, command);
    }

    /// Writes the marks.
    pub fn save_feedback(&mut self, path: PathBuf) {
        let job = FileJob::SaveFeedback(path.clone(), self.feedback());
        self.write_as(Written::Marks(self.marks.revision()), path, Command::File(Box::new(job)));
    }

    /// Writes a picture of the samples from the cursor's row on: before and after side by side once there is an after.
    /// `draw` makes captions of lines of words.
    pub fn save_grid(&mut self, path: PathBuf, first: usize, draw: impl Fn(&[String]) -> Vec<Caption>) {
        let [before, after] = self.compared_sources();
        let sources = if before == after { vec![before] } else { vec![before, after] };
        let picture = self.picture(sources, first, draw);
        self.write(path.clone(), Command::File(Box::new(FileJob::Grid(path, picture))));
    }

    /// Writes an animation of the same samples through all snapshots; `draw` makes captions of lines of words.
    pub fn save_animation(&mut self, path: PathBuf, first: usize, draw: impl Fn(&[String]) -> Vec<Caption>) {
        let snapshots = self.timeline.snapshots().iter().map(|snapshot| Source::Snapshot(snapshot.number));
        let sources = std::iter::once(Source::Original).chain(snapshots).chain([Source::Current]).collect();
        let picture = self.picture(sources, first, draw);
        self.write(path.clone(), Command::File(Box::new(FileJob::Animation(path, picture))));
    }

    /// Writes the curves of the last run as tables: first what belongs to the result, then the stages before it.
    pub fn save_charts(&mut self, path: PathBuf) {
        let charts = &self.charts;
        let Some((result, before)) = charts.stages() else { return };
        let mut curves = charts.of_stage(result);
        curves.extend([&charts.pul, &charts.frechet]);
        let mut text = csv("iteration", &curves);
        for stage in before {
            text.push_str(&format!("\n{}\n{}", stage.name, csv("iteration", &charts.of_stage(stage))));
        }
        self.write(path.clone(), Command::File(Box::new(FileJob::Text(path, text))));
    }

    /// What a picture says of weights: the model's name, and which weights these are.
    fn caption(&self, source: Source) -> String {
        let node = |id| self.history.as_ref()?.manifest.node(id).map(|node| node.name.clone());
        let weights = match source {
            Source::Original => "before".to_owned(),
            Source::Current => "after".to_owned(),
            Source::Node(id) => node(id).unwrap_or_default(),
            Source::Picture => "pictures".to_owned(),
            Source::Masked => "what is seen of the pictures".to_owned(),
            Source::Snapshot(_) | Source::Slider(_) => self.timeline.caption_of(source),
        };
        format!("{}: {weights}", self.open_name().unwrap_or_default())
    }

    fn picture(&self, sources: Vec<Source>, first: usize, draw: impl Fn(&[String]) -> Vec<Caption>) -> PictureRequest {
        let captions: Vec<String> = match sources[..] {
            // There is nothing to tell it from.
            [_] => self.open_name().into_iter().collect(),
            _ => sources.iter().map(|&source| self.caption(source)).collect(),
        };
        let places = first..self.shown_count();
        let samples: Vec<Sample> = places.take(PICTURE).filter_map(|place| self.sample(place)).collect();
        let is_negative = |&sample: &Sample| self.marks.get(sample) == Some(Mark::Negative);
        PictureRequest {
            weights: sources.into_iter().map(Source::weights).collect(),
            seed: self.view.seed,
            negatives: samples.iter().map(is_negative).collect(),
            indices: samples.iter().map(|sample| sample.address().index).collect(),
            psi: self.view.psi,
            class: self.view.class,
            columns: COLUMNS,
            captions: draw(&captions),
        }
    }

    /// The name that a saved model is offered under.
    pub fn suggested_name(&self, suffix: &str) -> String {
        let stem = self.open_name().unwrap_or_else(|| "model".to_owned());
        format!("{stem}{suffix}")
    }

    /// What the open model is called: its file, or the node of the history that the next request starts from.
    pub fn open_name(&self) -> Option<String> {
        let file = self.model.as_ref()?.file.file_stem()?.to_string_lossy().into_owned();
        let manifest = self.history.as_ref().map(|history| &history.manifest);
        let node = manifest.and_then(|manifest| manifest.node(manifest.base).filter(|node| node.parent.is_some()));
        Some(node.map_or(file, |node| node.name.clone()))
    }

    /// The folder of the open model.
    pub fn folder(&self) -> Option<&Path> {
        // Nobody looks for a file of theirs inside a project.
        let history = self.history.as_ref().map(|history| history.folder.as_path());
        let file = self.model.as_ref().map(|card| card.file.as_path());
        let place = file.filter(|file| history.is_none_or(|folder| !file.starts_with(folder))).or(history);
        place.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty())
    }

    /// Whether a picture of a sample is there.
    pub fn has_tile(&mut self, source: Source, sample: Sample) -> bool {
        self.tiles.get(TileKey { source, sample }).is_some()
    }
}

/// Whether a path leads to pictures: a folder that is neither a project nor a model, or an IDX file.
fn is_pictures(path: &Path) -> bool {
    if path.is_dir() {
        return !is_project(path) && !path.join("model.safetensors").is_file() && !path.join("config.json").is_file();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.ends_with("-ubyte") || name.ends_with("-ubyte.gz") || name.ends_with(".idx") || name.ends_with(".idx.gz")
}
