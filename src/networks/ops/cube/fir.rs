//! Resampling of planes, in one launch, with what stands before and after it in a filtered activation: in `f32`, whatever planes are stored in.

use burn::backend::ops::FloatTensorOps;
use burn::tensor::TensorData;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, prelude::*, std::FastDivmod};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::image::{Image, address_type, element, elementwise, spread};
use super::pointwise::by_slope;
use crate::networks::ops::filtered::{Fir2d, Lowpass};
use crate::networks::ops::{Activation, Fir};

/// How many taps may meet a pixel along an axis before it pays to go along one axis first and then along the other.
const TAPS_AT_ONCE: usize = 6;
/// How many of them are spelled out one by one instead of counted: enough for StyleGAN2's; more make a kernel slow to compile.
const UNROLLED: usize = 4;

/// Computed of every pixel of the input before it is filtered: `x * scale[n, c] + bias[c]`.
#[derive(Clone)]
pub struct Affine {
    pub scale: CubeTensor,
    pub bias: CubeTensor,
}

/// Computed of every pixel of the result.
#[derive(Clone)]
pub enum After {
    Nothing,
    /// The activation, held within plus and minus this.
    Activate(Activation, f32),
    /// This gradient, times the slope of that activation at the result.
    Gate(Activation, f32, Box<CubeTensor>),
}

/// Which of [`After`]'s.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Ending {
    Nothing,
    Activate,
    Gate,
}

/// What a kernel is compiled for, each along the height and the width.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Steps {
    taps: [usize; 2],
    up: [usize; 2],
    down: [usize; 2],
}

impl Steps {
    /// How many taps meet a pixel that is not 0, at most.
    fn met(self, axis: usize) -> usize {
        self.taps[axis].div_ceil(self.up[axis])
    }
}

/// Sizes and places along an axis.
#[derive(CubeLaunch, CubeType)]
struct Axis {
    /// Length of the input.
    len: i32,
    /// Where the first tap of the first result lies, at the higher sampling rate, after `ahead` more pixels: at least 0.
    start: u32,
    ahead: i32,
}

/// The results of a kernel: how many vectors, and their coordinates.
#[derive(CubeLaunch, CubeType)]
struct Results {
    vectors: usize,
    inner: FastDivmod<usize>,
    width: FastDivmod<usize>,
    height: FastDivmod<usize>,
}

/// The first tap that meets a pixel, and that pixel.
#[derive(CubeType)]
struct First {
    tap: u32,
    pixel: i32,
}

#[cube]
impl Axis {
    fn first(&self, result: usize, #[comptime] up: usize, #[comptime] down: usize) -> First {
        let start = result as u32 * comptime!(down as u32) + self.start;
        let up = comptime!(up as u32);
        let tap = (up - start % up) % up;
        First { tap, pixel: ((start + tap) / up) as i32 - self.ahead }
    }
}

