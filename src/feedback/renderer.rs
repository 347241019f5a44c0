//! Whoever draws a pool's images, whenever they are asked for.

use std::{
    fmt::Debug,
    sync::{Arc, OnceLock},
};

use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    model::{Model, Sampler},
    networks::{FlatParams, Generator, Pictures},
};

/// What an image was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// Its latent.
    pub z: Vec<f32>,
    /// Its truncation.
    pub psi: f32,
}

/// Draws images of a pool. On a processor an image has the same bits whatever others are drawn with it, so that a pool need not
/// hold it.
pub trait Renderer: Debug + Send + Sync {
    /// The images of some samples, each by its place in the pool and what it was made from, `[samples, channels, height, width]`.
    fn render(&self, samples: &[(usize, &Origin)]) -> Tensor<4>;

    /// The pictures that it looks up by their places in the pool, if it draws nothing of the model's.
    fn pictures(&self) -> Option<&Arc<dyn Pictures>> {
        None
    }
}

/// Draws a model's samples, or, of one that completes pictures, looks up the pictures that are completed.
#[derive(Debug)]
pub struct SampleRenderer {
    generator: Generator,
    weights: FlatParams,
    /// The centre of truncation, once a truncated sample was drawn.
    centre: OnceLock<Tensor<2>>,
}

impl SampleRenderer {
    /// Of a model as it was opened. Tensors are shared, not copied.
    pub fn new(model: &Model) -> Self {
        Self { generator: model.generator.clone(), weights: model.g_ema.clone(), centre: OnceLock::new() }
    }
}

impl Renderer for SampleRenderer {
    fn render(&self, samples: &[(usize, &Origin)]) -> Tensor<4> {
        let mut sampler = Sampler::new(&self.generator, &self.weights).with_centre(self.centre.get().cloned());
        let mut images = Vec::new();
        for run in samples.chunk_by(|(_, a), (_, b)| a.psi == b.psi) {
            let z: Vec<f32> = run.iter().flat_map(|(_, origin)| origin.z.iter().copied()).collect();
            images.push(sampler.subjects_each(&z, run[0].1.psi));
        }
        if let Some(centre) = sampler.centre() {
            self.centre.get_or_init(|| centre);
        }
        Tensor::cat(images, 0)
    }
}

/// Draws what a generator makes of other mapped latents than the samples' own: one for each place in the pool.
#[derive(Debug)]
pub struct StyleRenderer {
    generator: Generator,
    weights: FlatParams,
    /// `[places, w_dim]`.
    ws: Vec<f32>,
}

impl StyleRenderer {
    /// With these mapped latents `[places, w_dim]`, row-major.
    pub fn new(generator: Generator, weights: FlatParams, ws: Vec<f32>) -> Self {
        Self { generator, weights, ws }
    }
}

impl Renderer for StyleRenderer {
    fn render(&self, samples: &[(usize, &Origin)]) -> Tensor<4> {
        let width = self.generator.w_dim();
        let ws: Vec<f32> =
            samples.iter().flat_map(|&(place, _)| self.ws[place * width..][..width].iter().copied()).collect();
        Sampler::new(&self.generator, &self.weights).styles_each(&ws)
    }
}

/// Looks up pictures, each by its place in the pool, which hold their bytes.
#[derive(Debug)]
pub struct PictureRenderer {
    pictures: Arc<dyn Pictures>,
    /// 1 or 3.
    channels: usize,
    device: Device,
}

impl PictureRenderer {
    /// Of pictures with so many channels, to a device; grey is the mean of the colours, as the networks see it.
    pub fn new(pictures: Arc<dyn Pictures>, channels: usize, device: Device) -> Self {
        Self { pictures, channels, device }
    }
}

