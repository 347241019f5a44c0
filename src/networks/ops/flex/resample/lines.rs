//! Sums of weighted, shifted lines: the one step both directions of a resampling consist of.

use std::mem::MaybeUninit;

use super::super::simd::{Kernel, Vector};

/// Terms summed at a time, in registers.
const TERMS: usize = 4;

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
            for (number, terms) in lines.terms.chunks(TERMS).enumerate() {
                // SAFETY: `V` exists by contract; the first terms write what the others add to.
                unsafe {
                    match *terms {
                        [a] if number == 0 => sum::<V, 1, false>(lines, [a], self.from, to),
                        [a, b] if number == 0 => sum::<V, 2, false>(lines, [a, b], self.from, to),
                        [a, b, c] if number == 0 => {
                            sum::<V, 3, false>(lines, [a, b, c], self.from, to);
                        }
                        [a, b, c, d] if number == 0 => {
                            sum::<V, 4, false>(lines, [a, b, c, d], self.from, to);
                        }
                        [a, b, c, d] => sum::<V, 4, true>(lines, [a, b, c, d], self.from, to),
                        _ => {
                            for term in terms {
                                sum::<V, 1, true>(lines, [*term], self.from, to);
                            }
                        }
                    }
                }
            }
        }
    }
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
