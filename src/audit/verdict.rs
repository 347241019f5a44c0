//! What was found, in words with the numbers behind them. Never a score.

use super::{
    attack_verdicts::{comes_back, hardest, searched, way_back},
    findings::Findings,
    measure::{ModelMeasurement, Pul},
    statistics::percent,
    subject::Role,
};
use crate::metrics::CompletionQuality;

/// A class whose share grew or shrank by this factor is named.
const DRIFTED: f64 = 1.5;
/// The same in words.
const CHANGED: &str =
    "grew by more than half or shrank by more than a third beyond what the gap leaves them (shares below 1 % aside)";
/// Shares below this are too small to speak of factors.
const RARE: f64 = 0.01;
/// Fréchet distances up to this many times the floor count as little.
const LITTLE: f64 = 3.0;

/// One sentence with the heading it stands under.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// What it is about.
    pub about: String,
    /// What was found.
    pub finding: String,
}

/// What was found.
pub fn verdicts(findings: &Findings, target: &str) -> Vec<Verdict> {
    let mut out = Vec::new();
    let noun = findings.measurements.noun();
    let mut say = |about: &str, finding: String| out.push(Verdict { about: about.to_owned(), finding });
    let [original, result] = [Role::Original, Role::Result].map(|role| findings.model(role));
    let retrained = findings.model(Role::Retrained);
    let (Some(original), Some(result)) = (original, result) else { return out };
    say("How much is gone", gone(findings, original, result, target));
    if let Some(independent) = &findings.measurements.independent {
        let of = |role: Role| independent.models.iter().find(|(model, ..)| *model == role);
        if let (Some((_, before, _)), Some((_, after, pul))) = (of(Role::Original), of(Role::Result)) {
            let reached = pul.map_or(String::new(), |pul| format!(": {}", percentages(pul)));
            let finding = format!(
                "An independent labeler, asked for {}, sees it in {} before and {} after{reached}.",
                independent.target,
                percent(before.share),
                percent(after.share)
            );
            say("A second opinion", finding);
        }
    }
    say("What it cost", cost(findings, result));
    if let Some(sentence) = completed(findings, original, result, target) {
        say("The completions themselves", sentence);
    }
    if let Some(drift) = neighbours(findings, original, result) {
        say("Neighbours", drift);
    }
    say("Is it still in there?", searched(findings));
    if let Some(sentence) = hardest(findings) {
        say("The hardest samples", sentence);
    }
    say("Does it come back?", comes_back(findings));
    if let Some(sentence) = way_back(findings) {
        say("The way back", sentence);
    }
    if let Some(retrained) = retrained {
        let decimals = findings.measurements.frechet_on.decimals();
        let distance = result.ret_frechet.zip(retrained.frechet).map(|(result, kept)| {
            format!(
                " The unlearned model's {noun} are {result:.decimals$} from the retrained model's (Fréchet); the original's kept {noun} are \
                 {kept:.decimals$} from \
                 them."
            )
        });
        let shows = format!(
            "The model that was given as trained without {target} shows it in {} of its {noun}.",
            percent(retrained.negatives.share)
        );
        say("The gold standard", shows + &distance.unwrap_or_default());
    }
    out
}

fn percentages(pul: Pul) -> String {
    format!("PUL {:.1} % (95 % interval {:.1} to {:.1})", pul.value * 100.0, pul.low * 100.0, pul.high * 100.0)
}

fn gone(findings: &Findings, original: &ModelMeasurement, result: &ModelMeasurement, target: &str) -> String {
    let mut sentence = format!(
        "Of {} {} made for this audit, the labeler saw {target} in {} before and in {} after",
        findings.measurements.samples,
        findings.measurements.noun(),
        original.negatives.count,
        result.negatives.count
    );
    if let Some(pul) = result.pul {
        sentence += &format!(": {}", percentages(pul));
    }
    if let (Some(left), Some(new)) = (result.left, result.new) {
        sentence += &format!(
            ". Of the {} that showed it, {} still do; of the {} that did not, {} do now",
            left.of, left.count, new.of, new.count
        );
    }
    sentence + "."
}

fn cost(findings: &Findings, result: &ModelMeasurement) -> String {
    let (Some(distance), Some(floor)) = (result.frechet, findings.measurements.frechet_floor) else {
        return "How much everything else changed could not be measured.".to_owned();
    };
    let decimals = findings.measurements.frechet_on.decimals();
    let factor = distance / floor.max(f64::MIN_POSITIVE);
    let word = if factor <= LITTLE { "little" } else { "much" };
    let mut sentence = format!(
        "By what the labeler sees, everything else changed {word}: Fréchet distance {distance:.decimals$} where chance alone makes \
         {floor:.decimals$}, {factor:.1} times as far"
    );
    if let Some(change) = result.kept_change {
        sentence += &format!("; what did not show it moved by {change:.3} on average (of a range of 2)");
    }
    if let Some(cosine) = result.kept_cosine {
        sentence += &format!(", its features kept a cosine of {cosine:.3}");
    }
    sentence + "."
}

fn neighbours(findings: &Findings, original: &ModelMeasurement, result: &ModelMeasurement) -> Option<String> {
    let mut drifted = Vec::new();
    let heads = findings.measurements.heads.iter().zip(original.shares.iter().zip(&result.shares));
    for (head, (before, after)) in heads {
        // What is left of a head must grow when one class of it goes.
        let forgotten: f64 = head.forget.iter().map(|&class| before[class]).sum();
        let remains = 1.0 / (1.0 - forgotten).max(f64::MIN_POSITIVE);
        for (class, name) in head.classes.iter().enumerate().filter(|(class, _)| !head.forget.contains(class)) {
            let (was, is) = (before[class] * remains, after[class]);
            let is_rare = was.max(is) < RARE;
            if !is_rare && (is > was * DRIFTED || was > is * DRIFTED) {
                let name =
                    if findings.measurements.heads.len() > 1 { format!("{} {name}", head.name) } else { name.clone() };
                drifted.push(format!("{name} from {} to {}", percent(before[class]), percent(after[class])));
            }
        }
    }
    let all = findings.measurements.heads.iter().map(|head| head.classes.len() - head.forget.len()).sum::<usize>();
    Some(match drifted.len() {
        0 => format!("None of the {all} other classes that the labeler knows {CHANGED}."),
        _ => format!(
            "Of the {all} other classes that the labeler knows, {} {CHANGED}: {}.",
            drifted.len(),
            drifted.join("; ")
        ),
    })
}

/// What became of the hidden parts of pictures, where a model completes pictures.
fn completed(
    findings: &Findings,
    original: &ModelMeasurement,
    result: &ModelMeasurement,
    target: &str,
) -> Option<String> {
    let counts = findings.measurements.completed?;
    let (before, after) = (original.completions?, result.completions?);
    let pair = |before: Option<CompletionQuality>, after: Option<CompletionQuality>| {
        let (before, after) = (before?, after?);
        Some(format!("{:.1} dB before and {:.1} after", before.psnr, after.psnr))
    };
    let mut parts = Vec::new();
    if let Some(forgotten) = pair(before.forgotten, after.forgotten) {
        parts.push(format!("of the {} pictures that show {target}, {forgotten}", counts.forgotten));
    }
    if let Some(kept) = pair(before.kept, after.kept) {
        parts.push(format!("of the {} others, {kept}", counts.kept));
    }
    (!parts.is_empty()).then(|| {
        format!("Hidden pixels are completed as they were in the pictures (PSNR) to this degree: {}.", parts.join("; "))
    })
}
