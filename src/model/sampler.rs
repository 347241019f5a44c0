//! Images at latent addresses.

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    error::ModelError,
    opened::Model,
    passes::{IMAGES_HELD, samples_of_a_pass},
    sample::Sample,
};
use crate::{
    networks::{Dual, FlatParams, Generator, Leaves, Noise, flat::to_vec, latents::slerp},
    train::passes::side_by_side,
};

/// Renders samples of one set of weights.
pub struct Sampler<'a> {
    generator: &'a Generator,
    leaves: Leaves,
    w_mean: Option<Tensor<2>>,
    chunk: usize,
}

impl<'a> Sampler<'a> {
    /// A sampler for these weights.
    pub fn new(generator: &'a Generator, weights: &FlatParams) -> Self {
        let chunk = samples_of_a_pass(generator, &weights.device());
        Self { generator, leaves: weights.constants_of_many_passes(), w_mean: None, chunk }
    }

    /// A sampler that already knows the centre of truncation of these weights, see [`Sampler::centre`].
    pub fn with_centre(self, w_mean: Option<Tensor<2>>) -> Self {
        Self { w_mean, ..self }
    }

    /// The centre of truncation `[1, style]`, if it was needed so far. Finding it takes a moment, so it is worth keeping.
    pub fn centre(&self) -> Option<Tensor<2>> {
        self.w_mean.clone()
    }

    /// Shape of one image: channels, height, width.
    pub fn image_shape(&self) -> [usize; 3] {
        let side = self.generator.resolution();
        [self.generator.image_channels(), side, side]
    }

    /// Samples that are rendered in one pass, as [`samples_of_a_pass`] says.
    pub fn chunk(&self) -> usize {
        self.chunk.min(self.images_held())
    }

    /// Samples of so many passes, or fewer where their images would be more than are held at a time.
    pub fn page(&self, passes: usize) -> usize {
        (self.chunk() * passes).min(self.images_held()).max(1)
    }

    fn images_held(&self) -> usize {
        let image = self.image_shape().iter().product::<usize>() * size_of::<f32>();
        (IMAGES_HELD / image.max(1)).max(1)
    }

    /// Images of latents `z [count, latent_dim]` (row-major, classes behind them), `[count, channels, side, side]` row-major, nominally in
    /// `[-1, 1]`; constant noise.
    pub fn render(&mut self, z: &[f32], psi: f32) -> Vec<f32> {
        let dim = self.generator.latent_dim();
        let chunk = self.chunk() * dim;
        let mut out = Vec::with_capacity(z.len() / dim * self.image_shape().iter().product::<usize>());
        for part in z.chunks(chunk) {
            out.extend(to_vec(self.render_chunk(part, psi)));
        }
        out
    }

    /// Images at the addresses `(seed, index)`.
    pub fn render_at(&mut self, seed: u64, indices: impl IntoIterator<Item = u64>, psi: f32) -> Vec<f32> {
        let z = self.generator.latents(seed, indices);
        self.render(&z, psi)
    }

    /// The image at `t` in `[0, 1]` on the way between two latents `[latent_dim]` (classes behind them),
    /// `[channels, side, side]`; that of `from` at 0, and at 1 that of `to` with the class of `from`, which stays what it is.
    ///
    /// Where a mapping network makes `w`s, the way is the straight line between two of them; elsewhere it is the arc
    /// between the two `z` ([`slerp`]). So are W and Z walked through to measure perceptual path length (Karras et al. 2019,
    /// arXiv:1812.04948, section 4.1).
    pub fn between(&mut self, from: &[f32], to: &[f32], t: f32, psi: f32) -> Vec<f32> {
        let dim = self.generator.z_dim();
        let (z, class) = from.split_at(dim.min(from.len()));
        let to = to.get(..dim).unwrap_or(to);
        let w = if self.generator.has_mapping() {
            self.map(from) * (1.0 - t) + self.map(&[to, class].concat()) * t
        } else {
            self.map(&[&slerp(z, to, t), class].concat())
        };
        let ws = self.truncated(w, psi);
        to_vec(self.generator.synthesize(&self.leaves, &ws, &Noise::Constant).value)
    }

    /// What samples `z` show to whoever says what they show: the pictures that are completed, as they are; elsewhere the
    /// [images](Self::render) themselves.
    pub fn subjects(&mut self, z: &[f32], psi: f32) -> Vec<f32> {
        match self.generator.completion() {
            Some(network) => network.originals(z),
            None => self.render(z, psi),
        }
    }

    /// As [`subjects`](Self::subjects), `[count, channels, side, side]` on the device. On a processor every sample goes through a pass
    /// of its own, so that its image has the same bits whatever others are drawn with it: the order in which a product of
    /// matrices sums depends on how many rows it has.
    pub fn subjects_each(&mut self, z: &[f32], psi: f32) -> Tensor<4> {
        let device = self.leaves.device();
        if let Some(network) = self.generator.completion() {
            let [channels, height, width] = self.image_shape();
            let count = z.len() / self.generator.latent_dim();
            return Tensor::from_data(TensorData::new(network.originals(z), [count, channels, height, width]), &device);
        }
        if psi != 1.0 {
            self.w_mean();
        }
        self.each(z, self.generator.latent_dim(), |part| {
            let w = self.map(part);
            match &self.w_mean {
                Some(mean) if psi != 1.0 => self.generator.truncate(w, mean.clone(), psi),
                _ => w,
            }
        })
    }

