//! `unlearn MODEL`: the whole method, headless.

mod adapt;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use serde_json::{Map, Value};

use super::{
    args::{ClassArgs, LabelerArgs, ModelArgs},
    client::{ask, loaded, wait},
    progress::Bar,
    run_device::{RunDeviceArgs, note},
    unusable::Unusable,
};
use crate::{
    atomic_file::{self, plain_reason},
    data::ImageSource,
    engine::{
        Command, Engine, EvaluationRequest, Event, ProjectRequest, RenderedTiles, RunReport, RunRequest, SampleKind,
        SampleRequest, Weights, evaluate::EVALUATION_SEED, memory_estimate::MemoryEstimate,
    },
    feedback::{FeedbackSource, LabelerSpec},
    metrics::{self, write_before_after},
    unlearn::{METHODS, Method, Settings, default_method, method},
};

/// Samples in the before/after picture.
pub(super) const GRID_SAMPLES: u64 = 100;
/// Samples whose pictures a labeler is shown at a time.
const LABELLED_AT_ONCE: usize = 16;
const GRID_COLUMNS: usize = 10;

#[derive(Debug, Args)]
pub(super) struct UnlearnArgs {
    /// Model file. Without a discriminator in it, one is warmed up first.
    model: PathBuf,
    /// Feedback file with the marked samples.
    #[arg(long)]
    feedback: Option<PathBuf>,
    /// ONNX classifier that gives feedback and measures the result; with --feedback, its features help to learn from the marks.
    #[arg(long, requires = "forget")]
    labeler: Option<PathBuf>,
    /// Let the labeler answer for a person who marks this many samples page by page, instead of labelling thousands.
    #[arg(long, value_name = "N", requires = "labeler", conflicts_with = "feedback")]
    clicks: Option<usize>,
    /// Click only what must go; the rest of the pages looked at may stay, as one can say in the window.
    #[arg(long, requires = "clicks")]
    rest_may_stay: bool,
    /// Show the labeler's features to what learns from the --clicks, as is done with those of --feedback.
    #[arg(long, requires = "clicks")]
    labeler_features: bool,
    /// Let who makes the --clicks also draw where in the picture the thing is (glasses, beards and hats of the drawn faces).
    #[arg(long, requires = "clicks")]
    regions: bool,
    /// Train on exactly the marked samples of --feedback, however few, instead of learning from them what to look for.
    #[arg(long, requires = "feedback")]
    as_marked: bool,
    /// What to forget: a class of the labeler (its name or number), `head=class`, `head!=class`, or several of one head
    /// joined by `|` or commas.
    #[arg(long, requires = "labeler", value_name = "CLASS")]
    forget: Option<String>,
    /// Other pictures that may stay, for a model that completes pictures: a folder, an IDX file or `avatars`.
    #[arg(long, value_name = "PICTURES")]
    retain: Option<PathBuf>,
    /// File to write: .safetensors or .pt; a masked autoencoder without an extension becomes a Hugging Face folder.
    #[arg(long)]
    out: PathBuf,
    /// Keep the history in this folder, a project: the run can then be resumed after any end, and more can be forgotten from
    /// its result.
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Seconds between two saves of where the run stands.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, hide_short_help = true, requires = "project")]
    save_every: f64,
    /// Write a report (JSON).
    #[arg(long)]
    report: Option<PathBuf>,
    /// Write a before/after picture (.png).
    #[arg(long)]
    grid: Option<PathBuf>,
    /// The method [default: reject; image-to-image of a model that completes pictures].
    #[arg(long, value_parser = METHODS.iter().map(|m| m.id()).collect::<Vec<_>>())]
    method: Option<String>,
    /// Settings to start from [default: the method's first].
    #[arg(long)]
    preset: Option<String>,
    /// A setting of the method, by its key or by its path in a settings file; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Samples the labeler looks at to find negatives and positives.
    #[arg(long)]
    labelled: Option<usize>,
    /// All settings from a JSON file (as in a report's `settings`), before the other options.
    #[arg(long)]
    settings: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Adapt then Unlearn")]
    adapt: adapt::AdaptArgs,
    /// Samples the result is measured on; 0 skips the measurement.
    #[arg(long, default_value_t = 5000)]
    samples: usize,
    /// Seed of everything that is drawn.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    labeler_args: LabelerArgs,
    #[command(flatten)]
    class: ClassArgs,
    #[command(flatten)]
    model_args: ModelArgs,
    #[command(flatten)]
    device: RunDeviceArgs,
}

