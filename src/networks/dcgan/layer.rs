//! What the layers of both networks have in common: a convolution, perhaps a bias, perhaps batch normalisation.

use burn::tensor::{Device, Tensor, TensorData};

use super::keys;
use crate::networks::{ArchitectureError, Leaves, ParamLayout, flat::ParamId, ops, params::ShapeReader};

/// PyTorch's default.
const BATCH_NORM_EPS: f32 = 1e-5;
/// The kernel of every layer in PyTorch's tutorial.
pub(super) const KERNEL: usize = 4;
/// Weights have a deviation of 0.02 to 0.05 and are used as they are, so they take steps that much smaller than equalised
/// ones.
pub(super) const LEARNING_RATE_FACTOR: f64 = 0.2;

/// Which way a weight's first two extents run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// `Conv2d`: `[outputs, inputs, k, k]`.
    Down,
    /// `ConvTranspose2d`: `[inputs, outputs, k, k]`.
    Up,
}

/// Batch normalisation by running statistics (Ioffe & Szegedy 2015): `(x - mean) / sqrt(var + eps) * weight + bias`.
#[derive(Clone, Debug)]
struct BatchNorm {
    weight: ParamId,
    bias: ParamId,
    /// The running mean, `[outputs]`.
    mean: Tensor<1>,
    /// `1 / sqrt(running variance + eps)`, `[outputs]`.
    scale: Tensor<1>,
}

/// A convolution with what follows it up to the activation.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    direction: Direction,
    weight: ParamId,
    bias: Option<ParamId>,
    norm: Option<BatchNorm>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) kernel: usize,
}

impl Layer {
    /// Layer `index`, whose input has `inputs` channels (any, for the first).
    pub(super) fn read(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        direction: Direction,
        index: usize,
        inputs: Option<usize>,
        device: &Device,
    ) -> Result<Self, ArchitectureError> {
        let key = keys::weight(index);
        let ([a, b, kernel, width], _) = shapes.tensor::<4>(&key)?;
        let (found, outputs) = if direction == Direction::Up { (a, b) } else { (b, a) };
        let wanted = inputs.unwrap_or(found);
        if found != wanted || kernel != KERNEL || width != KERNEL {
            let fits = match direction {
                Direction::Up => format!("[{wanted}, {outputs}, {KERNEL}, {KERNEL}]"),
                Direction::Down => format!("[{outputs}, {wanted}, {KERNEL}, {KERNEL}]"),
            };
            return Err(shapes.misfit(&key, fits));
        }
        let network = shapes.network;
        let id = |key: &str| layout.id(key).ok_or_else(|| ArchitectureError::Missing { network, key: key.to_owned() });
        let weight = id(&key)?;
        let key = keys::bias(index);
        let bias = match shapes.contains(&key) {
            true => {
                shapes.expect(&key, [outputs])?;
                Some(id(&key)?)
            }
            false => None,
        };
        let norm = match shapes.contains(&keys::norm(index, "weight")) {
            false => None,
            true => {
                let [weight, bias, mean, variance] =
                    ["weight", "bias", "running_mean", "running_var"].map(|name| keys::norm(index, name));
                for key in [&weight, &bias] {
                    shapes.expect(key, [outputs])?;
                }
                let on_device = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [outputs]), device);
                let mean = shapes.expect(&mean, [outputs])?.data.clone();
                let variances = &shapes.expect(&variance, [outputs])?.data;
                if let Some(bad) = variances.iter().find(|v| !(v.is_finite() && **v >= 0.0)) {
                    let value = bad.to_string();
                    return Err(ArchitectureError::Value { network, key: variance, value });
                }
                let scale = variances.iter().map(|v| 1.0 / (v + BATCH_NORM_EPS).sqrt()).collect();
                let (weight, bias) = (id(&weight)?, id(&bias)?);
                Some(BatchNorm { weight, bias, mean: on_device(mean), scale: on_device(scale) })
            }
        };
        Ok(Self { direction, weight, bias, norm, inputs: wanted, outputs, kernel })
    }

    /// The layer on a batch whose result has `pixels` pixels a channel, all samples together. Batch normalisation by running
    /// statistics is an affine map per channel: it is folded into whichever is smaller, the weight or the result.
    pub(super) fn prepare(&self, p: &Leaves, pixels: usize) -> Prepared {
        let (shape, per_output) = match self.direction {
            Direction::Up => ([self.inputs, self.outputs, self.kernel, self.kernel], [1, self.outputs, 1, 1]),
            Direction::Down => ([self.outputs, self.inputs, self.kernel, self.kernel], [self.outputs, 1, 1, 1]),
        };
        let weight = p.get(self.weight, shape);
        let bias = self.bias.map(|id| p.get(id, [self.outputs]));
        let Some(norm) = &self.norm else {
            let bias = bias.unwrap_or_else(|| Tensor::zeros([self.outputs], &p.device()));
            return Prepared { weight, gain: None, bias };
        };
        let gain = p.get(norm.weight, [self.outputs]) * norm.scale.clone();
        let centre = match bias {
            Some(bias) => bias - norm.mean.clone(),
            None => norm.mean.clone().neg(),
        };
        let bias = p.get(norm.bias, [self.outputs]) + centre * gain.clone();
        match pixels < self.inputs * self.kernel * self.kernel {
            true => Prepared { weight, gain: Some(gain), bias },
            false => Prepared { weight: weight * gain.reshape(per_output), gain: None, bias },
        }
    }
}

/// What a layer computes up to the activation: `linear(x, weight) * gain[c] + bias[c]`.
pub(super) struct Prepared {
    /// `[inputs, outputs, k, k]` or `[outputs, inputs, k, k]`, by direction.
    pub(super) weight: Tensor<4>,
    /// `[outputs]`, where it is not in the weight.
    gain: Option<Tensor<1>>,
    /// `[outputs]`.
    pub(super) bias: Tensor<1>,
}

impl Prepared {
    /// Multiplies `x: [batch, outputs, height, width]` by the gain.
    pub(super) fn scale(&self, x: Tensor<4>) -> Tensor<4> {
        let Some(gain) = self.gain.clone() else { return x };
        let [batch, outputs, ..] = x.dims();
        ops::scale_channels(x, gain.reshape([1, outputs]).expand([batch, outputs]))
    }
}
