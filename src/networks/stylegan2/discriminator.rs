//! StyleGAN2 residual discriminator (the rosinality layout), read off the shapes of its tensors.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::{
    keys::{FAMILY, MAPPING, extension, layout},
    layers::{EqualConv2d, Fir},
    separable::separable_taps,
    stddev::MinibatchStddev,
};
use crate::networks::{
    ArchitectureError, CheckpointedBytes, DiscriminatorNetwork, Dual, Leaves, ParamLayout, Params,
    block::{self, Entering},
    flat::ParamId,
    params::ShapeReader,
    precision::Precision,
    style::{EqualLinear, Mapping, id},
};

const NETWORK: &str = "discriminator";

/// Convolution, bias and activation.
#[derive(Clone, Debug)]
struct ConvLayer {
    blur: Option<Fir>,
    conv: EqualConv2d,
    bias: ParamId,
    clamp: Option<f32>,
}

impl ConvLayer {
    fn forward(&self, p: &Leaves, x: Dual<4>) -> Dual<4> {
        let x = match &self.blur {
            Some(blur) => blur.forward(x),
            None => x,
        };
        self.conv.forward(p, x).bias_leaky_relu(p.get(self.bias, [self.conv.outputs])).clamp(self.clamp)
    }
}

#[derive(Clone, Debug)]
struct ResBlock {
    conv1: ConvLayer,
    conv2: ConvLayer,
    /// Blur and downsampling of the skip branch in one filter; the 1x1 convolution then has stride 1.
    skip_down: Fir,
    skip: EqualConv2d,
}

impl ResBlock {
    fn read(shapes: &mut ShapeReader, layout: &ParamLayout, prefix: &str) -> Result<Self, ArchitectureError> {
        let conv1 = conv_layer(shapes, layout, &format!("{prefix}.conv1"), 0, 3, None)?;
        let taps = separable_taps(shapes, &format!("{prefix}.conv2.0.kernel"))?;
        // The reference's padding before a 3x3 convolution of stride 2: two taps more than before one of size 1.
        let blur = Fir { padding: halves(taps.len() as isize), taps, up: 1, down: 1 };
        let conv2 = conv_layer(shapes, layout, &format!("{prefix}.conv2"), 1, 3, Some(blur))?;
        let taps = separable_taps(shapes, &format!("{prefix}.skip.0.kernel"))?;
        let skip_down = Fir { padding: halves(taps.len() as isize - 2), taps, up: 1, down: 2 };
        let key = format!("{prefix}.skip.1.weight");
        let skip = EqualConv2d::read(shapes, layout, &key, 1, 1, 0)?;
        let inputs = conv1.conv.inputs;
        let fits =
            conv1.conv.outputs == conv2.conv.inputs && (skip.inputs, skip.outputs) == (inputs, conv2.conv.outputs);
        if !fits {
            return Err(shapes.misfit(&key, format!("[{}, {inputs}, 1, 1]", conv2.conv.outputs)));
        }
        Ok(Self { conv1, conv2, skip_down, skip })
    }

    fn forward(&self, p: &Leaves, x: Dual<4>) -> Dual<4> {
        let skip = self.skip.forward(p, self.skip_down.forward(x.clone()));
        let out = self.conv2.forward(p, self.conv1.forward(p, x));
        out.plus(skip).linear(|x| x * std::f64::consts::FRAC_1_SQRT_2)
    }
}

/// Padding of `p` pixels in all, the odd one in front.
fn halves(p: isize) -> (isize, isize) {
    ((p + 1).div_euclid(2), p.div_euclid(2))
}

/// `PREFIX.{first}.weight` and `PREFIX.{first + 1}.bias`.
fn conv_layer(
    shapes: &mut ShapeReader,
    layout: &ParamLayout,
    prefix: &str,
    first: usize,
    kernel: usize,
    blur: Option<Fir>,
) -> Result<ConvLayer, ArchitectureError> {
    let (stride, padding) = if blur.is_some() { (2, 0) } else { (1, kernel / 2) };
    let key = format!("{prefix}.{first}.weight");
    let conv = EqualConv2d::read(shapes, layout, &key, kernel, stride, padding)?;
    let bias = format!("{prefix}.{}.bias", first + 1);
    shapes.expect(&bias, [conv.outputs])?;
    let clamp = shapes.scalar(extension::CONV_CLAMP, 1e-3, f32::MAX)?;
    Ok(ConvLayer { blur, conv, bias: id(layout, &bias)?, clamp })
}

