//! `upfirdn2d` on planes: down the columns into an intermediate plane that stays in the cache,
//! then along its rows. [`lines`] serves the filtered activation too.

pub(super) mod lines;
mod plan;

use std::mem::MaybeUninit;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::super::fir::Fir;
use super::memory::{Output, Values, Writer, as_uninit, tensor, with_scratch};
use super::simd::{Isa, Kernel, Vector};
use lines::Filter;
use plan::Plan;

/// Floats of output that make a task worth handing to a thread.
const TASK_FLOATS: usize = 16 * 1024;

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
            let out = unsafe { writer.uninit(first * len, count * len) };
            let x = &x[first * area..][..count * area];
            with_scratch(scratch_len(&plan), |scratch| {
                isa.run(Planes { plan: &plan, area, x, out, scratch });
            });
        });
    };
    // SAFETY: as above.
    unsafe { Output::new(planes * len).filled_by(fill) }
}

/// Room for the intermediate plane, for its phases, and for the phases of the output.
fn scratch_len(plan: &Plan) -> usize {
    2 * plan.middle_len + plan.up * plan.output[0] * plan.part_len
}

struct Planes<'a> {
    plan: &'a Plan,
    /// Floats of an input plane.
    area: usize,
    x: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
    scratch: &'a mut [f32],
}

impl Kernel for Planes<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let plan = self.plan;
        let [oh, ow] = plan.output;
        let (middle, rest) = self.scratch.split_at_mut(plan.middle_len);
        let (phases, parts) = rest.split_at_mut(plan.middle_len);
        // Only the data between the margins changes from plane to plane.
        middle.fill(0.0);
        let planes = self.x.chunks_exact(self.area);
        for (from, out) in planes.zip(self.out.chunks_exact_mut(oh * ow)) {
            // SAFETY: a filter writes floats, and `V` exists by contract.
            unsafe { Filter { lines: &plan.vertical, from, to: as_uninit(middle) }.run::<V, ROWS>() };
            let from = match plan.down {
                1 => &*middle,
                _ => {
                    deinterleave(middle, phases, plan.down);
                    &*phases
                }
            };
            // SAFETY: as above.
            unsafe {
                let to = if plan.up == 1 { &mut *out } else { as_uninit(parts) };
                Filter { lines: &plan.horizontal, from, to }.run::<V, ROWS>();
            }
            if plan.up > 1 {
                interleave(parts, out, plan);
            }
        }
    }
}

/// Splits rows into their phases; a row's length is a multiple of their number.
#[inline(always)]
fn deinterleave(rows: &[f32], phases: &mut [f32], down: usize) {
    let len = phases.len() / down;
    if down == 2 {
        let (even, odd) = phases.split_at_mut(len);
        for ((pair, even), odd) in rows.chunks_exact(2).zip(even).zip(odd) {
            *even = pair[0];
            *odd = pair[1];
        }
        return;
    }
    for (phase, to) in phases.chunks_exact_mut(len).enumerate() {
        for (to, from) in to.iter_mut().zip(rows[phase..].iter().step_by(down)) {
            *to = *from;
        }
    }
}

/// Puts the phases of the output's rows together.
#[inline(always)]
fn interleave(parts: &[f32], out: &mut [MaybeUninit<f32>], plan: &Plan) {
    let [oh, ow] = plan.output;
    let len = plan.part_len;
    for (y, out) in out.chunks_exact_mut(ow).enumerate() {
        let part = |phase: usize| &parts[(phase * oh + y) * len..][..len];
        if plan.up == 2 {
            let (even, odd) = (part(0), part(1));
            let (pairs, last) = out.split_at_mut(ow / 2 * 2);
            for ((pair, even), odd) in pairs.chunks_exact_mut(2).zip(even).zip(odd) {
                pair[0].write(*even);
                pair[1].write(*odd);
            }
            if let [last] = last {
                last.write(even[len - 1]);
            }
            continue;
        }
        for phase in 0..plan.up {
            let places = out.iter_mut().skip(phase).step_by(plan.up);
            for (to, from) in places.zip(part(phase)) {
                to.write(*from);
            }
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
            let reference = planes(Isa::portable(), &x, 3, [21, 37], &fir);
            for isa in Isa::available() {
                // Small integers: every order of summation is exact.
                assert!(planes(isa, &x, 3, [21, 37], &fir) == reference, "{isa:?} {fir:?}");
            }
        }
    }
}
