//! The rule.

use burn::tensor::Tensor;

/// Where `forget > alpha * all`, `theta * min(lambda * all / forget, 1)`; else `theta`. All are `[parameters]`: the weights,
/// their importance for the negatives and for all samples, neither negative.
pub fn dampen(theta: &Tensor<1>, forget: &Tensor<1>, all: &Tensor<1>, alpha: f64, lambda: f64) -> Tensor<1> {
    let chosen = forget.clone().greater(all.clone() * alpha);
    // Where `forget` is 0 nothing is chosen.
    let factor = (all.clone() * lambda / forget.clone().clamp_min(f32::MIN_POSITIVE)).clamp_max(1.0);
    theta.clone().mask_where(chosen, theta.clone() * factor)
}

/// The part of the weights that a choice of `alpha` dampens.
pub(super) fn dampened_share(forget: &Tensor<1>, all: &Tensor<1>, alpha: f64) -> Tensor<1> {
    forget.clone().greater(all.clone() * alpha).float().mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{flat::to_vec, latents::NormalSource};
    use burn::tensor::{Device, TensorData};

    #[test]
    fn weights_shrink_as_a_direct_computation_says() {
        let device = Device::flex();
        let mut rng = NormalSource::new(3, 0);
        let count = 500;
        let theta = rng.normals(count);
        let [mut forget, all]: [Vec<f32>; 2] =
            [2, 1].map(|power| rng.normals(count).iter().map(|x| x.abs().powi(power)).collect());
        forget[7] = 0.0;
        let tensor = |values: &[f32]| Tensor::<1>::from_data(TensorData::new(values.to_vec(), [count]), &device);
        for (alpha, lambda) in [(10.0, 1.0), (1.0, 0.5), (0.2, 3.0), (0.0, 1.0)] {
            let found = to_vec(dampen(&tensor(&theta), &tensor(&forget), &tensor(&all), alpha, lambda));
            let mut shrunk = 0;
            for i in 0..count {
                let (f, d) = (f64::from(forget[i]), f64::from(all[i]));
                let expected =
                    if f > alpha * d { f64::from(theta[i]) * (lambda * d / f).min(1.0) } else { theta[i].into() };
                shrunk += usize::from(expected != f64::from(theta[i]));
                assert!((f64::from(found[i]) - expected).abs() < 1e-6, "{i}: {} for {expected}", found[i]);
            }
            assert!(shrunk > 0 || lambda > 1.0, "{alpha} {lambda} dampen nothing");
        }
    }
}
