//! The passes of a batch side by side: on a processor small ones keep every core busy, where one large one would keep one.

use burn::tensor::{Device, Tensor};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Samples of a pass on a processor. It does not depend on the number of cores, so that sums are the same on every machine.
const PASS: usize = 8;

/// Samples of the parts of a batch that are computed side by side where nothing was asked for (0) and the device is a processor; otherwise
/// as many as are asked for, 0 meaning all of them, one part after the other.
pub fn parts_of(asked: usize, device: &Device) -> (usize, bool) {
    let beside = asked == 0 && *device == Device::flex();
    (if beside { PASS } else { asked }, beside)
}

/// Pictures of a pass of a network that completes them, on a processor: its maps are small, so that more of them are worth a pass.
const PICTURES: usize = 16;

/// Pictures in a pass of a batch that are to be completed: as many as are asked for (0 asks for all), and on a processor few.
pub fn pass_of(batch: usize, asked: usize, device: &Device) -> usize {
    let asked = if asked == 0 { batch } else { asked.min(batch) };
    if *device == Device::flex() { asked.min(PICTURES) } else { asked }.max(1)
}

/// Samples of a batch that are computed at the same time where its parts stand side by side: no more than there are cores for.
pub fn at_once(completes: bool, device: &Device) -> Option<usize> {
    let pass = if completes { PICTURES } else { PASS };
    (*device == Device::flex()).then(|| pass * rayon::current_num_threads())
}

/// `f` of every pass, in their order; side by side on a processor, one after the other elsewhere.
pub fn side_by_side<T: Send, R: Send>(passes: Vec<T>, device: &Device, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    each(passes, *device == Device::flex(), f).collect()
}

/// `f` of every part, in their order: side by side, or one after the other as each is asked for.
pub fn each<'a, T: Send + 'a, R: Send + 'a>(
    parts: Vec<T>,
    beside: bool,
    f: impl Fn(T) -> R + Sync + Send + 'a,
) -> Box<dyn Iterator<Item = R> + 'a> {
    match beside {
        true => Box::new(parts.into_par_iter().map(f).collect::<Vec<_>>().into_iter()),
        false => Box::new(parts.into_iter().map(f)),
    }
}

/// The sum of gradients `[parameters]`, in their order; `None` of none.
pub fn sum(gradients: impl IntoIterator<Item = Tensor<1>>) -> Option<Tensor<1>> {
    gradients.into_iter().reduce(|sum, next| sum + next)
}
