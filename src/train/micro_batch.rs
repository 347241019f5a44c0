//! Gradient accumulation: a batch in parts that keep the groups of the minibatch standard deviation whole.

/// Splits sample indices `0..batch` into parts of at most `micro` samples (at least one group of `group` samples each).
///
/// Sample `i` belongs to group `i mod (batch / group)`. A part holds whole groups, in an order in which the
/// discriminator finds the same groups again, so accumulated gradients equal those of the whole batch.
pub fn micro_batches(batch: usize, micro: usize, group: usize) -> Vec<Vec<usize>> {
    let groups = batch / group.max(1);
    let per_part = (micro / group.max(1)).clamp(1, groups.max(1));
    if micro == 0 || per_part >= groups {
        return vec![(0..batch).collect()];
    }
    (0..groups)
        .collect::<Vec<_>>()
        .chunks(per_part)
        .map(|part| (0..group).flat_map(|member| part.iter().map(move |g| member * groups + g)).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_groups_whole() {
        assert_eq!(micro_batches(8, 0, 4), [(0..8).collect::<Vec<_>>()]);
        assert_eq!(micro_batches(8, 8, 4), [(0..8).collect::<Vec<_>>()]);
        // Groups of 8 samples: {0, 2, 4, 6} and {1, 3, 5, 7}.
        assert_eq!(micro_batches(8, 4, 4), [vec![0, 2, 4, 6], vec![1, 3, 5, 7]]);
        // A part of two groups of 16: group g of the part sits at rows g, g + 2, g + 4, g + 6.
        assert_eq!(micro_batches(16, 8, 4)[0], [0, 1, 4, 5, 8, 9, 12, 13]);
        assert_eq!(micro_batches(3, 1, 3), [vec![0, 1, 2]]);
    }
}
