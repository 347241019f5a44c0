//! The Fréchet distance between two sets of samples: how far a labeler's features moved as a whole.
//!
//! Each set is summed up as a Gaussian (mean `m`, covariance `C`); the distance is
//! `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))` (Fréchet 1957; Heusel et al. 2017, who call it FID when the features
//! are Inception's). The trace of the root is that of `(C1^(1/2) C2 C1^(1/2))^(1/2)`, a symmetric matrix without
//! negative eigenvalues, so that dead or dependent features do no harm.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Wider features would need gigabytes and hours for their covariance.
pub const MAX_WIDTH: usize = 4096;

/// A QR sweep converges in two or three steps per eigenvalue; this many means it never will.
const MAX_SWEEPS_PER_FEATURE: usize = 100;

/// Feature vectors of a set of samples: `[rows, width]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    pub values: Vec<f32>,
    /// Features per sample.
    pub width: usize,
}

impl Features {
    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// The samples whose number fulfils `keep`, in order.
    pub fn select(&self, keep: impl Fn(usize) -> bool) -> Self {
        let rows = self.values.chunks_exact(self.width.max(1)).enumerate();
        let values = rows.filter(|&(row, _)| keep(row)).flat_map(|(_, values)| values).copied().collect();
        Self { values, width: self.width }
    }
}

/// What of a labeler's answers a distance is measured on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrechetBasis {
    /// Its output `features`.
    #[default]
    Features,
    /// Its scores, as it has no such output.
    Scores,
}

impl FrechetBasis {
    /// Decimals worth showing: features have units of their own, scores are often probabilities.
    pub fn decimals(self) -> usize {
        match self {
            Self::Features => 1,
            Self::Scores => 4,
        }
    }

    /// What has to be said beside the number, if anything.
    pub fn note(self) -> Option<&'static str> {
        match self {
            Self::Features => None,
            Self::Scores => Some("measured on the labeler's scores, as it has no output `features`"),
        }
    }
}

/// By what part of their mean eigenvalues are raised, one attempt after the other.
const RAISED: [f64; 4] = [0.0, 1e-12, 1e-10, 1e-8];

/// Why a distance has no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrechetError {
    #[error("a Fréchet distance needs at least {needed} samples, there are {rows}")]
    TooFew { rows: usize, needed: usize },
    #[error("a Fréchet distance needs features of one width, these have {0} and {1}")]
    Widths(usize, usize),
    #[error("a Fréchet distance takes 1 to {MAX_WIDTH} features a sample, these have {0}")]
    Width(usize),
    #[error("the features of sample {0} are not all finite numbers")]
    NotFinite(usize),
    #[error("the eigenvalues of the features' covariance were not found")]
    NoEigenvalues,
}

/// Mean and covariance of a set of feature vectors.
#[derive(Clone, Debug)]
pub struct Gaussian {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

impl Gaussian {
    /// The mean and the unbiased covariance (divided by `rows - 1`) of at least two samples.
    pub fn from_features(features: &Features) -> Result<Self, FrechetError> {
        let (rows, width) = (features.rows(), features.width);
        if width == 0 || width > MAX_WIDTH {
            return Err(FrechetError::Width(width));
        }
        if rows < 2 {
            return Err(FrechetError::TooFew { rows, needed: 2 });
        }
        if let Some(bad) = features.values.iter().position(|value| !value.is_finite()) {
            return Err(FrechetError::NotFinite(bad / width));
        }
        let mut mean = vec![0.0; width];
        for row in features.values.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        mean.iter_mut().for_each(|sum| *sum /= rows as f64);

        let mut centred = Vec::with_capacity(rows * width);
        for row in features.values.chunks_exact(width) {
            centred.extend(row.iter().zip(&mean).map(|(&value, mean)| f64::from(value) - mean));
        }
        let mut covariance = vec![0.0; width * width];
        covariance.par_chunks_exact_mut(width).enumerate().for_each(|(i, sums)| {
            for row in centred.chunks_exact(width) {
                let factor = row[i];
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value);
            }
            sums.iter_mut().for_each(|sum| *sum /= (rows - 1) as f64);
        });
        Ok(Self { mean: mean.into(), covariance: DMatrix::from_vec(width, width, covariance) })
    }

