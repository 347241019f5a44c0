//! The grid on which a convolution's planes lie, and where its taps read.
//!
//! A sample's plane occupies `rows * pitch` floats: each row holds `before` zeros, the data, and
//! zeros up to the pitch; rows above and below likewise. Padding on the right of a row is at the
//! same time the padding on the left of the next, so a grid pays for it once.

/// The numbers of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub input: [usize; 2],
    pub kernel: [usize; 2],
    pub output: [usize; 2],
    pub stride: usize,
    pub padding: usize,
}

impl Geometry {
    pub fn new(input: [usize; 2], kernel: [usize; 2], stride: usize, padding: usize) -> Self {
        assert!(stride > 0, "conv2d: stride starts at 1");
        let output = std::array::from_fn(|a| {
            let padded = input[a] + 2 * padding;
            assert!(
                kernel[a] > 0 && padded >= kernel[a],
                "conv2d: a kernel of {} does not fit into a padded side of {padded}",
                kernel[a]
            );
            (padded - kernel[a]) / stride + 1
        });
        Self { input, kernel, output, stride, padding }
    }
}

/// One tap: which source phase it reads, at which shift, and its place in the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Tap {
    pub phase: usize,
    pub shift: [isize; 2],
    pub at: [usize; 2],
}

/// A convolution as stride-one products between phase planes.
#[derive(Clone, Debug)]
pub struct Phased {
    /// The source is read as planes of every `source_step`th row and column.
    pub source_step: usize,
    /// The phases (first row, first column) that some tap reads.
    pub source_phases: Vec<[usize; 2]>,
    /// The result is written as planes of every `output_step`th row and column.
    pub output_step: usize,
    /// The taps of each output phase, in row-major order of the phases.
    pub taps: Vec<Vec<Tap>>,
    /// The grid all of it lies on.
    pub grid: Grid,
}

/// The padded grid of one source plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Zeros before the data, along each axis.
    pub before: [usize; 2],
    /// Rows of a sample.
    pub rows: usize,
    /// Floats of a row.
    pub pitch: usize,
    /// The largest number of rows and columns a product computes.
    pub output: [usize; 2],
    /// How many rows further down than an output's own row its last tap reads.
    reach: usize,
}

/// Outputs that are computed together: some rows of one sample, or all rows of some samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strip {
    pub first_sample: usize,
    pub samples: usize,
    pub first_row: usize,
    pub rows: usize,
}

impl Strip {
    /// All rows of some samples.
    pub fn whole(first_sample: usize, samples: usize, grid: &Grid) -> Self {
        Self { first_sample, samples, first_row: 0, rows: grid.output[0] }
    }

    /// The outputs of some samples, cut evenly into strips of about `pixels` each.
    pub fn cut(samples: std::ops::Range<usize>, grid: &Grid, pixels: usize) -> Vec<Self> {
        let [rows, columns] = grid.output;
        let area = (rows * columns).max(1);
        let even = |len: usize, part: usize| len.div_ceil(len.div_ceil(part.max(1)).max(1)).max(1);
        if area <= pixels {
            let group = even(samples.len(), pixels / area);
            let starts = samples.clone().step_by(group);
            return starts.map(|first| Self::whole(first, group.min(samples.end - first), grid)).collect();
        }
        let part = even(rows, pixels / columns);
        let parts = samples.flat_map(|sample| (0..rows).step_by(part).map(move |row| (sample, row)));
        parts
            .map(|(sample, row)| Self { first_sample: sample, samples: 1, first_row: row, rows: part.min(rows - row) })
            .collect()
    }
}

impl Phased {
    /// Output `y` reads input `y * stride + k - padding`: phase `(k - padding) mod stride` at a
    /// shift of the quotient.
    pub fn forward(geometry: &Geometry) -> Self {
        let step = geometry.stride;
        let mut source_phases = Vec::new();
        let mut taps = Vec::new();
        for at in positions(geometry.kernel) {
            let reach = at.map(|k| k as isize - geometry.padding as isize);
            let phase = reach.map(|r| r.rem_euclid(step as isize) as usize);
            let known = source_phases.iter().position(|known| *known == phase);
            let index = known.unwrap_or_else(|| {
                source_phases.push(phase);
                source_phases.len() - 1
            });
            taps.push(Tap { phase: index, shift: reach.map(|r| r.div_euclid(step as isize)), at });
        }
        let source = geometry.input.map(|len| len.div_ceil(step));
        let grid = Grid::around(source, geometry.output, &taps);
        Self { source_step: step, source_phases, output_step: 1, taps: vec![taps], grid }
    }

