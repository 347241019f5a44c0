//! The passes of a batch side by side: on a processor small ones keep every core busy, where one large one would keep one.

use burn::tensor::{Device, Tensor};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Samples of a pass on a processor. It does not depend on the number of cores, so that sums are the same on every machine.
const PASS: usize = 8;

/// Samples in a pass of a batch: as many as are asked for (0 asks for all), and on a processor few.
pub fn pass_of(batch: usize, asked: usize, device: &Device) -> usize {
    let asked = if asked == 0 { batch } else { asked.min(batch) };
    if *device == Device::flex() { asked.min(PASS) } else { asked }.max(1)
}

/// `f` of every pass, in their order; side by side on a processor, one after the other elsewhere.
pub fn side_by_side<T: Send, R: Send>(passes: Vec<T>, device: &Device, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    match *device == Device::flex() {
        true => passes.into_par_iter().map(f).collect(),
        false => passes.into_iter().map(f).collect(),
    }
}

/// The sum of gradients `[parameters]`, in their order; `None` of none.
pub fn sum(gradients: impl IntoIterator<Item = Tensor<1>>) -> Option<Tensor<1>> {
    gradients.into_iter().reduce(|sum, next| sum + next)
}
