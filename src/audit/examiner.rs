//! What tells negatives from positives, as a number that can be climbed: a probe through the networks.
//!
//! Logistic regression on the last 4x4 maps of the original's discriminator, or, without one, on a small copy of the picture. It is learned from many
//! labelled samples of the original, and from nothing of the model that is audited.

use burn::tensor::{Tensor, TensorData};

use crate::{
    feedback::probe::auc,
    networks::{Discriminator, FlatParams, Leaves, flat::to_vec},
};

/// Side of the small copy of a picture.
const SMALL: usize = 16;
/// Steps of the regression, their size, and the weight of the squared norm of the plane.
const STEPS: usize = 300;
const RATE: f64 = 0.02;
const STRENGTH: f64 = 1e-3;
/// Every so many samples of each kind are held out to see how well the probe tells them apart.
const HELD_OUT: usize = 5;

enum Sight {
    Maps(Discriminator, Leaves),
    Picture,
}

/// A probe through the networks.
pub struct Examiner {
    sight: Sight,
    /// `[features, 1]`.
    plane: Tensor<2>,
    offset: f32,
    /// How well it tells negatives from positives that it did not learn from: the area under the ROC curve.
    pub separation: f64,
    /// What it looks at, for people.
    pub sees: &'static str,
}

impl Examiner {
    /// Learns from pictures of both kinds, each `[n, channels, side, side]` row-major; `pass` of them at a time.
    pub fn learn(
        discriminator: Option<(&Discriminator, &FlatParams)>,
        [negatives, positives]: [&[f32]; 2],
        shape: [usize; 3],
        pass: usize,
        device: &burn::tensor::Device,
    ) -> Self {
        let (sight, sees) = match discriminator {
            Some((network, weights)) => {
                (Sight::Maps(network.clone(), weights.constants()), "the original discriminator's last maps")
            }
            None => (Sight::Picture, "a small copy of the picture"),
        };
        let size: usize = shape.iter().product();
        let features = |pictures: &[f32]| -> Tensor<2> {
            let parts = pictures.chunks(size * pass.max(1)).map(|part| {
                let shape = [part.len() / size, shape[0], shape[1], shape[2]];
                sight.features(Tensor::from_data(TensorData::new(part.to_vec(), shape), device))
            });
            Tensor::cat(parts.collect(), 0)
        };
        let (n, p) = (features(negatives), features(positives));
        let split = |x: &Tensor<2>, held: bool| {
            let rows: Vec<i64> =
                (0..x.dims()[0]).filter(|row| (row % HELD_OUT == 0) == held).map(|row| row as i64).collect();
            let count = rows.len();
            x.clone().select(0, Tensor::from_data(TensorData::new(rows, [count]), device))
        };
        let (learned, offset) = regression(split(&n, false), split(&p, false));
        let score = |x: Tensor<2>| to_vec(x.matmul(learned.clone()));
        let (n, p) = (score(split(&n, true)), score(split(&p, true)));
        let kinds: Vec<bool> = n.iter().map(|_| true).chain(p.iter().map(|_| false)).collect();
        let scores: Vec<f64> = n.iter().chain(&p).map(|score| f64::from(*score)).collect();
        let separation = auc(&scores, &kinds).unwrap_or(0.5);
        Self { sight, plane: learned, offset, separation, sees }
    }

    /// Log-odds that pictures `[n, channels, side, side]` show it, `[n, 1]`; differentiable.
    pub fn log_odds(&self, pictures: Tensor<4>) -> Tensor<2> {
        self.sight.features(pictures).matmul(self.plane.clone()) + self.offset
    }
}

impl Sight {
    fn features(&self, pictures: Tensor<4>) -> Tensor<2> {
        let maps = match self {
            Self::Maps(discriminator, leaves) => discriminator.trunk(leaves, pictures.into()).value,
            Self::Picture => {
                let [n, channels, height, width] = pictures.dims();
                let (down, across) = (height.min(SMALL), width.min(SMALL));
                let x = pictures.reshape([n * channels * down, height / down, across, width / across]);
                x.mean_dim(3).mean_dim(1).reshape([n, channels, down, across])
            }
        };
        maps.flatten(1, 3)
    }
}

