//! Parameters as layers use them, and their gradients, spelled with ordinary Burn operations.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, FloatDType, Scalar, Shape, Slice, TensorMetadata};

use crate::networks::ops::parameters::{MemoryOrder, Part, Parts, Run};

/// The values of a vector from `start` on.
fn narrow<B: Backend>(x: FloatTensor<B>, start: usize, len: usize) -> FloatTensor<B> {
    B::float_slice(x, &[Slice::new(start as isize, Some((start + len) as isize), 1)])
}

pub fn prepare<B: Backend>(flat: FloatTensor<B>, parts: &Parts) -> FloatTensor<B> {
    let device = flat.device();
    let mut all = Vec::with_capacity(2 * parts.count());
    for part in parts.iter() {
        let len = part.range.len();
        let value = narrow::<B>(flat.clone(), part.range.start, len);
        let value = B::float_mul_scalar(value, Scalar::from(part.usage.scale));
        let value = B::float_reshape(value, Shape::from(part.dims()));
        let value = match part.usage.order {
            MemoryOrder::RowMajor => value,
            MemoryOrder::InnerLast => B::float_permute(value, &[0, 2, 1]),
            MemoryOrder::OuterLast => B::float_permute(value, &[1, 2, 0]),
        };
        all.push(B::float_reshape(value, Shape::from([len])));
        let gap = len.next_multiple_of(Parts::ALIGNMENT) - len;
        if gap > 0 {
            all.push(B::float_zeros(Shape::from([gap]), &device, FloatDType::F32));
        }
    }
    B::float_cat(all, 0)
}

pub fn part<B: Backend>(prepared: FloatTensor<B>, part: &Part) -> FloatTensor<B> {
    let value = narrow::<B>(prepared, part.start, part.range.len());
    match (part.usage.order, part.usage.shape.as_slice()) {
        (MemoryOrder::InnerLast, &[outer, inner, h, w]) => {
            B::float_permute(B::float_reshape(value, Shape::from([outer, h, w, inner])), &[0, 3, 1, 2])
        }
        (MemoryOrder::OuterLast, &[outer, inner, h, w]) => {
            B::float_permute(B::float_reshape(value, Shape::from([inner, h, w, outer])), &[3, 0, 1, 2])
        }
        (_, shape) => B::float_reshape(value, Shape::from(shape)),
    }
}

pub fn put_together<B: Backend>(
    into: FloatTensor<B>,
    gradients: [FloatTensor<B>; Run::MOST],
    parts: &[Part],
    present: &[bool],
) -> FloatTensor<B> {
    let device = into.device();
    gradients.into_iter().zip(parts).zip(present).fold(into, |into, ((gradient, part), present)| {
        let shape = Shape::from([part.range.len()]);
        let value = match present {
            true => B::float_mul_scalar(B::float_reshape(gradient, shape), Scalar::from(part.usage.scale)),
            false => B::float_zeros(shape, &device, FloatDType::F32),
        };
        let place = Slice::new(part.range.start as isize, Some(part.range.end as isize), 1);
        B::float_slice_assign(into, &[place], value)
    })
}
