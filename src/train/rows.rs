//! Rows of a batch.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Row indices as a device tensor.
pub(super) fn index_tensor(indices: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
    let shape = [rows.len()];
    Tensor::from_data(TensorData::new(rows, shape), device)
}
