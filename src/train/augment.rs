//! Adaptive discriminator augmentation (Karras et al. 2020, arXiv 2006.06676): the same random transformations in front of
//! the discriminator for real and generated images, as often as needed to keep it from learning the data by heart.
//!
//! The pipeline is that paper's `bgc`: pixel blitting, general geometry, colour. Geometry is one affine map per image,
//! sampled bilinearly with reflected borders.

use std::f64::consts::PI;

use burn::tensor::{
    Device, Tensor, TensorData,
    ops::{GridSampleOptions, GridSamplePaddingMode, InterpolateMode},
};
use nalgebra::{Matrix3, Matrix4, Rotation3, Unit, Vector3, Vector4};
use serde::{Deserialize, Serialize};

use super::rows::index_tensor;
use crate::networks::latents::NormalSource;

/// How augmentation adapts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Augment {
    /// Probability of each transformation, in [0, 1].
    pub p: f64,
    /// Whether images may be mirrored: not, where left and right mean something, as in digits.
    pub mirror: bool,
    /// Value of `E[sign(D(real))]` that is aimed at: above it the discriminator overfits and `p` grows.
    pub target: f64,
    /// Images over which `p` goes from 0 to 1 at most.
    pub images_to_full: f64,
}

impl Default for Augment {
    /// The paper's values.
    fn default() -> Self {
        Self { p: 0.0, mirror: true, target: 0.6, images_to_full: 500_000.0 }
    }
}

impl Augment {
    /// Moves `p` after `images` images on which the mean of `sign(D(real))` was `overfitting`.
    pub fn adapt(&mut self, overfitting: f64, images: usize) {
        let step = images as f64 / self.images_to_full;
        let up = if overfitting > self.target { step } else { -step };
        self.p = (self.p + up).clamp(0.0, 1.0);
    }

    /// Transformations of a batch of images of `side` pixels; `None` while `p` is 0.
    pub fn draw(&self, batch: usize, side: usize, rng: &mut NormalSource, device: &Device) -> Option<Transform> {
        if self.p <= 0.0 {
            return None;
        }
        let mut grid = Vec::with_capacity(batch * side * side * 2);
        let (mut colour, mut offset) = (Vec::with_capacity(batch * 9), Vec::with_capacity(batch * 3));
        for _ in 0..batch {
            let map = self.geometry(side, rng);
            for y in 0..side {
                for x in 0..side {
                    let centre = |i: usize| (2 * i + 1) as f64 / side as f64 - 1.0;
                    let from = map * Vector3::new(centre(x), centre(y), 1.0);
                    grid.extend([from.x as f32, from.y as f32]);
                }
            }
            let map = self.colours(rng);
            colour.extend((0..3).flat_map(|row| (0..3).map(move |column| map[(row, column)] as f32)));
            offset.extend((0..3).map(|row| map[(row, 3)] as f32));
        }
        let tensor = |values: Vec<f32>, shape: [usize; 3]| Tensor::from_data(TensorData::new(values, shape), device);
        Some(Transform {
            grid: Tensor::from_data(TensorData::new(grid, [batch, side, side, 2]), device),
            colour: tensor(colour, [batch, 3, 3]),
            offset: tensor(offset, [batch, 3, 1]),
        })
    }

    /// From output to input positions, both in [-1, 1].
    fn geometry(&self, side: usize, rng: &mut NormalSource) -> Matrix3<f64> {
        let p = self.p;
        let mut map = Matrix3::identity();
        let mut then = |on: bool, step: Matrix3<f64>| {
            if on {
                map *= step;
            }
        };
        let scale = |x: f64, y: f64| Matrix3::new_nonuniform_scaling(&nalgebra::Vector2::new(x, y));
        let shift = |x: f64, y: f64| Matrix3::new_translation(&nalgebra::Vector2::new(x, y));
        let chance = |p: f64, rng: &mut NormalSource| rng.uniform() < p;
        let normal = |rng: &mut NormalSource| f64::from(rng.normals(1).first().copied().unwrap_or_default());
        let even = |rng: &mut NormalSource| 2.0 * rng.uniform() - 1.0;
        // Every number is drawn whether it is used or not, so that a change of p does not shift all that follow.
        then(chance(p, rng) && self.mirror && rng.uniform() < 0.5, scale(-1.0, 1.0));
        let (on, turns) = (chance(p, rng), rng.below(4));
        then(on, Matrix3::new_rotation(PI / 2.0 * turns as f64));
        let whole = |share: f64| 2.0 * (share * side as f64).round() / side as f64;
        let (on, x, y) = (chance(p, rng), 0.125 * even(rng), 0.125 * even(rng));
        then(on, shift(whole(x), whole(y)));
        let (on, size) = (chance(p, rng), (0.2 * normal(rng)).exp2());
        then(on, scale(1.0 / size, 1.0 / size));
        // Two rotations, one of which happens with probability p.
        let once = 1.0 - (1.0 - p).sqrt();
        let (on, angle) = (chance(once, rng), PI * even(rng));
        then(on, Matrix3::new_rotation(angle));
        let (on, stretch) = (chance(p, rng), (0.2 * normal(rng)).exp2());
        then(on, scale(1.0 / stretch, stretch));
        let (on, angle) = (chance(once, rng), PI * even(rng));
        then(on, Matrix3::new_rotation(angle));
        let (on, x, y) = (chance(p, rng), 0.25 * normal(rng), 0.25 * normal(rng));
        then(on, shift(x, y));
        map
    }

