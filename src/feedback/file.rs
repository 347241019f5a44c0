//! The JSON file that holds feedback.
//!
//! ```json
//! {
//!   "version": 1,
//!   "model_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
//!   "negatives": [{ "seed": 0, "index": 12, "psi": 0.7 }],
//!   "positives": []
//! }
//! ```
//!
//! A sample of a model that completes pictures is a picture and a mask: `{ "image": SHA-256, "seed": 0 }`, the seed being the mask's.
//! A sample of a class-conditional model that was drawn with a chosen class has that too: `"class": 3`. A mark that says where
//! in the picture the thing is has a region (`region.rs`): `"region": { "box": [0.3, 0.4, 0.7, 0.6] }`. What this program does
//! not know in a file loses nothing else.

use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    marks::{Digest as ImageDigest, Feedback, Mark},
    region::{Region, RegionError, RegionFile},
};
use crate::{
    atomic_file::{self, plain_reason},
    model::{Model, Sample},
    networks::LatentAddress,
};

/// The version this program reads and writes.
const VERSION: u64 = 1;

/// A feedback file of this size holds about a million samples; a larger one is no feedback file.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Why a feedback file was not read or written; each message is one sentence that names the file.
#[derive(Debug, Error)]
pub enum FeedbackError {
    #[error("{file}: cannot be read ({})", plain_reason(source))]
    Read { file: String, source: io::Error },
    #[error("{file}: cannot be written ({})", plain_reason(source))]
    Write { file: String, source: io::Error },
    #[error("{file}: larger than {MAX_FILE_BYTES} bytes, which no feedback file is")]
    TooLarge { file: String },
    #[error("{file}: not a feedback file ({source})")]
    NotFeedback { file: String, source: serde_json::Error },
    #[error("{file}: feedback of version {version}, this program reads version {VERSION}")]
    Version { file: String, version: u64 },
    #[error("{file}: `{found}` is no SHA-256 of a model (64 hexadecimal digits)")]
    NoSha { file: String, found: String },
    #[error("{file}: feedback for another model (SHA-256 {found}…), the open one has {expected}…")]
    OtherModel { file: String, found: String, expected: String },
    #[error("{file}: sample {index} of seed {seed} has psi {psi:e}, which is no usable truncation")]
    Psi { file: String, seed: u64, index: u64, psi: f64 },
    #[error("{file}: sample {index} of seed {seed} (psi {psi}) stands there twice")]
    Duplicate { file: String, seed: u64, index: u64, psi: f32 },
    #[error("{file}: sample {index} of seed {seed} (psi {psi}) is both negative and positive")]
    Contradiction { file: String, seed: u64, index: u64, psi: f32 },
    #[error("{file}: `{found}` is no SHA-256 of a picture (64 hexadecimal digits)")]
    NoImage { file: String, found: String },
    #[error("{file}: a sample has neither an index and a psi nor a picture's SHA-256")]
    NoAddress { file: String },
    #[error("{file}: the picture {image} (mask {seed}) stands there twice")]
    TwiceMarked { file: String, image: String, seed: u64 },
    #[error("{file}: the region of sample {index} of seed {seed} {problem}")]
    Region { file: String, seed: u64, index: u64, problem: RegionError },
}

impl Feedback {
    /// SHA-256 (lower-case hexadecimal) of the canonical JSON: samples in order, no white space.
    ///
    /// Equal feedback has an equal digest, so that an exported model can name the feedback it was made with.
    pub fn sha256(&self) -> Result<String, serde_json::Error> {
        let digest = Sha256::digest(serde_json::to_vec(&FileV1::from(self))?);
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Reads a feedback file made for the model with this SHA-256 (hexadecimal).
    pub fn load(path: &Path, model_sha256: &str) -> Result<Self, FeedbackError> {
        let file = file_name(path);
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|source| FeedbackError::Read { file: file.clone(), source })?;
        Self::parse(&bytes, &file, model_sha256)
    }

