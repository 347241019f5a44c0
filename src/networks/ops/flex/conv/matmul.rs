//! The same by a blocked matrix product, with the matrix of `im2col`.
//!
//! This is for many channels. There the weights of a register tile leave the first cache, planes are small, and the padding
//! on a shared grid is a large part of them; copying every patch out costs less than that.
//!
//! The matrix is `[channels * kh * kw, samples * pixels]`, for some samples at a time. How many depends on the shapes
//! alone, and the product sums in an order that does not depend on the number of threads, so neither do the results.

use gemm::Parallelism;
use rayon::prelude::*;

use super::super::memory::Output;
use super::layout::{Geometry, positions};

/// Floats of the matrix that exist at a time.
const CHUNK_FLOATS: usize = 4 << 20;

/// Rows of the matrix from which on it pays, measured with `cargo bench --bench kernels` and the DCGAN of `--bench
/// iteration`.
const WIDE: usize = 2048;

/// A convolution of `batch` samples with `channels` in and `out` channels out; which way is the functions' business.
#[derive(Clone, Copy)]
pub struct Product<'a> {
    pub batch: usize,
    pub channels: usize,
    pub out: usize,
    pub geometry: &'a Geometry,
}

impl Product<'_> {
    /// Outputs `[batch, out, oh, ow]` of `x: [batch, channels, h, w]` and `weight: [out, channels, kh, kw]`.
    pub fn forward(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        let (rows, area) = (self.rows(), self.pixels());
        let output = Output::new(self.batch * self.out * area);
        let fill = |writer: super::super::memory::Writer| {
            for (start, samples) in self.chunks() {
                let columns = samples * area;
                let mut result = vec![0.0; self.out * columns];
                let matrix = self.patches(x, start, samples);
                multiply([self.out, columns, rows], &mut result, (weight, rows, 1), (&matrix, columns, 1), false);
                (0..samples * self.out).into_par_iter().for_each(|number| {
                    let (n, channel) = (number / self.out, number % self.out);
                    // SAFETY: this plane belongs to this number alone.
                    let plane = unsafe { writer.slice(((start + n) * self.out + channel) * area, area) };
                    plane.copy_from_slice(&result[channel * columns + n * area..][..area]);
                });
            }
        };
        // SAFETY: every plane of every sample is written once, in full.
        unsafe { output.filled_by(fill) }
    }

    /// Gradients for the input, `[batch, channels, h, w]`, of `grad: [batch, out, oh, ow]`.
    pub fn input_grad(&self, weight: &[f32], grad: &[f32]) -> Vec<f32> {
        let [h, w] = self.geometry.input;
        let (rows, area, taps) = (self.rows(), self.pixels(), self.taps());
        let mut output = vec![0.0; self.batch * self.channels * h * w];
        for (start, samples) in self.chunks() {
            let columns = samples * area;
            let lines = self.lines(grad, start, samples);
            let mut matrix = vec![0.0; rows * columns];
            multiply([rows, columns, self.out], &mut matrix, (weight, 1, rows), (&lines, columns, 1), false);
            let planes = &mut output[start * self.channels * h * w..][..samples * self.channels * h * w];
            planes.par_chunks_exact_mut(h * w).enumerate().for_each(|(number, plane)| {
                let (n, channel) = (number / self.channels, number % self.channels);
                for (tap, at) in positions(self.geometry.kernel).enumerate() {
                    let from = &matrix[(channel * taps + tap) * columns + n * area..][..area];
                    self.each_line(at, |outside, inside, line| {
                        let to = plane[inside..].iter_mut().step_by(self.geometry.stride);
                        to.zip(&from[outside..][..line]).for_each(|(to, from)| *to += from);
                    });
                }
            });
        }
        output
    }

    /// Gradients for the weight, `[out, channels, kh, kw]`.
    pub fn weight_grad(&self, x: &[f32], grad: &[f32]) -> Vec<f32> {
        let rows = self.rows();
        let mut sums = vec![0.0; self.out * rows];
        for (start, samples) in self.chunks() {
            let columns = samples * self.pixels();
            let (matrix, lines) = (self.patches(x, start, samples), self.lines(grad, start, samples));
            multiply([self.out, rows, columns], &mut sums, (&lines, columns, 1), (&matrix, 1, columns), start > 0);
        }
        sums
    }

    /// Floats that computing any of them takes beside what it is given and gives: the matrix, and planes in the order of its columns.
    pub fn workspace(&self) -> usize {
        let samples = self.chunks().map(|(_, samples)| samples).max().unwrap_or_default();
        (self.rows() + self.out) * samples * self.pixels()
    }

    /// Whether this is the faster way.
    pub fn pays(&self) -> bool {
        self.rows() >= WIDE
    }

    fn taps(&self) -> usize {
        self.geometry.kernel[0] * self.geometry.kernel[1]
    }

    /// Rows of the matrix.
    fn rows(&self) -> usize {
        self.channels * self.taps()
    }

    /// Pixels of an output plane.
    fn pixels(&self) -> usize {
        self.geometry.output[0] * self.geometry.output[1]
    }

    /// The first sample of each part of the batch, and how many it has.
    fn chunks(&self) -> impl Iterator<Item = (usize, usize)> {
        let batch = self.batch;
        let chunk = (CHUNK_FLOATS / (self.rows() * self.pixels()).max(1)).clamp(1, batch.max(1));
        (0..batch).step_by(chunk).map(move |start| (start, chunk.min(batch - start)))
    }

    /// `im2col`: what each tap reads of each channel at each output pixel, `[channels * kh * kw, samples * pixels]`.
    fn patches(&self, x: &[f32], start: usize, samples: usize) -> Vec<f32> {
        let (area, plane) = (self.pixels(), self.geometry.input[0] * self.geometry.input[1]);
        let columns = samples * area;
        let mut matrix = vec![0.0; self.rows() * columns];
        matrix.par_chunks_exact_mut(self.taps() * columns).enumerate().for_each(|(channel, lines)| {
            for (at, line) in positions(self.geometry.kernel).zip(lines.chunks_exact_mut(columns)) {
                for (n, to) in line.chunks_exact_mut(area).enumerate() {
                    let from = &x[((start + n) * self.channels + channel) * plane..][..plane];
                    self.each_line(at, |outside, inside, line| {
                        let to = &mut to[outside..][..line];
                        match self.geometry.stride {
                            1 => to.copy_from_slice(&from[inside..][..line]),
                            stride => {
                                let from = from[inside..].iter().step_by(stride);
                                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                            }
                        }
                    });
                }
            }
        });
        matrix
    }

    /// The channels of some samples' output planes, each with the pixels of all of them: `[out, samples * pixels]`.
    fn lines(&self, planes: &[f32], start: usize, samples: usize) -> Vec<f32> {
        let area = self.pixels();
        let mut lines = vec![0.0; self.out * samples * area];
        lines.par_chunks_exact_mut(samples * area).enumerate().for_each(|(channel, line)| {
            for (n, to) in line.chunks_exact_mut(area).enumerate() {
                to.copy_from_slice(&planes[((start + n) * self.out + channel) * area..][..area]);
            }
        });
        lines
    }

    /// For each line of output pixels at which the tap at `at` reads data and no padding: the first of these pixels in the
    /// output plane, what it reads in the input plane, and how many there are.
    fn each_line(&self, at: [usize; 2], mut f: impl FnMut(usize, usize, usize)) {
        let Geometry { input, output, stride, padding, .. } = *self.geometry;
        // Outputs from the first that reads at or after zero up to the first that reads past the end.
        let range = |axis: usize| {
            let least = |reach: usize| reach.saturating_sub(at[axis]).div_ceil(stride).min(output[axis]);
            least(padding)..least(input[axis] + padding)
        };
        let (rows, columns) = (range(0), range(1));
        if columns.is_empty() {
            return;
        }
        for y in rows {
            let row = (y * stride + at[0] - padding) * input[1];
            f(y * output[1] + columns.start, row + columns.start * stride + at[1] - padding, columns.len());
        }
    }
}