impl UnlearnArgs {
    fn method(&self, completes: bool) -> &'static dyn Method {
        self.method.as_deref().and_then(method).unwrap_or(default_method(completes))
    }

    /// All settings; those of a preset that wants it follow the checkpoint's own `args`.
    fn settings(&self, args: &Map<String, Value>, completes: bool) -> anyhow::Result<Settings> {
        let mut settings = match &self.settings {
            None => {
                let method = self.method(completes);
                let preset = self.preset.as_deref().unwrap_or(method.default_preset());
                let mut settings = Settings::preset(method, preset).ok_or_else(|| {
                    let known: Vec<&str> = method.presets().iter().map(|preset| preset.id).collect();
                    let known = known.join(", ");
                    Unusable(format!("invalid value '{preset}' for '--preset' [possible values: {known}]"))
                })?;
                settings.follow(preset, args);
                settings
            }
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
                serde_json::from_str(&text).with_context(|| format!("{}: not a settings file", path.display()))?
            }
        };
        let mut own = self.adapt.settings(&settings);
        own.extend(self.labelled.map(|value| ("labelled", Value::from(value))));
        own.extend(self.seed.map(|value| ("seed", Value::from(value))));
        own.extend(self.as_marked.then_some(("few-marks", Value::from(0))));
        for (key, value) in own {
            settings.set(key, value).map_err(Unusable)?;
        }
        for setting in &self.set {
            let (key, text) =
                setting.split_once('=').ok_or_else(|| Unusable(format!("--set {setting}: it must be KEY=VALUE")))?;
            settings.set_text(key.trim(), text.trim()).map_err(|problem| Unusable(format!("--set {problem}")))?;
        }
        settings.check().map_err(Unusable)?;
        Ok(settings)
    }

    fn labeler(&self) -> Option<(LabelerSpec, String)> {
        Some((self.labeler_args.spec(self.labeler.as_deref()?), self.forget.clone()?))
    }

    fn request(&self, settings: Settings) -> anyhow::Result<RunRequest> {
        let (rest_may_stay, features, regions) = (self.rest_may_stay, self.labeler_features, self.regions);
        let feedback = match (&self.feedback, self.labeler(), self.clicks) {
            (Some(path), ..) => FeedbackSource::File(path.clone()),
            (None, Some((labeler, forget)), Some(clicks)) => {
                FeedbackSource::Clicks { labeler, forget, clicks, rest_may_stay, features, regions }
            }
            (None, Some((labeler, forget)), None) => FeedbackSource::Labeler { labeler, forget },
            (None, None, _) => {
                bail!(Unusable("what is to be forgotten? Give --feedback, or --labeler and --forget".to_owned()))
            }
        };
        let evaluation = self.labeler().filter(|_| self.samples > 0).map(|(labeler, forget)| EvaluationRequest {
            labeler,
            forget,
            samples: self.samples,
            seed: EVALUATION_SEED,
        });
        let out = Some(std::path::absolute(&self.out)?);
        let retain = self.retain.clone().map(ImageSource::of);
        Ok(RunRequest { feedback, settings, evaluation, out, retain, preview: false })
    }
}

