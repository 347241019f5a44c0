//! StyleGAN2 generator with skip connections (the rosinality layout), read off the shapes of its tensors.

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    dual::Dual,
    flat::{Leaves, ParamId, ParamLayout},
    latents::{self, LatentAddress},
    layers::{Fir, id},
    mapping::Mapping,
    modulated_conv::ModulatedConv2d,
    params::{
        ArchitectureError, Params, ShapeReader,
        extension::{CONV_CLAMP, W_AVG},
    },
    truncation::{self, WAvg},
};

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

/// What all layers of the synthesis network have in common.
#[derive(Clone, Copy)]
struct Common {
    style_dim: usize,
    /// Whether layers take noise.
    noise: bool,
    /// Outputs of convolutions are held within plus and minus this.
    clamp: Option<f32>,
}

#[derive(Clone, Debug)]
struct StyledConv {
    conv: ModulatedConv2d,
    /// None in networks that take no noise.
    noise_weight: Option<ParamId>,
    bias: ParamId,
    clamp: Option<f32>,
}

impl StyledConv {
    fn read(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        prefix: &str,
        inputs: usize,
        common: Common,
        upsample: bool,
    ) -> Result<Self, ArchitectureError> {
        let name = format!("{prefix}.conv");
        let conv = ModulatedConv2d::read(shapes, layout, &name, inputs, common.style_dim, true, upsample)?;
        let (noise, bias) = (format!("{prefix}.noise.weight"), format!("{prefix}.activate.bias"));
        let noise_weight = match common.noise {
            true => {
                shapes.expect(&noise, [1])?;
                Some(id(layout, &noise)?)
            }
            false => None,
        };
        shapes.expect(&bias, [conv.outputs])?;
        Ok(Self { conv, noise_weight, bias: id(layout, &bias)?, clamp: common.clamp })
    }

    fn forward(&self, p: &Leaves, x: Dual<4>, w: Dual<2>, noise: Option<Tensor<4>>) -> Dual<4> {
        let bias = p.get(self.bias, [self.conv.outputs]);
        let noise = noise.zip(self.noise_weight.map(|id| p.get(id, [1])));
        let out = match (self.conv.forward(p, x, w), noise) {
            ((out, Some(demodulation)), Some((noise, strength))) => {
                out.scale_noise_bias_leaky_relu(demodulation, noise, strength, bias)
            }
            ((out, Some(demodulation)), None) => out.scale_channels(demodulation).bias_leaky_relu(bias),
            ((out, None), _) => out.bias_leaky_relu(bias),
        };
        out.clamp(self.clamp)
    }
}

#[derive(Clone, Debug)]
struct ToRgb {
    conv: ModulatedConv2d,
    bias: ParamId,
    /// 2x upsampling of the image so far; `None` at 4x4.
    upsample: Option<Fir>,
    clamp: Option<f32>,
}

impl ToRgb {
    fn read(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        prefix: &str,
        inputs: usize,
        common: Common,
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
        let name = format!("{prefix}.conv");
        let conv = ModulatedConv2d::read(shapes, layout, &name, inputs, common.style_dim, false, false)?;
        let bias = format!("{prefix}.bias");
        shapes.expect(&bias, [1, conv.outputs, 1, 1])?;
        Ok(Self { conv, bias: id(layout, &bias)?, upsample, clamp: common.clamp })
    }

    fn forward(&self, p: &Leaves, x: Dual<4>, w: Dual<2>, skip: Option<Dual<4>>) -> Dual<4> {
        let bias = p.get(self.bias, [1, self.conv.outputs, 1, 1]);
        let rgb = self.conv.forward(p, x, w).0.plus_constant(bias).clamp(self.clamp);
        match (&self.upsample, skip) {
            (Some(up), Some(skip)) => rgb.plus(up.forward(skip)),
            _ => rgb,
        }
    }
}

/// The generator's architecture and constant buffers; its weights are passed to every call.
#[derive(Clone, Debug)]
pub struct Generator {
    mapping: Mapping,
    w_avg: Option<WAvg>,
    /// The only class that is drawn, if not all are.
    class: Option<usize>,
    input: ParamId,
    input_channels: usize,
    conv1: StyledConv,
    to_rgb1: ToRgb,
    /// Per resolution above 4x4: the upsampling convolution, the second convolution, the image layer.
    blocks: Vec<(StyledConv, StyledConv, ToRgb)>,
    noises: Vec<Tensor<4>>,
}

