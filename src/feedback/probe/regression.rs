//! Regularised logistic regression of marks on features.

use linfa::{Dataset, traits::Fit};
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};

/// Iterations of the solver at most.
const ITERATIONS: u64 = 300;

/// A separating plane: the score of `x` is `weights . x + intercept`, positive towards the negatives.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    weights: Vec<f64>,
    intercept: f64,
}

impl Plane {
    /// Minimises the logistic loss plus `strength / 2 * |weights|^2` over rows and whether each is negative; `None` if
    /// one kind is missing or the numbers cannot be used.
    pub(super) fn fit<'a>(rows: impl Iterator<Item = (&'a [f64], bool)>, strength: f64) -> Option<Self> {
        let (rows, kinds): (Vec<&[f64]>, Vec<bool>) = rows.unzip();
        let width = rows.first()?.len();
        let x = Array2::from_shape_vec((rows.len(), width), rows.concat()).ok()?;
        let solver = LogisticRegression::default().alpha(strength).max_iterations(ITERATIONS).gradient_tolerance(1e-6);
        let fitted = solver.fit(&Dataset::new(x, Array1::from_vec(kinds))).ok()?;
        // Which of the two kinds counts as 1 is the library's choice.
        let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
        let weights: Vec<f64> = fitted.params().iter().map(|w| w * sign).collect();
        let intercept = fitted.intercept() * sign;
        (intercept.is_finite() && weights.iter().all(|w| w.is_finite())).then_some(Self { weights, intercept })
    }

    pub(super) fn score(&self, x: &[f64]) -> f64 {
        self.weights.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + self.intercept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plane_solves_its_equations_whichever_kind_comes_first() {
        let rows = [[0.0, 1.0], [1.0, 0.5], [2.0, -1.0], [3.0, 0.0], [1.5, 2.0]];
        let kinds = [false, true, false, true, true];
        for reversed in [false, true] {
            let mut data: Vec<_> = rows.iter().map(|r| r.as_slice()).zip(kinds).collect();
            if reversed {
                data.reverse();
            }
            let plane = Plane::fit(data.iter().copied(), 0.3).expect("a plane");
            // The gradient of the loss is zero.
            let residual =
                |(x, kind): &(&[f64], bool)| 1.0 / (1.0 + (-plane.score(x)).exp()) - f64::from(u8::from(*kind));
            let intercept: f64 = data.iter().map(residual).sum();
            assert!(intercept.abs() < 1e-4, "{intercept}");
            for i in 0..2 {
                let slope: f64 = data.iter().map(|row| residual(row) * row.0[i]).sum::<f64>() + 0.3 * plane.weights[i];
                assert!(slope.abs() < 1e-4, "{slope}");
            }
        }
    }

    #[test]
    fn one_kind_alone_has_no_plane() {
        let rows = [[0.0], [1.0]];
        assert!(Plane::fit(rows.iter().map(|r| (r.as_slice(), true)), 1.0).is_none());
        assert!(Plane::fit([].into_iter(), 1.0).is_none());
    }
}
