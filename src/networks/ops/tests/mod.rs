//! The CPU kernels, and in `cube` and `half` the GPU kernels, against the composite definitions, forward and backward.

mod backward;
mod cube;
mod filtered;
mod forward;
mod function;
mod half;
mod parameters;

use burn::backend::Flex;
use burn::backend::flex::{FlexDevice, FlexTensor};
use burn::backend::ops::FloatTensorOps;
use burn::tensor::TensorData;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Activation;

/// Every activation that a family uses.
const ACTIVATIONS: [Activation; 3] = [Activation::LEAKY, Activation::PLAIN_LEAKY, Activation::RELU];

/// Random test inputs.
pub struct Inputs(ChaCha8Rng);

impl Inputs {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn tensor(&mut self, shape: &[usize]) -> FlexTensor {
        let len = shape.iter().product();
        let values: Vec<f32> = (0..len).map(|_| self.0.random_range(-1.0..1.0)).collect();
        Flex::float_from_data(TensorData::new(values, shape.to_vec()), &FlexDevice)
    }

    /// The same kind of tensor, but a view with its first two and last two axes swapped.
    pub fn view(&mut self, shape: [usize; 4]) -> FlexTensor {
        let [n, c, h, w] = shape;
        let x = self.tensor(&[c, n, w, h]);
        let view = Flex::float_swap_dims(Flex::float_swap_dims(x, 0, 1), 2, 3);
        assert!(n * c * h * w <= 1 || !view.is_contiguous() || (n.min(c) == 1 && h.min(w) == 1));
        view
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }
}

pub fn values(tensor: FlexTensor) -> Vec<f32> {
    tensor.to_contiguous().storage::<f32>().to_vec()
}

/// Compares with a tolerance for `terms` summed terms of magnitude one.
pub fn assert_close(name: &str, left: FlexTensor, right: FlexTensor, terms: usize) {
    assert_eq!(left.layout().shape(), right.layout().shape(), "{name}: shapes");
    let tolerance = 1e-6 * (1.0 + terms as f32).sqrt() * 4.0;
    for (i, (a, b)) in values(left).iter().zip(values(right)).enumerate() {
        assert!((a - b).abs() <= tolerance, "{name}: {a} and {b} at {i}, tolerance {tolerance}");
    }
}
