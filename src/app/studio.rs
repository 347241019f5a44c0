//! Everything the window shows and can do, without drawing: the person's wishes become commands to the engine, its
//! events become what is shown.

mod events;
mod files;

use std::{path::PathBuf, sync::Arc};

use super::{
    link::Link,
    marks::Marks,
    notices::{Level, Notices},
    prefs::Prefs,
    run_state::{Held, RunState},
    series::Series,
    tiles::{Source, TileCache, next_wanted, sample_at},
    timeline::{SNAPSHOTS, Timeline},
};
use crate::{
    device::DeviceChoice,
    engine::{
        Command, FeedbackSource, LabelerCard, ModelCard, RunRequest, SampleKind, SampleRequest, SuggestRequest,
        Suggestions, Tiles,
        command::EvaluationRequest,
        cost::{Cost, Speed, affordable_snapshots, cost},
        evaluate::EVALUATION_SEED,
    },
    unlearn::{Preset, Settings, feedback::Sample, probe::FEWEST},
};

/// Samples that one seed shows.
pub const SAMPLES: usize = 10_000;
/// Seconds of work that are asked for at once, so that what left the view is not computed.
const BITE: f64 = 0.12;
/// The part of the time that may go into showing a run while it goes on.
const SHOW_SHARE: f64 = 0.2;
/// Samples that are suggested at once.
const SUGGESTED: usize = 16;
/// Samples the result is measured on.
const MEASURED: usize = 2000;

/// How the grid compares before with after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// The result.
    #[default]
    After,
    /// The model as it was opened.
    Before,
    /// Left half before, right half after.
    Split,
    /// What changed, in its colours.
    Difference,
    /// How much changed, as a heat map over the result.
    Heat,
}

impl Compare {
    /// All of them, with their names and what they show.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::After, "After", "The samples as the result makes them (1)"),
        (Self::Before, "Before", "The same samples as the model made them when it was opened (2)"),
        (Self::Split, "Split", "Left of the line before, right of it after (3)"),
        (Self::Difference, "Difference", "What was taken away or added, in its own colours (4)"),
        (Self::Heat, "Heat", "How much each place changed: dark little, bright much (5)"),
    ];
}

/// What the grid shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Seed of the samples.
    pub seed: u64,
    /// Truncation.
    pub psi: f32,
    /// Wanted width of a tile in points.
    pub tile: f32,
    /// Before or after.
    pub compare: Compare,
    /// Where the line stands in [`Compare::Split`], 0 to 1.
    pub split: f32,
    /// The sample that the keyboard is at.
    pub cursor: usize,
}

impl Default for View {
    fn default() -> Self {
        Self { seed: 0, psi: 1.0, tile: 96.0, compare: Compare::default(), split: 0.5, cursor: 0 }
    }
}

/// Who says what must go.
#[derive(Clone, Debug)]
pub struct LabelerChoice {
    /// The classifier.
    pub card: LabelerCard,
    /// Which of its heads is asked.
    pub head: usize,
    /// The classes that must go.
    pub forget: Vec<usize>,
    /// Whether it gives the feedback; otherwise it only measures what the marks lead to.
    pub gives_feedback: bool,
}

impl LabelerChoice {
    /// What must go, in the words that a labeler takes.
    pub fn target(&self) -> String {
        let Some(head) = self.card.heads.get(self.head) else { return String::new() };
        let names = self.forget.iter().filter_map(|&class| head.classes.get(class));
        names.map(|class| format!("{}={class}", head.name)).collect::<Vec<_>>().join("|")
    }

    /// What must go, in a person's words.
    pub fn words(&self) -> String {
        let Some(head) = self.card.heads.get(self.head) else { return String::new() };
        let names = self.forget.iter().filter_map(|&class| head.classes.get(class));
        names.cloned().collect::<Vec<_>>().join(", ")
    }
}

/// Which settings a run starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresetChoice {
    /// One of the program's.
    Built(Preset),
    /// One of the person's own.
    Own(String),
}

