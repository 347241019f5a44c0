//! Parameters on the host: what checkpoint files hold and what networks are built from.

use indexmap::IndexMap;

/// A dense `f32` tensor in main memory, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Extent of every dimension; empty for a scalar.
    pub shape: Vec<usize>,
    /// `shape.iter().product()` values, last dimension fastest.
    pub data: Vec<f32>,
}

impl HostTensor {
    /// A tensor from its shape and values.
    ///
    /// # Panics
    /// If the number of values is not the product of the shape: a programming error, never a file's.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Self {
        assert_eq!(
            shape.iter().product::<usize>(),
            data.len(),
            "shape {shape:?} does not hold {} values",
            data.len()
        );
        Self { shape, data }
    }
}

/// Named tensors in the order of the PyTorch `state_dict`, buffers included; keys as in the rosinality layout
/// (`style.1.weight`, `convs.0.conv.weight`, `noises.noise_0`, ...).
pub type Params = IndexMap<String, HostTensor>;
