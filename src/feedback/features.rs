//! What a GAN already knows of its own samples, as numbers a probe can learn from.

use burn::tensor::{Tensor, TensorData};

use super::{error::PoolError, probe::Whitening};
use crate::{
    metrics::labeler::Labeler,
    model::{Model, Sample, Sampler},
    networks::{Discriminator, Leaves, flat::to_vec},
};

/// Side of the small copy of an image that is one of its features.
const SMALL: usize = 16;
/// Side that the generator's own maps are brought to: means of 8x8 maps tell as much and cost a quarter.
const SMALL_MAPS: usize = 4;

/// Makes images and their features. Features are blocks, one after the other: the discriminator's last 4x4 maps (the
/// generator's own 8x8 maps at 4x4, if its family has them, where the file has no discriminator), the image at 16x16 (area means), and a labeler's features
/// where one is given.
///
/// `benches/README.md` has what they were weighed by: on drawn faces the image at full weight hides hats from 24 marks (area
/// under the ROC curve 83 instead of 88 %), but it is all there is where the discriminator is a fresh one. A labeler was
/// trained to tell such images apart, and its features do so far better than the GAN's.
pub(super) struct FeatureExtractor<'a> {
    model: &'a Model,
    sampler: Sampler<'a>,
    /// None in a model without one.
    discriminator: Option<(&'a Discriminator, Leaves)>,
    labeler: Option<&'a Labeler>,
}

impl<'a> FeatureExtractor<'a> {
    pub(super) fn new(model: &'a Model, labeler: Option<&'a Labeler>) -> Self {
        let discriminator = model.gan.as_ref().map(|gan| (&gan.networks.discriminator, gan.d.constants()));
        Self {
            model,
            sampler: Sampler::new(&model.generator, &model.g_ema),
            discriminator,
            labeler: labeler.filter(|labeler| labeler.has_features()),
        }
    }

    /// Samples that are best looked at in one call.
    pub(super) fn chunk(&self) -> usize {
        self.sampler.chunk()
    }

    /// Looks at samples: blocks of features, each `[count, width]` row-major.
    pub(super) fn see(&mut self, samples: &[Sample]) -> Result<Vec<Vec<f32>>, PoolError> {
        let images = self.sampler.render_samples(self.model, samples)?;
        let images = images.as_slice();
        let [channels, height, width] = self.sampler.image_shape();
        let size = channels * height * width;
        let (mut maps, mut small) = (Vec::new(), Vec::new());
        // One that was warmed up knows little of what samples show.
        if !self.model.has_own_discriminator {
            let (own, side) = self.sampler.maps_of_samples(self.model, samples)?;
            maps =
                own.chunks_exact((side * side).max(1)).flat_map(|plane| area_means(plane, side, SMALL_MAPS)).collect();
        }
        let has_maps = !maps.is_empty();
        for part in images.chunks(self.chunk() * size) {
            if let Some((discriminator, weights)) = self.discriminator.as_ref().filter(|_| !has_maps) {
                let count = part.len() / size;
                let tensor = TensorData::new(part.to_vec(), [count, channels, height, width]);
                let tensor = Tensor::<4>::from_data(tensor, &weights.device());
                maps.extend(to_vec(discriminator.trunk(weights, tensor.into()).value));
            }
            small.extend(part.chunks_exact(height * width).flat_map(|plane| area_means(plane, width, SMALL)));
        }
        let mut blocks = vec![maps, small];
        if let Some(labeler) = self.labeler {
            let labels = labeler.label(images, [images.len() / size, channels, height, width])?;
            blocks.extend(labels.features.map(|features| features.values));
        }
        Ok(blocks)
    }
}

/// Means of squares of a square plane, so that `small` are left on a side (all, if there are fewer).
fn area_means(plane: &[f32], side: usize, small: usize) -> Vec<f32> {
    let step = (side / small).max(1);
    let small = side / step;
    let mut out = vec![0.0; small * small];
    for (y, row) in plane.chunks_exact(side).take(small * step).enumerate() {
        for (x, value) in row.iter().take(small * step).enumerate() {
            out[y / step * small + x / step] += value / (step * step) as f32;
        }
    }
    out
}

/// How much each block counts, as the root of its mean squared norm before all are brought to norm 1 together.
const WEIGHTS: [f64; 3] = [1.0, 0.3, 2.0];

/// Brings the blocks of features to one scale and together.
#[derive(Clone, Debug)]
pub(super) struct FeatureSpace(Vec<(usize, Whitening)>);

impl FeatureSpace {
    /// Fits to the blocks of `count` samples; blocks that do not vary are left out. `None` if none is left.
    pub(super) fn fit(blocks: &[Vec<f32>], count: usize) -> Option<Self> {
        let fit = |(i, block): (usize, &Vec<f32>)| Some((i, Whitening::fit(block, block.len() / count.max(1))?));
        let maps: Vec<_> = blocks.iter().enumerate().filter_map(fit).collect();
        (!maps.is_empty()).then_some(Self(maps))
    }

    /// Features of each of `count` samples, of mean squared norm 1.
    pub(super) fn apply(&self, blocks: &[Vec<f32>], count: usize) -> Vec<Vec<f64>> {
        let weight = |block: usize| WEIGHTS.get(block).copied().unwrap_or(1.0);
        let scale = 1.0 / self.0.iter().map(|(block, _)| weight(*block).powi(2)).sum::<f64>().sqrt();
        let mut out = vec![Vec::new(); count];
        for (block, map) in &self.0 {
            let (values, scale) = (&blocks[*block], scale * weight(*block));
            let width = values.len() / count.max(1);
            for (row, out) in values.chunks_exact(width.max(1)).zip(&mut out) {
                out.extend(map.apply(row).into_iter().map(|x| x * scale));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_shrinks_to_area_means() {
        let plane: Vec<f32> = (0..32 * 32).map(|i| (i % 32) as f32 + 100.0 * (i / 32) as f32).collect();
        let small = area_means(&plane, 32, 16);
        assert_eq!(small.len(), 256);
        assert_eq!((small[0], small[1], small[16]), (50.5, 52.5, 250.5));
        assert_eq!(area_means(&plane[..64], 8, 16), plane[..64]);
    }

    #[test]
    fn a_space_leaves_out_what_does_not_vary() {
        let blocks = vec![vec![1.0, 2.0, 5.0, 3.0], vec![7.0; 8]];
        let space = FeatureSpace::fit(&blocks, 4).expect("one block varies");
        let rows = space.apply(&blocks, 4);
        assert!(rows.iter().all(|row| row.len() == 1));
        let norm: f64 = rows.iter().flatten().map(|x| x * x).sum::<f64>() / 4.0;
        assert!((norm - 1.0).abs() < 1e-9);
        assert!(FeatureSpace::fit(&blocks[1..], 4).is_none());
    }
}