    /// Images of mapped latents `w [count, w_dim]` (row-major), the same in all layers, as [`subjects_each`](Self::subjects_each)
    /// draws them.
    pub fn styles_each(&self, w: &[f32]) -> Tensor<4> {
        let device = self.leaves.device();
        let width = self.generator.w_dim();
        self.each(w, width, |part| {
            Tensor::from_data(TensorData::new(part.to_vec(), [part.len() / width, width]), &device)
        })
    }

    /// Images of rows of `width` values that `map` brings to `w`, no more at a time than a pass takes.
    fn each(&self, rows: &[f32], width: usize, map: impl Fn(&[f32]) -> Tensor<2> + Send + Sync) -> Tensor<4> {
        let device = self.leaves.device();
        let draw = |part: &[f32]| {
            let ws: Vec<_> = self.generator.broadcast(map(part)).into_iter().map(Dual::from).collect();
            self.generator.synthesize(&self.leaves, &ws, &Noise::Constant).value
        };
        let mut images = Vec::new();
        for pass in rows.chunks(self.chunk() * width.max(1)) {
            let alone = device == Device::flex();
            let parts = pass.chunks(if alone { width.max(1) } else { pass.len() }).collect();
            images.extend(side_by_side(parts, &device, draw));
        }
        if images.is_empty() {
            let [channels, height, width] = self.image_shape();
            return Tensor::zeros([0, channels, height, width], &device);
        }
        Tensor::cat(images, 0)
    }

    /// As [`subjects`](Self::subjects), of a model's samples, of any seeds, classes and truncations, in their order.
    pub fn subjects_of(&mut self, model: &Model, samples: &[Sample]) -> Result<Vec<f32>, ModelError> {
        let mut out = Vec::new();
        for run in samples.chunk_by(|a, b| a.psi() == b.psi()) {
            let Some(first) = run.first() else { continue };
            out.extend(self.subjects(&latents(model, run)?, first.psi()));
        }
        Ok(out)
    }

    /// The generator's own maps of a model's samples ([`GeneratorNetwork::trunk`](crate::networks::GeneratorNetwork::trunk)),
    /// `[samples, channels, side, side]`, and their side; none if its family has no such maps.
    pub fn maps_of_samples(&mut self, model: &Model, samples: &[Sample]) -> Result<(Vec<f32>, usize), ModelError> {
        let (mut out, mut side) = (Vec::new(), 0);
        let chunk = self.chunk();
        for run in samples.chunk_by(|a, b| a.psi() == b.psi()).flat_map(|run| run.chunks(chunk)) {
            let Some(first) = run.first() else { continue };
            let ws = self.styles(&latents(model, run)?, first.psi());
            if let Some(maps) = self.generator.trunk(&self.leaves, &ws) {
                side = maps.dims()[3];
                out.extend(to_vec(maps));
            }
        }
        Ok((out, side))
    }

    fn render_chunk(&mut self, z: &[f32], psi: f32) -> Tensor<4> {
        let ws = self.styles(z, psi);
        self.generator.synthesize(&self.leaves, &ws, &Noise::Constant).value
    }

    /// The mapped and truncated latents of every layer.
    fn styles(&mut self, z: &[f32], psi: f32) -> Vec<Dual<2>> {
        self.truncated(self.map(z), psi)
    }

    /// The latents `w` `[batch, w_dim]` truncated, one for every layer.
    fn truncated(&mut self, mut w: Tensor<2>, psi: f32) -> Vec<Dual<2>> {
        if psi != 1.0 {
            w = self.generator.truncate(w, self.w_mean(), psi);
        }
        self.generator.broadcast(w).into_iter().map(Dual::from).collect()
    }

    fn map(&self, z: &[f32]) -> Tensor<2> {
        let dim = self.generator.latent_dim();
        let z = TensorData::new(z.to_vec(), [z.len() / dim, dim]);
        let device = self.leaves.device();
        self.generator.map(&self.leaves, Tensor::from_data(z, &device))
    }

    fn w_mean(&mut self) -> Tensor<2> {
        if let Some(mean) = &self.w_mean {
            return mean.clone();
        }
        let mean = self.generator.w_mean(&self.leaves);
        self.w_mean = Some(mean.clone());
        mean
    }
}

/// The latents of a model's samples, `[samples, latent_dim]` row-major.
fn latents(model: &Model, samples: &[Sample]) -> Result<Vec<f32>, ModelError> {
    let mut z = Vec::with_capacity(samples.len() * model.generator.latent_dim());
    for sample in samples {
        z.extend(model.latent(*sample)?);
    }
    Ok(z)
}
