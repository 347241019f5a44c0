//! `upfirdn2d` on planes: down the columns into a few rows, then along these rows, nothing kept.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::super::fir::Fir;
use super::memory::{Output, Values, Writer, tensor, with_scratch};
use super::simd::{Isa, Kernel, Vector};

/// Floats of output that make a task worth handing to a thread.
const TASK_FLOATS: usize = 16 * 1024;

/// Terms summed at a time, in registers.
const TERMS: usize = 4;

/// Rows filtered downwards before they are filtered along. A row read back at another alignment
/// right after it was written would wait for its stores to leave the core.
const STRIP: usize = 8;

pub fn fir(x: &FlexTensor, fir: &Fir) -> FlexTensor {
    let x = Values::of(x);
    let [n, c, h, w] = x.dims::<4>();
    let [oh, ow] = fir.output_size([h, w]);
    let out = planes(Isa::detect(), x.as_slice(), n * c, [h, w], fir);
    tensor(out, [n, c, oh, ow])
}

fn planes(isa: Isa, x: &[f32], planes: usize, input: [usize; 2], fir: &Fir) -> Vec<f32> {
    let size = fir.output_size(input);
    let (len, area) = (size[0] * size[1], input[0] * input[1]);
    let plan = Plan::new(fir, input, size);
    let task = (TASK_FLOATS / len).max(1);
    let fill = |writer: Writer| {
        (0..planes.div_ceil(task)).into_par_iter().for_each(|number| {
            let first = number * task;
            let count = task.min(planes - first);
            // SAFETY: tasks cover all planes, each once, and a task writes all of its planes.
            let out = unsafe { writer.slice(first * len, count * len) };
            let x = &x[first * area..][..count * area];
            with_scratch(plan.scratch_len(), |scratch| {
                isa.run(Planes { plan: &plan, x, out, scratch });
            });
        });
    };
    // SAFETY: as above.
    unsafe { Output::new(planes * len).filled_by(fill) }
}

/// Everything about a resampling that is the same for each plane.
///
/// Along a row, output `x = up * j + r` reads the padded, zero-inserted row at `x * down + t`.
/// With `up` and `down` in lowest terms or not, the places of one output phase `r` that hold data
/// are a fixed list of (tap, first place), and step by `down` from one `j` to the next; so the
/// row is split into `down` phases, and an output phase is a sum of shifted phases.
struct Plan {
    /// The taps in the order they meet the data.
    taps: Vec<f32>,
    input: [usize; 2],
    output: [usize; 2],
    up: usize,
    down: usize,
    /// Padding above, in rows of the zero-inserted plane.
    above: isize,
    /// Zeros before and after the data of a row.
    margin: usize,
    /// Length of one of the `down` phases of a row with its margins.
    phase_len: usize,
    /// For each output phase, the taps and where in the phases they read first.
    terms: Vec<Vec<(f32, usize)>>,
    /// Length of an output phase.
    out_len: usize,
}

impl Plan {
    fn new(fir: &Fir, input: [usize; 2], output: [usize; 2]) -> Self {
        let (up, down) = (fir.up, fir.down);
        let taps: Vec<f32> = fir.taps.iter().rev().copied().collect();
        let out_len = output[1].div_ceil(up);
        let places = |r: usize| {
            let at = move |t: usize| (r * down + t) as isize - fir.pad_x[0];
            let hits = move |t: &usize| at(*t).rem_euclid(up as isize) == 0;
            (0..fir.taps.len()).filter(hits).map(move |t| (t, at(t).div_euclid(up as isize)))
        };
        let first = (0..up).flat_map(places).map(|(_, place)| place).min().unwrap_or(0);
        let last = (0..up).flat_map(places).map(|(_, place)| place).max().unwrap_or(0);
        let reach = last + (out_len * down) as isize;
        let margin = (-first).max(0) as usize;
        let row = (margin + input[1]).max((margin as isize + reach).max(0) as usize);
        let phase_len = row.div_ceil(down);
        let start = |place: isize| {
            let place = (place + margin as isize) as usize;
            place % down * phase_len + place / down
        };
        let terms = (0..up).map(|r| places(r).map(|(t, place)| (taps[t], start(place))).collect());
        Self { terms: terms.collect(), taps, input, output, up, down, above: fir.pad_y[0], margin, phase_len, out_len }
    }