pub(super) fn run(args: &UnlearnArgs) -> anyhow::Result<()> {
    super::unusable::check_model_extension(&args.out, args.model_args.pictures().is_some())?;
    let is_pickle = |path: &Path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pkl"));
    if is_pickle(&args.out) && !is_pickle(&args.model) {
        let (out, model) = (args.out.display(), args.model.display());
        bail!(Unusable(format!("{out}: only what came in a .pkl file can be written as one, and {model} is none")));
    }
    if let Some(grid) = &args.grid {
        super::unusable::check_extension(grid, &["png"], "a picture")?;
    }
    if args.report.as_ref() == Some(&args.out) || (args.report.is_some() && args.report == args.grid) {
        bail!(Unusable("--report, --out and --grid must be different files; nothing was done".to_owned()));
    }
    for path in [Some(&args.out), args.report.as_ref(), args.grid.as_ref()].into_iter().flatten() {
        super::unusable::check_writable(path)?;
    }
    // What is wrong with the arguments is said before anything is opened.
    args.request(args.settings(&Map::new(), args.model_args.pictures().is_some())?)?;
    let devices = args.device.open()?;
    let mut bar = Bar::new();
    let device_note = note(&devices);
    let engine = Engine::start(devices)?;
    let interrupts = super::progress::interrupts()?;

    let card = ask(&engine, Command::Load(args.model_args.open(&args.model)), loaded)?;
    if args.class.class.is_some() {
        let class = Command::Class(args.class.class);
        ask(&engine, class, |event| matches!(event, Event::Class(_)).then_some(()))?;
    }
    if let Some(folder) = &args.project {
        engine.send(Command::SaveEvery(super::args::seconds(args.save_every)?));
        let keep = Command::Project(Box::new(ProjectRequest::KeepIn(folder.clone())));
        ask(&engine, keep, |event| matches!(event, Event::Project(_)).then_some(()))?;
    }
    bar.note(&device_note);
    bar.note(&format!("model: {} {}x{}", card.family, card.resolution, card.resolution));
    let settings = args.settings(&card.args, card.completes.is_some())?;
    if let Some(estimate) = MemoryEstimate::of(&card, &settings, 0) {
        bar.note(&estimate.to_string());
    }
    let request = args.request(settings)?;
    engine.send(Command::Start(Box::new(request)));
    // The first Ctrl-C stops the run and keeps what was reached.
    let stopping = "stopping after this iteration; what was reached is kept";
    let report = wait(&engine, &interrupts, &mut bar, stopping, |event| match event {
        Event::Done(report) => Some(*report),
        _ => None,
    })?;
    bar.finish();

    // The engine has written the model before it measured.
    if let Some(path) = &args.grid {
        let labeler = args.labeler();
        let labeler = labeler.as_ref().map(|(spec, forget)| (spec.clone(), forget.as_str()));
        let drawn = card.completes.map_or(GRID_SAMPLES, |completes| GRID_SAMPLES.min(completes.pictures as u64));
        write_before_after_grid(&engine, (drawn, args.class.class), labeler, path)?;
    }
    if let Some(path) = &args.report {
        write_report(path, &report)?;
    }
    let others: Vec<&Path> = [&args.grid, &args.report].into_iter().flatten().map(PathBuf::as_path).collect();
    finish(&report, Some(&args.out), &others)
}

/// Says which files were written and what came of the run.
pub(super) fn finish(report: &RunReport, out: Option<&Path>, others: &[&Path]) -> anyhow::Result<()> {
    // Everything is on the disk before anything is said: there may be nobody left to listen.
    for path in out.iter().chain(others) {
        super::output::say(path.display())?;
    }
    super::output::say(summary(report))?;
    let held = |what: &str| out.map_or_else(String::new, |out| format!(" ({} holds {what})", out.display()));
    match (&report.failed, &report.measurement_failed) {
        // There was no iteration to keep, so there is nothing else to write than what was read.
        (Some(sentence), _) if report.iterations == 0 => bail!("{sentence}{}", held("the model unchanged")),
        (Some(sentence), _) => bail!("{sentence}{}", held("it")),
        (None, Some(sentence)) => bail!("the result could not be measured: {sentence}{}", held("the result")),
        (None, None) => Ok(()),
    }
}

