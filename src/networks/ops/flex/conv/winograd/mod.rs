//! 3x3 convolutions of many channels with four ninths of the products: Winograd's minimal filtering F(2x2, 3x3), as in Lavin and
//! Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308).
//!
//! A tile of 2x2 outputs reads 4x4 inputs. With those transformed by `B' d B` and the kernel by `G g G'`, each of the sixteen
//! places is a product of matrices over the channels, and `A' m A` of its results are the outputs:
//!
//! ```text
//!      1  0 -1  0         1    0    0
//! B' = 0  1  1  0    G = 1/2  1/2  1/2    A' = 1  1  1  0
//!      0 -1  1  0        1/2 -1/2  1/2         0  1 -1 -1
//!      0  1  0 -1         0    0    1
//! ```
//!
//! [`outputs`] computes convolutions and input gradients so, [`weights`] the gradients of weights, which are the transposed of all of
//! it. Sums differ from those of the products by rounding, so where this is used follows from shapes alone ([`pays`]).

pub mod outputs;
pub mod weights;

use super::super::simd::Vector;
use super::layout::{Geometry, Phased};

/// Places of a transformed tile.
pub const PLACES: usize = 16;

/// Channels on either side, and channels times outputs along an axis, from which transforming costs less than it saves.
const CHANNELS: usize = 64;
const CHANNELS_BY_SIDE: usize = 2048;

/// Floats between what belongs to one place and what to the next, beyond what is needed: without them all sixteen would lie in the
/// same lines of a cache.
const APART: usize = 16;

/// Whether a convolution is computed so. `channels` are the fewer of its input and output channels, `output` is the size of what is
/// computed: the outputs, or the input gradient.
pub fn pays(channels: usize, geometry: &Geometry, output: [usize; 2]) -> bool {
    let Geometry { kernel, stride, padding, .. } = *geometry;
    let fits = kernel == [3, 3] && stride == 1 && padding <= 2;
    fits && channels >= CHANNELS && channels * output[0].min(output[1]) >= CHANNELS_BY_SIDE
}

/// Tiles as the outputs of a 4x4 convolution with a stride of two, whose results are planes of every second row and column.
pub fn phased(source: [usize; 2], output: [usize; 2], padding: usize) -> Phased {
    let tiles = output.map(|len| len.div_ceil(2));
    let tiles = Geometry { input: source, kernel: [4, 4], output: tiles, stride: 2, padding };
    Phased { output_step: 2, ..Phased::forward(&tiles) }
}

/// `B' d B` of a tile, given and returned row by row.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
unsafe fn of_inputs<V: Vector>(d: impl Fn(usize, usize) -> V, mut to: impl FnMut(usize, V)) {
    // SAFETY: by contract.
    unsafe {
        let along = |a: V, b: V, c: V, d: V| [a.sub(c), b.add(c), c.sub(b), b.sub(d)];
        let mut columns = [[V::splat(0.0); 4]; 4];
        for (x, column) in columns.iter_mut().enumerate() {
            *column = along(d(0, x), d(1, x), d(2, x), d(3, x));
        }
        let rows = [0, 1, 2, 3].map(|y| along(columns[0][y], columns[1][y], columns[2][y], columns[3][y]));
        for (place, value) in rows.into_iter().flatten().enumerate() {
            to(place, value);
        }
    }
}

/// `A' m A` of a tile: the outputs, row by row.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
unsafe fn to_outputs<V: Vector>(m: impl Fn(usize) -> V) -> [V; 4] {
    // SAFETY: by contract.
    unsafe {
        let along = |a: V, b: V, c: V, d: V| [a.add(b).add(c), b.sub(c).sub(d)];
        let mut columns = [[V::splat(0.0); 2]; 4];
        for (x, column) in columns.iter_mut().enumerate() {
            *column = along(m(x), m(4 + x), m(8 + x), m(12 + x));
        }
        let [top, bottom] = [0, 1].map(|y| along(columns[0][y], columns[1][y], columns[2][y], columns[3][y]));
        [top[0], top[1], bottom[0], bottom[1]]
    }
}

/// `G g G'` of a kernel.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
unsafe fn of_kernel<V: Vector>(g: [V; 9]) -> [V; PLACES] {
    // SAFETY: by contract.
    unsafe {
        let (half, none) = (V::splat(0.5), V::splat(0.0));
        let along = |a: V, b: V, c: V| {
            let (outer, inner) = (a.add(c).mul_add(half, none), b.mul_add(half, none));
            [a, outer.add(inner), outer.sub(inner), c]
        };
        let columns = [0, 1, 2].map(|x| along(g[x], g[3 + x], g[6 + x]));
        let mut u = [none; PLACES];
        for y in 0..4 {
            u[4 * y..][..4].copy_from_slice(&along(columns[0][y], columns[1][y], columns[2][y]));
        }
        u
    }
}

/// `A y A'` of the gradients of a tile's outputs: [`to_outputs`] transposed.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
unsafe fn of_gradients<V: Vector>([a, b, c, d]: [V; 4]) -> [V; PLACES] {
    // SAFETY: by contract.
    unsafe {
        let none = V::splat(0.0);
        let along = |a: V, b: V| [a, a.add(b), a.sub(b), none.sub(b)];
        let columns = [along(a, c), along(b, d)];
        let mut m = [none; PLACES];
        for y in 0..4 {
            m[4 * y..][..4].copy_from_slice(&along(columns[0][y], columns[1][y]));
        }
        m
    }
}

