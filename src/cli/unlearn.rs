//! `unlearn MODEL`: the whole method, headless.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use crossbeam_channel::select;

use super::{ClassArgs, DeviceArgs, LabelerArgs, Unusable, progress::Bar};
use crate::{
    atomic_file::{self, plain_reason},
    engine::{
        Command, Engine, Event, FeedbackSource, LabelerSpec, RunReport, RunRequest, SampleKind, SampleRequest, Tiles,
        Weights, command::EvaluationRequest, evaluate::EVALUATION_SEED,
    },
    metrics::{self, write_before_after},
    unlearn::{
        Preset, Settings,
        repulsion::{Distance, RepulsionLoss},
    },
};

/// Samples in the before/after picture.
const GRID_SAMPLES: u64 = 100;
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
    /// Train on exactly the marked samples of --feedback, however few, instead of learning from them what to look for.
    #[arg(long, requires = "feedback")]
    as_marked: bool,
    /// What to forget: a class of the labeler (its name or number), `head=class`, `head!=class`, or several of one head
    /// joined by `|` or commas.
    #[arg(long, requires = "labeler", value_name = "CLASS")]
    forget: Option<String>,
    /// File to write: .safetensors or .pt.
    #[arg(long)]
    out: PathBuf,
    /// Write a report (JSON).
    #[arg(long)]
    report: Option<PathBuf>,
    /// Write a before/after picture (.png).
    #[arg(long)]
    grid: Option<PathBuf>,
    /// Settings to start from.
    #[arg(long, value_enum, default_value = "quick")]
    preset: Preset,
    /// Repulsion loss.
    #[arg(long, value_enum)]
    repulsion: Option<RepulsionLoss>,
    /// Factor on the distance in the repulsion loss.
    #[arg(long)]
    gamma: Option<f64>,
    /// Weight of the EL2 repulsion loss.
    #[arg(long)]
    weight: Option<f64>,
    /// Distance between parameters: the code's mean or the paper's sum.
    #[arg(long, value_enum)]
    distance: Option<Distance>,
    /// Iterations of stage 1, each member of the ensemble.
    #[arg(long)]
    adapt_iters: Option<usize>,
    /// Iterations of stage 2.
    #[arg(long)]
    iters: Option<usize>,
    /// Samples per iteration: at most 4, or a multiple of 4.
    #[arg(long)]
    batch: Option<usize>,
    /// Samples per forward pass (gradient accumulation, to save memory); 0 means the whole batch.
    #[arg(long)]
    micro_batch: Option<usize>,
    /// Number of adapted generators.
    #[arg(long)]
    adapted: Option<usize>,
    /// Start stage 2 at theta_N + GAMMA * (theta_G - theta_N); 1 is the original.
    #[arg(long, value_name = "GAMMA")]
    extrapolate: Option<f64>,
    /// Share of unwanted samples among what the discriminator learns to reject in stage 2; 0 is the published method.
    #[arg(long, value_name = "SHARE")]
    unwanted_share: Option<f64>,
    /// Weight of keeping the positive samples' own images in stage 2; 0 is the published method.
    #[arg(long, value_name = "WEIGHT")]
    retain: Option<f64>,
    /// Learning rate of both stages.
    #[arg(long)]
    lr: Option<f64>,
    /// Samples the labeler looks at to find negatives and positives.
    #[arg(long)]
    labelled: Option<usize>,
    /// All settings from a JSON file (as in a report's `settings`), before the other options.
    #[arg(long)]
    settings: Option<PathBuf>,
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
    device: DeviceArgs,
}

