//! The CPU kernels: multi-threaded over samples and planes, vectorised along rows.
//!
//! Results do not depend on the number of threads: every sum has one fixed order. AVX-512 and AVX2 round alike.
//!
//! - [`memory`] is the border to Burn's tensors and the scratch memory of a thread;
//! - [`simd`] picks the instruction set at run time;
//! - [`conv`] holds the convolutions, [`resample`] the FIR, [`filtered`] the activation between two of them, [`pointwise`] what is left;
//! - [`linear`], [`attention`], [`layer_norm`] and [`gelu`] are for transformers; [`product`] and [`exponential`] are what they share;
//! - [`vector`] is for flat vectors of parameters.

mod attention;
mod conv;
mod exponential;
mod filtered;
mod gelu;
mod layer_norm;
mod linear;
mod memory;
mod pointwise;
mod product;
mod resample;
mod simd;
mod vector;

pub use conv::workspace_bytes;

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;

use super::activation::Activation;
use super::adam::AdamStep;
use super::extension::GanOps;
use super::filtered::FilteredActivation;
use super::fir::Fir;

type Image = FloatTensor<Flex>;

/// The vector instructions that the kernels use on this processor, by their makers' name.
pub fn vector_instructions() -> &'static str {
    simd::Isa::detect().name()
}

/// From here on the kernels of this crate do as on a processor without AVX-512, for measuring: the matrix products of libraries go
/// on with what there is.
pub fn leave_out_avx512() {
    simd::Isa::leave_out_avx512();
}

impl GanOps for Flex {
    fn conv_forward(x: Image, weight: Image, stride: usize, padding: usize) -> Image {
        conv::forward(&x, &weight, stride, padding)
    }

    fn conv_input_grad(weight: Image, grad: Image, size: [usize; 2], stride: usize, padding: usize) -> Image {
        conv::input_grad(&weight, &grad, size, stride, padding)
    }

    fn conv_weight_grad(x: Image, grad: Image, kernel: [usize; 2], stride: usize, padding: usize) -> Image {
        conv::weight_grad(&x, &grad, kernel, stride, padding)
    }

    fn fir(x: Image, fir: Fir) -> Image {
        resample::fir(&x, &fir)
    }

    fn bias_act(x: Image, bias: Image, act: Activation) -> Image {
        pointwise::bias_act(&x, &bias, act)
    }

    fn bias_act_grad(y: Image, grad: Image, act: Activation) -> (Image, Image) {
        pointwise::bias_act_grad(&y, &grad, act)
    }

    fn slope_mul(y: Image, t: Image, act: Activation) -> Image {
        pointwise::slope_mul(&y, &t, act)
    }

    fn scale(x: Image, s: Image) -> Image {
        pointwise::scale(&x, &s)
    }

    fn scale_grad(x: Image, s: Image, grad: Image) -> (Image, Image) {
        pointwise::scale_grad(&x, &s, &grad)
    }

    fn noise_act(x: Image, scale: Image, noise: Image, strength: Image, bias: Image) -> Image {
        pointwise::noise_act(&x, &scale, &noise, &strength, &bias)
    }

    fn noise_act_grad(y: Image, x: Image, scale: Image, noise: Image, grad: Image) -> (Image, Image, Image, Image) {
        pointwise::noise_act_grad(&y, &x, &scale, &noise, &grad)
    }

    fn filtered_act(x: Image, scale: Image, bias: Image, filtered: FilteredActivation) -> Image {
        filtered::filtered_act(&x, &scale, &bias, &filtered)
    }

    fn filtered_act_grad(
        x: Image,
        scale: Image,
        bias: Image,
        grad: Image,
        filtered: FilteredActivation,
    ) -> (Image, Image, Image) {
        filtered::filtered_act_grad(&x, &scale, &bias, &grad, &filtered)
    }

    fn affine(x: Image, weight: Image, bias: Image) -> Image {
        linear::linear(&x, &weight, &bias)
    }

    fn exact_gelu(x: Image) -> Image {
        gelu::gelu(&x)
    }

    fn exact_gelu_grad(x: Image, grad: Image) -> Image {
        gelu::gelu_grad(&x, &grad)
    }

    fn dot_attention(query: Image, key: Image, value: Image, batch: usize, heads: usize) -> Image {
        attention::attention(&query, &key, &value, batch, heads)
    }

    fn dot_attention_grad(
        query: Image,
        key: Image,
        value: Image,
        grad: Image,
        batch: usize,
        heads: usize,
    ) -> (Image, Image, Image) {
        attention::attention_grad([&query, &key, &value], &grad, batch, heads).into()
    }