/// `G' u G`: [`of_kernel`] transposed.
///
/// # Safety
/// `V` must exist on this CPU.
#[inline(always)]
unsafe fn to_kernel<V: Vector>(u: [V; PLACES]) -> [V; 9] {
    // SAFETY: by contract.
    unsafe {
        let half = V::splat(0.5);
        let along = |a: V, b: V, c: V, d: V| {
            let none = V::splat(0.0);
            let (sum, difference) = (b.add(c), b.sub(c).mul_add(half, none));
            [sum.mul_add(half, a), difference, sum.mul_add(half, d)]
        };
        let columns = [0, 1, 2, 3].map(|x| along(u[x], u[4 + x], u[8 + x], u[12 + x]));
        let mut g = [half; 9];
        for y in 0..3 {
            g[3 * y..][..3].copy_from_slice(&along(columns[0][y], columns[1][y], columns[2][y], columns[3][y]));
        }
        g
    }
}

/// Lanes of the widest vector.
const WIDEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::super::simd::Isa;
    use super::super::pack::WeightOrder;
    use super::super::tests::{integers, naive};
    use super::super::{outer, product, winograd};
    use super::*;
    use crate::networks::latents::NormalSource;

    /// Outputs, input and weight gradients.
    fn all(n: usize, geometry: &Geometry, [x, weight, grad]: [&[f32]; 3], isa: Isa) -> [Vec<f32>; 3] {
        let Geometry { input, output, padding, .. } = *geometry;
        let [channels, out] = [x.len() / input[0] / input[1] / n, grad.len() / output[0] / output[1] / n];
        let (forward, backward) = (phased(input, output, padding), phased(output, input, 2 - padding));
        let outputs = product::Product {
            batch: n,
            source: x,
            source_channels: channels,
            source_size: input,
            weight,
            order: WeightOrder::OutputFirst,
            kernel: [3, 3],
            channels: out,
            size: output,
            phased: &forward,
        };
        let inputs = product::Product {
            source: grad,
            source_channels: out,
            source_size: output,
            order: WeightOrder::InputFirst,
            channels,
            size: input,
            phased: &backward,
            ..outputs
        };
        let weights = outer::Product { batch: n, x, channels, grad, out, geometry, phased: &forward };
        [
            winograd::outputs::compute(&outputs, isa),
            winograd::outputs::compute(&inputs, isa),
            winograd::weights::compute(&weights, isa),
        ]
    }

    #[test]
    fn it_is_the_convolution_on_every_instruction_set() {
        for (n, channels, out, [h, w], padding) in [
            (3, 5, 13, [9, 11], 1),
            (5, 18, 7, [4, 4], 1),
            (2, 3, 21, [16, 17], 2),
            (1, 4, 3, [3, 5], 0),
            // Several strips of a plane, several panels of channels, blocks that end within a tile.
            (1, 44, 14, [37, 36], 1),
            (3, 210, 13, [16, 16], 1),
            (2, 9, 70, [32, 33], 0),
        ] {
            let geometry = Geometry::new([h, w], [3, 3], 1, padding);
            let [oh, ow] = geometry.output;
            // Halves and quarters of small integers: every order of summation is exact.
            let (x, weight) = (integers(n * channels * h * w), integers(out * channels * 9));
            let grad = integers(n * out * oh * ow);
            let expected = naive(n, channels, out, &geometry, &x, &weight, &grad);
            for isa in Isa::available() {
                assert!(all(n, &geometry, [&x, &weight, &grad], isa) == expected, "{isa:?} {geometry:?}");
            }
        }
    }

    #[test]
    fn vectors_of_any_width_and_any_number_of_threads_give_the_same_bits() {
        let mut source = NormalSource::new(3, 0);
        let geometry = Geometry::new([19, 16], [3, 3], 1, 1);
        let (n, channels, out) = (3, 130, 50);
        let [x, grad] = [channels, out].map(|channels| source.normals(n * channels * 19 * 16));
        let weight = source.normals(out * channels * 9);
        let bits = |isa: Isa, threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let all = pool.install(|| all(n, &geometry, [&x, &weight, &grad], isa));
            all.map(|values| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>())
        };
        let fused: Vec<Isa> = Isa::available().into_iter().filter(|isa| *isa != Isa::portable()).collect();
        for isa in Isa::available() {
            assert!(bits(isa, 1) == bits(isa, 5), "{isa:?}");
        }
        for isa in &fused {
            assert!(bits(*isa, 2) == bits(fused[0], 2), "{isa:?}");
        }
    }

    #[test]
    fn rounding_is_that_of_the_products() {
        let mut source = NormalSource::new(5, 0);
        let geometry = Geometry::new([16, 16], [3, 3], 1, 1);
        let (n, channels, out) = (2, 128, 64);
        let [x, grad] = [channels, out].map(|channels| source.normals(n * channels * 256));
        let weight = source.normals(out * channels * 9);
        let expected = naive(n, channels, out, &geometry, &x, &weight, &grad);
        for (found, expected) in all(n, &geometry, [&x, &weight, &grad], Isa::detect()).iter().zip(&expected) {
            let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            let error = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error < 5e-6 * largest, "{error} of {largest}");
        }
    }

    #[test]
    fn it_pays_for_many_channels_and_kernels_of_three_by_three() {
        let pays = |channels, side, kernel, stride, padding| {
            let geometry = Geometry::new([side; 2], [kernel; 2], stride, padding);
            pays(channels, &geometry, geometry.output)
        };
        assert!(pays(64, 32, 3, 1, 1) && pays(512, 8, 3, 1, 2));
        assert!(!pays(64, 16, 3, 1, 1) && !pays(32, 64, 3, 1, 1) && !pays(128, 8, 3, 1, 1), "too little to gain");
        assert!(!pays(512, 32, 3, 2, 1) && !pays(512, 32, 1, 1, 0) && !pays(512, 32, 3, 1, 3), "not what it computes");
    }
}
