//! Modulated convolution (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN").
//!
//! The style scales the activations instead of the weights and the demodulation scales the output: equal to
//! modulated weights, and one ordinary convolution for the whole batch instead of a grouped one.
//!
//! Where maps are in half precision, weights and styles are first divided by their largest values, so that nothing overflows before the
//! demodulation: that takes any factor out again, so neither result nor gradients depend on these, which are constants therefore
//! (stylegan2-ada-pytorch differentiates them, to the same effect).

use burn::tensor::Tensor;

use super::{
    demodulation::{demodulated, demodulation, energy},
    layers::Fir,
    separable::separable_taps,
};
use crate::networks::{
    ArchitectureError, Dual, Leaves, ParamLayout,
    flat::WeightId,
    ops::{self, MemoryOrder},
    params::ShapeReader,
    precision::Precision,
    style::{EqualLinear, weight_id},
};

/// What largest values are at least, before something is divided by them.
const LEAST: f64 = 1e-12;

/// Convolution whose input channels are scaled by an affine map of the latent, with optional demodulation and 2x
/// upsampling (transposed convolution, then blur).
#[derive(Clone, Debug)]
pub(super) struct ModulatedConv2d {
    weight: WeightId,
    modulation: EqualLinear,
    inputs: usize,
    pub(super) outputs: usize,
    kernel: usize,
    demodulate: bool,
    /// The blur after the transposed convolution; `None` without upsampling.
    blur: Option<Fir>,
}

impl ModulatedConv2d {
    pub(super) fn read(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        prefix: &str,
        inputs: usize,
        style_dim: usize,
        demodulate: bool,
        upsample: bool,
    ) -> Result<Self, ArchitectureError> {
        let key = format!("{prefix}.weight");
        let ([one, outputs, found, k1, k2], _) = shapes.tensor::<5>(&key)?;
        let kernel = if demodulate { 3 } else { 1 };
        if (one, found, k1, k2) != (1, inputs, kernel, kernel) {
            return Err(shapes.misfit(&key, format!("[1, {outputs}, {inputs}, {kernel}, {kernel}]")));
        }
        let blur = if upsample {
            let taps = separable_taps(shapes, &format!("{prefix}.blur.kernel"))?;
            // Padding of the reference for `factor` 2: the result has exactly twice the input's side.
            let p = (taps.len() as isize - 2) - (kernel as isize - 1);
            let padding = ((p + 1).div_euclid(2) + 1, p.div_euclid(2) + 1);
            Some(Fir { taps, up: 1, down: 1, padding })
        } else {
            None
        };
        let modulation = EqualLinear::read(shapes, layout, &format!("{prefix}.modulation"), 1.0)?;
        if (modulation.inputs, modulation.outputs) != (style_dim, inputs) {
            let key = format!("{prefix}.modulation.weight");
            return Err(shapes.misfit(&key, format!("[{inputs}, {style_dim}]")));
        }
        // The transposed convolution of an upsampling layer takes its weight the other way round.
        let order = if blur.is_some() { MemoryOrder::OuterLast } else { MemoryOrder::InnerLast };
        let scale = 1.0 / ((inputs * kernel * kernel) as f64).sqrt();
        let weight = weight_id(layout, &key, &[outputs, inputs, kernel, kernel], order, scale)?;
        Ok(Self { weight, modulation, inputs, outputs, kernel, demodulate, blur })
    }

    /// `[batch, inputs, h, w]` and the layer's latent `[batch, style_dim]` to `[batch, outputs, h', w']`, and the
    /// demodulation `[batch, outputs]` that the caller still has to scale it by (in one pass with what follows).
    pub(super) fn forward(&self, p: &Leaves, x: Dual<4>, w: Dual<2>) -> (Dual<4>, Option<Dual<2>>) {
        let shape = [self.outputs, self.inputs, self.kernel, self.kernel];
        let weight = p.derived(self.weight.id(), 0, || p.weight(self.weight, shape, |weight: Tensor<4>| weight));
        let style = self.modulation.forward(p, w);
        let normalises = self.demodulate && Precision::of(&x.value) == Precision::Half;
        let (weight, style) = if normalises { (self.normalised(weight), normalised(style)) } else { (weight, style) };
        let at_once = self.demodulate && p.is_prepared();
        let (weight, style, scale) = if at_once {
            let energy = || ops::energy(weight.clone().inner()).transpose();
            let energy = if normalises { energy() } else { p.derived(self.weight.id(), 1, energy) };
            let (weight, style, scale) = demodulated(weight, style, energy);
            (weight, style, Some(scale))
        } else {
            (weight, style, None)
        };
        let x = x.scale_channels(style.clone());
        let out = match &self.blur {
            Some(blur) => {
                let transposed = weight.clone().swap_dims(0, 1);
                blur.forward(x.linear(|x| ops::conv_transpose2d(x, transposed.clone(), 2, 0)))
            }
            None => x.linear(|x| ops::conv2d(x, weight.clone(), 1, self.kernel / 2)),
        };
        let energy = || energy(weight);
        let energy = || if normalises { energy() } else { p.derived(self.weight.id(), 1, energy) };
        let later = || demodulation(energy(), style);
        (out, scale.or_else(|| self.demodulate.then(later)))
    }

    /// The weight, each output's divided by its largest value and by the root of how many there are.
    fn normalised(&self, weight: Tensor<4>) -> Tensor<4> {
        let taps = self.inputs * self.kernel * self.kernel;
        let constant = weight.clone().detach();
        // Views that follow the order in memory.
        let largest = match self.blur {
            Some(_) => constant.permute([1, 2, 3, 0]).reshape([taps, self.outputs]).max_abs_dim(0),
            None => constant.permute([0, 2, 3, 1]).reshape([self.outputs, taps]).max_abs_dim(1),
        };
        weight / (largest.clamp_min(LEAST) * (taps as f64).sqrt()).reshape([self.outputs, 1, 1, 1])
    }
}

/// Styles, each sample's divided by its largest value.
fn normalised(style: Dual<2>) -> Dual<2> {
    let largest = style.value.clone().detach().max_abs_dim(1).clamp_min(LEAST);
    style.linear(|style| style / largest.clone())
}