/// `to = a b`, or `to += a b`: `to` is `[m, n]`, `a` `[m, k]`, `b` `[k, n]`, the latter two with the distances between their
/// rows and between their columns.
fn multiply(
    [m, n, k]: [usize; 3],
    to: &mut [f32],
    (a, a_rows, a_columns): (&[f32], usize, usize),
    (b, b_rows, b_columns): (&[f32], usize, usize),
    add: bool,
) {
    if m * n * k == 0 {
        return;
    }
    let reach = |rows: usize, row: usize, columns: usize, column: usize| (rows - 1) * row + (columns - 1) * column;
    assert!(to.len() >= m * n);
    assert!(a.len() > reach(m, a_rows, k, a_columns) && b.len() > reach(k, b_rows, n, b_columns));
    let threads = Parallelism::Rayon(rayon::current_num_threads());
    let [a_rows, a_columns, b_rows, b_columns] = [a_rows, a_columns, b_rows, b_columns].map(|n| n as isize);
    let (to, a, b) = (to.as_mut_ptr(), a.as_ptr(), b.as_ptr());
    // SAFETY: the asserts above bound what is read and written; `to` is borrowed mutably, so `a` and `b` are not it.
    unsafe {
        gemm::gemm(
            m, n, k, to, 1, n as isize, add, a, a_columns, a_rows, b, b_columns, b_rows, 1.0, 1.0, false, false, false,
            threads,
        );
    }
}
