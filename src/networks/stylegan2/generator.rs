//! StyleGAN2 generator with skip connections (the rosinality layout), read off the shapes of its tensors.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::json;

use super::{
    keys::{
        FAMILY, MAPPING,
        extension::{CONV_CLAMP, W_AVG},
        layout,
    },
    layers::Fir,
    modulated_conv::ModulatedConv2d,
    separable::separable_taps,
};
use crate::networks::{
    ArchitectureError, CheckpointedBytes, Details, Dual, FlatParams, GeneratorNetwork, Leaves, Noise, ParamLayout,
    Params,
    block::{self, Entering},
    flat::{ParamId, to_vec},
    ops::HALF_LIMIT,
    params::ShapeReader,
    precision::Precision,
    style::{self, Mapping, WAvg, id},
};

const NETWORK: &str = "generator";

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
            let taps = separable_taps(shapes, &format!("{prefix}.upsample.kernel"))?;
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
        let limit = match Precision::of(&x.value) {
            Precision::Half => Some(self.clamp.map_or(HALF_LIMIT, |clamp| clamp.min(HALF_LIMIT))),
            Precision::Single => self.clamp,
        };
        // Before the colours, so that nothing stands between the bias and the sum: they are one launch on a GPU.
        let below = self.upsample.as_ref().zip(skip).map(|(up, skip)| up.forward(skip));
        let rgb = Precision::Single.store(self.conv.forward(p, x, w).0).plus_constant(bias).clamp(limit);
        match below {
            Some(below) => rgb.plus(below),
            None => rgb,
        }
    }
}

/// The layers of a side above 4x4: the upsampling convolution, the second convolution, the colours.
#[derive(Clone, Debug)]
struct Block {
    up: StyledConv,
    second: StyledConv,
    to_rgb: ToRgb,
}

impl Block {
    /// Maps and image so far, at half the side, to those at this side, of which the maps are stored in `precision`; `watch` sees what
    /// each convolution (0 and 1) gives.
    fn forward(
        &self,
        p: &Leaves,
        [x, image]: [Dual<4>; 2],
        [first, second, colours]: [Dual<2>; 3],
        [first_noise, second_noise]: [Option<Tensor<4>>; 2],
        (precision, mut watch): (Precision, impl FnMut(usize, &Dual<4>)),
    ) -> [Dual<4>; 2] {
        let x = self.up.forward(p, precision.store(x), first, first_noise);
        watch(0, &x);
        let x = self.second.forward(p, x, second, second_noise);
        watch(1, &x);
        let image = self.to_rgb.forward(p, x.clone(), colours, Some(image));
        [x, image]
    }
}

/// The generator's architecture and constant buffers; its weights are passed to every call.
#[derive(Clone, Debug)]
pub struct Generator {
    mapping: Mapping,
    w_avg: Option<WAvg>,
    layout: Arc<ParamLayout>,
    input: ParamId,
    input_channels: usize,
    conv1: StyledConv,
    to_rgb1: ToRgb,
    /// One for each side above 4x4.
    blocks: Vec<Arc<Block>>,
    noises: Vec<Tensor<4>>,
    /// Whether blocks are computed again in the backward pass.
    checkpointing: bool,
    /// Whether the largest blocks are in half precision.
    half: bool,
}

