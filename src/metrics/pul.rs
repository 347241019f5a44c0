//! PUL and the whole comparison of a model before and after unlearning, over the same latents.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    CompletionEvaluation, Features, FrechetBasis, FrechetError, Labels, Target, frechet_distance, frechet_floor,
};

/// The part of the negatives that is gone: `(before - after) / before`, over the same latents.
///
/// 1 when none is left, 0 when nothing changed, below 0 when there are more than before; none if there were none.
pub fn pul(negatives_before: usize, negatives_after: usize) -> Option<f64> {
    let before = negatives_before as f64;
    (negatives_before > 0).then(|| (before - negatives_after as f64) / before)
}

/// Why two sets of labels cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EvaluateError {
    #[error("before and after need labels of the same latents, there are {before} and {after}")]
    Samples { before: usize, after: usize },
    #[error("before and after need the same labeler, these know {before} and {after} classes")]
    Classes { before: usize, after: usize },
    #[error("{target} is of an output with {expected} classes, these labels know {classes}")]
    OtherHead { target: String, expected: usize, classes: usize },
    #[error(transparent)]
    Frechet(#[from] FrechetError),
}

/// What unlearning some classes did, as a labeler sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Latents looked at, the same before and after.
    pub samples: usize,
    /// The labeler's output that tells the classes apart.
    pub head: String,
    /// The names of its classes.
    pub classes: Vec<String>,
    /// The numbers of the classes that were to be forgotten; in JSON one is a plain number, several are a list.
    #[serde(with = "one_or_more")]
    pub forget: Vec<usize>,
    pub negatives_before: usize,
    pub negatives_after: usize,
    /// See [`pul`]; a part of 1, not of 100.
    pub pul: Option<f64>,
    /// `[classes]`: part of the samples in each class, before.
    pub shares_before: Vec<f64>,
    /// `[classes]`: part of the samples in each class, after.
    pub shares_after: Vec<f64>,
    /// Fréchet distance between the samples before that do not show `forget` and all samples after.
    ///
    /// None if fewer than 4 samples are kept or the labeler has neither features nor finite scores.
    pub frechet: Option<f64>,
    /// The distance between two halves of the samples before that do not show `forget`: see
    /// [`frechet_floor`].
    pub frechet_floor: Option<f64>,
    /// What both were measured on.
    #[serde(default)]
    pub frechet_on: FrechetBasis,
    /// Mean absolute difference of the pictures that did not show `forget` before, before to after the same latents, of
    /// values in `[-1, 1]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_change: Option<f64>,
    /// How pictures are completed, where the model does that; all else is then of the completions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completions: Option<CompletionEvaluation>,
}

/// Compares the labels of the same latents before and after.
pub fn evaluate(before: &Labels, after: &Labels, target: &Target) -> Result<Evaluation, EvaluateError> {
    if before.class_count != after.class_count {
        return Err(EvaluateError::Classes { before: before.class_count, after: after.class_count });
    }
    if before.len() != after.len() {
        return Err(EvaluateError::Samples { before: before.len(), after: after.len() });
    }
    let (expected, classes) = (target.head().classes.len(), before.class_count);
    if expected != classes {
        return Err(EvaluateError::OtherHead { target: target.to_string(), expected, classes });
    }
    let (negatives_before, negatives_after) = (before.count_target(target), after.count_target(target));
    let kept = |features: &Features| features.select(|row| before.classes.get(row).is_some_and(|&c| !target.holds(c)));
    let (mut frechet, mut floor, mut frechet_on) = (None, None, FrechetBasis::default());
    if let (Some((before, basis)), Some((after, _))) = (before.frechet_features(), after.frechet_features()) {
        let kept = kept(&before);
        if kept.rows() >= 4 {
            (frechet, floor) = (Some(frechet_distance(&kept, &after)?), Some(frechet_floor(&kept)?));
            frechet_on = basis;
        }
    }
    Ok(Evaluation {
        samples: before.len(),
        head: target.head().name.clone(),
        classes: target.head().classes.clone(),
        forget: target.classes().to_vec(),
        negatives_before,
        negatives_after,
        pul: pul(negatives_before, negatives_after),
        shares_before: before.shares(),
        shares_after: after.shares(),
        frechet,
        frechet_floor: floor,
        frechet_on,
        kept_change: None,
        completions: None,
    })
}

/// A list that in JSON is a plain number if it has one member.
mod one_or_more {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Numbers {
        One(usize),
        More(Vec<usize>),
    }

