//! Copies planes onto the grid and weights into the order a product reads them in.

use super::layout::{Grid, Tap};

/// Copies the planes of one channel, for `samples` samples, onto the grid.
///
/// `source` starts at the channel's plane in the first sample; the next sample's lies
/// `sample_stride` further. `to` is the channel's plane of the grid and is written in full.
pub fn plane(
    source: &[f32],
    sample_stride: usize,
    samples: usize,
    size: [usize; 2],
    step: usize,
    phase: [usize; 2],
    grid: &Grid,
    to: &mut [f32],
) {
    let [h, w] = size;
    // How many of the plane's rows and columns belong to the phase.
    let count = |len: usize, first: usize| len.saturating_sub(first).div_ceil(step);
    let (rows, columns) = (count(h, phase[0]), count(w, phase[1]));
    let pitch = grid.pitch;
    let mut filled = 0;
    for n in 0..samples {
        let start = (n * grid.rows + grid.before[0]) * pitch;
        to[filled..start].fill(0.0);
        let sample = &source[n * sample_stride..][..h * w];
        for (row, line) in to[start..][..rows * pitch].chunks_exact_mut(pitch).enumerate() {
            let from = &sample[(phase[0] + row * step) * w..][..w];
            let from = from.get(phase[1]..).unwrap_or_default();
            line[..grid.before[1]].fill(0.0);
            line[grid.before[1] + columns..].fill(0.0);
            let data = &mut line[grid.before[1]..][..columns];
            match step {
                1 => data.copy_from_slice(from),
                2 => {
                    for (to, from) in data.iter_mut().zip(from.chunks(2)) {
                        *to = from[0];
                    }
                }
                _ => {
                    for (to, from) in data.iter_mut().zip(from.iter().step_by(step)) {
                        *to = *from;
                    }
                }
            }
        }
        filled = start + rows * pitch;
    }
    to[filled..].fill(0.0);
}

/// Copies one output channel's planes to where the outputs of the grid's columns lie: the right
/// factor of a dot product with [`plane`]'s columns. Everything in between becomes zero.
pub fn columns(source: &[f32], sample_stride: usize, samples: usize, grid: &Grid, to: &mut [f32]) {
    let [h, w] = grid.output;
    let mut filled = 0;
    for n in 0..samples {
        let sample = &source[n * sample_stride..][..h * w];
        for (row, from) in sample.chunks_exact(w).enumerate() {
            let start = grid.start(n, row);
            to[filled..start].fill(0.0);
            to[start..start + w].copy_from_slice(from);
            filled = start + w;
        }
    }
    to[filled..].fill(0.0);
}

/// Which axis of a weight the product sums over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightOrder {
    /// `[output channels, source channels, kh, kw]`.
    OutputFirst,
    /// `[source channels, output channels, kh, kw]`.
    InputFirst,
}

/// A weight as [`blocks`] wants it read.
#[derive(Clone, Copy)]
pub struct Weight<'a> {
    pub values: &'a [f32],
    pub order: WeightOrder,
    pub kernel: [usize; 2],
    pub outputs: usize,
    pub sources: usize,
}

/// Writes the weights of output channels `first..first + rows.len()` for `taps`: for each source
/// channel, each tap and each row one float; rows past the last channel are zero.
pub fn weights(weight: &Weight, first: usize, rows: usize, taps: &[Tap], to: &mut [f32]) {
    let [kh, kw] = weight.kernel;
    let area = kh * kw;
    let block = taps.len() * rows;
    if block == 0 {
        return;
    }
    for (source, block) in to.chunks_exact_mut(block).enumerate() {
        for row in 0..rows {
            let output = first + row;
            let plane = match weight.order {
                WeightOrder::OutputFirst => output * weight.sources + source,
                WeightOrder::InputFirst => source * weight.outputs + output,
            };
            let line = block[row..].iter_mut().step_by(rows);
            if output < weight.outputs {
                let plane = &weight.values[plane * area..][..area];
                for (to, tap) in line.zip(taps) {
                    *to = plane[tap.at[0] * kw + tap.at[1]];
                }
            } else {
                line.for_each(|to| *to = 0.0);
            }
        }
    }
}
