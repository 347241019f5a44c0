//! Gradients of the pointwise operations: one launch writes the image's gradient and what the parts of each plane add up to, a second one
//! the sums. Nothing as large as an image lies in between, and sums are in `f32`, whatever images are stored in.

use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::image::{Image, address_type, element, empty, over, spread};
use super::pointwise::{by_slope_held, noise_step};
use super::sums::{Columns, Plan, Work, layer_sums, sum_to};
use crate::networks::ops::Activation;

#[cube(launch_unchecked, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)] // A launch has no other way to take them.
fn bias_act_grad_kernel<F: Float, N: Size>(
    y: &[Vector<F, N>],
    grad: &[Vector<F, N>],
    dx: &mut [Vector<F, N>],
    partial: &mut [f32],
    work: Work,
    negative: f32,
    positive: f32,
    #[comptime] columns: Columns,
    #[comptime] channels_last: bool,
    #[comptime] half: bool,
    #[define(F)] _element: ElemType,
) {
    if CUBE_POS >= work.cubes {
        terminate!();
    }
    let share = work.share(CUBE_POS, columns);
    let mut sum = Vector::<f32, N>::zeroed();
    let mut row = share.start;
    while row < share.end {
        let at = work.position(&share, row);
        let (y, grad) = (Vector::<f32, N>::cast_from(y[at]), Vector::<f32, N>::cast_from(grad[at]));
        let dz = by_slope_held::<N>(y, grad, negative, positive, half);
        dx[at] = Vector::cast_from(dz);
        sum += dz;
        row += share.high;
    }
    work.write_sums::<N>(sum, partial, 0usize, &share, columns, channels_last);
}

pub fn bias_act_grad(y: CubeTensor, grad: CubeTensor, act: Activation) -> (CubeTensor, CubeTensor) {
    let y = Image::new(y);
    let grad = y.beside(grad);
    let [n, c, h, w] = y.size;
    let vector = y.vector_size();
    let plan = Plan::for_image(&y, vector);
    let (dx, dx_buffer) = over(&grad, 1, || y.empty_like([h, w]));
    let partial = empty(&dx, &[plan.parts, n, c]);
    let (count, dim) = plan.launch(&dx.client);
    // SAFETY: shares lie within the image, and `partial` has a place for each part of each plane.
    unsafe {
        bias_act_grad_kernel::launch_unchecked(
            &dx.client,
            count,
            dim,
            address_type(&[&y.tensor, &grad, &dx]),
            vector,
            y.tensor.clone().into_buffer_arg(),
            grad.into_buffer_arg(),
            dx_buffer,
            partial.clone().into_buffer_arg(),
            plan.arguments(),
            act.factor(false),
            act.factor(true),
            plan.columns,
            y.channels_last(),
            y.is_half(),
            element(&y.tensor),
        );
    }
    (dx, sum_to(partial, &[c]))
}

#[cube(launch_unchecked, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)] // As above.
fn scale_grad_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    s: &[f32],
    grad: &[Vector<F, N>],
    dx: &mut [Vector<F, N>],
    partial: &mut [f32],
    work: Work,
    region: usize,
    #[comptime] columns: Columns,
    #[comptime] channels_last: bool,
    #[comptime] with_bias: bool,
    #[define(F)] _element: ElemType,
) {
    if CUBE_POS >= work.cubes {
        terminate!();
    }
    let share = work.share(CUBE_POS, columns);
    let mut sum = Vector::<f32, N>::zeroed();
    let mut bias = Vector::<f32, N>::zeroed();
    if share.start < share.end {
        let s = spread::<N>(s, work.first_plane::<N>(&share, channels_last), channels_last);
        let mut row = share.start;
        while row < share.end {
            let at = work.position(&share, row);
            let dz = Vector::<f32, N>::cast_from(grad[at]);
            sum += dz * Vector::<f32, N>::cast_from(x[at]);
            dx[at] = Vector::cast_from(dz * s);
            bias += dz;
            row += share.high;
        }
    }
    work.write_sums::<N>(sum, partial, 0usize, &share, columns, channels_last);
    if comptime!(with_bias) {
        work.write_sums::<N>(bias, partial, region, &share, columns, channels_last);
    }
}

/// The gradients of `x * s` for `x` and `s`.
pub fn scale_grad(x: CubeTensor, s: CubeTensor, grad: CubeTensor) -> (CubeTensor, CubeTensor) {
    let [n, c, ..] = x.meta.shape().dims::<4>();
    let (dx, partial) = scaled(x, s, grad, false);
    (dx, sum_to(partial, &[n, c]))
}