/// The discriminator's architecture; its weights are passed to every call.
#[derive(Clone, Debug)]
pub struct Discriminator {
    layout: Arc<ParamLayout>,
    from_rgb: Arc<ConvLayer>,
    blocks: Vec<Arc<ResBlock>>,
    stddev: MinibatchStddev,
    final_conv: ConvLayer,
    final_linear: EqualLinear,
    score: EqualLinear,
    /// Maps a class to the direction of the last features that is its score.
    mapping: Option<Mapping>,
    /// Whether blocks are computed again in the backward pass.
    checkpointing: bool,
    /// Whether the largest blocks are in half precision.
    half: bool,
}

impl Discriminator {
    /// Reads the architecture off a `state_dict`'s shapes.
    pub fn read(params: &Params) -> Result<Self, ArchitectureError> {
        let layout = layout(params);
        let mut shapes = ShapeReader::new(NETWORK, params);
        let from_rgb = Arc::new(conv_layer(&mut shapes, &layout, "convs.0", 0, 1, None)?);
        let mut channels = from_rgb.conv.outputs;
        let mut blocks: Vec<Arc<ResBlock>> = Vec::new();
        while shapes.contains(&format!("convs.{}.conv1.0.weight", blocks.len() + 1)) {
            let prefix = format!("convs.{}", blocks.len() + 1);
            let block = ResBlock::read(&mut shapes, &layout, &prefix)?;
            if block.conv1.conv.inputs != channels {
                let fits = format!("[_, {channels}, 3, 3]");
                return Err(shapes.misfit(&format!("{prefix}.conv1.0.weight"), fits));
            }
            channels = block.conv2.conv.outputs;
            blocks.push(Arc::new(block));
        }
        let mapping = Mapping::of_classes(&mut shapes, &layout, &MAPPING)?;
        let stddev = MinibatchStddev::read(&mut shapes, channels)?;
        let final_conv = conv_layer(&mut shapes, &layout, "final_conv", 0, 3, None)?;
        if final_conv.conv.inputs != channels + stddev.features {
            let fits = format!("[_, {}, 3, 3]", channels + stddev.features);
            return Err(shapes.misfit("final_conv.0.weight", fits));
        }
        let final_linear = EqualLinear::read(&mut shapes, &layout, "final_linear.0", 1.0)?;
        if final_linear.inputs != final_conv.conv.outputs * 16 {
            let fits = format!("[_, {}]", final_conv.conv.outputs * 16);
            return Err(shapes.misfit("final_linear.0.weight", fits));
        }
        let score = EqualLinear::read(&mut shapes, &layout, "final_linear.1", 1.0)?;
        let outputs = mapping.as_ref().map_or(1, Mapping::outputs);
        if (score.inputs, score.outputs) != (final_linear.outputs, outputs) {
            let fits = format!("[{outputs}, {}]", final_linear.outputs);
            return Err(shapes.misfit("final_linear.1.weight", fits));
        }
        shapes.finish()?;
        let [checkpointing, half] = [false; 2];
        Ok(Self { layout, from_rgb, blocks, stddev, final_conv, final_linear, score, mapping, checkpointing, half })
    }
}

impl Discriminator {
    /// Bytes of an image and of what becomes of its colours.
    fn colours(&self) -> usize {
        let channels = self.from_rgb.conv.inputs + self.from_rgb.conv.outputs;
        channels * self.resolution() * self.resolution() * self.precision(0).bytes()
    }

    /// What a block, counted from the largest, stores maps in.
    fn precision(&self, block: usize) -> Precision {
        Precision::of_block(self.half && block < self.blocks.len(), block)
    }

