//! Steps on vectors of parameters, and the Gaussian error linear unit, each in one launch.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::image::{address_type, elementwise, empty, over, vector_size};
use crate::networks::ops::AdamStep;

#[cube(launch_unchecked, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)] // A launch has no other way to take them.
fn adam_kernel<N: Size>(
    theta: &[Vector<f32, N>],
    gradient: &[Vector<f32, N>],
    first: &[Vector<f32, N>],
    second: &[Vector<f32, N>],
    new_theta: &mut [Vector<f32, N>],
    new_first: &mut [Vector<f32, N>],
    new_second: &mut [Vector<f32, N>],
    vectors: usize,
    beta1: f32,
    beta2: f32,
    rate: f32,
    correction: f32,
    eps: f32,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let g = gradient[ABSOLUTE_POS];
    let first = first[ABSOLUTE_POS] * Vector::new(beta1) + g * Vector::new(1.0f32 - beta1);
    let second = second[ABSOLUTE_POS] * Vector::new(beta2) + g * g * Vector::new(1.0f32 - beta2);
    let root = Vector::sqrt(second) / Vector::new(correction) + Vector::new(eps);
    new_theta[ABSOLUTE_POS] = theta[ABSOLUTE_POS] - first / root * Vector::new(rate);
    new_first[ABSOLUTE_POS] = first;
    new_second[ABSOLUTE_POS] = second;
}

pub fn adam(
    theta: CubeTensor,
    gradient: CubeTensor,
    first: CubeTensor,
    second: CubeTensor,
    step: AdamStep,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let [theta, gradient, first, second] = [theta, gradient, first, second].map(into_contiguous);
    let new = |old: &CubeTensor, position: usize| over(old, position, || empty(old, old.meta.shape()));
    let (new_theta, theta_buffer) = new(&theta, 0);
    let (new_first, first_buffer) = new(&first, 2);
    let (new_second, second_buffer) = new(&second, 3);
    let len = theta.meta.num_elements();
    let vector = vector_size(&theta.client, len);
    let (count, dim) = elementwise(&theta.client, len / vector);
    let AdamStep { beta1, beta2, rate, correction, eps } = step;
    // SAFETY: units past the last vector end at once; all tensors have as many.
    unsafe {
        adam_kernel::launch_unchecked(
            &theta.client.clone(),
            count,
            dim,
            address_type(&[&theta]),
            vector,
            theta.into_buffer_arg(),
            gradient.into_buffer_arg(),
            first.into_buffer_arg(),
            second.into_buffer_arg(),
            theta_buffer,
            first_buffer,
            second_buffer,
            len / vector,
            beta1,
            beta2,
            rate,
            correction,
            eps,
        );
    }
    (new_theta, new_first, new_second)
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn lerp_kernel<N: Size>(
    from: &[Vector<f32, N>],
    to: &[Vector<f32, N>],
    between: &mut [Vector<f32, N>],
    vectors: usize,
    weight: f32,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let start = from[ABSOLUTE_POS];
    between[ABSOLUTE_POS] = start + (to[ABSOLUTE_POS] - start) * Vector::new(weight);
}

pub fn lerp(from: CubeTensor, to: CubeTensor, weight: f32) -> CubeTensor {
    let [from, to] = [from, to].map(into_contiguous);
    let (between, between_buffer) = over(&from, 0, || empty(&from, from.meta.shape()));
    let len = from.meta.num_elements();
    let vector = vector_size(&from.client, len);
    let (count, dim) = elementwise(&from.client, len / vector);
    // SAFETY: units past the last vector end at once; all tensors have as many.
    unsafe {
        lerp_kernel::launch_unchecked(
            &between.client,
            count,
            dim,
            address_type(&[&from]),
            vector,
            from.into_buffer_arg(),
            to.into_buffer_arg(),
            between_buffer,
            len / vector,
            weight,
        );
    }
    between
}

/// The normal distribution's probability of less.
#[cube]
fn below<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let erf = Vector::erf(x * Vector::new(FRAC_1_SQRT_2));
    (erf + Vector::new(1.0f32)) * Vector::new(0.5f32)
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn gelu_kernel<N: Size>(x: &[Vector<f32, N>], y: &mut [Vector<f32, N>], vectors: usize) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let value = x[ABSOLUTE_POS];
    y[ABSOLUTE_POS] = value * below::<N>(value);
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn gelu_grad_kernel<N: Size>(
    x: &[Vector<f32, N>],
    grad: &[Vector<f32, N>],
    dx: &mut [Vector<f32, N>],
    vectors: usize,
    root: f32,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let value = x[ABSOLUTE_POS];
    let density = Vector::exp(value * value * Vector::new(-0.5f32)) * Vector::new(root);
    dx[ABSOLUTE_POS] = grad[ABSOLUTE_POS] * (below::<N>(value) + value * density);
}

pub fn gelu(x: CubeTensor) -> CubeTensor {
    let x = into_contiguous(x);
    let (y, y_buffer) = over(&x, 0, || empty(&x, x.meta.shape()));
    let len = x.meta.num_elements();
    let vector = vector_size(&x.client, len);
    let (count, dim) = elementwise(&x.client, len / vector);
    let address = address_type(&[&x]);
    // SAFETY: units past the last vector end at once; both tensors have as many.
    unsafe {
        gelu_kernel::launch_unchecked(
            &y.client,
            count,
            dim,
            address,
            vector,
            x.into_buffer_arg(),
            y_buffer,
            len / vector,
        );
    }
    y
}

pub fn gelu_grad(x: CubeTensor, grad: CubeTensor) -> CubeTensor {
    let [x, grad] = [x, grad].map(into_contiguous);
    let (dx, dx_buffer) = over(&grad, 1, || empty(&grad, grad.meta.shape()));
    let len = x.meta.num_elements();
    let vector = vector_size(&x.client, len);
    let (count, dim) = elementwise(&x.client, len / vector);
    let address = address_type(&[&x]);
    // SAFETY: units past the last vector end at once; all tensors have as many.
    unsafe {
        gelu_grad_kernel::launch_unchecked(
            &dx.client,
            count,
            dim,
            address,
            vector,
            x.into_buffer_arg(),
            grad.into_buffer_arg(),
            dx_buffer,
            len / vector,
            FRAC_1_SQRT_2 * FRAC_2_SQRT_PI / 2.0,
        );
    }
    dx
}
