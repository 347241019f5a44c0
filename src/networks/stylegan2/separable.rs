//! Separable blur kernels.

use crate::networks::{ArchitectureError, params::ShapeReader};

/// The one-dimensional taps `t` of a separable kernel buffer `t tᵀ` (symmetric, non-negative), gain included.
pub(super) fn separable_taps(shapes: &mut ShapeReader, key: &str) -> Result<Vec<f32>, ArchitectureError> {
    let ([rows, columns], tensor) = shapes.tensor::<2>(key)?;
    let kernel_error = || ArchitectureError::Kernel { network: shapes.network, key: key.to_owned() };
    if rows != columns || rows > 32 {
        return Err(kernel_error());
    }
    let taps: Vec<f32> = (0..rows).map(|i| tensor.data[i * rows + i].max(0.0).sqrt()).collect();
    let largest = tensor.data.iter().fold(0f32, |a, &b| a.max(b.abs()));
    let separable =
        (0..rows).all(|i| (0..rows).all(|j| (tensor.data[i * rows + j] - taps[i] * taps[j]).abs() <= 1e-5 * largest));
    if separable && largest.is_finite() { Ok(taps) } else { Err(kernel_error()) }
}
