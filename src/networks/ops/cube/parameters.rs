//! All parameters of a network at once: laid out for its layers in one launch, their gradients put together in one launch for a dozen.

use burn::backend::Shape;
use burn_cubecl::cubecl::zspace::{Strides, metadata::Metadata};
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::{into_contiguous, untile};
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;

use super::image::{address_type, elementwise, empty};
use crate::networks::ops::parameters::{MemoryOrder, Part, Parts, Run};

#[cube(launch_unchecked, address_type = "dynamic")]
fn prepare_kernel(
    flat: &[f32],
    table: &[i32],
    scales: &[f32],
    prepared: &mut [f32],
    values: usize,
    parts: usize,
    #[comptime] columns: usize,
) {
    if ABSOLUTE_POS >= values {
        terminate!();
    }
    // The last part that begins here or before.
    let mut part = 0usize.runtime();
    let mut behind = parts;
    while behind - part > 1 {
        let middle = (part + behind) / 2;
        if usize::cast_from(table[middle * columns]) <= ABSOLUTE_POS {
            part = middle;
        } else {
            behind = middle;
        }
    }
    let row = part * columns;
    let within = ABSOLUTE_POS - usize::cast_from(table[row]);
    let mut value = f32::new(0.0);
    if within < usize::cast_from(table[row + 2]) {
        let last = usize::cast_from(table[row + 4]);
        let middle = usize::cast_from(table[row + 3]);
        let above = within / last;
        let from = usize::cast_from(table[row + 1])
            + above / middle * usize::cast_from(table[row + 5])
            + above % middle * usize::cast_from(table[row + 6])
            + within % last * usize::cast_from(table[row + 7]);
        value = flat[from] * scales[part];
    }
    prepared[ABSOLUTE_POS] = value;
}

/// All parameters as layers use them, one behind the other, with zeros between them.
pub fn prepare(flat: CubeTensor, table: CubeTensor, scales: CubeTensor, parts: &Parts) -> CubeTensor {
    let [flat, table, scales] = [flat, table, scales].map(into_contiguous);
    let prepared = empty(&flat, &[parts.values()]);
    let (count, dim) = elementwise(&flat.client, parts.values());
    // SAFETY: units past the last value end at once, and the table's rows name places within the flat vector.
    unsafe {
        prepare_kernel::launch_unchecked(
            &prepared.client,
            count,
            dim,
            address_type(&[&flat, &prepared]),
            flat.into_buffer_arg(),
            table.into_buffer_arg(),
            scales.into_buffer_arg(),
            prepared.clone().into_buffer_arg(),
            parts.values(),
            parts.count(),
            Parts::COLUMNS,
        );
    }
    prepared
}

/// One of the prepared parameters: the same memory.
pub fn view(prepared: CubeTensor, part: &Part) -> CubeTensor {
    let len = prepared.meta.num_elements();
    let bytes = |values: usize| (values * prepared.dtype.size()) as u64;
    let handle = prepared.handle.clone();
    let handle = handle.offset_start(bytes(part.start)).offset_end(bytes(len - part.start - part.range.len()));
    let shape = part.usage.shape.as_slice();
    let contiguous = |shape: &[usize]| {
        let CubeTensor { client, device, dtype, .. } = prepared.clone();
        CubeTensor::new_contiguous(client, device, Shape::from(shape), handle.clone(), dtype)
    };
    match (part.usage.order, shape) {
        (MemoryOrder::InnerLast, &[outer, inner, h, w]) => permute(contiguous(&[outer, h, w, inner]), &[0, 3, 1, 2]),
        (MemoryOrder::OuterLast, &[outer, inner, h, w]) => permute(contiguous(&[inner, h, w, outer]), &[3, 0, 1, 2]),
        _ => contiguous(shape),
    }
}

/// What a gradient of four dimensions has for this unit, whose parameter lies from `before` to `end`; `value` where that is another's.
#[cube]
#[allow(clippy::collapsible_if)] // The outer one is decided when the kernel is compiled.
fn pick(gradient: &Tensor<f32>, before: usize, end: usize, scale: f32, value: f32, #[comptime] present: bool) -> f32 {
    let mut picked = value;
    if comptime!(present) {
        if ABSOLUTE_POS >= before && ABSOLUTE_POS < end {
            let within = ABSOLUTE_POS - before;
            let above = within / gradient.shape(3);
            let plane = above / gradient.shape(2);
            let at = within % gradient.shape(3) * gradient.stride(3)
                + above % gradient.shape(2) * gradient.stride(2)
                + plane % gradient.shape(1) * gradient.stride(1)
                + plane / gradient.shape(1) * gradient.stride(0);
            picked = gradient[at] * scale;
        }
    }
    picked
}

