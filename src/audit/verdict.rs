//! What was found, in words with the numbers behind them. Never a score.

use super::{
    findings::{Findings, WorstSamples},
    measure::{ModelMeasurement, Pul},
    search::Search,
    subject::Role,
};

/// A class whose share grew or shrank by this factor is named.
const DRIFTED: f64 = 1.5;
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
    let mut say = |about: &str, finding: String| out.push(Verdict { about: about.to_owned(), finding });
    let [original, result] = [Role::Original, Role::Result].map(|role| model(findings, role));
    let retrained = model(findings, Role::Retrained);
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
        let distance = result.ret_frechet.zip(retrained.frechet).map(|(result, kept)| {
            format!(
                " The unlearned model's samples are {result:.1} from the retrained model's (Fréchet); the original's kept samples are \
                 {kept:.1} from them."
            )
        });
        let shows = format!(
            "A model trained without {target} shows it in {} of its samples.",
            percent(retrained.negatives.share)
        );
        say("The gold standard", shows + &distance.unwrap_or_default());
    }
    out
}

/// What no audit of this kind proves.
pub fn limits(findings: &Findings) -> Vec<String> {
    let mut out = vec![
        "That it can never come back: the attacks had a budget, and others may succeed where these did not.".to_owned(),
        "That the labeler is right: what it does not recognise counts as gone.".to_owned(),
        "That nothing else was forgotten: only what the labeler can name, and what its features see, was measured.".to_owned(),
        "That the training data was not memorised: the weights were tested, not what they were trained on.".to_owned(),
        "Who made this report: hashes show that something was changed, not by whom. A signature has to be added by whoever answers for it."
            .to_owned(),
    ];
    if findings.relearning.is_empty() {
        out.push(
            "That training does not bring it back: the files hold no discriminator, so that was not tried.".to_owned(),
        );
    }
    if model(findings, Role::Retrained).is_none() {
        out.push(
            "That it is as good as retraining: no model that never learned it was given to compare with.".to_owned(),
        );
    }
    out
}

/// Whether the thing is rather hidden than gone: at least half of the places where the search finds it in the original still show it,
/// or a search finds it from at least half of its starts, and not so in a model that never learned it.
///
/// What a search finds says nothing without such a model: one that never saw a 4 gives one from 86 of 100 starts, as it knows 9s.
pub fn hides(findings: &Findings) -> bool {
    stays_in_place(findings) || goes_beyond(findings)
}

/// Whether at least half of the latents that the search found in the original show it in the result.
fn stays_in_place(findings: &Findings) -> bool {
    let of_the_search = |samples| matches!(samples, WorstSamples::FoundInZ | WorstSamples::FoundInW);
    let mut cases = findings.worst.iter().filter(|case| case.model == Role::Result && of_the_search(case.samples));
    cases.any(|case| case.seen.of > 0 && case.seen.share >= 0.5)
}

/// Whether some search finds it from at least half of its starts, and clearly from more of them than in a model that never learned it.
fn goes_beyond(findings: &Findings) -> bool {
    let found = |role: Role| findings.searches.iter().filter(move |found| found.model == role);
    let mut results = found(Role::Result).filter(|found| found.search.found.share >= 0.5);
    results.any(|result| {
        let retrained = found(Role::Retrained).find(|other| other.search.space == result.search.space);
        retrained.is_some_and(|other| other.search.found.high < result.search.found.low)
    })
}

fn model(findings: &Findings, role: Role) -> Option<&ModelMeasurement> {
    findings.measurements.models.iter().find(|model| model.model == role)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn percentages(pul: Pul) -> String {
    format!("PUL {:.1} % (95 % interval {:.1} to {:.1})", pul.value * 100.0, pul.low * 100.0, pul.high * 100.0)
}

fn gone(findings: &Findings, original: &ModelMeasurement, result: &ModelMeasurement, target: &str) -> String {
    let mut sentence = format!(
        "Of {} samples that nobody trained on or marked, {} showed {target} before and {} after",
        findings.measurements.samples, original.negatives.count, result.negatives.count
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
        "Everything else changed {word}: Fréchet distance {distance:.decimals$} where chance alone makes {floor:.decimals$}, {factor:.1} times as \
         far"
    );
    if let Some(change) = result.kept_change {
        sentence += &format!("; the same latents' pictures moved by {change:.3} on average (of a range of 2)");
    }
    if let Some(cosine) = result.kept_cosine {
        sentence += &format!(", their features kept a cosine of {cosine:.3}");
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
        0 => format!("No other of the {all} classes that the labeler knows grew or shrank by more than half."),
        _ => format!("Other classes grew or shrank by more than half: {}.", drifted.join("; ")),
    })
}

