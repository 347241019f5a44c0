//! What a model file that `train` wrote says of its own making.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fidelity::Fidelity;
use crate::model::{Model, program};

/// The metadata key of a [`TrainingCard`], as JSON.
const CARD: &str = "card";

/// What the person who trains a model says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Name of the data.
    pub data: String,
    /// Date of the training, if it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// What was left out of the data, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
    /// Licence, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// A finished training at a lower resolution, whose networks were taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grown {
    /// Side of its images in pixels.
    pub resolution: usize,
    /// Iterations.
    pub iterations: usize,
    /// Images taken from the data.
    pub images_seen: u64,
}

impl Grown {
    /// The trainings behind a model that is taken over: those it was grown from, then its own.
    pub fn of(model: &Model) -> Vec<Self> {
        let Some(TrainingCard { iterations, images_seen, grown_from, .. }) = TrainingCard::of(model) else {
            return Vec::new();
        };
        let own = Self { resolution: model.generator.resolution(), iterations, images_seen };
        grown_from.into_iter().chain([own]).collect()
    }
}

/// Everything that is said about a trained model in its own file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingCard {
    /// What was given.
    #[serde(flatten)]
    pub card: Card,
    /// Number of training images.
    pub images: usize,
    /// Iterations at this resolution.
    pub iterations: usize,
    /// Images taken from the data at this resolution.
    pub images_seen: u64,
    /// Seed of weights, data order and draws.
    pub seed: u64,
    /// The trainings at lower resolutions before, the lowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grown_from: Vec<Grown>,
    /// How like the data its samples are, if it was measured.
    pub fidelity: Option<Fidelity>,
    /// The program that wrote it.
    pub program: String,
}

impl TrainingCard {
    /// The card in a model file's metadata.
    pub fn of(model: &Model) -> Option<Self> {
        serde_json::from_str(model.metadata().get(CARD)?).ok()
    }

    /// Puts the card into a file's metadata, in this program's name.
    pub fn write(mut self, metadata: &mut BTreeMap<String, String>) {
        self.program = program();
        if let Ok(text) = serde_json::to_string(&self) {
            metadata.insert(CARD.to_owned(), text);
        }
    }
}
