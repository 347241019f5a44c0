//! The report of an audit, for people: one page that loads nothing and prints well.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use minijinja::{AutoEscape, Environment, Value, context};

use super::{
    charts::{Line, lines},
    measure::ModelMeasurement,
    report::{AuditReport, sha256},
    statistics::{Rate, percent},
    subject::Role,
    worst::WorstSamples,
};
use crate::metrics::CompletionQuality;

const TEMPLATE: &str = include_str!("../../assets/audit/page.html");
/// What stands before a picture on a page.
const PICTURE: &str = "data:image/png;base64,";
/// Colours of the result's curves, one for each number of pictures, and of a retrained model's.
const COLOURS: [&str; 4] = ["#0b57d0", "#a142f4", "#e8710a", "#137333"];

/// A picture on the page: what it shows, and the PNG file. Captions that begin alike stand together.
pub type Picture = (String, Vec<u8>);

/// Pictures by where they stand.
#[derive(Clone, Debug, Default)]
pub struct Pictures {
    /// Before and after, in pairs.
    pub before_after: Vec<[Picture; 2]>,
    /// What searches found.
    pub found: Vec<Picture>,
    /// After relearning.
    pub relearned: Vec<Picture>,
}

impl Pictures {
    /// All of them, in the order in which they stand on the page.
    pub fn all(&self) -> impl Iterator<Item = &Picture> {
        self.before_after.iter().flatten().chain(&self.found).chain(&self.relearned)
    }
}

/// The page of a report; the error is one sentence.
pub fn page(report: &AuditReport, pictures: &Pictures) -> Result<String, String> {
    let failed = |error: minijinja::Error| format!("the page could not be written ({error})");
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_function("pct", percent);
    environment.add_function("fixed", |value: f64, decimals: usize| format!("{value:.decimals$}"));
    environment.add_template("page", TEMPLATE).map_err(failed)?;
    environment.get_template("page").and_then(|page| page.render(values(report, pictures))).map_err(failed)
}

