//! Scaling, bias, noise and activation, each in one pass over memory.
//!
//! Sums over a plane run in a fixed number of lanes and planes are added in order, so gradients
//! of biases and factors are the same on any number of threads.

use std::mem::MaybeUninit;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::super::activation::Activation;
use super::memory::{Output, Values, Writer, tensor};
use super::simd::{Isa, Kernel, Vector};

/// Floats that make a task worth handing to a thread.
const TASK_FLOATS: usize = 16 * 1024;

/// Lanes of a plane's sum.
const LANES: usize = 64;

pub fn bias_act(x: &FlexTensor, bias: &FlexTensor, act: Activation) -> FlexTensor {
    let (x, bias) = (Values::of(x), Values::of(bias));
    let shape @ [_, c, ..] = x.dims::<4>();
    assert_eq!(bias.dims(), [c], "bias_leaky_relu: one bias a channel");
    let (x, bias) = (x.as_slice(), bias.as_slice());
    let out = map(
        shape,
        #[inline(always)]
        |at, out| {
            let bias = bias[at.plane % c];
            for (out, x) in out.iter_mut().zip(at.of(x)) {
                out.write(activate(x + bias, act));
            }
        },
    );
    tensor(out, shape)
}

pub fn bias_act_grad(y: &FlexTensor, grad: &FlexTensor, act: Activation) -> (FlexTensor, FlexTensor) {
    let (y, grad) = (Values::of(y), Values::of(grad));
    let shape @ [_, c, ..] = y.dims::<4>();
    assert_eq!(grad.dims(), shape, "bias_leaky_relu: shape of the gradient");
    let (y, grad) = (y.as_slice(), grad.as_slice());
    let (dx, sums) = map_sum(
        shape,
        #[inline(always)]
        |at, out| {
            let mut sum = Sum::default();
            sum.each(out, at.of(grad), at.of(y), |grad, y| {
                let dz = grad * act.factor(y > 0.0);
                (dz, dz)
            });
            [sum.total()]
        },
    );
    (tensor(dx, shape), tensor(per_channel(&sums, c, 0), [c]))
}

pub fn slope_mul(y: &FlexTensor, t: &FlexTensor, act: Activation) -> FlexTensor {
    let (y, t) = (Values::of(y), Values::of(t));
    let shape = y.dims::<4>();
    assert_eq!(t.dims(), shape, "leaky_slope_mul: shapes");
    let (y, t) = (y.as_slice(), t.as_slice());
    let out = map(
        shape,
        #[inline(always)]
        |at, out| {
            for ((out, t), y) in out.iter_mut().zip(at.of(t)).zip(at.of(y)) {
                out.write(t * act.factor(*y > 0.0));
            }
        },
    );
    tensor(out, shape)
}

pub fn scale(x: &FlexTensor, s: &FlexTensor) -> FlexTensor {
    let (x, s) = (Values::of(x), Values::of(s));
    let shape @ [n, c, ..] = x.dims::<4>();
    assert_eq!(s.dims(), [n, c], "scale_channels: one factor a plane");
    let (x, s) = (x.as_slice(), s.as_slice());
    let out = map(
        shape,
        #[inline(always)]
        |at, out| {
            let s = s[at.plane];
            for (out, x) in out.iter_mut().zip(at.of(x)) {
                out.write(x * s);
            }
        },
    );
    tensor(out, shape)
}

pub fn scale_grad(x: &FlexTensor, s: &FlexTensor, grad: &FlexTensor) -> (FlexTensor, FlexTensor) {
    let (x, s, grad) = (Values::of(x), Values::of(s), Values::of(grad));
    let shape @ [n, c, ..] = x.dims::<4>();
    assert_eq!(s.dims(), [n, c], "scale_channels: one factor a plane");
    assert_eq!(grad.dims(), shape, "scale_channels: shape of the gradient");
    let (x, s, grad) = (x.as_slice(), s.as_slice(), grad.as_slice());
    let (dx, sums) = map_sum(
        shape,
        #[inline(always)]
        |at, out| {
            let s = s[at.plane];
            let mut sum = Sum::default();
            sum.each(out, at.of(grad), at.of(x), |grad, x| (grad * s, grad * x));
            [sum.total()]
        },
    );
    (tensor(dx, shape), tensor(sums.concat(), [n, c]))
}

