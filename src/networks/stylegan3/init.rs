//! Untrained StyleGAN3 generators, as the reference lays them out and initialises them.

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    filters::{radial, separable},
    generator::Generator,
    keys::{CONV_CLAMP, FREQUENCIES, GEOMETRY, INPUT, OUTPUT_SCALE, is_buffer, layer},
};
use crate::networks::{
    ArchitectureError, FlatParams, GeneratorNetwork, HostTensor, NormalSource, Params, flat::to_vec, latents,
};

/// Learning-rate multiplier of the mapping network: its weights start larger by the inverse.
const MAPPING_LR_MUL: f32 = 0.01;
/// Taps of a filter relative to the lower sampling rate.
const FILTER_SIZE: usize = 6;
/// Samples that magnitudes are measured on, and their seed.
const MEASURED: (usize, u64) = (16, 0x6d_61_67_6e);

/// The size of a generator; what the reference calls the parts is in parentheses.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Side of the images.
    pub resolution: usize,
    /// Channels of the images.
    pub image_channels: usize,
    /// Channels at most (`channel_max`).
    pub most_channels: usize,
    /// Channels fall with the band that a layer passes, to this many in the last (`channel_base / resolution`).
    pub last_channels: usize,
    /// Length of `z` and `w`.
    pub latent: usize,
    /// Depth of the mapping network.
    pub mapping_layers: usize,
    /// Layers before the one that gives colours (`num_layers`).
    pub layers: usize,
    /// Layers at the end that use the whole band of their sampling rate (`num_critical`).
    pub critical: usize,
    /// Pixels of each map outside the image, on each side (`margin_size`).
    pub margin: usize,
    /// Highest frequency of the first layer, in periods on the image's side (`first_cutoff`).
    pub first_cutoff: f64,
    /// Lowest frequency that the first layer stops (`first_stopband`).
    pub first_stopband: f64,
    /// Whether it follows rotations too (configuration R): pixel-wise convolutions, radial filters.
    pub rotation: bool,
}

/// What a layer derives from its place.
#[derive(Clone, Copy)]
struct Band {
    cutoff: f64,
    half_width: f64,
    rate: f64,
    side: usize,
    channels: usize,
}

impl Architecture {
    /// A generator for images of `resolution`, of `channels[0]` channels at most and the last of `channels` in the last layer.
    pub fn new(resolution: usize, channels: &[usize], latent: usize, mapping_layers: usize, rotation: bool) -> Self {
        // From 6 layers at 32x32 to the reference's 14 at 512x512 and above.
        let layers = (2 * resolution.max(16).ilog2() as usize - 4).min(14);
        Self {
            resolution,
            image_channels: 3,
            most_channels: channels.first().copied().unwrap_or(1),
            last_channels: channels.last().copied().unwrap_or(1),
            latent,
            mapping_layers,
            layers,
            critical: 2,
            margin: if resolution <= 64 { 6 } else { 10 },
            first_cutoff: 2.0,
            first_stopband: libm::exp2(2.1),
            rotation,
        }
    }

    /// Cutoffs and stopbands rise geometrically from the first layer to the critical ones.
    fn bands(&self) -> Vec<Band> {
        let side = self.resolution as f64;
        let (last_cutoff, last_stopband) = (side / 2.0, side / 2.0 * libm::exp2(0.3));
        let band = |layer: usize| {
            let exponent = (layer as f64 / (self.layers - self.critical) as f64).min(1.0);
            let rising = |from: f64, to: f64| from * libm::pow(to / from, exponent);
            let cutoff = rising(self.first_cutoff, last_cutoff);
            let stopband = rising(self.first_stopband, last_stopband);
            // Rounded before it is rounded up: the power of a whole exponent may miss it by an ulp.
            let rate = libm::exp2((libm::log2((stopband * 2.0).min(side)) - 1e-9).ceil());
            let colours = layer == self.layers;
            let is_last = layer + 1 >= self.layers;
            let width = (self.last_channels as f64 * last_cutoff / cutoff).min(self.most_channels as f64);
            Band {
                cutoff,
                half_width: stopband.max(rate / 2.0) - cutoff,
                rate,
                side: if is_last { self.resolution } else { rate as usize + 2 * self.margin },
                channels: if colours { self.image_channels } else { width.round_ties_even().max(1.0) as usize },
            }
        };
        (0..=self.layers).map(band).collect()
    }

