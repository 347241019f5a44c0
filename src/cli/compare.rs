//! `compare MODEL --methods ...`: several methods on the same feedback, one table.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    args::{ClassArgs, LabelerArgs, ModelArgs},
    client::{ask, loaded, wait},
    output::say,
    progress::Bar,
    run_device::RunDeviceArgs,
    unlearn::GRID_SAMPLES,
    unusable::{Unusable, check_extension, check_writable},
};
use crate::{
    atomic_file::{self, plain_reason},
    engine::{
        Command, Engine, EvaluationRequest, Event, RunReport, RunRequest, evaluate::EVALUATION_SEED, peak_memory,
        reset_peak_memory,
    },
    feedback::{FeedbackSource, LabelerSpec},
    metrics::{CompletionChange, CompletionEvaluation},
    unlearn::{METHODS, Settings, method},
};

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// Model file.
    model: PathBuf,
    /// What to compare, separated by commas: METHOD[:PRESET][+KEY=VALUE]..., such as adapt:paper+mask-ratio=0.5.
    #[arg(long, value_delimiter = ',', required = true)]
    methods: Vec<String>,
    /// ONNX classifier that measures the results and, without --feedback, gives the feedback.
    #[arg(long)]
    labeler: PathBuf,
    /// What to forget: a class of the labeler (its name or number), `head=class`, `head!=class`, or several of one head
    /// joined by `|`.
    #[arg(long, value_name = "CLASS")]
    forget: String,
    /// Feedback file with the marked samples.
    #[arg(long)]
    feedback: Option<PathBuf>,
    /// Table to write (JSON): a list of rows.
    #[arg(long)]
    out: PathBuf,
    /// Folder for the results and a before/after picture of each.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Samples each result is measured on.
    #[arg(long, default_value_t = 5000, value_parser = super::args::positive)]
    samples: usize,
    /// Seeds of everything that is drawn, separated by commas; each is a row.
    #[arg(long, value_delimiter = ',', default_value = "0")]
    seeds: Vec<u64>,
    #[command(flatten)]
    labeler_args: LabelerArgs,
    #[command(flatten)]
    class: ClassArgs,
    #[command(flatten)]
    model_args: ModelArgs,
    #[command(flatten)]
    device: RunDeviceArgs,
}

/// One method's result.
#[derive(Debug, Serialize)]
struct Row {
    /// As it was asked for.
    method: String,
    /// Its seed.
    seed: u64,
    /// What was to be forgotten.
    forget: String,
    /// Percentage of unlearning, 0 to 100.
    pul: Option<f64>,
    /// Fréchet distance of everything else, before to after.
    frechet: Option<f64>,
    /// The same between two halves of the samples before.
    frechet_floor: Option<f64>,
    /// Mean absolute difference of the pictures that may stay, before to after, of values in `[-1, 1]`.
    kept_change: Option<f64>,
    /// Wall time of the run without its measurement.
    seconds: f64,
    /// Memory of the process at its highest during the run, in bytes, where the system says so.
    memory: Option<u64>,
    /// Negatives among the samples before and after.
    negatives: Option<[usize; 2]>,
    /// Of models that complete pictures: of pictures that may stay and of those that were to be forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    completions: Option<CompletionEvaluation>,
    /// What went wrong, if something did.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    /// All settings.
    settings: Settings,
    /// The compute device.
    device: String,
}

