//! How well scores tell two kinds apart.

/// Area under the ROC curve: the part of the pairs of a true and a false that have the higher score on the true one,
/// equal scores counting half. `None` if one kind is missing.
pub fn auc(scores: &[f64], kinds: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len().min(kinds.len())).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut below, mut right) = (0.0, 0.0);
    for group in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let truths = group.iter().filter(|&&i| kinds[i]).count() as f64;
        let falses = group.len() as f64 - truths;
        right += truths * (below + falses / 2.0);
        below += falses;
    }
    let pairs = below * (order.len() as f64 - below);
    (pairs > 0.0).then(|| right / pairs)
}

/// Mean of the parts of both kinds that are on their side of 0 (true: above). `None` if one kind is missing.
pub fn balanced_accuracy(scores: &[f64], kinds: &[bool]) -> Option<f64> {
    let part = |kind: bool| {
        let scores: Vec<f64> = scores.iter().zip(kinds).filter(|(_, k)| **k == kind).map(|(s, _)| *s).collect();
        let right = scores.iter().filter(|&&s| (s > 0.0) == kind).count();
        (!scores.is_empty()).then(|| right as f64 / scores.len() as f64)
    };
    Some((part(true)? + part(false)?) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let kinds = [true, true, false, false, false];
        assert_eq!(auc(&[3.0, 2.0, 1.0, 0.0, -1.0], &kinds), Some(1.0));
        assert_eq!(auc(&[3.0, -2.0, 1.0, 0.0, -1.0], &kinds), Some(0.5));
        // Pairs: 3 of 3 for the first; a half, 1 and 1 for the second.
        assert_eq!(auc(&[3.0, 1.0, 1.0, 0.0, -1.0], &kinds), Some(5.5 / 6.0));
        assert_eq!(auc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(balanced_accuracy(&[3.0, -2.0, 1.0, 0.0, -1.0], &kinds), Some((0.5 + 2.0 / 3.0) / 2.0));
        assert_eq!(balanced_accuracy(&[1.0], &[false]), None);
    }
}
