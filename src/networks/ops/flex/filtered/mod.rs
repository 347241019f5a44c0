//! The filtered leaky ReLU, one plane at a time: what lies between the filters, several times as large as the plane, stays in
//! the cache, forward and backward.
//!
//! - [`grid`] lays planes out so that every filter is a sum of shifted lines;
//! - [`plan`] holds these sums, the same for all planes; [`cache`] keeps plans for the next call.

mod cache;
mod grid;
mod plan;

use std::mem::MaybeUninit;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::memory::{Output, Values, Writer, as_uninit, tensor, with_scratch};
use super::pointwise::{Sum, per_channel};
use super::resample::lines::{Filter, Lines};
use super::simd::{Isa, Kernel, Vector};
use crate::networks::ops::activation::Activation;
use crate::networks::ops::composite;
use crate::networks::ops::filtered::FilteredActivation;
use grid::Grid;
use plan::{Plan, Step};

/// Floats of input that make a task worth handing to a thread.
const TASK_FLOATS: usize = 4 * 1024;

pub fn filtered_act(
    x: &FlexTensor,
    scale: &FlexTensor,
    bias: &FlexTensor,
    filtered: &FilteredActivation,
) -> FlexTensor {
    let values = Inputs::of(x, scale, bias);
    let [n, c, h, w] = values.shape;
    let Some(plan) = cache::plan(filtered, [h, w]) else {
        return composite::filtered::filtered_act::<Flex>(x.clone(), scale.clone(), bias.clone(), filtered.clone());
    };
    let [oh, ow] = filtered.output_size([h, w]);
    let (area, len) = (h * w, oh * ow);
    let task = (TASK_FLOATS / area).max(1);
    let isa = Isa::detect();
    let fill = |writer: Writer| {
        (0..(n * c).div_ceil(task)).into_par_iter().for_each(|number| {
            let first = number * task;
            let count = task.min(n * c - first);
            // SAFETY: tasks cover all planes, each once, and a task writes all of its planes.
            let out = unsafe { writer.uninit(first * len, count * len) };
            let room = Room::forward(&plan);
            with_scratch(room.total, |scratch| {
                isa.run(Forward { plan: &plan, room, filtered, values: &values, first, width: ow, out, scratch });
            });
        });
    };
    // SAFETY: as above.
    tensor(unsafe { Output::new(n * c * len).filled_by(fill) }, [n, c, oh, ow])
}

pub fn filtered_act_grad(
    x: &FlexTensor,
    scale: &FlexTensor,
    bias: &FlexTensor,
    grad: &FlexTensor,
    filtered: &FilteredActivation,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let values = Inputs::of(x, scale, bias);
    let [n, c, h, w] = values.shape;
    let Some(plan) = cache::plan(filtered, [h, w]) else {
        let [x, scale, bias, grad] = [x, scale, bias, grad].map(FlexTensor::clone);
        return composite::filtered::filtered_act_grad::<Flex>(x, scale, bias, grad, filtered.clone());
    };
    let [oh, ow] = filtered.output_size([h, w]);
    let grad = Values::of(grad);
    assert_eq!(grad.dims(), [n, c, oh, ow], "filtered_act: shape of the gradient");
    let grad = grad.as_slice();
    let area = h * w;
    let task = (TASK_FLOATS / area).max(1);
    let isa = Isa::detect();
    let mut sums = vec![[0.0; 2]; n * c];
    let fill = |writer: Writer| {
        sums.par_chunks_mut(task).enumerate().for_each(|(number, sums)| {
            let first = number * task;
            // SAFETY: tasks cover all planes, each once, and a task writes all of its planes.
            let out = unsafe { writer.uninit(first * area, sums.len() * area) };
            let grad = &grad[first * oh * ow..][..sums.len() * oh * ow];
            let room = Room::backward(&plan);
            with_scratch(room.total, |scratch| {
                isa.run(Backward {
                    plan: &plan,
                    room,
                    filtered,
                    values: &values,
                    first,
                    grad,
                    width: ow,
                    out,
                    sums,
                    scratch,
                });
            });
        });
    };
    // SAFETY: as above.
    let dx = tensor(unsafe { Output::new(n * c * area).filled_by(fill) }, [n, c, h, w]);
    let dscale = tensor(sums.iter().map(|sums| sums[0]).collect(), [n, c]);
    (dx, dscale, tensor(per_channel(&sums, c, 1), [c]))
}

