//! Sums of weighted, shifted lines: the one step both directions of a resampling consist of.

use std::mem::MaybeUninit;

use super::super::simd::{Kernel, Vector};

/// Most terms summed at a time: their taps stay in registers.
const MOST: usize = 12;

/// `to[start + i * to_step ..] = Σ tap * from[offset + i * from_step ..]` for `i` below `count`.
#[derive(Clone, Debug)]
pub struct Lines {
    /// The taps and where each reads the first line.
    pub terms: Vec<(f32, usize)>,
    pub from_step: usize,
    pub start: usize,
    pub to_step: usize,
    pub count: usize,
    /// Floats of a line.
    pub len: usize,
}

/// All the given lines, one after the other. They are written, and nothing in `to` is read before.
pub struct Filter<'a> {
    pub lines: &'a [Lines],
    pub from: &'a [f32],
    pub to: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Filter<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        for lines in self.lines {
            let to = &mut self.to[lines.start..];
            if lines.terms.is_empty() {
                for line in 0..lines.count {
                    to[line * lines.to_step..][..lines.len].fill(MaybeUninit::new(0.0));
                }
            }
            let mut rest = lines.terms.as_slice();
            let mut first = true;
            while !rest.is_empty() {
                // As many terms as fit; the first ones write what the others add to.
                let count = [MOST, 6, 4, 3, 2, 1].into_iter().find(|count| *count <= rest.len()).unwrap_or(1);
                let (terms, after) = rest.split_at(count);
                // SAFETY: `V` exists by contract, and the first terms have written all lines.
                unsafe {
                    match (terms.len(), first) {
                        (MOST, true) => sum::<V, MOST, false>(lines, of(terms), self.from, to),
                        (MOST, false) => sum::<V, MOST, true>(lines, of(terms), self.from, to),
                        (6, true) => sum::<V, 6, false>(lines, of(terms), self.from, to),
                        (6, false) => sum::<V, 6, true>(lines, of(terms), self.from, to),
                        (4, true) => sum::<V, 4, false>(lines, of(terms), self.from, to),
                        (4, false) => sum::<V, 4, true>(lines, of(terms), self.from, to),
                        (3, true) => sum::<V, 3, false>(lines, of(terms), self.from, to),
                        (3, false) => sum::<V, 3, true>(lines, of(terms), self.from, to),
                        (2, true) => sum::<V, 2, false>(lines, of(terms), self.from, to),
                        (2, false) => sum::<V, 2, true>(lines, of(terms), self.from, to),
                        (_, true) => sum::<V, 1, false>(lines, of(terms), self.from, to),
                        (_, false) => sum::<V, 1, true>(lines, of(terms), self.from, to),
                    }
                }
                (rest, first) = (after, false);
            }
        }
    }
}

/// The first `N` terms.
#[inline(always)]
fn of<const N: usize>(terms: &[(f32, usize)]) -> [(f32, usize); N] {
    std::array::from_fn(|i| terms[i])
}

/// Writes the sum of `N` terms, or adds it to what is there.
///
/// # Safety
/// `V` must exist on this CPU, and what is added to must be initialised.
#[inline(always)]
unsafe fn sum<V: Vector, const N: usize, const ADD: bool>(
    lines: &Lines,
    terms: [(f32, usize); N],
    from: &[f32],
    to: &mut [MaybeUninit<f32>],
) {
    let last = lines.count.saturating_sub(1);
    let furthest = terms.iter().map(|(_, offset)| *offset).max().unwrap_or(0);
    assert!(furthest + last * lines.from_step + lines.len <= from.len());
    assert!(last * lines.to_step + lines.len <= to.len());
    // SAFETY: `V` exists by contract; the asserts bound all reads and writes.
    unsafe {
        let taps = terms.map(|(tap, _)| V::splat(tap));
        let small_taps = terms.map(|(tap, _)| V::Four::splat(tap));
        for line in 0..lines.count {
            let from = from.as_ptr().add(line * lines.from_step);
            let to = to.as_mut_ptr().cast::<f32>().add(line * lines.to_step);
            let from: [*const f32; N] = std::array::from_fn(|i| from.add(terms[i].1));
            let mut at = 0;
            while at + V::LANES <= lines.len {
                place::<V, N, ADD>(taps, from, to, at);
                at += V::LANES;
            }
            while at + V::Four::LANES <= lines.len {
                place::<V::Four, N, ADD>(small_taps, from, to, at);
                at += V::Four::LANES;
            }
            while at < lines.len {
                let mut sum = if ADD { *to.add(at) } else { 0.0 };
                for i in 0..N {
                    sum = V::mul_add_one(terms[i].0, *from[i].add(at), sum);
                }
                *to.add(at) = sum;
                at += 1;
            }
        }
    }
}

/// One vector of [`sum`].
///
/// # Safety
/// `V` must exist on this CPU, and the vector must lie within every line.
#[inline(always)]
unsafe fn place<V: Vector, const N: usize, const ADD: bool>(
    taps: [V; N],
    from: [*const f32; N],
    to: *mut f32,
    at: usize,
) {
    // SAFETY: by contract.
    unsafe {
        let mut sum = match ADD {
            true => V::load(to.add(at)),
            false => V::splat(0.0),
        };
        for i in 0..N {
            sum = taps[i].mul_add(V::load(from[i].add(at)), sum);
        }
        sum.store(to.add(at));
    }
}