    /// Reads feedback from the bytes of a file called `file` in messages.
    pub fn parse(bytes: &[u8], file: &str, model_sha256: &str) -> Result<Self, FeedbackError> {
        let file = file.to_owned();
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(FeedbackError::TooLarge { file });
        }
        // The version comes first: a file of another version may look otherwise.
        let version = match serde_json::from_slice::<VersionOnly>(bytes) {
            Ok(found) => found.version,
            Err(source) => return Err(FeedbackError::NotFeedback { file, source }),
        };
        if version != VERSION {
            return Err(FeedbackError::Version { file, version });
        }
        let content: FileV1 = match serde_json::from_slice(bytes) {
            Ok(content) => content,
            Err(source) => return Err(FeedbackError::NotFeedback { file, source }),
        };
        let feedback = Self::of_content(content, file.clone())?;
        let found = feedback.model_sha256();
        if !found.eq_ignore_ascii_case(model_sha256) {
            let short = |sha: &str| sha.chars().take(12).collect::<String>().to_ascii_lowercase();
            return Err(FeedbackError::OtherModel { file, found: short(found), expected: short(model_sha256) });
        }
        Ok(feedback)
    }

    fn of_content(content: FileV1, file: String) -> Result<Self, FeedbackError> {
        let found = content.model_sha256.to_ascii_lowercase();
        if found.len() != 64 || !found.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(FeedbackError::NoSha { file, found: found.chars().take(64).collect() });
        }
        let mut feedback = Self::new(&found);
        let negatives = content.negatives.into_iter().map(|entry| (entry, Mark::Negative));
        let positives = content.positives.into_iter().map(|entry| (entry, Mark::Positive));
        for (Entry { image, seed, index, psi, class, region }, mark) in negatives.chain(positives) {
            if let Some(image) = image {
                let Some(digest) = digest_of(&image) else {
                    return Err(FeedbackError::NoImage { file, found: image.chars().take(64).collect() });
                };
                let region = match region.map(Region::try_from).transpose() {
                    Ok(region) => region,
                    Err(problem) => return Err(FeedbackError::Region { file, seed, index: 0, problem }),
                };
                if feedback.elsewhere.insert((digest, seed), (mark, region)).is_some() {
                    return Err(FeedbackError::TwiceMarked { file, image, seed });
                }
                continue;
            }
            let (Some(index), Some(psi)) = (index, psi) else {
                return Err(FeedbackError::NoAddress { file });
            };
            let Some(sample) = Sample::new(LatentAddress { seed, index }, psi as f32) else {
                return Err(FeedbackError::Psi { file, seed, index, psi });
            };
            let (sample, psi) = (sample.with_class(class), sample.psi());
            match feedback.mark(sample, mark) {
                None => {}
                Some(before) if before == mark => {
                    return Err(FeedbackError::Duplicate { file, seed, index, psi });
                }
                Some(_) => {
                    return Err(FeedbackError::Contradiction { file, seed, index, psi });
                }
            }
            match region.map(Region::try_from).transpose() {
                Ok(region) => feedback.set_region(sample, region),
                Err(problem) => return Err(FeedbackError::Region { file, seed, index, problem }),
            }
        }
        Ok(feedback)
    }

    /// Writes the file, replacing one that is there only when all is on the disk.
    pub fn save(&self, path: &Path) -> Result<(), FeedbackError> {
        self.write(path).map_err(|source| FeedbackError::Write { file: file_name(path), source })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(&FileV1::from(self))?;
        json.push(b'\n');
        atomic_file::write(path, &json)
    }
}

