//! Where in the network something changed: how far weights moved, and how alike features still are.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::subject::Subject;
use crate::networks::{Dual, FlatParams, Generator, flat::to_vec};

/// Features of a map are means over at most so many squares along a side.
const CELLS: usize = 4;

/// How far the weights of one block moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockDistance {
    /// The block, as the family names it.
    pub block: String,
    /// Number of its weights.
    pub weights: usize,
    /// `|after - before| / |before|` (2-norms).
    pub relative: f64,
    /// Part of its weights that are not what they were, in [0, 1].
    pub moved: f64,
}

/// How alike the maps of one layer are before and after, for the same latents: linear CKA (Kornblith et al. 2019), 1 for maps that differ by
/// a rotation and a scale only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerSimilarity {
    /// The layer.
    pub layer: String,
    /// Over samples that showed what must go.
    pub negatives: f64,
    /// Over the others.
    pub positives: f64,
}

/// How far weights moved, block by block; `None` for networks that differ in more than their weights.
pub fn distances(generator: &Generator, before: &FlatParams, after: &FlatParams) -> Option<Vec<BlockDistance>> {
    if before.layout != after.layout {
        return None;
    }
    let (old, new) = (to_vec(before.values.clone()), to_vec(after.values.clone()));
    #[derive(Default)]
    struct Sums {
        weights: usize,
        moved: usize,
        change: f64,
        norm: f64,
    }
    let mut blocks: IndexMap<String, Sums> = IndexMap::new();
    for (name, _, range) in before.layout.iter() {
        let sums = blocks.entry(generator.block(name)).or_default();
        for (old, new) in old[range.clone()].iter().zip(&new[range]) {
            sums.weights += 1;
            sums.moved += usize::from(old != new);
            sums.change += f64::from(new - old).powi(2);
            sums.norm += f64::from(*old).powi(2);
        }
    }
    let of = |(block, sums): (String, Sums)| BlockDistance {
        block,
        weights: sums.weights,
        relative: (sums.change / sums.norm.max(f64::MIN_POSITIVE)).sqrt(),
        moved: sums.moved as f64 / sums.weights.max(1) as f64,
    };
    Some(blocks.into_iter().map(of).collect())
}

