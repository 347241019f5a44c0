//! StyleGAN2 generator with skip connections (the rosinality layout), read off the shapes of its tensors.

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    dual::Dual,
    flat::{Leaves, ParamId, ParamLayout},
    layers::{EqualLinear, Fir, id, pixel_norm},
    modulated_conv::ModulatedConv2d,
    params::{ArchitectureError, Params, ShapeReader},
};

/// Learning-rate multiplier of the mapping network.
const MAPPING_LR_MUL: f64 = 0.01;
const NETWORK: &str = "generator";

/// Where a layer's noise map comes from.
#[derive(Clone, Debug)]
pub enum Noise {
    /// The checkpoint's own `noises.*` buffers: the same for every sample.
    Constant,
    /// One map per layer, `[batch, 1, side, side]`, standard normal.
    Maps(Vec<Tensor<4>>),
    /// No noise at all.
    None,
}

#[derive(Clone, Debug)]
struct StyledConv {
    conv: ModulatedConv2d,
    noise_weight: ParamId,
    bias: ParamId,
}

impl StyledConv {
    fn read(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        prefix: &str,
        inputs: usize,
        style_dim: usize,
        upsample: bool,
    ) -> Result<Self, ArchitectureError> {
        let conv = ModulatedConv2d::read(shapes, layout, &format!("{prefix}.conv"), inputs, style_dim, true, upsample)?;
        let (noise, bias) = (format!("{prefix}.noise.weight"), format!("{prefix}.activate.bias"));
        shapes.expect(&noise, [1])?;
        shapes.expect(&bias, [conv.outputs])?;
        Ok(Self { conv, noise_weight: id(layout, &noise)?, bias: id(layout, &bias)? })
    }

    fn forward(&self, p: &Leaves, x: Dual<4>, w: Dual<2>, noise: Option<Tensor<4>>) -> Dual<4> {
        let bias = p.get(self.bias, [self.conv.outputs]);
        match (self.conv.forward(p, x, w), noise) {
            ((out, Some(demodulation)), Some(noise)) => {
                out.scale_noise_bias_leaky_relu(demodulation, noise, p.get(self.noise_weight, [1]), bias)
            }
            ((out, Some(demodulation)), None) => out.scale_channels(demodulation).bias_leaky_relu(bias),
            ((out, None), _) => out.bias_leaky_relu(bias),
        }
    }
}

#[derive(Clone, Debug)]
struct ToRgb {
    conv: ModulatedConv2d,
    bias: ParamId,
    /// 2x upsampling of the image so far; `None` at 4x4.
    upsample: Option<Fir>,
}

impl ToRgb {
    fn read(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        prefix: &str,
        inputs: usize,
        style_dim: usize,
        upsample: bool,
    ) -> Result<Self, ArchitectureError> {
        let upsample = if upsample {
            let taps = shapes.separable_taps(&format!("{prefix}.upsample.kernel"))?;
            let p = taps.len() as isize - 2;
            let padding = ((p + 1).div_euclid(2) + 1, p.div_euclid(2));
            Some(Fir { taps, up: 2, down: 1, padding })
        } else {
            None
        };
        let conv = ModulatedConv2d::read(shapes, layout, &format!("{prefix}.conv"), inputs, style_dim, false, false)?;
        let bias = format!("{prefix}.bias");
        shapes.expect(&bias, [1, conv.outputs, 1, 1])?;
        Ok(Self { conv, bias: id(layout, &bias)?, upsample })
    }

    fn forward(&self, p: &Leaves, x: Dual<4>, w: Dual<2>, skip: Option<Dual<4>>) -> Dual<4> {
        let bias = p.get(self.bias, [1, self.conv.outputs, 1, 1]);
        let rgb = self.conv.forward(p, x, w).0.plus_constant(bias);
        match (&self.upsample, skip) {
            (Some(up), Some(skip)) => rgb.plus(up.forward(skip)),
            _ => rgb,
        }
    }
}