    /// Of each block, how many bytes of one image enter it, and how many it keeps: what its first convolution gives, that blurred, and
    /// at half the side what the shortcut takes, what the second convolution gives, and the sum, which the next block takes.
    fn maps_of_blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut side = self.resolution();
        self.blocks.iter().enumerate().map(move |(n, block)| {
            let (plane, inputs) = (side * side, block.conv1.conv.inputs);
            side /= 2;
            let within =
                (block.conv1.conv.outputs + inputs) * plane + (inputs + 2 * block.conv2.conv.outputs) * plane / 4;
            // What enters comes from the block before.
            let before = self.precision(n.saturating_sub(1));
            (inputs * plane * before.bytes(), within * self.precision(n).bytes())
        })
    }

    /// The result of a block, counted from the largest, of what is stored in its precision.
    fn through(
        &self,
        (p, block): (&Leaves, usize),
        x: Dual<4>,
        f: impl Fn(&Leaves, Dual<4>) -> Dual<4> + Send + 'static,
    ) -> Dual<4> {
        let (entering, precision) = (Entering { maps: [x], latents: [] }, self.precision(block));
        let [x] = block::run(p, entering, self.checkpointing, move |p, Entering { maps: [x], .. }| {
            [f(p, precision.store(x))]
        });
        x
    }
}

impl DiscriminatorNetwork for Discriminator {
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
        self.from_rgb.conv.inputs
    }

    fn classes(&self) -> usize {
        self.mapping.as_ref().map_or(0, Mapping::classes)
    }

    fn training_bytes(&self) -> usize {
        self.colours() + self.maps_of_blocks().map(|(_, within)| within).sum::<usize>()
    }

    /// The colours are part of the first block, which only the image enters.
    fn checkpointed_bytes(&self) -> Option<CheckpointedBytes> {
        let plane = self.resolution() * self.resolution();
        let mut kept = self.from_rgb.conv.inputs * plane * size_of::<f32>();
        let mut block = 0;
        for (n, (entering, within)) in self.maps_of_blocks().enumerate() {
            match n {
                0 => block = self.colours() + within,
                _ => (kept, block) = (kept + entering, block.max(within)),
            }
        }
        Some(CheckpointedBytes { kept, block })
    }

    fn batch_group(&self, batch: usize) -> usize {
        self.stddev.group(batch)
    }

    fn forward_labelled(&self, p: &Leaves, images: Dual<4>, labels: Option<Tensor<2>>) -> Dual<2> {
        let x = self.final_conv.forward(p, self.stddev.append(self.trunk(p, images)));
        let [batch, channels, height, width] = x.value.dims();
        let x = x.linear(|x| x.reshape([batch, channels * height * width]));
        let x = self.final_linear.forward(p, x).leaky_relu_gained();
        let x = self.score.forward(p, x);
        let Some(mapping) = &self.mapping else { return x };
        let labels = labels.unwrap_or_else(|| Tensor::zeros([batch, mapping.classes()], &p.device()));
        let direction = mapping.forward(p, labels) / (mapping.outputs() as f64).sqrt();
        x.linear(|x| (x * direction.clone()).sum_dim(1))
    }

    /// The colours are part of the first block, so that of it only the image need be kept.
    fn trunk(&self, p: &Leaves, images: Dual<4>) -> Dual<4> {
        let Some((first, blocks)) = self.blocks.split_first() else { return self.from_rgb.forward(p, images) };
        let (from_rgb, first) = (self.from_rgb.clone(), first.clone());
        let x = self.through((p, 0), images, move |p, images| first.forward(p, from_rgb.forward(p, images)));
        let blocks = blocks.iter().cloned().enumerate();
        let x = blocks.fold(x, |x, (n, block)| self.through((p, n + 1), x, move |p, x| block.forward(p, x)));
        Precision::Single.store(x)
    }

    fn with_checkpointing(&self, checkpointing: bool) -> Option<Arc<dyn DiscriminatorNetwork>> {
        Some(Arc::new(Self { checkpointing, ..self.clone() }))
    }

    fn with_half_precision(&self, half: bool) -> Option<Arc<dyn DiscriminatorNetwork>> {
        Some(Arc::new(Self { half, ..self.clone() }))
    }

    fn is_half_precision(&self) -> bool {
        self.half
    }

    fn maps(&self, p: &Leaves, images: Dual<4>, sides: &[usize]) -> Vec<Tensor<4>> {
        let mut x = self.from_rgb.forward(p, images);
        let mut out = Vec::new();
        for block in self.blocks.iter().map(Some).chain([None]) {
            if sides.contains(&x.value.dims()[3]) {
                out.push(x.value.clone());
            }
            let (Some(block), true) = (block, out.len() < sides.len()) else { break };
            x = block.forward(p, x);
        }
        out
    }
}
