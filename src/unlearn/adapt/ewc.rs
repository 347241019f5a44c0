//! Elastic weight consolidation (Kirkpatrick et al. 2017): stage 1's term, which holds the parameters that matter for
//! the original images near their place.

use burn::tensor::{Tensor, TensorData};

use crate::{
    networks::{FlatParams, Leaves},
    train::{Draw, GeneratorTerm, Networks, micro_batch::micro_batches, passes::side_by_side},
};

/// Diagonal Fisher information: the mean over the draw's samples of the squared gradient of a sample's `D(G(z))` with
/// respect to the parameters that are consolidated; zero elsewhere. `[parameters]`.
///
/// The discriminator sees the whole draw at once, as in the authors' code: its minibatch standard deviation ties a
/// sample to its group, so each sample's gradient is taken in a pass over its group.
pub fn fisher_diagonal(networks: &Networks, g: &FlatParams, d: &FlatParams, draw: &Draw) -> Tensor<1> {
    let constants = d.constants();
    let batch = draw.batch();
    let sum = micro_batches(batch, 1, networks.discriminator.batch_group(batch)).iter().fold(
        g.values.zeros_like(),
        |sum, group| {
            let part = draw.select(group);
            let squared = |member| squared_gradient(networks, g, &constants, &part, member);
            let squares = side_by_side((0..group.len()).collect(), &g.device(), squared);
            squares.into_iter().fold(sum, |sum, square| sum + square)
        },
    );
    let held = g.layout.fill(|name, _| if networks.generator.is_consolidated(name) { 1.0 } else { 0.0 });
    let shape = [held.len()];
    let held = Tensor::from_data(TensorData::new(held, shape), &g.device());
    sum * held / batch as f64
}

/// The squared gradient of one sample's score.
fn squared_gradient(networks: &Networks, g: &FlatParams, d: &Leaves, group: &Draw, member: usize) -> Tensor<1> {
    let p = g.leaves();
    let images = group.images(&networks.generator, &p);
    let labels = networks.generator.labels(&group.z);
    let score = networks.discriminator.forward_labelled(d, images.into(), labels).value.narrow(0, member, 1);
    p.gradient(&mut score.sum().backward()).square()
}

/// `(lambda / 2) * sum_i F_i (theta_i - anchor_i)^2`.
#[derive(Clone, Debug)]
pub struct Ewc {
    /// Weight of the penalty.
    pub lambda: f64,
    /// Diagonal Fisher information, `[parameters]`.
    pub fisher: Tensor<1>,
    /// The parameters to stay near, `[parameters]`.
    pub anchor: Tensor<1>,
}

impl GeneratorTerm for Ewc {
    fn value_and_gradient(&self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        let difference = theta.clone() - self.anchor.clone();
        let slope = self.fisher.clone() * difference.clone();
        let value = (slope.clone() * difference).sum() * (self.lambda / 2.0);
        (value, slope * self.lambda)
    }
}