impl UnlearnArgs {
    fn settings(&self) -> anyhow::Result<Settings> {
        let mut s = match &self.settings {
            None => Settings::preset(self.preset),
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
                serde_json::from_str(&text).with_context(|| format!("{}: not a settings file", path.display()))?
            }
        };
        fn set<T: Copy>(target: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *target = value;
            }
        }
        set(&mut s.repulsion.loss, self.repulsion);
        set(&mut s.repulsion.gamma, self.gamma);
        set(&mut s.repulsion.weight, self.weight);
        set(&mut s.repulsion.distance, self.distance);
        set(&mut s.adapt.iterations, self.adapt_iters);
        set(&mut s.unlearn.iterations, self.iters);
        set(&mut s.adapted, self.adapted);
        set(&mut s.extrapolate, self.extrapolate);
        set(&mut s.labelled, self.labelled);
        set(&mut s.seed, self.seed);
        set(&mut s.unlearn.train.unwanted_share, self.unwanted_share);
        set(&mut s.unlearn.train.retain, self.retain);
        for stage in [&mut s.adapt, &mut s.unlearn] {
            set(&mut stage.train.batch, self.batch);
            set(&mut stage.train.micro_batch, self.micro_batch);
            set(&mut stage.train.lr, self.lr);
        }
        if self.as_marked {
            s.few_marks = 0;
        }
        s.check().map_err(Unusable)?;
        Ok(s)
    }

    fn labeler(&self) -> Option<(LabelerSpec, String)> {
        Some((self.labeler_args.spec(self.labeler.as_deref()?), self.forget.clone()?))
    }

    fn request(&self) -> anyhow::Result<RunRequest> {
        let (rest_may_stay, features) = (self.rest_may_stay, self.labeler_features);
        let feedback = match (&self.feedback, self.labeler(), self.clicks) {
            (Some(path), ..) => FeedbackSource::File(path.clone()),
            (None, Some((labeler, forget)), Some(clicks)) => {
                FeedbackSource::Clicks { labeler, forget, clicks, rest_may_stay, features }
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
        Ok(RunRequest { feedback, settings: self.settings()?, evaluation, from: None })
    }
}

pub(super) fn run(args: &UnlearnArgs) -> anyhow::Result<()> {
    super::check_model_extension(&args.out)?;
    if let Some(grid) = &args.grid {
        super::check_extension(grid, &["png"], "a picture")?;
    }
    if args.report.as_ref() == Some(&args.out) || (args.report.is_some() && args.report == args.grid) {
        bail!(Unusable("--report, --out and --grid must be different files; nothing was done".to_owned()));
    }
    for path in [Some(&args.out), args.report.as_ref(), args.grid.as_ref()].into_iter().flatten() {
        super::check_writable(path)?;
    }
    let mut request = args.request()?;
    let device = args.device.device.open()?;
    let mut bar = Bar::new();
    let software = if device.software { " (a software adapter: slower than --device cpu)" } else { "" };
    let device_note = format!("device: {}{software}", device.name);
    let engine = Engine::start(device)?;
    let interrupts = super::progress::interrupts()?;

    let loaded = ask(&engine, Command::Load(args.model.clone()), |event| match event {
        Event::Loaded(card) => Some(card),
        _ => None,
    })?;
    if args.class.class.is_some() {
        let class = Command::Class(args.class.class);
        ask(&engine, class, |event| matches!(event, Event::Class(_)).then_some(()))?;
    }
    bar.note(&device_note);
    bar.note(&format!("model: {} {}x{}", loaded.family, loaded.resolution, loaded.resolution));
    if args.settings.is_none() && args.preset == Preset::Quick {
        request.settings.follow(&loaded.args);
    }
    engine.send(Command::Start(Box::new(request)));
    let report = watch(&engine, &interrupts, &mut bar)?;
    bar.finish();

    let export = Command::Export(args.out.clone());
    ask(&engine, export, |event| matches!(event, Event::Exported(_)).then_some(()))?;
    if let Some(path) = &args.grid {
        write_grid(&engine, args, path)?;
    }
    if let Some(path) = &args.report {
        write_report(path, &report)?;
    }
    // Everything is on the disk before anything is said: there may be nobody left to listen.
    for path in [Some(&args.out), args.grid.as_ref(), args.report.as_ref()].into_iter().flatten() {
        super::say(path.display())?;
    }
    super::say(summary(&report))?;
    match report.failed {
        // Stage 2 had no iteration to keep, so there is nothing else to write than what was read.
        Some(sentence) if report.iterations == 0 => {
            bail!("{sentence} ({} holds the model unchanged)", args.out.display())
        }
        Some(sentence) => bail!("{sentence} ({} holds it)", args.out.display()),
        None => Ok(()),
    }
}

/// Shows events until the run ends. The first Ctrl-C stops the run and keeps what was reached.
fn watch(engine: &Engine, interrupts: &crossbeam_channel::Receiver<()>, bar: &mut Bar) -> anyhow::Result<RunReport> {
    loop {
        select! {
            recv(interrupts) -> _ => {
                bar.warn("stopping after this iteration; what was reached is kept");
                engine.send(Command::Stop);
            }
            recv(engine.events) -> event => match event.context("the engine ended unexpectedly")? {
                Event::Progress(progress) => bar.show(&progress),
                Event::Warning(sentence) => bar.warn(&format!("warning: {sentence}")),
                Event::Done(report) => return Ok(*report),
                Event::Failed(sentence) => bail!("{sentence}"),
                _ => {}
            }
        }
    }
}

/// Sends one command and waits for its answer.
fn ask<T>(engine: &Engine, command: Command, pick: impl Fn(Event) -> Option<T>) -> anyhow::Result<T> {
    engine.send(command);
    loop {
        match engine.events.recv().context("the engine ended unexpectedly")? {
            Event::Failed(sentence) => bail!("{sentence}"),
            event => {
                if let Some(answer) = pick(event) {
                    return Ok(answer);
                }
            }
        }
    }
}

fn write_grid(engine: &Engine, args: &UnlearnArgs, path: &Path) -> anyhow::Result<()> {
    let tiles = |weights: Weights| -> anyhow::Result<Box<Tiles>> {
        let request = SampleRequest {
            kind: SampleKind::Picture,
            weights,
            seed: EVALUATION_SEED,
            indices: (0..GRID_SAMPLES).collect(),
            psi: 1.0,
            class: args.class.class.and_then(|class| u32::try_from(class).ok()),
        };
        ask(engine, Command::Sample(request), |event| match event {
            Event::Tiles(tiles) => Some(tiles),
            _ => None,
        })
    };
    let (before, after) = (tiles(Weights::Original)?, tiles(Weights::Current)?);
    let picture =
        |tiles: &Tiles| metrics::Tiles { rgb: tiles.rgb.clone(), width: tiles.side as u32, height: tiles.side as u32 };
    let (before, after) = (picture(&before), picture(&after));
    let negatives = match args.labeler() {
        None => Vec::new(),
        Some((spec, forget)) => {
            let images = images_of(&before);
            let shape = [before.count(), 3, before.height as usize, before.width as usize];
            let labeler = spec.open()?;
            let target = labeler.target(&forget)?;
            let labels = labeler.label_head(target.head_number(), &images, shape)?;
            labels.classes.iter().map(|&class| target.holds(class)).collect()
        }
    };
    Ok(write_before_after(path, &before, &after, GRID_COLUMNS, &negatives)?)
}

/// 8-bit tiles as a labeler takes them: `[count, 3, height, width]` in [-1, 1].
fn images_of(tiles: &metrics::Tiles) -> Vec<f32> {
    let plane = tiles.width as usize * tiles.height as usize;
    tiles
        .rgb
        .chunks_exact(3 * plane)
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
    let mut lines = vec![format!(
        "{} negatives, {} positives; label {:.0} s, adapt {:.0} s, unlearn {:.0} s, in all {:.0} s",
        report.feedback.negatives,
        report.feedback.positives,
        s.label,
        s.adapt,
        s.unlearn,
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
            100.0 * warm_up.told_apart,
            warm_up.seconds
        )
    }));
    if report.stopped {
        lines.push(match report.iterations {
            0 => "stopped in stage 1, before anything was unlearned: the file holds the model unchanged".to_owned(),
            n => format!("stopped after {n} of {} iterations of stage 2", report.settings.unlearn.iterations),
        });
    }
    lines.extend(report.evaluation.as_ref().map(ToString::to_string));
    lines.join("\n")
}
