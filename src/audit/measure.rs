//! What the models show, over samples that nobody trained on or marked.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{
    completion_tally::{CompletedPictures, CompletionTally, Completions},
    error::AuditError,
    statistics::{Rate, pul_interval},
    subject::{Judge, Role, Subject, target_probabilities},
};
use crate::{
    metrics::{FrechetBasis, Labels, frechet_distance, frechet_floor},
    model::Sampler,
};

/// Negatives that an audit needs at least.
pub const FEWEST: usize = 10;

/// PUL and its 95 % interval, as parts of 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pul {
    /// `(negatives before - negatives after) / negatives before`.
    pub value: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What one model shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelMeasurement {
    /// Which model.
    pub model: Role,
    /// How many samples show what must be gone.
    pub negatives: Rate,
    /// The percentage of unlearning against the original; none for the original. Of a retrained model, whose latents mean something else, it
    /// compares shares.
    pub pul: Option<Pul>,
    /// Of the latents that showed it in the original, how many still do; of the result only.
    pub left: Option<Rate>,
    /// Of the latents that did not, how many do now; of the result only.
    pub new: Option<Rate>,
    /// Fréchet distance between the original's kept samples and all of this model's.
    pub frechet: Option<f64>,
    /// Fréchet distance between all of this model's samples and all of the retrained model's.
    pub ret_frechet: Option<f64>,
    /// Mean absolute difference of the kept latents' pictures to the original's, values in [-1, 1]; of the result only.
    pub kept_change: Option<f64>,
    /// Mean cosine of the kept latents' features to the original's; of the result only.
    pub kept_cosine: Option<f64>,
    /// `[heads][classes]`: the share of the samples in every class of every head.
    pub shares: Vec<Vec<f64>>,
    /// How pictures are completed; none where samples are drawn from latents.
    #[serde(default)]
    pub completions: Option<Completions>,
}

/// A question that the labeler answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadNames {
    /// Its name.
    pub name: String,
    /// Its classes.
    pub classes: Vec<String>,
    /// Those that must be gone, by number.
    pub forget: Vec<usize>,
}

/// What an independent labeler says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Independent {
    /// Its target, in words.
    pub target: String,
    /// What each model shows.
    pub models: Vec<(Role, Rate, Option<Pul>)>,
}

/// What all models show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// Samples of each model.
    pub samples: usize,
    /// The labeler's questions.
    pub heads: Vec<HeadNames>,
    /// What Fréchet distances are measured on.
    pub frechet_on: FrechetBasis,
    /// The distance between two halves of the original's kept samples: what chance alone makes.
    pub frechet_floor: Option<f64>,
    /// The models, the original first.
    pub models: Vec<ModelMeasurement>,
    /// The independent labeler, where there is one.
    pub independent: Option<Independent>,
    /// The pictures, where samples are their completions.
    #[serde(default)]
    pub completed: Option<CompletedPictures>,
}

impl Measurements {
    /// What its samples are called.
    pub(super) fn noun(&self) -> &'static str {
        if self.completed.is_some() { "completions" } else { "samples" }
    }
}

/// The answers behind the measurements.
pub struct Answers {
    /// `[models][samples]`: the probability of what must be gone.
    pub probabilities: Vec<Vec<f32>>,
    /// `[samples]`: whether the original shows it.
    pub negative: Vec<bool>,
    /// `[samples]`: their indices.
    pub indices: Vec<u64>,
    /// Indices of the pictures that show it themselves, where samples are completions of pictures.
    pub forgotten: Vec<u64>,
}

impl Answers {
    /// Places of the samples that the original shows it in, or not, in order.
    pub fn kind(&self, negative: bool) -> Vec<usize> {
        (0..self.negative.len()).filter(|&sample| self.negative[sample] == negative).collect()
    }

    /// Indices of these samples.
    pub fn samples(&self, negative: bool) -> Vec<u64> {
        self.kind(negative).into_iter().map(|place| self.indices[place]).collect()
    }
}