/// The generator's architecture and constant buffers; its weights are passed to every call.
#[derive(Clone, Debug)]
pub struct Generator {
    mapping: Vec<EqualLinear>,
    input: ParamId,
    input_channels: usize,
    conv1: StyledConv,
    to_rgb1: ToRgb,
    /// Per resolution above 4x4: the upsampling convolution, the second convolution, the image layer.
    blocks: Vec<(StyledConv, StyledConv, ToRgb)>,
    noises: Vec<Tensor<4>>,
    latent_dim: usize,
    style_dim: usize,
}

impl Generator {
    /// Reads the architecture off a `state_dict`'s shapes and keeps its noise buffers on `device`.
    pub fn read(params: &Params, device: &Device) -> Result<Self, ArchitectureError> {
        let layout = ParamLayout::of(params);
        let mut shapes = ShapeReader::new(NETWORK, params);
        let mut mapping: Vec<EqualLinear> = Vec::new();
        while shapes.contains(&format!("style.{}.weight", mapping.len() + 1)) {
            let prefix = format!("style.{}", mapping.len() + 1);
            let layer = EqualLinear::read(&mut shapes, &layout, &prefix, MAPPING_LR_MUL)?;
            if let Some(before) = mapping.last()
                && before.outputs != layer.inputs
            {
                let fits = format!("[{}, {}]", layer.outputs, before.outputs);
                return Err(shapes.misfit(&format!("{prefix}.weight"), fits));
            }
            mapping.push(layer);
        }
        let (Some(first), Some(last)) = (mapping.first(), mapping.last()) else {
            shapes.tensor::<2>("style.1.weight")?;
            return Err(ArchitectureError::Missing { network: NETWORK, key: "style.1.weight".to_owned() });
        };
        let (latent_dim, style_dim) = (first.inputs, last.outputs);

        let ([_, channels, _, _], _) = shapes.tensor::<4>("input.input")?;
        shapes.expect("input.input", [1, channels, 4, 4])?;
        let conv1 = StyledConv::read(&mut shapes, &layout, "conv1", channels, style_dim, false)?;
        let to_rgb1 = ToRgb::read(&mut shapes, &layout, "to_rgb1", conv1.conv.outputs, style_dim, false)?;
        let mut inputs = conv1.conv.outputs;
        let mut blocks: Vec<(StyledConv, StyledConv, ToRgb)> = Vec::new();
        while shapes.contains(&format!("to_rgbs.{}.bias", blocks.len())) {
            let n = blocks.len();
            let mut conv = |index: usize, inputs: usize, upsample: bool| {
                let prefix = format!("convs.{index}");
                StyledConv::read(&mut shapes, &layout, &prefix, inputs, style_dim, upsample)
            };
            let up = conv(2 * n, inputs, true)?;
            let second = conv(2 * n + 1, up.conv.outputs, false)?;
            inputs = second.conv.outputs;
            let prefix = format!("to_rgbs.{n}");
            let rgb = ToRgb::read(&mut shapes, &layout, &prefix, inputs, style_dim, true)?;
            if rgb.conv.outputs != to_rgb1.conv.outputs {
                let fits = format!("[1, {}, {inputs}, 1, 1]", to_rgb1.conv.outputs);
                return Err(shapes.misfit(&format!("{prefix}.conv.weight"), fits));
            }
            blocks.push((up, second, rgb));
        }
        let mut noises = Vec::new();
        for layer in 0..=2 * blocks.len() {
            let side = 4 << layer.div_ceil(2);
            let buffer = shapes.expect(&format!("noises.noise_{layer}"), [1, 1, side, side])?;
            let data = TensorData::new(buffer.data.clone(), [1, 1, side, side]);
            noises.push(Tensor::from_data(data, device));
        }
        shapes.finish()?;
        Ok(Self {
            mapping,
            input: id(&layout, "input.input")?,
            input_channels: channels,
            conv1,
            to_rgb1,
            blocks,
            noises,
            latent_dim,
            style_dim,
        })
    }

