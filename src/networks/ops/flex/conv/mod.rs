//! Convolutions as matrix products that never build their matrix.
//!
//! Laid out on one grid with the padding between the rows, a plane serves every tap of a kernel:
//! the column that `im2col` would copy out for a tap is the same memory, shifted. Outputs are
//! computed for whole grid lines, and the few columns that fall on padding are thrown away.
//!
//! - [`layout`] finds that grid: padding, phases of a stride, taps and their offsets, and cuts it into strips;
//! - [`pack`] copies planes and weights into the order the products read them in;
//! - [`product`] is the product for outputs (`conv_forward`, `conv_input_grad`), [`ways`] computes it in one of two orders of work:
//!   [`gather`] for few channels, [`blocked`] for many;
//! - [`outer`] is the product for weight gradients;
//! - [`winograd`] takes the place of all three where 3x3 kernels have many channels;
//! - [`tile`] is what all of them keep in registers.
//!
//! A stride never costs a wasted product: a strided convolution reads the input as `stride²`
//! interleaved phase planes, and its input gradient writes its result so.

mod blocked;
mod gather;
mod layout;
mod outer;
mod pack;
mod product;
mod tile;
mod ways;
mod winograd;

use burn::backend::flex::FlexTensor;

use super::memory::{Values, tensor};
use super::simd::Isa;
use layout::{Geometry, Phased};
use pack::WeightOrder;

pub fn forward(x: &FlexTensor, weight: &FlexTensor, stride: usize, padding: usize) -> FlexTensor {
    let (x, weight) = (Values::of(x), Values::of(weight));
    let [n, channels, h, w] = x.dims::<4>();
    let [out, weight_channels, kh, kw] = weight.dims::<4>();
    assert_eq!(channels, weight_channels, "conv2d: channels of input and weight");
    let geometry = Geometry::new([h, w], [kh, kw], stride, padding);
    let size = geometry.output;
    let transforms = winograd::pays(channels.min(out), &geometry, size);
    let phased = match transforms {
        true => winograd::phased([h, w], size, padding),
        false => Phased::forward(&geometry),
    };
    let product = product::Product {
        batch: n,
        source: x.as_slice(),
        source_channels: channels,
        source_size: [h, w],
        weight: weight.as_slice(),
        order: WeightOrder::OutputFirst,
        kernel: [kh, kw],
        channels: out,
        size,
        phased: &phased,
    };
    tensor(compute(&product, transforms), [n, out, size[0], size[1]])
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
    let transforms = winograd::pays(channels.min(out), &geometry, size);
    let phased = match transforms {
        // The kernel turned around, with what is left of its reach as the padding.
        true => winograd::phased([gh, gw], size, 2 - padding),
        false => Phased::input_grad(&geometry),
    };
    let product = product::Product {
        batch: n,
        source: grad.as_slice(),
        source_channels: channels,
        source_size: [gh, gw],
        weight: weight.as_slice(),
        order: WeightOrder::InputFirst,
        kernel: [kh, kw],
        channels: out,
        size,
        phased: &phased,
    };
    tensor(compute(&product, transforms), [n, out, size[0], size[1]])
}

fn compute(product: &product::Product, transforms: bool) -> Vec<f32> {
    if transforms { winograd::outputs::compute(product, Isa::detect()) } else { product.compute() }
}

pub fn weight_grad(x: &FlexTensor, grad: &FlexTensor, kernel: [usize; 2], stride: usize, padding: usize) -> FlexTensor {
    let (x, grad) = (Values::of(x), Values::of(grad));
    let [n, channels, h, w] = x.dims::<4>();
    let [grad_n, out, gh, gw] = grad.dims::<4>();
    let geometry = Geometry::new([h, w], kernel, stride, padding);
    assert_eq!((n, geometry.output), (grad_n, [gh, gw]), "conv2d: shape of the gradient");
    let (x, grad) = (x.as_slice(), grad.as_slice());
    let transforms = winograd::pays(channels.min(out), &geometry, geometry.output);
    let phased = match transforms {
        true => &winograd::phased(geometry.input, geometry.output, padding),
        false => &Phased::forward(&geometry),
    };
    let product = outer::Product { batch: n, x, channels, grad, out, geometry: &geometry, phased };
    let values = if transforms { winograd::weights::compute(&product, Isa::detect()) } else { product.compute() };
    tensor(values, [out, channels, kernel[0], kernel[1]])
}

/// Bytes that the kernels take beside tensors for a convolution of `batch` samples with as many channels out as in, 3x3 taps and
/// planes of `side`, forward and for its gradients: what threads pack, and sums of parts of the batch.
pub fn workspace_bytes(batch: usize, channels: usize, side: usize) -> usize {
    let (batch, channels, size, kernel) = (batch.max(1), channels.max(1), [side.max(1); 2], [3, 3]);
    let geometry = &Geometry::new(size, kernel, 1, 1);
    let transforms = winograd::pays(channels, geometry, size);
    let phased = match transforms {
        true => &winograd::phased(size, size, 1),
        false => &Phased::forward(geometry),
    };
    let outputs = product::Product {
        batch,
        source: &[],
        source_channels: channels,
        source_size: size,
        weight: &[],
        order: WeightOrder::OutputFirst,
        kernel,
        channels,
        size,
        phased,
    };
    let (x, grad, out) = (&[], &[], channels);
    let weights = outer::Product { batch, x, channels, grad, out, geometry, phased };
    let floats = match transforms {
        true => winograd::outputs::workspace(&outputs).max(winograd::weights::workspace(&weights)),
        false => outputs.workspace().max(weights.workspace()),
    };
    floats * size_of::<f32>()
}