/// What the template takes.
fn values(report: &AuditReport, pictures: &Pictures) -> Value {
    let measurements = &report.findings.measurements;
    let decimals = measurements.frechet_on.decimals();
    let original = measurements.models.iter().find(|model| model.model == Role::Original);
    let names: BTreeMap<u64, &str> = report.ancestry.iter().map(|node| (node.node, node.name.as_str())).collect();
    let heads: Vec<Value> = measurements
        .heads
        .iter()
        .enumerate()
        .map(|(number, head)| {
            let row = |(class, name): (usize, &String)| {
                let share = |model: &ModelMeasurement| percent(model.shares[number][class]);
                let shares: Vec<String> = measurements.models.iter().map(share).collect();
                context! { name, forget => head.forget.contains(&class), shares }
            };
            context! { name => head.name, rows => head.classes.iter().enumerate().map(row).collect::<Vec<_>>() }
        })
        .collect();
    let model = |model: &ModelMeasurement| {
        let number =
            |value: Option<f64>, decimals: usize| value.map_or(String::new(), |value| format!("{value:.decimals$}"));
        context! {
            name => model.model.name(),
            count => model.negatives.count,
            interval => interval(&model.negatives),
            pul => model.pul.map_or(String::new(), |pul| percent(pul.value)),
            pul_interval => model.pul.map_or(String::new(), |pul| format!("{} to {}", percent(pul.low), percent(pul.high))),
            frechet => number(model.frechet, decimals),
            ret_frechet => number(model.ret_frechet, decimals),
            change => number(model.kept_change, 3),
            cosine => number(model.kept_cosine, 3),
        }
    };
    let decibels =
        |quality: Option<CompletionQuality>| quality.map_or(String::new(), |quality| format!("{:.1}", quality.psnr));
    let shows = |quality: Option<CompletionQuality>| quality.map_or(String::new(), |quality| percent(quality.shows));
    let completions: Vec<Value> = measurements
        .models
        .iter()
        .filter_map(|model| Some((model.model.name(), model.completions?)))
        .map(|(name, found)| {
            let [forgotten, kept] = [found.forgotten, found.kept];
            let psnr = [decibels(forgotten), decibels(kept)];
            context! { name, psnr, shows => [shows(forgotten), shows(kept)] }
        })
        .collect();
    let independent: Vec<Value> = measurements
        .independent
        .iter()
        .flat_map(|independent| &independent.models)
        .map(|(role, rate, pul)| {
            let pul = pul.map_or(String::new(), |pul| percent(pul.value));
            context! { name => role.name(), count => rate.count, interval => interval(rate), pul }
        })
        .collect();
    let searches: Vec<Value> = report
        .findings
        .searches
        .iter()
        .map(|found| {
            let search = &found.search;
            let half = search.steps_for_half.map_or("not half".to_owned(), |steps| format!("{steps} steps"));
            context! {
                model => found.model.name(), space => search.space.name(), at_start => search.at_start,
                count => search.found.count, of => search.found.of, interval => interval(&search.found), half,
            }
        })
        .collect();
    let relearned: Vec<Value> = report
        .findings
        .relearning
        .iter()
        .map(|found| {
            let found = (found.model.name(), &found.relearning);
            let steps = found.1.steps_to_half.map_or("not within the budget".to_owned(), |steps| steps.to_string());
            let curve: Vec<String> = found.1.curve.iter().map(|(step, count)| format!("{step}: {count}")).collect();
            context! { model => found.0, pictures => found.1.pictures, steps, curve => curve.join(", ") }
        })
        .collect();
    let worst: Vec<Value> = report
        .findings
        .worst
        .iter()
        .map(|case| {
            let samples = match case.samples {
                WorstSamples::NearestNegatives => "that only just showed it",
                WorstSamples::NearestPositives => "that only just did not",
                WorstSamples::FoundInZ => "latents found in the original (z)",
                WorstSamples::FoundInW => "mapped latents found in the original (w)",
                WorstSamples::AnyMask => "pictures of it, under any of several masks",
                WorstSamples::LessHidden => "the same with less hidden",
                WorstSamples::MoreHidden => "the same with more hidden",
            };
            context! { samples, model => case.model.name(), count => case.seen.count, of => case.seen.of, interval => interval(&case.seen) }
        })
        .collect();
    let files = [
        ("original", Some(&report.original)),
        ("audited", Some(&report.result)),
        ("retrained", report.retrained.as_ref()),
        ("labeler", Some(&report.labeler)),
        ("independent labeler", report.second_labeler.as_ref()),
    ];
    let files: Vec<Value> = files
        .into_iter()
        .filter_map(|(what, file)| Some((what, file?)))
        .map(|(what, file)| context! { what, path => file.path.display().to_string(), sha256 => file.sha256 })
        .collect();
    let asked = |node: &super::report::AncestryNode| {
        node.request.as_ref().map(serde_json::Value::to_string).unwrap_or_default()
    };
    let method = |node: &super::report::AncestryNode| {
        let settings = node.request.as_ref().and_then(|request| request.get("settings"));
        settings
            .and_then(|settings| settings.get("method"))
            .and_then(|method| method.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    context! {
        r => Value::from_serialize(report),
        original,
        names => report.ancestry.iter().map(|node| node.parent.and_then(|parent| names.get(&parent)).copied().unwrap_or_default()).collect::<Vec<_>>(),
        methods => report.ancestry.iter().map(method).collect::<Vec<_>>(),
        requests => report.ancestry.iter().map(asked).filter(|request| !request.is_empty()).collect::<Vec<_>>(),
        minutes => minutes(report.seconds),
        seconds => format!("{:.0}", report.seconds),
        floor => measurements.frechet_floor.map(|floor| format!("{floor:.decimals$}")),
        frechet_note => measurements.frechet_on.note(),
        models => measurements.models.iter().map(model).collect::<Vec<_>>(),
        noun => measurements.noun(),
        independent, heads, searches, relearned, worst, files, completions,
        relearning => Value::from_safe_string(relearning_chart(report)),
        back => Value::from_safe_string(back_chart(report)),
        pictures => context! {
            before_after => pictures.before_after.iter().map(pair).collect::<Vec<_>>(),
            found => pictures.found.iter().map(figure).map(Value::from_safe_string).collect::<Vec<_>>(),
            relearned => pictures.relearned.iter().map(figure).map(Value::from_safe_string).collect::<Vec<_>>(),
        },
    }
}

fn relearning_chart(report: &AuditReport) -> String {
    let line = |(number, found): (usize, &super::findings::ModelRelearning)| {
        let relearning = &found.relearning;
        let plural = if relearning.pictures == 1 { "picture" } else { "pictures" };
        let places = report.budget.relearn.pictures.iter();
        let place = places.clone().position(|count| *count == relearning.pictures).unwrap_or(number);
        let share = |count: usize| count as f64 * 100.0 / relearning.original.max(1) as f64;
        Line {
            name: format!("{}, {} {plural}", found.model.name(), relearning.pictures),
            colour: COLOURS[place % COLOURS.len()],
            dashed: found.model == Role::Retrained,
            points: relearning.curve.iter().map(|(step, count)| (*step as f64, share(*count))).collect(),
        }
    };
    let all: Vec<Line> = report.findings.relearning.iter().enumerate().map(line).collect();
    if all.is_empty() { String::new() } else { lines(&all, "training steps", Some(50.0)) }
}

fn back_chart(report: &AuditReport) -> String {
    let end = report.findings.back.last().map_or(1.0, |point| point.seen.share).max(f64::MIN_POSITIVE);
    let points =
        report.findings.back.iter().map(|point| (point.part * 100.0, point.seen.share * 100.0 / end)).collect();
    let line = Line { name: "of the original's".to_owned(), colour: COLOURS[0], dashed: false, points };
    if report.findings.back.is_empty() { String::new() } else { lines(&[line], "percent of the way back", Some(50.0)) }
}

fn pair([before, after]: &[Picture; 2]) -> Value {
    Value::from_safe_string(format!(r#"<div class="pair">{}{}</div>"#, figure(before), figure(after)))
}

/// A picture with its caption, which holds no markup.
fn figure((caption, png): &Picture) -> String {
    format!(r#"{}{PICTURE}{}"></figure>"#, figure_head(caption), STANDARD.encode(png))
}

/// The pictures of a page in their order: the page's text before each, and its SHA-256, empty where it cannot be decoded.
pub(super) fn pictures_of(page: &str) -> Vec<(&str, String)> {
    let mut parts = page.split(PICTURE);
    let mut before = parts.next().unwrap_or_default();
    let mut pictures = Vec::new();
    for part in parts {
        let text = part.split('"').next().unwrap_or_default();
        let picture = STANDARD.decode(text).map_or_else(|_| String::new(), |png| sha256(&png));
        pictures.push((before, picture));
        before = part;
    }
    pictures
}

/// What stands before a picture with this caption.
pub(super) fn figure_head(caption: &str) -> String {
    let caption = minijinja::HtmlEscape(caption);
    format!(r#"<figure><figcaption>{caption}</figcaption><img alt="{caption}" src=""#)
}

fn interval(rate: &Rate) -> String {
    format!("{} to {}", percent(rate.low), percent(rate.high))
}

fn minutes(seconds: f64) -> String {
    match (seconds / 60.0).round() as u64 {
        0 => format!("{seconds:.0} seconds"),
        1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}