#[cube(launch_unchecked, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)] // A launch has no other way to take them.
fn fir_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    y: &mut [Vector<F, N>],
    taps: Sequence<f32>,
    table: ComptimeOption<&[f32]>,
    scale: ComptimeOption<&[f32]>,
    bias: ComptimeOption<&[f32]>,
    gate: ComptimeOption<&[Vector<F, N>]>,
    results: Results,
    axis_y: Axis,
    axis_x: Axis,
    channels: usize,
    negative: f32,
    positive: f32,
    clamp: f32,
    #[comptime] steps: Steps,
    #[comptime] channels_last: bool,
    #[comptime] affine: bool,
    #[comptime] tabled: bool,
    #[comptime] ending: Ending,
    #[define(F)] _element: ElemType,
) {
    // Which tap meets which pixel is known late, so taps must be found by their number.
    let mut shared = Shared::<[f32]>::new_slice(comptime!(taps.len()));
    if UNIT_POS == 0 {
        #[unroll]
        for t in 0..comptime!(taps.len()) {
            shared[t] = *taps.index(t);
        }
    }
    sync_cube();
    if ABSOLUTE_POS >= results.vectors {
        terminate!();
    }
    let (above, inner) = results.inner.div_mod(ABSOLUTE_POS);
    let (above, column) = results.width.div_mod(above);
    let (outer, row) = results.height.div_mod(above);
    let inners = N::value();

    let plane = if comptime!(channels_last) { outer * channels + inner * inners } else { outer };
    let factor: ComptimeOption<Vector<f32, N>> = scale.map(|scale| spread::<N>(scale, plane, channels_last));
    let offset: ComptimeOption<Vector<f32, N>> = bias.map(|bias| spread::<N>(bias, plane % channels, channels_last));
    let factor = factor.unwrap_or_else(|| Vector::<f32, N>::zeroed());
    let offset = offset.unwrap_or_else(|| Vector::<f32, N>::zeroed());

    let across = if comptime!(channels_last) { channels / inners } else { 1usize.runtime() };
    let first_y = axis_y.first(row, comptime!(steps.up[0]), comptime!(steps.down[0]));
    let first_x = axis_x.first(column, comptime!(steps.up[1]), comptime!(steps.down[1]));
    let mut sum = Vector::<f32, N>::zeroed();
    #[unroll(comptime!(steps.met(0) <= UNROLLED))]
    for met_y in 0..comptime!(steps.met(0) as u32) {
        let tap_y = first_y.tap + met_y * comptime!(steps.up[0] as u32);
        let pixel_y = first_y.pixel + met_y as i32;
        if tap_y < comptime!(steps.taps[0] as u32) && pixel_y >= 0 && pixel_y < axis_y.len {
            let line = (outer * axis_y.len as usize + pixel_y as usize) * axis_x.len as usize;
            let mut along = Vector::<f32, N>::zeroed();
            #[unroll(comptime!(steps.met(1) <= UNROLLED))]
            for met_x in 0..comptime!(steps.met(1) as u32) {
                let tap_x = first_x.tap + met_x * comptime!(steps.up[1] as u32);
                let pixel_x = first_x.pixel + met_x as i32;
                if tap_x < comptime!(steps.taps[1] as u32) && pixel_x >= 0 && pixel_x < axis_x.len {
                    let value = Vector::<f32, N>::cast_from(x[(line + pixel_x as usize) * across + inner]);
                    let value = if comptime!(affine) { value * factor + offset } else { value };
                    let tap = if comptime!(tabled) {
                        table.unwrap()[(tap_y * comptime!(steps.taps[1] as u32) + tap_x) as usize]
                    } else {
                        shared[comptime!(steps.taps[0]) + tap_x as usize]
                    };
                    along += value * Vector::<f32, N>::new(tap);
                }
            }
            if comptime!(tabled) {
                sum += along;
            } else {
                sum += along * Vector::<f32, N>::new(shared[tap_y as usize]);
            }
        }
    }
    match comptime!(ending) {
        Ending::Nothing => y[ABSOLUTE_POS] = Vector::cast_from(sum),
        Ending::Activate => {
            let z = by_slope::<N>(sum, sum, negative, positive);
            let (low, high) = (Vector::<f32, N>::new(-clamp), Vector::<f32, N>::new(clamp));
            let held = select_many(z.less_than(&low), low, select_many(z.greater_than(&high), high, z));
            y[ABSOLUTE_POS] = Vector::cast_from(held);
        }
        Ending::Gate => {
            let z = by_slope::<N>(sum, sum, negative, positive);
            let gate = Vector::<f32, N>::cast_from(gate.unwrap()[ABSOLUTE_POS]);
            let slope = by_slope::<N>(sum, gate, negative, positive);
            let zero = Vector::<f32, N>::zeroed();
            let below = select_many(z.greater_than(&Vector::<f32, N>::new(clamp)), zero, slope);
            let moved = select_many(z.less_than(&Vector::<f32, N>::new(-clamp)), zero, below);
            y[ABSOLUTE_POS] = Vector::cast_from(moved);
        }
    }
}

/// One launch: another filter along each axis, or one table for both.
struct Pass {
    steps: Steps,
    /// Along the height and the width, turned round for a sum over neighbours.
    taps: [Vec<f32>; 2],
    /// `[height, width]`, turned round, instead of both.
    table: Option<Vec<f32>>,
    /// Padding before the first pixel.
    before: [isize; 2],
    /// Sides of the result.
    size: [usize; 2],
}