    /// The (squared) Fréchet distance to another Gaussian of the same width; never negative.
    pub fn distance(&self, other: &Self) -> Result<f64, FrechetError> {
        if self.mean.len() != other.mean.len() {
            return Err(FrechetError::Widths(self.mean.len(), other.mean.len()));
        }
        // With C1 = V L V^T, the matrix L^(1/2) V^T C2 V L^(1/2) has the eigenvalues of C1^(1/2) C2 C1^(1/2).
        let SymmetricEigen { eigenvectors, eigenvalues } = eigen(self.covariance.clone())?;
        let roots = eigenvalues.map(|value| value.max(0.0).sqrt());
        let mut product = eigenvectors.transpose() * &other.covariance * &eigenvectors;
        for row in 0..product.nrows() {
            for column in 0..product.ncols() {
                product[(row, column)] *= roots[row] * roots[column];
            }
        }
        let symmetric = (&product + product.transpose()) * 0.5;
        let root_trace: f64 = eigen(symmetric)?.eigenvalues.iter().map(|value| value.max(0.0).sqrt()).sum();
        let means = (&self.mean - &other.mean).norm_squared();
        Ok((means + self.covariance.trace() + other.covariance.trace() - 2.0 * root_trace).max(0.0))
    }
}

/// The (squared) Fréchet distance between two sets of samples.
pub fn frechet_distance(a: &Features, b: &Features) -> Result<f64, FrechetError> {
    Gaussian::from_features(a)?.distance(&Gaussian::from_features(b)?)
}

/// The distance between two halves (even and odd rows) of one set: what nothing but chance amounts to.
///
/// A Fréchet distance estimated from `n` samples is biased: it exceeds the true one by an amount that goes with `1/n`.
/// The true distance of the halves is 0, so this is the bias alone, at half the samples; the same bias at all
/// samples is about half as large. Distances near the floor or below it say that nothing moved.
pub fn frechet_floor(features: &Features) -> Result<f64, FrechetError> {
    if features.rows() < 4 {
        return Err(FrechetError::TooFew { rows: features.rows(), needed: 4 });
    }
    frechet_distance(&features.select(|row| row % 2 == 0), &features.select(|row| row % 2 == 1))
}

