//! Fourier features: what the synthesis begins with.

use burn::tensor::{Device, Tensor, TensorData};

use super::keys::{FREQUENCIES, GEOMETRY, INPUT};
use crate::networks::{
    ArchitectureError, Leaves, Motion, ParamLayout,
    flat::ParamId,
    ops,
    params::ShapeReader,
    style::{EqualLinear, id},
};

/// Largest side of a map that is read; 1024x1024 images have maps of 1044.
pub(super) const LARGEST_SIDE: usize = 2304;

/// Sines of random frequencies over a plane that `w` turns and moves and a person may transform as well, mixed by a matrix.
#[derive(Clone, Debug)]
pub(super) struct FourierInput {
    weight: ParamId,
    /// From `w` to a rotation (cosine, sine) and a translation.
    affine: EqualLinear,
    pub(super) channels: usize,
    pub(super) side: usize,
    /// Samples on a length of 1.
    pub(super) sampling_rate: f32,
    /// Highest frequency that is not damped.
    bandwidth: f32,
    /// `[2, channels]`.
    frequencies: Tensor<2>,
    /// In turns, `[1, channels]`.
    phases: Tensor<2>,
    /// Of homogeneous coordinates, already inverted, `[3, 3]`.
    transform: Tensor<2>,
}

impl FourierInput {
    pub(super) fn read(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        w_dim: usize,
        device: &Device,
    ) -> Result<Self, ArchitectureError> {
        let key = |name: &str| format!("{INPUT}.{name}");
        let ([channels, _], frequencies) = shapes.tensor::<2>(FREQUENCIES)?;
        shapes.expect(FREQUENCIES, [channels, 2])?;
        let phases = shapes.expect(&key("phases"), [channels])?;
        let transform = shapes.expect(&key("transform"), [3, 3])?;
        shapes.expect(&key("weight"), [channels, channels])?;
        let affine = EqualLinear::read(shapes, layout, &key("affine"), 1.0)?;
        if (affine.inputs, affine.outputs) != (w_dim, 4) {
            return Err(shapes.misfit(&key("affine.weight"), format!("[4, {w_dim}]")));
        }
        let geometry = key(GEOMETRY);
        let values = shapes.expect(&geometry, [3])?.data.as_slice();
        let [side, sampling_rate, bandwidth] = values.try_into().unwrap_or([0.0; 3]);
        let side = whole(side, LARGEST_SIDE).ok_or_else(|| shapes.value(&geometry, values))?;
        // Frequencies between the bandwidth and half the sampling rate are damped.
        let sensible = sampling_rate > 0.0 && bandwidth > 0.0 && 2.0 * bandwidth < sampling_rate;
        if !sensible || !sampling_rate.is_finite() {
            return Err(shapes.value(&geometry, values));
        }
        let tensor = |data: &[f32], shape: [usize; 2]| -> Tensor<2> {
            Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
        };
        Ok(Self {
            weight: id(layout, &key("weight"))?,
            affine,
            channels,
            side,
            sampling_rate,
            bandwidth,
            frequencies: tensor(&frequencies.data, [channels, 2]).transpose(),
            phases: tensor(&phases.data, [1, channels]),
            transform: tensor(&transform.data, [3, 3]),
        })
    }

    /// The same features of a plane that is moved after the file's own transform.
    pub(super) fn moved(&self, motion: Motion) -> Self {
        let inverse = motion.inverse().concat();
        let inverse = Tensor::<2>::from_data(TensorData::new(inverse, [3, 3]), &self.transform.device());
        Self { transform: self.transform.clone().matmul(inverse), ..self.clone() }
    }

    /// `w` `[batch, w_dim]` to maps `[batch, channels, side, side]`.
    pub(super) fn forward(&self, p: &Leaves, w: Tensor<2>) -> Tensor<4> {
        let [batch, _] = w.dims();
        let (channels, side) = (self.channels, self.side);
        let t = self.affine.forward(p, w.into()).value;
        let norm = t.clone().narrow(1, 0, 2).square().sum_dim(1).sqrt();
        let t = t / norm;
        let part = |i: usize| t.clone().narrow(1, i, 1);
        let (cos, sin, x, y) = (part(0), part(1), part(2), part(3));
        // The first two rows of rotation times translation, `[batch, 3]` each, times the person's own transform.
        let move_x = sin.clone() * y.clone() - cos.clone() * x.clone();
        let move_y = (sin.clone() * x + cos.clone() * y).neg();
        let row = |row: [Tensor<2>; 3]| Tensor::cat(row.to_vec(), 1).matmul(self.transform.clone());
        let first = row([cos.clone(), sin.clone().neg(), move_x]);
        let second = row([sin, cos, move_y]);
        // Column `j` of both rows: what frequencies, or phases, become.
        let column = |j: usize| {
            let rows = Tensor::cat(vec![first.clone().narrow(1, j, 1), second.clone().narrow(1, j, 1)], 1);
            rows.matmul(self.frequencies.clone())
        };
        let (fx, fy) = (column(0), column(1));
        let phases = self.phases.clone() + column(2);
        let band = self.sampling_rate / 2.0 - self.bandwidth;
        let length = (fx.clone().square() + fy.clone().square()).sqrt();
        let amplitudes = ((length - self.bandwidth).neg() / band + 1.0).clamp(0.0, 1.0);

        // sin(a + b) = sin a cos b + cos a sin b, with the phase in the rows: two products of a column and a row.
        let grid = self.grid(&p.device());
        let turns = |frequency: Tensor<2>, phase: Option<Tensor<2>>| -> Tensor<3> {
            let turns = frequency.reshape([batch * channels, 1]).matmul(grid.clone());
            let turns = match phase {
                Some(phase) => turns + phase.reshape([batch * channels, 1]),
                None => turns,
            };
            (turns * std::f64::consts::TAU).reshape([batch * channels, 1, side])
        };
        let (columns, rows) = (turns(fx, None), turns(fy, Some(phases)));
        let amplitudes = amplitudes.reshape([batch * channels, 1, 1]);
        let rows = Tensor::cat(vec![rows.clone().sin() * amplitudes.clone(), rows.cos() * amplitudes], 1);
        let columns = Tensor::cat(vec![columns.clone().cos(), columns.sin()], 1);
        let x = rows.swap_dims(1, 2).matmul(columns).reshape([batch, channels, side, side]);
        let weight = p.get(self.weight, [channels, channels, 1, 1]) * (1.0 / (channels as f64).sqrt());
        ops::conv2d(x, weight, 1, 0)
    }

    /// Where the samples of a row or column lie, the image from -0.5 to 0.5, `[1, side]`.
    fn grid(&self, device: &Device) -> Tensor<2> {
        let side = self.side as f32;
        let at = |i: usize| ((2 * i + 1) as f32 / side - 1.0) * (0.5 * side / self.sampling_rate);
        let at: Vec<f32> = (0..self.side).map(at).collect();
        Tensor::from_data(TensorData::new(at, [1, self.side]), device)
    }
}

/// A whole number from 1 to `most`, as a buffer holds it.
pub(super) fn whole(value: f32, most: usize) -> Option<usize> {
    (value.fract() == 0.0 && value >= 1.0 && value <= most as f32).then_some(value as usize)
}
