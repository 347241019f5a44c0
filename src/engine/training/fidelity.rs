//! How like its data a model's samples are, through a labeler's eyes.

use serde::{Deserialize, Serialize};

use crate::{
    data::ImageSet,
    engine::{error::EngineError, seed::EVALUATION_SEED},
    metrics::{Features, FrechetBasis, Labeler, Labels, frechet_distance, frechet_floor},
    model::Sampler,
    networks::{FlatParams, Generator},
};

/// What a labeler says of samples and of data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Number of samples, and of images at most.
    pub samples: usize,
    /// Fréchet distance between what the labeler makes of both.
    pub frechet: Option<f64>,
    /// The distance between two halves of the images.
    pub frechet_floor: Option<f64>,
    /// What both were measured on.
    #[serde(default)]
    pub frechet_on: FrechetBasis,
    /// What each of its outputs tells apart.
    pub heads: Vec<HeadShares>,
}

/// Shares of classes, in [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadShares {
    /// The output's name.
    pub head: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Of the data.
    pub data: Vec<f64>,
    /// Of the samples.
    pub samples: Vec<f64>,
}

impl Fidelity {
    /// Compares `samples` samples of one set of weights with as many of the images, spread over all of them.
    pub fn measure(
        generator: &Generator,
        weights: &FlatParams,
        images: &ImageSet,
        labeler: &Labeler,
        samples: usize,
    ) -> Result<Self, EngineError> {
        let mut sampler = Sampler::new(generator, weights);
        let [channels, height, width] = sampler.image_shape();
        let count = samples.min(images.len());
        let chunk = sampler.page(4);
        let label = |values: Vec<f32>| {
            labeler.label_all(&values, [values.len() / (channels * height * width), channels, height, width])
        };
        let (mut of_data, mut of_samples) = (Vec::new(), Vec::new());
        for start in (0..samples).step_by(chunk) {
            let end = (start + chunk).min(samples);
            append(&mut of_samples, label(sampler.render_at(EVALUATION_SEED, start as u64..end as u64, 1.0))?);
        }
        for start in (0..count).step_by(chunk) {
            let numbers: Vec<usize> = (start..(start + chunk).min(count)).map(|i| i * images.len() / count).collect();
            append(&mut of_data, label(images.images(&numbers))?);
        }
        let [data, seen] = [&of_data, &of_samples].map(|labels| labels.first().and_then(Labels::frechet_features));
        let (frechet, floor, frechet_on) = match (data, seen) {
            (Some((data, basis)), Some((seen, _))) if data.rows() >= 4 => {
                let distance = |a: &Features, b: &Features| frechet_distance(a, b).map_err(unmeasurable);
                (Some(distance(&data, &seen)?), Some(frechet_floor(&data).map_err(unmeasurable)?), basis)
            }
            _ => (None, None, FrechetBasis::default()),
        };
        let heads =
            labeler.heads().iter().zip(of_data.iter().zip(&of_samples)).map(|(head, (data, samples))| HeadShares {
                head: head.name.clone(),
                classes: head.classes.clone(),
                data: data.shares(),
                samples: samples.shares(),
            });
        Ok(Self { samples, frechet, frechet_floor: floor, frechet_on, heads: heads.collect() })
    }
}

fn unmeasurable(error: impl std::fmt::Display) -> EngineError {
    EngineError::Internal(error.to_string())
}

fn append(all: &mut Vec<Labels>, more: Vec<Labels>) {
    if all.is_empty() {
        *all = more;
    } else {
        all.iter_mut().zip(more).for_each(|(all, more)| all.append(more));
    }
}

impl std::fmt::Display for Fidelity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let decimals = self.frechet_on.decimals();
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"));
        write!(f, "Fréchet {} between data and samples, floor {}", number(self.frechet), number(self.frechet_floor))?;
        if let Some(note) = self.frechet_on.note() {
            write!(f, " ({note})")?;
        }
        for shares in &self.heads {
            write!(f, "\n{}:", shares.head)?;
            for (class, (data, samples)) in shares.classes.iter().zip(shares.data.iter().zip(&shares.samples)) {
                write!(f, " {class} {:.1} % ({:.1} % of the data)", samples * 100.0, data * 100.0)?;
            }
        }
        Ok(())
    }
}
