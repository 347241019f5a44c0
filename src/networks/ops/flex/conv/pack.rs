//! Copies planes onto the grid and weights into the order a product reads them in.

use super::super::simd;
use super::layout::{Grid, Tap};

/// Copies the planes of one channel, for `samples` samples, onto the grid.
///
/// `source` starts at the channel's plane in the first sample; the next sample's lies
/// `sample_stride` further. `to` is the channel's plane of the grid and is written in full.
pub fn plane(
    source: &[f32],
    sample_stride: usize,
    [samples, h, w]: [usize; 3],
    step: usize,
    phase: [usize; 2],
    grid: &Grid,
    to: &mut [f32],
) {
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

/// Copies all channels of some samples onto the grid, channels innermost and padded to `width`.
///
/// `to` is the phase's plane of the grid and is written in full.
pub fn channels_last(
    source: &[f32],
    [samples, channels, h, w]: [usize; 4],
    step: usize,
    phase: [usize; 2],
    grid: &Grid,
    width: usize,
    to: &mut [f32],
) {
    to.fill(0.0);
    for n in 0..samples {
        for (row, y) in (phase[0]..h).step_by(step).enumerate() {
            let start = grid.start(n, row + grid.before[0]) + grid.before[1];
            let line = &mut to[start * width..];
            let from = |c: usize| &source[((n * channels + c) * h + y) * w..][..w];
            transpose(from, channels, phase[1], step, width, line);
        }
    }
}

/// Copies the planes of some output channels, for each pixel one float a row of the tile.
pub fn pixels(source: &[f32], [samples, channels, h, w]: [usize; 4], rows: &Rows, to: &mut [f32]) {
    if rows.used < rows.tile {
        to.fill(0.0);
    }
    for n in 0..samples {
        let to = &mut to[n * h * w * rows.tile..][..h * w * rows.tile];
        let from = |r: usize| &source[(n * channels + rows.first + r) * h * w..][..h * w];
        transpose(from, rows.used, 0, 1, rows.tile, to);
    }
}

/// `to[x * width + c] = from(c)[first + x * step]` for all `c` below `channels`.
fn transpose<'a>(
    from: impl Fn(usize) -> &'a [f32],
    channels: usize,
    first: usize,
    step: usize,
    width: usize,
    to: &mut [f32],
) {
    let mut c = 0;
    if step == 1 {
        // Four by four keeps both sides in registers.
        while c + 4 <= channels {
            let lines: [&[f32]; 4] = std::array::from_fn(|i| &from(c + i)[first..]);
            let full = lines[0].len() / 4 * 4;
            for x in (0..full).step_by(4) {
                let block = lines.map(|line| four(&line[x..]));
                let to = &mut to[x * width + c..][..3 * width + 4];
                for (i, place) in simd::transpose(block).into_iter().enumerate() {
                    to[i * width..i * width + 4].copy_from_slice(&place);
                }
            }
            for x in full..lines[0].len() {
                to[x * width + c..][..4].copy_from_slice(&lines.map(|line| line[x]));
            }
            c += 4;
        }
    }
    for c in c..channels {
        let line = from(c).get(first..).unwrap_or_default();
        for (x, value) in line.iter().step_by(step).enumerate() {
            to[x * width + c] = *value;
        }
    }
}

fn four(from: &[f32]) -> [f32; 4] {
    [from[0], from[1], from[2], from[3]]
}

/// A run of output channels that share a register tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    pub first: usize,
    /// Rows of the tile, of which `used` are output channels.
    pub tile: usize,
    pub used: usize,
}

/// Cuts `channels` into tiles of `tile` rows, the last ones as tall as needed.
pub fn rows_of(channels: usize, tile: usize) -> Vec<Rows> {
    let mut all = Vec::new();
    let mut first = 0;
    while first < channels {
        let left = channels - first;
        let tile = tile.min(left.next_power_of_two());
        let used = tile.min(left);
        all.push(Rows { first, tile, used });
        first += used;
    }
    all
}

/// Which axis of a weight the product sums over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightOrder {
    /// `[output channels, source channels, kh, kw]`.
    OutputFirst,
    /// `[source channels, output channels, kh, kw]`.
    InputFirst,
}

/// A weight as [`weights`] reads it.
#[derive(Clone, Copy)]
pub struct Weight<'a> {
    pub values: &'a [f32],
    pub order: WeightOrder,
    pub kernel: [usize; 2],
    pub outputs: usize,
    pub sources: usize,
}

/// Writes the weights of some rows for `taps`: for each source channel, each tap and each row of
/// the tile one float; rows past the last channel are zero.
pub fn weights(weight: &Weight, rows: &Rows, taps: &[Tap], to: &mut [f32]) {
    let [kh, kw] = weight.kernel;
    let area = kh * kw;
    let block = taps.len() * rows.tile;
    if block == 0 {
        return;
    }
    for (source, block) in to.chunks_exact_mut(block).enumerate() {
        for row in 0..rows.tile {
            let output = rows.first + row;
            let plane = match weight.order {
                WeightOrder::OutputFirst => output * weight.sources + source,
                WeightOrder::InputFirst => source * weight.outputs + output,
            };
            let line = block[row..].iter_mut().step_by(rows.tile);
            if row < rows.used {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_tiles_that_fit() {
        let cut = |channels| rows_of(channels, 8).iter().map(|r| (r.tile, r.used)).collect();
        let tiles: [Vec<_>; 3] = [16, 3, 13].map(cut);
        assert_eq!(tiles, [vec![(8, 8), (8, 8)], vec![(4, 3)], vec![(8, 8), (8, 5)]]);
    }
}
