//! The filtered activation: what is computed of single pixels is part of the launches that filter.

use burn_cubecl::tensor::CubeTensor;

use super::fir::{Affine, After, fused, lowpass};
use super::gradients::scaled;
use super::sums::layer_sums;
use crate::networks::ops::FilteredActivation;

pub fn filtered_act(x: CubeTensor, scale: CubeTensor, bias: CubeTensor, filtered: &FilteredActivation) -> CubeTensor {
    let FilteredActivation { up, act, clamp, down } = filtered;
    let y = fused(x, up, Some(Affine { scale, bias }), After::Activate(*act, *clamp));
    lowpass(y, down)
}

/// The gradients for `x`, the scale and the bias.
pub fn filtered_act_grad(
    x: CubeTensor,
    scale: CubeTensor,
    bias: CubeTensor,
    grad: CubeTensor,
    filtered: &FilteredActivation,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let FilteredActivation { up, act, clamp, down } = filtered;
    let [n, c, h, w] = x.meta.shape().dims::<4>();
    let grad = lowpass(grad, &down.adjoint(up.output_size([h, w])));
    let affine = Affine { scale: scale.clone(), bias };
    let grad = fused(x.clone(), up, Some(affine), After::Gate(*act, *clamp, Box::new(grad)));
    let grad = fused(grad, &up.adjoint([h, w]), None, After::Nothing);
    let (dx, partial) = scaled(x, scale, grad, true);
    let [dscale, dbias, _] = layer_sums(partial, [n, c]);
    (dx, dscale, dbias)
}