/// The gradient of `x * s + bias` for `x`, and partial sums `[1 or 2, parts, n, c]`: of what `s`, and `bias` if it is asked for, get.
pub fn scaled(x: CubeTensor, s: CubeTensor, grad: CubeTensor, with_bias: bool) -> (CubeTensor, CubeTensor) {
    let x = Image::new(x);
    let (grad, s) = (x.beside(grad), into_contiguous(s));
    let [n, c, h, w] = x.size;
    let vector = x.vector_size();
    let plan = Plan::for_image(&x, vector);
    let (dx, dx_buffer) = over(&grad, 2, || x.empty_like([h, w]));
    let partial = empty(&dx, &[1 + usize::from(with_bias), plan.parts, n, c]);
    let (count, dim) = plan.launch(&dx.client);
    // SAFETY: shares lie within the image, `s` has a value for each plane, and `partial` a place for each part of each plane and sum.
    unsafe {
        scale_grad_kernel::launch_unchecked(
            &dx.client,
            count,
            dim,
            address_type(&[&x.tensor, &grad, &dx]),
            vector,
            x.tensor.clone().into_buffer_arg(),
            s.into_buffer_arg(),
            grad.into_buffer_arg(),
            dx_buffer,
            partial.clone().into_buffer_arg(),
            plan.arguments(),
            plan.parts * n * c,
            plan.columns,
            x.channels_last(),
            with_bias,
            element(&x.tensor),
        );
    }
    (dx, partial)
}

#[cube(launch_unchecked, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)] // As above.
fn noise_act_grad_kernel<F: Float, N: Size>(
    y: &[Vector<F, N>],
    x: &[Vector<F, N>],
    s: &[f32],
    noise: &[f32],
    grad: &[Vector<F, N>],
    dx: &mut [Vector<F, N>],
    partial: &mut [f32],
    work: Work,
    region: usize,
    channels: usize,
    noise_step: usize,
    negative: f32,
    positive: f32,
    #[comptime] columns: Columns,
    #[comptime] channels_last: bool,
    #[comptime] half: bool,
    #[define(F)] _element: ElemType,
) {
    if CUBE_POS >= work.cubes {
        terminate!();
    }
    let share = work.share(CUBE_POS, columns);
    let mut to_scale = Vector::<f32, N>::zeroed();
    let mut to_bias = Vector::<f32, N>::zeroed();
    let mut to_strength = Vector::<f32, N>::zeroed();
    if share.start < share.end {
        let plane = work.first_plane::<N>(&share, channels_last);
        let s = spread::<N>(s, plane, channels_last);
        let first = plane / channels * noise_step;
        let mut row = share.start;
        while row < share.end {
            let at = work.position(&share, row);
            let (y, grad) = (Vector::<f32, N>::cast_from(y[at]), Vector::<f32, N>::cast_from(grad[at]));
            let dz = by_slope_held::<N>(y, grad, negative, positive, half);
            dx[at] = Vector::cast_from(dz * s);
            to_scale += dz * Vector::<f32, N>::cast_from(x[at]);
            to_bias += dz;
            let pixel = if comptime!(channels_last) { row } else { row * N::value() };
            to_strength += dz * spread::<N>(noise, first + pixel, comptime!(!channels_last));
            row += share.high;
        }
    }
    work.write_sums::<N>(to_scale, partial, 0usize, &share, columns, channels_last);
    work.write_sums::<N>(to_bias, partial, region, &share, columns, channels_last);
    work.write_sums::<N>(to_strength, partial, 2 * region, &share, columns, channels_last);
}

/// The gradients of `noise_act` for `x`, the scale, the strength and the bias.
pub fn noise_act_grad(
    y: CubeTensor,
    x: CubeTensor,
    s: CubeTensor,
    noise: CubeTensor,
    grad: CubeTensor,
) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
    let y = Image::new(y);
    let [x, grad] = [x, grad].map(|t| y.beside(t));
    let [s, noise] = [s, noise].map(into_contiguous);
    let noise_step = noise_step(&noise);
    let [n, c, h, w] = y.size;
    let vector = y.vector_size();
    let plan = Plan::for_image(&y, vector);
    let (dx, dx_buffer) = over(&grad, 4, || y.empty_like([h, w]));
    let partial = empty(&dx, &[3, plan.parts, n, c]);
    let (count, dim) = plan.launch(&dx.client);
    let act = Activation::LEAKY;
    // SAFETY: shares lie within the image, `s` has a value for each plane, `noise` for each pixel of every sample or of one, and
    // `partial` a place for each part of each plane and sum.
    unsafe {
        noise_act_grad_kernel::launch_unchecked(
            &dx.client,
            count,
            dim,
            address_type(&[&y.tensor, &x, &grad, &dx]),
            vector,
            y.tensor.clone().into_buffer_arg(),
            x.into_buffer_arg(),
            s.into_buffer_arg(),
            noise.into_buffer_arg(),
            grad.into_buffer_arg(),
            dx_buffer,
            partial.clone().into_buffer_arg(),
            plan.arguments(),
            plan.parts * n * c,
            c,
            noise_step,
            act.factor(false),
            act.factor(true),
            plan.columns,
            y.channels_last(),
            y.is_half(),
            element(&y.tensor),
        );
    }
    let [dscale, dbias, dstrength] = layer_sums(partial, [n, c]);
    (dx, dscale, dstrength, dbias)
}