/// The curves of a run.
#[derive(Clone, Debug)]
pub struct Charts {
    /// Loss of the discriminator, stage 2.
    pub d: Series,
    /// Loss of the generator, stage 2.
    pub g: Series,
    /// EWC, stage 1.
    pub ewc: Series,
    /// Repulsion, stage 2.
    pub repulsion: Series,
    /// Retention, stage 2.
    pub retain: Series,
    /// Distance to the adapted parameters.
    pub to_adapted: Series,
    /// Distance to the original parameters.
    pub to_original: Series,
    /// Percentage of unlearning.
    pub pul: Series,
    /// Fréchet distance.
    pub frechet: Series,
    /// Logarithmic axes where values allow it.
    pub log: bool,
}

impl Default for Charts {
    fn default() -> Self {
        let [d, g, ewc, repulsion] = ["discriminator", "generator", "ewc", "repulsion"].map(Series::new);
        let [retain, to_adapted, to_original] = ["retention", "to_adapted", "to_original"].map(Series::new);
        let [pul, frechet] = ["pul_percent", "frechet"].map(Series::new);
        Self { d, g, ewc, repulsion, retain, to_adapted, to_original, pul, frechet, log: false }
    }
}

impl Charts {
    /// Whether there is nothing to see.
    pub fn is_empty(&self) -> bool {
        self.d.values().is_empty() && self.ewc.values().is_empty()
    }
}

/// One sample, looked at closely.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// Which.
    pub sample: Sample,
    /// Before and after at full size, as they arrive.
    pub tiles: [Option<DetailTile>; 2],
}

/// A picture at full size.
#[derive(Clone, Debug, PartialEq)]
pub struct DetailTile {
    /// Width and height.
    pub side: usize,
    /// `[side, side, 3]`.
    pub rgb: Arc<[u8]>,
}

/// A request for tiles that is being answered.
#[derive(Clone, Copy, Debug)]
struct Asked {
    epoch: u64,
    refresh: bool,
}

/// The window without its drawing.
pub struct Studio {
    link: Link,
    wake: Arc<dyn Fn() + Send + Sync>,
    /// Name of the compute device, once it is known, and whether it is a software GPU.
    pub device: Option<(String, bool)>,
    /// The open model.
    pub model: Option<Box<ModelCard>>,
    /// The model that is being opened.
    pub opening: Option<PathBuf>,
    /// How much of it was read, from 0 to 1.
    pub opened: f32,
    /// What is marked.
    pub marks: Marks,
    /// What the grid shows.
    pub view: View,
    /// The tiles.
    pub tiles: TileCache,
    /// Thumbnails that arrived, to be made into textures.
    pub thumbnails: Vec<Tiles>,
    /// The sample looked at closely.
    pub detail: Option<Detail>,
    /// The run.
    pub run: RunState,
    /// Settings of the next run.
    pub settings: Settings,
    /// What they started from.
    pub preset: PresetChoice,
    /// The snapshot the next run goes on from.
    pub from: Option<usize>,
    /// The curves.
    pub charts: Charts,
    /// The snapshots.
    pub timeline: Timeline,
    /// The labeler.
    pub labeler: Option<LabelerChoice>,
    /// What to look at next, learned from the marks.
    pub suggestions: Option<Suggestions>,
    /// Whether suggestions are being made.
    pub suggesting: bool,
    /// What is to be said.
    pub notices: Notices,
    /// What is remembered.
    pub prefs: Prefs,
    /// Whether weights were trained that are in no file yet.
    pub unsaved: bool,
    /// Files that are being written.
    pub writing: usize,
    /// The window's clock, in seconds.
    pub now: f64,
    epoch: u64,
    asked: Option<Asked>,
    thumbnails_asked: [bool; 2],
    /// When the grid may next be brought up to date while a run goes on.
    next_refresh: f64,
    /// Seconds that a sample takes to draw.
    per_sample: Option<f64>,
    /// The least it took: what the machine can do when it is not busy with other things.
    per_sample_at_best: Option<f64>,
}