impl Generator {
    /// Reads the architecture off a `state_dict`'s shapes and keeps its noise buffers on `device`.
    pub fn read(params: &Params, device: &Device) -> Result<Self, ArchitectureError> {
        let layout = layout(params);
        let mut shapes = ShapeReader::new(NETWORK, params);
        let mapping = Mapping::of_latents(&mut shapes, &layout, &MAPPING)?;
        let style_dim = mapping.outputs();
        let clamp = shapes.scalar(CONV_CLAMP, 1e-3, f32::MAX)?;
        let common = Common {
            style_dim,
            noise: shapes.contains("conv1.noise.weight") || shapes.contains("noises.noise_0"),
            clamp,
        };
        let w_avg = match shapes.contains(W_AVG) {
            true => Some(WAvg::new(shapes.expect(W_AVG, [style_dim])?, params, &MAPPING, device)),
            false => None,
        };

        let ([_, channels, _, _], _) = shapes.tensor::<4>("input.input")?;
        shapes.expect("input.input", [1, channels, 4, 4])?;
        let conv1 = StyledConv::read(&mut shapes, &layout, "conv1", channels, common, false)?;
        let to_rgb1 = ToRgb::read(&mut shapes, &layout, "to_rgb1", conv1.conv.outputs, common, false)?;
        let mut inputs = conv1.conv.outputs;
        let mut blocks: Vec<Arc<Block>> = Vec::new();
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
            let to_rgb = ToRgb::read(&mut shapes, &layout, &prefix, inputs, common, true)?;
            if to_rgb.conv.outputs != to_rgb1.conv.outputs {
                let fits = format!("[1, {}, {inputs}, 1, 1]", to_rgb1.conv.outputs);
                return Err(shapes.misfit(&format!("{prefix}.conv.weight"), fits));
            }
            blocks.push(Arc::new(Block { up, second, to_rgb }));
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
            input: id(&layout, "input.input")?,
            layout,
            input_channels: channels,
            conv1,
            to_rgb1,
            blocks,
            noises,
            checkpointing: false,
            half: false,
        })
    }

    /// The noise of a layer, if it takes any.
    fn noise_of(&self, noise: &Noise, layer: usize) -> Option<Tensor<4>> {
        match noise {
            // A network without noise has no maps.
            Noise::Constant => self.noises.get(layer).cloned(),
            Noise::Maps(maps) => maps.get(layer).cloned(),
            Noise::None => None,
        }
    }

    /// What a block (from 0) takes beside maps: the latents and the noises of its layers.
    fn beside(&self, block: usize, ws: &[Dual<2>], noise: &Noise) -> ([Dual<2>; 3], [Option<Tensor<4>>; 2]) {
        let first = 2 * block + 1;
        let latents = [0, 1, 2].map(|layer| ws[first + layer].clone());
        (latents, [0, 1].map(|layer| self.noise_of(noise, first + layer)))
    }

    /// What a block (from 0) stores maps in.
    fn precision(&self, block: usize) -> Precision {
        Precision::of_block(self.half, self.blocks.len() - 1 - block)
    }

    /// Of each side, how many bytes of one sample enter its layers (maps and image so far), and how many they keep: two convolutions and
    /// the colours, the first of which takes maps of half the side. They keep what they take, scaled, and what the convolutions give,
    /// before and after the noise and the activation.
    fn maps_of_sides(&self) -> impl Iterator<Item = (usize, usize)> {
        let (mut inputs, colours) = (self.input_channels, self.to_rgb1.conv.outputs);
        let mut entering = Precision::Single;
        self.channels().into_iter().zip(self.sides()).enumerate().map(move |(n, (channels, side))| {
            let from = std::mem::replace(&mut inputs, channels);
            let plane = side * side;
            let Some(block) = n.checked_sub(1) else { return (0, (from + 3 * channels) * plane * size_of::<f32>()) };
            let precision = self.precision(block);
            let before = std::mem::replace(&mut entering, precision);
            let enters = from * before.bytes() + colours * size_of::<f32>();
            (enters * plane / 4, (from * plane / 4 + 6 * channels * plane) * precision.bytes())
        })
    }

    /// Maps and image at 4x4.
    fn start(&self, p: &Leaves, ws: &[Dual<2>], noise: &Noise) -> [Dual<4>; 2] {
        let [batch, _] = ws[0].value.dims();
        let input = p.get(self.input, [1, self.input_channels, 4, 4]);
        let input = input.expand([batch, self.input_channels, 4, 4]);
        let x = self.conv1.forward(p, input.into(), ws[0].clone(), self.noise_of(noise, 0));
        let image = self.to_rgb1.forward(p, x.clone(), ws[1].clone(), None);
        [x, image]
    }
}