#[cfg(test)]
mod tests {
    use super::layout::positions;
    use super::ways::Way;
    use super::*;

    /// Small integers, so that every order of summation is exact.
    pub fn integers(len: usize) -> Vec<f32> {
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
            // Several strips of a plane, several blocks of channels, tiles that end within a strip.
            (1, 44, 14, [37, 36], 3, 1, 1),
            (3, 70, 13, [16, 16], 3, 1, 1),
            (5, 50, 9, [17, 17], 3, 2, 0),
            (2, 10, 20, [12, 12], 1, 2, 0),
        ] {
            let geometry = Geometry::new([h, w], [k, k], stride, padding);
            let [oh, ow] = geometry.output;
            let x = integers(n * channels * h * w);
            let weight = integers(out * channels * k * k);
            let grad = integers(n * out * oh * ow);
            let (forward, backward) = (Phased::forward(&geometry), Phased::input_grad(&geometry));
            let outputs = product::Product {
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
            let inputs = product::Product {
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
            let all = |way, isa| [outputs.compute_by(way, isa), inputs.compute_by(way, isa), weights.compute_on(isa)];
            let expected = naive(n, channels, out, &geometry, &x, &weight, &grad);
            for isa in Isa::available() {
                for way in [Way::Gather, Way::Blocked] {
                    assert!(all(way, isa) == expected, "{way:?} {isa:?} {geometry:?}");
                }
            }
        }
    }

    /// Outputs, input and weight gradients by the definition.
    pub fn naive(
        n: usize,
        channels: usize,
        out: usize,
        geometry: &Geometry,
        x: &[f32],
        weight: &[f32],
        grad: &[f32],
    ) -> [Vec<f32>; 3] {
        let Geometry { input: [h, w], kernel: [kh, kw], output: [oh, ow], stride, padding } = *geometry;
        let mut results = [vec![0.0; grad.len()], vec![0.0; x.len()], vec![0.0; weight.len()]];
        for (sample, o, c) in (0..n).flat_map(|n| positions([out, channels]).map(move |[o, c]| (n, o, c))) {
            for ([y, x_], [ky, kx]) in positions([oh, ow]).flat_map(|at| positions([kh, kw]).map(move |k| (at, k))) {
                let (row, column) = (y * stride + ky, x_ * stride + kx);
                if !(padding..h + padding).contains(&row) || !(padding..w + padding).contains(&column) {
                    continue;
                }
                let at_output = ((sample * out + o) * oh + y) * ow + x_;
                let at_input = ((sample * channels + c) * h + row - padding) * w + column - padding;
                let at_weight = ((o * channels + c) * kh + ky) * kw + kx;
                results[0][at_output] += x[at_input] * weight[at_weight];
                results[1][at_input] += grad[at_output] * weight[at_weight];
                results[2][at_weight] += grad[at_output] * x[at_input];
            }
        }
        results
    }

    #[test]
    fn both_orders_of_work_give_the_same_bits() {
        let mut source = crate::networks::latents::NormalSource::new(3, 0);
        for (channels, out, side, k, stride, padding) in
            [(70, 40, 16, 3, 1, 1), (130, 9, 7, 3, 1, 1), (33, 20, 17, 3, 2, 0), (40, 40, 8, 4, 2, 1)]
        {
            let geometry = Geometry::new([side; 2], [k; 2], stride, padding);
            let x = source.normals(3 * channels * side * side);
            let weight = source.normals(out * channels * k * k);
            let phased = Phased::forward(&geometry);
            let product = product::Product {
                batch: 3,
                source: &x,
                source_channels: channels,
                source_size: [side; 2],
                weight: &weight,
                order: WeightOrder::OutputFirst,
                kernel: [k; 2],
                channels: out,
                size: geometry.output,
                phased: &phased,
            };
            let bits =
                |way, isa| -> Vec<u32> { product.compute_by(way, isa).iter().map(|value| value.to_bits()).collect() };
            for isa in Isa::available() {
                assert!(bits(Way::Gather, isa) == bits(Way::Blocked, isa), "{isa:?} {geometry:?}");
            }
        }
    }

    #[test]
    fn many_channels_and_small_planes_are_copied_into_panels() {
        let way = |channels, side, k, stride: usize| {
            let geometry = Geometry::new([side; 2], [k; 2], stride, k / 2);
            product::Product {
                batch: 16,
                source: &[],
                source_channels: channels,
                source_size: [side; 2],
                weight: &[],
                order: WeightOrder::OutputFirst,
                kernel: [k; 2],
                channels,
                size: geometry.output,
                phased: &Phased::forward(&geometry),
            }
            .way()
        };
        for (channels, side, k, expected) in [
            (32, 32, 3, Way::Gather),
            (64, 32, 3, Way::Gather),
            (64, 16, 3, Way::Blocked),
            (32, 4, 3, Way::Blocked),
            (512, 64, 3, Way::Blocked),
            (512, 8, 1, Way::Gather),
        ] {
            assert_eq!(way(channels, side, k, 1), expected, "{channels} channels, side {side}, kernel {k}");
        }
    }

    #[test]
    fn the_kernels_of_a_layer_take_as_much_for_large_planes_as_for_small_ones() {
        let megabytes = |batch, channels, side| workspace_bytes(batch, channels, side) as f64 / 1e6;
        assert!(megabytes(1, 64, 256) < 2.0 * megabytes(1, 64, 64), "a strip at a time is packed");
        assert!(megabytes(64, 64, 64) < megabytes(1, 64, 64) + 8.5, "sums of parts take 8 MB at most");
        // All weights in the order of the tiles.
        assert!(megabytes(1, 512, 16) > (512 * 512 * 9 * 4) as f64 / 1e6);
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
            let outputs = product::Product {
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