impl Studio {
    /// A studio with nothing open. `wake` asks for a frame, from any thread.
    pub fn new(prefs: Prefs, device: DeviceChoice, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(wake);
        Self {
            link: link(device, &wake),
            wake,
            device: None,
            model: None,
            opening: None,
            opened: 0.0,
            marks: Marks::new(""),
            view: View::default(),
            tiles: TileCache::default(),
            thumbnails: Vec::new(),
            detail: None,
            run: RunState::None,
            settings: Settings::preset(Preset::Quick),
            preset: PresetChoice::Built(Preset::Quick),
            from: None,
            charts: Charts::default(),
            timeline: Timeline::default(),
            labeler: None,
            suggestions: None,
            suggesting: false,
            notices: Notices::default(),
            prefs,
            unsaved: false,
            writing: 0,
            now: 0.0,
            epoch: 0,
            asked: None,
            thumbnails_asked: [false; 2],
            next_refresh: 0.0,
            per_sample: None,
            per_sample_at_best: None,
        }
    }

    /// Says something to the person.
    pub fn say(&mut self, level: Level, text: impl Into<String>) {
        self.notices.say(level, text, self.now);
    }

    fn send(&self, command: Command) {
        self.link.send(command);
    }

    /// Whether training goes on right now.
    pub fn is_training(&self) -> bool {
        self.run.going().is_some_and(|going| going.held != Held::Yes)
    }

    /// Computes on another device from now on. The open model is opened again; what was trained must be saved first.
    pub fn use_device(&mut self, choice: DeviceChoice) {
        self.prefs.device = choice;
        self.prefs.save();
        self.restart(choice);
    }

    fn restart(&mut self, choice: DeviceChoice) {
        self.device = None;
        self.link = link(choice, &self.wake);
        (self.asked, self.thumbnails_asked, self.writing, self.suggesting) = (None, [false; 2], 0, false);
        if self.run.going().is_some() {
            self.run = RunState::Failed;
        }
        if let Some(path) = self.opening.take().or_else(|| self.model.as_ref().map(|card| card.file.clone())) {
            self.open(path);
        }
    }

    /// The sample under this number in the grid.
    pub fn sample(&self, index: usize) -> Option<Sample> {
        sample_at(self.view.seed, index as u64, self.view.psi)
    }

    /// The weights that the grid needs, most wanted first.
    pub fn sources(&self) -> Vec<Source> {
        // Until something was trained, after is before.
        let after = match self.timeline.shown() {
            Source::Current if self.epoch == 0 => Source::Original,
            shown => shown,
        };
        match self.view.compare {
            Compare::Before => vec![Source::Original],
            Compare::After => vec![after],
            _ if after == Source::Original => vec![after],
            _ => vec![after, Source::Original],
        }
    }

    /// The two weights that are compared: before, after.
    pub fn pair(&self) -> [Source; 2] {
        let after = self.timeline.shown();
        [Source::Original, if after == Source::Current && self.epoch == 0 { Source::Original } else { after }]
    }

    /// Asks for the tiles that are looked at and not there yet, best first. Called in every frame.
    pub fn want(&mut self, visible: &[Sample]) {
        if self.model.is_none() || self.asked.is_some() || visible.is_empty() {
            return;
        }
        let limit = (BITE / self.per_sample.unwrap_or(BITE / 4.0)).clamp(1.0, 64.0) as usize;
        let Some(wanted) = next_wanted(&self.tiles, visible, &self.sources(), self.epoch, limit) else { return };
        if wanted.refresh && self.is_training() && self.now < self.next_refresh {
            return;
        }
        let Some(first) = wanted.samples.first() else { return };
        let request = SampleRequest {
            kind: SampleKind::Grid,
            weights: wanted.source.weights(),
            seed: first.address().seed,
            indices: wanted.samples.iter().map(|sample| sample.address().index).collect(),
            psi: first.psi(),
        };
        self.asked = Some(Asked { epoch: self.epoch, refresh: wanted.refresh });
        self.send(Command::Sample(request));
    }

    /// Whether tiles that are looked at are still to come.
    pub fn is_filling(&self) -> bool {
        self.asked.is_some_and(|asked| !asked.refresh)
    }