impl GeneratorNetwork for Generator {
    fn family(&self) -> &'static str {
        FAMILY
    }

    fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    fn resolution(&self) -> usize {
        4 << self.blocks.len()
    }

    fn image_channels(&self) -> usize {
        self.to_rgb1.conv.outputs
    }

    fn z_dim(&self) -> usize {
        self.mapping.latent()
    }

    fn classes(&self) -> usize {
        self.mapping.classes()
    }

    fn w_dim(&self) -> usize {
        self.mapping.outputs()
    }

    fn num_ws(&self) -> usize {
        2 * self.blocks.len() + 2
    }

    fn channels(&self) -> Vec<usize> {
        let above = self.blocks.iter().map(|block| block.second.conv.outputs);
        std::iter::once(self.conv1.conv.outputs).chain(above).collect()
    }

    fn training_bytes(&self) -> usize {
        self.maps_of_sides().map(|(_, within)| within).sum()
    }

    fn checkpointed_bytes(&self) -> Option<CheckpointedBytes> {
        let [mut kept, mut block] = [0; 2];
        for (n, (entering, within)) in self.maps_of_sides().enumerate() {
            match n {
                0 => kept += within,
                _ => (kept, block) = (kept + entering, block.max(within)),
            }
        }
        Some(CheckpointedBytes { kept, block })
    }

    /// Depth of the mapping network; whether truncation is centred on a running mean of `w` from the training; what
    /// outputs of convolutions are held within.
    fn details(&self) -> Details {
        let mut details =
            Details::from([("mapping_layers", json!(self.mapping.depth())), ("w_avg", json!(self.w_avg.is_some()))]);
        details.extend(self.conv1.clamp.map(|clamp| ("conv_clamp", json!(clamp))));
        details
    }

    fn noise_sides(&self) -> Vec<usize> {
        self.noises.iter().map(|noise| noise.dims()[2]).collect()
    }

    fn has_path_length(&self) -> bool {
        true
    }

    fn is_consolidated(&self, parameter: &str) -> bool {
        parameter.starts_with("convs.")
    }

    fn block(&self, layer: &str) -> String {
        let mut names = layer.split('.');
        let (kind, number) = (names.next().unwrap_or_default(), names.next().and_then(|number| number.parse().ok()));
        let side = match (kind, number) {
            ("input" | "conv1" | "to_rgb1", _) => Some(4),
            ("convs", Some(number)) => 8_usize.checked_shl(number / 2),
            ("to_rgbs", Some(number)) => 8_usize.checked_shl(number),
            _ => None,
        };
        side.map_or("mapping".to_owned(), |side| format!("{side} \u{d7} {side}"))
    }

    fn has_mapping(&self) -> bool {
        true
    }

    fn map(&self, p: &Leaves, z: Tensor<2>) -> Tensor<2> {
        self.mapping.forward(p, z)
    }

    fn w_mean(&self, p: &Leaves) -> Tensor<2> {
        style::centre(&self.mapping, self.w_avg.as_ref(), p)
    }

    fn synthesize(&self, p: &Leaves, ws: &[Dual<2>], noise: &Noise) -> Dual<4> {
        let [mut x, mut image] = self.start(p, ws, noise);
        for (n, block) in self.blocks.iter().enumerate() {
            let ((latents, noises), block) = (self.beside(n, ws, noise), block.clone());
            let precision = self.precision(n);
            let entering = Entering { maps: [x, image], latents };
            [x, image] = block::run(p, entering, self.checkpointing, move |p, Entering { maps, latents }| {
                block.forward(p, maps, latents, noises.clone(), (precision, |_, _| {}))
            });
        }
        image
    }

    fn with_checkpointing(&self, checkpointing: bool) -> Option<Arc<dyn GeneratorNetwork>> {
        Some(Arc::new(Self { checkpointing, ..self.clone() }))
    }

    fn with_half_precision(&self, half: bool) -> Option<Arc<dyn GeneratorNetwork>> {
        Some(Arc::new(Self { half, ..self.clone() }))
    }

    fn is_half_precision(&self) -> bool {
        self.half
    }

    fn maps(&self, p: &Leaves, ws: &[Dual<2>]) -> Vec<(String, Tensor<4>)> {
        let [mut x, mut image] = self.start(p, ws, &Noise::Constant);
        let mut maps = vec![("conv1".to_owned(), x.value.clone())];
        for (n, block) in self.blocks.iter().enumerate() {
            let (latents, noises) = self.beside(n, ws, &Noise::Constant);
            let watch = |layer: usize, x: &Dual<4>| {
                maps.push((format!("convs.{}", 2 * n + layer), x.value.clone()));
            };
            [x, image] = block.forward(p, [x, image], latents, noises, (Precision::Single, watch));
        }
        maps
    }

    fn is_kept_on_host(&self, parameter: &str) -> bool {
        MAPPING.is_parameter(parameter)
    }

    /// The running mean of `w` follows the mapping network.
    fn buffers(&self, template: &Params, weights: &FlatParams) -> Vec<(String, Vec<f32>)> {
        if !template.contains_key(W_AVG) {
            return Vec::new();
        }
        let Ok(generator) = Self::read(template, &weights.device()) else { return Vec::new() };
        vec![(W_AVG.to_owned(), to_vec(generator.w_mean(&weights.constants())))]
    }
}