    /// Input `i = j * stride + r` receives from outputs `(i + padding - k) / stride` wherever
    /// that divides: each phase `r` has taps of its own.
    pub fn input_grad(geometry: &Geometry) -> Self {
        let step = geometry.stride;
        let mut taps = Vec::new();
        for phase in positions([step, step]) {
            let reaches = |at: &[usize; 2]| {
                let reach: [isize; 2] =
                    std::array::from_fn(|a| (phase[a] + geometry.padding) as isize - at[a] as isize);
                let divides = reach.iter().all(|r| r.rem_euclid(step as isize) == 0);
                divides.then(|| reach.map(|r| r.div_euclid(step as isize)))
            };
            taps.push(
                positions(geometry.kernel)
                    .filter_map(|at| {
                        let shift = reaches(&at)?;
                        Some(Tap { phase: 0, shift, at })
                    })
                    .collect::<Vec<_>>(),
            );
        }
        let output = geometry.input.map(|len| len.div_ceil(step));
        let grid = Grid::around(geometry.output, output, &taps.concat());
        Self { source_step: 1, source_phases: vec![[0, 0]], output_step: step, taps, grid }
    }
}

impl Grid {
    /// The smallest grid on which every tap stays within data and zeros.
    fn around(source: [usize; 2], output: [usize; 2], taps: &[Tap]) -> Self {
        let mut before = [0, 0];
        let mut after = [0, 0];
        for tap in taps {
            for axis in 0..2 {
                let first = tap.shift[axis];
                let last = first + output[axis] as isize - source[axis] as isize;
                before[axis] = before[axis].max((-first).max(0) as usize);
                after[axis] = after[axis].max(last.max(0) as usize);
            }
        }
        let len = |axis: usize| (source[axis] + before[axis].max(after[axis])).max(output[axis]);
        let reach = taps.iter().map(|tap| (before[0] as isize + tap.shift[0]) as usize).max();
        Self { before, rows: len(0), pitch: len(1), output, reach: reach.unwrap_or_default() }
    }

    /// Floats of a channel's plane for a strip.
    pub fn plane(&self, strip: &Strip) -> usize {
        // What the last row's taps read past its end is the start of one more.
        ((strip.samples - 1) * self.rows + strip.rows + self.reach + 1) * self.pitch
    }

    /// The rows of a strip's plane: for each the sample, counted from the strip's first, and its row, or `None` where all are zeros.
    pub fn lines(&self, strip: &Strip, source_rows: usize) -> impl Iterator<Item = Option<[usize; 2]>> {
        let (samples, period, before, first) = (strip.samples, self.rows, self.before[0], strip.first_row);
        (0..self.plane(strip) / self.pitch).map(move |line| {
            let line = (first + line).checked_sub(before)?;
            let (sample, row) = (line / period, line % period);
            (sample < samples && row < source_rows).then_some([sample, row])
        })
    }

    /// Columns to compute for a strip: from the first output of the first sample to the last of
    /// the last.
    pub fn columns(&self, strip: &Strip) -> usize {
        self.start(strip.samples - 1, strip.rows - 1) + self.output[1]
    }

    /// The column of a sample's row.
    pub fn start(&self, sample: usize, row: usize) -> usize {
        (sample * self.rows + row) * self.pitch
    }

    /// Where a tap's column zero lies within its plane.
    pub fn offset(&self, tap: &Tap) -> usize {
        let [dy, dx]: [usize; 2] = std::array::from_fn(|a| (self.before[a] as isize + tap.shift[a]) as usize);
        dy * self.pitch + dx
    }
}

/// All pairs below `size`, in row-major order.
pub fn positions(size: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    (0..size[0]).flat_map(move |y| (0..size[1]).map(move |x| [y, x]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_shares_the_padding_between_rows() {
        let geometry = Geometry::new([32, 32], [3, 3], 1, 1);
        let grid = Phased::forward(&geometry).grid;
        assert_eq!((grid.rows, grid.pitch, grid.before), (33, 33, [1, 1]));
        assert_eq!(Phased::input_grad(&geometry).grid, grid);
    }

    #[test]
    fn a_pointwise_convolution_needs_no_padding() {
        let grid = Phased::forward(&Geometry::new([8, 6], [1, 1], 1, 0)).grid;
        assert_eq!((grid.rows, grid.pitch, grid.before), (8, 6, [0, 0]));
    }

    #[test]
    fn a_strided_convolution_reads_only_the_phases_it_needs() {
        let phases = |k, padding| {
            let geometry = Geometry::new([8, 8], [k, k], 2, padding);
            Phased::forward(&geometry).source_phases.len()
        };
        assert_eq!((phases(3, 1), phases(1, 0)), (4, 1));
    }

    #[test]
    fn the_phases_of_a_transposed_convolution_share_out_the_taps() {
        let geometry = Geometry::new([9, 9], [3, 3], 2, 0);
        let taps = Phased::input_grad(&geometry).taps;
        assert_eq!(taps.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2, 2, 1]);
    }
}
