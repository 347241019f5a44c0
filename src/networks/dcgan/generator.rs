//! DCGAN generator (Radford et al. 2015, arXiv 1511.06434) as PyTorch's tutorial writes it, read off tensor shapes.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::{
    keys::{CLASSES, FAMILY, layout, weight},
    layer::{Direction, KERNEL, LEARNING_RATE_FACTOR, Layer},
};
use crate::networks::{
    ArchitectureError, Dual, GeneratorNetwork, Leaves, Noise, ParamLayout, Params,
    ops::{self, Activation},
    params::ShapeReader,
};

/// `z` to 4x4, then layers that double the side, each with batch normalisation and ReLU; `tanh` at the end. Dropout, where
/// a training had it, does nothing when samples are drawn.
#[derive(Clone, Debug)]
pub struct Generator {
    layout: Arc<ParamLayout>,
    /// From the latent, a 1x1 image, to 4x4.
    first: Layer,
    /// Each doubles the side; the last one gives the image.
    doubling: Vec<Layer>,
    classes: usize,
}

impl Generator {
    /// Reads the architecture off the tensors' shapes; running statistics go to `device`.
    pub fn read(params: &Params, device: &Device) -> Result<Self, ArchitectureError> {
        let layout = layout(params);
        let mut shapes = ShapeReader::new("generator", params);
        let first = Layer::read(&mut shapes, &layout, Direction::Up, 0, None, device)?;
        let mut doubling: Vec<Layer> = Vec::new();
        let mut channels = first.outputs;
        while shapes.contains(&weight(doubling.len() + 1)) {
            let index = doubling.len() + 1;
            let layer = Layer::read(&mut shapes, &layout, Direction::Up, index, Some(channels), device)?;
            channels = layer.outputs;
            doubling.push(layer);
        }
        if doubling.is_empty() {
            shapes.tensor::<4>(&weight(1))?;
        }
        let last = weight(doubling.len());
        if ![1, 3].contains(&channels) {
            return Err(shapes.misfit(&last, "one or three image channels".to_owned()));
        }
        let inputs = first.inputs;
        let classes = match shapes.scalar(CLASSES, 0.0, 1e6)? {
            Some(classes) if classes as usize >= inputs => {
                return Err(ArchitectureError::Classes { classes: classes as usize, inputs });
            }
            classes => classes.map_or(0, |classes| classes as usize),
        };
        shapes.finish()?;
        Ok(Self { layout, first, doubling, classes })
    }

    /// The first layer: `[batch, inputs]` to maps `[batch, channels, 4, 4]`.
    fn start(&self, p: &Leaves, z: &Tensor<2>) -> Tensor<4> {
        let [batch, inputs] = z.dims();
        let outputs = self.first.outputs;
        let layer = self.first.prepare(p, batch * KERNEL * KERNEL);
        // A transposed convolution of a 1x1 image is a matrix product.
        let x = z.clone().matmul(layer.weight.clone().reshape([inputs, outputs * KERNEL * KERNEL]));
        let x = layer.scale(x.reshape([batch, outputs, KERNEL, KERNEL]));
        ops::bias_activation(x, layer.bias, Activation::RELU)
    }

    /// Length of the input: `z` and the classes behind it.
    fn inputs(&self) -> usize {
        self.first.inputs
    }
}

/// A layer between the first and the last: twice the side.
fn double(p: &Leaves, layer: &Layer, x: Tensor<4>) -> Tensor<4> {
    let [batch, _, height, width] = x.dims();
    let layer = layer.prepare(p, 4 * batch * height * width);
    let x = layer.scale(ops::conv_transpose2d(x, layer.weight.clone(), 2, 1));
    ops::bias_activation(x, layer.bias, Activation::RELU)
}

