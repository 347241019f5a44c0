//! The demodulation of a layer's outputs (Karras et al. 2020, equation 3), from its weight's energy and its styles.

use burn::tensor::Tensor;

use crate::networks::{
    Dual,
    ops::{self, AnyTensor, Gradient},
};

const EPS: f64 = 1e-8;

/// The sum over taps of `weight^2`, `[inputs, outputs]`.
pub(super) fn energy(weight: Tensor<4>) -> Tensor<2> {
    let [outputs, inputs, kernel, _] = weight.dims();
    weight.square().reshape([outputs, inputs, kernel * kernel]).sum_dim(2).reshape([outputs, inputs]).transpose()
}

/// `1 / sqrt(sum over inputs of energy * style^2 + 1e-8)`, `[batch, outputs]`.
pub(super) fn demodulation(energy: Tensor<2>, style: Dual<2>) -> Dual<2> {
    let norm = style.value.clone().square().matmul(energy.clone()) + EPS;
    let value = norm.sqrt().recip();
    let tangent = style.tangent.map(|tangent| moved(energy, (style.value, tangent), value.clone()));
    Dual { value, tangent }
}

/// The tangent of a demodulation `value`: `d/dt (s^2 E + eps)^(-1/2) = -(s^2 E + eps)^(-3/2) (s ds) E`.
fn moved(energy: Tensor<2>, (style, tangent): (Tensor<2>, Tensor<2>), value: Tensor<2>) -> Tensor<2> {
    let cubed = value.clone().square() * value;
    (style * tangent).matmul(energy) * cubed.neg()
}

/// A weight, `[outputs, inputs, k, k]`, and styles as a convolution takes them, and the [`demodulation`], in one function with a backward pass of
/// its own, which adds what comes from both uses where it is computed: several launches fewer on a GPU. `energy` is that of the weight, outside any
/// graph.
pub(super) fn demodulated(weight: Tensor<4>, style: Dual<2>, energy: Tensor<2>) -> (Tensor<4>, Dual<2>, Dual<2>) {
    let inputs = [weight.clone().into_dispatch(), style.value.clone().into_dispatch()];
    let is_tracked = inputs.each_ref().map(ops::is_tracked);
    if is_tracked == [false; 2] {
        return (weight, style.clone(), demodulation(energy, style));
    }
    let kept = Kept {
        value: demodulation(energy.clone(), style.value.clone().inner().into()).value,
        weight: weight.inner(),
        style: style.value.inner(),
        energy,
        is_tracked,
    };
    let (own, inputs) = (kept.outputs(), inputs.into_iter().filter(ops::is_tracked).collect());
    let given = ops::with_backward(inputs, own.to_vec(), move |gradients| kept.backward(gradients));
    // What is a constant stays one, so that nobody computes gradients of it.
    let [of_weight, of_style] = is_tracked;
    let mut given = given.into_iter().zip([of_weight, of_style, of_weight, true]);
    let [weight, value, energy, scale] = own.map(|own| match given.next() {
        Some((given, true)) => given,
        _ => own,
    });
    let [value, energy, scale] = [value, energy, scale].map(Tensor::<2>::from_dispatch);
    let tangent = style.tangent;
    let moved = tangent.clone().map(|tangent| moved(energy, (value.clone(), tangent), scale.clone()));
    let style = Dual { value, tangent };
    (Tensor::from_dispatch(weight), style, Dual { value: scale, tangent: moved })
}

/// What the backward pass of [`demodulated`] needs, outside any graph.
struct Kept {
    weight: Tensor<4>,
    style: Tensor<2>,
    energy: Tensor<2>,
    /// The demodulation.
    value: Tensor<2>,
    /// Whether gradients of weight and styles are asked for.
    is_tracked: [bool; 2],
}

impl Kept {
    fn outputs(&self) -> [AnyTensor; 4] {
        let [style, energy, value] = [&self.style, &self.energy, &self.value].map(|x| x.clone().into_dispatch());
        [self.weight.clone().into_dispatch(), style, energy, value]
    }

