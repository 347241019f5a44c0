//! The generator: mapping network, Fourier features, layers of rising sampling rate, colours.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde_json::json;

use super::{
    input::FourierInput,
    keys::{CONV_CLAMP, FAMILY, GEOMETRY, INPUT, MAPPING, OUTPUT_SCALE, W_AVG, layout},
    layer::{Context, SynthesisLayer},
};
use crate::networks::{
    ArchitectureError, CheckpointedBytes, Details, Dual, FlatParams, GeneratorNetwork, Leaves, Motion, Noise,
    ParamLayout, Params,
    block::{self, Entering},
    flat::to_vec,
    generator::{MAPS_AT_ONCE, MAPS_HELD},
    params::ShapeReader,
    style::{self, Mapping, WAvg},
};

/// Maps are larger than the image by a margin; one that is larger than this, and than the image, is no margin.
const WIDEST_MARGIN: usize = 64;
/// Side of the maps that are features.
const TRUNK_SIDE: usize = 8;

/// The generator's architecture and constant buffers; its weights are passed to every call.
#[derive(Clone, Debug)]
pub struct Generator {
    layout: Arc<ParamLayout>,
    mapping: Mapping,
    w_avg: Option<WAvg>,
    input: FourierInput,
    /// The last one gives the image.
    layers: Vec<Arc<SynthesisLayer>>,
    output_scale: f32,
    clamp: Option<f32>,
    /// Whether layers are computed again in the backward pass.
    checkpointing: bool,
}

impl Generator {
    /// Reads the architecture off a `state_dict`'s shapes and the buffers beside it, which go to `device`.
    pub fn read(params: &Params, device: &Device) -> Result<Self, ArchitectureError> {
        let layout = layout(params);
        let mut shapes = ShapeReader::new("generator", params);
        let mapping = Mapping::of_latents(&mut shapes, &layout, &MAPPING)?;
        let w_dim = mapping.outputs();
        let w_avg = match shapes.contains(W_AVG) {
            true => Some(WAvg::new(shapes.expect(W_AVG, [w_dim])?, params, &MAPPING, device)),
            false => None,
        };
        let clamp = shapes.scalar(CONV_CLAMP, 1e-3, f32::MAX)?;
        let output_scale = shapes.scalar(OUTPUT_SCALE, -1e6, 1e6)?.unwrap_or(1.0);
        let input = FourierInput::read(&mut shapes, &layout, w_dim, device)?;
        let names = layer_names(params);
        let mut layers: Vec<Arc<SynthesisLayer>> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let input = layers.last().map_or((input.channels, input.side), |last| (last.outputs, last.output_side));
            let context = Context { w_dim, input, is_last: index + 1 == names.len(), clamp };
            layers.push(Arc::new(SynthesisLayer::read(&mut shapes, &layout, name, context)?));
        }
        if layers.is_empty() {
            shapes.tensor::<4>("synthesis.L0.weight")?;
        }
        let sides = || std::iter::once(input.side).chain(layers.iter().map(|layer| layer.output_side));
        let side = layers.last().map_or(0, |last| last.output_side);
        if let Some(large) = sides().find(|found| *found > 2 * side + WIDEST_MARGIN) {
            let geometry = format!("{INPUT}.{GEOMETRY}");
            return Err(shapes.value(&geometry, &[large as f32, side as f32]));
        }
        shapes.finish()?;
        Ok(Self { layout, mapping, w_avg, input, layers, output_scale, clamp, checkpointing: false })
    }

    /// The features of the input and of every layer, the last of which is the image before its scale.
    pub fn maps(&self, p: &Leaves, ws: &[Tensor<2>]) -> Vec<Tensor<4>> {
        let mut maps = Vec::new();
        self.run(p, ws, |x| maps.push(x.clone()));
        maps
    }

    /// The last layer's output; `watch` sees the input's features and then every layer's.
    fn run(&self, p: &Leaves, ws: &[Tensor<2>], mut watch: impl FnMut(&Tensor<4>)) -> Tensor<4> {
        let mut x = self.input.forward(p, ws[0].clone());
        watch(&x);
        for (layer, w) in self.layers.iter().zip(&ws[1..]) {
            let (entering, layer) = (Entering { maps: [x.into()], latents: [w.clone().into()] }, layer.clone());
            let [given] =
                block::run(p, entering, self.checkpointing, move |p, Entering { maps: [x], latents: [w] }| {
                    [layer.forward(p, x.value, w.value).into()]
                });
            x = given.value;
            watch(&x);
        }
        x
    }

    /// Of each layer, how many values of one sample enter it, and how many it keeps: what it takes, scaled, what its convolution gives,
    /// and what its activation gives.
    fn maps_of_layers(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut from = self.input.side;
        self.layers.iter().map(move |layer| {
            let (taken, given) = (std::mem::replace(&mut from, layer.output_side).pow(2), layer.output_side.pow(2));
            (layer.inputs * taken, (layer.inputs + layer.outputs) * taken + layer.outputs * given)
        })
    }

    /// Bytes of the largest layer of one sample with so many maps of its own. On a GPU the maps between the filters are whole, in which
    /// a layer has `up^2` pixels for each of its own; on a processor they are a plane at a time.
    fn bytes_of_maps(&self, maps: usize, device: &Device) -> usize {
        let is_whole = *device != Device::flex();
        let layer = |layer: &Arc<SynthesisLayer>| {
            let between = if is_whole { 2 * (layer.factors[0] * layer.factors[0]) } else { 0 };
            layer.outputs * layer.output_side.pow(2) * (maps + between)
        };
        self.layers.iter().map(layer).max().unwrap_or_default() * size_of::<f32>()
    }

    /// What the network is built to follow: the radial filters and pixel-wise convolutions of configuration R follow
    /// rotations as well as translations.
    fn equivariance(&self) -> &'static str {
        if self.layers.iter().any(|layer| layer.is_radial()) { "translation and rotation" } else { "translation" }
    }

    /// Layers at the input's sampling rate, the first of them.
    fn coarse_layers(&self) -> usize {
        let stays = |layer: &&Arc<SynthesisLayer>| layer.factors[0] == layer.factors[1];
        self.layers.iter().rev().skip(1).rev().take_while(stays).count()
    }
}

