//! A layer of the synthesis: modulated convolution and filtered leaky ReLU.

use burn::tensor::Tensor;

use super::input::{LARGEST_SIDE, whole};
use super::keys::GEOMETRY;
use crate::networks::{
    ArchitectureError, Dual, HostTensor, Leaves, ParamLayout,
    flat::ParamId,
    ops::{self, Activation, FilteredActivation, Fir, Fir2d, Lowpass},
    params::ShapeReader,
    style::{EqualLinear, id},
};

const DEMODULATION_EPS: f64 = 1e-8;
/// Largest factor of up- or downsampling; 4 and 2 are in use.
const LARGEST_FACTOR: usize = 8;
/// Most taps of a filter along an axis; 24 are in use.
const MOST_TAPS: usize = 128;
/// Largest side between the filters; 1024x1024 images need 2128.
const WIDEST: usize = 4736;
/// Largest kernel of a convolution; 3 is in use.
const LARGEST_KERNEL: usize = 9;

/// What comes after the convolution.
#[derive(Clone, Debug)]
enum Tail {
    /// Demodulation, and the leaky ReLU at a higher sampling rate.
    Filtered(FilteredActivation),
    /// The image's colours: no demodulation, no activation, a clamp.
    Colours { clamp: Option<f32> },
}

/// One layer. Its input is scaled by the running magnitude of the training, which is a constant here.
#[derive(Clone, Debug)]
pub(super) struct SynthesisLayer {
    weight: ParamId,
    bias: ParamId,
    affine: EqualLinear,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    kernel: usize,
    /// `1 / sqrt(magnitude_ema)`.
    input_gain: f32,
    pub(super) output_side: usize,
    /// Factors of up- and downsampling.
    pub(super) factors: [usize; 2],
    tail: Tail,
}

/// What a layer's neighbours say of it.
#[derive(Clone, Copy)]
pub(super) struct Context {
    pub(super) w_dim: usize,
    /// Channels and side of what it takes.
    pub(super) input: (usize, usize),
    pub(super) is_last: bool,
    pub(super) clamp: Option<f32>,
}

impl SynthesisLayer {
    pub(super) fn read(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        prefix: &str,
        context: Context,
    ) -> Result<Self, ArchitectureError> {
        let key = |name: &str| format!("{prefix}.{name}");
        let (channels, input_side) = context.input;
        let weight = key("weight");
        let ([outputs, inputs, kernel, width], _) = shapes.tensor::<4>(&weight)?;
        let kernel_fits = kernel <= LARGEST_KERNEL && (!context.is_last || kernel == 1);
        if inputs != channels || kernel != width || !kernel_fits {
            let kernel = if context.is_last { 1 } else { kernel.min(LARGEST_KERNEL) };
            return Err(shapes.misfit(&weight, format!("[{outputs}, {channels}, {kernel}, {kernel}]")));
        }
        shapes.expect(&key("bias"), [outputs])?;
        let affine = EqualLinear::read(shapes, layout, &key("affine"), 1.0)?;
        if (affine.inputs, affine.outputs) != (context.w_dim, inputs) {
            return Err(shapes.misfit(&key("affine.weight"), format!("[{inputs}, {}]", context.w_dim)));
        }
        let magnitude = shapes.scalar(&key("magnitude_ema"), f32::MIN_POSITIVE, f32::MAX)?.unwrap_or(1.0);
        let geometry = key(GEOMETRY);
        let values = shapes.expect(&geometry, [4])?.data.as_slice();
        let fails = |shapes: &ShapeReader| shapes.value(&geometry, values);
        let limits = [LARGEST_SIDE, LARGEST_SIDE, LARGEST_FACTOR, LARGEST_FACTOR];
        let mut numbers = values.iter().zip(limits).map(|(value, most)| whole(*value, most));
        let mut next = || numbers.next().flatten().ok_or_else(|| fails(shapes));
        let (side, output_side, up, down) = (next()?, next()?, next()?, next()?);
        if side != input_side {
            return Err(fails(shapes));
        }
        let up_filter = filter(shapes, &key("up_filter"))?;
        let down_filter = filter(shapes, &key("down_filter"))?;
        let tail = match (context.is_last, &up_filter, &down_filter) {
            (true, None, None) if (up, down, side) == (1, 1, output_side) => Tail::Colours { clamp: context.clamp },
            (true, ..) => return Err(fails(shapes)),
            (false, ..) => {
                let sides = [side + kernel - 1, output_side];
                let filtered = filtered(up_filter, down_filter, sides, [up, down], context.clamp);
                Tail::Filtered(filtered.ok_or_else(|| fails(shapes))?)
            }
        };
        Ok(Self {
            weight: id(layout, &weight)?,
            bias: id(layout, &key("bias"))?,
            affine,
            inputs,
            outputs,
            kernel,
            input_gain: magnitude.sqrt().recip(),
            output_side,
            factors: [up, down],
            tail,
        })
    }

