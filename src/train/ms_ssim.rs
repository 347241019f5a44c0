//! Multi-scale structural similarity (Wang, Simoncelli, Bovik 2003), differentiable.

use burn::tensor::{
    Tensor, TensorData,
    module::{avg_pool2d, conv2d},
    ops::{AvgPoolOptions, ConvOptions},
};

/// Weights of the scales, finest first (Wang et al. 2003, section 3.2).
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// Side of the Gaussian window, and its standard deviation, in pixels.
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// The constants of the paper, as parts of the range of values.
const K1: f64 = 0.01;
const K2: f64 = 0.03;
/// Range of values of images in `[-1, 1]`.
const RANGE: f64 = 2.0;
/// Similarities below this count as this: a power of 0 has no slope.
const LEAST: f64 = 1e-6;

/// MS-SSIM of each pair of images `[batch, channels, side, side]` in `[-1, 1]`: the mean over the batch and the channels, `[1]`,
/// 1 for equal images.
///
/// Five scales need a side of 176. Of smaller images those are used at which the window still fits, with the weights of these
/// scales brought to the sum 1.
///
/// # Panics
/// If the images differ in shape, or are smaller than the window.
pub fn ms_ssim(x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
    assert_eq!(x.dims(), y.dims());
    let [batch, channels, height, width] = x.dims();
    let used = scales(height.min(width));
    assert!(used > 0, "images of {height}x{width} are smaller than the window");
    // All five together are 1.0001; they are used as published.
    let sum: f64 = if used < WEIGHTS.len() { WEIGHTS.iter().take(used).sum() } else { 1.0 };
    let mut x = x.reshape([batch * channels, 1, height, width]);
    let mut y = y.reshape([batch * channels, 1, height, width]);
    let mut product: Option<Tensor<1>> = None;
    for (scale, weight) in WEIGHTS.iter().take(used).enumerate() {
        let (luminance_too, contrast) = similarity(x.clone(), y.clone());
        let part = if scale + 1 == used { luminance_too } else { contrast };
        let part = part.clamp_min(LEAST).powf_scalar((weight / sum) as f32);
        product = Some(product.map_or(part.clone(), |product| product * part));
        if scale + 1 < used {
            (x, y) = (halve(x), halve(y));
        }
    }
    product.map_or_else(|| Tensor::ones([1], &x.device()), |product| product.mean())
}

/// Scales at which the window fits into images of this side.
pub fn scales(side: usize) -> usize {
    (0..WEIGHTS.len()).take_while(|scale| side >> scale >= WINDOW).count()
}

/// SSIM and its contrast-and-structure part alone, of each image, `[images]`.
fn similarity(x: Tensor<4>, y: Tensor<4>) -> (Tensor<1>, Tensor<1>) {
    let (c1, c2) = ((K1 * RANGE).powi(2), (K2 * RANGE).powi(2));
    let (mx, my) = (blur(x.clone()), blur(y.clone()));
    let (mxx, myy, mxy) = (mx.clone().square(), my.clone().square(), mx * my);
    let vx = blur(x.clone().square()) - mxx.clone();
    let vy = blur(y.clone().square()) - myy.clone();
    let cov = blur(x * y) - mxy.clone();
    let contrast = (cov * 2.0 + c2) / (vx + vy + c2);
    let luminance = (mxy * 2.0 + c1) / (mxx + myy + c1);
    let mean = |map: Tensor<4>| {
        let images = map.dims()[0];
        map.reshape([images as i32, -1]).mean_dim(1).reshape([images])
    };
    (mean(luminance * contrast.clone()), mean(contrast))
}

/// The Gaussian window, only where it fits.
fn blur(x: Tensor<4>) -> Tensor<4> {
    let device = x.device();
    let across = |shape: [usize; 4]| Tensor::<4>::from_data(TensorData::new(window(), shape), &device);
    let options = || ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    let x = conv2d(x, across([1, 1, 1, WINDOW]), None, options());
    conv2d(x, across([1, 1, WINDOW, 1]), None, options())
}