    /// A generator's `state_dict`: weights standard normal, biases 0, those of affine layers 1, rotation and translation of
    /// the input none. Magnitudes are measured once on the new network, so that signals keep their size on the way.
    pub fn generator(&self, rng: &mut NormalSource) -> Result<Params, ArchitectureError> {
        let mut p = Builder { params: Params::new(), rng };
        let bands = self.bands();
        self.input(&mut p, bands[0]);
        for (index, band) in bands.iter().enumerate() {
            let before = bands[index.saturating_sub(1)];
            self.layer(&mut p, index, before, *band);
        }
        p.put(OUTPUT_SCALE, &[], vec![0.25]);
        p.put(CONV_CLAMP, &[], vec![256.0]);
        for i in 0..self.mapping_layers {
            p.normal(&format!("mapping.fc{i}.weight"), &[self.latent, self.latent], 1.0 / MAPPING_LR_MUL);
            p.fill(&format!("mapping.fc{i}.bias"), &[self.latent], 0.0);
        }
        let mut params = p.params;
        measure(&mut params)?;
        Ok(params)
    }

    fn input(&self, p: &mut Builder, band: Band) {
        let channels = band.channels;
        p.normal(&format!("{INPUT}.weight"), &[channels, channels], 1.0);
        p.fill(&format!("{INPUT}.affine.weight"), &[4, self.latent], 0.0);
        p.put(&format!("{INPUT}.affine.bias"), &[4], vec![1.0, 0.0, 0.0, 0.0]);
        let identity = (0..9).map(|i| if i % 4 == 0 { 1.0 } else { 0.0 }).collect();
        p.put(&format!("{INPUT}.transform"), &[3, 3], identity);
        // From a disc: the density falls towards its rim.
        let mut frequencies = p.rng.normals(channels * 2);
        for pair in frequencies.chunks_exact_mut(2) {
            let square = f64::from(pair[0]).powi(2) + f64::from(pair[1]).powi(2);
            let scale = band.cutoff / (square.sqrt() * libm::exp(square * 0.25));
            pair.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        }
        p.put(FREQUENCIES, &[channels, 2], frequencies);
        let phases = (0..channels).map(|_| (p.rng.uniform() - 0.5) as f32).collect();
        p.put(&format!("{INPUT}.phases"), &[channels], phases);
        let geometry = vec![band.side as f32, band.rate as f32, band.cutoff as f32];
        p.put(&format!("{INPUT}.{GEOMETRY}"), &[3], geometry);
    }

    fn layer(&self, p: &mut Builder, index: usize, before: Band, band: Band) {
        let prefix = layer(index, band.side, band.channels);
        let colours = index == self.layers;
        let kernel = if colours || self.rotation { 1 } else { 3 };
        p.normal(&format!("{prefix}.weight"), &[band.channels, before.channels, kernel, kernel], 1.0);
        p.fill(&format!("{prefix}.bias"), &[band.channels], 0.0);
        p.normal(&format!("{prefix}.affine.weight"), &[before.channels, self.latent], 1.0);
        p.fill(&format!("{prefix}.affine.bias"), &[before.channels], 1.0);
        p.put(&format!("{prefix}.magnitude_ema"), &[], vec![1.0]);
        let wide = before.rate.max(band.rate) * if colours { 1.0 } else { 2.0 };
        let [up, down] = [before.rate, band.rate].map(|rate| (wide / rate).round() as usize);
        if !colours {
            let taps = separable(FILTER_SIZE * up, before.cutoff, before.half_width * 2.0, wide);
            p.put(&format!("{prefix}.up_filter"), &[taps.len()], taps);
            let (taps, width) = (FILTER_SIZE * down, band.half_width * 2.0);
            let key = format!("{prefix}.down_filter");
            if self.rotation && index + self.critical < self.layers {
                p.put(&key, &[taps, taps], radial(taps, band.cutoff, width, wide));
            } else {
                p.put(&key, &[taps], separable(taps, band.cutoff, width, wide));
            }
        }
        let geometry = [before.side, band.side, up, down].map(|value| value as f32).to_vec();
        p.put(&format!("{prefix}.{GEOMETRY}"), &[4], geometry);
    }
}

