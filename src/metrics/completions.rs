//! How well pictures are completed, as numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Features, FrechetError, Labels, frechet_distance};

/// How some pictures are completed by one set of weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompletionQuality {
    /// Fréchet distance between the completions and the pictures; none of fewer than 4, or without features.
    pub frechet: Option<f64>,
    /// Peak signal-to-noise ratio over hidden pixels, in decibels: `10 log10(4 / mean squared error)` of values in `[-1, 1]`.
    pub psnr: f64,
    /// Mean cosine between a labeler's features of a completion and of its picture; none without features.
    pub cosine: Option<f64>,
    /// Part of the completions in which the labeler sees the class that it sees in the picture.
    pub shows: f64,
}

/// Some pictures, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompletionChange {
    /// How many they are.
    pub pictures: usize,
    /// With the original model.
    pub before: CompletionQuality,
    /// With the result.
    pub after: CompletionQuality,
}

/// What unlearning did to completions: of pictures that show what was to be forgotten, and of all others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompletionEvaluation {
    /// Pictures that may stay; none if there were none.
    pub kept: Option<CompletionChange>,
    /// Pictures that show what was to be forgotten; none if there were none.
    pub forgotten: Option<CompletionChange>,
}

/// Completions of some pictures: what a labeler says, and the squared error.
#[derive(Clone, Debug)]
pub struct Completed {
    /// What the labeler says of the completions.
    pub labels: Labels,
    /// Squared error of each picture over its hidden pixels, summed, and how many values that are.
    pub errors: Vec<(f64, usize)>,
}

/// The squared error of each completion against its picture over hidden pixels, summed, and how many values that are. Both are
/// `[n, channels, height, width]`, `hidden` is `[n, height, width]`.
pub fn hidden_errors(
    found: &[f32],
    wanted: &[f32],
    hidden: &[bool],
    [channels, height, width]: [usize; 3],
) -> Vec<(f64, usize)> {
    let plane = height * width;
    let size = channels * plane;
    let pairs = found.chunks_exact(size).zip(wanted.chunks_exact(size)).zip(hidden.chunks_exact(plane));
    pairs
        .map(|((found, wanted), hidden)| {
            let values = found.iter().zip(wanted).enumerate().filter(|(at, _)| hidden[at % plane]);
            values.fold((0.0, 0), |(sum, n), (_, (a, b))| (sum + f64::from(a - b).powi(2), n + 1))
        })
        .collect()
}

/// The quality of the completions in `rows`, ascending; `originals` are the pictures themselves.
pub fn completion_quality(
    completed: &Completed,
    originals: &Labels,
    rows: &[usize],
) -> Result<CompletionQuality, FrechetError> {
    let of = |labels: &Labels| {
        labels.features.as_ref().map(|features| features.select(|row| rows.binary_search(&row).is_ok()))
    };
    let (found, wanted) = (of(&completed.labels), of(originals));
    let (mut frechet, mut cosine) = (None, None);
    if let (Some(found), Some(wanted)) = (&found, &wanted) {
        cosine = Some(mean_cosine(found, wanted));
        if rows.len() >= 4 {
            frechet = Some(frechet_distance(wanted, found)?);
        }
    }
    let (error, values) =
        rows.iter().filter_map(|&row| completed.errors.get(row)).fold((0.0, 0), |(sum, n), (e, m)| (sum + e, n + m));
    // Without an error the ratio would be infinite; 8 bits cannot tell it from 100 decibels.
    let mean = (error / values.max(1) as f64).max(4e-10);
    let same = rows.iter().filter(|&&row| completed.labels.classes.get(row) == originals.classes.get(row)).count();
    Ok(CompletionQuality {
        frechet,
        psnr: 10.0 * (4.0 / mean).log10(),
        cosine,
        shows: same as f64 / rows.len().max(1) as f64,
    })
}

fn mean_cosine(a: &Features, b: &Features) -> f64 {
    let width = a.width.max(1);
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |x: &[f32], y: &[f32]| -> f64 { x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12)
    };
    let sum: f64 = a.values.chunks_exact(width).zip(b.values.chunks_exact(width)).map(|(a, b)| cosine(a, b)).sum();
    sum / a.rows().max(1) as f64
}

impl fmt::Display for CompletionEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "completions      pictures    class seen           PSNR (dB)        cosine           Fréchet")?;
        for (name, change) in [("kept", self.kept), ("forgotten", self.forgotten)] {
            let Some(CompletionChange { pictures, before, after }) = change else { continue };
            let pair = |a: Option<f64>, b: Option<f64>, decimals: usize| {
                let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"));
                format!("{:>6} -> {:<6}", number(a), number(b))
            };
            let shows = pair(Some(before.shows * 100.0), Some(after.shows * 100.0), 1);
            let psnr = pair(Some(before.psnr), Some(after.psnr), 2);
            let (cosine, frechet) = (pair(before.cosine, after.cosine, 3), pair(before.frechet, after.frechet, 1));
            write!(f, "\n{name:<16} {pictures:>8}    {shows} %   {psnr}   {cosine}   {frechet}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_hidden_pixels() {
        // Two pictures of one pixel row, two channels; the second pixel of the first is hidden, both of the second.
        let found = [9.0, 1.0, 9.0, 2.0, 1.0, 1.0, 1.0, 1.0];
        let errors = hidden_errors(&found, &[0.0; 8], &[false, true, true, true], [2, 1, 2]);
        assert_eq!(errors, [(5.0, 2), (4.0, 4)]);
    }

    #[test]
    fn quality_is_what_is_counted_by_hand() {
        let labels = |scores: Vec<f32>, values: Vec<f32>| {
            Labels::from_scores(scores, 2, Some(Features { values, width: 2 })).unwrap()
        };
        let originals = labels(vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0], vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let labels = labels(vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0], vec![2.0, 0.0, 1.0, 0.0, 3.0, 3.0]);
        let completed = Completed { labels, errors: vec![(0.04, 2), (7.0, 7), (0.0, 2)] };
        let found = completion_quality(&completed, &originals, &[0, 1]).unwrap();
        assert_eq!((found.shows, found.frechet), (0.5, None));
        assert!((found.cosine.unwrap() - 0.5).abs() < 1e-6);
        assert!((found.psnr - 10.0 * (4.0_f64 / (7.04 / 9.0)).log10()).abs() < 1e-9);
        assert_eq!(completion_quality(&completed, &originals, &[2]).unwrap().psnr, 100.0);
    }
}