fn window() -> Vec<f32> {
    let at = |i: usize| (-(i as f64 - (WINDOW / 2) as f64).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    let sum: f64 = (0..WINDOW).map(at).sum();
    (0..WINDOW).map(|i| (at(i) / sum) as f32).collect()
}

/// Means of 2x2 pixels.
fn halve(x: Tensor<4>) -> Tensor<4> {
    avg_pool2d(x, AvgPoolOptions::new([2, 2]))
}

/// Whether the window fits into images of this side at all.
pub fn fits(side: usize) -> bool {
    scales(side) > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{flat::to_vec, latents::NormalSource};
    use burn::tensor::Device;

    /// Two images that anybody can make: smooth waves, and the same moved and noisy by a fixed pattern.
    fn pair(side: usize, channels: usize, device: &Device) -> [Tensor<4>; 2] {
        let at = |c: usize, y: usize, x: usize, moved: f64| {
            let (c, y, x) = (c as f64, y as f64, x as f64);
            0.6 * (0.21 * x + 0.5 * c + moved).sin() * (0.13 * y - moved).cos() + 0.2 * (0.9 * x - 0.7 * y).sin()
        };
        [0.0, 0.4].map(|moved| {
            let values: Vec<f32> = (0..channels)
                .flat_map(|c| (0..side).flat_map(move |y| (0..side).map(move |x| (c, y, x))))
                .map(|(c, y, x)| {
                    let noise =
                        if moved > 0.0 { 0.1 * (((x * 7 + y * 13 + c * 5) % 11) as f64 / 5.0 - 1.0) } else { 0.0 };
                    (at(c, y, x, moved) + noise) as f32
                })
                .collect();
            Tensor::from_data(TensorData::new(values, [1, channels, side, side]), device)
        })
    }

    #[test]
    fn values_are_those_of_another_implementation() {
        // pytorch-msssim 1.0.0, data range 2, `size_average=True`, float64; of the smaller images with the weights of the
        // scales that fit (`_ssim` scale by scale). scripts/ms_ssim_reference.py prints them.
        let device = Device::flex();
        for (side, channels, scales_used, expected) in REFERENCE {
            let [x, y] = pair(*side, *channels, &device);
            assert_eq!(scales(*side), *scales_used);
            let found = to_vec(ms_ssim(x.clone(), y))[0];
            assert!((f64::from(found) - expected).abs() < 1e-5, "{side}: {found} for {expected}");
            let same = to_vec(ms_ssim(x.clone(), x))[0];
            assert!((same - 1.0).abs() < 1e-5, "{same}");
        }
        assert!(!fits(8) && fits(11) && scales(1024) == 5);
    }

    #[test]
    fn the_gradient_is_the_slope() {
        let device = Device::flex();
        let mut rng = NormalSource::new(5, 0);
        let [x, y] = pair(24, 1, &device);
        let toward: Vec<f32> = rng.normals(24 * 24);
        let toward = Tensor::<4>::from_data(TensorData::new(toward, [1, 1, 24, 24]), &device);
        let leaf = x.clone().autodiff().require_grad();
        let gradient = ms_ssim(leaf.clone(), y.clone().autodiff()).backward();
        let slope = leaf.grad(&gradient).map(|g| to_vec((g * toward.clone()).sum())[0]).unwrap();
        let step = 1e-2;
        let at = |t: f64| f64::from(to_vec(ms_ssim(x.clone() + toward.clone() * t, y.clone()))[0]);
        let expected = (at(step) - at(-step)) / (2.0 * step);
        assert!((f64::from(slope) - expected).abs() < 2e-2 * expected.abs(), "{slope} for {expected}");
    }

    const REFERENCE: &[(usize, usize, usize, f64)] =
        &[(32, 1, 2, 0.281176849), (64, 3, 3, 0.624976663), (192, 3, 5, 0.842264342)];
}