    /// Room for a strip of rows, for a row's phases, and for the phases of an output row.
    fn scratch_len(&self) -> usize {
        (STRIP + 1) * self.down * self.phase_len + self.up * self.out_len
    }
}

struct Planes<'a> {
    plan: &'a Plan,
    x: &'a [f32],
    out: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Kernel for Planes<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let plan = self.plan;
        let ([h, w], [oh, ow]) = (plan.input, plan.output);
        let row_len = plan.down * plan.phase_len;
        let (strip, rest) = self.scratch.split_at_mut(STRIP * row_len);
        let (phases, parts) = rest.split_at_mut(row_len);
        // Only the data between the margins changes from row to row.
        strip.fill(0.0);
        let planes = self.x.chunks_exact(h * w).zip(self.out.chunks_exact_mut(oh * ow));
        for (x, out) in planes {
            for (number, out) in out.chunks_mut(STRIP * ow).enumerate() {
                let rows = out.len() / ow;
                for (y, row) in strip.chunks_exact_mut(row_len).enumerate().take(rows) {
                    let data = &mut row[plan.margin..][..w];
                    // SAFETY: `V` exists by contract.
                    unsafe { filter_down::<V>(plan, x, number * STRIP + y, data) };
                }
                for (row, out) in strip.chunks_exact(row_len).zip(out.chunks_exact_mut(ow)) {
                    // SAFETY: as above.
                    unsafe { filter_row::<V>(plan, row, phases, parts, out) };
                }
            }
        }
    }
}

/// One row of the result, from a vertically filtered row with its margins.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
unsafe fn filter_row<V: Vector>(plan: &Plan, row: &[f32], phases: &mut [f32], parts: &mut [f32], out: &mut [f32]) {
    let phases = match plan.down {
        1 => row,
        _ => {
            deinterleave(row, phases, plan.down);
            &*phases
        }
    };
    // SAFETY: as the caller's.
    unsafe {
        if plan.up == 1 {
            filter_along::<V>(&plan.terms[0], phases, out);
        } else {
            for (terms, part) in plan.terms.iter().zip(parts.chunks_mut(plan.out_len)) {
                filter_along::<V>(terms, phases, part);
            }
            interleave(parts, out, plan.up);
        }
    }
}

/// One row of the vertically filtered plane.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
unsafe fn filter_down<V: Vector>(plan: &Plan, x: &[f32], y: usize, out: &mut [f32]) {
    let [h, w] = plan.input;
    let up = plan.up as isize;
    let mut sum = Summation::default();
    for (t, tap) in plan.taps.iter().enumerate() {
        let at = (y * plan.down + t) as isize - plan.above;
        let row = at / up;
        if at >= 0 && at % up == 0 && row < h as isize {
            // SAFETY: as the caller's.
            unsafe { sum.add::<V>(*tap, &x[row as usize * w..][..w], out) };
        }
    }
    // SAFETY: as the caller's.
    unsafe { sum.finish::<V>(out) }
}

/// One phase of a horizontally filtered row.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
unsafe fn filter_along<V: Vector>(terms: &[(f32, usize)], phases: &[f32], out: &mut [f32]) {
    let len = out.len();
    let mut sum = Summation::default();
    for (tap, start) in terms {
        // SAFETY: as the caller's.
        unsafe { sum.add::<V>(*tap, &phases[*start..][..len], out) };
    }
    // SAFETY: as the caller's.
    unsafe { sum.finish::<V>(out) }
}

/// A sum of weighted slices, several at a time.
struct Summation<'a> {
    terms: [(f32, &'a [f32]); TERMS],
    count: usize,
    /// Whether the output already holds earlier terms.
    started: bool,
}

impl Default for Summation<'_> {
    #[inline(always)]
    fn default() -> Self {
        Self { terms: [(0.0, &[]); TERMS], count: 0, started: false }
    }
}

impl<'a> Summation<'a> {
    /// # Safety
    /// `V` must exist on this CPU.
    #[inline(always)]
    unsafe fn add<V: Vector>(&mut self, tap: f32, values: &'a [f32], out: &mut [f32]) {
        if self.count == TERMS {
            // SAFETY: as the caller's.
            unsafe { self.flush::<V, TERMS>(out) };
        }
        self.terms[self.count] = (tap, values);
        self.count += 1;
    }