fn searched(findings: &Findings) -> String {
    let found = |role: Role, space| {
        findings
            .searches
            .iter()
            .find(|found| found.model == role && found.search.space == space)
            .map(|found| &found.search)
    };
    let times = |search: &Search| {
        let half = search.steps_for_half.map_or(String::new(), |steps| format!(", half of them within {steps} steps"));
        format!("{} of {} starts{half}", search.found.count, search.found.of)
    };
    let mut parts = Vec::new();
    for search in findings.searches.iter().filter(|search| search.model == Role::Result).map(|found| &found.search) {
        let mut part = format!("among {} it was found from {}", search.space.name(), times(search));
        let mut controls = Vec::new();
        if let Some(control) = found(Role::Original, search.space) {
            controls.push(format!("original: {}", times(control)));
        }
        if let Some(control) = found(Role::Retrained, search.space) {
            controls.push(format!("retrained: {}", times(control)));
        }
        if !controls.is_empty() {
            part += &format!(" ({})", controls.join("; "));
        }
        parts.push(part);
    }
    let often = findings.searches.iter().any(|s| s.model == Role::Result && s.search.found.share >= 0.5);
    let verdict = match (often, model(findings, Role::Retrained).is_some()) {
        _ if stays_in_place(findings) => {
            "It is rather hidden than gone: where a search finds it in the original it mostly still is. A search that begins anew"
        }
        _ if goes_beyond(findings) => {
            "It is rather hidden than gone: the search finds it more than in a model that never learned it"
        }
        (true, true) => "The search does not find it more than in a model that never learned it",
        (true, false) => {
            "The search still finds it; whether more than in a model that never learned it can only be said beside such a model"
        }
        (false, _) => "The search finds it from fewer than half of its starts",
    };
    format!("{verdict}: {}.", parts.join("; "))
}

fn hardest(findings: &Findings) -> Option<String> {
    let of = |samples: WorstSamples| {
        findings.worst.iter().find(|case| case.samples == samples && case.model == Role::Result).map(|case| case.seen)
    };
    let mut parts = Vec::new();
    if let Some(seen) = of(WorstSamples::NearestNegatives) {
        parts.push(format!("of the {} that only just showed it, {} still do", seen.of, seen.count));
    }
    if let Some(seen) = of(WorstSamples::NearestPositives) {
        parts.push(format!("of the {} that only just did not, {} do now", seen.of, seen.count));
    }
    if let Some(seen) = of(WorstSamples::FoundInZ) {
        parts.push(format!(
            "of {} latents that the search found in the original, {} still show it",
            seen.of, seen.count
        ));
    }
    if let Some(seen) = of(WorstSamples::FoundInW) {
        parts.push(format!("of {} mapped latents that it found there, {}", seen.of, seen.count));
    }
    let mut sentence = parts.join("; ");
    let first = sentence.get(..1)?.to_uppercase();
    sentence.replace_range(..1, &first);
    Some(sentence + ".")
}

fn comes_back(findings: &Findings) -> String {
    if findings.relearning.is_empty() {
        return "That was not tried: training needs a discriminator, and the files hold none.".to_owned();
    }
    let of =
        |role: Role| findings.relearning.iter().filter(move |found| found.model == role).map(|found| &found.relearning);
    let plural = |count: usize| if count == 1 { "1 picture".to_owned() } else { format!("{count} pictures") };
    if of(Role::Result).all(|found| found.steps_to_half == Some(0)) {
        return "It need not come back: without any training, at least half of it is there.".to_owned();
    }
    let parts: Vec<String> = of(Role::Result)
        .map(|found| {
            let last = found.curve.last().map_or(0, |(step, _)| *step);
            let mut part = match found.steps_to_half {
                Some(0) => "half of it is there without any training".to_owned(),
                Some(steps) => format!("half of it is back after {steps} steps on {}", plural(found.pictures)),
                None => format!("not half of it came back within {last} steps on {}", plural(found.pictures)),
            };
            if let Some(other) = of(Role::Retrained).find(|other| other.pictures == found.pictures) {
                part += &match other.steps_to_half {
                    Some(steps) => format!(" (a model that never learned it needs {steps})"),
                    None => " (nor in a model that never learned it)".to_owned(),
                };
            }
            part
        })
        .collect();
    format!("By ordinary training, {}.", parts.join("; "))
}

fn way_back(findings: &Findings) -> Option<String> {
    let end = findings.back.last()?.seen.share;
    let point = findings.back.iter().find(|point| point.seen.share * 2.0 >= end)?;
    Some(format!(
        "On the straight line from its weights back to the original's, half of it is there after {:.0} % of the way; whoever has both files can go \
         it.",
        point.part * 100.0
    ))
}
