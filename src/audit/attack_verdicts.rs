//! What attacks found, in words with the numbers behind them.

use super::{
    findings::Findings,
    search::Search,
    statistics::Rate,
    subject::Role,
    worst::{MASKS, WorstSamples},
};

/// Whether the thing is rather hidden than gone: at least half of the places where the search finds it in the original still show it,
/// or an attack that begins anew finds it from at least half of its starts, and clearly more often than in a model that never learned it.
///
/// How often an attack finds it says nothing without such a model: one that never saw a 4 gives one from 86 of 100 starts, as it knows 9s.
pub fn hides(findings: &Findings) -> bool {
    stays_in_place(findings) || goes_beyond(findings, 0.5)
}

/// Whether at least half of the latents that the search found in the original show it in the result.
fn stays_in_place(findings: &Findings) -> bool {
    let of_the_search = |samples| matches!(samples, WorstSamples::FoundInZ | WorstSamples::FoundInW);
    let mut cases = findings.worst.iter().filter(|case| case.model == Role::Result && of_the_search(case.samples));
    cases.any(|case| case.seen.of > 0 && case.seen.share >= 0.5)
}

/// Whether some search, or some kind of masks, shows it at least in this share of the cases, and clearly more often than in a model that
/// never learned it: the 95 % intervals lie apart.
fn goes_beyond(findings: &Findings, least: f64) -> bool {
    let clearly =
        |result: Rate, other: Option<Rate>| result.share >= least && other.is_some_and(|o| o.high < result.low);
    let found =
        |role: Role| findings.searches.iter().filter(move |found| found.model == role).map(|found| &found.search);
    let by_search = found(Role::Result).any(|result| {
        let other = found(Role::Retrained).find(|other| other.space == result.space);
        clearly(result.found, other.map(|other| other.found))
    });
    let masked = WorstSamples::MASKED.into_iter().any(|samples| {
        let seen = |role| findings.worst_case(samples, role);
        seen(Role::Result).is_some_and(|result| clearly(result, seen(Role::Retrained)))
    });
    by_search || masked
}