    /// # Safety
    /// `V` must exist on this CPU.
    #[inline(always)]
    unsafe fn finish<V: Vector>(mut self, out: &mut [f32]) {
        // SAFETY: as the caller's.
        unsafe {
            match self.count {
                0 if self.started => {}
                0 => out.fill(0.0),
                1 => self.flush::<V, 1>(out),
                2 => self.flush::<V, 2>(out),
                3 => self.flush::<V, 3>(out),
                _ => self.flush::<V, TERMS>(out),
            }
        }
    }

    /// # Safety
    /// `V` must exist on this CPU.
    #[inline(always)]
    unsafe fn flush<V: Vector, const N: usize>(&mut self, out: &mut [f32]) {
        let len = out.len();
        for (_, values) in &self.terms[..N] {
            assert!(values.len() >= len);
        }
        let taps: [f32; N] = std::array::from_fn(|i| self.terms[i].0);
        let from: [*const f32; N] = std::array::from_fn(|i| self.terms[i].1.as_ptr());
        let to = out.as_mut_ptr();
        // SAFETY: `V` exists by contract; every place is below `len`, which all slices hold.
        unsafe {
            let vectors = taps.map(|tap| V::splat(tap));
            let mut at = 0;
            while at + V::LANES <= len {
                let first = match self.started {
                    true => V::load(to.add(at)),
                    false => V::splat(0.0),
                };
                let mut sum = first;
                for i in 0..N {
                    sum = vectors[i].mul_add(V::load(from[i].add(at)), sum);
                }
                sum.store(to.add(at));
                at += V::LANES;
            }
            while at < len {
                let mut sum = if self.started { *to.add(at) } else { 0.0 };
                for i in 0..N {
                    sum += taps[i] * *from[i].add(at);
                }
                *to.add(at) = sum;
                at += 1;
            }
        }
        self.count = 0;
        self.started = true;
    }
}

/// Splits a row into its phases.
#[inline(always)]
fn deinterleave(row: &[f32], phases: &mut [f32], down: usize) {
    let len = phases.len() / down;
    if down == 2 {
        let (even, odd) = phases.split_at_mut(len);
        for ((pair, even), odd) in row.chunks_exact(2).zip(even).zip(odd) {
            *even = pair[0];
            *odd = pair[1];
        }
        return;
    }
    for (phase, to) in phases.chunks_exact_mut(len).enumerate() {
        for (to, from) in to.iter_mut().zip(row[phase..].iter().step_by(down)) {
            *to = *from;
        }
    }
}

/// Puts the phases of an output row together.
#[inline(always)]
fn interleave(phases: &[f32], out: &mut [f32], up: usize) {
    let len = phases.len() / up;
    if up == 2 {
        let (even, odd) = phases.split_at(len);
        let (pairs, last) = out.split_at_mut(out.len() / 2 * 2);
        for ((pair, even), odd) in pairs.chunks_exact_mut(2).zip(even).zip(odd) {
            pair[0] = *even;
            pair[1] = *odd;
        }
        if let [last] = last {
            *last = even[len - 1];
        }
        return;
    }
    for (phase, from) in phases.chunks_exact(len).enumerate() {
        for (to, from) in out.iter_mut().skip(phase).step_by(up).zip(from) {
            *to = *from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_resamples_alike() {
        let x: Vec<f32> = (0..3 * 21 * 37).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
        for (up, down, pad, taps) in [
            (1, 1, [2, 1], vec![1., 3., 3., 1.]),
            (2, 1, [2, 1], vec![1., 3., 3., 1.]),
            (1, 2, [1, 1], vec![1., 3., 3., 1.]),
            (3, 2, [-1, 7], vec![1., 2., 4., 8., 16., 32., 64.]),
        ] {
            let fir = Fir::new(&taps, up, down, pad);
            let reference = planes(Isa::Portable, &x, 3, [21, 37], &fir);
            for isa in Isa::available() {
                // Small integers: every order of summation is exact.
                assert!(planes(isa, &x, 3, [21, 37], &fir) == reference, "{isa:?} {fir:?}");
            }
        }
    }
}
