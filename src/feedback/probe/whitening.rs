//! Features of very different size and correlation, brought to a common scale.

use nalgebra::{DMatrix, SymmetricEigen};

/// Directions kept at most: the ones along which the reference varies most.
const MOST_DIRECTIONS: usize = 160;
/// A linear map that centres features and shrinks the directions in which a reference set varies most (principal
/// component analysis with a ridge); its outputs have mean squared norm 1 over that set.
#[derive(Clone, Debug)]
pub struct Whitening {
    mean: Vec<f64>,
    /// One row for each direction, scaled.
    directions: DMatrix<f64>,
}

impl Whitening {
    /// Fits the map to `features`, `[samples, width]` row-major; `None` for fewer than two samples, features that do not
    /// vary, or values that are not finite. `ridge` times the largest variance is added to every variance: small directions
    /// are noise and must not be blown up.
    pub fn fit(features: &[f32], width: usize, ridge: f64) -> Option<Self> {
        let samples = features.len() / width.max(1);
        if samples < 2 || features.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut centred = DMatrix::from_row_iterator(samples, width, features.iter().map(|&value| f64::from(value)));
        let mean: Vec<f64> = centred.row_mean().iter().copied().collect();
        for (mut column, mean) in centred.column_iter_mut().zip(&mean) {
            column.add_scalar_mut(-mean);
        }
        let scale = 1.0 / (samples - 1) as f64;
        // The smaller of the two products has the same eigenvalues.
        let wide = width > samples;
        let product = if wide { &centred * centred.transpose() } else { centred.transpose() * &centred };
        let eigen = SymmetricEigen::new(product * scale);
        let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let largest = eigen.eigenvalues[*order.first()?];
        if !largest.is_finite() || largest <= 0.0 {
            return None;
        }
        order.retain(|&i| eigen.eigenvalues[i] > largest * 1e-9);
        order.truncate(MOST_DIRECTIONS);
        let mut directions = DMatrix::zeros(order.len(), width);
        for (row, &i) in order.iter().enumerate() {
            let vector = eigen.eigenvectors.column(i);
            let direction = if wide { centred.transpose() * vector } else { vector.into_owned() };
            let unit = direction.norm().max(f64::MIN_POSITIVE);
            let shrink = (eigen.eigenvalues[i] + ridge * largest).sqrt();
            directions.set_row(row, &(direction.transpose() / (unit * shrink)));
        }
        let norm = (&directions * centred.transpose()).norm_squared() / samples as f64;
        Some(Self { mean, directions: directions / norm.sqrt() })
    }

    /// Number of values that [`Self::apply`] gives.
    pub fn width(&self) -> usize {
        self.directions.nrows()
    }

    /// Maps one sample's features.
    pub fn apply(&self, features: &[f32]) -> Vec<f64> {
        let centred = features.iter().zip(&self.mean).map(|(&value, mean)| f64::from(value) - mean);
        let centred = nalgebra::DVector::from_iterator(self.mean.len(), centred);
        (&self.directions * centred).iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::NormalSource;

    /// Two strong correlated features, one weak, one constant; as wide as asked with copies.
    fn features(samples: usize, copies: usize) -> Vec<f32> {
        let mut rng = NormalSource::new(5, 0);
        (0..samples)
            .flat_map(|_| {
                let n = rng.normals(3);
                let row = [100.0 * n[0] + 7.0, 90.0 * n[0] + 40.0 * n[1], 0.01 * n[2], 3.0];
                row.repeat(copies)
            })
            .collect()
    }

    #[test]
    fn the_reference_gets_mean_zero_and_norm_one_whichever_product_is_smaller() {
        for (samples, copies) in [(400, 1), (30, 12)] {
            let width = 4 * copies;
            let data = features(samples, copies);
            let map = Whitening::fit(&data, width, 0.1).expect("a map");
            let mapped: Vec<Vec<f64>> = data.chunks(width).map(|row| map.apply(row)).collect();
            let norm: f64 = mapped.iter().flatten().map(|x| x * x).sum::<f64>() / samples as f64;
            assert!((norm - 1.0).abs() < 1e-9, "{norm}");
            for direction in 0..map.width() {
                let mean: f64 = mapped.iter().map(|row| row[direction]).sum::<f64>() / samples as f64;
                assert!(mean.abs() < 1e-9, "{mean}");
            }
            // Strong directions come out nearly alike, though the variance of one is a twentieth of the other's.
            let variance = |d: usize| mapped.iter().map(|row| row[d] * row[d]).sum::<f64>();
            assert!(variance(0) / variance(1) < 5.0);
        }
    }

    #[test]
    fn both_products_give_the_same_map() {
        let data = features(40, 10);
        let wide = Whitening::fit(&data[..39 * 40], 40, 0.1).expect("a map");
        let tall = Whitening::fit(&[&data[..39 * 40], &data[..39 * 40]].concat(), 40, 0.1).expect("a map");
        let distance = |map: &Whitening, a: usize, b: usize| -> f64 {
            let (a, b) = (map.apply(&data[a * 40..][..40]), map.apply(&data[b * 40..][..40]));
            a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum()
        };
        for (a, b) in [(0, 1), (3, 20), (7, 8)] {
            assert!((distance(&wide, a, b) / distance(&tall, a, b) - 1.0).abs() < 0.05);
        }
    }

    #[test]
    fn what_does_not_vary_has_no_map() {
        assert!(Whitening::fit(&[1.0; 12], 3, 0.1).is_none());
        assert!(Whitening::fit(&[1.0, 2.0], 2, 0.1).is_none());
        assert!(Whitening::fit(&[1.0, f32::NAN, 2.0, 3.0], 2, 0.1).is_none());
        assert!(Whitening::fit(&[], 2, 0.1).is_none());
    }
}