/// The settings that a specification stands for; those of a preset that wants it follow the checkpoint's own `args`.
fn settings_of(text: &str, seed: u64, args: &Map<String, Value>) -> anyhow::Result<Settings> {
    let mut parts = text.split('+');
    let name = parts.next().unwrap_or_default();
    let (id, preset) = name.split_once(':').map_or((name, None), |(id, preset)| (id, Some(preset)));
    let known = || METHODS.iter().map(|method| method.id()).collect::<Vec<_>>().join(", ");
    let method =
        method(id).ok_or_else(|| Unusable(format!("there is no method '{id}' [possible values: {}]", known())))?;
    let preset = preset.unwrap_or(method.default_preset());
    let mut settings = Settings::preset(method, preset).ok_or_else(|| {
        let known: Vec<&str> = method.presets().iter().map(|preset| preset.id).collect();
        Unusable(format!("{id} has no preset '{preset}' [possible values: {}]", known.join(", ")))
    })?;
    settings.follow(preset, args);
    settings.set("seed", seed).map_err(Unusable)?;
    for change in parts {
        let (key, value) =
            change.split_once('=').ok_or_else(|| Unusable(format!("{text}: '{change}' must be KEY=VALUE")))?;
        settings.set_text(key.trim(), value.trim()).map_err(|problem| Unusable(format!("{text}: {problem}")))?;
    }
    settings.check().map_err(|problem| Unusable(format!("{text}: {problem}")))?;
    Ok(settings)
}

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<()> {
    check_extension(&args.out, &["json"], "a table")?;
    check_writable(&args.out)?;
    // What is wrong with the arguments is said before anything is opened.
    for method in &args.methods {
        settings_of(method, 0, &Map::new())?;
    }
    if let Some(folder) = &args.keep {
        std::fs::create_dir_all(folder)
            .map_err(|error| Unusable(format!("{}: cannot be made: {}", folder.display(), plain_reason(&error))))?;
    }
    let engine = Engine::start(args.device.open()?)?;
    let interrupts = super::progress::interrupts()?;
    let mut bar = Bar::new();
    let mut rows: Vec<Row> = Vec::new();
    'all: for method in &args.methods {
        for &seed in &args.seeds {
            // Each starts from the file: a discriminator that was warmed up for one is not another's.
            let card = ask(&engine, Command::Load(args.model_args.open(&args.model)), loaded)?;
            if args.class.class.is_some() {
                let class = Command::Class(args.class.class);
                ask(&engine, class, |event| matches!(event, Event::Class(_)).then_some(()))?;
            }
            bar.note(&format!("{method}, seed {seed}"));
            let settings = settings_of(method, seed, &card.args)?;
            reset_peak_memory();
            let request = request(args, method, seed, settings.clone())?;
            engine.send(Command::Start(Box::new(request)));
            let report =
                wait(&engine, &interrupts, &mut bar, "stopping; the rows so far are kept", |event| match event {
                    Event::Done(report) => Some(*report),
                    _ => None,
                });
            match report {
                Ok(report) if report.stopped => break 'all,
                report => rows.push(row(args, method, seed, settings, report)),
            }
            write(&args.out, &rows)?;
            if let (Some(folder), Some(last)) = (&args.keep, rows.last())
                && last.failed.is_none()
            {
                let path = folder.join(file_name(method, seed)).with_extension("png");
                super::unlearn::write_before_after_grid(
                    &engine,
                    (card.completes.map_or(GRID_SAMPLES, |c| GRID_SAMPLES.min(c.pictures as u64)), args.class.class),
                    Some((spec(args), &args.forget)),
                    &path,
                )?;
            }
        }
    }
    bar.finish();
    write(&args.out, &rows)?;
    say(args.out.display())?;
    say(table(&rows))?;
    match rows.iter().filter(|row| row.failed.is_some()).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} runs failed ({} says why)", rows.len(), args.out.display()),
    }
}

fn spec(args: &CompareArgs) -> LabelerSpec {
    args.labeler_args.spec(&args.labeler)
}

fn request(args: &CompareArgs, method: &str, seed: u64, settings: Settings) -> anyhow::Result<RunRequest> {
    let (labeler, forget) = (spec(args), args.forget.clone());
    let feedback = match &args.feedback {
        Some(path) => FeedbackSource::File(path.clone()),
        None => FeedbackSource::Labeler { labeler: labeler.clone(), forget: forget.clone() },
    };
    let evaluation = EvaluationRequest { labeler, forget, samples: args.samples, seed: EVALUATION_SEED };
    let out = args.keep.as_ref().map(|folder| folder.join(file_name(method, seed)));
    let out = out.map(std::path::absolute).transpose()?;
    Ok(RunRequest { feedback, settings, evaluation: Some(evaluation), out, retain: None, preview: false })
}

/// A file for a result.
fn file_name(method: &str, seed: u64) -> String {
    let plain: String =
        method.chars().map(|c| if c.is_ascii_alphanumeric() || "-=.".contains(c) { c } else { '-' }).collect();
    format!("{plain}-seed{seed}.safetensors")
}

fn row(args: &CompareArgs, method: &str, seed: u64, settings: Settings, report: anyhow::Result<RunReport>) -> Row {
    let memory = peak_memory();
    let mut row = Row {
        method: method.to_owned(),
        seed,
        forget: args.forget.clone(),
        pul: None,
        frechet: None,
        frechet_floor: None,
        kept_change: None,
        seconds: 0.0,
        memory,
        negatives: None,
        completions: None,
        failed: None,
        settings,
        device: String::new(),
    };
    match report {
        Err(error) => row.failed = Some(format!("{error:#}")),
        Ok(report) => {
            row.seconds = report.seconds.method() + report.warm_up.map_or(0.0, |warm_up| warm_up.seconds);
            row.device = report.device;
            row.failed = report.failed.or(report.measurement_failed);
            if let Some(seen) = report.evaluation {
                row.pul = seen.pul.map(|pul| pul * 100.0);
                (row.frechet, row.frechet_floor) = (seen.frechet, seen.frechet_floor);
                row.kept_change = seen.kept_change;
                row.completions = seen.completions;
                row.negatives = Some([seen.negatives_before, seen.negatives_after]);
            }
        }
    }
    row
}

fn write(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(rows).context("the table")?;
    atomic_file::write(path, text.as_bytes())
        .map_err(|error| anyhow!("{}: cannot be written: {}", path.display(), plain_reason(&error)))
}

