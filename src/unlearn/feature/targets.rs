//! Random samples and what the straight rule makes of them.

use burn::tensor::{Tensor, TensorData};

use crate::{
    feedback::{Origin, PoolCursor},
    networks::{Generator, NormalSource, flat::to_vec},
    unlearn::{
        importance::random_origins,
        latent_rule::LatentRule,
        regression::{Difference, Examples, Part},
    },
};

pub(super) const CHANGED: &str = "changed";
pub(super) const KEPT: &str = "kept";

/// `alpha (mean |G - target| + 1 - MS-SSIM(G, target))` over samples with `p > t`, `mean |G - target|` over the others.
pub(super) struct Targets<'a> {
    pub(super) generator: &'a Generator,
    pub(super) rule: &'a LatentRule<'a>,
    /// The bound `t`.
    pub(super) bound: f64,
    pub(super) alpha: f64,
    pub(super) batch: usize,
    /// How changed images are compared: without MS-SSIM where its window is larger than the images.
    pub(super) changed: Difference,
}

impl Targets<'_> {
    fn part(
        &self,
        name: &'static str,
        samples: &[&Origin],
        images: &[f32],
        difference: Difference,
        weight: f64,
    ) -> Part {
        let (count, side) = (samples.len(), self.generator.resolution());
        let device = self.rule.device();
        let z: Vec<f32> = samples.iter().flat_map(|origin| origin.z.iter().copied()).collect();
        let z = Tensor::from_data(TensorData::new(z, [count, self.generator.latent_dim()]), &device);
        let shape = [count, self.generator.image_channels(), side, side];
        let wanted = Tensor::from_data(TensorData::new(images.to_vec(), shape), &device);
        Part { name, z, psi: None, wanted, difference, weight }
    }
}

impl Examples for Targets<'_> {
    fn next(&mut self, rng: &mut NormalSource) -> Vec<Part> {
        let samples = random_origins(self.generator, self.batch, rng);
        let all: Vec<&Origin> = samples.iter().collect();
        let (images, moves) = self.rule.images(&all, &vec![self.bound; all.len()]);
        let images = to_vec(images);
        let size = images.len() / all.len().max(1);
        let mut parts = Vec::with_capacity(2);
        for (name, moved, difference, weight) in
            [(CHANGED, true, self.changed, self.alpha), (KEPT, false, Difference::Absolute, 1.0)]
        {
            let chosen: Vec<usize> = (0..all.len()).filter(|&i| (moves[i] > 0.0) == moved).collect();
            if chosen.is_empty() {
                continue;
            }
            let origins: Vec<&Origin> = chosen.iter().map(|&i| all[i]).collect();
            let pixels: Vec<f32> =
                chosen.iter().flat_map(|&i| images[i * size..(i + 1) * size].iter().copied()).collect();
            parts.push(self.part(name, &origins, &pixels, difference, weight));
        }
        parts
    }

    fn cursors(&self) -> Vec<PoolCursor> {
        Vec::new()
    }

    fn resume(&mut self, cursors: &[PoolCursor]) -> bool {
        cursors.is_empty()
    }
}
