//! Which patches of which picture are seen, in which order.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// The patches of a batch of pictures, sorted by one random number each: those with the smallest are seen.
#[derive(Clone, Debug)]
pub struct PatchOrder {
    batch: usize,
    patches: usize,
    visible: usize,
    /// `[batch, patches]`: the patch at each place of the order.
    order: Vec<usize>,
    /// `[batch, patches]`: the place of each patch.
    rank: Vec<usize>,
}

impl PatchOrder {
    /// From one number a patch, `[batch, patches]`; the `visible` smallest of each row are seen, in rising order, ties in the
    /// patches' order.
    pub fn new(noise: &[f32], patches: usize, visible: usize) -> Self {
        let batch = noise.len() / patches.max(1);
        let mut order = Vec::with_capacity(noise.len());
        let mut rank = vec![0; noise.len()];
        for (row, noise) in noise.chunks_exact(patches.max(1)).enumerate() {
            let mut patch_at: Vec<usize> = (0..patches).collect();
            patch_at.sort_by(|a, b| noise[*a].total_cmp(&noise[*b]));
            for (place, &patch) in patch_at.iter().enumerate() {
                rank[row * patches + patch] = place;
            }
            order.extend(patch_at);
        }
        Self { batch, patches, visible: visible.min(patches), order, rank }
    }

    /// Number of pictures.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Number of patches seen of each.
    pub fn visible(&self) -> usize {
        self.visible
    }

    /// The place of each patch in its picture's order, `[batch, patches]`.
    pub fn rank(&self) -> &[usize] {
        &self.rank
    }

    /// 1 for a hidden patch, 0 for a visible one, `[batch, patches]`.
    pub fn mask(&self) -> Vec<f32> {
        self.rank.iter().map(|&place| if place < self.visible { 0.0 } else { 1.0 }).collect()
    }

    /// Rows of `[batch * patches, ...]` that are seen, `[batch * visible]`.
    pub(in crate::networks) fn seen_rows(&self, device: &Device) -> Tensor<1, Int> {
        let row =
            |row: usize| self.order[row * self.patches..][..self.visible].iter().map(move |p| row * self.patches + p);
        let rows = (0..self.batch).flat_map(row);
        indices(rows.collect(), device)
    }

    /// The patches that are seen, `[batch * visible]`, each a row of a table of positions.
    pub(in crate::networks) fn seen_patches(&self, device: &Device) -> Tensor<1, Int> {
        let rows = (0..self.batch).flat_map(|row| self.order[row * self.patches..][..self.visible].iter().copied());
        indices(rows.collect(), device)
    }

    /// The tokens that a decoder takes, `[batch * (1 + patches)]`: each picture's class token, then one a patch in the picture's
    /// order, as rows of `batch * (1 + visible)` tokens and, behind them, one that stands for all hidden patches.
    pub(in crate::networks) fn token_rows(&self, device: &Device) -> Tensor<1, Int> {
        let tokens = 1 + self.visible;
        let hidden = self.batch * tokens;
        let mut rows = Vec::with_capacity(self.batch * (1 + self.patches));
        for (picture, rank) in self.rank.chunks_exact(self.patches.max(1)).enumerate() {
            let first = picture * tokens;
            rows.push(first);
            rows.extend(rank.iter().map(|&place| if place < self.visible { first + 1 + place } else { hidden }));
        }
        indices(rows, device)
    }
}

fn indices(rows: Vec<usize>, device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = rows.into_iter().map(|row| i32::try_from(row).unwrap_or(i32::MAX)).collect();
    let shape = [rows.len()];
    Tensor::from_data(TensorData::new(rows, shape), device)
}
