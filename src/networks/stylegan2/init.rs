//! Untrained StyleGAN2 parameters, as the reference initialises them.

use crate::networks::{Generator as NetworkGenerator, HostTensor, NormalSource, Params};

/// Taps of the reference's blur before normalisation.
const BLUR: [f32; 4] = [1.0, 3.0, 3.0, 1.0];
/// Learning-rate multiplier of the mapping network: its weights start larger by the inverse.
const MAPPING_LR_MUL: f32 = 0.01;

/// The size of a GAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// Channels of both networks at 4x4, 8x8, ...; their number decides the resolution.
    pub channels: Vec<usize>,
    /// Channels of the images.
    pub image_channels: usize,
    /// Length of `z` and `w`.
    pub latent: usize,
    /// Depth of the mapping network.
    pub mapping_layers: usize,
}

impl Architecture {
    /// Side of the images in pixels: 4 times 2 for every entry of `channels` after the first.
    pub fn resolution(&self) -> usize {
        2 << self.channels.len()
    }

    /// Depth of a generator's mapping network.
    pub fn mapping_layers_of(generator: &NetworkGenerator) -> usize {
        let layers = generator.details().get("mapping_layers").and_then(serde_json::Value::as_u64);
        layers.and_then(|layers| usize::try_from(layers).ok()).unwrap_or_default()
    }

    /// A generator's `state_dict`: weights standard normal, biases 0, modulation biases 1, noise strengths 0.
    pub fn generator(&self, rng: &mut NormalSource) -> Params {
        let mut p = Builder { params: Params::new(), rng };
        for i in 1..=self.mapping_layers {
            p.normal(&format!("style.{i}.weight"), &[self.latent, self.latent], 1.0 / MAPPING_LR_MUL);
            p.fill(&format!("style.{i}.bias"), &[self.latent], 0.0);
        }
        let mut inputs = self.channels[0];
        p.normal("input.input", &[1, inputs, 4, 4], 1.0);
        self.styled_conv(&mut p, "conv1", inputs, inputs, false);
        self.to_rgb(&mut p, "to_rgb1", inputs, false);
        for (n, &outputs) in self.channels[1..].iter().enumerate() {
            self.styled_conv(&mut p, &format!("convs.{}", 2 * n), inputs, outputs, true);
            self.styled_conv(&mut p, &format!("convs.{}", 2 * n + 1), outputs, outputs, false);
            inputs = outputs;
        }
        for (n, &channels) in self.channels[1..].iter().enumerate() {
            self.to_rgb(&mut p, &format!("to_rgbs.{n}"), channels, true);
        }
        for layer in 0..2 * self.channels.len() - 1 {
            let side = 4 << layer.div_ceil(2);
            p.normal(&format!("noises.noise_{layer}"), &[1, 1, side, side], 1.0);
        }
        p.params
    }

    fn styled_conv(&self, p: &mut Builder, prefix: &str, inputs: usize, outputs: usize, upsample: bool) {
        p.normal(&format!("{prefix}.conv.weight"), &[1, outputs, inputs, 3, 3], 1.0);
        if upsample {
            p.blur(&format!("{prefix}.conv.blur.kernel"), 4.0);
        }
        p.normal(&format!("{prefix}.conv.modulation.weight"), &[inputs, self.latent], 1.0);
        p.fill(&format!("{prefix}.conv.modulation.bias"), &[inputs], 1.0);
        p.fill(&format!("{prefix}.noise.weight"), &[1], 0.0);
        p.fill(&format!("{prefix}.activate.bias"), &[outputs], 0.0);
    }

    fn to_rgb(&self, p: &mut Builder, prefix: &str, inputs: usize, upsample: bool) {
        p.fill(&format!("{prefix}.bias"), &[1, self.image_channels, 1, 1], 0.0);
        if upsample {
            p.blur(&format!("{prefix}.upsample.kernel"), 4.0);
        }
        p.normal(&format!("{prefix}.conv.weight"), &[1, self.image_channels, inputs, 1, 1], 1.0);
        p.normal(&format!("{prefix}.conv.modulation.weight"), &[inputs, self.latent], 1.0);
        p.fill(&format!("{prefix}.conv.modulation.bias"), &[inputs], 1.0);
    }

    /// A discriminator's `state_dict`: weights standard normal, biases 0.
    pub fn discriminator(&self, rng: &mut NormalSource) -> Params {
        let mut p = Builder { params: Params::new(), rng };
        let mut inputs = self.channels[self.channels.len() - 1];
        p.normal("convs.0.0.weight", &[inputs, self.image_channels, 1, 1], 1.0);
        p.fill("convs.0.1.bias", &[inputs], 0.0);
        for (n, &outputs) in self.channels[..self.channels.len() - 1].iter().rev().enumerate() {
            let prefix = format!("convs.{}", n + 1);
            p.normal(&format!("{prefix}.conv1.0.weight"), &[inputs, inputs, 3, 3], 1.0);
            p.fill(&format!("{prefix}.conv1.1.bias"), &[inputs], 0.0);
            p.blur(&format!("{prefix}.conv2.0.kernel"), 1.0);
            p.normal(&format!("{prefix}.conv2.1.weight"), &[outputs, inputs, 3, 3], 1.0);
            p.fill(&format!("{prefix}.conv2.2.bias"), &[outputs], 0.0);
            p.blur(&format!("{prefix}.skip.0.kernel"), 1.0);
            p.normal(&format!("{prefix}.skip.1.weight"), &[outputs, inputs, 1, 1], 1.0);
            inputs = outputs;
        }
        p.normal("final_conv.0.weight", &[inputs, inputs + 1, 3, 3], 1.0);
        p.fill("final_conv.1.bias", &[inputs], 0.0);
        p.normal("final_linear.0.weight", &[inputs, inputs * 16], 1.0);
        p.fill("final_linear.0.bias", &[inputs], 0.0);
        p.normal("final_linear.1.weight", &[1, inputs], 1.0);
        p.fill("final_linear.1.bias", &[1], 0.0);
        p.params
    }
}

