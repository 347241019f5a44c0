//! Gradients that optimizers can use.

use burn::tensor::Tensor;

/// What an infinite value counts as: `nan_to_num` of NVlabs' stylegan2-ada-pytorch.
const LARGEST: f32 = 1e5;

/// A gradient `[parameters]` in which what half precision (`half`) made no number is 0, and nothing is infinite. In `f32` it stays as it is: what
/// is no number there is an error to be seen.
pub(super) fn finite(gradient: Tensor<1>, half: bool) -> Tensor<1> {
    if !half {
        return gradient;
    }
    let no_number = gradient.clone().is_nan();
    gradient.mask_fill(no_number, 0.0).clamp(-LARGEST, LARGEST)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::networks::flat::to_vec;

    #[test]
    fn only_half_precision_is_forgiven() {
        let values = [1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -2.0];
        let gradient = || Tensor::<1>::from_floats(values, &Device::flex());
        assert_eq!(to_vec(finite(gradient(), true)), [1.0, 0.0, 1e5, -1e5, -2.0]);
        let kept = to_vec(finite(gradient(), false));
        assert!(kept.iter().zip(values).all(|(a, b)| a.to_bits() == b.to_bits()), "{kept:?}");
    }
}