    pub(super) fn serialize<S: Serializer>(numbers: &[usize], serializer: S) -> Result<S::Ok, S::Error> {
        if let [one] = numbers { one.serialize(serializer) } else { numbers.serialize(serializer) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
        Ok(match Numbers::deserialize(deserializer)? {
            Numbers::One(one) => vec![one],
            Numbers::More(more) => more,
        })
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: Option<f64>, decimals| value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"));
        writeln!(f, "samples      {:>10}", self.samples)?;
        writeln!(f, "negatives    {:>10} before {:>8} after", self.negatives_before, self.negatives_after)?;
        let percent = self.pul.map_or("-".to_owned(), |pul| format!("{:.1} %", pul * 100.0));
        writeln!(f, "PUL          {percent:>10}")?;
        let [distance, floor] =
            [self.frechet, self.frechet_floor].map(|value| number(value, self.frechet_on.decimals()));
        writeln!(f, "Fréchet      {distance:>10} distance {floor:>6} floor")?;
        if let Some(note) = self.frechet_on.note() {
            writeln!(f, "             {note}")?;
        }
        if let Some(change) = self.kept_change {
            writeln!(f, "kept samples {change:>10.4} mean absolute change")?;
        }
        if let Some(completions) = &self.completions {
            writeln!(f, "{completions}")?;
        }
        write!(f, "class            before     after")?;
        let shares = self.shares_before.iter().zip(&self.shares_after).zip(&self.classes);
        for (class, ((before, after), name)) in shares.enumerate() {
            let note = if self.forget.contains(&class) { "  to be forgotten" } else { "" };
            write!(f, "\n{name:<13}{:>8.1} %{:>8.1} %{note}", before * 100.0, after * 100.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Head;

    fn target(text: &str) -> Target {
        Target::parse(text, &[Head::numbered("digit", 3)]).unwrap()
    }

    /// Labels with a one-dimensional feature each.
    fn labels(classes: &[usize], features: Option<&[f32]>) -> Labels {
        let mut scores = vec![0.0; classes.len() * 3];
        classes.iter().enumerate().for_each(|(row, class)| scores[row * 3 + class] = 1.0);
        let features = features.map(|values| Features { values: values.to_vec(), width: 1 });
        Labels::from_scores(scores, 3, features).unwrap()
    }

    #[test]
    fn pul_is_the_part_that_is_gone() {
        let table = [
            (100, 5, Some(0.95)),
            (100, 0, Some(1.0)),
            (8, 8, Some(0.0)),
            (4, 6, Some(-0.5)),
            (0, 0, None),
            (0, 7, None),
        ];
        for (before, after, expected) in table {
            assert_eq!(pul(before, after), expected, "{before} to {after}");
        }
    }

    #[test]
    fn an_evaluation_compares_what_is_kept_with_what_came() {
        // Kept before: 1 3 5 7, mean 4, variance 20/3. After: 2 2 6 6 8 0, mean 4, variance 48/5 = 9.6.
        let before = labels(&[0, 2, 1, 0, 2, 1], Some(&[1.0, 90.0, 3.0, 5.0, -80.0, 7.0]));
        let after = labels(&[0, 0, 1, 0, 2, 1], Some(&[2.0, 2.0, 6.0, 6.0, 8.0, 0.0]));
        let evaluation = evaluate(&before, &after, &target("2")).unwrap();
        let expected = (9.6f64.sqrt() - (20.0f64 / 3.0).sqrt()).powi(2);
        assert!((evaluation.frechet.unwrap() - expected).abs() < 1e-9);
        // Halves 1 5 and 3 7: means 3 and 5, equal variances.
        assert!((evaluation.frechet_floor.unwrap() - 4.0).abs() < 1e-9);
        assert_eq!((evaluation.samples, evaluation.negatives_before, evaluation.negatives_after), (6, 2, 1));
        assert_eq!(evaluation.pul, Some(0.5));
        assert_eq!(evaluation.shares_before, [2.0 / 6.0, 2.0 / 6.0, 2.0 / 6.0]);
        assert_eq!(evaluation.shares_after, [3.0 / 6.0, 2.0 / 6.0, 1.0 / 6.0]);

        let json = serde_json::to_value(&evaluation).unwrap();
        assert_eq!((&json["forget"], &json["head"], &json["classes"][2]), (&2.into(), &"digit".into(), &"2".into()));
        assert_eq!(serde_json::from_value::<Evaluation>(json).unwrap(), evaluation);
        assert_eq!(
            Evaluation { frechet: Some(0.0849), ..evaluation }.to_string(),
            "samples               6\n\
             negatives             2 before        1 after\n\
             PUL              50.0 %\n\
             Fréchet             0.1 distance    4.0 floor\n\
             class            before     after\n\
             0                33.3 %    50.0 %\n\
             1                33.3 %    33.3 %\n\
             2                33.3 %    16.7 %  to be forgotten"
        );
    }

    #[test]
    fn without_features_or_negatives_there_is_less_to_say() {
        let evaluation = evaluate(&labels(&[0, 1], None), &labels(&[0, 2], None), &target("2")).unwrap();
        assert_eq!((evaluation.pul, evaluation.frechet, evaluation.frechet_floor), (None, None, None));
        assert_eq!((evaluation.negatives_before, evaluation.negatives_after), (0, 1));
        assert!(
            evaluation.to_string().contains("PUL                   -\nFréchet               - distance      - floor")
        );
        let json = serde_json::to_value(&evaluation).unwrap();
        assert_eq!(json["frechet_on"], "features");
        let few = labels(&[0, 1, 2], Some(&[1.0, 2.0, 3.0]));
        assert_eq!(evaluate(&few, &few, &target("2")).unwrap().frechet, None);
    }

    #[test]
    fn without_features_scores_are_measured_and_it_says_so() {
        // Scores are one-hot; kept before: half of them in class 0, half in 1; after: all in class 0.
        let before = labels(&[0, 2, 1, 1, 2, 0, 0, 1], None);
        let after = labels(&[0; 8], None);
        let evaluation = evaluate(&before, &after, &target("2")).unwrap();
        // Means differ by (1/2, -1/2); a variance of 3/10 in each of two classes, of which nothing is left.
        assert!((evaluation.frechet.unwrap() - 1.1).abs() < 1e-6);
        // Halves 0 1 0 and 1 0 1: means differ by (1/3, -1/3), covariances are equal.
        assert!((evaluation.frechet_floor.unwrap() - 2.0 / 9.0).abs() < 1e-6);
        assert_eq!(evaluation.frechet_on, FrechetBasis::Scores);
        let expected = "Fréchet          1.1000 distance 0.2222 floor\n             \
                        measured on the labeler's scores, as it has no output `features`\n";
        assert!(evaluation.to_string().contains(expected), "{evaluation}");

        let mut json = serde_json::to_value(&evaluation).unwrap();
        assert_eq!(json["frechet_on"], "scores");
        assert_eq!(serde_json::from_value::<Evaluation>(json.clone()).unwrap(), evaluation);
        // A report that knows nothing of it was measured on features.
        json.as_object_mut().unwrap().remove("frechet_on");
        assert_eq!(serde_json::from_value::<Evaluation>(json).unwrap().frechet_on, FrechetBasis::Features);

        // An infinite score has no distance, and is no error.
        let mut infinite = after.clone();
        infinite.scores[1] = f32::NEG_INFINITY;
        let evaluation = evaluate(&before, &infinite, &target("2")).unwrap();
        assert_eq!((evaluation.frechet, evaluation.frechet_on), (None, FrechetBasis::Features));
    }

    #[test]
    fn several_classes_are_forgotten_as_one() {
        let before = labels(&[0, 2, 1, 0, 2, 1, 0, 0], Some(&[1.0, 90.0, 50.0, 5.0, -80.0, 70.0, 3.0, 7.0]));
        let after = labels(&[0, 0, 1, 0, 0, 0, 0, 0], Some(&[1.0, 5.0, 3.0, 7.0, 1.0, 5.0, 3.0, 7.0]));
        let evaluation = evaluate(&before, &after, &target("1|2")).unwrap();
        assert_eq!((evaluation.negatives_before, evaluation.negatives_after), (4, 1));
        assert_eq!((evaluation.pul, &evaluation.forget), (Some(0.75), &vec![1, 2]));
        // Kept before: 1 5 3 7, mean 4, variance 20/3; after: the same mean, variance 40/7.
        let expected = ((20.0f64 / 3.0).sqrt() - (40.0f64 / 7.0).sqrt()).powi(2);
        assert!((evaluation.frechet.unwrap() - expected).abs() < 1e-9);
        let json = serde_json::to_value(&evaluation).unwrap();
        assert_eq!(json["forget"], serde_json::json!([1, 2]));
        assert_eq!(serde_json::from_value::<Evaluation>(json).unwrap(), evaluation);
        assert_eq!(evaluation.to_string().matches("to be forgotten").count(), 2);
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let error = |a: &Labels, b: &Labels, forget| evaluate(a, b, &target(forget)).unwrap_err().to_string();
        let two = labels(&[0, 1], None);
        assert_eq!(
            error(&two, &labels(&[0], None), "0"),
            "before and after need labels of the same latents, there are 2 and 1"
        );
        let four = Labels::from_scores(vec![0.0; 8], 4, None).unwrap();
        assert_eq!(error(&two, &four, "0"), "before and after need the same labeler, these know 3 and 4 classes");
        assert_eq!(error(&four, &four, "0"), "digit=0 is of an output with 3 classes, these labels know 4");
        let broken = labels(&[0; 5], Some(&[1.0, 2.0, f32::NAN, 0.0, 0.0]));
        assert_eq!(error(&broken, &broken, "1"), "the features of sample 2 are not all finite numbers");
    }
}