/// Planes, and what each is scaled by and shifted by.
struct Inputs {
    x: Values,
    scale: Values,
    bias: Values,
    shape: [usize; 4],
}

impl Inputs {
    fn of(x: &FlexTensor, scale: &FlexTensor, bias: &FlexTensor) -> Self {
        let (x, scale, bias) = (Values::of(x), Values::of(scale), Values::of(bias));
        let shape @ [n, c, ..] = x.dims::<4>();
        assert_eq!(scale.dims(), [n, c], "filtered_act: one factor a plane");
        assert_eq!(bias.dims(), [c], "filtered_act: one bias a channel");
        Self { x, scale, bias, shape }
    }

    /// A plane, its factor and its bias.
    #[inline(always)]
    fn plane(&self, plane: usize) -> (&[f32], f32, f32) {
        let [_, c, h, w] = self.shape;
        let x = &self.x.as_slice()[plane * h * w..][..h * w];
        (x, self.scale.as_slice()[plane], self.bias.as_slice()[plane % c])
    }
}

/// Floats of the scratch memory's parts.
#[derive(Clone, Copy)]
struct Room {
    input: usize,
    wide: usize,
    output: usize,
    between: usize,
    total: usize,
}

impl Room {
    fn forward(plan: &Plan) -> Self {
        Self::new(plan, 1, plan.up.between + plan.down.between)
    }

    fn backward(plan: &Plan) -> Self {
        Self::new(plan, 2, plan.up.between + plan.down_adjoint.between + plan.up_adjoint.between)
    }

    fn new(plan: &Plan, wide: usize, between: usize) -> Self {
        let (input, output) = (plan.input.size(), plan.output.size());
        let total = input + output + wide * plan.wide.size() + between;
        Self { input, wide: plan.wide.size(), output, between, total }
    }
}

/// Biases and scales a plane and brings it to the higher rate.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
unsafe fn upsample<V: Vector, const ROWS: usize>(
    plan: &Plan,
    (x, scale, bias): (&[f32], f32, f32),
    input: &mut [f32],
    between: &mut [f32],
    wide: &mut [f32],
) {
    for (z, x) in input.iter_mut().zip(x) {
        *z = x * scale + bias;
    }
    // SAFETY: `V` exists by contract.
    unsafe { run::<V, ROWS>(&plan.up, input, between, wide) };
}

/// The filters of a step. Margins are never written, and stay zero.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
unsafe fn run<V: Vector, const ROWS: usize>(step: &Step, from: &[f32], between: &mut [f32], to: &mut [f32]) {
    // SAFETY: `V` exists by contract.
    unsafe {
        match step.filters.as_slice() {
            [one] => filter::<V, ROWS>(one, from, to),
            [first, second] => {
                filter::<V, ROWS>(first, from, between);
                filter::<V, ROWS>(second, between, to);
            }
            _ => {}
        }
    }
}

/// One filter.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
unsafe fn filter<V: Vector, const ROWS: usize>(lines: &[Lines], from: &[f32], to: &mut [f32]) {
    // SAFETY: a filter writes floats, and `V` exists by contract.
    unsafe { Filter { lines, from, to: as_uninit(to) }.run::<V, ROWS>() };
}

/// `max(z, slope * z) * gain`, clamped.
#[inline(always)]
fn activate(values: &mut [f32], act: Activation, clamp: f32) {
    for z in values {
        *z = (*z * act.factor(*z > 0.0)).clamp(-clamp, clamp);
    }
}

/// Multiplies gradients by the slopes of the activation at `z`.
#[inline(always)]
fn times_slope(grad: &mut [f32], z: &[f32], act: Activation, clamp: f32) {
    for (grad, z) in grad.iter_mut().zip(z) {
        let factor = act.factor(*z > 0.0);
        *grad *= if (z * factor).abs() > clamp { 0.0 } else { factor };
    }
}

