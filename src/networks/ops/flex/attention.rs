//! Scaled dot-product attention and its gradient, a picture and a head at a time: what they need in between stays in the cache, and
//! nothing of it is kept.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::{
    exponential::exp_of_negative,
    memory::{Values, tensor, with_scratch},
    product::{Left, WIDTH, product, sum},
    simd::{Isa, Kernel, Vector},
};

/// How the rows `[batch * tokens, heads * head]` are to be read.
#[derive(Clone, Copy)]
struct Sizes {
    tokens: usize,
    heads: usize,
    head: usize,
}

impl Sizes {
    fn of(inputs: &[Values], batch: usize, heads: usize) -> Self {
        let shape @ [rows, width] = inputs[0].dims::<2>();
        assert!(inputs.iter().all(|input| input.dims() == shape), "attention: shapes");
        assert!(
            rows > 0 && width > 0 && batch > 0 && rows.is_multiple_of(batch),
            "attention: {rows} rows of {batch} pictures"
        );
        assert!(heads > 0 && width.is_multiple_of(heads), "attention: {width} values for {heads} heads");
        Self { tokens: rows / batch, heads, head: width / heads }
    }

    /// Floats of one picture.
    fn picture(self) -> usize {
        self.tokens * self.heads * self.head
    }

    /// Length of a line of a head's values, and of one number for each token.
    fn lines(self) -> [usize; 2] {
        [self.head, self.tokens].map(|len| len.next_multiple_of(WIDTH))
    }

    /// The rows of one picture among all of them.
    fn of_picture(self, rows: &[f32], picture: usize) -> &[f32] {
        &rows[picture * self.picture()..(picture + 1) * self.picture()]
    }

    /// Floats that so many lines a token of a head's values take, a head's values turned, and so many squares.
    fn scratch(self, lines: usize, squares: usize) -> usize {
        let [line, marks] = self.lines();
        lines * self.tokens * line + self.head * marks + squares * self.tokens * marks
    }

    fn scale(self) -> f32 {
        1.0 / (self.head as f32).sqrt()
    }

    /// A head's part of each row times a factor, as lines with zeros behind it.
    #[inline(always)]
    fn gather(self, rows: &[f32], number: usize, factor: f32, to: &mut [f32]) {
        let [line, _] = self.lines();
        for (row, to) in rows.chunks_exact(self.heads * self.head).zip(to.chunks_exact_mut(line)) {
            for (to, value) in to.iter_mut().zip(&row[number * self.head..][..self.head]) {
                *to = value * factor;
            }
            to[self.head..].fill(0.0);
        }
    }

    /// A head's part of each row as a column, with zeros behind the last.
    #[inline(always)]
    fn gather_transposed(self, rows: &[f32], number: usize, to: &mut [f32]) {
        let [_, line] = self.lines();
        for (i, to) in to.chunks_exact_mut(line).enumerate() {
            let column = rows[number * self.head + i..].iter().step_by(self.heads * self.head);
            to.iter_mut().zip(column).for_each(|(to, value)| *to = *value);
            to[self.tokens..].fill(0.0);
        }
    }

    /// What [`Self::gather`] took, back to its place.
    #[inline(always)]
    fn scatter(self, lines: &[f32], number: usize, rows: &mut [f32]) {
        let [line, _] = self.lines();
        for (row, from) in rows.chunks_exact_mut(self.heads * self.head).zip(lines.chunks_exact(line)) {
            row[number * self.head..][..self.head].copy_from_slice(&from[..self.head]);
        }
    }

    /// `left right` with `left` `[tokens, depth]`, its rows so far apart.
    fn left(self, values: &[f32], row: usize, depth: usize) -> Left<'_> {
        Left { values, strides: [row, 1], rows: self.tokens, depth }
    }

    /// The transposed of a square `[tokens, tokens]`, whose rows are so far apart.
    fn transposed(self, values: &[f32], row: usize) -> Left<'_> {
        Left { values, strides: [1, row], rows: self.tokens, depth: self.tokens }
    }
}

pub fn attention(query: &FlexTensor, key: &FlexTensor, value: &FlexTensor, batch: usize, heads: usize) -> FlexTensor {
    let inputs = [query, key, value].map(Values::of);
    let sizes = Sizes::of(&inputs, batch, heads);
    let shape = inputs[0].dims::<2>();
    let rows = [0, 1, 2].map(|i| inputs[i].as_slice());
    let isa = Isa::detect();
    let mut out = vec![0.0; shape[0] * shape[1]];
    out.par_chunks_mut(sizes.picture()).enumerate().for_each(|(picture, out)| {
        let inputs = rows.map(|rows| sizes.of_picture(rows, picture));
        with_scratch(sizes.scratch(3, 1), |scratch| isa.run(Forward { sizes, inputs, out, scratch }));
    });
    tensor(out, shape)
}