    /// Asks for thumbnails of one kind, unless some are being made.
    pub fn want_thumbnails(&mut self, kind: SampleKind, source: Source, samples: &[Sample]) {
        let slot = usize::from(kind == SampleKind::Timeline);
        let Some(first) = samples.first() else { return };
        if self.model.is_none() || self.thumbnails_asked[slot] {
            return;
        }
        self.thumbnails_asked[slot] = true;
        let (seed, psi) = (first.address().seed, first.psi());
        let alike = samples.iter().filter(|sample| (sample.address().seed, sample.psi()) == (seed, psi));
        let indices = alike.take(16).map(|sample| sample.address().index).collect();
        self.send(Command::Sample(SampleRequest { kind, weights: source.weights(), seed, indices, psi }));
    }

    /// Looks closely at a sample.
    pub fn look_at(&mut self, sample: Sample) {
        self.detail = Some(Detail { sample, tiles: [None, None] });
        self.ask_detail(Source::Original);
    }

    fn ask_detail(&self, source: Source) {
        let Some(detail) = &self.detail else { return };
        let address = detail.sample.address();
        self.send(Command::Sample(SampleRequest {
            kind: SampleKind::Detail,
            weights: source.weights(),
            seed: address.seed,
            indices: vec![address.index],
            psi: detail.sample.psi(),
        }));
    }

    /// What keeps suggestions from being made, in one sentence.
    pub fn no_suggestions(&self) -> Option<String> {
        let (negatives, positives) = self.marks.counts();
        if self.run.going().is_some() {
            return Some("A run is under way.".to_owned());
        }
        let few = negatives < FEWEST || positives < FEWEST;
        few.then(|| format!("Mark at least {FEWEST} of each kind first."))
    }

    /// Learns from the marks and asks what to look at next.
    pub fn suggest(&mut self) {
        if self.suggesting || self.no_suggestions().is_some() {
            return;
        }
        self.suggesting = true;
        self.send(Command::Suggest(Box::new(SuggestRequest {
            feedback: self.marks.feedback().clone(),
            seed: self.view.seed,
            psi: self.view.psi,
            labeler: None,
            count: SUGGESTED,
        })));
    }

    /// Takes settings from a preset.
    pub fn choose_preset(&mut self, choice: PresetChoice) {
        let settings = match &choice {
            PresetChoice::Built(preset) => {
                let mut settings = Settings::preset(*preset);
                if let (Preset::Quick, Some(card)) = (preset, &self.model) {
                    settings.follow(&card.args);
                }
                settings
            }
            PresetChoice::Own(name) => match self.prefs.presets.get(name) {
                Some(settings) => settings.clone(),
                None => return,
            },
        };
        self.settings = settings;
        self.preset = choice;
    }

    /// Whether the settings differ from the preset they started from.
    pub fn is_changed(&self) -> bool {
        match &self.preset {
            PresetChoice::Own(name) => self.prefs.presets.get(name) != Some(&self.settings),
            PresetChoice::Built(preset) => {
                let mut settings = Settings::preset(*preset);
                if let (Preset::Quick, Some(card)) = (preset, &self.model) {
                    settings.follow(&card.args);
                }
                settings != self.settings
            }
        }
    }

    /// Keeps the settings as a preset of the person's own.
    pub fn keep_preset(&mut self, name: &str) {
        let name = name.trim().to_owned();
        if !name.is_empty() {
            self.prefs.presets.insert(name.clone(), self.settings.clone());
            self.prefs.save();
            self.preset = PresetChoice::Own(name);
        }
    }

    /// Forgets a preset of the person's own; its settings stay for the next run.
    pub fn drop_preset(&mut self, name: &str) {
        self.prefs.presets.remove(name);
        self.prefs.save();
        if self.preset == PresetChoice::Own(name.to_owned()) {
            self.preset = PresetChoice::Built(Preset::Quick);
        }
    }

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
        let device = self.device.as_ref().map_or("", |(name, _)| name.as_str());
        let speed = Speed { per_sample: self.per_sample_at_best, per_iteration: self.prefs.speed(device, card) };
        Some(cost(card, &self.settings, self.snapshots(), speed))
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
            _ => FeedbackSource::Marks(Box::new(self.marks.feedback().clone())),
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

fn link(choice: DeviceChoice, wake: &Arc<dyn Fn() + Send + Sync>) -> Link {
    let wake = wake.clone();
    Link::start(choice, move || wake())
}