    fn layer_normal(x: Image, weight: Image, bias: Image, epsilon: f32) -> Image {
        layer_norm::layer_norm(&x, &weight, &bias, epsilon)
    }

    fn layer_normal_grad(x: Image, weight: Image, grad: Image, epsilon: f32) -> (Image, Image, Image) {
        layer_norm::layer_norm_grad(&x, &weight, &grad, epsilon).into()
    }

    fn adam(theta: Image, gradient: Image, first: Image, second: Image, step: AdamStep) -> (Image, Image, Image) {
        vector::adam(theta, gradient, first, second, step)
    }

    fn lerp(from: Image, to: Image, weight: f32) -> Image {
        vector::lerp(from, &to, weight)
    }
}

#[cfg(test)]
mod tests {
    use super::{memory::tensor, simd::Isa, *};
    use crate::networks::latents::NormalSource;
    use crate::networks::ops::{Fir2d, Lowpass};

    struct Source(NormalSource);

    impl Source {
        fn image<const D: usize>(&mut self, shape: [usize; D]) -> Image {
            tensor(self.0.normals(shape.iter().product()), shape)
        }
    }

    fn values(image: Image) -> Vec<f32> {
        memory::Values::of(&image).as_slice().to_vec()
    }

    /// What every kernel makes of random numbers, by name.
    fn everything() -> Vec<(String, Vec<f32>)> {
        let mut source = Source(NormalSource::new(8, 0));
        let mut all = Vec::new();
        let mut push = |name: String, image: Image| all.push((name, values(image)));
        for (n, c, out, [h, w], k, stride, padding) in [
            (3, 5, 13, [9, 11], 3, 1, 1),
            (5, 18, 7, [4, 4], 3, 1, 1),
            (2, 3, 21, [16, 17], 3, 2, 1),
            (2, 33, 3, [8, 8], 1, 1, 0),
            (3, 6, 5, [8, 6], 4, 2, 1),
            (1, 4, 3, [1, 5], 3, 1, 1),
            // So large a weight gradient that its samples are cut into fewer parts than there could be, and many channels.
            (24, 129, 410, [8, 8], 3, 1, 1),
        ] {
            let [oh, ow] = [h, w].map(|side| (side + 2 * padding - k) / stride + 1);
            let (x, weight) = (source.image([n, c, h, w]), source.image([out, c, k, k]));
            let grad = source.image([n, out, oh, ow]);
            let name = |what: &str| format!("{what} {n}x{c}x{h}x{w} to {out}, {k}x{k}, stride {stride}");
            push(name("convolution"), Flex::conv_forward(x.clone(), weight.clone(), stride, padding));
            push(name("input gradient"), Flex::conv_input_grad(weight, grad.clone(), [h, w], stride, padding));
            push(name("weight gradient"), Flex::conv_weight_grad(x, grad, [k, k], stride, padding));
        }
        for side in [4, 5, 8, 21, 37] {
            let x = source.image([3, 2, side, side]);
            for (up, down, pad, taps) in [
                (1, 1, [2, 1], vec![1., 3., 3., 1.]),
                (2, 1, [2, 1], vec![1., 3., 3., 1.]),
                (1, 2, [1, 1], vec![1., 3., 3., 1.]),
                (3, 2, [-1, 7], vec![1., 2., 4., 8., 16., 32., 64.]),
            ] {
                let fir = Fir::new(&taps, up, down, pad);
                push(format!("FIR {side}, up {up}, down {down}"), Flex::fir(x.clone(), fir));
            }
        }
        for (side, u, up_pad, is_table) in
            [(28, 2, [9, 8], false), (28, 4, [2, -1], false), (44, 2, [-3, -4], false), (30, 2, [11, 10], true)]
        {
            let (x, s, bias) = (source.image([2, 3, side, side]), source.image([2, 3]), source.image([3]));
            let taps = source.0.normals(12 * u);
            let down = match is_table {
                true => Lowpass::Table(Fir2d::downsampling(source.0.normals(144), 12, 2)),
                false => Lowpass::Separable(Fir::new(&source.0.normals(12), 1, 2, [0, 0])),
            };
            let up = Fir::new(&taps, u, 1, up_pad);
            let filtered = FilteredActivation { up, act: Activation::LEAKY, clamp: 16.0, down };
            let [oh, ow] = filtered.output_size([side, side]);
            let grad = source.image([2, 3, oh, ow]);
            let name = |what: &str| format!("{what} {side}, up {u}, table {is_table}");
            let y = Flex::filtered_act(x.clone(), s.clone(), bias.clone(), filtered.clone());
            push(name("filtered activation"), y);
            let (dx, ds, dbias) = Flex::filtered_act_grad(x, s, bias, grad, filtered);
            push(name("its gradient"), dx);
            push(name("filtered activation, gradient of a scale"), ds);
            push(name("filtered activation, gradient of a bias"), dbias);
        }
        for (batch, tokens, heads, head) in [(2, 17, 4, 32), (1, 5, 3, 7), (2, 65, 2, 24)] {
            let [query, key, value, grad] = std::array::from_fn(|_| source.image([batch * tokens, heads * head]));
            let name = |what: &str| format!("{what} of {tokens} tokens, {heads} heads of {head}");
            push(name("attention"), Flex::dot_attention(query.clone(), key.clone(), value.clone(), batch, heads));
            let (dquery, dkey, dvalue) =
                Flex::dot_attention_grad(query.clone(), key.clone(), value, grad.clone(), batch, heads);
            push(name("attention, gradient of queries"), dquery);
            push(name("attention, gradient of keys"), dkey);
            push(name("attention, gradient of values"), dvalue);
            let (weight, bias) = (source.image([heads * head]), source.image([heads * head]));
            push(name("layer normalisation"), Flex::layer_normal(query.clone(), weight.clone(), bias, 1e-6));
            let (dx, dweight, dbias) = Flex::layer_normal_grad(query.clone(), weight, grad.clone(), 1e-6);
            push(name("layer normalisation, gradient of x"), dx);
            push(name("layer normalisation, gradient of the weight"), dweight);
            push(name("layer normalisation, gradient of the bias"), dbias);
            push(name("GELU"), Flex::exact_gelu(query.clone()));
            push(name("its gradient"), Flex::exact_gelu_grad(query, grad));
        }
        for [n, c, h, w] in [[3, 5, 9, 11], [2, 3, 32, 32], [1, 2, 1, 3]] {
            let mut image = || source.image([n, c, h, w]);
            let (x, y, grad) = (image(), image(), image());
            let (s, bias) = (source.image([n, c]), source.image([c]));
            let (noise, strength) = (source.image([1, 1, h, w]), source.image([1]));
            let name = |what: &str| format!("{what} {n}x{c}x{h}x{w}");
            let act = Activation::LEAKY;
            push(name("bias and activation"), Flex::bias_act(x.clone(), bias.clone(), act));
            let (dx, dbias) = Flex::bias_act_grad(y.clone(), grad.clone(), act);
            push(name("its gradient"), dx);
            push(name("gradient of a bias"), dbias);
            push(name("slope"), pointwise::slope_mul(&y, &grad, act));
            push(name("scale"), pointwise::scale(&x, &s));
            let (dx, ds) = pointwise::scale_grad(&x, &s, &grad);
            push(name("its gradient"), dx);
            push(name("gradient of a scale"), ds);
            push(name("noise and activation"), pointwise::noise_act(&x, &s, &noise, &strength, &bias));
            let (dx, ds, dstrength, dbias) = pointwise::noise_act_grad(&y, &x, &s, &noise, &grad);
            for (what, gradient) in [("x", dx), ("s", ds), ("strength", dstrength), ("bias", dbias)] {
                push(name(&format!("noise, gradient of {what}")), gradient);
            }
        }
        all
    }

    #[test]
    fn instruction_sets_agree_on_random_numbers() {
        let sets = Isa::available();
        let found: Vec<_> = sets.iter().map(|isa| (isa, isa.instead(everything))).collect();
        let (best, reference) = &found[0];
        for (isa, results) in &found[1..] {
            let mut different = Vec::new();
            for ((name, values), (_, expected)) in results.iter().zip(reference) {
                assert_eq!(values.len(), expected.len(), "{name}");
                let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|value| value.to_bits()).collect() };
                if bits(values) != bits(expected) {
                    different.push(name);
                }
                // Rounding twice instead of once: of a sum of up to 2048 terms.
                let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                let error = values.iter().zip(expected).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
                assert!(error <= 2e-6 * largest.max(1.0), "{name} on {isa:?}: off by {error:e} of {largest}");
            }
            println!("{isa:?}: {} of {} results differ from {best:?}", different.len(), results.len());
            assert!(*isa == &Isa::portable() || different.is_empty(), "{isa:?} and {best:?} differ: {different:#?}");
        }
        if sets.len() < 3 {
            crate::skip::skip!("this CPU has no two vector units to compare");
        }
    }
}