    /// The gradients of weight and styles, of those that are asked for, from those of the outputs.
    fn backward(self, gradients: Vec<Gradient>) -> Vec<Gradient> {
        let Self { weight, style, energy, value, is_tracked } = self;
        let [of_weight, of_style, of_energy, of_value] = <[Gradient; 4]>::try_from(gradients).unwrap_or_default();
        let [of_style, of_energy, of_value] =
            [of_style, of_energy, of_value].map(|g| g.map(Tensor::<2>::from_dispatch));
        // Twice the gradient of `s^2 E`, as the squares of both take it.
        let slope = of_value.map(|gradient| gradient * (value.clone().square() * value).neg());
        let [weight_is_tracked, style_is_tracked] = is_tracked;
        let style_gradient = style_is_tracked.then(|| {
            let through = slope.clone().map(|slope| slope.matmul(energy.transpose()) * style.clone());
            sum(of_style, through).map(Tensor::into_dispatch)
        });
        let weight_gradient = weight_is_tracked.then(|| {
            let through = slope.map(|slope| slope.transpose().matmul(style.square()));
            let of_energy = sum(through, of_energy.map(|gradient| gradient.transpose() * 2.0));
            let [outputs, inputs, ..] = weight.dims();
            let through = of_energy.map(|energy| weight * energy.reshape([outputs, inputs, 1, 1]));
            sum(of_weight.map(Tensor::from_dispatch), through).map(Tensor::into_dispatch)
        });
        weight_gradient.into_iter().chain(style_gradient).collect()
    }
}

fn sum<const D: usize>(a: Option<Tensor<D>>, b: Option<Tensor<D>>) -> Option<Tensor<D>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::networks::{flat::to_vec, latents::NormalSource};

    /// Gradients of weight and styles of a sum of all that a layer makes of them, with and without tangents, where both or one is tracked.
    fn gradients(at_once: bool, moves: bool, tracked: [bool; 2]) -> Vec<Vec<f32>> {
        let (device, mut rng) = (Device::flex(), NormalSource::new(7, 0));
        let mut numbers = |shape: &[usize]| TensorData::new(rng.normals(shape.iter().product()), shape.to_vec());
        let weight = Tensor::<4>::from_data(numbers(&[5, 3, 3, 3]), &device);
        let style = Tensor::<2>::from_data(numbers(&[4, 3]), &device);
        let tangent = moves.then(|| Tensor::<2>::from_data(numbers(&[4, 3]), &device));
        let factors: [Tensor<2>; 2] = [[4, 3], [4, 5]].map(|shape| Tensor::from_data(numbers(&shape), &device));
        let of_weight = Tensor::<4>::from_data(numbers(&[5, 3, 3, 3]), &device);
        let weight = if tracked[0] { weight.autodiff().require_grad() } else { weight };
        let style = if tracked[1] { style.autodiff().require_grad() } else { style };
        let dual = Dual { value: style.clone(), tangent };
        let (used, styles, scale) = match at_once {
            true => demodulated(weight.clone(), dual, energy(weight.clone().inner())),
            false => (weight.clone(), dual.clone(), demodulation(energy(weight.clone()), dual)),
        };
        let mut loss = (used * of_weight).sum() + (styles.value * factors[0].clone()).sum();
        loss = loss + (scale.value * factors[1].clone()).sum();
        if let Some(tangent) = scale.tangent {
            loss = loss + (tangent.square() * factors[1].clone()).sum();
        }
        let mut found = loss.backward();
        let weight = tracked[0].then(|| to_vec(weight.grad_remove(&mut found).expect("a gradient")));
        let style = tracked[1].then(|| to_vec(style.grad_remove(&mut found).expect("a gradient")));
        weight.into_iter().chain(style).collect()
    }

    #[test]
    fn at_once_has_the_gradients_of_the_parts() {
        for tracked in [[true, true], [true, false], [false, true]] {
            for moves in [false, true] {
                let (found, expected) = (gradients(true, moves, tracked), gradients(false, moves, tracked));
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                    assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{found}, not {expected}");
                }
            }
        }
    }
}