/// Prefixes of the layers in their order.
fn layer_names(params: &Params) -> Vec<String> {
    let number = |prefix: &str| prefix.strip_prefix("synthesis.L")?.split('_').next()?.parse::<u32>().ok();
    let weights = params.keys().filter_map(|key| key.strip_suffix(".weight"));
    let mut names: Vec<(u32, &str)> = weights
        .filter(|prefix| !prefix.ends_with(".affine"))
        .filter_map(|prefix| Some((number(prefix)?, prefix)))
        .collect();
    names.sort_unstable();
    names.into_iter().map(|(_, prefix)| prefix.to_owned()).collect()
}

impl GeneratorNetwork for Generator {
    fn family(&self) -> &'static str {
        FAMILY
    }

    fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    fn resolution(&self) -> usize {
        self.layers.last().map_or(self.input.side, |last| last.output_side)
    }

    fn image_channels(&self) -> usize {
        self.layers.last().map_or(self.input.channels, |last| last.outputs)
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
        self.layers.len() + 1
    }

    /// Of the layers before the colours.
    fn channels(&self) -> Vec<usize> {
        self.layers.iter().rev().skip(1).rev().map(|layer| layer.outputs).collect()
    }

    /// With the margin around the image.
    fn sides(&self) -> Vec<usize> {
        self.layers.iter().rev().skip(1).rev().map(|layer| layer.output_side).collect()
    }

    fn sample_bytes(&self, device: &Device) -> usize {
        self.bytes_of_maps(MAPS_AT_ONCE, device)
    }

    fn drawing_bytes(&self, device: &Device) -> usize {
        self.bytes_of_maps(MAPS_HELD, device)
    }

    fn training_bytes(&self) -> usize {
        self.maps_of_layers().map(|(_, within)| within).sum::<usize>() * size_of::<f32>()
    }

    /// Each layer is a block.
    fn checkpointed_bytes(&self) -> Option<CheckpointedBytes> {
        let kept = self.maps_of_layers().map(|(entering, _)| entering).sum::<usize>() * size_of::<f32>();
        let block = self.maps_of_layers().map(|(_, within)| within).max()? * size_of::<f32>();
        Some(CheckpointedBytes { kept, block })
    }

    fn with_checkpointing(&self, checkpointing: bool) -> Option<Arc<dyn GeneratorNetwork>> {
        Some(Arc::new(Self { checkpointing, ..self.clone() }))
    }

    fn details(&self) -> Details {
        let mut details = Details::from([
            ("mapping_layers", json!(self.mapping.depth())),
            ("w_avg", json!(self.w_avg.is_some())),
            ("synthesis_layers", json!(self.layers.len())),
            ("equivariance", json!(self.equivariance())),
        ]);
        details.extend(self.clamp.map(|clamp| ("conv_clamp", json!(clamp))));
        details
    }

    /// Those of the layers above the lowest sampling rate.
    fn is_consolidated(&self, parameter: &str) -> bool {
        let Some(rest) = parameter.strip_prefix("synthesis.L") else { return false };
        let number = rest.split('_').next().and_then(|number| number.parse::<usize>().ok());
        number.is_some_and(|number| number >= self.coarse_layers())
    }

    /// Each layer is one of its own: their maps' sides are no powers of two.
    fn block(&self, layer: &str) -> String {
        let mut names = layer.split('.');
        let part = names.next().unwrap_or_default();
        let name = if part == "synthesis" { names.next().unwrap_or(part) } else { part };
        let mut parts = name.split('_');
        let layer = parts.next().unwrap_or(name);
        parts.next().map_or(layer.to_owned(), |side| format!("{layer}, {side} \u{d7} {side}"))
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

    /// Takes no noise and carries no tangents.
    fn synthesize(&self, p: &Leaves, ws: &[Dual<2>], _noise: &Noise) -> Dual<4> {
        let ws: Vec<_> = ws.iter().map(|w| w.value.clone()).collect();
        (self.run(p, &ws, |_| {}) * self.output_scale).into()
    }

    /// Those of the layers before the colours, after the input's features.
    fn maps(&self, p: &Leaves, ws: &[Dual<2>]) -> Vec<(String, Tensor<4>)> {
        let ws: Vec<_> = ws.iter().map(|w| w.value.clone()).collect();
        let mut maps = Vec::new();
        self.run(p, &ws, |x| maps.push(x.clone()));
        maps.pop();
        maps.into_iter().skip(1).enumerate().map(|(layer, maps)| (format!("L{layer}"), maps)).collect()
    }

    fn can_move(&self) -> bool {
        true
    }

    fn moved(&self, motion: Motion) -> Option<Arc<dyn GeneratorNetwork>> {
        Some(Arc::new(Self { input: self.input.moved(motion), ..self.clone() }))
    }

    /// The last maps at the lowest sampling rate without their margin, as means of 8x8 squares.
    fn trunk(&self, p: &Leaves, ws: &[Dual<2>]) -> Option<Tensor<4>> {
        let side = self.input.sampling_rate as usize;
        let coarse = self.coarse_layers();
        let last = self.layers.get(coarse.checked_sub(1)?)?;
        let margin = last.output_side.checked_sub(side)? / 2;
        let step = side / TRUNK_SIDE;
        if step == 0 || !side.is_multiple_of(TRUNK_SIDE) {
            return None;
        }
        let mut x = self.input.forward(p, ws[0].value.clone());
        for (layer, w) in self.layers.iter().zip(&ws[1..]).take(coarse) {
            x = layer.forward(p, x, w.value.clone());
        }
        let [batch, channels, ..] = x.dims();
        let x = x.narrow(2, margin, side).narrow(3, margin, side);
        let x = x.reshape([batch * channels * TRUNK_SIDE, step, TRUNK_SIDE, step]).mean_dim(3).mean_dim(1);
        Some(x.reshape([batch, channels, TRUNK_SIDE, TRUNK_SIDE]))
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
