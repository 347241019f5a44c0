//! The layers both networks share: equalised convolutions and FIR filters.

use burn::tensor::Tensor;

use crate::networks::{
    ArchitectureError, Dual, Leaves, ParamLayout,
    flat::WeightId,
    ops::{self, MemoryOrder},
    params::ShapeReader,
    style::weight_id,
};

/// A convolution with an equalised learning rate: weight `[outputs, inputs, kernel, kernel]` scaled by
/// `1 / sqrt(inputs * kernel^2)`, no bias.
#[derive(Clone, Debug)]
pub(super) struct EqualConv2d {
    weight: WeightId,
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
        let scale = 1.0 / ((inputs * kernel * kernel) as f64).sqrt();
        let weight = weight_id(layout, key, &[outputs, inputs, kernel, kernel], MemoryOrder::InnerLast, scale)?;
        Ok(Self { weight, inputs, outputs, kernel, stride, padding })
    }

    /// `[batch, inputs, height, width] -> [batch, outputs, height', width']`.
    pub(super) fn forward(&self, p: &Leaves, x: Dual<4>) -> Dual<4> {
        let shape = [self.outputs, self.inputs, self.kernel, self.kernel];
        let weight = p.weight(self.weight, shape, |weight: Tensor<4>| weight);
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
