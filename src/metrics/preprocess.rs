//! From a generator's images to a labeler's input: values, channels, size.

/// What a labeler wants to see.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Preprocess {
    /// 1 (luma) or 3 (RGB).
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Subtracted from values in [0, 1], by channel.
    pub mean: Vec<f32>,
    /// Then divided by, by channel.
    pub std: Vec<f32>,
}

impl Preprocess {
    /// Values of one prepared image.
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Appends the labeler's input `[channels, height, width]` for one image `[c, h, w]` with c 1 or 3 in [-1, 1].
    pub fn push(&self, input: &mut Vec<f32>, image: &[f32], [c, h, w]: [usize; 3]) {
        let planes: Vec<Vec<f32>> = match (c, self.channels) {
            (3, 1) => {
                let (r, gb) = image.split_at(h * w);
                let (g, b) = gb.split_at(h * w);
                let pixels = r.iter().zip(g).zip(b);
                vec![pixels.map(|((&r, &g), &b)| luma(to_unit(r), to_unit(g), to_unit(b))).collect()]
            }
            _ => image.chunks_exact(h * w).map(|plane| plane.iter().map(|&value| to_unit(value)).collect()).collect(),
        };
        for channel in 0..self.channels {
            let start = input.len();
            // One grey plane serves all three channels.
            resize(input, &planes[channel % planes.len()], [h, w], [self.height, self.width]);
            for value in &mut input[start..] {
                *value = (*value - self.mean[channel]) / self.std[channel];
            }
        }
    }
}

/// From [-1, 1], clamped, to [0, 1].
fn to_unit(value: f32) -> f32 {
    (value.clamp(-1.0, 1.0) + 1.0) * 0.5
}

/// Rec. 601 luma, as in every image library's conversion to grey.
fn luma(r: f32, g: f32, b: f32) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

/// Appends `plane` `[h, w]` in another size: bilinear, pixel centres at half, as PyTorch's `interpolate` without
/// `align_corners` and without `antialias`.
fn resize(output: &mut Vec<f32>, plane: &[f32], [h, w]: [usize; 2], [height, width]: [usize; 2]) {
    if (h, w) == (height, width) {
        output.extend_from_slice(plane);
        return;
    }
    let columns: Vec<_> = (0..width).map(|x| neighbours(x, w, width)).collect();
    for y in 0..height {
        let (top, bottom, down) = neighbours(y, h, height);
        let (top, bottom) = (&plane[top * w..][..w], &plane[bottom * w..][..w]);
        output.extend(columns.iter().map(|&(left, right, across)| {
            let upper = top[left] + (top[right] - top[left]) * across;
            let lower = bottom[left] + (bottom[right] - bottom[left]) * across;
            upper + (lower - upper) * down
        }));
    }
}

/// The two source positions around the centre of target position `at`, and the weight of the second.
fn neighbours(at: usize, source: usize, target: usize) -> (usize, usize, f32) {
    let centre = ((at as f32 + 0.5) * (source as f32 / target as f32) - 0.5).max(0.0);
    let first = (centre as usize).min(source - 1);
    (first, (first + 1).min(source - 1), (centre - first as f32).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(wanted: [usize; 3], image: &[f32], shape: [usize; 3]) -> Vec<f32> {
        let [channels, height, width] = wanted;
        let (mean, std) = (vec![0.0; channels], vec![1.0; channels]);
        let preprocess = Preprocess { channels, height, width, mean, std };
        let mut input = Vec::new();
        preprocess.push(&mut input, image, shape);
        assert_eq!(input.len(), preprocess.len());
        input
    }

    fn close(values: &[f32], expected: &[f32]) {
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{values:?} instead of {expected}");
        }
    }

    #[test]
    fn values_are_clamped_to_the_unit_range() {
        close(&prepare([1, 1, 4], &[-3.0, -1.0, 0.5, 1.5], [1, 1, 4]), &[0.0, 0.0, 0.75, 1.0]);
    }

    #[test]
    fn channels_become_luma_or_repeat() {
        // Red, green, blue, white: Rec. 601.
        let image = [1.0, -1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 1.0, 1.0];
        close(&prepare([1, 2, 2], &image, [3, 2, 2]), &[0.299, 0.587, 0.114, 1.0]);
        close(&prepare([3, 1, 2], &[-1.0, 0.0], [1, 1, 2]), &[0.0, 0.5, 0.0, 0.5, 0.0, 0.5]);
        close(&prepare([3, 1, 1], &[-1.0, 0.0, 1.0], [3, 1, 1]), &[0.0, 0.5, 1.0]);
    }

    #[test]
    fn mean_and_deviation_go_by_channel() {
        let preprocess =
            Preprocess { channels: 3, height: 1, width: 1, mean: vec![0.5, 0.0, 0.25], std: vec![0.5, 2.0, 0.25] };
        let mut input = vec![7.0];
        preprocess.push(&mut input, &[-1.0, 1.0, 0.0], [3, 1, 1]);
        close(&input, &[7.0, -1.0, 0.5, 1.0]);
    }

    /// `torch.nn.functional.interpolate(x, size, mode="bilinear", align_corners=False)` of x = i^2 / 121.
    #[test]
    fn resizing_agrees_with_pytorch() {
        let image: Vec<f32> = (0..12).map(|i| (i * i) as f32 / 121.0 * 2.0 - 1.0).collect();
        let table: [([usize; 2], &[f32]); 4] = [
            (
                [5, 6],
                &[
                    0.000, 0.0041322, 0.0123967, 0.0289256, 0.053719, 0.0743802, 0.0528926, 0.0702479, 0.0961433,
                    0.130303, 0.1727273, 0.2066116, 0.1322314, 0.1694215, 0.2217631, 0.2823691, 0.3512397, 0.4049587,
                    0.370248, 0.4272728, 0.5060607, 0.593113, 0.6884298, 0.7619836, 0.5289256, 0.5991735, 0.6955923,
                    0.8002756, 0.9132231, 1.0000000,
                ],
            ),
            ([2, 2], &[0.0454545, 0.1280992, 0.4917355, 0.7727273]),
            ([1, 1], &[0.2520661]),
            (
                [3, 4],
                &[
                    0.000, 0.0082645, 0.0330578, 0.0743802, 0.1322314, 0.2066116, 0.2975207, 0.4049587, 0.5289256,
                    0.6694215, 0.8264463, 1.0000000,
                ],
            ),
        ];
        for ([height, width], expected) in table {
            close(&prepare([1, height, width], &image, [1, 3, 4]), expected);
        }
        close(&prepare([1, 2, 3], &[0.0], [1, 1, 1]), &[0.5; 6]);
    }
}