impl Generator {
    /// Reads the architecture off a `state_dict`'s shapes and keeps its noise buffers on `device`.
    pub fn read(params: &Params, device: &Device) -> Result<Self, ArchitectureError> {
        let layout = ParamLayout::of(params);
        let mut shapes = ShapeReader::new(NETWORK, params);
        let mapping = Mapping::of_latents(&mut shapes, &layout)?;
        let style_dim = mapping.outputs();
        let clamp = shapes.scalar(CONV_CLAMP, 1e-3, f32::MAX)?;
        let common = Common {
            style_dim,
            noise: shapes.contains("conv1.noise.weight") || shapes.contains("noises.noise_0"),
            clamp,
        };
        let w_avg = match shapes.contains(W_AVG) {
            true => Some(WAvg::new(shapes.expect(W_AVG, [style_dim])?, params, device)),
            false => None,
        };

        let ([_, channels, _, _], _) = shapes.tensor::<4>("input.input")?;
        shapes.expect("input.input", [1, channels, 4, 4])?;
        let conv1 = StyledConv::read(&mut shapes, &layout, "conv1", channels, common, false)?;
        let to_rgb1 = ToRgb::read(&mut shapes, &layout, "to_rgb1", conv1.conv.outputs, common, false)?;
        let mut inputs = conv1.conv.outputs;
        let mut blocks: Vec<(StyledConv, StyledConv, ToRgb)> = Vec::new();
        while shapes.contains(&format!("to_rgbs.{}.bias", blocks.len())) {
            let n = blocks.len();
            let mut conv = |index: usize, inputs: usize, upsample: bool| {
                let prefix = format!("convs.{index}");
                StyledConv::read(&mut shapes, &layout, &prefix, inputs, common, upsample)
            };
            let up = conv(2 * n, inputs, true)?;
            let second = conv(2 * n + 1, up.conv.outputs, false)?;
            inputs = second.conv.outputs;
            let prefix = format!("to_rgbs.{n}");
            let rgb = ToRgb::read(&mut shapes, &layout, &prefix, inputs, common, true)?;
            if rgb.conv.outputs != to_rgb1.conv.outputs {
                let fits = format!("[1, {}, {inputs}, 1, 1]", to_rgb1.conv.outputs);
                return Err(shapes.misfit(&format!("{prefix}.conv.weight"), fits));
            }
            blocks.push((up, second, rgb));
        }
        let mut noises = Vec::new();
        let layers = if common.noise { 2 * blocks.len() + 1 } else { 0 };
        for layer in 0..layers {
            let side = 4 << layer.div_ceil(2);
            let buffer = shapes.expect(&format!("noises.noise_{layer}"), [1, 1, side, side])?;
            let data = TensorData::new(buffer.data.clone(), [1, 1, side, side]);
            noises.push(Tensor::from_data(data, device));
        }
        shapes.finish()?;
        Ok(Self {
            mapping,
            w_avg,
            class: None,
            input: id(&layout, "input.input")?,
            input_channels: channels,
            conv1,
            to_rgb1,
            blocks,
            noises,
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

    /// Length of what the mapping network takes: `z` and, behind it, the class one-hot (in class-conditional networks).
    pub fn latent_dim(&self) -> usize {
        self.mapping.latent() + self.mapping.classes()
    }

    /// Length of `z`.
    pub fn z_dim(&self) -> usize {
        self.mapping.latent()
    }

    /// Number of classes; 0 in unconditional networks.
    pub fn classes(&self) -> usize {
        self.mapping.classes()
    }

    /// The class that all addresses stand for, if there is only one; otherwise an address decides its class.
    pub fn class(&self) -> Option<usize> {
        self.class
    }

    /// The same network drawing only this class, or (`None`) all of them.
    pub fn with_class(self, class: Option<usize>) -> Self {
        Self { class, ..self }
    }

    /// What the mapping network takes at this address, `[latent_dim]`.
    pub fn latent(&self, address: LatentAddress) -> Vec<f32> {
        self.latents(address.seed, [address.index])
    }

    /// What the mapping network takes at this address with a class of choice, `[latent_dim]`.
    pub fn latent_of(&self, address: LatentAddress, class: Option<usize>) -> Vec<f32> {
        latents::inputs(address.seed, [address.index], self.z_dim(), self.classes(), class.or(self.class))
    }

    /// What the mapping network takes at the addresses `(seed, indices)`, `[indices, latent_dim]`, row-major.
    pub fn latents(&self, seed: u64, indices: impl IntoIterator<Item = u64>) -> Vec<f32> {
        latents::inputs(seed, indices, self.z_dim(), self.classes(), self.class)
    }

    /// The classes in rows of [`latent_dim`](Self::latent_dim) values, one-hot, `[batch, classes]`; none in unconditional
    /// networks.
    pub fn labels(&self, latents: &Tensor<2>) -> Option<Tensor<2>> {
        (self.classes() > 0).then(|| latents.clone().narrow(1, self.z_dim(), self.classes()))
    }

    /// Whether the file has a running mean of `w` that truncation is centred on.
    pub fn has_w_avg(&self) -> bool {
        self.w_avg.is_some()
    }

    /// The centre of truncation for these parameters, `[1, style_dim]`.
    pub fn w_mean(&self, p: &Leaves) -> Tensor<2> {
        truncation::centre(&self.mapping, self.w_avg.as_ref(), p)
    }

    /// Length of `w`.
    pub fn style_dim(&self) -> usize {
        self.mapping.outputs()
    }

    /// Depth of the mapping network.
    pub fn mapping_layers(&self) -> usize {
        self.mapping.depth()
    }

    /// Outputs of convolutions are held within plus and minus this.
    pub fn conv_clamp(&self) -> Option<f32> {
        self.conv1.clamp
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

    /// Side of every layer's noise map, in layer order; empty in networks that take no noise.
    pub fn noise_sides(&self) -> Vec<usize> {
        self.noises.iter().map(|noise| noise.dims()[2]).collect()
    }

    /// The mapping network: `z [batch, latent_dim]` (with the class behind it) to `w [batch, style_dim]`.
    pub fn map(&self, p: &Leaves, z: Tensor<2>) -> Tensor<2> {
        self.mapping.forward(p, z)
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
            // A network without noise has no maps.
            Noise::Constant => self.noises.get(layer).cloned(),
            Noise::Maps(maps) => maps.get(layer).cloned(),
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