    /// Whether it is filtered by a table of taps.
    pub(super) fn is_radial(&self) -> bool {
        matches!(&self.tail, Tail::Filtered(FilteredActivation { down: Lowpass::Table(_), .. }))
    }

    /// `[batch, inputs, side, side]` and the layer's latent `[batch, w_dim]` to `[batch, outputs, side', side']`.
    pub(super) fn forward(&self, p: &Leaves, x: Tensor<4>, w: Tensor<2>) -> Tensor<4> {
        let style = self.affine.forward(p, w.into()).value;
        let weight = p.get(self.weight, [self.outputs, self.inputs, self.kernel, self.kernel]);
        let bias = p.get(self.bias, [self.outputs]);
        let taps = (self.inputs * self.kernel * self.kernel) as f64;
        match &self.tail {
            Tail::Colours { clamp } => {
                let style = style * (f64::from(self.input_gain) / taps.sqrt());
                let x = ops::conv2d(ops::scale_channels(x, style), weight, 1, 0);
                Dual::from(x + bias.reshape([1, self.outputs, 1, 1])).clamp(*clamp).value
            }
            Tail::Filtered(filtered) => {
                // The result does not depend on the scale of a sample's style, nor of an output channel's weights: both are
                // brought to a mean square of 1 first. A sample's own mean will do, so that it does not depend on its batch.
                let style = style.clone() / style.detach().square().mean_dim(1).sqrt();
                let x = ops::conv2d(ops::scale_channels(x, style.clone()), weight.clone(), 1, self.kernel - 1);
                let energy = p.derived(self.weight, 0, || {
                    let energy = weight.square().reshape([self.outputs, self.inputs, self.kernel * self.kernel]);
                    energy.sum_dim(2).reshape([self.outputs, self.inputs])
                });
                let mean = energy.clone().sum_dim(1).transpose() / taps;
                let norm = style.square().matmul(energy.transpose()) + mean * DEMODULATION_EPS;
                let demodulation = norm.sqrt().recip() * self.input_gain;
                ops::filtered_activation(x, demodulation, bias, filtered.clone())
            }
        }
    }
}

/// A filter's taps, which stand in a row or in a table.
fn filter<'a>(shapes: &mut ShapeReader<'a>, key: &str) -> Result<Option<&'a HostTensor>, ArchitectureError> {
    if !shapes.contains(key) {
        return Ok(None);
    }
    let filter = match shapes.tensor::<1>(key) {
        Ok((_, filter)) => filter,
        Err(_) => {
            let ([height, width], filter) = shapes.tensor::<2>(key)?;
            if height != width {
                return Err(shapes.misfit(key, format!("[{height}, {height}]")));
            }
            filter
        }
    };
    let side = filter.shape.first().copied().unwrap_or_default();
    if side > MOST_TAPS {
        return Err(shapes.misfit(key, format!("at most {MOST_TAPS} taps")));
    }
    Ok(Some(filter))
}

/// The activation of a convolution's output of `input` pixels; `None` where factors, filters and sides contradict each other.
fn filtered(
    up_filter: Option<&HostTensor>,
    down_filter: Option<&HostTensor>,
    [input, output]: [usize; 2],
    [up, down]: [usize; 2],
    clamp: Option<f32>,
) -> Option<FilteredActivation> {
    // A factor of 1 has no filter.
    let identity = HostTensor { shape: vec![1], data: vec![1.0] };
    let of = |filter: Option<&HostTensor>, factor: usize| match filter {
        Some(filter) => Some(filter.clone()),
        None => (factor == 1).then(|| identity.clone()),
    };
    let (up_filter, down_filter) = (of(up_filter, up)?, of(down_filter, down)?);
    let [up_taps] = up_filter.shape[..] else { return None };
    let down_taps = down_filter.shape.first().copied()?;
    let n = |size: usize| size as isize;
    let total = n((output - 1) * down + 1) - n(input * up) + n(up_taps + down_taps) - 2;
    // Appendix C.3: sample locations are symmetric.
    let low = (total + n(up)).div_euclid(2);
    // Zero insertion puts a gain of `up` along each axis into the taps.
    let taps: Vec<f32> = up_filter.data.iter().map(|tap| tap * up as f32).collect();
    let wide = n(input * up) + total;
    let between = n(down_taps)..=n(WIDEST);
    if !between.contains(&(wide - n(up_taps) + 1)) {
        return None;
    }
    let down = match down_filter.shape.len() {
        1 => Lowpass::Separable(Fir::new(&down_filter.data, 1, down, [0, 0])),
        _ => Lowpass::Table(Fir2d::downsampling(down_filter.data, down_taps, down)),
    };
    let up = Fir::new(&taps, up, 1, [low, total - low]);
    Some(FilteredActivation { up, act: Activation::LEAKY, clamp: clamp.unwrap_or(f32::INFINITY), down })
}
