//! DCGAN discriminator as PyTorch's tutorial writes it, read off tensor shapes. Its last layer's sigmoid is left out: what
//! the losses take are logits.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::{
    keys::{FAMILY, layout, weight},
    layer::{Direction, KERNEL, LEARNING_RATE_FACTOR, Layer},
};
use crate::networks::{
    ArchitectureError, DiscriminatorNetwork, Dual, Leaves, ParamLayout, Params,
    ops::{self, Activation},
    params::ShapeReader,
};

/// Layers that halve the side, each with batch normalisation (but the first) and leaky ReLU, down to 4x4; then one number.
#[derive(Clone, Debug)]
pub struct Discriminator {
    layout: Arc<ParamLayout>,
    halving: Vec<Layer>,
    last: Layer,
}

impl Discriminator {
    /// Reads the architecture off the tensors' shapes; running statistics go to `device`.
    pub fn read(params: &Params, device: &Device) -> Result<Self, ArchitectureError> {
        let layout = layout(params);
        let mut shapes = ShapeReader::new("discriminator", params);
        let mut layers: Vec<Layer> = Vec::new();
        while shapes.contains(&weight(layers.len())) {
            let inputs = layers.last().map(|layer: &Layer| layer.outputs);
            layers.push(Layer::read(&mut shapes, &layout, Direction::Down, layers.len(), inputs, device)?);
        }
        let key = weight(layers.len().saturating_sub(1));
        let (Some(last), Some(first)) = (layers.pop(), layers.first()) else {
            shapes.tensor::<4>(&weight(layers.len()))?;
            return Err(shapes.misfit(&key, "several layers".to_owned()));
        };
        if last.outputs != 1 {
            return Err(shapes.misfit(&key, format!("[1, {}, {KERNEL}, {KERNEL}]", last.inputs)));
        }
        if ![1, 3].contains(&first.inputs) {
            return Err(shapes.misfit(&weight(0), "one or three image channels".to_owned()));
        }
        shapes.finish()?;
        Ok(Self { layout, halving: layers, last })
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
        KERNEL << self.halving.len()
    }

    fn image_channels(&self) -> usize {
        self.halving.first().map_or(self.last.inputs, |first| first.inputs)
    }

    /// A layer keeps what it gives, which is what the next one takes.
    fn training_bytes(&self) -> usize {
        let mut side = self.resolution();
        let image = self.image_channels() * side * side;
        let layers = self.halving.iter().map(|layer| {
            side /= 2;
            layer.outputs * side * side
        });
        (image + layers.sum::<usize>()) * size_of::<f32>()
    }

    fn learning_rate_factor(&self) -> f64 {
        LEARNING_RATE_FACTOR
    }

    fn forward_labelled(&self, p: &Leaves, images: Dual<4>, _labels: Option<Tensor<2>>) -> Dual<2> {
        let x = self.trunk(p, images);
        let [batch, channels, height, width] = x.value.dims();
        let layer = self.last.prepare(p, batch);
        // A convolution that leaves one pixel is a matrix product.
        let weight = layer.weight.clone().reshape([channels * height * width, 1]);
        let x = x.linear(|x| {
            let x = x.reshape([batch, channels * height * width]).matmul(weight.clone());
            layer.scale(x.reshape([batch, 1, 1, 1])).reshape([batch, 1])
        });
        x.plus_constant(layer.bias.reshape([1, 1]))
    }

    fn trunk(&self, p: &Leaves, images: Dual<4>) -> Dual<4> {
        self.halving.iter().fold(images, |x, layer| halve(p, layer, x))
    }

    fn maps(&self, p: &Leaves, images: Dual<4>, sides: &[usize]) -> Vec<Tensor<4>> {
        let mut x = images;
        let mut out = Vec::new();
        for layer in &self.halving {
            x = halve(p, layer, x);
            if sides.contains(&x.value.dims()[3]) {
                out.push(x.value.clone());
            }
            if out.len() == sides.len() {
                break;
            }
        }
        out
    }
}

/// A layer that halves the side.
fn halve(p: &Leaves, layer: &Layer, x: Dual<4>) -> Dual<4> {
    let [batch, _, height, width] = x.value.dims();
    let layer = layer.prepare(p, batch * height * width / 4);
    let x = x.linear(|x| layer.scale(ops::conv2d(x, layer.weight.clone(), 2, 1)));
    x.bias_activation(layer.bias, Activation::PLAIN_LEAKY)
}
