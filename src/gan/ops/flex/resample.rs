//! `upfirdn2d` on planes: down the columns into one row, then along that row, nothing kept.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::super::fir::Fir;
use super::memory::{Output, Values, Writer, tensor, with_scratch};
use super::simd::{Isa, Kernel, Vector};

/// Floats of output that make a task worth handing to a thread.
const TASK_FLOATS: usize = 16 * 1024;

pub fn fir(x: &FlexTensor, fir: &Fir) -> FlexTensor {
    let x = Values::of(x);
    let [n, c, h, w] = x.dims::<4>();
    let size = fir.output_size([h, w]);
    tensor(planes(Isa::detect(), x.as_slice(), n * c, [h, w], fir), [n, c, size[0], size[1]])
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
struct Plan {
    /// The taps in the order they meet the data.
    taps: Vec<f32>,
    input: [usize; 2],
    output: [usize; 2],
    up: usize,
    down: usize,
    before: [isize; 2],
    /// Length of one of the `down` phases of a padded row.
    phase_len: usize,
}

impl Plan {
    fn new(fir: &Fir, input: [usize; 2], output: [usize; 2]) -> Self {
        Self {
            taps: fir.taps.iter().rev().copied().collect(),
            input,
            output,
            up: fir.up,
            down: fir.down,
            before: [fir.pad_y[0], fir.pad_x[0]],
            phase_len: output[1] + fir.taps.len() / fir.down + 1,
        }
    }

    fn scratch_len(&self) -> usize {
        self.input[1] + self.down * self.phase_len
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
    unsafe fn run<V: Vector, const ROWS: usize, const DM: usize, const DK: usize>(self) {
        let plan = self.plan;
        let ([h, w], [oh, ow]) = (plan.input, plan.output);
        let (column, row) = self.scratch.split_at_mut(w);
        // Only the places of data are overwritten from row to row; the zeros stay.
        row.fill(0.0);
        let planes = self.x.chunks_exact(h * w).zip(self.out.chunks_exact_mut(oh * ow));
        for (x, out) in planes {
            for (y, out) in out.chunks_exact_mut(ow).enumerate() {
                filter_down(plan, x, y, column);
                spread(plan, column, row);
                filter_along(plan, row, out);
            }
        }
    }
}

/// One row of the vertically filtered plane.
#[inline(always)]
fn filter_down(plan: &Plan, x: &[f32], y: usize, column: &mut [f32]) {
    let [h, w] = plan.input;
    let up = plan.up as isize;
    column.fill(0.0);
    for (t, tap) in plan.taps.iter().enumerate() {
        let at = (y * plan.down + t) as isize - plan.before[0];
        let row = at / up;
        if at < 0 || at % up != 0 || row >= h as isize {
            continue;
        }
        let from = &x[row as usize * w..][..w];
        for (sum, value) in column.iter_mut().zip(from) {
            *sum += tap * value;
        }
    }
}

/// Upsamples and pads a row, and splits it into the `down` phases its taps will read.
#[inline(always)]
fn spread(plan: &Plan, column: &[f32], row: &mut [f32]) {
    let before = plan.before[1];
    if plan.up == 1 && plan.down == 1 {
        let skip = (-before).max(0) as usize;
        let start = before.max(0) as usize;
        let count = column.len().saturating_sub(skip).min(row.len().saturating_sub(start));
        if count > 0 {
            row[start..start + count].copy_from_slice(&column[skip..skip + count]);
        }
        return;
    }
    for (x, value) in column.iter().enumerate() {
        let at = (x * plan.up) as isize + before;
        if at >= 0 {
            let (phase, place) = (at as usize % plan.down, at as usize / plan.down);
            if place < plan.phase_len {
                row[phase * plan.phase_len + place] = *value;
            }
        }
    }
}

/// The horizontal filter.
#[inline(always)]
fn filter_along(plan: &Plan, row: &[f32], out: &mut [f32]) {
    let len = out.len();
    let from = |t: usize| &row[t % plan.down * plan.phase_len + t / plan.down..][..len];
    for (out, value) in out.iter_mut().zip(from(0)) {
        *out = plan.taps[0] * value;
    }
    for (t, tap) in plan.taps.iter().enumerate().skip(1) {
        for (out, value) in out.iter_mut().zip(from(t)) {
            *out += tap * value;
        }
    }
}
