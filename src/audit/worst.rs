//! *The hardest samples*: those that are likeliest to show it after all.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{
    error::AuditError,
    measure::Answers,
    search::{SEEN, SearchResult, Space},
    statistics::Rate,
    subject::{Judge, Role, Subject, synthesize},
};
use crate::{
    model::Sampler,
    networks::{Hidden, Masking, flat::to_vec},
};

/// Samples nearest to the labeler's boundary that are looked at on either side.
const NEAREST: usize = 100;
/// Masks that each picture is completed under.
pub(super) const MASKS: usize = 8;
/// Pictures that are completed under them at most.
const MASKED_PICTURES: usize = 100;
/// Completions of one model under other masks.
pub(super) const MASKED_SAMPLES: usize = MASKS * MASKED_PICTURES * WorstSamples::MASKED.len();

/// Samples that are hardest to forget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorstCase {
    /// Which samples.
    pub samples: WorstSamples,
    /// Which model.
    pub model: Role,
    /// How many of them show it.
    pub seen: Rate,
}

/// Which samples are hardest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorstSamples {
    /// Samples that showed it in the original, those of which the labeler was least sure.
    NearestNegatives,
    /// Samples that did not, those of which the labeler was least sure.
    NearestPositives,
    /// Latents that the search in `z` found in the original.
    FoundInZ,
    /// Mapped latents that the search in `w` found in the original.
    FoundInW,
    /// Pictures of it that are completed with it under at least one of several masks.
    AnyMask,
    /// The same with less of the picture hidden than in training.
    LessHidden,
    /// The same with more of it hidden.
    MoreHidden,
}

impl WorstSamples {
    /// Those under several masks.
    pub(super) const MASKED: [Self; 3] = [Self::AnyMask, Self::LessHidden, Self::MoreHidden];

    /// The share of a picture that is hidden, where the model's own is `usual`.
    fn hidden(self, usual: f32) -> f32 {
        match self {
            Self::LessHidden => 0.75 * usual,
            Self::MoreHidden => 0.5 * (1.0 + usual),
            _ => usual,
        }
    }
}

/// The samples nearest to the labeler's boundary before unlearning, and the latents that searches found in the original.
pub(super) fn worst(
    [original, result]: [&Subject; 2],
    judge: Judge<'_>,
    answers: &Answers,
    found: &[SearchResult],
) -> Result<Vec<WorstCase>, AuditError> {
    let mut out = Vec::new();
    let [before, after] = [&answers.probabilities[0], &answers.probabilities[1]];
    for (samples, negative) in [(WorstSamples::NearestNegatives, true), (WorstSamples::NearestPositives, false)] {
        let mut kind = answers.kind(negative);
        kind.sort_by(|a, b| (before[*a] - SEEN).abs().total_cmp(&(before[*b] - SEEN).abs()).then(a.cmp(b)));
        kind.truncate(NEAREST);
        for (model, probabilities) in [(Role::Original, before), (Role::Result, after)] {
            let seen = kind.iter().filter(|&&sample| probabilities[sample] > SEEN).count();
            out.push(WorstCase { samples, model, seen: Rate::of(seen, kind.len()) });
        }
    }
    let same = original.weights.layout == result.weights.layout;
    for found in found.iter().filter(|found| same && !found.latents.is_empty()) {
        let samples = match found.search.space {
            Space::Z => WorstSamples::FoundInZ,
            Space::W => WorstSamples::FoundInW,
            Space::WPlus => continue,
        };
        let leaves = result.weights.constants();
        let mut seen = 0;
        for part in found.latents.chunks(result.pass()) {
            let images = match samples {
                WorstSamples::FoundInZ => result.images(&leaves, &part.concat()),
                _ => {
                    let data = burn::tensor::TensorData::new(part.concat(), [part.len(), result.generator.w_dim()]);
                    let w = burn::tensor::Tensor::from_data(data, &leaves.device());
                    synthesize(&result.generator, &leaves, result.generator.broadcast(w))
                }
            };
            let shape = images.dims();
            seen += judge.probabilities(&to_vec(images), shape)?.iter().filter(|p| **p > SEEN).count();
        }
        out.push(WorstCase { samples, model: Role::Result, seen: Rate::of(seen, found.latents.len()) });
    }
    Ok(out)
}

/// How many of the pictures that show it are completed with it under at least one of several masks, by each model; `None` if `progress`
/// (told the completions made) stopped it. Empty of models that draw samples from latents.
pub(super) fn masked(
    subjects: &[&Subject],
    judge: Judge<'_>,
    answers: &Answers,
    seed: u64,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Vec<WorstCase>>, AuditError> {
    let mut out = Vec::new();
    let pictures = &answers.forgotten[..answers.forgotten.len().min(MASKED_PICTURES)];
    if pictures.is_empty() {
        return Ok(Some(out));
    }
    // Of all models as much is hidden as of the original, so that their numbers can be compared.
    let usual = subjects[0].generator.completion().map_or(0.0, |network| network.mask_ratio());
    for subject in subjects.iter().filter(|subject| subject.generator.completion().is_some()) {
        for samples in WorstSamples::MASKED {
            let masking = Masking { hidden: Hidden::Random, share: Some(samples.hidden(usual)) };
            let generator = subject.generator.clone().with_masking(masking);
            let mut sampler = Sampler::new(&generator, &subject.weights);
            let [c, h, w] = sampler.image_shape();
            let mut seen = vec![false; pictures.len()];
            for mask in 0..MASKS as u64 {
                let parts = pictures.chunks(sampler.page(4)).zip(seen.chunks_mut(sampler.page(4)));
                for (part, seen) in parts {
                    let images = sampler.render_at(seed + mask, part.iter().copied(), 1.0);
                    let found = judge.probabilities(&images, [part.len(), c, h, w])?;
                    seen.iter_mut().zip(found).for_each(|(seen, p)| *seen |= p > SEEN);
                    if progress(part.len()).is_break() {
                        return Ok(None);
                    }
                }
            }
            let count = seen.iter().filter(|seen| **seen).count();
            out.push(WorstCase { samples, model: subject.role, seen: Rate::of(count, pictures.len()) });
        }
    }
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_masks_hide_less_and_more_but_never_all() {
        for usual in [0.1, 0.5, 0.85, 0.99] {
            let [own, less, more] = WorstSamples::MASKED.map(|samples| samples.hidden(usual));
            assert!(0.0 < less && less < own && own < more && more < 1.0, "{usual}: {less} {own} {more}");
            assert_eq!(own, usual);
        }
    }
}
