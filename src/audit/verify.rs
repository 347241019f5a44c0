//! Whether a report is what was written, of the files that are there.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    error::AuditError,
    page::{figure_head, pictures_of},
    report::{AuditReport, DIGEST, HashedFile, MOST_BYTES, NamedPictures, SCHEMA, digest},
};
use crate::{
    atomic_file::plain_reason,
    checkpoint,
    data::{AVATARS, ImageSource, PictureSet},
};

/// What the model that a report is of is called in sentences.
const AUDITED: &str = "the audited model";

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What is as the report says, one line each.
    pub right: Vec<String>,
    /// What is not, one sentence each.
    pub wrong: Vec<String>,
}

/// Checks a report: its digest, the files that it speaks of, the ancestry, and the page beside it. The error is of a file that is no report.
pub fn verify(path: &Path) -> Result<Checked, AuditError> {
    let file = path.display().to_string();
    let wrong = |reason: String| AuditError::Report { file: file.clone(), reason };
    let length =
        std::fs::metadata(path).map_err(|error| wrong(format!("cannot be read ({})", plain_reason(&error))))?.len();
    if length > MOST_BYTES {
        return Err(wrong(format!("larger than {MOST_BYTES} bytes, which no report is")));
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read ({})", plain_reason(&error))))?;
    let value: Value =
        serde_json::from_str(&text).map_err(|error| wrong(format!("not a report of an audit ({error})")))?;
    match value.get("schema").and_then(Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) => return Err(wrong(format!("a report of the kind `{other}`, this program reads `{SCHEMA}`"))),
        None => return Err(wrong("not a report of an audit (it has no schema)".to_owned())),
    }
    let report: AuditReport =
        serde_json::from_value(value.clone()).map_err(|error| wrong(format!("not a report of an audit ({error})")))?;
    let mut checked = Checked::default();
    let said = value.get(DIGEST).and_then(Value::as_str).unwrap_or_default();
    match digest(&value) == said {
        true => checked.right.push(format!("{file}: every number is what was written")),
        false => checked
            .wrong
            .push(format!("{file}: something in it was changed after it was written (its digest does not fit)")),
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let files = [
        ("the original model", Some(&report.original)),
        (AUDITED, Some(&report.result)),
        ("the retrained model", report.retrained.as_ref()),
        ("the labeler", Some(&report.labeler)),
        ("the independent labeler", report.second_labeler.as_ref()),
    ];
    let mut seen = HashSet::new();
    for (what, hashed) in files.into_iter().filter_map(|(what, hashed)| Some((what, hashed?))) {
        seen.insert(hashed.path.clone());
        checked.file(folder, what, hashed);
    }
    if let Some(completed) = &report.completed {
        checked.completed(folder, completed);
    }
    checked.ancestry(folder, &report, &seen);
    checked.page(&path.with_extension("html"), &report);
    Ok(checked)
}

impl Checked {
    /// Whether everything is as the report says.
    pub fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }

    fn file(&mut self, folder: &Path, what: &str, hashed: &HashedFile) {
        let path = folder.join(&hashed.path);
        let short = hashed.sha256.get(..12).unwrap_or(&hashed.sha256);
        match checkpoint::sha256(&path) {
            Ok(found) if found == hashed.sha256 => self.right.push(format!("{}: {what}, {short}…", path.display())),
            Ok(found) => {
                let found = found.get(..12).unwrap_or(&found).to_owned();
                let note = match what {
                    AUDITED => "; the report is of other weights than the file holds now",
                    _ => "",
                };
                self.wrong.push(format!(
                    "{}: this is not {what} of the report: its SHA-256 begins with {found}, the report's with {short}{note}",
                    path.display()
                ));
            }
            Err(_) => self.wrong.push(format!("{}: {what} is not there, so it cannot be checked", path.display())),
        }
    }

    /// The pictures that were completed are those that are there.
    fn completed(&mut self, folder: &Path, named: &NamedPictures) {
        let source = match named.source.as_str() {
            AVATARS => ImageSource::Avatars,
            path => ImageSource::of(folder.join(path)),
        };
        let (name, what) = (source.name(), "the pictures that were completed");
        let short = |sha256: &str| sha256.get(..12).unwrap_or(sha256).to_owned();
        match PictureSet::open(&source, named.side).map(|(found, _)| found.sha256()) {
            Ok(found) if found == named.sha256 => {
                self.right.push(format!("{name}: {what}, all {}, {}…", named.count, short(&found)));
            }
            Ok(found) => self.wrong.push(format!(
                "{name}: these are not {what}: their SHA-256 begins with {}, the report's with {}",
                short(&found),
                short(&named.sha256)
            )),
            Err(error) => self.wrong.push(format!("{what} cannot be checked: {error}")),
        }
    }

    /// Every node names its parent, the parent is there and has the hash that is named, and the last one is the result.
    fn ancestry(&mut self, folder: &Path, report: &AuditReport, seen: &HashSet<PathBuf>) {
        let Some(last) = report.ancestry.last() else { return };
        let mut broken = false;
        for node in &report.ancestry {
            let mut say = |sentence: String| {
                broken = true;
                self.wrong.push(sentence);
            };
            match (node.parent, &node.parent_sha256) {
                (None, _) => {}
                (Some(parent), named) => match report.ancestry.iter().find(|other| other.node == parent) {
                    None => say(format!(
                        "the parent of node {} ({}), node {parent}, is missing from the ancestry",
                        node.node, node.name
                    )),
                    Some(other) if Some(&other.model.sha256) != named.as_ref() => {
                        say(format!(
                            "node {} ({}) was made from another model than node {parent} of the ancestry",
                            node.node, node.name
                        ));
                    }
                    Some(_) => {}
                },
            }
            if !seen.contains(&node.model.path) {
                self.file(folder, &format!("node {} ({})", node.node, node.name), &node.model);
            }
        }
        if report.ancestry.first().is_some_and(|first| first.parent.is_some()) {
            broken = true;
            self.wrong.push("the ancestry does not begin with a model that was opened".to_owned());
        }
        if last.model.sha256 != report.result.sha256 {
            broken = true;
            self.wrong.push(format!(
                "the ancestry ends with node {} ({}), which is not the audited model",
                last.node, last.name
            ));
        }
        if !broken {
            self.right.push(format!("the ancestry: {} models, each made from the one it names", report.ancestry.len()));
        }
    }

    /// The page is of this report, and its pictures are those that were made, all of them and each under its caption.
    fn page(&mut self, path: &Path, report: &AuditReport) {
        let count = report.pictures.len();
        let page = match std::fs::read_to_string(path) {
            Ok(page) => page,
            Err(_) if count == 0 => return,
            Err(_) => {
                let sentence = format!("the page is not there, so its {count} pictures cannot be checked");
                self.wrong.push(format!("{}: {sentence}", path.display()));
                return;
            }
        };
        if !page.contains(&report.digest) {
            self.wrong.push(format!("{}: the page is of another report", path.display()));
            return;
        }
        let before = self.wrong.len();
        let mut wrong = |sentence: String| self.wrong.push(format!("{}: {sentence}", path.display()));
        let found = pictures_of(&page);
        let named = counts(report.pictures.iter().map(|(_, sha256)| sha256.as_str()));
        let there = counts(found.iter().map(|(_, sha256)| sha256.as_str()));
        match (beyond(&there, &named), beyond(&named, &there)) {
            (0, 0) => {
                let same = |((caption, sha256), (before, there)): (&(String, String), &(&str, String))| {
                    sha256 == there && before.ends_with(&figure_head(caption))
                };
                let others = report.pictures.iter().zip(&found).filter(|pair| !same(*pair)).count();
                if others > 0 {
                    wrong(format!("{others} pictures on the page stand under other captions than in the report"));
                }
            }
            (strange, missing) => {
                if strange > 0 {
                    wrong(format!("{strange} pictures on the page are not those of the report"));
                }
                if missing > 0 {
                    wrong(format!("{missing} pictures of the report are not on the page"));
                }
            }
        }
        if self.wrong.len() == before {
            let pictures = found.len();
            self.right.push(format!("{}: the page of this report, with its {pictures} pictures", path.display()));
        }
    }
}

/// How often each of these hashes is there.
fn counts<'a>(hashes: impl Iterator<Item = &'a str>) -> HashMap<&'a str, usize> {
    let mut counts = HashMap::new();
    hashes.for_each(|sha256| *counts.entry(sha256).or_default() += 1);
    counts
}

/// How many there are in `one` beyond those in `other`.
fn beyond(one: &HashMap<&str, usize>, other: &HashMap<&str, usize>) -> usize {
    one.iter().map(|(sha256, count)| count.saturating_sub(other.get(sha256).copied().unwrap_or(0))).sum()
}
