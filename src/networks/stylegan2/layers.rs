//! The layers both networks share: equalised linear maps and FIR filters.

use burn::tensor::Tensor;

use crate::networks::{ArchitectureError, Dual, Leaves, ParamLayout, flat::ParamId, ops, params::ShapeReader};

/// Looks up parameters while a network is built; every key was checked by a [`ShapeReader`] before.
pub(super) fn id(layout: &ParamLayout, key: &str) -> Result<ParamId, ArchitectureError> {
    layout.id(key).ok_or_else(|| ArchitectureError::Missing { network: "network", key: key.to_owned() })
}

/// A linear layer whose weight is scaled at run time by `lr_mul / sqrt(inputs)` and whose bias by `lr_mul`
/// (equalised learning rate, Karras et al. 2018).
#[derive(Clone, Debug)]
pub(super) struct EqualLinear {
    weight: ParamId,
    bias: ParamId,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    lr_mul: f64,
}

impl EqualLinear {
    pub(super) fn read(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        prefix: &str,
        lr_mul: f64,
    ) -> Result<Self, ArchitectureError> {
        let (weight, bias) = (format!("{prefix}.weight"), format!("{prefix}.bias"));
        let ([outputs, inputs], _) = shapes.tensor::<2>(&weight)?;
        shapes.expect(&bias, [outputs])?;
        Ok(Self { weight: id(layout, &weight)?, bias: id(layout, &bias)?, inputs, outputs, lr_mul })
    }

    /// `[batch, inputs] -> [batch, outputs]`.
    pub(super) fn forward(&self, p: &Leaves, x: Dual<2>) -> Dual<2> {
        let scale = self.lr_mul / (self.inputs as f64).sqrt();
        let weight = p.get(self.weight, [self.outputs, self.inputs]).transpose() * scale;
        let bias = p.get(self.bias, [1, self.outputs]) * self.lr_mul;
        x.linear(|x| x.matmul(weight.clone())).plus_constant(bias)
    }
}

/// `x / sqrt(mean over features of x^2 + 1e-8)`, `[batch, features]`.
pub(super) fn pixel_norm(x: Tensor<2>) -> Tensor<2> {
    let norm = (x.clone().square().mean_dim(1) + 1e-8).sqrt();
    x / norm
}

/// A convolution with an equalised learning rate: weight `[outputs, inputs, kernel, kernel]` scaled by
/// `1 / sqrt(inputs * kernel^2)`, no bias.
#[derive(Clone, Debug)]
pub(super) struct EqualConv2d {
    weight: ParamId,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl EqualConv2d {
    pub(super) fn read(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        key: &str,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Result<Self, ArchitectureError> {
        let ([outputs, inputs, k1, k2], _) = shapes.tensor::<4>(key)?;
        if (k1, k2) != (kernel, kernel) {
            return Err(shapes.misfit(key, format!("[{outputs}, {inputs}, {kernel}, {kernel}]")));
        }
        Ok(Self { weight: id(layout, key)?, inputs, outputs, kernel, stride, padding })
    }

    /// `[batch, inputs, height, width] -> [batch, outputs, height', width']`.
    pub(super) fn forward(&self, p: &Leaves, x: Dual<4>) -> Dual<4> {
        let scale = 1.0 / ((self.inputs * self.kernel * self.kernel) as f64).sqrt();
        let shape = [self.outputs, self.inputs, self.kernel, self.kernel];
        let weight = p.get(self.weight, shape) * scale;
        x.linear(|x| ops::conv2d(x, weight.clone(), self.stride, self.padding))
    }
}

/// A separable FIR filter with zero-insertion upsampling and downsampling.
#[derive(Clone, Debug)]
pub(super) struct Fir {
    pub(super) taps: Vec<f32>,
    pub(super) up: usize,
    pub(super) down: usize,
    pub(super) padding: (isize, isize),
}

impl Fir {
    pub(super) fn forward(&self, x: Dual<4>) -> Dual<4> {
        x.linear(|x| ops::upfirdn2d(x, &self.taps, self.up, self.down, self.padding.0, self.padding.1))
    }
}
