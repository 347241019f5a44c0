//! What one generator pass is drawn from: latents, style mixing, noise maps.

use burn::backend::DispatchDevice;
use burn::tensor::{Device, Distribution, Tensor, TensorData};

use super::{augment::Transform, rows::index_tensor};
use crate::networks::{
    Generator, Leaves, Noise,
    latents::{NormalSource, push_class},
};

/// Latents (and noise) of one batch, on the device.
#[derive(Clone, Debug)]
pub struct Draw {
    /// `[batch, latent_dim]`, the class behind each latent (in class-conditional networks).
    pub z: Tensor<2>,
    /// Second latents and the layer from which they are used (style mixing).
    pub mixed: Option<(Tensor<2>, usize)>,
    /// Noise maps.
    pub noise: Noise,
    /// What is done to the images before a discriminator sees them.
    pub augment: Option<Transform>,
}

impl Draw {
    /// A batch with the given latents and constant noise.
    pub fn constant(z: Tensor<2>) -> Self {
        Self { z, mixed: None, noise: Noise::Constant, augment: None }
    }

    /// A random training batch: with probability `mixing` two latents crossing at a random layer; random noise
    /// maps per sample if `random_noise`, else the constant ones.
    pub fn random(
        generator: &Generator,
        batch: usize,
        mixing: f64,
        random_noise: bool,
        rng: &mut NormalSource,
        device: &Device,
    ) -> Self {
        let dim = generator.z_dim();
        let latent =
            |rng: &mut NormalSource| Tensor::from_data(TensorData::new(rng.normals(batch * dim), [batch, dim]), device);
        let mix = mixing > 0.0 && generator.num_ws() > 1 && rng.uniform() < mixing;
        let z = latent(rng);
        let mixed = mix.then(|| {
            let second = latent(rng);
            (second, 1 + rng.below(generator.num_ws() - 1))
        });
        // Two latents that are mixed are of one class.
        let classes = classes(generator, batch, rng, device);
        let behind = |z: Tensor<2>| match &classes {
            Some(classes) => Tensor::cat(vec![z, classes.clone()], 1),
            None => z,
        };
        let (z, mixed) = (behind(z), mixed.map(|(second, at)| (behind(second), at)));
        let noise = if random_noise {
            Noise::Maps(generator.noise_sides().into_iter().map(|side| noise_map(batch, side, rng, device)).collect())
        } else {
            Noise::Constant
        };
        Self { z, mixed, noise, augment: None }
    }

    /// Number of samples.
    pub fn batch(&self) -> usize {
        self.z.dims()[0]
    }

    /// The samples with these indices.
    pub fn select(&self, indices: &[usize]) -> Self {
        let rows = index_tensor(indices, &self.z.device());
        let noise = match &self.noise {
            Noise::Maps(maps) => Noise::Maps(maps.iter().map(|m| m.clone().select(0, rows.clone())).collect()),
            other => other.clone(),
        };
        Self {
            z: self.z.clone().select(0, rows.clone()),
            mixed: self.mixed.as_ref().map(|(z, at)| (z.clone().select(0, rows), *at)),
            noise,
            augment: self.augment.as_ref().map(|augment| augment.select(indices)),
        }
    }

    /// The mapped latents of every layer, each `[batch, style_dim]`.
    pub fn map(&self, generator: &Generator, p: &Leaves) -> Vec<Tensor<2>> {
        let first = generator.map(p, self.z.clone());
        match &self.mixed {
            None => generator.broadcast(first),
            Some((z, at)) => generator.mix(first, generator.map(p, z.clone()), *at),
        }
    }

    /// The images of this draw as a discriminator is to see them, `[batch, channels, side, side]`.
    pub fn images(&self, generator: &Generator, p: &Leaves) -> Tensor<4> {
        let ws: Vec<_> = self.map(generator, p).into_iter().map(Into::into).collect();
        let images = generator.synthesize(p, &ws, &self.noise).value;
        match &self.augment {
            Some(augment) => augment.apply(images),
            None => images,
        }
    }
}

/// One class for every sample, one-hot: the generator's only one, or any; none in unconditional networks.
fn classes(generator: &Generator, batch: usize, rng: &mut NormalSource, device: &Device) -> Option<Tensor<2>> {
    let classes = generator.classes();
    let mut rows = Vec::with_capacity(batch * classes);
    for _ in 0..batch {
        push_class(&mut rows, generator.class().unwrap_or_else(|| rng.below(classes)), classes);
    }
    (classes > 0).then(|| Tensor::from_data(TensorData::new(rows, [batch, classes]), device))
}

/// Whether tensors of this device live on the CPU.
fn is_cpu(device: &Device) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_))
}

/// Standard normal noise, `[batch, 1, side, side]`. On the CPU it comes from the seeded source, so that a run is
/// reproducible byte for byte; a GPU draws its own from a seed that the source gives, since copying megapixels of noise
/// would dominate an iteration.
fn noise_map(batch: usize, side: usize, rng: &mut NormalSource, device: &Device) -> Tensor<4> {
    let shape = [batch, 1, side, side];
    if is_cpu(device) {
        Tensor::from_data(TensorData::new(rng.normals(batch * side * side), shape), device)
    } else {
        // Every map has a seed of its own: seeding first does what the device was asked for before, so no other draw that
        // waits there, and no order in which they are done, can change this one.
        device.seed(rng.seed());
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::flat::to_vec;

    #[test]
    fn on_the_cpu_noise_is_what_the_source_gives_and_nothing_else_is_drawn() {
        let (mut source, mut same) = (NormalSource::new(3, 1), NormalSource::new(3, 1));
        let map = noise_map(2, 4, &mut source, &Device::flex());
        assert_eq!((map.dims(), to_vec(map)), ([2, 1, 4, 4], same.normals(2 * 4 * 4)));
        assert_eq!(source.state(), same.state());
    }
}
