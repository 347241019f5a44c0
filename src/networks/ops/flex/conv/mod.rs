//! Convolutions as matrix products that never build their matrix.
//!
//! Laid out on one grid with the padding between the rows, a plane serves every tap of a kernel:
//! the column that `im2col` would copy out for a tap is the same memory, shifted. Outputs are
//! computed for whole grid lines, and the few columns that fall on padding are thrown away.
//!
//! - [`layout`] finds that grid: padding, phases of a stride, taps and their offsets;
//! - [`pack`] copies planes and weights into the order the products read them in;
//! - [`gather`] is the product for outputs (`conv_forward`, `conv_input_grad`);
//! - [`outer`] is the product for weight gradients;
//! - [`matmul`] is both for many channels, by the matrix after all and a library.
//!
//! A stride never costs a wasted product: a strided convolution reads the input as `stride²`
//! interleaved phase planes, and its input gradient writes its result so.

mod gather;
mod layout;
mod matmul;
mod outer;
mod pack;

use burn::backend::flex::FlexTensor;

use super::memory::{Values, tensor};
use layout::{Geometry, Phased};
use pack::WeightOrder;

pub fn forward(x: &FlexTensor, weight: &FlexTensor, stride: usize, padding: usize) -> FlexTensor {
    let (x, weight) = (Values::of(x), Values::of(weight));
    let [n, channels, h, w] = x.dims::<4>();
    let [out, weight_channels, kh, kw] = weight.dims::<4>();
    assert_eq!(channels, weight_channels, "conv2d: channels of input and weight");
    let geometry = Geometry::new([h, w], [kh, kw], stride, padding);
    let [oh, ow] = geometry.output;
    let by_matrix = matmul::Product { batch: n, channels, out, geometry: &geometry };
    if by_matrix.pays() {
        return tensor(by_matrix.forward(x.as_slice(), weight.as_slice()), [n, out, oh, ow]);
    }
    let product = gather::Product {
        batch: n,
        source: x.as_slice(),
        source_channels: channels,
        source_size: [h, w],
        weight: weight.as_slice(),
        order: WeightOrder::OutputFirst,
        kernel: [kh, kw],
        channels: out,
        size: [oh, ow],
        phased: &Phased::forward(&geometry),
    };
    tensor(product.compute(), [n, out, oh, ow])
}

pub fn input_grad(
    weight: &FlexTensor,
    grad: &FlexTensor,
    size: [usize; 2],
    stride: usize,
    padding: usize,
) -> FlexTensor {
    let (grad, weight) = (Values::of(grad), Values::of(weight));
    let [n, channels, gh, gw] = grad.dims::<4>();
    let [weight_channels, out, kh, kw] = weight.dims::<4>();
    assert_eq!(channels, weight_channels, "conv2d: channels of gradient and weight");
    let geometry = Geometry::new(size, [kh, kw], stride, padding);
    assert_eq!(geometry.output, [gh, gw], "conv2d: size of the gradient");
    let by_matrix = matmul::Product { batch: n, channels: out, out: channels, geometry: &geometry };
    if by_matrix.pays() {
        return tensor(by_matrix.input_grad(weight.as_slice(), grad.as_slice()), [n, out, size[0], size[1]]);
    }
    let product = gather::Product {
        batch: n,
        source: grad.as_slice(),
        source_channels: channels,
        source_size: [gh, gw],
        weight: weight.as_slice(),
        order: WeightOrder::InputFirst,
        kernel: [kh, kw],
        channels: out,
        size,
        phased: &Phased::input_grad(&geometry),
    };
    tensor(product.compute(), [n, out, size[0], size[1]])
}

pub fn weight_grad(x: &FlexTensor, grad: &FlexTensor, kernel: [usize; 2], stride: usize, padding: usize) -> FlexTensor {
    let (x, grad) = (Values::of(x), Values::of(grad));
    let [n, channels, h, w] = x.dims::<4>();
    let [grad_n, out, gh, gw] = grad.dims::<4>();
    let geometry = Geometry::new([h, w], kernel, stride, padding);
    assert_eq!((n, geometry.output), (grad_n, [gh, gw]), "conv2d: shape of the gradient");
    let by_matrix = matmul::Product { batch: n, channels, out, geometry: &geometry };
    if by_matrix.pays() {
        let values = by_matrix.weight_grad(x.as_slice(), grad.as_slice());
        return tensor(values, [out, channels, kernel[0], kernel[1]]);
    }
    let product = outer::Product {
        batch: n,
        x: x.as_slice(),
        channels,
        grad: grad.as_slice(),
        out,
        geometry: &geometry,
        phased: &Phased::forward(&geometry),
    };
    tensor(product.compute(), [out, channels, kernel[0], kernel[1]])
}

/// Bytes that the kernels take beside tensors for a convolution of `batch` samples with as many channels out as in, 3x3 taps and
/// planes of `side`, forward and for its gradients: what threads pack, sums of parts of the batch, matrices.
pub fn workspace_bytes(batch: usize, channels: usize, side: usize) -> usize {
    let (batch, channels, size, kernel) = (batch.max(1), channels.max(1), [side.max(1); 2], [3, 3]);
    let geometry = Geometry::new(size, kernel, 1, 1);
    let by_matrix = matmul::Product { batch, channels, out: channels, geometry: &geometry };
    if by_matrix.pays() {
        return by_matrix.workspace() * size_of::<f32>();
    }
    let phased = Phased::forward(&geometry);
    let outputs = gather::Product {
        batch,
        source: &[],
        source_channels: channels,
        source_size: size,
        weight: &[],
        order: WeightOrder::OutputFirst,
        kernel,
        channels,
        size,
        phased: &phased,
    };
    let weights =
        outer::Product { batch, x: &[], channels, grad: &[], out: channels, geometry: &geometry, phased: &phased };
    outputs.workspace().max(weights.workspace()) * size_of::<f32>()
}