impl Serialize for Feedback {
    /// What a feedback file holds.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FileV1::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Feedback {
    /// What a feedback file holds, for whatever model it names.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = FileV1::deserialize(deserializer)?;
        if content.version != VERSION {
            return Err(D::Error::custom(format!("feedback of version {}", content.version)));
        }
        Self::of_content(content, "feedback".to_owned()).map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct FileV1 {
    version: u64,
    model_sha256: String,
    negatives: Vec<Entry>,
    positives: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    /// SHA-256 of the picture that is completed, in hexadecimal; the seed is then that of its mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    /// The shortest decimal number that is this `f32` and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    psi: Option<f64>,
    /// Of class-conditional models, where it is not the address that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class: Option<u32>,
    /// Where in the picture, if somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<RegionFile>,
}

impl Entry {
    fn of_image(digest: &ImageDigest, seed: u64, region: Option<&Region>) -> Self {
        let image = Some(hex(digest));
        Self { image, seed, index: None, psi: None, class: None, region: region.cloned().map(RegionFile::from) }
    }
}

impl From<&Feedback> for FileV1 {
    fn from(feedback: &Feedback) -> Self {
        let entry = |sample: Sample| {
            let LatentAddress { seed, index } = sample.address();
            if let Some(digest) = feedback.names.get(&index) {
                return Entry::of_image(digest, seed, feedback.region(sample));
            }
            Entry {
                image: None,
                seed,
                index: Some(index),
                psi: Some(shortest(sample.psi())),
                class: sample.class(),
                region: feedback.region(sample).cloned().map(RegionFile::from),
            }
        };
        let elsewhere = |wanted: Mark| {
            let of_kind = feedback.elsewhere.iter().filter(move |(_, (mark, _))| *mark == wanted);
            of_kind.map(|((digest, seed), (_, region))| Entry::of_image(digest, *seed, region.as_ref()))
        };
        Self {
            version: VERSION,
            model_sha256: feedback.model_sha256().to_owned(),
            negatives: feedback.negatives().map(entry).chain(elsewhere(Mark::Negative)).collect(),
            positives: feedback.positives().map(entry).chain(elsewhere(Mark::Positive)).collect(),
        }
    }
}

/// What a feedback file of this model says of a sample, as one line of JSON.
pub fn entry_of(model: &Model, sample: Sample) -> String {
    let mut feedback = Feedback::new(&model.sha256);
    feedback.mark(sample, Mark::Negative);
    let FileV1 { negatives, .. } = FileV1::from(&feedback.named(model));
    // Plain numbers and texts can always be written as JSON.
    negatives.first().and_then(|entry| serde_json::to_string(entry).ok()).unwrap_or_default()
}

fn hex(digest: &ImageDigest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_of(text: &str) -> Option<ImageDigest> {
    let mut digest = ImageDigest::default();
    let is_hex = text.len() == 2 * digest.len() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    for (at, byte) in digest.iter_mut().enumerate().filter(|_| is_hex) {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    is_hex.then_some(digest)
}

/// The `f64` that prints as briefly as `psi` does (0.7, not 0.699999988079071) and becomes `psi` again as an `f32`.
fn shortest(psi: f32) -> f64 {
    match psi.to_string().parse::<f64>() {
        Ok(short) if short as f32 == psi => short,
        _ => f64::from(psi),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::marks::tests::{SHA, sample, some_feedback};
    use super::*;

    const OTHER: &str = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";

    #[test]
    fn files_come_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks.json");
        std::fs::write(&path, "an older file").unwrap();
        let feedback = some_feedback();
        feedback.save(&path).unwrap();
        assert_eq!(Feedback::load(&path, &SHA.to_uppercase()).unwrap(), feedback);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"psi\": 0.7\n") && text.contains("\"psi\": 1.0\n"), "{text}");

        let error = feedback.save(&folder.path().join("absent/marks.json")).unwrap_err().to_string();
        assert!(error.starts_with("marks.json: cannot be written ("), "{error}");
        let error = Feedback::load(&folder.path().join("none.json"), SHA).unwrap_err().to_string();
        assert!(error.starts_with("none.json: cannot be read ("), "{error}");
    }

    #[test]
    fn a_chosen_class_is_part_of_the_address() {
        let mut feedback = Feedback::new(SHA);
        let any = sample(0, 1, 1.0);
        feedback.mark(any, Mark::Negative);
        assert_eq!(feedback.mark(any.with_class(Some(2)), Mark::Positive), None);
        let json = serde_json::to_string(&FileV1::from(&feedback)).unwrap();
        assert!(json.contains(r#""negatives":[{"seed":0,"index":1,"psi":1.0}]"#), "{json}");
        assert!(json.contains(r#""positives":[{"seed":0,"index":1,"psi":1.0,"class":2}]"#), "{json}");
        assert_eq!(Feedback::parse(json.as_bytes(), "f", SHA).unwrap(), feedback);
    }

    #[test]
    fn regions_come_back_and_change_the_digest() {
        let mut feedback = some_feedback();
        feedback.set_region(sample(0, 12, 0.7), Some(Region::between([0.3, 0.4], [0.7, 0.6]).unwrap()));
        let stroke = Region::stroke([[0.25, 0.5], [0.75, 0.5]], 0.08).unwrap();
        feedback.set_region(sample(2, 9, 0.7), Some(stroke));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks.json");
        feedback.save(&path).unwrap();
        assert_eq!(Feedback::load(&path, SHA).unwrap(), feedback);
        let json = serde_json::to_string(&feedback).unwrap();
        let entry = r#"{"seed":0,"index":12,"psi":0.7,"region":{"box":[0.3,0.4,0.7,0.6]}}"#;
        assert!(json.contains(entry), "{json}");
        assert!(json.contains(r#""region":{"stroke":[[0.25,0.5],[0.75,0.5]],"radius":0.08}"#), "{json}");
        assert_ne!(feedback.sha256().unwrap(), some_feedback().sha256().unwrap());
        // Taken back, it is what it was.
        for sample in [sample(0, 12, 0.7), sample(2, 9, 0.7)] {
            feedback.set_region(sample, None);
        }
        assert_eq!(feedback.sha256().unwrap(), some_feedback().sha256().unwrap());
    }

    #[test]
    fn what_is_not_known_in_a_file_loses_nothing() {
        let json = format!(
            r#"{{"version":1,"note":"mine","model_sha256":"{SHA}","positives":[],"negatives":[
            {{"seed":0,"index":3,"psi":1,"colour":"red","region":{{"box":[0.1,0.2,0.3,0.4],"by":"hand"}}}}]}}"#
        );
        let feedback = Feedback::parse(json.as_bytes(), "f", SHA).unwrap();
        let region = Region::between([0.1, 0.2], [0.3, 0.4]).unwrap();
        assert_eq!(feedback.region(sample(0, 3, 1.0)), Some(&region));
        assert_eq!(feedback.len(), 1);
    }

    #[test]
    fn every_psi_survives_the_file() {
        let mut source = crate::networks::latents::NormalSource::new(5, 0);
        let sliders = (0..=2000).map(|thousandth| thousandth as f32 / 1000.0);
        let bits = (0..20_000).map(|_| f32::from_bits(source.below(1 << 32) as u32));
        let mut feedback = Feedback::new(SHA);
        for (index, psi) in sliders.chain(bits).filter(|psi| psi.is_finite()).enumerate() {
            feedback.mark(sample(0, index as u64, psi), Mark::Negative);
        }
        let json = serde_json::to_vec(&FileV1::from(&feedback)).unwrap();
        assert!(feedback.len() > 20_000);
        assert_eq!(Feedback::parse(&json, "f", SHA).unwrap(), feedback);
    }

    #[test]
    fn the_digest_is_of_the_content() {
        let mut reversed = Feedback::new(&SHA.to_uppercase());
        let marks: Vec<_> = some_feedback().iter().collect();
        for &(sample, mark) in marks.iter().rev() {
            reversed.mark(sample, mark);
        }
        assert_eq!(reversed.sha256().unwrap(), some_feedback().sha256().unwrap());
        let canonical = format!(
            "{{\"version\":1,\"model_sha256\":\"{SHA}\",\"negatives\":[{{\"seed\":0,\"index\":12,\"psi\":0.7}}],\
             \"positives\":[]}}"
        );
        let mut one = Feedback::new(SHA);
        one.mark(sample(0, 12, 0.7), Mark::Negative);
        assert_eq!(serde_json::to_string(&FileV1::from(&one)).unwrap(), canonical);
        assert_eq!(one.sha256().unwrap(), "52517b0c7de33cf36ac6719f7d67b3b9ce7fd32c0d5a58b47806bce5bf28476a");
        one.mark(sample(0, 12, 0.7), Mark::Positive);
        assert_ne!(one.sha256().unwrap(), "52517b0c7de33cf36ac6719f7d67b3b9ce7fd32c0d5a58b47806bce5bf28476a");
    }

    #[test]
    fn bad_files_say_what_is_wrong() {
        let file = |negatives: &str, positives: &str| {
            format!(
                "{{\"version\":1,\"model_sha256\":\"{SHA}\",\"negatives\":[{negatives}],\"positives\":[{positives}]}}"
            )
        };
        let one = r#"{"seed":1,"index":5,"psi":0.7}"#;
        let table = [
            ("", "f: not a feedback file (EOF while parsing a value at line 1 column 0)"),
            ("\u{89}PNG", "f: not a feedback file (expected value at line 1 column 1)"),
            ("{}", "f: not a feedback file (missing field `version` at line 1 column 2)"),
            (r#"{"version":2,"marks":[]}"#, "f: feedback of version 2, this program reads version 1"),
            (r#"{"version":1}"#, "f: not a feedback file (missing field `model_sha256` at line 1 column 13)"),
            (
                r#"{"version":1,"model_sha256":"abc","negatives":[],"positives":[]}"#,
                "f: `abc` is no SHA-256 of a model (64 hexadecimal digits)",
            ),
            (
                &file("", "").replace(SHA, OTHER),
                "f: feedback for another model (SHA-256 60303ae22b99…), the open one has 9f86d081884c…",
            ),
            (&file(&format!("{one},{one}"), ""), "f: sample 5 of seed 1 (psi 0.7) stands there twice"),
            (&file(one, one), "f: sample 5 of seed 1 (psi 0.7) is both negative and positive"),
            (
                &file(r#"{"seed":1,"index":5,"psi":1e300}"#, ""),
                "f: sample 5 of seed 1 has psi 1e300, which is no usable truncation",
            ),
            (
                &file(r#"{"seed":1,"index":5,"psi":1,"region":{"box":[0.2,0.2,1.01,0.5]}}"#, ""),
                "f: the region of sample 5 of seed 1 reaches out of the picture (coordinates go from 0 to 1)",
            ),
            (
                &file("", r#"{"seed":1,"index":5,"psi":1,"region":{"stroke":[[0.5,-1e300]],"radius":0.1}}"#),
                "f: the region of sample 5 of seed 1 reaches out of the picture (coordinates go from 0 to 1)",
            ),
            (
                &file(r#"{"seed":1,"index":7,"psi":1,"region":{"stroke":[],"radius":0.1}}"#, ""),
                "f: the region of sample 7 of seed 1 is empty",
            ),
            (
                &file(r#"{"seed":1,"index":7,"psi":1,"region":{"polygon":[[0,0]]}}"#, ""),
                "f: the region of sample 7 of seed 1 is neither a box nor a stroke with a radius",
            ),
            (
                &file(r#"{"seed":-1,"index":5,"psi":1}"#, ""),
                "f: not a feedback file (invalid value: integer `-1`, expected u64 at line 1 column 118)",
            ),
        ];
        for (text, expected) in table {
            match Feedback::parse(text.as_bytes(), "f", SHA) {
                Ok(_) => panic!("{text} was read"),
                Err(error) => assert_eq!(error.to_string(), expected, "{text}"),
            }
        }
        let large = vec![b' '; MAX_FILE_BYTES as usize + 1];
        let error = Feedback::parse(&large, "f", SHA).unwrap_err().to_string();
        assert_eq!(error, "f: larger than 67108864 bytes, which no feedback file is");
        assert!(Feedback::parse(&vec![b'['; 1 << 20], "f", SHA).is_err());
    }
}
