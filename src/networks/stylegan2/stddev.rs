//! Minibatch standard deviation (Karras et al. 2018): shows the discriminator how much a batch varies.

use burn::tensor::Tensor;

use super::keys::extension;
use crate::networks::{ArchitectureError, Dual, discriminator::BATCH_GROUP, params::ShapeReader};

const EPS: f64 = 1e-8;

/// Appends channels that hold the standard deviation over groups of samples, averaged over channels and pixels.
#[derive(Clone, Debug)]
pub(super) struct MinibatchStddev {
    /// Samples per group; `None` means the whole batch.
    group: Option<usize>,
    /// Number of appended channels, each the average over its share of the input's; 0 turns it off.
    pub(super) features: usize,
}

impl MinibatchStddev {
    /// Reads what differs from the reference (groups of 4, one channel) for an input of `channels`.
    pub(super) fn read(shapes: &mut ShapeReader, channels: usize) -> Result<Self, ArchitectureError> {
        let group = shapes.scalar(extension::STDDEV_GROUP, 0.0, 1e6)?.map_or(BATCH_GROUP, |group| group as usize);
        let features = shapes.scalar(extension::STDDEV_FEATURES, 0.0, channels as f32)?.map_or(1, |n| n as usize);
        if features > 0 && !channels.is_multiple_of(features) {
            return Err(shapes.misfit(extension::STDDEV_FEATURES, format!("a divisor of {channels}")));
        }
        Ok(Self { group: (group > 0).then_some(group), features })
    }

    /// Samples per group of a batch: the largest divisor of the batch that is not above the network's own group.
    pub(super) fn group(&self, batch: usize) -> usize {
        group_of(batch, self.group.unwrap_or(batch))
    }

    /// `[batch, channels, height, width]` to `[batch, channels + features, height, width]`.
    ///
    /// Sample `i` belongs to group `i mod (batch / group size)`, as in the reference.
    pub(super) fn append(&self, x: Dual<4>) -> Dual<4> {
        if self.features == 0 {
            return x;
        }
        let [batch, channels, height, width] = x.value.dims();
        let (group, features) = (self.group(batch), self.features);
        let groups = batch / group;
        let share = channels / features * height * width;
        let grouped = x.clone().linear(|x| x.reshape([group, groups * features, share]));
        let centred = grouped.linear(|x| x.clone() - x.mean_dim(0));
        let std = (centred.value.clone().square().mean_dim(0) + EPS).sqrt();
        let tangent = centred.tangent.map(|t| (centred.value * t).mean_dim(0) / std.clone());
        let channel = Dual { value: std, tangent }.linear(|s| -> Tensor<4> {
            let mean = s.mean_dim(2).reshape([1, groups * features, 1]);
            mean.expand([group, groups * features, height * width]).reshape([batch, features, height, width])
        });
        let tangent = match (x.tangent, channel.tangent) {
            (Some(a), Some(b)) => Some(Tensor::cat(vec![a, b], 1)),
            _ => None,
        };
        Dual { value: Tensor::cat(vec![x.value, channel.value], 1), tangent }
    }
}

/// The largest divisor of `batch` that is not above `most`; 1 for an empty batch.
fn group_of(batch: usize, most: usize) -> usize {
    (1..=most.min(batch)).rev().find(|group| batch.is_multiple_of(*group)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::group_of;

    #[test]
    fn groups_divide_the_batch() {
        for (batch, most, group) in [(3, 4, 3), (8, 4, 4), (16, 32, 16), (12, 8, 6), (7, 4, 1), (1, 4, 1), (0, 4, 1)] {
            assert_eq!(group_of(batch, most), group, "{batch} in groups of {most}");
        }
    }
}