impl Renderer for PictureRenderer {
    fn render(&self, samples: &[(usize, &Origin)]) -> Tensor<4> {
        let side = self.pictures.side();
        let plane = side * side;
        let mut values = Vec::with_capacity(samples.len() * self.channels * plane);
        for &(place, _) in samples {
            let picture = self.pictures.picture(place);
            match self.channels {
                3 => values.extend(picture),
                _ => values
                    .extend((0..plane).map(|at| (picture[at] + picture[plane + at] + picture[2 * plane + at]) / 3.0)),
            }
        }
        let shape = [samples.len(), self.channels, side, side];
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    fn pictures(&self) -> Option<&Arc<dyn Pictures>> {
        Some(&self.pictures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{LatentAddress, flat::to_vec};

    fn fixture(name: &str) -> Model {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name);
        Model::load(&path, &Device::flex()).expect(name)
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn an_image_has_the_same_bits_whatever_others_are_drawn_with_it() {
        let files = [
            "stylegan2-16.pt",
            "stylegan2-ada-32.pkl",
            "ada-8-conditional.pkl",
            "dcgan-64.pt",
            "sg3-r-16.pkl",
            "sg3-t-16-conditional.pkl",
        ];
        for file in files {
            let model = fixture(file);
            let renderer = SampleRenderer::new(&model);
            let sample =
                |index: u64, psi: f32| Origin { z: model.generator.latent(LatentAddress { seed: 3, index }), psi };
            // More than a pass of most of these, and truncated ones among them.
            let origins: Vec<Origin> = (0..70).map(|i| sample(i, if i % 9 < 7 { 1.0 } else { 0.6 })).collect();
            let some: Vec<_> = origins.iter().enumerate().collect();
            let all = to_vec(renderer.render(&some));
            let size = all.len() / origins.len();
            for part in [vec![0], vec![69], vec![8, 0, 33], (20..40).collect()] {
                let chosen: Vec<_> = part.iter().map(|&place| some[place]).collect();
                let found = to_vec(SampleRenderer::new(&model).render(&chosen));
                for (image, &place) in found.chunks_exact(size).zip(&part) {
                    assert_eq!(bits(image), bits(&all[place * size..][..size]), "{file}, sample {place} of {part:?}");
                }
            }
            // And it is the sample that everybody else sees.
            let mut sampler = Sampler::new(&model.generator, &model.g_ema);
            for (place, psi) in [(5, 1.0), (8, 0.6)] {
                let usual = sampler.render(&origins[place].z, psi);
                let apart =
                    usual.iter().zip(&all[place * size..]).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
                assert!(apart < 1e-4, "{file}: {apart}");
            }
        }
    }

    #[test]
    fn mapped_latents_give_the_images_of_their_samples() {
        let model = fixture("stylegan2-16.pt");
        let (generator, device) = (&model.generator, Device::flex());
        let z = generator.latents(1, 0..6);
        let latent = generator.latent_dim();
        let w = generator
            .map(&model.g_ema.constants(), Tensor::from_data(TensorData::new(z.clone(), [6, latent]), &device));
        let renderer = StyleRenderer::new(generator.clone(), model.g_ema.clone(), to_vec(w));
        let origin = Origin { z: Vec::new(), psi: 1.0 };
        let found = to_vec(renderer.render(&[(4, &origin), (1, &origin)]));
        let all = Sampler::new(generator, &model.g_ema).render(&z, 1.0);
        let size = all.len() / 6;
        for (image, place) in found.chunks_exact(size).zip([4, 1]) {
            let apart = image.iter().zip(&all[place * size..]).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(apart < 1e-5, "{place}: {apart}");
        }
        let whole: Vec<_> = (0..6).map(|place| (place, &origin)).collect();
        let whole = to_vec(renderer.render(&whole));
        assert_eq!(bits(&whole[4 * size..][..size]), bits(&found[..size]));
    }

    /// Two colour pictures of 2x2.
    #[derive(Debug)]
    struct Two;

    impl Pictures for Two {
        fn count(&self) -> usize {
            2
        }

        fn side(&self) -> usize {
            2
        }

        fn picture(&self, number: usize) -> Vec<f32> {
            (0..12).map(|at| (at + 100 * number) as f32).collect()
        }

        fn digest(&self, number: usize) -> [u8; 32] {
            [number as u8; 32]
        }

        fn find(&self, digest: &[u8; 32]) -> Option<usize> {
            Some(usize::from(digest[0]))
        }
    }

    #[test]
    fn pictures_come_in_colour_and_grey() {
        let origin = Origin { z: vec![0.0], psi: 1.0 };
        let drawn = |channels| {
            let renderer = PictureRenderer::new(Arc::new(Two), channels, Device::flex());
            renderer.render(&[(1, &origin), (0, &origin)])
        };
        let (colour, grey) = (drawn(3), drawn(1));
        assert_eq!((colour.dims(), grey.dims()), ([2, 3, 2, 2], [2, 1, 2, 2]));
        assert_eq!(to_vec(colour), [Two.picture(1), Two.picture(0)].concat());
        assert_eq!(to_vec(grey), [104.0, 105.0, 106.0, 107.0, 4.0, 5.0, 6.0, 7.0]);
    }
}
