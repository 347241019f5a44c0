//! The report of an audit, for machines: every number, setting, seed and hash. `docs/audit.schema.json` describes it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{budget::AuditBudget, findings::Findings, verdict::Verdict};

/// What the file is, and in which version.
pub const SCHEMA: &str = "unlearn-studio/audit/1";
/// A larger file is no report.
pub(crate) const MOST_BYTES: u64 = 256 << 20;
/// The field that holds the digest of everything else.
pub(crate) const DIGEST: &str = "digest";

/// A file that the report speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashedFile {
    /// Where it was, relative to the report's folder if it is in or beside it.
    pub path: PathBuf,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// A field of the model's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What is known, by the field's name.
    pub fields: Vec<(String, String)>,
    /// Fields that the program cannot know and a person has to fill in.
    pub open: Vec<String>,
}

/// Pictures that the models completed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPictures {
    /// Where they came from.
    pub source: String,
    /// How many there are; three of four are learned from, every fourth is measured on.
    pub count: usize,
    /// Pixels along a side that they were brought to.
    #[serde(default = "usual_side")]
    pub side: usize,
    /// SHA-256 of the SHA-256 (32 bytes each) of all of them, in their order.
    pub sha256: String,
}

/// What the first reports had, which do not say it.
fn usual_side() -> usize {
    64
}

/// A model in the history of the result, the opened file first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AncestryNode {
    /// Its number in the project.
    pub node: u64,
    /// The node it was made from.
    pub parent: Option<u64>,
    /// SHA-256 of that node's model.
    pub parent_sha256: Option<String>,
    /// What it is called.
    pub name: String,
    /// Its model.
    pub model: HashedFile,
    /// How it came about.
    pub status: String,
    /// What was asked: the method, every setting, where feedback came from and, if they were marks, every mark.
    pub request: Option<Value>,
}

/// An audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name and version of the program.
    pub program: String,
    /// When it was made, in UTC (RFC 3339).
    pub date: String,
    /// The compute device.
    pub device: String,
    /// The processor's vector instructions that were used.
    pub vector: String,
    /// Wall time in seconds.
    pub seconds: f64,
    /// What must be gone, in the labeler's words.
    pub target: String,
    /// The model before unlearning.
    pub original: HashedFile,
    /// The model that was audited.
    pub result: HashedFile,
    /// The model that never learned it.
    pub retrained: Option<HashedFile>,
    /// What that model's file says was left out of its training data; none if it says nothing.
    #[serde(default)]
    pub retrained_excluded: Option<String>,
    /// The pictures that the models complete, if they do.
    #[serde(default)]
    pub completed: Option<NamedPictures>,
    /// The labeler.
    pub labeler: HashedFile,
    /// The independent labeler.
    pub second_labeler: Option<HashedFile>,
    /// Seed of all latents.
    pub seed: u64,
    /// How long was looked.
    pub budget: AuditBudget,
    /// The model's documentation.
    pub facts: Facts,
    /// How the result was made; empty if no project was named.
    pub ancestry: Vec<AncestryNode>,
    /// What was found, in words.
    pub verdicts: Vec<Verdict>,
    /// What this does not prove.
    pub limits: Vec<String>,
    /// Every number.
    pub findings: Findings,
    /// SHA-256 of the pictures on the page, by their captions.
    pub pictures: Vec<(String, String)>,
    /// SHA-256 of everything above, see [`digest`].
    pub digest: String,
}

/// SHA-256 of the model that the report in a file is of; `None` of a file that is no report. Nothing else in it is looked at.
pub fn audited_sha256(path: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Subject {
        schema: String,
        result: HashedFile,
    }
    let is_small = std::fs::metadata(path).ok()?.len() <= MOST_BYTES;
    let text = is_small.then(|| std::fs::read_to_string(path).ok())??;
    let subject: Subject = serde_json::from_str(&text).ok()?;
    (subject.schema == SCHEMA).then_some(subject.result.sha256)
}

/// SHA-256, in hexadecimal, of a report without its digest: of its JSON with the names of every object in order and no white space.
pub fn digest(report: &Value) -> String {
    let mut text = String::new();
    match report {
        Value::Object(fields) => {
            let rest: serde_json::Map<String, Value> = fields
                .iter()
                .filter(|(name, _)| *name != DIGEST)
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            canonical(&Value::Object(rest), &mut text);
        }
        other => canonical(other, &mut text),
    }
    sha256(text.as_bytes())
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            out.push('{');
            for (place, name) in names.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                canonical(&fields[name], out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                canonical(value, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

impl AuditReport {
    /// The report with its digest, as JSON.
    pub fn sealed(&self) -> serde_json::Result<(Self, String)> {
        let value = serde_json::to_value(self)?;
        let sealed = Self { digest: digest(&value), ..self.clone() };
        let text = serde_json::to_string_pretty(&sealed)? + "\n";
        Ok((sealed, text))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_digest_sees_everything_but_itself_and_the_order() {
        let report = json!({"b": [1, 2.5, null], "a": {"y": "x", "z": true}, "digest": "old"});
        let same = json!({"digest": "new", "a": {"z": true, "y": "x"}, "b": [1, 2.5, null]});
        assert_eq!(digest(&report), digest(&same));
        // printf '{"a":{"y":"x","z":true},"b":[1,2.5,null]}' | sha256sum
        assert_eq!(digest(&report), "09eeb2bf056e5d559809a82d011d41410f3c73fa423237d94923fad447e17471");
        for changed in [
            json!({"b": [1, 2.6, null], "a": {"y": "x", "z": true}}),
            json!({"b": [1, 2.5, null], "a": {"y": "x", "z": false}}),
            json!({"b": [1, 2.5], "a": {"y": "x", "z": true}}),
        ] {
            assert_ne!(digest(&report), digest(&changed));
        }
    }
}