/// Puts the mean square of what each layer takes into its `magnitude_ema`.
fn measure(params: &mut Params) -> Result<(), ArchitectureError> {
    let device = Device::flex();
    let generator = Generator::read(params, &device)?;
    let p = FlatParams::from_host(generator.layout(), params, &device).constants();
    let (count, seed) = MEASURED;
    let z = TensorData::new(latents::latents(seed, 0..count as u64, generator.z_dim()), [count, generator.z_dim()]);
    let w = generator.map(&p, Tensor::from_data(z, &device));
    let maps = generator.maps(&p, &vec![w; generator.num_ws()]);
    let squares: Vec<f32> = maps.into_iter().map(|map| to_vec(map.square().mean())[0]).collect();
    let keys = params.keys().filter(|key| key.ends_with(".magnitude_ema")).cloned().collect::<Vec<_>>();
    // Without biases a layer's output is proportional to its input, which the layers before were not scaled for yet.
    let mut before = 1.0;
    for (key, square) in keys.iter().zip(squares) {
        if let Some(tensor) = params.get_mut(key) {
            tensor.data = vec![square / before];
        }
        before = square;
    }
    debug_assert!(keys.iter().all(|key| is_buffer(key)));
    Ok(())
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint;
    use std::path::Path;

    /// Names, sides, factors and filters of networks that NVlabs' own classes made.
    #[test]
    fn layers_and_filters_are_those_of_the_reference() {
        for (name, image_channels, most_channels, rotation) in
            [("sg3-t-16-conditional", 3, 5, false), ("sg3-r-16", 1, 7, true)]
        {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/golden/{name}.pkl"));
            let reference = checkpoint::load(&path).unwrap().g.unwrap();
            let architecture = Architecture {
                resolution: 16,
                image_channels,
                most_channels,
                last_channels: 4,
                latent: 6,
                mapping_layers: 1,
                layers: 4,
                critical: 2,
                margin: 3,
                first_cutoff: 1.0,
                first_stopband: libm::exp2(1.1),
                rotation,
            };
            let ours = architecture.generator(&mut NormalSource::new(1, 0)).unwrap();
            let mut compared = 0;
            for (key, tensor) in reference.iter().filter(|(key, _)| key.starts_with("synthesis.L")) {
                assert_eq!(ours[key].shape, tensor.shape, "{key}");
                if key.contains("filter") || key.ends_with(GEOMETRY) {
                    let worst = ours[key].data.iter().zip(&tensor.data).map(|(a, b)| (a - b).abs());
                    assert!(worst.fold(0.0_f32, f32::max) < 1e-6, "{key}: {:?} {:?}", ours[key].data, tensor.data);
                    compared += 1;
                }
            }
            assert_eq!(compared, 5 + 8, "geometries and filters of {name}");
            assert_eq!(ours[&format!("{INPUT}.{GEOMETRY}")], reference[&format!("{INPUT}.{GEOMETRY}")]);
        }
    }

    #[test]
    fn signals_keep_their_size_in_a_new_network() {
        let device = Device::flex();
        for (side, channels, rotation) in [(32, &[24, 8][..], false), (64, &[16, 6], true)] {
            let architecture = Architecture::new(side, channels, 16, 2, rotation);
            let params = architecture.generator(&mut NormalSource::new(2, 0)).unwrap();
            let generator = Generator::read(&params, &device).unwrap();
            assert_eq!((generator.resolution(), generator.image_channels()), (side, 3));
            let p = FlatParams::from_host(generator.layout(), &params, &device).constants();
            let z = TensorData::new(latents::latents(9, 0..8, 16), [8, 16]);
            let w = generator.map(&p, Tensor::from_data(z, &device));
            let maps = generator.maps(&p, &vec![w; generator.num_ws()]);
            let magnitudes = params.iter().filter(|(key, _)| key.ends_with(".magnitude_ema"));
            for (map, (key, magnitude)) in maps.into_iter().zip(magnitudes) {
                let ratio = to_vec(map.square().mean())[0] / magnitude.data[0];
                assert!((0.5..2.0).contains(&ratio), "{key}: {ratio}");
            }
        }
    }
}