    /// Side of the generated images in pixels.
    pub fn resolution(&self) -> usize {
        4 << self.blocks.len()
    }

    /// Number of image channels.
    pub fn image_channels(&self) -> usize {
        self.to_rgb1.conv.outputs
    }

    /// Length of `z`.
    pub fn latent_dim(&self) -> usize {
        self.latent_dim
    }

    /// Length of `w`.
    pub fn style_dim(&self) -> usize {
        self.style_dim
    }

    /// Depth of the mapping network.
    pub fn mapping_layers(&self) -> usize {
        self.mapping.len()
    }

    /// Number of mapped latents `ws` the synthesis network takes.
    pub fn num_ws(&self) -> usize {
        2 * self.blocks.len() + 2
    }

    /// Output channels of the layers at 4x4, 8x8, ... up to the resolution.
    pub fn channels(&self) -> Vec<usize> {
        let above = self.blocks.iter().map(|(_, second, _)| second.conv.outputs);
        std::iter::once(self.conv1.conv.outputs).chain(above).collect()
    }

    /// Side of every layer's noise map, in layer order.
    pub fn noise_sides(&self) -> Vec<usize> {
        self.noises.iter().map(|noise| noise.dims()[2]).collect()
    }

    /// The mapping network: `z [batch, latent_dim]` to `w [batch, style_dim]`.
    pub fn map(&self, p: &Leaves, z: Tensor<2>) -> Tensor<2> {
        let start = Dual::from(pixel_norm(z));
        self.mapping.iter().fold(start, |x, layer| layer.forward(p, x).leaky_relu_gained()).value
    }

    /// One `w` for every layer.
    pub fn broadcast(&self, w: Tensor<2>) -> Vec<Tensor<2>> {
        vec![w; self.num_ws()]
    }

    /// Style mixing: `first` for the layers below `crossover`, `second` from there on.
    pub fn mix(&self, first: Tensor<2>, second: Tensor<2>, crossover: usize) -> Vec<Tensor<2>> {
        (0..self.num_ws()).map(|i| if i < crossover { first.clone() } else { second.clone() }).collect()
    }

    /// The synthesis network: `num_ws` mapped latents `[batch, style_dim]` to images `[batch, channels, side, side]`,
    /// nominally in `[-1, 1]`.
    pub fn synthesize(&self, p: &Leaves, ws: &[Dual<2>], noise: &Noise) -> Dual<4> {
        let [batch, _] = ws[0].value.dims();
        let map = |layer: usize| match noise {
            Noise::Constant => Some(self.noises[layer].clone()),
            Noise::Maps(maps) => Some(maps[layer].clone()),
            Noise::None => None,
        };
        let input = p.get(self.input, [1, self.input_channels, 4, 4]);
        let input = input.expand([batch, self.input_channels, 4, 4]);
        let mut x = self.conv1.forward(p, input.into(), ws[0].clone(), map(0));
        let mut image = self.to_rgb1.forward(p, x.clone(), ws[1].clone(), None);
        for (n, (up, second, rgb)) in self.blocks.iter().enumerate() {
            let i = 2 * n + 1;
            x = up.forward(p, x, ws[i].clone(), map(i));
            x = second.forward(p, x, ws[i + 1].clone(), map(i + 1));
            image = rgb.forward(p, x.clone(), ws[i + 2].clone(), Some(image));
        }
        image
    }

    /// `z` to images in one call, the same `w` in all layers.
    pub fn forward(&self, p: &Leaves, z: Tensor<2>, noise: &Noise) -> Tensor<4> {
        let ws: Vec<_> = self.broadcast(self.map(p, z)).into_iter().map(Dual::from).collect();
        self.synthesize(p, &ws, noise).value
    }
}

/// Truncation: `w_mean + psi * (w - w_mean)`; `w_mean` is `[1, style_dim]`.
pub fn truncate(w: Tensor<2>, w_mean: Tensor<2>, psi: f32) -> Tensor<2> {
    (w - w_mean.clone()) * psi + w_mean
}