#[cube(launch_unchecked, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)] // A launch has no other way to take them.
fn put_together_kernel(
    a: &Tensor<f32>,
    b: &Tensor<f32>,
    c: &Tensor<f32>,
    d: &Tensor<f32>,
    e: &Tensor<f32>,
    f: &Tensor<f32>,
    g: &Tensor<f32>,
    h: &Tensor<f32>,
    i: &Tensor<f32>,
    j: &Tensor<f32>,
    k: &Tensor<f32>,
    l: &Tensor<f32>,
    flat: &mut [f32],
    ends: Sequence<usize>,
    scales: Sequence<f32>,
    begin: usize,
    values: usize,
    #[comptime] present: u32,
) {
    if ABSOLUTE_POS >= values {
        terminate!();
    }
    let mut value = f32::new(0.0);
    value = pick(a, 0usize, ends[0], scales[0], value, comptime!(present & 1u32 == 1u32));
    value = pick(b, ends[0], ends[1], scales[1], value, comptime!((present >> 1u32) & 1u32 == 1u32));
    value = pick(c, ends[1], ends[2], scales[2], value, comptime!((present >> 2u32) & 1u32 == 1u32));
    value = pick(d, ends[2], ends[3], scales[3], value, comptime!((present >> 3u32) & 1u32 == 1u32));
    value = pick(e, ends[3], ends[4], scales[4], value, comptime!((present >> 4u32) & 1u32 == 1u32));
    value = pick(f, ends[4], ends[5], scales[5], value, comptime!((present >> 5u32) & 1u32 == 1u32));
    value = pick(g, ends[5], ends[6], scales[6], value, comptime!((present >> 6u32) & 1u32 == 1u32));
    value = pick(h, ends[6], ends[7], scales[7], value, comptime!((present >> 7u32) & 1u32 == 1u32));
    value = pick(i, ends[7], ends[8], scales[8], value, comptime!((present >> 8u32) & 1u32 == 1u32));
    value = pick(j, ends[8], ends[9], scales[9], value, comptime!((present >> 9u32) & 1u32 == 1u32));
    value = pick(k, ends[9], ends[10], scales[10], value, comptime!((present >> 10u32) & 1u32 == 1u32));
    value = pick(l, ends[10], ends[11], scales[11], value, comptime!((present >> 11u32) & 1u32 == 1u32));
    flat[begin + ABSOLUTE_POS] = value;
}

/// The same tensor with four dimensions.
fn four_dimensions(x: CubeTensor) -> CubeTensor {
    let mut x = untile(x);
    let mut shape = [1; 4];
    let mut strides = [1; 4];
    let from = 4 - x.meta.num_dims();
    shape[from..].copy_from_slice(x.meta.shape());
    strides[from..].copy_from_slice(x.meta.strides());
    *x.meta = Metadata::new(Shape::from(shape), Strides::new(&strides));
    x
}

/// Writes the gradients of some parameters to their places in a flat vector, scaled as the parameters were: zero where there is none.
/// The gradients of the run come first; what is behind them, or stands for one that is missing, is not looked at.
pub fn put_together(
    into: CubeTensor,
    gradients: [CubeTensor; Run::MOST],
    parts: &[Part],
    present: &[bool],
) -> CubeTensor {
    let [Some(first), Some(last)] = [parts.first(), parts.last()] else { return into };
    let flat = if into.can_mut() { into } else { into.copy() };
    let begin = first.range.start;
    let values = last.range.end - begin;
    let gradients = gradients.map(four_dimensions);
    let address = address_type(&gradients.iter().chain([&flat]).collect::<Vec<_>>());
    let (count, dim) = elementwise(&flat.client, values);
    // Places past the last parameter are empty.
    let at = |place: usize| &parts[place.min(parts.len() - 1)];
    let [a, b, c, d, e, f, g, h, i, j, k, l] = gradients.map(CubeTensor::into_tensor_arg);
    // SAFETY: units past the last value end at once; a gradient has the shape of its parameter, whose place is in the flat vector.
    unsafe {
        put_together_kernel::launch_unchecked(
            &flat.client,
            count,
            dim,
            address,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            i,
            j,
            k,
            l,
            flat.clone().into_buffer_arg(),
            (0..Run::MOST).map(|place| at(place).range.end - begin).collect(),
            (0..Run::MOST).map(|place| at(place).usage.scale).collect(),
            begin,
            values,
            present.iter().rev().fold(0, |bits, present| bits << 1 | u32::from(*present)),
        );
    }
    flat
}
