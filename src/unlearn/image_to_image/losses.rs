//! The method's two losses.

use burn::tensor::Tensor;

use crate::networks::{CompletionNetwork, Leaves, NormalSource, PatchOrder, flat::to_vec};

/// Pictures as an encoder sees them, and what it is to make of them.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `[batch, channels, side, side]`, normalised.
    pub images: Tensor<4>,
    /// Which patches are seen.
    pub order: PatchOrder,
    /// `[batch, 1 + visible, width]`: what the original's encoder makes of these pictures (which may stay), or of noise under the
    /// same masks (which must go).
    pub target: Tensor<3>,
}

/// Both losses, each `[1]`.
#[derive(Clone, Debug)]
pub struct Losses {
    /// `mean |E(x_r) - E0(x_r)|^2`; `None` without pictures that may stay.
    pub retain: Option<Tensor<1>>,
    /// `mean |E(x_f) - E0(n)|^2`.
    pub forget: Tensor<1>,
}

/// The losses of an encoder with these parameters; means over all elements, the class token included (Li et al. 2024,
/// equation 8).
pub fn losses(network: &dyn CompletionNetwork, p: &Leaves, retain: Option<&Seen>, forget: &Seen) -> Losses {
    let distance =
        |seen: &Seen| (network.encode(p, seen.images.clone(), &seen.order) - seen.target.clone()).square().mean();
    Losses { retain: retain.map(distance), forget: distance(forget) }
}

/// Gaussian noise with the mean and the deviation of each channel of `images` `[batch, channels, side, side]`; deviations divide
/// by one less than the number of values.
pub fn gaussian_like(images: &Tensor<4>, rng: &mut NormalSource) -> Tensor<4> {
    let [batch, channels, height, width] = images.dims();
    let plane = height * width;
    let values = to_vec(images.clone());
    let mut noise = rng.normals(values.len());
    for channel in 0..channels {
        let planes = || (0..batch).map(|image| (image * channels + channel) * plane);
        let of = || planes().flat_map(|start| values[start..start + plane].iter().map(|value| f64::from(*value)));
        let count = (batch * plane) as f64;
        let mean = of().sum::<f64>() / count;
        let variance = of().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
        for start in planes() {
            for value in &mut noise[start..start + plane] {
                *value = (mean + variance.sqrt() * f64::from(*value)) as f32;
            }
        }
    }
    Tensor::from_data(burn::tensor::TensorData::new(noise, [batch, channels, height, width]), &images.device())
}
