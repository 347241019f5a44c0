//! What small layers beside convolutions take: the gradients of a linear layer's weight and bias for few rows, where each value of the weight is
//! written once and what it is summed from is small, and the energies of weights.

use burn::backend::ops::FloatTensorOps;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::{into_contiguous, untile};
use burn_cubecl::tensor::CubeTensor;

use super::image::{address_type, elementwise, empty, vector_size};

#[cube(launch_unchecked, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)] // A launch has no other way to take them.
fn linear_grad_kernel<N: Size>(
    x: &[Vector<f32, N>],
    grad: &[f32],
    dweight: &mut [Vector<f32, N>],
    dbias: &mut [f32],
    rows: usize,
    vectors: usize,
    outputs: usize,
) {
    if ABSOLUTE_POS >= outputs * vectors {
        terminate!();
    }
    let (output, input) = (ABSOLUTE_POS / vectors, ABSOLUTE_POS % vectors);
    let mut product = Vector::<f32, N>::zeroed();
    let mut sum = f32::new(0.0);
    let mut row = 0usize;
    while row < rows {
        let slope = grad[row * outputs + output];
        product += x[row * vectors + input] * Vector::new(slope);
        sum += slope;
        row += 1usize;
    }
    dweight[ABSOLUTE_POS] = product;
    if input == 0usize {
        dbias[output] = sum;
    }
}

/// The gradients of the weight, `[outputs, inputs]`, and of the bias, `[outputs]`.
pub fn linear_grad(x: CubeTensor, grad: CubeTensor) -> (CubeTensor, CubeTensor) {
    let [x, grad] = [x, grad].map(into_contiguous);
    let [rows, inputs] = x.meta.shape().dims::<2>();
    let [_, outputs] = grad.meta.shape().dims::<2>();
    let (dweight, dbias) = (empty(&x, &[outputs, inputs]), empty(&x, &[outputs]));
    let vector = vector_size(&x.client, inputs);
    let vectors = inputs / vector;
    let (count, dim) = elementwise(&x.client, outputs * vectors);
    // SAFETY: units past the last vector of the weight end at once; `x` and `grad` have `rows` rows, and each output has one bias.
    unsafe {
        linear_grad_kernel::launch_unchecked(
            &x.client.clone(),
            count,
            dim,
            address_type(&[&x, &grad, &dweight]),
            vector,
            x.into_buffer_arg(),
            grad.into_buffer_arg(),
            dweight.clone().into_buffer_arg(),
            dbias.clone().into_buffer_arg(),
            rows,
            vectors,
            outputs,
        );
    }
    (dweight, dbias)
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn energy_kernel(
    weight: &Tensor<f32>,
    energy: &mut [f32],
    outer: usize,
    inner: usize,
    #[comptime] outputs_inside: bool,
) {
    if ABSOLUTE_POS >= outer * inner {
        terminate!();
    }
    // Units that stand side by side read side by side.
    let (above, within) = (ABSOLUTE_POS / inner, ABSOLUTE_POS % inner);
    let output = if comptime!(outputs_inside) { within } else { above };
    let input = if comptime!(outputs_inside) { above } else { within };
    let start = output * weight.stride(0) + input * weight.stride(1);
    let mut sum = f32::new(0.0);
    let mut y = 0usize;
    while y < weight.shape(2) {
        let mut x = 0usize;
        while x < weight.shape(3) {
            let value = weight[start + y * weight.stride(2) + x * weight.stride(3)];
            sum += value * value;
            x += 1usize;
        }
        y += 1usize;
    }
    energy[ABSOLUTE_POS] = sum;
}

/// The sums over taps of squares, `[outputs, inputs]`.
pub fn energy(weight: CubeTensor) -> CubeTensor {
    let weight = untile(weight);
    let [outputs, inputs, ..] = weight.meta.shape().dims::<4>();
    let outputs_inside = weight.meta.strides()[0] < weight.meta.strides()[1];
    let [outer, inner] = if outputs_inside { [inputs, outputs] } else { [outputs, inputs] };
    let energy = empty(&weight, &[outer, inner]);
    let (count, dim) = elementwise(&weight.client, outer * inner);
    // SAFETY: units past the last energy end at once; all taps of a pair of channels lie within the weight.
    unsafe {
        energy_kernel::launch_unchecked(
            &weight.client.clone(),
            count,
            dim,
            address_type(&[&weight, &energy]),
            weight.into_tensor_arg(),
            energy.clone().into_buffer_arg(),
            outer,
            inner,
            outputs_inside,
        );
    }
    if outputs_inside { CubeBackend::float_swap_dims(energy, 0, 1) } else { energy }
}