struct Forward<'a> {
    plan: &'a Plan,
    room: Room,
    filtered: &'a FilteredActivation,
    values: &'a Inputs,
    first: usize,
    width: usize,
    out: &'a mut [MaybeUninit<f32>],
    scratch: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let Self { plan, room, filtered, .. } = self;
        self.scratch.fill(0.0);
        let (input, rest) = self.scratch.split_at_mut(room.input);
        let (wide, rest) = rest.split_at_mut(room.wide);
        let (output, rest) = rest.split_at_mut(room.output);
        let (above, below) = rest[..room.between].split_at_mut(plan.up.between);
        let len = plan.output.rows * self.width;
        for (number, out) in self.out.chunks_exact_mut(len).enumerate() {
            // SAFETY: `V` exists by contract.
            unsafe { upsample::<V, ROWS>(plan, self.values.plane(self.first + number), input, above, wide) };
            activate(wide, filtered.act, filtered.clamp);
            // SAFETY: as above.
            unsafe { run::<V, ROWS>(&plan.down, wide, below, output) };
            for (row, out) in out.chunks_exact_mut(self.width).enumerate() {
                join(&plan.output, output, row, out);
            }
        }
    }
}

/// A row put together from its phases.
#[inline(always)]
fn join(grid: &Grid, values: &[f32], row: usize, out: &mut [MaybeUninit<f32>]) {
    if grid.phases == 1 {
        for (to, from) in out.iter_mut().zip(&values[grid.row(0, row)..]) {
            to.write(*from);
        }
        return;
    }
    for phase in 0..grid.phases {
        let places = out.iter_mut().skip(phase).step_by(grid.phases);
        for (to, from) in places.zip(&values[grid.row(phase, row)..]) {
            to.write(*from);
        }
    }
}

/// A row taken apart into its phases.
#[inline(always)]
fn split(grid: &Grid, from: &[f32], row: usize, values: &mut [f32]) {
    if grid.phases == 1 {
        values[grid.row(0, row)..][..from.len()].copy_from_slice(from);
        return;
    }
    for phase in 0..grid.phases {
        let places = from.iter().skip(phase).step_by(grid.phases);
        for (to, from) in values[grid.row(phase, row)..].iter_mut().zip(places) {
            *to = *from;
        }
    }
}

struct Backward<'a> {
    plan: &'a Plan,
    room: Room,
    filtered: &'a FilteredActivation,
    values: &'a Inputs,
    first: usize,
    grad: &'a [f32],
    width: usize,
    out: &'a mut [MaybeUninit<f32>],
    sums: &'a mut [[f32; 2]],
    scratch: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let Self { plan, room, filtered, .. } = self;
        self.scratch.fill(0.0);
        let (input, rest) = self.scratch.split_at_mut(room.input);
        let (wide, rest) = rest.split_at_mut(room.wide);
        let (wide_grad, rest) = rest.split_at_mut(room.wide);
        let (output, rest) = rest.split_at_mut(room.output);
        let (above, rest) = rest[..room.between].split_at_mut(plan.up.between);
        let (below, above_grad) = rest.split_at_mut(plan.down_adjoint.between);
        let planes = self.out.chunks_exact_mut(room.input).zip(self.grad.chunks_exact(plan.output.rows * self.width));
        for (number, ((out, grad), sums)) in planes.zip(self.sums).enumerate() {
            let (x, scale, bias) = self.values.plane(self.first + number);
            for (row, grad) in grad.chunks_exact(self.width).enumerate() {
                split(&plan.output, grad, row, output);
            }
            // SAFETY: `V` exists by contract.
            unsafe {
                upsample::<V, ROWS>(plan, (x, scale, bias), input, above, wide);
                run::<V, ROWS>(&plan.down_adjoint, output, below, wide_grad);
            }
            times_slope(wide_grad, wide, filtered.act, filtered.clamp);
            // SAFETY: as above.
            unsafe { run::<V, ROWS>(&plan.up_adjoint, wide_grad, above_grad, input) };
            let (mut dscale, mut dbias) = (Sum::default(), Sum::default());
            dscale.products(input, x);
            dbias.each(out, input, input, |dz, _| (dz * scale, dz));
            *sums = [dscale.total(), dbias.total()];
        }
    }
}
