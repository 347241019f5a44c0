//! Between pictures and their patches.

use burn::tensor::Tensor;

/// Added to a patch's variance where patches are normalised.
const PATCH_EPSILON: f64 = 1e-6;

/// `[batch, channels, side, side]` to `[batch, patches, patch * patch * channels]`, the channel fastest.
pub(super) fn patchify(images: Tensor<4>, patch: usize) -> Tensor<3> {
    let [batch, channels, side, _] = images.dims();
    let across = side / patch;
    let cut: Tensor<6> = images.reshape([batch, channels, across, patch, across, patch]);
    cut.permute([0, 2, 4, 3, 5, 1]).reshape([batch, across * across, patch * patch * channels])
}

/// The way back.
pub(super) fn unpatchify(patches: Tensor<3>, patch: usize, channels: usize) -> Tensor<4> {
    let [batch, count, _] = patches.dims();
    let across = count.isqrt();
    let cut: Tensor<6> = patches.reshape([batch, across, across, patch, patch, channels]);
    cut.permute([0, 5, 1, 3, 2, 4]).reshape([batch, channels, across * patch, across * patch])
}

/// Mean and deviation of each patch, `[batch, patches, 1]`; the variance divides by one less than the number of values.
pub(super) fn patch_statistics(patches: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let values = patches.dims()[2] as f64;
    let mean = patches.clone().mean_dim(2);
    let variance = (patches - mean.clone()).square().sum_dim(2) / (values - 1.0).max(1.0);
    (mean, (variance + PATCH_EPSILON).sqrt())
}