/// The rows as a Markdown table.
fn table(rows: &[Row]) -> String {
    let mut lines = vec![
        "| method | seed | PUL % | Fréchet (floor) | change of kept samples | seconds | memory |".to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    let number =
        |value: Option<f64>, decimals: usize| value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"));
    lines.extend(rows.iter().map(|row| {
        if let Some(failed) = &row.failed {
            return format!("| {} | {} | {failed} | | | | |", row.method, row.seed);
        }
        let memory = row.memory.map_or("-".to_owned(), |bytes| format!("{:.1} GB", bytes as f64 / 1e9));
        format!(
            "| {} | {} | {} | {} ({}) | {} | {:.0} | {memory} |",
            row.method,
            row.seed,
            number(row.pul, 1),
            number(row.frechet, 1),
            number(row.frechet_floor, 1),
            number(row.kept_change, 3),
            row.seconds,
        )
    }));
    lines.extend(completions(rows));
    lines.join("\n")
}

/// How pictures are completed before and after, as a second table; nothing of models that draw samples.
fn completions(rows: &[Row]) -> Vec<String> {
    let pair = |before: Option<f64>, after: Option<f64>, decimals: usize| match (before, after) {
        (Some(before), Some(after)) => format!("{before:.decimals$} → {after:.decimals$}"),
        _ => "-".to_owned(),
    };
    let mut lines = Vec::new();
    for row in rows {
        let Some(CompletionEvaluation { kept, forgotten }) = row.completions else { continue };
        for (name, change) in [("kept", kept), ("forgotten", forgotten)] {
            let Some(CompletionChange { pictures, before, after }) = change else { continue };
            lines.push(format!(
                "| {} | {} | {name} | {pictures} | {} | {} | {} | {} |",
                row.method,
                row.seed,
                pair(Some(before.shows * 100.0), Some(after.shows * 100.0), 1),
                pair(Some(before.psnr), Some(after.psnr), 2),
                pair(before.cosine, after.cosine, 3),
                pair(before.frechet, after.frechet, 1),
            ));
        }
    }
    if !lines.is_empty() {
        let heads = [
            "",
            "| method | seed | completions | pictures | class seen % | PSNR (dB) | cosine | Fréchet |",
            "|---|---|---|---|---|---|---|---|",
        ];
        lines.splice(0..0, heads.map(str::to_owned));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::CompletionQuality;

    #[test]
    fn completions_are_a_table_of_their_own() {
        let settings = Settings::of(method("image-to-image").unwrap());
        let quality = |shows, psnr| CompletionQuality { frechet: Some(20.0), psnr, cosine: None, shows };
        let change =
            |after| CompletionChange { pictures: 7, before: quality(0.785, 21.5), after: quality(after, 21.25) };
        let row = |completions| Row {
            method: "image-to-image".to_owned(),
            seed: 2,
            forget: "hat".to_owned(),
            pul: None,
            frechet: None,
            frechet_floor: None,
            kept_change: None,
            seconds: 1.0,
            memory: None,
            negatives: None,
            completions,
            failed: None,
            settings: settings.clone(),
            device: String::new(),
        };
        assert_eq!(table(&[row(None)]).lines().count(), 3);
        let seen = CompletionEvaluation { kept: None, forgotten: Some(change(0.05)) };
        let text = table(&[row(Some(seen))]);
        let last = text.lines().last().unwrap();
        let expected = "| image-to-image | 2 | forgotten | 7 | 78.5 → 5.0 | 21.50 → 21.25 | - | 20.0 → 20.0 |";
        assert_eq!(last, expected);
        let cells = |line: &str| line.matches('|').count();
        assert!(text.lines().skip(4).all(|line| cells(line) == cells(expected)), "{text}");
    }

    #[test]
    fn a_specification_names_a_method_a_preset_and_changes() {
        let read = |text: &str| settings_of(text, 3, &Map::new());
        let settings = read("adapt:paper+mask-ratio=0.5+iters=7").unwrap();
        assert_eq!((settings.method().id(), settings.get("seed")), ("adapt", Some(&3.into())));
        assert_eq!((settings.get("mask-ratio"), settings.get("iters")), (Some(&0.5.into()), Some(&7.into())));
        for (text, expected) in [
            ("magic", "there is no method 'magic'"),
            ("adapt:slow", "adapt has no preset 'slow'"),
            ("adapt+mask-ratio", "adapt+mask-ratio: 'mask-ratio' must be KEY=VALUE"),
            ("adapt+mask-ratio=0", "adapt+mask-ratio=0: mask-ratio: a mask lets a share above 0"),
            ("reject+mask-ratio=1.5", "reject+mask-ratio=1.5: mask-ratio: a mask lets"),
            ("dampen+mask-ratio=0.5", "dampen+mask-ratio=0.5: Dampening has no setting"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.starts_with(expected), "{error}");
        }
        assert_eq!(file_name("adapt:paper+iters=7", 2), "adapt-paper-iters=7-seed2.safetensors");
    }
}
