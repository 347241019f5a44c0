//! Copies planes onto the grid and weights into the order a product reads them in.

use super::super::simd;
use super::layout::{Grid, Strip, Tap};

/// Images `[batch, channels, h, w]`, read as planes of every `step`th row and column.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub values: &'a [f32],
    pub channels: usize,
    pub size: [usize; 2],
    pub step: usize,
}

impl<'a> Source<'a> {
    /// A row of an image.
    pub fn row(&self, sample: usize, channel: usize, y: usize) -> &'a [f32] {
        let [h, w] = self.size;
        &self.values[((sample * self.channels + channel) * h + y) * w..][..w]
    }

    /// How many rows or columns out of `len` belong to a phase.
    fn count(&self, len: usize, phase: usize) -> usize {
        len.saturating_sub(phase).div_ceil(self.step)
    }
}

/// Copies a channel's plane for a strip onto the grid. `to` is written in full.
pub fn plane(source: &Source, channel: usize, phase: [usize; 2], grid: &Grid, strip: &Strip, to: &mut [f32]) {
    let [rows, columns] = [0, 1].map(|axis| source.count(source.size[axis], phase[axis]));
    let lines = grid.lines(strip, rows);
    for (line, to) in lines.zip(to.chunks_exact_mut(grid.pitch)) {
        let Some([sample, row]) = line else {
            to.fill(0.0);
            continue;
        };
        let from = source.row(strip.first_sample + sample, channel, phase[0] + row * source.step);
        let from = from.get(phase[1]..).unwrap_or_default();
        to[..grid.before[1]].fill(0.0);
        to[grid.before[1] + columns..].fill(0.0);
        let data = &mut to[grid.before[1]..][..columns];
        match source.step {
            1 => data.copy_from_slice(from),
            2 => {
                // Pairs by themselves become vector instructions.
                let (pairs, last) = from.as_chunks::<2>();
                data.iter_mut().zip(pairs).for_each(|(to, [first, _])| *to = *first);
                data[pairs.len()..].copy_from_slice(last);
            }
            step => {
                for (to, from) in data.iter_mut().zip(from.iter().step_by(step)) {
                    *to = *from;
                }
            }
        }
    }
}

/// Copies some channels for a strip onto the grid, channels innermost and padded to `width`. `to` is written in full.
pub fn channels_last(
    source: &Source,
    channels: std::ops::Range<usize>,
    phase: [usize; 2],
    grid: &Grid,
    strip: &Strip,
    width: usize,
    to: &mut [f32],
) {
    to.fill(0.0);
    let lines = grid.lines(strip, source.count(source.size[0], phase[0]));
    for (line, to) in lines.zip(to.chunks_exact_mut(grid.pitch * width)) {
        if let Some([sample, row]) = line {
            let (sample, y) = (strip.first_sample + sample, phase[0] + row * source.step);
            let from = |c: usize| source.row(sample, channels.start + c, y);
            transpose(from, channels.len(), phase[1], source.step, width, &mut to[grid.before[1] * width..]);
        }
    }
}

/// Copies the planes of some output channels for a strip, for each pixel one float a row of the tile.
pub fn pixels(source: &Source, rows: &Rows, strip: &Strip, to: &mut [f32]) {
    if rows.used < rows.tile {
        to.fill(0.0);
    }
    let [h, w] = source.size;
    let len = strip.rows * w;
    for (n, to) in to.chunks_exact_mut(len * rows.tile).take(strip.samples).enumerate() {
        let plane = |r: usize| (strip.first_sample + n) * source.channels + rows.first + r;
        let from = |r: usize| &source.values[(plane(r) * h + strip.first_row) * w..][..len];
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
    let line = |c: usize| from(c).get(first..).unwrap_or_default();
    let mut c = 0;
    // Four by four keeps both sides in registers.
    while c + 4 <= channels && step <= 2 {
        let lines: [&[f32]; 4] = std::array::from_fn(|i| line(c + i));
        let full = lines[0].len() / (4 * step) * 4;
        for x in (0..full).step_by(4) {
            let block = lines.map(|line| if step == 1 { four(&line[x..]) } else { four_of_eight(&line[2 * x..]) });
            let to = &mut to[x * width + c..][..3 * width + 4];
            for (i, place) in simd::transpose(block).into_iter().enumerate() {
                to[i * width..i * width + 4].copy_from_slice(&place);
            }
        }
        for x in full..lines[0].len().div_ceil(step) {
            to[x * width + c..][..4].copy_from_slice(&lines.map(|line| line[x * step]));
        }
        c += 4;
    }
    for c in c..channels {
        for (x, value) in line(c).iter().step_by(step).enumerate() {
            to[x * width + c] = *value;
        }
    }
}

fn four(from: &[f32]) -> [f32; 4] {
    [from[0], from[1], from[2], from[3]]
}

fn four_of_eight(from: &[f32]) -> [f32; 4] {
    let from = &from[..8];
    [from[0], from[2], from[4], from[6]]
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

/// Writes the weights of some rows for `taps`: for each source channel from `first` on that fits into `to`, each tap and each row
/// of the tile one float; rows past the last channel are zero.
pub fn weights(weight: &Weight, first: usize, rows: &Rows, taps: &[Tap], to: &mut [f32]) {
    let [kh, kw] = weight.kernel;
    let area = kh * kw;
    let block = taps.len() * rows.tile;
    if block == 0 {
        return;
    }
    if rows.used < rows.tile {
        to.fill(0.0);
    }
    let places: Vec<usize> = taps.iter().map(|tap| tap.at[0] * kw + tap.at[1]).collect();
    let whole = places.iter().copied().eq(0..area);
    if whole && weight.order == WeightOrder::OutputFirst {
        let line = weight.sources * area;
        let len = to.len() / rows.tile;
        let from = |row: usize| &weight.values[(rows.first + row) * line + first * area..][..len];
        return transpose(from, rows.used, 0, 1, rows.tile, to);
    }
    for (source, block) in to.chunks_exact_mut(block).enumerate() {
        let plane = |row: usize| {
            let (output, source) = (rows.first + row, first + source);
            let number = match weight.order {
                WeightOrder::OutputFirst => output * weight.sources + source,
                WeightOrder::InputFirst => source * weight.outputs + output,
            };
            &weight.values[number * area..][..area]
        };
        if whole {
            transpose(plane, rows.used, 0, 1, rows.tile, block);
            continue;
        }
        for row in 0..rows.used {
            let plane = plane(row);
            let line = block[row..].iter_mut().step_by(rows.tile);
            line.zip(&places).for_each(|(to, place)| *to = plane[*place]);
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
