//! The CPU kernels: multi-threaded over samples and planes, vectorised along rows.
//!
//! Results do not depend on the number of threads: every sum has one fixed order.
//!
//! - [`memory`] is the border to Burn's tensors and the scratch memory of a thread;
//! - [`simd`] picks the instruction set at run time;
//! - [`conv`] holds the convolutions, [`resample`] the FIR, [`pointwise`] what is left;
//! - [`vector`] is for flat vectors of parameters.

mod conv;
mod memory;
mod pointwise;
mod resample;
mod simd;
mod vector;

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;

use super::activation::Activation;
use super::adam::AdamStep;
use super::extension::GanOps;
use super::fir::Fir;

type Image = FloatTensor<Flex>;

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

    fn adam(theta: Image, gradient: Image, first: Image, second: Image, step: AdamStep) -> (Image, Image, Image) {
        vector::adam(&theta, gradient, &first, &second, step)
    }

    fn lerp(from: Image, to: Image, weight: f32) -> Image {
        vector::lerp(&from, &to, weight)
    }
}