impl Pass {
    fn run(self, x: Image, affine: Option<Affine>, after: After) -> CubeTensor {
        let [_, c, h, w] = x.size;
        let Self { steps, taps, table, before, size } = self;
        let y = x.empty_like(size);
        let vector = if x.channels_last() { x.vector_size() } else { 1 };
        let inner = if x.channels_last() { c / vector } else { 1 };
        let vectors = y.meta.num_elements() / vector;
        let (count, dim) = elementwise(&y.client, vectors);
        let axis = |axis: usize| {
            let (up, pad) = (steps.up[axis] as isize, before[axis]);
            let ahead = pad.max(0).div_euclid(up) + isize::from(pad.max(0) % up != 0);
            AxisLaunch::new([h, w][axis] as i32, (ahead * up - pad) as u32, ahead as i32)
        };
        let (ending, act, clamp, gate) = match after {
            After::Nothing => (Ending::Nothing, Activation::LEAKY, 0.0, None),
            After::Activate(act, clamp) => (Ending::Activate, act, clamp, None),
            After::Gate(act, clamp, gate) => (Ending::Gate, act, clamp, Some(x.order.arrange(*gate))),
        };
        let table = table.map(|table| {
            let data = TensorData::new(table, steps.taps);
            CubeBackend::float_from_data(data, &x.tensor.device)
        });
        let is_affine = affine.is_some();
        let (scale, bias) = affine.map(|a| (into_contiguous(a.scale), into_contiguous(a.bias))).unzip();
        let tabled = table.is_some();
        let flat: Vec<f32> = if tabled { vec![0.0] } else { taps.concat() };
        // SAFETY: units past the last result end at once, and only pixels within the input are read.
        unsafe {
            fir_kernel::launch_unchecked(
                &y.client,
                count,
                dim,
                address_type(&[&x.tensor, &y]),
                vector,
                x.tensor.clone().into_buffer_arg(),
                y.clone().into_buffer_arg(),
                flat.into_iter().collect(),
                table.map(CubeTensor::into_buffer_arg).into(),
                scale.map(CubeTensor::into_buffer_arg).into(),
                bias.map(CubeTensor::into_buffer_arg).into(),
                gate.map(CubeTensor::into_buffer_arg).into(),
                ResultsLaunch::new(vectors, inner, size[1], size[0]),
                axis(0),
                axis(1),
                c,
                act.factor(false),
                act.factor(true),
                clamp,
                steps,
                x.channels_last(),
                is_affine,
                tabled,
                ending,
                element(&x.tensor),
            );
        }
        y
    }
}

/// A separable resampling.
pub fn fir(x: CubeTensor, fir: &Fir) -> CubeTensor {
    fused(x, fir, None, After::Nothing)
}

/// A separable resampling between what is computed before and after it. Filters that many taps of meet a pixel go along one axis and then
/// along the other, in two launches.
pub fn fused(x: CubeTensor, fir: &Fir, affine: Option<Affine>, after: After) -> CubeTensor {
    let x = Image::new(x);
    let [_, _, h, _] = x.size;
    let [oh, ow] = fir.output_size([x.size[2], x.size[3]]);
    let Fir { taps, up, down, pad_y, pad_x } = fir;
    let turned: Vec<f32> = taps.iter().rev().copied().collect();
    let both = Steps { taps: [taps.len(); 2], up: [*up; 2], down: [*down; 2] };
    let pass = |steps: Steps, taps: [Vec<f32>; 2], before, size| Pass { steps, taps, table: None, before, size };
    if both.met(0) <= TAPS_AT_ONCE {
        let taps = [turned.clone(), turned];
        return pass(both, taps, [pad_y[0], pad_x[0]], [oh, ow]).run(x, affine, after);
    }
    let across = Steps { taps: [1, taps.len()], up: [1, *up], down: [1, *down] };
    let along = Steps { taps: [taps.len(), 1], up: [*up, 1], down: [*down, 1] };
    let x = pass(across, [vec![1.0], turned.clone()], [0, pad_x[0]], [h, ow]).run(x, affine, After::Nothing);
    pass(along, [turned, vec![1.0]], [pad_y[0], 0], [oh, ow]).run(Image::new(x), None, after)
}

/// A resampling by either kind of filter.
pub fn lowpass(x: CubeTensor, filter: &Lowpass) -> CubeTensor {
    let filter = match filter {
        Lowpass::Separable(filter) => return fir(x, filter),
        Lowpass::Table(filter) => filter,
    };
    let x = Image::new(x);
    let Fir2d { taps, side, up, down, pad_y, pad_x } = filter;
    let pass = Pass {
        steps: Steps { taps: [*side; 2], up: [*up; 2], down: [*down; 2] },
        taps: [vec![], vec![]],
        table: Some(taps.iter().rev().copied().collect()),
        before: [pad_y[0], pad_x[0]],
        size: filter.output_size([x.size[2], x.size[3]]),
    };
    pass.run(x, None, After::Nothing)
}