    /// Of RGB values in [-1, 1] and a 1 behind them.
    fn colours(&self, rng: &mut NormalSource) -> Matrix4<f64> {
        let p = self.p;
        let mut map = Matrix4::identity();
        let mut then = |on: bool, step: Matrix4<f64>| {
            if on {
                map = step * map;
            }
        };
        let chance = |rng: &mut NormalSource| rng.uniform() < p;
        let normal = |rng: &mut NormalSource| f64::from(rng.normals(1).first().copied().unwrap_or_default());
        let luma = Vector3::new(1.0, 1.0, 1.0) / 3f64.sqrt();
        let grey = {
            let v = Vector4::new(luma.x, luma.y, luma.z, 0.0);
            v * v.transpose()
        };
        let (on, brightness) = (chance(rng), 0.2 * normal(rng));
        then(on, Matrix4::new_translation(&Vector3::repeat(brightness)));
        let (on, contrast) = (chance(rng), (0.5 * normal(rng)).exp2());
        then(on, Matrix4::new_scaling(contrast));
        let on = chance(rng) && rng.uniform() < 0.5;
        then(on, Matrix4::identity() - grey * 2.0);
        let (on, hue) = (chance(rng), PI * (2.0 * rng.uniform() - 1.0));
        then(on, Rotation3::from_axis_angle(&Unit::new_unchecked(luma), hue).to_homogeneous());
        let (on, saturation) = (chance(rng), normal(rng).exp2());
        let kept = grey + Matrix4::from_diagonal(&Vector4::new(0.0, 0.0, 0.0, 1.0));
        then(on, kept + (Matrix4::identity() - kept) * saturation);
        map
    }
}

/// One transformation for each image of a batch.
#[derive(Clone, Debug)]
pub struct Transform {
    /// Where each pixel comes from, `[batch, side, side, 2]`.
    grid: Tensor<4>,
    /// `[batch, 3, 3]`.
    colour: Tensor<3>,
    /// `[batch, 3, 1]`.
    offset: Tensor<3>,
}

impl Transform {
    /// The transformations of these images of the batch.
    pub fn select(&self, rows: &[usize]) -> Self {
        let rows = index_tensor(rows, &self.grid.device());
        Self {
            grid: self.grid.clone().select(0, rows.clone()),
            colour: self.colour.clone().select(0, rows.clone()),
            offset: self.offset.clone().select(0, rows),
        }
    }

