//! Progressive growing (Karras et al. 2018), but without fading in: a network of twice the resolution at first does exactly
//! what the small one did.

use super::init::Architecture;
use crate::networks::{NormalSource, Params};

impl Architecture {
    /// Fits a generator of half the resolution into a fresh one: what both have is taken over, and the new layers'
    /// colours start at 0, so that at first it makes the same images, upsampled. `None` if the small one is no part of this
    /// architecture.
    pub fn grow_generator(&self, small: &Params, rng: &mut NormalSource) -> Option<Params> {
        let mut grown = self.generator(rng);
        let rgb = format!("to_rgbs.{}.conv.weight", self.channels.len().checked_sub(2)?);
        grown.get_mut(&rgb)?.data.fill(0.0);
        for (key, tensor) in small {
            let place = grown.get_mut(key).filter(|place| place.shape == tensor.shape && *key != rgb)?;
            *place = tensor.clone();
        }
        Some(grown)
    }

    /// Fits a discriminator of half the resolution into a fresh one, behind a new first block that at first does to an
    /// image what the small one did to its half-size copy. `None` if the small one is no part of this architecture.
    pub fn grow_discriminator(&self, small: &Params, rng: &mut NormalSource) -> Option<Params> {
        let mut grown = self.discriminator(rng);
        for (key, tensor) in small {
            let key = match key.strip_prefix("convs.").and_then(|rest| rest.split_once('.')) {
                // It took colours at half the resolution.
                Some(("0", _)) => continue,
                Some((block, rest)) => format!("convs.{}.{rest}", block.parse::<usize>().ok()? + 1),
                None => key.clone(),
            };
            let place = grown.get_mut(&key).filter(|place| place.shape == tensor.shape)?;
            *place = tensor.clone();
        }
        self.pass_colours_on(&mut grown, small)?;
        Some(grown)
    }