/// How alike two models' maps are over the same latents, `[negatives, positives]`, each `[n, latent_dim]`; `None` if `progress` (told the
/// samples drawn) stopped it. Empty where the family shows no maps or the two have different ones.
pub fn similarities(
    [before, after]: [&Subject; 2],
    [negatives, positives]: [&[f32]; 2],
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Option<Vec<LayerSimilarity>> {
    let mut by_kind = Vec::new();
    for z in [negatives, positives] {
        let mut pair = Vec::new();
        for subject in [before, after] {
            pair.push(layer_features(subject, z, progress)?);
        }
        let [new, old] = [pair.pop()?, pair.pop()?];
        let names_agree = old.keys().eq(new.keys());
        if !names_agree {
            return Some(Vec::new());
        }
        by_kind
            .push(old.into_iter().zip(new).map(|((layer, a), (_, b))| (layer, linear_cka(a, b))).collect::<Vec<_>>());
    }
    let [positives, negatives] = [by_kind.pop()?, by_kind.pop()?];
    let of = |((layer, negatives), (_, positives))| LayerSimilarity { layer, negatives, positives };
    Some(negatives.into_iter().zip(positives).map(of).collect())
}

/// The features of every layer, `[n, features]`.
fn layer_features(
    subject: &Subject,
    z: &[f32],
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Option<IndexMap<String, Tensor<2>>> {
    let dim = subject.generator.latent_dim();
    let leaves = subject.weights.constants();
    let mut layers: IndexMap<String, Vec<Tensor<2>>> = IndexMap::new();
    for part in z.chunks(subject.pass() * dim) {
        let n = part.len() / dim;
        let latents = burn::tensor::TensorData::new(part.to_vec(), [n, dim]);
        let w = subject.generator.map(&leaves, Tensor::from_data(latents, &leaves.device()));
        let ws: Vec<_> = subject.generator.broadcast(w).into_iter().map(Dual::from).collect();
        for (name, maps) in subject.generator.maps(&leaves, &ws) {
            layers.entry(name).or_default().push(cells(maps));
        }
        if progress(n).is_break() {
            return None;
        }
    }
    Some(layers.into_iter().map(|(name, parts)| (name, Tensor::cat(parts, 0))).collect())
}

/// Means of maps `[n, channels, side, side]` over squares, at most [`CELLS`] along a side: `[n, channels * cells]`. Rows and columns that fill no
/// square are left out.
fn cells(maps: Tensor<4>) -> Tensor<2> {
    let [n, channels, height, width] = maps.dims();
    let (down, across) = (height.min(CELLS), width.min(CELLS));
    let (rows, columns) = (height / down, width / across);
    let maps = maps.narrow(2, 0, rows * down).narrow(3, 0, columns * across);
    let maps = maps.reshape([n * channels * down, rows, across, columns]).mean_dim(3).mean_dim(1);
    maps.reshape([n, channels * down * across])
}

/// Linear CKA of two sets of features of the same samples, `[n, p]` and `[n, q]`, in [0, 1]: `|Y'X|^2 / (|X'X| |Y'Y|)` (Frobenius norms, columns
/// centred); 1 for two that do not vary at all.
fn linear_cka(x: Tensor<2>, y: Tensor<2>) -> f64 {
    let gram = |x: Tensor<2>| {
        let x = x.clone() - x.mean_dim(0);
        to_vec(x.clone().matmul(x.transpose()))
    };
    let (k, l) = (gram(x), gram(y));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let (kl, kk, ll) = (dot(&k, &l), dot(&k, &k), dot(&l, &l));
    if kk == 0.0 && ll == 0.0 { 1.0 } else { kl / (kk * ll).sqrt().max(f64::MIN_POSITIVE) }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::networks::NormalSource;

    fn features(rows: usize, width: usize, seed: u64) -> Tensor<2> {
        let values = NormalSource::new(seed, 0).normals(rows * width);
        Tensor::from_data(TensorData::new(values, [rows, width]), &Device::flex())
    }

    #[test]
    fn similarity_does_not_see_rotations_and_scales_but_everything_else() {
        let x = features(60, 3, 1);
        assert!((linear_cka(x.clone(), x.clone()) - 1.0).abs() < 1e-5);
        // Turned by 90 degrees in the first two columns, three times as large, and moved.
        let column = |x: &Tensor<2>, i| x.clone().narrow(1, i, 1);
        let turned = Tensor::cat(vec![-column(&x, 1), column(&x, 0), column(&x, 2)], 1) * 3.0 + 7.0;
        assert!((linear_cka(x.clone(), turned) - 1.0).abs() < 1e-4);
        let other = linear_cka(x.clone(), features(60, 3, 2));
        assert!(other < 0.3, "{other}");
        // By hand: x = (-1, 0, 1), y = (1, -2, 1): no correlation at all.
        let fixed = |v: [f32; 3]| Tensor::<2>::from_data(TensorData::new(v.to_vec(), [3, 1]), &Device::flex());
        assert!(linear_cka(fixed([-1.0, 0.0, 1.0]), fixed([1.0, -2.0, 1.0])).abs() < 1e-9);
        // x = (-1, 0, 1), y = (0, 0, 3), centred (-1, -1, 2): correlation 3 / sqrt(2 * 6), its square is 0.75.
        assert!((linear_cka(fixed([-1.0, 0.0, 1.0]), fixed([0.0, 0.0, 3.0])) - 0.75).abs() < 1e-6);
    }

    #[test]
    fn squares_of_a_map_are_means() {
        let values: Vec<f32> = (0..64).map(|i| i as f32).collect();
        let maps = Tensor::<4>::from_data(TensorData::new(values, [1, 1, 8, 8]), &Device::flex());
        let found = to_vec(cells(maps));
        // The first square holds 0, 1, 8 and 9, the last 54, 55, 62 and 63.
        assert_eq!((found.len(), found[0], found[15]), (16, 4.5, 58.5));
        let small = Tensor::<4>::from_data(TensorData::new(vec![1.0f32, 2.0], [1, 2, 1, 1]), &Device::flex());
        assert_eq!(to_vec(cells(small)), [1.0, 2.0]);
    }
}