pub fn noise_act(
    x: &FlexTensor,
    scale: &FlexTensor,
    noise: &FlexTensor,
    strength: &FlexTensor,
    bias: &FlexTensor,
) -> FlexTensor {
    let (x, scale, noise) = (Values::of(x), Values::of(scale), Values::of(noise));
    let (strength, bias) = (Values::of(strength), Values::of(bias));
    let shape @ [n, c, ..] = x.dims::<4>();
    assert_eq!(scale.dims(), [n, c], "noise_act: one factor a plane");
    assert_eq!(bias.dims(), [c], "noise_act: one bias a channel");
    let noise = Noise::new(&noise, shape);
    let (x, scale, bias) = (x.as_slice(), scale.as_slice(), bias.as_slice());
    let strength = strength.as_slice()[0];
    let out = map(
        shape,
        #[inline(always)]
        |at, out| {
            let (scale, bias) = (scale[at.plane], bias[at.plane % c]);
            for ((out, x), noise) in out.iter_mut().zip(at.of(x)).zip(noise.of(at.plane)) {
                out.write(activate(x * scale + strength * noise + bias, Activation::LEAKY));
            }
        },
    );
    tensor(out, shape)
}

pub fn noise_act_grad(
    y: &FlexTensor,
    x: &FlexTensor,
    scale: &FlexTensor,
    noise: &FlexTensor,
    grad: &FlexTensor,
) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
    let (y, x, grad) = (Values::of(y), Values::of(x), Values::of(grad));
    let (scale, noise) = (Values::of(scale), Values::of(noise));
    let shape @ [n, c, ..] = x.dims::<4>();
    assert_eq!((y.dims(), grad.dims()), (shape, shape), "noise_act: shape of the gradient");
    assert_eq!(scale.dims(), [n, c], "noise_act: one factor a plane");
    let noise = Noise::new(&noise, shape);
    let (y, x, grad, scale) = (y.as_slice(), x.as_slice(), grad.as_slice(), scale.as_slice());
    let (dx, sums) = map_sum(
        shape,
        #[inline(always)]
        |at, out| {
            let scale = scale[at.plane];
            let (mut dscale, mut dstrength, mut dbias) = (Sum::default(), Sum::default(), Sum::default());
            // First the gradient before the activation, then from it, still in the cache, the rest.
            let out = dbias.each(out, at.of(grad), at.of(y), |grad, y| {
                let dz = grad * Activation::LEAKY.factor(y > 0.0);
                (dz, dz)
            });
            dscale.products(out, at.of(x));
            dstrength.products(out, noise.of(at.plane));
            for out in &mut *out {
                *out *= scale;
            }
            [dscale.total(), dstrength.total(), dbias.total()]
        },
    );
    let dscale = sums.iter().map(|sums| sums[0]).collect();
    let dstrength = sums.iter().map(|sums| sums[1]).sum();
    (tensor(dx, shape), tensor(dscale, [n, c]), tensor(vec![dstrength], [1]), tensor(per_channel(&sums, c, 2), [c]))
}

/// The noise of each plane: one map for all samples, or one for each.
struct Noise<'a> {
    values: &'a [f32],
    channels: usize,
    plane: usize,
}

impl<'a> Noise<'a> {
    fn new(noise: &'a Values, [n, channels, h, w]: [usize; 4]) -> Self {
        let dims @ [maps, ..] = noise.dims::<4>();
        assert!(maps == 1 || maps == n, "noise_act: {maps} noise maps for {n} samples");
        assert_eq!(dims, [maps, 1, h, w], "noise_act: shape of the noise");
        Self { values: noise.as_slice(), channels, plane: h * w }
    }

    #[inline(always)]
    fn of(&self, plane: usize) -> &[f32] {
        let maps = self.values.len() / self.plane;
        let map = (plane / self.channels).min(maps - 1);
        &self.values[map * self.plane..][..self.plane]
    }
}

#[inline(always)]
fn activate(z: f32, act: Activation) -> f32 {
    z * act.factor(z > 0.0)
}

/// A sum in [`LANES`] lanes.
pub(super) struct Sum([f32; LANES]);

impl Default for Sum {
    #[inline(always)]
    fn default() -> Self {
        Self([0.0; LANES])
    }
}

