//! Flex tensors as slices, results as tensors, and the scratch memory of a thread.

use std::cell::RefCell;
use std::mem::MaybeUninit;

use burn::backend::flex::{FlexDevice, FlexTensor};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

/// The values of a tensor in row-major order; copied only if they do not lie so already.
pub struct Values(FlexTensor);

impl Values {
    pub fn of(tensor: &FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }

    pub fn as_slice(&self) -> &[f32] {
        self.0.storage::<f32>()
    }

    pub fn dims<const D: usize>(&self) -> [usize; D] {
        self.0.shape().dims::<D>()
    }
}

/// A tensor that takes over `values`.
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    Flex::float_from_data(TensorData::new(values, shape), &FlexDevice)
}

/// Result memory that several threads fill, each its own part, without zeroing all of it first.
pub struct Output {
    values: Vec<f32>,
    len: usize,
}

/// A way to write into an [`Output`] from any thread.
#[derive(Clone, Copy)]
pub struct Writer {
    start: *mut f32,
    len: usize,
}

// SAFETY: a writer hands out disjoint parts only (the callers' contract in `uninit`), and the
// memory outlives it because `Output::filled_by` holds the vector while the writer is in use.
unsafe impl Send for Writer {}
unsafe impl Sync for Writer {}

impl Output {
    pub fn new(len: usize) -> Self {
        Self { values: Vec::with_capacity(len), len }
    }

    /// Lets `fill` write, and returns the values.
    ///
    /// # Safety
    /// `fill` must write every element.
    pub unsafe fn filled_by(mut self, fill: impl FnOnce(Writer)) -> Vec<f32> {
        let writer = Writer { start: self.values.as_mut_ptr(), len: self.len };
        fill(writer);
        // SAFETY: the capacity is `len`, and the caller vouches that all of it is initialised.
        unsafe { self.values.set_len(self.len) };
        self.values
    }
}

impl Writer {
    /// A way to write into `values`, which must be there, and nobody else's, as long as it is in use.
    pub fn of(values: &mut [f32]) -> Self {
        Self { start: values.as_mut_ptr(), len: values.len() }
    }

    /// The part `[start, start + len)`.
    ///
    /// # Safety
    /// No other part may overlap it.
    #[allow(clippy::mut_from_ref)] // That the parts are disjoint is the contract.
    pub unsafe fn uninit(&self, start: usize, len: usize) -> &mut [MaybeUninit<f32>] {
        assert!(start.checked_add(len).is_some_and(|end| end <= self.len));
        // SAFETY: in bounds, and disjoint by contract.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start).cast(), len) }
    }
}

/// Floats as memory to write results into.
///
/// # Safety
/// Nothing uninitialised may be written.
pub unsafe fn as_uninit(values: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    // SAFETY: the types have one layout, and the values stay initialised by contract.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Floats of a cache line, where scratch memory starts.
const LINE: usize = 16;

/// Runs `f` on `len` floats that belong to this thread and hold whatever was there before. `f` may ask for more of them.
///
/// Keeping the memory spares each call the page faults of a fresh allocation.
pub fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut scratch = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    if scratch.len() < len + LINE {
        scratch.resize(len + LINE, 0.0);
    }
    // `align_offset` may decline to answer; alignment is only a matter of speed.
    let start = scratch.as_ptr().align_offset(4 * LINE).min(LINE);
    let result = f(&mut scratch[start..start + len]);
    SCRATCH.with_borrow_mut(|all| all.push(scratch));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_memory_may_be_asked_for_within_scratch_memory() {
        let sum = |values: &[f32]| values.iter().sum::<f32>();
        let nested = with_scratch(100, |outer| {
            outer.fill(1.0);
            with_scratch(1000, |inner| inner.fill(2.0));
            with_scratch(1000, |inner| sum(outer) + sum(inner))
        });
        assert_eq!(nested, 2100.0);
    }
}
