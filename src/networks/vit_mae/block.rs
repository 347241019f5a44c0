//! A transformer block and its parts.

use burn::tensor::Tensor;

use crate::networks::{ArchitectureError, Leaves, ParamLayout, flat::ParamId, ops, params::ShapeReader, style::id};

/// `x W^T + b`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    weight: ParamId,
    bias: Option<ParamId>,
}

impl Linear {
    /// From tensors `NAME.weight` `[outputs, inputs]` and `NAME.bias`, where `bias` asks for it.
    pub(super) fn read(
        reader: &mut ShapeReader<'_>,
        layout: &ParamLayout,
        name: &str,
        inputs: usize,
        outputs: Option<usize>,
        bias: bool,
    ) -> Result<Self, ArchitectureError> {
        let key = format!("{name}.weight");
        let ([found, found_inputs], _) = reader.tensor::<2>(&key)?;
        let outputs = outputs.unwrap_or(found);
        if [found, found_inputs] != [outputs, inputs] {
            return Err(reader.misfit(&key, format!("{:?}", [outputs, inputs])));
        }
        let bias = match bias {
            true => {
                reader.expect(&format!("{name}.bias"), [outputs])?;
                Some(id(layout, &format!("{name}.bias"))?)
            }
            false => None,
        };
        Ok(Self { inputs, outputs, weight: id(layout, &key)?, bias })
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(super) fn forward(&self, p: &Leaves, x: Tensor<2>) -> Tensor<2> {
        let weight = p.get(self.weight, [self.outputs, self.inputs]);
        match self.bias {
            Some(bias) => ops::linear(x, weight, p.get(bias, [self.outputs])),
            None => x.matmul(weight.transpose()),
        }
    }
}

/// Layer normalisation over the last dimension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Norm {
    width: usize,
    epsilon: f64,
    weight: ParamId,
    bias: ParamId,
}

impl Norm {
    pub(super) fn read(
        reader: &mut ShapeReader<'_>,
        layout: &ParamLayout,
        name: &str,
        width: usize,
        epsilon: f64,
    ) -> Result<Self, ArchitectureError> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        reader.expect(&weight, [width])?;
        reader.expect(&bias, [width])?;
        Ok(Self { width, epsilon, weight: id(layout, &weight)?, bias: id(layout, &bias)? })
    }

    pub(super) fn forward(&self, p: &Leaves, x: Tensor<2>) -> Tensor<2> {
        ops::layer_norm(x, p.get(self.weight, [self.width]), p.get(self.bias, [self.width]), self.epsilon)
    }
}

/// Attention and a perceptron, each after a layer normalisation and added to what comes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    heads: usize,
    before: Norm,
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    after: Norm,
    intermediate: Linear,
    output: Linear,
}

impl Block {
    pub(super) fn read(
        reader: &mut ShapeReader<'_>,
        layout: &ParamLayout,
        name: &str,
        (width, heads, epsilon): (usize, usize, f64),
    ) -> Result<Self, ArchitectureError> {
        let of = |part: &str| format!("{name}.{part}");
        // `qkv_bias` of the configuration.
        let biased = reader.contains(&of("attention.attention.query.bias"));
        let mut attention = |part: &str| {
            Linear::read(reader, layout, &of(&format!("attention.attention.{part}")), width, Some(width), biased)
        };
        let (query, key, value) = (attention("query")?, attention("key")?, attention("value")?);
        let attended = Linear::read(reader, layout, &of("attention.output.dense"), width, Some(width), true)?;
        let intermediate = Linear::read(reader, layout, &of("intermediate.dense"), width, None, true)?;
        let output = Linear::read(reader, layout, &of("output.dense"), intermediate.outputs, Some(width), true)?;
        let before = Norm::read(reader, layout, &of("layernorm_before"), width, epsilon)?;
        let after = Norm::read(reader, layout, &of("layernorm_after"), width, epsilon)?;
        Ok(Self { heads, before, query, key, value, attended, after, intermediate, output })
    }

    /// Width of the perceptron's hidden layer.
    pub(super) fn intermediate(&self) -> usize {
        self.intermediate.outputs
    }

    /// `[batch * tokens, width]` to the same.
    pub(super) fn forward(&self, p: &Leaves, x: Tensor<2>, batch: usize) -> Tensor<2> {
        let x = x.clone() + self.attention(p, self.before.forward(p, x), batch);
        let hidden = ops::gelu(self.intermediate.forward(p, self.after.forward(p, x.clone())));
        x + self.output.forward(p, hidden)
    }

    fn attention(&self, p: &Leaves, x: Tensor<2>, batch: usize) -> Tensor<2> {
        let query = self.query.forward(p, x.clone());
        let key = self.key.forward(p, x.clone());
        let value = self.value.forward(p, x);
        let attended = ops::attention(query, key, value, batch, self.heads);
        self.attended.forward(p, attended)
    }
}
