//! Dual numbers: a value with an optional tangent, the derivative of the value along one fixed direction.
//!
//! Burn's autodiff is first order. A gradient of a gradient norm is computed forward over reverse instead: push
//! `(x, v)` through the network and differentiate the output's tangent, an ordinary first-order gradient. Every layer
//! of this crate is written once over [`Dual`]; the plain forward pass is the same code without a tangent.

use burn::tensor::{Tensor, activation::leaky_relu};

use super::ops::{self, Activation, HALF_LIMIT};

/// Slope of the leaky ReLU for negative inputs.
const LEAKY_SLOPE: f64 = Activation::LEAKY.negative_slope as f64;

/// A tensor and, if it depends on the direction that is differentiated along, its tangent of the same shape.
#[derive(Clone, Debug)]
pub struct Dual<const D: usize> {
    /// The value.
    pub value: Tensor<D>,
    /// The directional derivative of the value; `None` stands for zero.
    pub tangent: Option<Tensor<D>>,
}

impl<const D: usize> From<Tensor<D>> for Dual<D> {
    fn from(value: Tensor<D>) -> Self {
        Self { value, tangent: None }
    }
}

impl<const D: usize> Dual<D> {
    /// A value that moves along `tangent`.
    pub fn new(value: Tensor<D>, tangent: Tensor<D>) -> Self {
        Self { value, tangent: Some(tangent) }
    }

    /// Applies a linear map to value and tangent.
    pub fn linear<const E: usize>(self, map: impl Fn(Tensor<D>) -> Tensor<E>) -> Dual<E> {
        Dual { value: map(self.value), tangent: self.tangent.map(map) }
    }

    /// The sum of two dual numbers.
    pub fn plus(self, other: Self) -> Self {
        let tangent = match (self.tangent, other.tangent) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        Self { value: self.value + other.value, tangent }
    }

    /// Adds a constant (broadcast by the caller) to the value.
    pub fn plus_constant(self, constant: Tensor<D>) -> Self {
        Self { value: self.value + constant, tangent: self.tangent }
    }
}

impl Dual<2> {
    /// `leaky_relu(x, 0.2) * sqrt(2)`, `[batch, features]`.
    pub fn leaky_relu_gained(self) -> Self {
        let tangent = self.tangent.map(|t| {
            let falling = self.value.clone().inner().lower_equal_elem(0.0);
            let slope = self.value.clone().inner().ones_like().mask_fill(falling, LEAKY_SLOPE);
            t * slope * std::f64::consts::SQRT_2
        });
        Self { value: leaky_relu(self.value, LEAKY_SLOPE) * std::f64::consts::SQRT_2, tangent }
    }
}

impl Dual<4> {
    /// `x[n, c, :, :] * s[n, c]`, with the product rule on tangents; `x` is `[batch, channels, height, width]`.
    pub fn scale_channels(self, s: Dual<2>) -> Self {
        let by_tangent = |t: &Tensor<2>| ops::scale_channels(self.value.clone(), t.clone());
        let moved = s.tangent.as_ref().map(by_tangent);
        let tangent = match (self.tangent, moved) {
            (Some(t), Some(m)) => Some(ops::scale_channels(t, s.value.clone()) + m),
            (Some(t), None) => Some(ops::scale_channels(t, s.value.clone())),
            (None, m) => m,
        };
        Self { value: ops::scale_channels(self.value, s.value), tangent }
    }

    /// The tail of a generator layer in one pass over memory:
    /// `leaky_relu(x * s[n, c] + strength * noise + bias[c], 0.2) * sqrt(2)`; `noise` is a constant.
    pub fn scale_noise_bias_leaky_relu(
        self,
        s: Dual<2>,
        noise: Tensor<4>,
        strength: Tensor<1>,
        bias: Tensor<1>,
    ) -> Self {
        let value = ops::scale_noise_bias_leaky_relu(self.value.clone(), s.value.clone(), noise, strength, bias);
        let tangent = match (self.tangent, s.tangent) {
            (None, None) => None,
            (tangent, moved) => {
                let tangent = tangent.map(|t| ops::scale_channels(t, s.value));
                let moved = moved.map(|m| ops::scale_channels(self.value, m));
                let sum = match (tangent, moved) {
                    (Some(a), Some(b)) => Some(a + b),
                    (a, b) => a.or(b),
                };
                sum.map(|t| ops::activation_slope_mul(value.clone(), t, Activation::LEAKY))
            }
        };
        Self { value, tangent }
    }

    /// Values clamped to `-limit..=limit`; where they were, nothing moves. No limit leaves everything as it is, and so does one that
    /// activations in half precision are within anyway.
    pub fn clamp(self, limit: Option<f32>) -> Self {
        let is_held = ops::is_half(&self.value);
        let Some(limit) = limit.filter(|limit| !is_held || *limit < HALF_LIMIT) else { return self };
        let tangent = self.tangent.map(|t| {
            let outside = self.value.clone().inner().abs().greater_elem(limit);
            t * self.value.clone().inner().ones_like().mask_fill(outside, 0.0)
        });
        Self { value: self.value.clamp(-limit, limit), tangent }
    }

    /// `leaky_relu(x + bias[c], 0.2) * sqrt(2)`.
    pub fn bias_leaky_relu(self, bias: Tensor<1>) -> Self {
        self.bias_activation(bias, Activation::LEAKY)
    }

    /// The activation of `x + bias[c]`.
    pub fn bias_activation(self, bias: Tensor<1>, act: Activation) -> Self {
        let value = ops::bias_activation(self.value, bias, act);
        let tangent = self.tangent.map(|t| ops::activation_slope_mul(value.clone(), t, act));
        Self { value, tangent }
    }
}
