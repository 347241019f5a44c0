//! Regularised logistic regression of marks on features, by Newton's method.
//!
//! Every sum runs in one order on one thread, and exponentials and logarithms are `libm`'s: the same marks give the same
//! plane, bit for bit, on every machine.

use nalgebra::{Cholesky, DMatrix, DVector};

/// Steps of the solver at most; about eight are taken.
const STEPS: usize = 100;
/// The solver is done where the step it would take promises less than this part of the loss.
const SETTLED: f64 = 1e-22;
/// Part of the promised decrease that a step must bring (Armijo's rule), and the part of the loss that is rounding.
const SUFFICIENT: f64 = 1e-4;
const ROUNDING: f64 = 1e-14;
/// A row far on its side has a curvature of zero in rounding; with this much the equations stay solvable.
const LEAST_CURVATURE: f64 = 1e-12;

/// A fitted L2-regularised logistic regression: the score of `x` is `weights . x + intercept`, positive towards the negatives.
#[derive(Clone, Debug)]
pub(super) struct LogisticRegression {
    weights: Vec<f64>,
    intercept: f64,
}

impl LogisticRegression {
    /// Minimises the logistic loss plus `strength / 2 * |weights|^2` over rows and whether each is negative; `None` if
    /// one kind is missing or the numbers cannot be used.
    pub(super) fn fit<'a>(rows: impl Iterator<Item = (&'a [f64], bool)>, strength: f64) -> Option<Self> {
        Self::fit_weighted(rows.map(|(row, kind)| (row, kind, 1.0)), strength)
    }

    /// As [`fit`](Self::fit), with rows that count as often as the last number says.
    pub(super) fn fit_weighted<'a>(rows: impl Iterator<Item = (&'a [f64], bool, f64)>, strength: f64) -> Option<Self> {
        let (rows, answers): (Vec<&[f64]>, Vec<(bool, f64)>) =
            rows.map(|(row, kind, count)| (row, (kind, count))).unzip();
        let (kinds, counts): (Vec<bool>, Vec<f64>) = answers.into_iter().unzip();
        let width = rows.first()?.len();
        let usable = rows.iter().all(|row| row.len() == width && row.iter().all(|value| value.is_finite()));
        if !usable || kinds.iter().all(|kind| *kind == kinds[0]) {
            return None;
        }
        let x = DMatrix::from_row_iterator(rows.len(), width, rows.iter().flat_map(|row| row.iter().copied()));
        let (weights, intercept) = if width > rows.len() {
            // The regularised weights are a combination of the rows: they are looked for in the rows' own few directions.
            let (directions, coordinates) = x.transpose().qr().unpack();
            let (weights, intercept) = Problem::new(&coordinates.transpose(), (&kinds, &counts), strength).solve()?;
            (directions * weights, intercept)
        } else {
            Problem::new(&x, (&kinds, &counts), strength).solve()?
        };
        let plane = Self { weights: weights.iter().copied().collect(), intercept };
        (intercept.is_finite() && plane.weights.iter().all(|weight| weight.is_finite())).then_some(plane)
    }

    pub(super) fn score(&self, x: &[f64]) -> f64 {
        self.weights.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + self.intercept
    }
}

/// What is minimised over `[weights, intercept]`.
struct Problem {
    /// The rows, `[rows, width + 1]`, with a last column of ones.
    design: DMatrix<f64>,
    /// 1 for a negative, 0 for a positive.
    targets: DVector<f64>,
    /// How often each row counts.
    counts: DVector<f64>,
    strength: f64,
}

impl Problem {
    fn new(x: &DMatrix<f64>, (kinds, counts): (&[bool], &[f64]), strength: f64) -> Self {
        let design = x.clone().insert_column(x.ncols(), 1.0);
        let targets = DVector::from_iterator(kinds.len(), kinds.iter().map(|&kind| f64::from(u8::from(kind))));
        Self { design, targets, counts: DVector::from_column_slice(counts), strength }
    }

    /// Newton's method from zero, each step halved until it brings what it should: the loss is convex and the
    /// regularisation bounds its minimum, so it arrives, whether the kinds can be separated or not.
    fn solve(&self) -> Option<(DVector<f64>, f64)> {
        let width = self.design.ncols() - 1;
        let mut point = DVector::zeros(width + 1);
        let mut loss = self.loss(&point);
        for _ in 0..STEPS {
            let (gradient, curvature) = self.derivatives(&point);
            let step = Cholesky::new(curvature)?.solve(&gradient);
            let promised = gradient.dot(&step);
            let mut next = None;
            let mut length = 1.0;
            while next.is_none() && length > f64::EPSILON {
                let tried = &point - &step * length;
                let value = self.loss(&tried);
                let enough = loss - SUFFICIENT * length * promised + ROUNDING * loss;
                next = (value <= enough).then_some((tried, value));
                length /= 2.0;
            }
            let Some((tried, value)) = next else { break };
            (point, loss) = (tried, value);
            if promised <= SETTLED * loss {
                break;
            }
        }
        let intercept = point[width];
        Some((point.remove_row(width), intercept))
    }

