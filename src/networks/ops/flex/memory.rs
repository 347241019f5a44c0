//! Flex tensors as slices, results as tensors, and the scratch memory of a thread.

use std::cell::RefCell;

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

/// Result memory that several threads fill, each its own part, without zeroing it first.
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

// SAFETY: a writer hands out disjoint parts only (the callers' contract in `slice`), and the
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
    /// `fill` must write every element, each from one thread only.
    pub unsafe fn filled_by(mut self, fill: impl FnOnce(Writer)) -> Vec<f32> {
        let writer = Writer { start: self.values.as_mut_ptr(), len: self.len };
        fill(writer);
        // SAFETY: the capacity is `len`, and the caller vouches that all of it was written.
        unsafe { self.values.set_len(self.len) };
        self.values
    }
}

impl Writer {
    /// The part `[start, start + len)`, to be overwritten.
    ///
    /// # Safety
    /// No other part in use may overlap it, and it must be written before it is read.
    #[allow(clippy::mut_from_ref)] // That the parts are disjoint is the contract.
    pub unsafe fn slice(&self, start: usize, len: usize) -> &mut [f32] {
        debug_assert!(start + len <= self.len);
        // SAFETY: in bounds, disjoint by contract; any bit pattern is an f32.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Floats of a cache line, where scratch memory starts.
const LINE: usize = 16;

/// Runs `f` on `len` floats that belong to this thread and hold whatever was there before.
///
/// Keeping the memory spares each call the page faults of a fresh allocation.
pub fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < len + LINE {
            scratch.resize(len + LINE, 0.0);
        }
        // `align_offset` may decline to answer; alignment is only a matter of speed.
        let start = scratch.as_ptr().align_offset(4 * LINE).min(LINE);
        f(&mut scratch[start..start + len])
    })
}
