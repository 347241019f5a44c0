//! StyleGAN2 residual discriminator (the rosinality layout), read off the shapes of its tensors.

use burn::tensor::Tensor;

use super::{
    dual::Dual,
    flat::{Leaves, ParamId, ParamLayout},
    layers::{EqualConv2d, EqualLinear, Fir, id},
    mapping::Mapping,
    params::{ArchitectureError, Params, ShapeReader, extension},
    stddev::MinibatchStddev,
};

const NETWORK: &str = "discriminator";
/// Largest group over which the minibatch standard deviation is taken, unless the file says another.
pub const STDDEV_GROUP: usize = 4;

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
        let taps = shapes.separable_taps(&format!("{prefix}.conv2.0.kernel"))?;
        // The reference's padding before a 3x3 convolution of stride 2: two taps more than before one of size 1.
        let blur = Fir { padding: halves(taps.len() as isize), taps, up: 1, down: 1 };
        let conv2 = conv_layer(shapes, layout, &format!("{prefix}.conv2"), 1, 3, Some(blur))?;
        let taps = shapes.separable_taps(&format!("{prefix}.skip.0.kernel"))?;
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
    from_rgb: ConvLayer,
    blocks: Vec<ResBlock>,
    stddev: MinibatchStddev,
    final_conv: ConvLayer,
    final_linear: EqualLinear,
    score: EqualLinear,
    /// Maps a class to the direction of the last features that is its score.
    mapping: Option<Mapping>,
}

impl Discriminator {
    /// Reads the architecture off a `state_dict`'s shapes.
    pub fn read(params: &Params) -> Result<Self, ArchitectureError> {
        let layout = ParamLayout::of(params);
        let mut shapes = ShapeReader::new(NETWORK, params);
        let from_rgb = conv_layer(&mut shapes, &layout, "convs.0", 0, 1, None)?;
        let mut channels = from_rgb.conv.outputs;
        let mut blocks: Vec<ResBlock> = Vec::new();
        while shapes.contains(&format!("convs.{}.conv1.0.weight", blocks.len() + 1)) {
            let prefix = format!("convs.{}", blocks.len() + 1);
            let block = ResBlock::read(&mut shapes, &layout, &prefix)?;
            if block.conv1.conv.inputs != channels {
                let fits = format!("[_, {channels}, 3, 3]");
                return Err(shapes.misfit(&format!("{prefix}.conv1.0.weight"), fits));
            }
            channels = block.conv2.conv.outputs;
            blocks.push(block);
        }
        let mapping = Mapping::of_classes(&mut shapes, &layout)?;
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
        Ok(Self { from_rgb, blocks, stddev, final_conv, final_linear, score, mapping })
    }

    /// Side of the images it takes.
    pub fn resolution(&self) -> usize {
        4 << self.blocks.len()
    }

    /// Channels of the images it takes.
    pub fn image_channels(&self) -> usize {
        self.from_rgb.conv.inputs
    }

    /// Number of classes it judges by; 0 in unconditional networks.
    pub fn classes(&self) -> usize {
        self.mapping.as_ref().map_or(0, Mapping::classes)
    }

    /// Samples of a batch over which the minibatch standard deviation is taken.
    pub fn stddev_group(&self, batch: usize) -> usize {
        self.stddev.group(batch)
    }

    /// `[batch, channels, side, side]` to scores `[batch, 1]`: positive means real. A class-conditional network is told no
    /// class; see [`forward_labelled`](Self::forward_labelled).
    pub fn forward(&self, p: &Leaves, images: Dual<4>) -> Dual<2> {
        self.forward_labelled(p, images, None)
    }

    /// Scores `[batch, 1]` of images `[batch, channels, side, side]` of the classes `labels`, one-hot `[batch, classes]`.
    /// An unconditional network does not look at labels.
    pub fn forward_labelled(&self, p: &Leaves, images: Dual<4>, labels: Option<Tensor<2>>) -> Dual<2> {
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

    /// What it sees in each image by itself: the last 4x4 maps before the batch is looked at, `[batch, channels, 4, 4]`.
    pub fn trunk(&self, p: &Leaves, images: Dual<4>) -> Dual<4> {
        let mut x = self.from_rgb.forward(p, images);
        for block in &self.blocks {
            x = block.forward(p, x);
        }
        x
    }
}
