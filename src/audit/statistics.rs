//! How far counts can be trusted.

use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;

/// The confidence of every interval in an audit.
pub const CONFIDENCE: f64 = 0.95;

/// A count, its share and the interval that the true share lies in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
    /// `count / of`, in [0, 1]; none of none is 0.
    pub share: f64,
    /// Lower end of the 95 % interval (Clopper-Pearson), in [0, 1].
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Rate {
    /// So many of so many.
    pub fn of(count: usize, of: usize) -> Self {
        let [low, high] = clopper_pearson(count, of, CONFIDENCE);
        Self { count, of, share: count as f64 / of.max(1) as f64, low, high }
    }
}

/// A share in percent, for people.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The exact interval of a binomial share (Clopper and Pearson 1934): every share under which so few, or so many, have at least half of
/// `1 - confidence` probability. Without trials nothing is known.
pub fn clopper_pearson(count: usize, of: usize, confidence: f64) -> [f64; 2] {
    if of == 0 {
        return [0.0, 1.0];
    }
    let (k, n, tail) = (count.min(of) as f64, of as f64, (1.0 - confidence) / 2.0);
    let low = if k == 0.0 { 0.0 } else { quantile(tail, k, n - k + 1.0) };
    let high = if k == n { 1.0 } else { quantile(1.0 - tail, k + 1.0, n - k) };
    [low, high]
}

/// Where the distribution function of Beta(a, b) is `p`.
fn quantile(p: f64, a: f64, b: f64) -> f64 {
    /// Halvings of [0, 1]: below the rounding of `f64`.
    const HALVINGS: usize = 60;
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if beta_reg(a, b, middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The percentage of unlearning as a part of 1 and its 95 % interval, from paired counts over the same latents: of `negatives` that showed it
/// before, `left` still do; of `others`, `new` do now.
///
/// `PUL = 1 - left / negatives - new / negatives`. Both counts get an interval of half the doubt (Bonferroni), so that
/// together they hold with 95 %. `None` if nothing showed it before.
pub fn pul_interval(negatives: usize, left: usize, others: usize, new: usize) -> Option<[f64; 3]> {
    if negatives == 0 {
        return None;
    }
    let half = 1.0 - (1.0 - CONFIDENCE) / 2.0;
    let ratio = others as f64 / negatives as f64;
    let value = 1.0 - (left + new) as f64 / negatives as f64;
    let [left_low, left_high] = clopper_pearson(left, negatives, half);
    let [new_low, new_high] = clopper_pearson(new, others, half);
    Some([value, 1.0 - left_high - new_high * ratio, 1.0 - left_low - new_low * ratio])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R: `binom.test(k, n)$conf.int`; scipy: `scipy.stats.binomtest(k, n).proportion_ci(method="exact")`.
    #[test]
    fn intervals_are_those_of_other_programs() {
        let table = [
            (0, 10, 0.0, 0.308_497_101),
            (1, 10, 0.002_528_579, 0.445_016_117),
            (5, 10, 0.187_086_028, 0.812_913_972),
            (10, 10, 0.691_502_899, 1.0),
            (3, 1000, 0.000_619_108, 0.008_742_252),
        ];
        for (k, n, low, high) in table {
            let found = clopper_pearson(k, n, 0.95);
            assert!((found[0] - low).abs() < 1e-6 && (found[1] - high).abs() < 1e-6, "{k} of {n}: {found:?}");
        }
        assert_eq!(clopper_pearson(0, 0, 0.95), [0.0, 1.0]);
        let rate = Rate::of(5, 10);
        assert_eq!((rate.share, rate.count, rate.of), (0.5, 5, 10));
    }

    /// Whatever the true share is, the interval holds it in at least 95 of 100 draws.
    #[test]
    fn intervals_hold_what_they_promise() {
        for share in [0.01, 0.1, 0.37, 0.5, 0.9] {
            let n = 60;
            let mut missed = 0.0;
            for k in 0..=n {
                let [low, high] = clopper_pearson(k, n, 0.95);
                if share < low || share > high {
                    let ways: f64 = (0..k).map(|i| ((n - i) as f64 / (k - i) as f64).ln()).sum();
                    missed += (ways + k as f64 * f64::ln(share) + (n - k) as f64 * f64::ln(1.0 - share)).exp();
                }
            }
            assert!(missed <= 0.05 + 1e-9, "{share}: {missed}");
        }
    }

    #[test]
    fn an_unlearning_has_an_interval() {
        let [value, low, high] = pul_interval(100, 4, 900, 1).expect("there are negatives");
        assert!((value - 0.95).abs() < 1e-12 && low < value && value < high, "{value} {low} {high}");
        // Not one is left, and still that is not certain.
        let [value, low, high] = pul_interval(100, 0, 900, 0).expect("there are negatives");
        assert!(value == 1.0 && high == 1.0 && (0.88..0.97).contains(&low), "{low}");
        assert_eq!(pul_interval(0, 0, 10, 1), None);
    }
}