/// The plane `[features, 1]` and the offset of regularised logistic regression, both kinds weighing the same: Adam on standardised
/// features from zero, so that it is the same every time.
fn regression(negatives: Tensor<2>, positives: Tensor<2>) -> (Tensor<2>, f32) {
    let device = negatives.device();
    let (n, p) = (negatives.dims()[0], positives.dims()[0]);
    let x = Tensor::cat(vec![negatives, positives], 0);
    let mean = x.clone().mean_dim(0);
    let deviation = (x.clone() - mean.clone()).square().mean_dim(0).sqrt();
    // A feature that does not vary says nothing.
    let scale = deviation.clone().mask_fill(deviation.clone().lower_elem(1e-6), f32::INFINITY).recip();
    let x = (x - mean.clone()) * scale.clone();
    let column = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [n + p, 1]), &device);
    let wanted = column([vec![1.0; n], vec![0.0; p]].concat());
    let weight = column([vec![0.5 / n.max(1) as f32; n], vec![0.5 / p.max(1) as f32; p]].concat());
    let features = x.dims()[1];
    let mut plane = Tensor::<2>::zeros([features, 1], &device);
    let mut offset = Tensor::<2>::zeros([1, 1], &device);
    let mut moments = [plane.clone(), plane.clone()];
    let mut offset_moments = [offset.clone(), offset.clone()];
    for step in 1..=STEPS {
        let odds = x.clone().matmul(plane.clone()) + offset.clone();
        let error = (burn::tensor::activation::sigmoid(odds) - wanted.clone()) * weight.clone();
        let slope = x.clone().transpose().matmul(error.clone()) + plane.clone() * STRENGTH;
        plane = adam(plane, slope, &mut moments, step);
        offset = adam(offset, error.sum_dim(0), &mut offset_moments, step);
    }
    let plane = plane * scale.transpose();
    let offset = offset - mean.matmul(plane.clone());
    (plane, to_vec(offset).first().copied().unwrap_or_default())
}

fn adam(value: Tensor<2>, slope: Tensor<2>, moments: &mut [Tensor<2>; 2], step: usize) -> Tensor<2> {
    const BETAS: [f64; 2] = [0.9, 0.99];
    moments[0] = moments[0].clone() * BETAS[0] + slope.clone() * (1.0 - BETAS[0]);
    moments[1] = moments[1].clone() * BETAS[1] + slope.square() * (1.0 - BETAS[1]);
    let [first, second] = [0, 1].map(|i| moments[i].clone() / (1.0 - BETAS[i].powi(step as i32)));
    value - first / (second.sqrt() + 1e-8) * RATE
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::networks::NormalSource;

    /// Pictures of 16x16 of noise, brighter in one corner if they are negatives.
    fn pictures(count: usize, bright: bool, rng: &mut NormalSource) -> Vec<f32> {
        let mut out = rng.normals(count * 256);
        if bright {
            out.chunks_exact_mut(256).for_each(|picture| picture[..4].iter_mut().for_each(|value| *value += 2.0));
        }
        out
    }

    #[test]
    fn a_probe_finds_what_tells_pictures_apart_and_its_slope_points_there() {
        let mut rng = NormalSource::new(5, 0);
        let (n, p) = (pictures(200, true, &mut rng), pictures(400, false, &mut rng));
        let device = Device::flex();
        let examiner = Examiner::learn(None, [&n, &p], [1, 16, 16], 64, &device);
        assert!(examiner.separation > 0.95, "{}", examiner.separation);
        let x = Tensor::<4>::from_data(TensorData::new(vec![0.0f32; 256], [1, 1, 16, 16]), &device);
        let x = x.autodiff().require_grad();
        let slope = x.grad(&examiner.log_odds(x.clone()).sum().backward()).map(to_vec).expect("a slope");
        let most = slope.iter().fold(0.0f32, |most, value| most.max(*value));
        assert!(slope[..4].iter().all(|value| *value > 0.5 * most), "{:?}", &slope[..6]);
    }
}
