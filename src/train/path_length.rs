//! Path length regularisation (Karras et al. 2020), forward over reverse.

use burn::tensor::Tensor;

use super::draw::Draw;
use crate::networks::{Dual, FlatParams, Generator};

/// Decay of the running mean of path lengths.
const DECAY: f32 = 0.01;

/// The first, first-order half: the lengths of one (micro-)batch and what its gradient needs.
pub struct PathLengths {
    /// `sqrt(mean over layers of sum |d(G . y)/d ws|^2)` per sample, `[batch]`.
    pub lengths: Tensor<1>,
    /// `d(G . y)/d ws` per layer, each `[batch, style_dim]`.
    jacobian: Vec<Tensor<2>>,
}

/// Path lengths of a draw; `y` is the image noise, standard normal divided by `sqrt(height * width)`.
pub fn path_lengths(generator: &Generator, g: &FlatParams, draw: &Draw, y: &Tensor<4>) -> PathLengths {
    let p = g.constants();
    let ws: Vec<_> = draw.map(generator, &p).into_iter().map(|w| w.autodiff().require_grad()).collect();
    // Layers that share one `w` must still be separate leaves; `autodiff()` on a constant makes a new one each time.
    let duals: Vec<_> = ws.iter().cloned().map(Dual::from).collect();
    let image = generator.synthesize(&p, &duals, &draw.noise).value;
    let mut gradients = (image * y.clone()).sum().backward();
    let jacobian: Vec<Tensor<2>> =
        ws.iter().map(|w| w.grad_remove(&mut gradients).unwrap_or_else(|| w.clone().inner().zeros_like())).collect();
    let layers = jacobian.len() as f64;
    let batch = draw.batch();
    let energy = jacobian
        .iter()
        .map(|u| u.clone().square().sum_dim(1))
        .reduce(|a, b| a + b)
        .unwrap_or_else(|| draw.z.zeros_like().sum_dim(1));
    PathLengths { lengths: (energy / layers).sqrt().reshape([batch]), jacobian }
}

/// The penalty over a whole batch.
pub struct Penalty {
    /// `mean (length - a)^2`, a scalar.
    pub value: f32,
    /// The updated running mean `a`.
    pub mean: f32,
    /// Derivative of the penalty with respect to every sample's length.
    pub weights: Vec<f32>,
}

/// `a <- a + 0.01 (mean l - a)`, then `mean (l - a)^2` with gradients flowing through `a`.
pub fn penalty(lengths: &[f32], mean: f32) -> Penalty {
    let n = lengths.len().max(1) as f32;
    let batch_mean = lengths.iter().sum::<f32>() / n;
    let mean = mean + DECAY * (batch_mean - mean);
    let value = lengths.iter().map(|l| (l - mean).powi(2)).sum::<f32>() / n;
    let through_mean = 2.0 * DECAY * (batch_mean - mean);
    let weights = lengths.iter().map(|l| (2.0 * (l - mean) - through_mean) / n).collect();
    Penalty { value, mean, weights }
}

/// The second half: the gradient of `sum_b weight_b * length_b` with respect to the generator's parameters,
/// `[parameters]`; `weights` is `[batch]`.
///
/// With `u` the Jacobian row of a sample, `L` layers and `l = |u| / sqrt(L)`, the derivative of `l` is that of the
/// tangent of `G . y` along the fixed direction `u / (L l)`.
pub fn length_gradient(
    generator: &Generator,
    g: &FlatParams,
    draw: &Draw,
    y: &Tensor<4>,
    lengths: PathLengths,
    weights: Tensor<1>,
) -> Tensor<1> {
    let batch = draw.batch();
    let layers = lengths.jacobian.len() as f64;
    let scale = (weights / (lengths.lengths * layers)).reshape([batch, 1]);
    let p = g.leaves();
    let ws: Vec<_> = draw
        .map(generator, &p)
        .into_iter()
        .zip(lengths.jacobian)
        .map(|(w, u)| Dual::new(w, u * scale.clone()))
        .collect();
    let image = generator.synthesize(&p, &ws, &draw.noise);
    match image.tangent {
        Some(tangent) => p.gradient(&mut (tangent * y.clone()).sum().backward()),
        None => g.values.zeros_like(),
    }
}
