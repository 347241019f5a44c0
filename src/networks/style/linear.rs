//! Linear layers with an equalised learning rate.

use burn::tensor::Tensor;

use crate::networks::{ArchitectureError, Dual, Leaves, ParamLayout, flat::ParamId, params::ShapeReader};

/// Looks up parameters while a network is built; every key was checked by a [`ShapeReader`] before.
pub(in crate::networks) fn id(layout: &ParamLayout, key: &str) -> Result<ParamId, ArchitectureError> {
    layout.id(key).ok_or_else(|| ArchitectureError::Missing { network: "network", key: key.to_owned() })
}

/// A linear layer whose weight is scaled at run time by `lr_mul / sqrt(inputs)` and whose bias by `lr_mul`
/// (equalised learning rate, Karras et al. 2018).
#[derive(Clone, Debug)]
pub(in crate::networks) struct EqualLinear {
    weight: ParamId,
    bias: ParamId,
    pub(in crate::networks) inputs: usize,
    pub(in crate::networks) outputs: usize,
    lr_mul: f64,
}

impl EqualLinear {
    pub(in crate::networks) fn read(
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
    pub(in crate::networks) fn forward(&self, p: &Leaves, x: Dual<2>) -> Dual<2> {
        let scale = self.lr_mul / (self.inputs as f64).sqrt();
        let weight = p.derived(self.weight, 0, || p.get(self.weight, [self.outputs, self.inputs]).transpose() * scale);
        let bias = p.get(self.bias, [1, self.outputs]) * self.lr_mul;
        x.linear(|x| x.matmul(weight.clone())).plus_constant(bias)
    }
}

/// `x / sqrt(mean over features of x^2 + 1e-8)`, `[batch, features]`.
pub(in crate::networks) fn pixel_norm(x: Tensor<2>) -> Tensor<2> {
    let norm = (x.clone().square().mean_dim(1) + 1e-8).sqrt();
    x / norm
}
