//! The check of the marks between *Unlearn* and a run: whether they say clearly enough what must go.

use crate::feedback::probe::{ENOUGH, ProbeQuality};

/// Where the check stands. It is of one revision of the marks, and void once they change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MarksCheck {
    /// No run was asked for.
    #[default]
    None,
    /// The marks of this revision are being learned from; a run starts if that shows them to be clear.
    Learning(u64),
    /// The marks of this revision are weak, and the user decides.
    Asking(u64),
}

/// What came of learning from the marks of a revision.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedMarks {
    /// Which marks.
    pub revision: u64,
    /// How well they tell what must go, or in one clause why nothing can be learned from them.
    pub outcome: Result<ProbeQuality, String>,
}

/// What a run can make of the marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarksVerdict {
    /// There is nothing to say against them.
    Clear,
    /// What there is to say before a long run, in one or two sentences.
    Weak(String),
    /// Nobody has learned from them yet.
    Unknown,
}

/// What there is to say where so few are marked; `positives` is `None` where a run needs none.
pub fn too_few_marks(negatives: usize, positives: Option<usize>) -> Option<String> {
    let kinds = [(Some(negatives), "as must go"), (positives, "as may stay")];
    let few: Vec<(usize, &str)> =
        kinds.into_iter().filter_map(|(count, kind)| Some((count.filter(|&count| count < ENOUGH)?, kind))).collect();
    let (&(first, kind), rest) = few.split_first()?;
    let samples = if first == 1 { "sample is" } else { "samples are" };
    let and = rest.first().map_or_else(String::new, |(count, kind)| format!(", {count} {kind}"));
    let of_each = if rest.is_empty() { "" } else { " of each" };
    Some(format!(
        "Only {first} {samples} marked {kind}{and}. With fewer than {ENOUGH}{of_each}, something else may be unlearned."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_marks_are_counted_by_kind() {
        let table = [
            (10, Some(10), None),
            (10, None, None),
            (4, Some(3), Some("Only 4 samples are marked as must go, 3 as may stay. With fewer than 10 of each, ")),
            (1, Some(30), Some("Only 1 sample is marked as must go. With fewer than 10, ")),
            (1, None, Some("Only 1 sample is marked as must go. With fewer than 10, ")),
            (20, Some(9), Some("Only 9 samples are marked as may stay. With fewer than 10, ")),
        ];
        for (negatives, positives, expected) in table {
            let said = too_few_marks(negatives, positives);
            let expected = expected.map(|expected| format!("{expected}something else may be unlearned."));
            assert_eq!(said, expected, "{negatives} and {positives:?}");
        }
    }
}