struct Builder<'a> {
    params: Params,
    rng: &'a mut NormalSource,
}

impl Builder<'_> {
    fn put(&mut self, key: &str, shape: &[usize], data: Vec<f32>) {
        self.params.insert(key.to_owned(), HostTensor::new(shape.to_vec(), data));
    }

    fn normal(&mut self, key: &str, shape: &[usize], scale: f32) {
        let data = self.rng.normals(shape.iter().product());
        self.put(key, shape, data.into_iter().map(|x| x * scale).collect());
    }

    fn fill(&mut self, key: &str, shape: &[usize], value: f32) {
        self.put(key, shape, vec![value; shape.iter().product()]);
    }

    /// The separable blur, normalised to sum 1, times `gain`.
    fn blur(&mut self, key: &str, gain: f32) {
        let sum: f32 = BLUR.iter().sum();
        let kernel = BLUR.iter().flat_map(|a| BLUR.iter().map(move |b| a * b / (sum * sum) * gain)).collect();
        self.put(key, &[BLUR.len(), BLUR.len()], kernel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{FlatParams, Noise, flat::to_vec, read_discriminator, read_generator};
    use burn::tensor::{Device, Tensor, TensorData};

    #[test]
    fn any_size_can_be_read_back_and_run() {
        let device = Device::flex();
        for (channels, image_channels, latent, mapping_layers) in
            [(vec![5, 7], 3, 6, 1), (vec![8, 4, 12, 3], 1, 9, 4), (vec![4, 4, 4, 4, 4], 3, 5, 2)]
        {
            let a = Architecture { channels, image_channels, latent, mapping_layers };
            let mut rng = NormalSource::new(7, 0);
            let (g, d) = (a.generator(&mut rng), a.discriminator(&mut rng));
            let generator = read_generator(&g, &device).unwrap();
            let discriminator = read_discriminator(&d, &device).unwrap();
            assert_eq!(generator.resolution(), a.resolution());
            assert_eq!(discriminator.resolution(), a.resolution());
            assert_eq!(
                (generator.channels(), Architecture::mapping_layers_of(&generator)),
                (a.channels.clone(), mapping_layers)
            );
            let z = TensorData::new(rng.normals(8 * latent), [8, latent]);
            let images = generator.forward(
                &FlatParams::from_host(generator.layout(), &g, &device).constants(),
                Tensor::from_data(z, &device),
                &Noise::Constant,
            );
            assert_eq!(images.dims(), [8, image_channels, a.resolution(), a.resolution()]);
            let d = FlatParams::from_host(discriminator.layout(), &d, &device);
            let scores = to_vec(discriminator.forward(&d.constants(), images.into()).value);
            assert!(scores.len() == 8 && scores.iter().all(|s| s.is_finite()));
        }
    }

    #[test]
    fn a_network_of_another_shape_is_named() {
        let a = Architecture { channels: vec![4, 4], image_channels: 3, latent: 4, mapping_layers: 1 };
        let mut rng = NormalSource::new(7, 0);
        let (g, d) = (a.generator(&mut rng), a.discriminator(&mut rng));
        let device = Device::flex();
        let error = |edit: &dyn Fn(&mut Params)| {
            let mut g = g.clone();
            edit(&mut g);
            read_generator(&g, &device).unwrap_err().to_string()
        };
        assert_eq!(
            error(&|g| drop(g.shift_remove("convs.0.noise.weight"))),
            "the generator has no tensor `convs.0.noise.weight`"
        );
        assert_eq!(
            error(&|g| drop(g.insert("convs.9.x".to_owned(), HostTensor::new(vec![1], vec![0.0])))),
            "the generator has an unknown tensor `convs.9.x`: it is of another architecture"
        );
        assert_eq!(
            error(&|g| drop(g.insert("conv1.activate.bias".to_owned(), HostTensor::new(vec![3], vec![0.0; 3])))),
            "the generator's tensor `conv1.activate.bias` has shape [3] where [4] fits"
        );
        assert_eq!(
            error(&|g| g["to_rgbs.0.upsample.kernel"].data[3] = 9.0),
            "the generator's blur kernel `to_rgbs.0.upsample.kernel` is not separable"
        );
        assert!(read_discriminator(&g, &device).is_err() && read_generator(&d, &device).is_err());
    }
}
