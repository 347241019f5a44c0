//! Linear layers: the product starts from the bias, so that nothing is added afterwards.

use burn::backend::flex::FlexTensor;
use gemm::Parallelism;

use super::memory::{Values, tensor};

/// Multiplications from which on a product is worth more than one thread.
const PARALLEL: usize = 192 * 192 * 192;

/// `x weight^T + bias`, see [`crate::networks::ops::linear`].
pub fn linear(x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor) -> FlexTensor {
    let [x, weight, bias] = [x, weight, bias].map(Values::of);
    let [rows, inputs] = x.dims::<2>();
    let [outputs, weight_inputs] = weight.dims::<2>();
    assert!(weight_inputs == inputs && bias.dims() == [outputs], "linear layer: shapes");
    let (x, weight, bias) = (x.as_slice(), weight.as_slice(), bias.as_slice());
    let mut out = Vec::with_capacity(rows * outputs);
    for _ in 0..rows {
        out.extend_from_slice(bias);
    }
    let many = rows.saturating_mul(outputs).saturating_mul(inputs) >= PARALLEL;
    let [row, out_row] = [inputs as isize, outputs as isize];
    // SAFETY: the slices hold `rows * inputs`, `outputs * inputs` and `rows * outputs` values, as their shapes say, and the strides
    // are those of row-major matrices, the weight's transposed.
    unsafe {
        gemm::gemm(
            rows,
            outputs,
            inputs,
            out.as_mut_ptr(),
            1,
            out_row,
            true,
            x.as_ptr(),
            1,
            row,
            weight.as_ptr(),
            row,
            1,
            1.0,
            1.0,
            false,
            false,
            false,
            if many { Parallelism::Rayon(0) } else { Parallelism::None },
        );
    }
    tensor(out, [rows, outputs])
}