/// Writes what the engine's model drew before and draws now; with a labeler, what it takes for what is to be forgotten gets a
/// red frame.
pub(super) fn write_before_after_grid(
    engine: &Engine,
    (drawn, class): (u64, Option<usize>),
    labeler: Option<(LabelerSpec, &str)>,
    path: &Path,
) -> anyhow::Result<()> {
    let tiles = |weights: Weights| -> anyhow::Result<Box<RenderedTiles>> {
        let request = SampleRequest {
            kind: SampleKind::Picture,
            weights,
            seed: EVALUATION_SEED,
            indices: (0..drawn).collect(),
            psi: 1.0,
            class: class.and_then(|class| u32::try_from(class).ok()),
        };
        ask(engine, Command::Sample(request), |event| match event {
            Event::Tiles(tiles) => Some(tiles),
            _ => None,
        })
    };
    let (before, after) = (tiles(Weights::Original)?, tiles(Weights::Current)?);
    let picture = |tiles: &RenderedTiles| metrics::Tiles {
        rgb: tiles.rgb.clone(),
        width: tiles.side as u32,
        height: tiles.side as u32,
    };
    let (before, after) = (picture(&before), picture(&after));
    let negatives = match labeler {
        None => Vec::new(),
        Some((spec, forget)) => {
            let (width, height) = (before.width as usize, before.height as usize);
            let labeler = spec.open()?;
            let target = labeler.target(forget)?;
            let mut negatives = Vec::new();
            for tiles in before.rgb.chunks(LABELLED_AT_ONCE * (3 * width * height).max(1)) {
                let images = images_of(tiles, width * height);
                let shape = [images.len() / (3 * width * height).max(1), 3, height, width];
                let labels = labeler.label_head(target.head_number(), &images, shape)?;
                negatives.extend(labels.classes.iter().map(|&class| target.holds(class)));
            }
            negatives
        }
    };
    Ok(write_before_after(path, &before, &after, GRID_COLUMNS, &negatives)?)
}

/// 8-bit tiles `[count, height, width, 3]` of `plane` pixels as a labeler takes them: `[count, 3, height, width]` in [-1, 1].
fn images_of(rgb: &[u8], plane: usize) -> Vec<f32> {
    rgb.chunks_exact(3 * plane)
        .flat_map(|tile| (0..3).flat_map(move |c| (0..plane).map(move |i| tile[3 * i + c])))
        .map(|value| f32::from(value) / 127.5 - 1.0)
        .collect()
}

fn write_report(path: &Path, report: &RunReport) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    atomic_file::write(path, text.as_bytes())
        .map_err(|error| anyhow!("{}: cannot be written: {}", path.display(), plain_reason(&error)))
}

fn summary(report: &RunReport) -> String {
    let s = &report.seconds;
    let stages: String = s.stages.iter().map(|(stage, seconds)| format!("{stage} {seconds:.0} s, ")).collect();
    let mut lines = vec![format!(
        "{} negatives, {} positives; label {:.0} s, {stages}in all {:.0} s",
        report.feedback.negatives,
        report.feedback.positives,
        s.label,
        s.method()
    )];
    if let Some(learned) = &report.feedback.learned {
        let q = &learned.quality;
        lines.push(format!(
            "learned from {} negative and {} positive marks: {:.0} % of pairs in order, about {:.0} % of all samples \
             negative",
            q.negatives,
            q.positives,
            q.auc * 100.0,
            q.share * 100.0
        ));
    }
    lines.extend(report.warm_up.map(|warm_up| {
        format!(
            "the new discriminator tells {:.0} % of the generator's own and disturbed samples apart (after {:.0} s)",
            100.0 * warm_up.accuracy,
            warm_up.seconds
        )
    }));
    if report.stopped {
        let stage = report.reached.map_or("", |at| at.stage.name);
        lines.push(match (report.iterations, report.settings.plan()) {
            (0, _) => format!("stopped in {stage}, before anything was unlearned: the file holds the model unchanged"),
            (n, Some(plan)) => format!("stopped after {n} of {} iterations of {stage}", plan.result_iterations),
            (n, None) => format!("stopped after {n} iterations of {stage}"),
        });
    }
    lines.extend(report.evaluation.as_ref().map(ToString::to_string));
    lines.extend(report.estimated.map(|seen| {
        let (least, most) = (100.0 * seen.at_least, 100.0 * seen.at_most);
        let gone = match seen.sees_change() {
            true => format!("about {:.0} % gone", seen.percentage()),
            false => "no change seen".to_owned(),
        };
        format!(
            "{gone}, as the marks let it be estimated (between {least:.0} and {most:.0} % gone; over {} samples)",
            seen.samples
        )
    }));
    lines.extend(
        report.estimate_failed.as_ref().map(|reason| format!("how much is gone cannot be estimated: {reason}")),
    );
    lines.join("\n")
}