    /// Lets the first block give out what the small discriminator's first layer gave, `sqrt(2) lrelu(w x + b)` of the
    /// colours `x`. Two channels carry each colour, once with its sign turned: `lrelu(lrelu(x)) - lrelu(lrelu(-x))` is
    /// `1.04 x`. The other channels are fresh, and nothing listens to them yet. Too few channels for that leave the block
    /// as it is.
    fn pass_colours_on(&self, grown: &mut Params, small: &Params) -> Option<()> {
        const GAIN: f32 = std::f32::consts::SQRT_2;
        const SLOPE: f32 = 0.2;
        let colours = self.image_channels;
        let [.., outputs, width] = self.channels[..] else { return None };
        let (weight, bias) = (small.get("convs.0.0.weight")?, small.get("convs.0.1.bias")?);
        if weight.shape != [outputs, colours, 1, 1] || bias.shape != [outputs] {
            return None;
        }
        if width < 2 * colours {
            return Some(());
        }
        // Weights are stored without the factor 1 / sqrt(inputs * taps) that every use applies (equalised learning rate).
        let stored = |inputs: usize, taps: usize| ((inputs * taps) as f32).sqrt();
        let centre = |o: usize, i: usize| (o * width + i) * 9 + 4;
        let from_rgb = &mut grown.get_mut("convs.0.0.weight")?.data;
        for channel in 0..2 * colours {
            let sign = if channel % 2 == 0 { 1.0 } else { -1.0 };
            for colour in 0..colours {
                let own = if channel / 2 == colour { sign } else { 0.0 };
                from_rgb[channel * colours + colour] = own * stored(colours, 1);
            }
        }
        let conv1 = &mut grown.get_mut("convs.1.conv1.0.weight")?.data;
        for channel in 0..2 * colours {
            conv1[channel * width * 9..(channel + 1) * width * 9].fill(0.0);
            conv1[centre(channel, channel)] = stored(width, 9) / GAIN;
        }
        let conv2 = &mut grown.get_mut("convs.1.conv2.1.weight")?.data;
        conv2.fill(0.0);
        for output in 0..outputs {
            for colour in 0..colours {
                let used = weight.data[output * colours + colour] / stored(colours, 1);
                // The block's output is divided by sqrt(2), its skip connection is silent.
                let value = GAIN * used / (GAIN * (1.0 + SLOPE * SLOPE)) * stored(width, 9);
                conv2[centre(output, 2 * colour)] = value;
                conv2[centre(output, 2 * colour + 1)] = -value;
            }
        }
        grown.get_mut("convs.1.conv2.2.bias")?.data = bias.data.iter().map(|b| GAIN * b).collect();
        grown.get_mut("convs.1.skip.1.weight")?.data.fill(0.0);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{FlatParams, Noise, flat::to_vec, read_discriminator, read_generator};
    use burn::tensor::{Device, Tensor, TensorData};

    #[test]
    fn a_grown_generator_makes_the_same_images_upsampled() {
        let device = Device::flex();
        let small = Architecture { channels: vec![6, 5], image_channels: 3, latent: 4, mapping_layers: 2 };
        let large = Architecture { channels: vec![6, 5, 3], ..small.clone() };
        let mut rng = NormalSource::new(8, 0);
        let (g, d) = (small.generator(&mut rng), small.discriminator(&mut rng));
        let grown = large.grow_generator(&g, &mut rng).unwrap();
        let z = TensorData::new(rng.normals(16), [4, 4]);
        let images = |params: &Params| {
            let generator = read_generator(params, &device).unwrap();
            let weights = FlatParams::from_host(generator.layout(), params, &device).constants();
            generator.forward(&weights, Tensor::from_data(z.clone(), &device), &Noise::Constant)
        };
        // The upsampling filter keeps the mean away from the border: compare means of the middle.
        let (before, after) = (images(&g), images(&grown));
        assert_eq!(after.dims(), [4, 3, 16, 16]);
        let before = to_vec(before.slice([0..4, 0..3, 2..6, 2..6]).mean_dim(3).mean_dim(2).reshape([12]));
        let after = to_vec(after.slice([0..4, 0..3, 4..12, 4..12]).mean_dim(3).mean_dim(2).reshape([12]));
        let size = before.iter().map(|b| b.abs()).fold(0.0, f32::max);
        for (before, after) in before.iter().zip(&after) {
            assert!((before - after).abs() < 0.2 * size, "{before} and {after}");
        }
        let grown = large.grow_discriminator(&d, &mut rng).unwrap();
        assert_eq!(grown["convs.2.conv1.0.weight"], d["convs.1.conv1.0.weight"]);
        assert_eq!(grown["final_linear.0.weight"], d["final_linear.0.weight"]);
        let other = Architecture { channels: vec![6, 4, 3], ..small };
        assert!(other.grow_generator(&g, &mut rng).is_none() && other.grow_discriminator(&d, &mut rng).is_none());
    }

    #[test]
    fn a_grown_discriminator_sees_the_same_colours_behind_its_new_block() {
        let device = Device::flex();
        let small = Architecture { channels: vec![5], image_channels: 3, latent: 4, mapping_layers: 1 };
        let large = Architecture { channels: vec![5, 9], ..small.clone() };
        let mut rng = NormalSource::new(6, 0);
        let mut d = small.discriminator(&mut rng);
        d["convs.0.1.bias"].data.copy_from_slice(&[0.3, -0.2, 0.0, 1.0, -1.0]);
        let grown = large.grow_discriminator(&d, &mut rng).unwrap();
        // Blurring leaves an image of one colour as it is, but for the border.
        let seen = |params: &Params, side: usize| {
            let colours = [0.7, -0.9, 0.2].into_iter().flat_map(|c| std::iter::repeat_n(c, side * side)).collect();
            let image = Tensor::<4>::from_data(TensorData::new(colours, [1, 3, side, side]), &device);
            let discriminator = read_discriminator(params, &device).unwrap();
            let weights = FlatParams::from_host(discriminator.layout(), params, &device).constants();
            let maps = discriminator.trunk(&weights, image.into()).value;
            to_vec(maps.slice([0..1, 0..5, 1..3, 1..3]).reshape([20]))
        };
        for (small, large) in seen(&d, 4).iter().zip(seen(&grown, 8)) {
            assert!((small - large).abs() < 1e-4, "{small} and {large}");
        }
    }
}