/// The gradients for queries, keys and values.
pub fn attention_grad(
    [query, key, value]: [&FlexTensor; 3],
    grad: &FlexTensor,
    batch: usize,
    heads: usize,
) -> [FlexTensor; 3] {
    let inputs = [query, key, value, grad].map(Values::of);
    let sizes = Sizes::of(&inputs, batch, heads);
    let shape = inputs[0].dims::<2>();
    let rows = [0, 1, 2, 3].map(|i| inputs[i].as_slice());
    let isa = Isa::detect();
    let [mut dq, mut dk, mut dv] = [0, 1, 2].map(|_| vec![0.0; shape[0] * shape[1]]);
    let pictures = dq.par_chunks_mut(sizes.picture()).zip(dk.par_chunks_mut(sizes.picture()));
    pictures.zip(dv.par_chunks_mut(sizes.picture())).enumerate().for_each(|(picture, ((dq, dk), dv))| {
        let inputs = rows.map(|rows| sizes.of_picture(rows, picture));
        let out = [dq, dk, dv];
        with_scratch(sizes.scratch(4, 2), |scratch| isa.run(Backward { sizes, inputs, out, scratch }));
    });
    [dq, dk, dv].map(|gradient| tensor(gradient, shape))
}

struct Forward<'a> {
    sizes: Sizes,
    /// Queries, keys, values of one picture.
    inputs: [&'a [f32]; 3],
    out: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let Self { sizes, inputs: [query, key, value], out, scratch } = self;
        let Sizes { tokens, heads, head } = sizes;
        let [line, marks] = sizes.lines();
        let (q, scratch) = scratch.split_at_mut(tokens * line);
        let (v, scratch) = scratch.split_at_mut(tokens * line);
        let (seen, scratch) = scratch.split_at_mut(tokens * line);
        let (kt, shares) = scratch.split_at_mut(head * marks);
        for number in 0..heads {
            sizes.gather(query, number, sizes.scale(), q);
            sizes.gather_transposed(key, number, kt);
            sizes.gather(value, number, 1.0, v);
            // SAFETY: the vectors are this CPU's, by contract.
            unsafe {
                product::<V>(sizes.left(q, line, head), kt, shares, marks);
                softmax(shares, marks, tokens);
                product::<V>(sizes.left(shares, marks, tokens), v, seen, line);
            }
            sizes.scatter(seen, number, out);
        }
    }
}

struct Backward<'a> {
    sizes: Sizes,
    /// Queries, keys, values and the gradient of the output of one picture.
    inputs: [&'a [f32]; 4],
    /// The gradients for queries, keys, values.
    out: [&'a mut [f32]; 3],
    scratch: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        let Self { sizes, inputs: [query, key, value, grad], out: [dq, dk, dv], scratch } = self;
        let Sizes { tokens, heads, head } = sizes;
        let [line, marks] = sizes.lines();
        let (q, scratch) = scratch.split_at_mut(tokens * line);
        let (k, scratch) = scratch.split_at_mut(tokens * line);
        let (g, scratch) = scratch.split_at_mut(tokens * line);
        let (found, scratch) = scratch.split_at_mut(tokens * line);
        let (turned, scratch) = scratch.split_at_mut(head * marks);
        let (shares, slopes) = scratch.split_at_mut(tokens * marks);
        for number in 0..heads {
            sizes.gather(query, number, sizes.scale(), q);
            sizes.gather(key, number, 1.0, k);
            sizes.gather(grad, number, 1.0, g);
            sizes.gather_transposed(key, number, turned);
            // SAFETY: the vectors are this CPU's, by contract.
            unsafe {
                product::<V>(sizes.left(q, line, head), turned, shares, marks);
                softmax(shares, marks, tokens);
                product::<V>(sizes.transposed(shares, marks), g, found, line);
                sizes.scatter(found, number, dv);
                sizes.gather_transposed(value, number, turned);
                product::<V>(sizes.left(g, line, head), turned, slopes, marks);
                softmax_grad(shares, slopes, marks);
                product::<V>(sizes.transposed(slopes, marks), q, found, line);
                sizes.scatter(found, number, dk);
                product::<V>(sizes.left(slopes, marks, tokens), k, found, line);
            }
            let scale = sizes.scale();
            found.iter_mut().for_each(|value| *value *= scale);
            sizes.scatter(found, number, dq);
        }
    }
}

/// The softmax of the first `tokens` values of each line; what lies behind them becomes 0.
#[inline(always)]
fn softmax(lines: &mut [f32], len: usize, tokens: usize) {
    for line in lines.chunks_exact_mut(len) {
        line[tokens..].fill(f32::NEG_INFINITY);
        let mut lanes = [f32::NEG_INFINITY; WIDTH];
        for part in line.chunks_exact(WIDTH) {
            for (lane, &value) in lanes.iter_mut().zip(part) {
                *lane = if value > *lane { value } else { *lane };
            }
        }
        let largest = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
        for value in &mut *line {
            *value = exp_of_negative(*value - largest);
        }
        line[tokens..].fill(0.0);
        let share = 1.0 / sum(line);
        line.iter_mut().for_each(|value| *value *= share);
    }
}

/// From the gradients of shares to those of what the softmax took, in place: `shares * (slopes - sum(shares * slopes))`.
#[inline(always)]
fn softmax_grad(shares: &[f32], slopes: &mut [f32], len: usize) {
    for (shares, slopes) in shares.chunks_exact(len).zip(slopes.chunks_exact_mut(len)) {
        for (slope, share) in slopes.iter_mut().zip(shares) {
            *slope *= share;
        }
        let all = sum(slopes);
        for (slope, share) in slopes.iter_mut().zip(shares) {
            *slope -= share * all;
        }
    }
}