    fn loss(&self, point: &DVector<f64>) -> f64 {
        let scores = &self.design * point;
        // softplus(-score) for negatives, softplus(score) for positives.
        let softplus = |x: f64| x.max(0.0) + libm::log1p(libm::exp(-x.abs()));
        let rows = scores.iter().zip(&self.targets).zip(&self.counts);
        let losses = rows.map(|((score, target), count)| count * softplus(score * (1.0 - 2.0 * target)));
        let weights = point.rows(0, point.len() - 1);
        losses.sum::<f64>() + 0.5 * self.strength * weights.norm_squared()
    }

    /// Gradient, and the lower triangle of the matrix of second derivatives (the upper one is zero: nobody reads it).
    fn derivatives(&self, point: &DVector<f64>) -> (DVector<f64>, DMatrix<f64>) {
        let width = self.design.ncols() - 1;
        let probabilities = (&self.design * point).map(|score| 1.0 / (1.0 + libm::exp(-score)));
        let residuals = (&probabilities - &self.targets).component_mul(&self.counts);
        let mut gradient = self.design.tr_mul(&residuals);
        let slopes = probabilities.map(|p| p * (1.0 - p)).component_mul(&self.counts);
        let slopes = slopes.map(|slope| slope.max(LEAST_CURVATURE));
        let mut curvature = DMatrix::zeros(width + 1, width + 1);
        for j in 0..=width {
            let scaled = self.design.column(j).component_mul(&slopes);
            for i in j..=width {
                curvature[(i, j)] = self.design.column(i).dot(&scaled);
            }
        }
        for i in 0..width {
            gradient[i] += self.strength * point[i];
            curvature[(i, i)] += self.strength;
        }
        (gradient, curvature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::NormalSource;

    /// So many rows of standard normals, in turn negative and positive, their first feature moved by `apart` either way.
    fn samples(rows: usize, width: usize, apart: f32, seed: u64) -> Vec<(Vec<f64>, bool)> {
        let mut rng = NormalSource::new(seed, 0);
        let row = |i: usize| {
            let mut row = rng.normals(width);
            row[0] += if i.is_multiple_of(2) { apart } else { -apart };
            (row.into_iter().map(f64::from).collect(), i.is_multiple_of(2))
        };
        (0..rows).map(row).collect()
    }

    fn fit(data: &[(Vec<f64>, bool)], strength: f64) -> Option<LogisticRegression> {
        LogisticRegression::fit(data.iter().map(|(row, kind)| (row.as_slice(), *kind)), strength)
    }

    /// The largest entry of the loss's gradient at the plane.
    fn slope(data: &[(Vec<f64>, bool)], strength: f64, plane: &LogisticRegression) -> f64 {
        let residuals: Vec<f64> = data
            .iter()
            .map(|(row, kind)| 1.0 / (1.0 + (-plane.score(row)).exp()) - f64::from(u8::from(*kind)))
            .collect();
        let along = |i: usize| -> f64 { data.iter().zip(&residuals).map(|((row, _), r)| row[i] * r).sum() };
        let weights = plane.weights.iter().enumerate().map(|(i, w)| along(i) + strength * w);
        weights.chain([residuals.iter().sum()]).fold(0.0, |most, slope| most.max(slope.abs()))
    }

    #[test]
    fn the_gradient_is_zero_at_the_plane() {
        // Tall, square and wide; overlapping and far apart; weakly and strongly regularised.
        for (rows, width) in [(6, 1), (50, 3), (24, 24), (24, 25), (24, 300), (200, 160)] {
            for (apart, strength) in [(0.0, 0.04), (1.0, 1.0), (30.0, 0.04), (3.0, 1e-6)] {
                let data = samples(rows, width, apart, 1);
                let plane = fit(&data, strength).expect("a plane");
                let slope = slope(&data, strength, &plane);
                assert!(slope < 1e-9, "{rows} x {width}, {apart} apart, {strength}: {slope:.1e}");
            }
        }
    }

    #[test]
    fn the_rows_need_not_be_independent_nor_alike_in_size() {
        // The same sample many times, marked both ways; a feature that is always zero; features of 1e6 and 1e-6.
        let mut data = samples(10, 30, 0.5, 2);
        data.extend(data.clone().into_iter().map(|(row, kind)| (row, !kind)).take(5));
        data.extend(data.clone());
        for (row, _) in &mut data {
            row[1] = 0.0;
            row[2] *= 1e6;
            row[3] *= 1e-6;
        }
        let plane = fit(&data, 0.04).expect("a plane");
        assert!(slope(&data, 0.04, &plane) < 1e-3, "{:.1e}", slope(&data, 0.04, &plane));
        assert_eq!(plane.weights[1], 0.0);
    }

    /// Rows that anybody can write down, every third one negative.
    fn known_rows(rows: i64, width: i64) -> Vec<(Vec<f64>, bool)> {
        let value = |i: i64, j: i64| ((i + 1) * (j + 2) * (i + j + 3) % 23 - 11) as f64 / 11.0;
        (0..rows).map(|i| ((0..width).map(|j| value(i, j)).collect(), i % 3 == 0)).collect()
    }

    #[test]
    fn other_solvers_find_the_same_plane() {
        // Newton's method in Python with Gaussian elimination of the unreduced equations, to 1e-12; and to 1e-6 what the
        // probe was learned with before, L-BFGS of linfa-logistic 0.8.1 stopped at a gradient of 1e-6.
        let python: [(i64, i64, f64, &[f64], f64); 4] = [
            (12, 20, 0.04, &[-0.747278742307, 1.834396523566, 0.153463939698, 1.04992084081], -0.737606016225),
            (12, 20, 1.0, &[-0.293425008574, 0.660179507843, 0.044872168398, 0.318374055986], -0.628989711190),
            (30, 4, 0.3, &[0.752163378203, 1.459838989719, -0.181236364409, 0.183982120269], -0.169120652104),
            (18, 1, 1.0, &[-0.103167792536], -0.711472092405),
        ];
        let before: [(&[f64], f64); 4] = [
            (&[-0.747281039, 1.834396313, 0.153464075, 1.049921456], -0.737606864),
            (&[-0.293424947, 0.660179428, 0.044872149, 0.318373949], -0.628989794),
            (&[0.752163452, 1.459838945, -0.181236316, 0.183982206], -0.169120613),
            (&[-0.103167811], -0.711472095),
        ];
        for ((rows, width, strength, weights, intercept), before) in python.into_iter().zip(before) {
            let plane = fit(&known_rows(rows, width), strength).expect("a plane");
            for ((weights, intercept), bar) in [((weights, intercept), 1e-11), (before, 5e-6)] {
                let pairs = plane.weights.iter().zip(weights).chain([(&plane.intercept, &intercept)]);
                let error = pairs.fold(0.0_f64, |most, (found, expected)| most.max((found - expected).abs()));
                assert!(error < bar, "{rows} x {width}, {strength}: {error:.1e}");
            }
        }
    }

    #[test]
    fn the_order_of_the_rows_and_the_names_of_the_kinds_mean_nothing() {
        for (rows, width) in [(24, 60), (60, 24)] {
            let data = samples(rows, width, 0.3, 3);
            let plane = fit(&data, 0.04).expect("a plane");
            let mut other = data.clone();
            other.reverse();
            other.iter_mut().for_each(|(_, kind)| *kind = !*kind);
            let other = fit(&other, 0.04).expect("a plane");
            assert!((plane.intercept + other.intercept).abs() < 1e-10);
            for (a, b) in plane.weights.iter().zip(&other.weights) {
                assert!((a + b).abs() < 1e-10, "{a} and {b}");
            }
            assert_eq!(fit(&data, 0.04).expect("a plane").weights, plane.weights);
        }
    }

    #[test]
    fn a_row_that_counts_three_times_is_three_rows() {
        let data = samples(30, 8, 0.5, 4);
        let often = |i: usize| if i < 5 { 3 } else { 1 };
        let repeated: Vec<_> = (0..30).flat_map(|i| vec![data[i].clone(); often(i)]).collect();
        let rows = data.iter().enumerate().map(|(i, (row, kind))| (row.as_slice(), *kind, often(i) as f64));
        let weighted = LogisticRegression::fit_weighted(rows, 0.04).expect("a plane");
        let expected = fit(&repeated, 0.04).expect("a plane");
        assert!((weighted.intercept - expected.intercept).abs() < 1e-9);
        for (a, b) in weighted.weights.iter().zip(&expected.weights) {
            assert!((a - b).abs() < 1e-9, "{a} and {b}");
        }
        assert!((weighted.weights[0] - fit(&data, 0.04).expect("a plane").weights[0]).abs() > 1e-3);
    }

    #[test]
    fn what_cannot_be_separated_has_no_plane() {
        let rows = [[0.0], [1.0]];
        let fit_kinds = |rows: &[[f64; 1]], kinds: &[bool]| {
            LogisticRegression::fit(rows.iter().map(|row| row.as_slice()).zip(kinds.iter().copied()), 1.0)
        };
        assert!(fit_kinds(&rows, &[true, false]).is_some());
        assert!(fit_kinds(&rows, &[true, true]).is_none());
        assert!(fit_kinds(&[], &[]).is_none());
        for value in [f64::NAN, f64::INFINITY] {
            assert!(fit_kinds(&[[0.0], [value]], &[true, false]).is_none(), "{value}");
        }
        let uneven: [(&[f64], bool); 2] = [(&[0.0], true), (&[0.0, 1.0], false)];
        assert!(LogisticRegression::fit(uneven.into_iter(), 1.0).is_none());
        // Rows without features: the intercept alone.
        let none: [(&[f64], bool); 4] = [(&[], true), (&[], true), (&[], true), (&[], false)];
        let plane = LogisticRegression::fit(none.into_iter(), 1.0).expect("a plane");
        assert!((plane.intercept - 3.0_f64.ln()).abs() < 1e-12 && plane.weights.is_empty());
    }
}