impl GeneratorNetwork for Generator {
    fn family(&self) -> &'static str {
        FAMILY
    }

    fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    fn resolution(&self) -> usize {
        KERNEL << self.doubling.len()
    }

    fn image_channels(&self) -> usize {
        self.doubling.last().map_or(self.first.outputs, |last| last.outputs)
    }

    fn z_dim(&self) -> usize {
        self.inputs() - self.classes
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn w_dim(&self) -> usize {
        self.inputs()
    }

    fn num_ws(&self) -> usize {
        1
    }

    /// Of the layers before the last, which gives the image.
    fn channels(&self) -> Vec<usize> {
        let doubling = self.doubling.iter().rev().skip(1).rev().map(|layer| layer.outputs);
        std::iter::once(self.first.outputs).chain(doubling).collect()
    }

    /// A layer keeps what it gives, which is what the next one takes.
    fn training_bytes(&self) -> usize {
        let layers = self.channels().into_iter().zip(self.sides());
        let image = self.image_channels() * self.resolution() * self.resolution();
        (layers.map(|(channels, side)| channels * side * side).sum::<usize>() + image) * size_of::<f32>()
    }

    fn can_be_conditional(&self) -> bool {
        true
    }

    fn learning_rate_factor(&self) -> f64 {
        LEARNING_RATE_FACTOR
    }

    fn is_consolidated(&self, parameter: &str) -> bool {
        !parameter.starts_with("layers.0.")
    }

    fn block(&self, layer: &str) -> String {
        let number = layer.strip_prefix("layers.").and_then(|rest| rest.split('.').next()?.parse().ok());
        let side = number.and_then(|number| 4_usize.checked_shl(number));
        side.map_or(layer.to_owned(), |side| format!("{side} \u{d7} {side}"))
    }

    fn map(&self, _p: &Leaves, z: Tensor<2>) -> Tensor<2> {
        z
    }

    /// The mean of `z`, and no class.
    fn w_mean(&self, p: &Leaves) -> Tensor<2> {
        Tensor::zeros([1, self.inputs()], &p.device())
    }

    /// Truncation moves `z`; the class stays what it is.
    fn truncate(&self, w: Tensor<2>, w_mean: Tensor<2>, psi: f32) -> Tensor<2> {
        let z = w.clone().narrow(1, 0, self.z_dim());
        let mean = w_mean.narrow(1, 0, self.z_dim());
        let z = (z - mean.clone()) * psi + mean;
        match self.classes {
            0 => z,
            classes => Tensor::cat(vec![z, w.narrow(1, self.z_dim(), classes)], 1),
        }
    }

    fn synthesize(&self, p: &Leaves, ws: &[Dual<2>], _noise: &Noise) -> Dual<4> {
        let Some((last, hidden)) = self.doubling.split_last() else { return self.start(p, &ws[0].value).into() };
        let x = hidden.iter().fold(self.start(p, &ws[0].value), |x, layer| double(p, layer, x));
        let [batch, _, height, width] = x.dims();
        let layer = last.prepare(p, 4 * batch * height * width);
        let x = layer.scale(ops::conv_transpose2d(x, layer.weight.clone(), 2, 1));
        (x + layer.bias.reshape([1, last.outputs, 1, 1])).tanh().into()
    }

    /// Those of the layers before the last.
    fn maps(&self, p: &Leaves, ws: &[Dual<2>]) -> Vec<(String, Tensor<4>)> {
        let Some((_, hidden)) = self.doubling.split_last() else { return Vec::new() };
        let mut x = self.start(p, &ws[0].value);
        let mut maps = vec![("layers.0".to_owned(), x.clone())];
        for (number, layer) in hidden.iter().enumerate() {
            x = double(p, layer, x);
            maps.push((format!("layers.{}", number + 1), x.clone()));
        }
        maps
    }

    fn trunk(&self, p: &Leaves, ws: &[Dual<2>]) -> Option<Tensor<4>> {
        let (_, hidden) = self.doubling.split_last()?;
        Some(double(p, hidden.first()?, self.start(p, &ws[0].value)))
    }
}