/// Eigenvalues and eigenvectors of a covariance. Where features say the same, or nothing, some eigenvalues are 0, and next to zeros the
/// iteration may find nothing small enough to end: then all are raised by a little first, which is taken off again.
fn eigen(matrix: DMatrix<f64>) -> Result<SymmetricEigen<f64, nalgebra::Dyn>, FrechetError> {
    // Zero sweeps would mean no limit, hence the 1 for a single feature.
    let sweeps = 1 + MAX_SWEEPS_PER_FEATURE * matrix.nrows();
    let mean = matrix.trace() / matrix.nrows() as f64;
    for share in RAISED {
        let raise = share * mean;
        let mut raised = matrix.clone();
        (0..raised.nrows()).for_each(|place| raised[(place, place)] += raise);
        if let Some(mut found) = SymmetricEigen::try_new(raised, f64::EPSILON, sweeps)
            && found.eigenvalues.iter().all(|value| value.is_finite())
        {
            found.eigenvalues.add_scalar_mut(-raise);
            return Ok(found);
        }
    }
    Err(FrechetError::NoEigenvalues)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::latents::NormalSource;

    fn diagonal(mean: &[f64], deviations: &[f64]) -> Gaussian {
        let variances = DVector::from_iterator(deviations.len(), deviations.iter().map(|s| s * s));
        Gaussian { mean: DVector::from_column_slice(mean), covariance: DMatrix::from_diagonal(&variances) }
    }

    fn close(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() <= tolerance, "{value} instead of {expected}");
    }

    /// Integers from a small generator that the reference script repeats: `[rows, 3]`, the third feature dead.
    fn fixed(rows: u32, factor: u32) -> Features {
        let values = (0..rows).flat_map(|i| {
            let (a, b) = ((i * factor) % 17, (i * i + factor) % 11);
            [a as f32 * 0.5, b as f32 + 0.25 * a as f32, 1.5]
        });
        Features { values: values.collect(), width: 3 }
    }

    #[test]
    fn diagonal_gaussians_have_a_closed_form() {
        let a = diagonal(&[0.0, 1.0, -2.0, 4.0], &[1.0, 2.0, 0.0, 3.0]);
        let b = diagonal(&[0.5, 1.0, -2.0, 0.0], &[2.0, 0.5, 0.0, 0.0]);
        // Means 0.25 + 16, deviations 1 + 2.25 + 0 + 9.
        close(a.distance(&b).unwrap(), 28.5, 1e-12);
        close(b.distance(&a).unwrap(), 28.5, 1e-12);
        close(a.distance(&a).unwrap(), 0.0, 1e-12);
    }

    /// numpy and scipy: `m = X.mean(0)`, `C = np.cov(X.T)`, `scipy.linalg.sqrtm(C1 @ C2)`.
    #[test]
    fn agrees_with_scipy() {
        let (a, b) = (fixed(40, 5), fixed(29, 12));
        let gaussian = Gaussian::from_features(&a).unwrap();
        let means = [3.9125, 8.95625, 1.5];
        let covariances =
            [6.190865384615385, 2.839022435897436, 0.0, 2.839022435897436, 7.29130608974359, 0.0, 0.0, 0.0, 0.0];
        for (value, expected) in gaussian.mean.iter().zip(means) {
            close(*value, expected, 1e-12);
        }
        for (value, expected) in gaussian.covariance.iter().zip(covariances) {
            close(*value, expected, 1e-12);
        }
        close(frechet_distance(&a, &b).unwrap(), 4.757998369248597, 1e-6);
        close(frechet_distance(&b, &a).unwrap(), 4.757998369248597, 1e-6);
        close(frechet_floor(&a).unwrap(), 0.6942167811363475, 1e-6);
    }

    #[test]
    fn the_floor_is_small_and_a_shift_is_its_square() {
        let width = 20;
        let mut source = NormalSource::new(11, 0);
        let mut values = source.normals(4000 * width);
        // A dead feature and a copy of another: a singular covariance.
        for row in values.chunks_exact_mut(width) {
            row[3] = 0.0;
            row[4] = row[5];
        }
        let features = Features { values, width };
        let mut shifted = features.clone();
        shifted.values.chunks_exact_mut(width).for_each(|row| row[0] += 2.0);
        close(frechet_distance(&features, &features).unwrap(), 0.0, 1e-6);
        close(frechet_distance(&features, &shifted).unwrap(), 4.0, 1e-5);
        // Of order width^2 / n; the two halves of standard normals differ by no more.
        let floor = frechet_floor(&features).unwrap();
        assert!(floor > 0.01 && floor < 0.2, "{floor}");
    }

    #[test]
    fn fewer_samples_than_features_are_fine() {
        let wide = |seed| Features { values: NormalSource::new(seed, 0).normals(10 * 84), width: 84 };
        let there = frechet_distance(&wide(1), &wide(2)).unwrap();
        let back = frechet_distance(&wide(2), &wide(1)).unwrap();
        assert!(there > 10.0 && there < 300.0, "{there}");
        close(there, back, 1e-6 * there);
    }

    #[test]
    fn what_has_no_distance_says_why() {
        let features = |rows: usize, width: usize| Features { values: vec![0.5; rows * width], width };
        let error = |a, b| frechet_distance(a, b).unwrap_err().to_string();
        let table = [
            (features(1, 3), features(5, 3), "a Fréchet distance needs at least 2 samples, there are 1"),
            (features(0, 3), features(5, 3), "a Fréchet distance needs at least 2 samples, there are 0"),
            (features(5, 3), features(5, 4), "a Fréchet distance needs features of one width, these have 3 and 4"),
            (features(5, 0), features(5, 4), "a Fréchet distance takes 1 to 4096 features a sample, these have 0"),
        ];
        for (a, b, expected) in &table {
            assert_eq!(error(a, b), *expected);
        }
        let mut broken = features(5, 3);
        broken.values[7] = f32::NAN;
        assert_eq!(error(&broken, &features(5, 3)), "the features of sample 2 are not all finite numbers");
        assert_eq!(frechet_floor(&features(3, 2)), Err(FrechetError::TooFew { rows: 3, needed: 4 }));
        close(frechet_floor(&features(4, 1)).unwrap(), 0.0, 1e-12);
        let huge = Features { values: vec![f32::MAX, -f32::MAX, f32::MAX, 0.0], width: 1 };
        assert!(frechet_distance(&huge, &features(4, 1)).is_ok_and(f64::is_finite));
    }
}