/// Measures models, the original first, over the first `samples` samples of `seed`; `None` if `progress` (told the samples drawn) stopped it.
pub fn measure(
    subjects: &[&Subject],
    judge: Judge<'_>,
    second: Option<Judge<'_>>,
    (seed, samples): (u64, usize),
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<(Measurements, Answers)>, AuditError> {
    let head = judge.target.head_number();
    let mut labels: Vec<Vec<Labels>> = vec![Vec::new(); subjects.len()];
    let mut independent: Vec<Vec<bool>> = vec![Vec::new(); subjects.len()];
    // Of each sample, how far the result's picture is from the original's.
    let mut changes: Vec<f64> = Vec::new();
    let mut samplers: Vec<_> =
        subjects.iter().map(|subject| Sampler::new(&subject.generator, &subject.weights)).collect();
    let indices = subjects[0].measured(samples);
    let samples = indices.len();
    if samples == 0 {
        let target = judge.target.to_string();
        return Err(AuditError::TooFew { target, found: 0, looked: 0, needed: FEWEST });
    }
    let chunk = samplers.iter().map(|sampler| sampler.page(4)).min().unwrap_or(1);
    let mut pictures = subjects[0].generator.completion().map(|_| CompletionTally::of(subjects.len()));
    for part in indices.chunks(chunk) {
        let n = part.len();
        let mut original = Vec::new();
        if let Some(pictures) = &mut pictures {
            pictures.show(subjects[0], (seed, part), judge)?;
        }
        for (number, subject) in subjects.iter().enumerate() {
            let images = samplers[number].render_at(seed, part.iter().copied(), 1.0);
            let [c, h, w] = samplers[number].image_shape();
            if let Some(pictures) = &mut pictures {
                pictures.note(number, [subjects[0], subject], &images);
            }
            let found = judge.labeler.label_all(&images, [n, c, h, w])?;
            let all = &mut labels[number];
            match all.is_empty() {
                true => *all = found,
                false => all.iter_mut().zip(found).for_each(|(all, found)| all.append(found)),
            }
            if let Some(second) = second {
                let found = second.labeler.label_head(second.target.head_number(), &images, [n, c, h, w])?;
                independent[number].extend(found.classes.iter().map(|class| second.target.holds(*class)));
            }
            match subject.role {
                Role::Original => original = images,
                Role::Result if original.len() == images.len() => changes.extend(
                    original
                        .chunks_exact(c * h * w)
                        .zip(images.chunks_exact(c * h * w))
                        .map(|(a, b)| mean_change(a, b)),
                ),
                _ => {}
            }
            if progress(n).is_break() {
                return Ok(None);
            }
        }
    }
    let shows = |labels: &[Labels]| -> Vec<bool> {
        labels[head].classes.iter().map(|class| judge.target.holds(*class)).collect()
    };
    let negative = shows(&labels[0]);
    let split = pictures.as_ref().map(|pictures| pictures.split(judge.target));
    let retrained = subjects.iter().position(|subject| subject.role == Role::Retrained);
    let original = labels[0][0].frechet_features();
    let mut models = Vec::new();
    let mut floor = None;
    for (number, subject) in subjects.iter().enumerate() {
        let now = shows(&labels[number]);
        let features = labels[number][0].frechet_features();
        let mut found = ModelMeasurement {
            model: subject.role,
            negatives: Rate::of(now.iter().filter(|shown| **shown).count(), samples),
            pul: None,
            left: None,
            new: None,
            frechet: None,
            ret_frechet: None,
            kept_change: None,
            kept_cosine: None,
            shares: labels[number].iter().map(Labels::shares).collect(),
            completions: None,
        };
        if let (Some(pictures), Some(split)) = (&pictures, &split) {
            found.completions = pictures.quality(number, &labels[number], head, split)?;
        }
        if let (Some((before, _)), Some((after, _))) = (&original, &features) {
            let kept = before.select(|row| !negative[row]);
            if kept.rows() >= 4 {
                floor = Some(frechet_floor(&kept)?);
                found.frechet = (subject.role != Role::Original).then(|| frechet_distance(&kept, after)).transpose()?;
            }
            if let Some(other) = retrained.filter(|other| *other != number) {
                let other = labels[other][0].frechet_features();
                found.ret_frechet = other.map(|(other, _)| frechet_distance(after, &other)).transpose()?;
            }
            if subject.role == Role::Result && !changes.is_empty() {
                let kept: Vec<usize> = (0..samples).filter(|&row| !negative[row]).collect();
                let mean = |sum: f64| sum / kept.len().max(1) as f64;
                let row = |of: &crate::metrics::Features, row: usize| {
                    of.values[row * of.width..(row + 1) * of.width].to_vec()
                };
                found.kept_change = Some(mean(kept.iter().map(|&row| changes[row]).sum()));
                found.kept_cosine =
                    Some(mean(kept.iter().map(|&sample| cosine(&row(before, sample), &row(after, sample))).sum()));
            }
        }
        (found.left, found.new, found.pul) = changes_of(subject.role, &negative, &now);
        models.push(found);
    }
    let independent = second.map(|second| {
        let first = &independent[0];
        let of = |(subject, now): (&&Subject, &Vec<bool>)| {
            let count = now.iter().filter(|shown| **shown).count();
            (subject.role, Rate::of(count, samples), changes_of(subject.role, first, now).2)
        };
        Independent { target: second.target.to_string(), models: subjects.iter().zip(&independent).map(of).collect() }
    });
    let names = |(number, head): (usize, &crate::metrics::Head)| HeadNames {
        name: head.name.clone(),
        classes: head.classes.clone(),
        forget: if number == judge.target.head_number() { judge.target.classes().to_vec() } else { Vec::new() },
    };
    let measurements = Measurements {
        samples,
        heads: judge.labeler.heads().iter().enumerate().map(names).collect(),
        frechet_on: original.as_ref().map(|(_, basis)| *basis).unwrap_or_default(),
        frechet_floor: floor,
        models,
        independent,
        completed: split.as_ref().map(|split| CompletedPictures { forgotten: split[0].len(), kept: split[1].len() }),
    };
    let forgotten = split.map_or_else(Vec::new, |[forgotten, _]| forgotten);
    let forgotten = forgotten.into_iter().map(|place| indices[place]).collect();
    let probabilities = labels.iter().map(|labels| target_probabilities(&labels[head], judge.target)).collect();
    Ok(Some((measurements, Answers { probabilities, negative, indices, forgotten })))
}

/// What became of the latents that showed it and of those that did not.
fn changes_of(role: Role, before: &[bool], now: &[bool]) -> (Option<Rate>, Option<Rate>, Option<Pul>) {
    let negatives = before.iter().filter(|shown| **shown).count();
    let others = before.len() - negatives;
    let count = |was: bool| before.iter().zip(now).filter(|(before, now)| **before == was && **now).count();
    let (left, new) = (count(true), count(false));
    let pul = |[value, low, high]: [f64; 3]| Pul { value, low, high };
    match role {
        Role::Original => (None, None, None),
        Role::Result => (
            Some(Rate::of(left, negatives)),
            Some(Rate::of(new, others)),
            pul_interval(negatives, left, others, new).map(pul),
        ),
        // Not paired: all that counts is how many there are.
        Role::Retrained => {
            let rate = Rate::of(left + new, before.len());
            let share = negatives as f64 / before.len().max(1) as f64;
            let of = |now: f64| 1.0 - now / share;
            (None, None, (negatives > 0).then(|| Pul { value: of(rate.share), low: of(rate.high), high: of(rate.low) }))
        }
    }
}

fn mean_change(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / a.len().max(1) as f64
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_latent_by_latent() {
        let before = [true, true, true, true, false, false];
        let now = [true, false, false, false, true, false];
        let (left, new, pul) = changes_of(Role::Result, &before, &now);
        assert_eq!(left.map(|rate| (rate.count, rate.of)), Some((1, 4)));
        assert_eq!(new.map(|rate| (rate.count, rate.of)), Some((1, 2)));
        assert_eq!(pul.map(|pul| pul.value), Some(0.5));
        let (left, _, pul) = changes_of(Role::Retrained, &before, &now);
        // 2 of 6 instead of 4 of 6.
        assert!(left.is_none() && pul.is_some_and(|pul| (pul.value - 0.5).abs() < 1e-12 && pul.low < 0.5));
        assert_eq!(changes_of(Role::Original, &before, &now), (None, None, None));
        assert_eq!(changes_of(Role::Result, &[false; 6], &now).2, None);
    }

    #[test]
    fn equal_features_have_cosine_1() {
        assert!((cosine(&[1.0, 2.0], &[2.0, 4.0]) - 1.0).abs() < 1e-12);
        assert!(cosine(&[1.0, 0.0], &[0.0, 3.0]).abs() < 1e-12);
        assert!((mean_change(&[1.0, -1.0], &[0.0, 0.0]) - 1.0).abs() < 1e-12);
    }
}