    /// Transforms images `[batch, channels, side, side]`; colours only where there are three channels.
    pub fn apply(&self, images: Tensor<4>) -> Tensor<4> {
        let options =
            GridSampleOptions::new(InterpolateMode::Bilinear).with_padding_mode(GridSamplePaddingMode::Reflection);
        let images = images.grid_sample_2d(self.grid.clone(), options);
        let [batch, channels, height, width] = images.dims();
        if channels != 3 {
            return images;
        }
        let pixels = images.reshape([batch, 3, height * width]);
        let offset = self.offset.clone().expand([batch, 3, height * width]);
        (self.colour.clone().matmul(pixels) + offset).reshape([batch, 3, height, width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::flat::to_vec;

    fn images(batch: usize, side: usize, device: &Device) -> Tensor<4> {
        let values = NormalSource::new(9, 0).normals(batch * 3 * side * side);
        Tensor::from_data(TensorData::new(values, [batch, 3, side, side]), device)
    }

    #[test]
    fn p_moves_towards_the_target_and_stays_a_probability() {
        let mut augment = Augment { images_to_full: 1000.0, ..Augment::default() };
        augment.adapt(0.9, 300);
        assert!((augment.p - 0.3).abs() < 1e-12);
        augment.adapt(0.5, 100);
        assert!((augment.p - 0.2).abs() < 1e-12);
        augment.adapt(0.5, 400);
        assert_eq!(augment.p, 0.0);
        augment.adapt(0.7, 5000);
        assert_eq!(augment.p, 1.0);
    }

    #[test]
    fn nothing_happens_without_probability_and_everything_with() {
        let device = Device::flex();
        let none = Augment::default();
        assert!(none.draw(4, 8, &mut NormalSource::new(1, 0), &device).is_none());
        let x = images(16, 8, &device);
        // With a small p most images stay what they are, to rounding.
        let rare = Augment { p: 0.02, ..none };
        let out = rare.draw(16, 8, &mut NormalSource::new(1, 0), &device).expect("a transform").apply(x.clone());
        let change: Vec<f32> = to_vec((out - x.clone()).abs().reshape([16, 192]).max_dim(1).reshape([16]));
        let same = change.iter().filter(|c| **c < 1e-4).count();
        assert!((8..16).contains(&same), "{change:?}");
        let always = Augment { p: 1.0, ..none };
        let out = always.draw(16, 8, &mut NormalSource::new(1, 0), &device).expect("a transform").apply(x.clone());
        let change: Vec<f32> = to_vec((out - x).abs().reshape([16, 192]).max_dim(1).reshape([16]));
        assert!(change.iter().all(|c| *c > 0.1), "{change:?}");
    }

    #[test]
    fn known_maps_by_hand() {
        let device = Device::flex();
        let x = images(1, 4, &device);
        let identity = |map: Matrix3<f64>| {
            let mut grid = Vec::new();
            for y in 0..4 {
                for x in 0..4 {
                    let from = map * Vector3::new((2 * x + 1) as f64 / 4.0 - 1.0, (2 * y + 1) as f64 / 4.0 - 1.0, 1.0);
                    grid.extend([from.x as f32, from.y as f32]);
                }
            }
            Transform {
                grid: Tensor::from_data(TensorData::new(grid, [1, 4, 4, 2]), &device),
                colour: Tensor::<2>::eye(3, &device).unsqueeze(),
                offset: Tensor::zeros([1, 3, 1], &device),
            }
        };
        let values = to_vec(x.clone().reshape([48]));
        let mirrored = identity(Matrix3::new_nonuniform_scaling(&nalgebra::Vector2::new(-1.0, 1.0)));
        let shifted = identity(Matrix3::new_translation(&nalgebra::Vector2::new(0.5, 0.0)));
        let (m, s) = (to_vec(mirrored.apply(x.clone()).reshape([48])), to_vec(shifted.apply(x).reshape([48])));
        for row in 0..12 {
            for i in 0..4 {
                assert!((m[row * 4 + i] - values[row * 4 + 3 - i]).abs() < 1e-5);
            }
            // One pixel to the right is seen; the border is reflected.
            for (i, from) in [1, 2, 3, 3].into_iter().enumerate() {
                assert!((s[row * 4 + i] - values[row * 4 + from]).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn gradients_flow_through_as_differences_say() {
        let device = Device::flex();
        let transform = Augment { p: 1.0, ..Augment::default() }
            .draw(2, 4, &mut NormalSource::new(3, 0), &device)
            .expect("a transform");
        let weights = images(2, 4, &device) * 0.7 + 0.1;
        let loss = |x: Tensor<4>| (transform.apply(x) * weights.clone()).sum();
        let x = images(2, 4, &device) + 0.3;
        let leaf = x.clone().autodiff().require_grad();
        let lifted = |t: Tensor<4>| t.autodiff();
        let out = Transform {
            grid: lifted(transform.grid.clone()),
            colour: transform.colour.clone().autodiff(),
            offset: transform.offset.clone().autodiff(),
        };
        let value = (out.apply(leaf.clone()) * lifted(weights.clone())).sum();
        let gradient = leaf.grad(&value.backward()).expect("a gradient");
        // The map is affine: its gradient times any step is the exact difference.
        let step = images(2, 4, &device) - 0.5;
        let expected = to_vec(loss(x.clone() + step.clone()) - loss(x))[0];
        let found = to_vec((gradient * step).sum())[0];
        assert!((found - expected).abs() < 1e-3 * expected.abs().max(1.0), "{found} instead of {expected}");
    }

    #[test]
    fn the_mean_over_many_draws_of_a_grey_image_stays_grey() {
        let device = Device::flex();
        let grey = Tensor::<4>::ones([64, 3, 4, 4], &device) * 0.2;
        let augment = Augment { p: 1.0, ..Augment::default() };
        let out = augment.draw(64, 4, &mut NormalSource::new(5, 0), &device).expect("a transform").apply(grey);
        // Hue and saturation leave grey alone, brightness, contrast and inversion move all channels alike.
        for pixel in to_vec(out.mean_dim(2).mean_dim(3).reshape([192])).chunks(3) {
            assert!((pixel[0] - pixel[1]).abs() < 1e-4 && (pixel[1] - pixel[2]).abs() < 1e-4, "{pixel:?}");
        }
    }
}