#[cfg(test)]
mod tests {
    use super::super::simd::Isa;
    use super::*;

    /// Small integers, so that every order of summation is exact.
    fn integers(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i * i % 11) as f32 - 5.0).collect()
    }

    #[test]
    fn every_instruction_set_computes_the_same() {
        for (n, channels, out, [h, w], k, stride, padding) in [
            (3, 5, 13, [9, 11], 3, 1, 1),
            (5, 18, 7, [4, 4], 3, 1, 1),
            (2, 3, 21, [16, 17], 3, 2, 1),
            (2, 33, 3, [8, 8], 1, 1, 0),
            (3, 6, 5, [8, 6], 4, 2, 1),
            (1, 4, 3, [1, 5], 3, 1, 1),
        ] {
            let geometry = Geometry::new([h, w], [k, k], stride, padding);
            let [oh, ow] = geometry.output;
            let x = integers(n * channels * h * w);
            let weight = integers(out * channels * k * k);
            let grad = integers(n * out * oh * ow);
            let (forward, backward) = (Phased::forward(&geometry), Phased::input_grad(&geometry));
            let outputs = gather::Product {
                batch: n,
                source: &x,
                source_channels: channels,
                source_size: [h, w],
                weight: &weight,
                order: WeightOrder::OutputFirst,
                kernel: [k, k],
                channels: out,
                size: [oh, ow],
                phased: &forward,
            };
            let inputs = gather::Product {
                source: &grad,
                source_channels: out,
                source_size: [oh, ow],
                order: WeightOrder::InputFirst,
                channels,
                size: [h, w],
                phased: &backward,
                ..outputs
            };
            let weights =
                outer::Product { batch: n, x: &x, channels, grad: &grad, out, geometry: &geometry, phased: &forward };
            let all = |isa| [outputs.compute_on(isa), inputs.compute_on(isa), weights.compute_on(isa)];
            let reference = all(Isa::portable());
            for isa in Isa::available() {
                assert!(all(isa) == reference, "{isa:?} {geometry:?}");
            }
            let product = matmul::Product { batch: n, channels, out, geometry: &geometry };
            let by_matrix =
                [product.forward(&x, &weight), product.input_grad(&weight, &grad), product.weight_grad(&x, &grad)];
            assert!(by_matrix == reference, "the blocked matrix product: {geometry:?}");
        }
    }

    #[test]
    fn the_kernels_of_a_layer_take_more_with_its_size_and_hardly_more_with_the_batch() {
        let megabytes = |batch, channels, side| workspace_bytes(batch, channels, side) as f64 / 1e6;
        // Packed planes of one sample are at least its maps, in each thread.
        assert!(megabytes(1, 64, 64) > 64.0 * 64.0 * 64.0 * 4.0 / 1e6);
        assert!(megabytes(1, 64, 128) > 3.0 * megabytes(1, 64, 64));
        assert!(megabytes(64, 64, 64) < megabytes(1, 64, 64) + 8.5, "sums of parts take 8 MB at most");
        // 256 channels of 3x3 taps at 16x16 pixels are a matrix of 2.4 MB a sample, of which 16.8 MB exist at a time.
        assert!((megabytes(1, 256, 16) - (2304.0 + 256.0) * 256.0 * 4.0 / 1e6).abs() < 1e-3);
        assert_eq!(workspace_bytes(64, 256, 16), 7 * workspace_bytes(1, 256, 16));
    }

    #[test]
    fn results_take_no_more_memory_than_their_values() {
        for (n, channels, out, [h, w], k, stride, padding) in
            [(2, 32, 48, [8, 8], 3, 1, 1), (2, 33, 7, [9, 9], 3, 2, 1), (1, 16, 3, [4, 4], 1, 1, 0)]
        {
            let geometry = Geometry::new([h, w], [k, k], stride, padding);
            let [oh, ow] = geometry.output;
            let (x, grad) = (integers(n * channels * h * w), integers(n * out * oh * ow));
            let phased = Phased::forward(&geometry);
            let weights =
                outer::Product { batch: n, x: &x, channels, grad: &grad, out, geometry: &geometry, phased: &phased };
            let weights = weights.compute();
            // What a tensor takes over it holds in full.
            assert_eq!((weights.len(), weights.capacity()), (out * channels * k * k, weights.len()), "{geometry:?}");
            let weight = integers(out * channels * k * k);
            let outputs = gather::Product {
                batch: n,
                source: &x,
                source_channels: channels,
                source_size: [h, w],
                weight: &weight,
                order: WeightOrder::OutputFirst,
                kernel: [k, k],
                channels: out,
                size: [oh, ow],
                phased: &phased,
            };
            let outputs = outputs.compute();
            assert_eq!((outputs.len(), outputs.capacity()), (grad.len(), outputs.len()), "{geometry:?}");
        }
    }
}
