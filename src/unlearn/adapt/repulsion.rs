//! Repulsion: the generator's own loss term in stage 2, which drives its parameters away from the adapted ones.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::{networks::ParamLayout, train::GeneratorTerm};

/// The shape of the repulsion loss as a function of the distance `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepulsionLoss {
    /// `weight * exp(-gamma * d)`.
    El2,
    /// `-gamma * d`.
    Nl2,
    /// `gamma / d`.
    Il2,
}

/// How the distance between parameter vectors is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distance {
    /// `(K / 2P) * sum over P tensors and K adapted generators of mean((theta - theta_N)^2)`: the authors' code.
    Mean,
    /// Mean over the adapted generators of `|theta - theta_N|^2`: the paper.
    Sum,
}

/// Which repulsion loss, how strong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepulsionConfig {
    /// Shape of the loss.
    pub loss: RepulsionLoss,
    /// Measure of distance.
    pub distance: Distance,
    /// Factor on the distance (inverse temperature of EL2, weight of NL2 and IL2).
    pub gamma: f64,
    /// Weight of EL2.
    pub weight: f64,
}

/// Repulsion from an ensemble of adapted generators.
#[derive(Clone, Debug)]
pub struct Repulsion {
    config: RepulsionConfig,
    /// Parameters of every adapted generator, each `[parameters]`.
    adapted: Vec<Tensor<1>>,
    /// Weight of every squared difference in the distance, `[parameters]` or `[1]`.
    weights: Tensor<1>,
}

impl Repulsion {
    /// Repulsion from `adapted`, whose values follow `layout`.
    pub fn new(config: RepulsionConfig, layout: &ParamLayout, adapted: Vec<Tensor<1>>) -> Option<Self> {
        let device = adapted.first()?.device();
        let members = adapted.len() as f32;
        let weights = match config.distance {
            Distance::Mean => {
                let tensors = layout.len() as f32;
                layout.fill(|_, values| members / (2.0 * tensors * values as f32))
            }
            Distance::Sum => vec![1.0 / members],
        };
        let shape = [weights.len()];
        let weights = Tensor::from_data(TensorData::new(weights, shape), &device);
        Some(Self { config, adapted, weights })
    }

    /// The same with distances in units of `step`: how small the parameters are, and so how small their steps, beside those
    /// of equalised layers. The losses are made for these; without it, smaller parameters are driven far too hard.
    pub fn in_units_of(self, step: f64) -> Self {
        Self { weights: self.weights * (1.0 / (step * step)), ..self }
    }

    /// The distance from the ensemble, `[1]`.
    pub fn distance(&self, theta: &Tensor<1>) -> Tensor<1> {
        self.adapted
            .iter()
            .map(|n| ((theta.clone() - n.clone()).square() * self.weights.clone()).sum())
            .reduce(|a, b| a + b)
            .unwrap_or_else(|| theta.clone().sum() * 0.0)
    }
}

impl GeneratorTerm for Repulsion {
    fn value_and_gradient(&self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        let d = self.distance(theta);
        let gradient = self
            .adapted
            .iter()
            .map(|n| theta.clone() - n.clone())
            .reduce(|a, b| a + b)
            .unwrap_or_else(|| theta.zeros_like())
            * self.weights.clone()
            * 2.0;
        let RepulsionConfig { loss, gamma, weight, .. } = self.config;
        // Value and derivative of the loss with respect to d.
        let (value, slope) = match loss {
            RepulsionLoss::El2 => {
                let value = (d * -gamma).exp() * weight;
                (value.clone(), value * -gamma)
            }
            RepulsionLoss::Nl2 => (d.clone() * -gamma, d.ones_like() * -gamma),
            RepulsionLoss::Il2 => (d.clone().recip() * gamma, d.square().recip() * -gamma),
        };
        (value, gradient * slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{HostTensor, Params, flat::to_vec};
    use burn::tensor::Device;

    #[test]
    fn gradients_are_the_slopes_of_the_values() {
        let device = Device::flex();
        let tensor = |values: &[f32]| -> Tensor<1> {
            Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &device)
        };
        let zeros = |n| HostTensor::new(vec![n], vec![0.0; n]);
        let params = Params::from([("a".to_owned(), zeros(3)), ("b".to_owned(), zeros(1))]);
        let layout = ParamLayout::of(&params, |_| false);
        let adapted = [[0.1, -0.2, 0.3, 0.9], [0.0, 0.4, -0.5, -0.8]];
        let theta = [0.5f32, -0.6, 0.2, 0.1];
        // mean: 2 / (2 * 2) * sum over tensors and members of the mean square; sum: mean of the squared norms.
        let expected = |distance| -> f64 {
            let squares = |range: std::ops::Range<usize>| -> f64 {
                let all = adapted.iter().flat_map(|n| range.clone().map(|i| f64::from(theta[i] - n[i]).powi(2)));
                all.sum()
            };
            match distance {
                Distance::Mean => 0.5 * (squares(0..3) / 3.0 + squares(3..4)),
                Distance::Sum => squares(0..4) / 2.0,
            }
        };
        for distance in [Distance::Mean, Distance::Sum] {
            for loss in [RepulsionLoss::El2, RepulsionLoss::Nl2, RepulsionLoss::Il2] {
                let config = RepulsionConfig { loss, distance, gamma: 0.7, weight: 3.0 };
                let members = adapted.iter().map(|n| tensor(n)).collect();
                let repulsion = Repulsion::new(config, &layout, members).unwrap();
                let d = to_vec(repulsion.distance(&tensor(&theta)))[0];
                assert!((f64::from(d) - expected(distance)).abs() < 1e-5, "{distance:?} {d}");
                let value = |theta: &[f32]| f64::from(to_vec(repulsion.value_and_gradient(&tensor(theta)).0)[0]);
                let gradient = to_vec(repulsion.value_and_gradient(&tensor(&theta)).1);
                let far = to_vec(repulsion.clone().in_units_of(0.2).distance(&tensor(&theta)))[0];
                assert!((far / d - 25.0).abs() < 1e-3, "{far} in units of a fifth is {d}");
                for i in 0..theta.len() {
                    let step = 1e-2;
                    let (mut up, mut down) = (theta, theta);
                    (up[i], down[i]) = (up[i] + step, down[i] - step);
                    let slope = (value(&up) - value(&down)) / (2.0 * f64::from(step));
                    let error = (slope - f64::from(gradient[i])).abs();
                    assert!(error < 1e-2 * slope.abs().max(0.1), "{loss:?} {distance:?} {slope} {}", gradient[i]);
                }
            }
        }
    }
}