/// What a search found; what it means, only beside a model that never learned it.
pub(super) fn searched(findings: &Findings) -> String {
    if findings.measurements.completed.is_some() {
        return masked(findings);
    }
    let found = |role: Role, space| {
        findings
            .searches
            .iter()
            .find(|found| found.model == role && found.search.space == space)
            .map(|found| &found.search)
    };
    let times = |search: &Search| {
        let half = search
            .steps_for_half
            .map_or(String::new(), |steps| format!(", half of them within {}", counted(steps, "step")));
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
    format!("{}: {}.", meaning(findings, "search"), parts.join("; "))
}

/// What the numbers of an attack that begins anew mean.
fn meaning(findings: &Findings, attack: &str) -> String {
    match findings.model(Role::Retrained).is_some() {
        _ if stays_in_place(findings) => format!(
            "It is rather hidden than gone: where the {attack} finds it in the original it mostly still is. A {attack} that begins anew"
        ),
        _ if goes_beyond(findings, 0.5) => {
            format!(
                "It is rather hidden than gone: the {attack} finds it clearly more often than in a model that never learned it"
            )
        }
        true if goes_beyond(findings, 0.0) => format!(
            "The {attack} finds it clearly more often than in a model that never learned it, though in fewer than half of the cases"
        ),
        true => format!("The {attack} does not find it clearly more often than in a model that never learned it"),
        false => format!(
            "No verdict: a {attack} may find as much in a model that never learned it, and none was given to compare with. Here"
        ),
    }
}

/// Under how many of several masks pictures show it.
fn masked(findings: &Findings) -> String {
    let kinds = [
        (WorstSamples::AnyMask, "as much hidden as in training"),
        (WorstSamples::LessHidden, "less hidden"),
        (WorstSamples::MoreHidden, "more hidden"),
    ];
    let mut parts = Vec::new();
    for (samples, kind) in kinds {
        let Some(seen) = findings.worst_case(samples, Role::Result) else { continue };
        let controls = [(Role::Original, "original"), (Role::Retrained, "retrained")];
        let controls = controls.into_iter().filter_map(|(role, name)| {
            findings.worst_case(samples, role).map(|seen| format!("{name}: {}", seen.count))
        });
        let controls: Vec<String> = controls.collect();
        parts.push(format!(
            "with {kind}, {} of {} pictures of it are completed with it under at least one of {MASKS} masks ({})",
            seen.count,
            seen.of,
            controls.join("; ")
        ));
    }
    match parts.is_empty() {
        true => "That was not tried: none of the pictures kept for measuring shows it.".to_owned(),
        false => format!("{}: {}.", meaning(findings, "change of masks"), parts.join("; ")),
    }
}

pub(super) fn hardest(findings: &Findings) -> Option<String> {
    let of = |samples: WorstSamples| findings.worst_case(samples, Role::Result);
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

/// A number and what it counts.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

pub(super) fn comes_back(findings: &Findings) -> String {
    if findings.relearning.is_empty() {
        return "That was left out of this audit.".to_owned();
    }
    let of =
        |role: Role| findings.relearning.iter().filter(move |found| found.model == role).map(|found| &found.relearning);
    let plural = |count: usize| counted(count, "picture");
    if of(Role::Result).all(|found| found.steps_to_half == Some(0)) {
        return "It need not come back: without any training, at least half of it is there.".to_owned();
    }
    let parts: Vec<String> = of(Role::Result)
        .map(|found| {
            let last = found.curve.last().map_or(0, |(step, _)| *step);
            let mut part = match found.steps_to_half {
                Some(0) => "half of it is there without any training".to_owned(),
                Some(steps) => {
                    format!("half of it is back after {} on {}", counted(steps, "step"), plural(found.pictures))
                }
                None => {
                    format!("not half of it came back within {} on {}", counted(last, "step"), plural(found.pictures))
                }
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
    let compared = match findings.model(Role::Retrained).is_some() {
        true => "",
        false => " How many steps a model needs that never learned it is not known: none was given to compare with.",
    };
    format!("By ordinary training, {}.{compared}", parts.join("; "))
}

pub(super) fn way_back(findings: &Findings) -> Option<String> {
    let end = findings.back.last()?.seen.share;
    let point = findings.back.iter().find(|point| point.seen.share * 2.0 >= end)?;
    Some(format!(
        "On the straight line from its weights back to the original's, half of it is there after {:.0} % of the way. Only who has the original's \
         weights can go it.",
        point.part * 100.0
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{
            CompletedPictures, Measurements, ModelMeasurement, ModelRelearning, ModelSearch, Relearning, Space,
            WorstCase, limits, verdicts,
        },
        metrics::FrechetBasis,
    };

    /// A result in which a search finds it from so many of 100 starts, beside a retrained model if there is one; of 100 latents found in
    /// the original `in_place` still show it.
    fn findings(found: usize, in_place: usize, retrained: Option<usize>) -> Findings {
        let roles = [Some(Role::Original), Some(Role::Result), retrained.map(|_| Role::Retrained)];
        let model = |model: Role| ModelMeasurement {
            model,
            negatives: Rate::of(if model == Role::Original { 200 } else { 4 }, 1000),
            pul: None,
            left: None,
            new: None,
            frechet: Some(20.0),
            ret_frechet: None,
            kept_change: None,
            kept_cosine: None,
            shares: Vec::new(),
            completions: None,
        };
        let search = |model: Role, found: usize| ModelSearch {
            model,
            search: Search { space: Space::W, at_start: 0, found: Rate::of(found, 100), steps_for_half: None },
        };
        let relearned = |model: Role, steps: usize| ModelRelearning {
            model,
            relearning: Relearning {
                pictures: 5,
                curve: vec![(0, 1), (steps, 90)],
                samples: 400,
                original: 80,
                steps_to_half: Some(steps),
            },
        };
        let case = |samples, count| WorstCase { samples, model: Role::Result, seen: Rate::of(count, 100) };
        Findings {
            measurements: Measurements {
                samples: 1000,
                heads: Vec::new(),
                frechet_on: FrechetBasis::Features,
                frechet_floor: Some(10.0),
                models: roles.into_iter().flatten().map(model).collect(),
                independent: None,
                completed: None,
            },
            blocks: Vec::new(),
            layers: Vec::new(),
            probe: None,
            searches: [search(Role::Original, 99), search(Role::Result, found)]
                .into_iter()
                .chain(retrained.map(|found| search(Role::Retrained, found)))
                .collect(),
            worst: vec![case(WorstSamples::FoundInZ, in_place)],
            relearning: [relearned(Role::Result, 12)]
                .into_iter()
                .chain(retrained.map(|_| relearned(Role::Retrained, 19)))
                .collect(),
            back: Vec::new(),
        }
    }

    #[test]
    fn a_search_alone_is_no_verdict() {
        let table = [
            (96, 3, None, false, "No verdict: a search may find as much"),
            (20, 3, None, false, "No verdict: a search may find as much"),
            (96, 60, None, true, "It is rather hidden than gone: where the search finds it in the original"),
            (96, 3, Some(86), false, "The search does not find it clearly more often than in a model that never"),
            (96, 3, Some(40), true, "It is rather hidden than gone: the search finds it clearly more often"),
            (
                45,
                3,
                Some(2),
                false,
                "The search finds it clearly more often than in a model that never learned it, though",
            ),
        ];
        for (found, in_place, retrained, hidden, words) in table {
            let findings = findings(found, in_place, retrained);
            let said = searched(&findings);
            assert!(said.starts_with(words), "{found} {in_place} {retrained:?}: {said}");
            assert!(said.contains(&format!("{found} of 100 starts")), "{said}");
            assert_eq!(hides(&findings), hidden, "{found} {in_place} {retrained:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_said() {
        let alone = findings(96, 3, None);
        assert!(comes_back(&alone).contains("How many steps a model needs that never learned it is not known"));
        assert!(comes_back(&findings(96, 3, Some(86))).contains("needs 19"));
        let says = |findings: &Findings, excluded: Option<&str>, words: &str| {
            limits(findings, excluded).iter().any(|limit| limit.contains(words))
        };
        assert!(says(&alone, None, "no model that never learned it was given"));
        let compared = findings(96, 3, Some(86));
        assert!(says(&compared, Some("4"), "its file says that 4 was left out"));
        assert!(says(&compared, None, "its file does not"));
        assert!(
            !says(&compared, None, "was given to compare with") && !says(&compared, None, "Latents were not searched")
        );
        let mut left_out = findings(96, 3, None);
        left_out.relearning.clear();
        assert!(says(&left_out, None, "left out of this audit") && comes_back(&left_out).contains("left out"));
    }

    #[test]
    fn masks_speak_where_pictures_are_completed() {
        let mut findings = findings(0, 3, Some(0));
        findings.searches.clear();
        findings.measurements.completed = Some(CompletedPictures { forgotten: 100, kept: 100 });
        findings.worst = [(Role::Original, 98), (Role::Result, 70), (Role::Retrained, 20)]
            .map(|(model, count)| WorstCase { samples: WorstSamples::AnyMask, model, seen: Rate::of(count, 100) })
            .to_vec();
        let said = searched(&findings);
        assert!(hides(&findings) && said.contains("clearly more often"), "{said}");
        assert!(said.contains("70 of 100 pictures of it") && said.contains("original: 98; retrained: 20"), "{said}");
        assert!(verdicts(&findings, "hat").iter().all(|verdict| !verdict.finding.contains("starts")));
        findings.worst[2].seen = Rate::of(66, 100);
        assert!(!hides(&findings));
        findings.worst.clear();
        assert!(searched(&findings).starts_with("That was not tried"));
    }
}
