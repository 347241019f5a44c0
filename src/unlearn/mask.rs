//! Masks over a network's weights.

use serde::{Deserialize, Serialize};

use crate::networks::Generator;

/// How much of a layer may move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerShare {
    /// The layer, by the names of its parameters.
    pub layer: String,
    /// The block that it stands in, for people.
    #[serde(default)]
    pub block: String,
    /// Its weights.
    pub weights: usize,
    /// The part of them that may move, in `[0, 1]`.
    pub share: f64,
}

/// 1 for the `ratio` largest values, 0 for the others: `floor(ratio * values)` of them, but one at least. Of equal values
/// those that come first are larger. All weights of a network are ranked together (SalUn, the authors' code).
pub fn largest(values: &[f32], ratio: f64) -> Vec<f32> {
    let count = ((ratio * values.len() as f64) as usize).clamp(1, values.len().max(1));
    if count >= values.len() {
        return vec![1.0; values.len()];
    }
    let mut ranked = values.to_vec();
    let (_, &mut least, _) = ranked.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
    let above = values.iter().filter(|value| value.total_cmp(&least).is_gt()).count();
    let mut equal = count - above;
    let place = |value: &f32| match value.total_cmp(&least) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal if equal > 0 => {
            equal -= 1;
            1.0
        }
        _ => 0.0,
    };
    values.iter().map(place).collect()
}

/// The part of each layer where a mask is 1, in the layout's order. A layer's parameters share their name but for its end.
pub fn layer_shares(generator: &Generator, mask: &[f32]) -> Vec<LayerShare> {
    let mut layers: indexmap::IndexMap<&str, (usize, f64)> = indexmap::IndexMap::new();
    for (name, _, range) in generator.layout().iter() {
        let layer = name.rsplit_once('.').map_or(name, |(layer, _)| layer);
        let (weights, moving) = layers.entry(layer).or_default();
        *weights += range.len();
        *moving += mask[range].iter().map(|&value| f64::from(value)).sum::<f64>();
    }
    let share = |(layer, (weights, moving)): (&str, (usize, f64))| LayerShare {
        layer: layer.to_owned(),
        block: generator.block(layer),
        weights,
        share: moving / weights.max(1) as f64,
    };
    layers.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_ranked_together_and_ties_go_to_who_comes_first() {
        assert_eq!(largest(&[1.0, 3.0, 2.0, 3.0, 0.0], 0.4), [0.0, 1.0, 0.0, 1.0, 0.0]);
        assert_eq!(largest(&[2.0, 2.0, 2.0, 2.0], 0.5), [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(largest(&[2.0, 5.0, 2.0, 2.0, 1.0], 0.6), [1.0, 1.0, 1.0, 0.0, 0.0]);
        // int(5 * 0.5) = 2, as in the authors' code.
        assert_eq!(largest(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.5), [0.0, 0.0, 0.0, 1.0, 1.0]);
        assert_eq!(largest(&[1.0, 2.0], 1.0), [1.0, 1.0]);
        assert_eq!(largest(&[1.0, 2.0], 0.1), [0.0, 1.0]);
        assert_eq!(largest(&[], 0.5), [0.0f32; 0]);
    }

    #[test]
    fn ranks_are_those_of_a_stable_sort() {
        let values: Vec<f32> = (0..997).map(|i| ((i * 7919) % 13) as f32).collect();
        for ratio in [0.01, 0.3, 0.5, 0.77] {
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
            let mut expected = vec![0.0; values.len()];
            order.iter().take((ratio * 997.0) as usize).for_each(|&i| expected[i] = 1.0);
            assert_eq!(largest(&values, ratio), expected);
        }
    }
}
