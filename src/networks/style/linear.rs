//! Linear layers with an equalised learning rate.

use burn::tensor::Tensor;

use crate::networks::{
    ArchitectureError, Dual, Leaves, ParamLayout,
    flat::{ParamId, WeightId},
    ops::{self, MemoryOrder},
    params::ShapeReader,
};

/// Looks up parameters while a network is built; every key was checked by a [`ShapeReader`] before.
pub(in crate::networks) fn id(layout: &ParamLayout, key: &str) -> Result<ParamId, ArchitectureError> {
    layout.id(key).ok_or_else(|| missing(key))
}

/// The parameter `key`, which its layer multiplies by `scale`; see [`ParamLayout::weight`].
pub(in crate::networks) fn weight_id(
    layout: &ParamLayout,
    key: &str,
    shape: &[usize],
    order: MemoryOrder,
    scale: f64,
) -> Result<WeightId, ArchitectureError> {
    layout.weight(key, shape, order, scale).ok_or_else(|| missing(key))
}

fn missing(key: &str) -> ArchitectureError {
    ArchitectureError::Missing { network: "network", key: key.to_owned() }
}

/// A linear layer whose weight is scaled at run time by `lr_mul / sqrt(inputs)` and whose bias by `lr_mul`
/// (equalised learning rate, Karras et al. 2018).
#[derive(Clone, Debug)]
pub(in crate::networks) struct EqualLinear {
    weight: WeightId,
    bias: WeightId,
    pub(in crate::networks) inputs: usize,
    pub(in crate::networks) outputs: usize,
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
        let scale = lr_mul / (inputs as f64).sqrt();
        let weight = weight_id(layout, &weight, &[outputs, inputs], MemoryOrder::RowMajor, scale)?;
        let bias = weight_id(layout, &bias, &[outputs], MemoryOrder::RowMajor, lr_mul)?;
        Ok(Self { weight, bias, inputs, outputs })
    }

    /// `[batch, inputs] -> [batch, outputs]`.
    pub(in crate::networks) fn forward(&self, p: &Leaves, x: Dual<2>) -> Dual<2> {
        if p.is_prepared() {
            let weight = p.weight(self.weight, [self.outputs, self.inputs], |weight: Tensor<2>| weight);
            let bias = p.weight(self.bias, [self.outputs], |bias: Tensor<1>| bias);
            let tangent = x.tangent.map(|t| t.matmul(weight.clone().transpose()));
            return Dual { value: ops::linear(x.value, weight, bias), tangent };
        }
        let weight = || p.weight(self.weight, [self.outputs, self.inputs], Tensor::transpose);
        let weight = p.derived(self.weight.id(), 0, weight);
        let bias = p.weight(self.bias, [1, self.outputs], |bias: Tensor<2>| bias);
        x.linear(|x| x.matmul(weight.clone())).plus_constant(bias)
    }
}

/// `x / sqrt(mean over features of x^2 + 1e-8)`, `[batch, features]`.
pub(in crate::networks) fn pixel_norm(x: Tensor<2>) -> Tensor<2> {
    let norm = (x.clone().square().mean_dim(1) + 1e-8).sqrt();
    x / norm
}
