//! Which of a network's weights training may move, and a pull towards zero on those that move.

use burn::tensor::Tensor;

use super::adam::take;
use crate::networks::ops;

/// A restriction of every step. The default lets all weights move freely.
#[derive(Clone, Debug, Default)]
pub struct Movable {
    /// 1 for weights that may move, 0 for those that stay; `[parameters]`.
    pub mask: Option<Tensor<1>>,
    /// Weight of the L1 norm of the moving weights in the loss.
    pub l1: f64,
}

impl Movable {
    /// A gradient `[parameters]` at `theta` as the optimizer is to see it.
    pub fn restrict(&self, gradient: Tensor<1>, theta: &Tensor<1>) -> Tensor<1> {
        let gradient = if self.l1 > 0.0 { gradient + theta.clone().sign() * self.l1 } else { gradient };
        self.masked(gradient)
    }

    /// A gradient `[parameters]` without what would move weights that stay.
    pub fn masked(&self, gradient: Tensor<1>) -> Tensor<1> {
        match &self.mask {
            Some(mask) => gradient * mask.clone(),
            None => gradient,
        }
    }

    /// `moved` where weights may move, `old` where they stay, bit for bit.
    pub fn keep(&self, old: &Tensor<1>, moved: Tensor<1>) -> Tensor<1> {
        match &self.mask {
            Some(mask) => old.clone().mask_where(mask.clone().greater_elem(0.5), moved),
            None => moved,
        }
    }
}

impl Movable {
    /// Moves an average `[parameters]` by this share of the way to `values`, where weights may move.
    pub(super) fn average(&self, average: &mut Tensor<1>, values: &Tensor<1>, share: f32) {
        let old = self.mask.as_ref().map(|_| average.clone());
        let moved = ops::lerp(take(average), values.clone(), share);
        *average = match old {
            Some(old) => self.keep(&old, moved),
            None => moved,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::flat::to_vec;
    use burn::tensor::Device;

    #[test]
    fn weights_that_stay_stay_bit_for_bit_and_the_penalty_pulls_towards_zero() {
        let device = Device::flex();
        let tensor = |values: [f32; 4]| Tensor::<1>::from_floats(values, &device);
        let movable = Movable { mask: Some(tensor([1.0, 0.0, 1.0, 0.0])), l1: 0.5 };
        let theta = tensor([0.3, 0.7, -0.2, 0.0]);
        assert_eq!(to_vec(movable.restrict(tensor([1.0, 1.0, 1.0, f32::MAX]), &theta)), [1.5, 0.0, 0.5, 0.0]);
        assert_eq!(to_vec(movable.keep(&theta, tensor([9.0, 9.0, 9.0, f32::NAN]))), [9.0, 0.7, 9.0, 0.0]);
        let free = Movable::default();
        assert_eq!(to_vec(free.restrict(tensor([1.0, 2.0, 3.0, 4.0]), &theta)), [1.0, 2.0, 3.0, 4.0]);
    }
}
