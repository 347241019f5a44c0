//! Where the marked thing is in the pictures, by all regions together: how much each part of a picture counts.

use super::marks::Feedback;

/// Side of the finest grid that regions are laid on.
const FINEST: usize = 32;
/// Cells that count less than this part of the one that counts most are left out.
const LEAST: f64 = 0.1;

/// How much each part of a picture counts: the mean of the regions of the negative samples. The same part in every picture, as
/// what a model makes is roughly aligned (faces are); where marks say different places, each counts as often as it was said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RegionMap(Vec<f64>);

impl RegionMap {
    /// Of the regions of the negative samples; `None` if none says where.
    pub(super) fn of(feedback: &Feedback) -> Option<Self> {
        let mut sum = vec![0.0; FINEST * FINEST];
        let mut count = 0.0;
        for region in feedback.negative_regions() {
            for (sum, part) in sum.iter_mut().zip(region.coverage(FINEST)) {
                *sum += part;
            }
            count += 1.0;
        }
        sum.iter().any(|&part| part > 0.0).then(|| Self(sum.into_iter().map(|part| part / count).collect()))
    }

    /// The cells of a grid of this side that count, with their weights; the largest weight is 1.
    pub(super) fn cells(&self, side: usize) -> Vec<(usize, f64)> {
        // Points along a cell's side that are looked up.
        let points = FINEST.div_ceil(side.max(1));
        let at = |cell: usize, point: usize| (cell * points + point) * FINEST / (side * points);
        let weight = |cell: usize| {
            let (y, x) = (cell / side, cell % side);
            let row = |v: usize| (0..points).map(move |u| self.0[at(y, v) * FINEST + at(x, u)]).sum::<f64>();
            (0..points).map(row).sum::<f64>()
        };
        let weights: Vec<f64> = (0..side * side).map(weight).collect();
        let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let scaled = weights.into_iter().map(|weight| weight / largest).enumerate();
        scaled.filter(|&(_, weight)| weight >= LEAST).collect()
    }

    /// Of planes `[planes, side, side]` the cells that count, each times the root of its weight: squared distances then count
    /// by the weights.
    pub(super) fn weigh(&self, planes: &[f32], side: usize) -> Vec<f32> {
        let cells: Vec<(usize, f32)> = self.cells(side).into_iter().map(|(i, w)| (i, w.sqrt() as f32)).collect();
        let plane = |plane: &[f32]| cells.iter().map(|&(i, root)| plane[i] * root).collect::<Vec<_>>();
        planes.chunks_exact((side * side).max(1)).flat_map(plane).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Mark, Region,
        marks::tests::{SHA, sample},
    };
    use super::*;

    fn marked(regions: &[Option<[f64; 4]>]) -> Feedback {
        let mut feedback = Feedback::new(SHA);
        for (index, region) in regions.iter().enumerate() {
            let sample = sample(0, index as u64, 1.0);
            feedback.mark(sample, Mark::Negative);
            let region =
                region.map(|[left, top, right, bottom]| Region::between([left, top], [right, bottom]).unwrap());
            feedback.set_region(sample, region);
        }
        feedback
    }

    #[test]
    fn regions_are_averaged_over_the_marks_that_have_one() {
        let left = Some([0.0, 0.0, 0.5, 0.25]);
        let map = RegionMap::of(&marked(&[left, None, left, Some([0.0, 0.0, 1.0, 0.25])])).unwrap();
        // A third of the marks with a region say the right half as well.
        let expected = [(0, 1.0), (1, 1.0), (2, 1.0 / 3.0), (3, 1.0 / 3.0)];
        for (found, expected) in map.cells(4).into_iter().zip(expected) {
            assert!(found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-12, "{found:?}");
        }
        assert_eq!(map.cells(4).len(), 4);
        let planes: Vec<f32> = (0..32).map(|i| i as f32).collect();
        let third = (1.0_f32 / 3.0).sqrt();
        let weighed = map.weigh(&planes, 4);
        for (found, expected) in weighed.iter().zip([0.0, 1.0, 2.0 * third, 3.0 * third, 16.0, 17.0]) {
            assert!((found - expected).abs() < 1e-5, "{weighed:?}");
        }
        assert_eq!(weighed.len(), 8);
    }

    #[test]
    fn what_may_stay_and_what_has_no_region_say_nothing() {
        assert_eq!(RegionMap::of(&marked(&[None, None])), None);
        let mut feedback = Feedback::new(SHA);
        feedback.mark(sample(0, 0, 1.0), Mark::Positive);
        feedback.set_region(sample(0, 0, 1.0), Some(Region::between([0.0, 0.0], [1.0, 1.0]).unwrap()));
        assert_eq!(RegionMap::of(&feedback), None);
    }
}