impl Sum {
    /// Writes the first of `f`'s values for each pair of inputs and sums the second. Gives what was written.
    #[inline(always)]
    pub(super) fn each<'a>(
        &mut self,
        out: &'a mut [MaybeUninit<f32>],
        a: &[f32],
        b: &[f32],
        f: impl Fn(f32, f32) -> (f32, f32),
    ) -> &'a mut [f32] {
        let len = out.len();
        let (a, b) = (&a[..len], &b[..len]);
        let full = len - len % LANES;
        for start in (0..full).step_by(LANES) {
            let out = &mut out[start..start + LANES];
            let (a, b) = (&a[start..start + LANES], &b[start..start + LANES]);
            for i in 0..LANES {
                let (value, term) = f(a[i], b[i]);
                out[i].write(value);
                self.0[i] += term;
            }
        }
        for i in full..len {
            let (value, term) = f(a[i], b[i]);
            out[i].write(value);
            self.0[i - full] += term;
        }
        // SAFETY: the loops above wrote all of it.
        unsafe { out.assume_init_mut() }
    }

    /// Sums the products of two slices.
    #[inline(always)]
    pub(super) fn products(&mut self, a: &[f32], b: &[f32]) {
        for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
            for ((sum, a), b) in self.0.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
    }

    #[inline(always)]
    pub(super) fn total(mut self) -> f32 {
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                self.0[i] += self.0[i + width];
            }
            width /= 2;
        }
        self.0[0]
    }
}

/// Adds up what each sample contributed to a channel.
pub(super) fn per_channel<const S: usize>(sums: &[[f32; S]], channels: usize, which: usize) -> Vec<f32> {
    let mut total = vec![0.0; channels];
    for sample in sums.chunks_exact(channels.max(1)) {
        for (total, sums) in total.iter_mut().zip(sample) {
            *total += sums[which];
        }
    }
    total
}

/// A plane's number, and where it lies.
#[derive(Clone, Copy)]
struct At {
    plane: usize,
    start: usize,
    len: usize,
}

impl At {
    #[inline(always)]
    fn of<'a>(&self, values: &'a [f32]) -> &'a [f32] {
        &values[self.start..self.start + self.len]
    }
}

/// Fills each plane of a new image; `f` must write all of it, and be inlined always, or it is compiled for no instruction set in
/// particular.
fn map(shape: [usize; 4], f: impl Fn(At, &mut [MaybeUninit<f32>]) + Sync) -> Vec<f32> {
    map_sum(
        shape,
        #[inline(always)]
        |at, out| {
            f(at, out);
            []
        },
    )
    .0
}

/// Fills each plane of a new image and collects the plane's sums; `f` must write all of it.
fn map_sum<const S: usize>(
    [n, c, h, w]: [usize; 4],
    f: impl Fn(At, &mut [MaybeUninit<f32>]) -> [f32; S] + Sync,
) -> (Vec<f32>, Vec<[f32; S]>) {
    let (planes, len) = (n * c, h * w);
    let isa = Isa::detect();
    let task = (TASK_FLOATS / len.max(1)).max(1);
    let mut sums = vec![[0.0; S]; planes];
    let fill = |writer: Writer| {
        sums.par_chunks_mut(task).enumerate().for_each(|(number, sums)| {
            let first = number * task;
            // SAFETY: tasks cover all planes, each once, and `f` writes all of a plane.
            let out = unsafe { writer.uninit(first * len, sums.len() * len) };
            isa.run(Planes { first, len, out, sums, f: &f });
        });
    };
    // SAFETY: as above.
    let out = unsafe { Output::new(planes * len).filled_by(fill) };
    (out, sums)
}

struct Planes<'a, F, const S: usize> {
    first: usize,
    len: usize,
    out: &'a mut [MaybeUninit<f32>],
    sums: &'a mut [[f32; S]],
    f: &'a F,
}

impl<F: Fn(At, &mut [MaybeUninit<f32>]) -> [f32; S], const S: usize> Kernel for Planes<'_, F, S> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector, const ROWS: usize>(self) {
        for (number, sums) in self.sums.iter_mut().enumerate() {
            let at = At { plane: self.first + number, start: (self.first + number) * self.len, len: self.len };
            let out = &mut self.out[number * self.len..][..self.len];
            *sums = (self.f)(at, out);
        }
    }
}
