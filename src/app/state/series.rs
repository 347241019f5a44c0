//! Curves that grow over thousands of points and stay readable.

use std::fmt::Write;

/// Points that are drawn at most.
const DRAWN: usize = 512;

/// A run of values that one drawn point stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Where the first of them lies.
    pub x: f64,
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// Their mean.
    pub mean: f64,
    count: u32,
}

/// One curve. All values are kept for export; what is drawn is bounded however long it gets.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name.
    pub name: &'static str,
    values: Vec<(f64, f64)>,
    buckets: Vec<Bucket>,
    /// Values in a full bucket: a power of two.
    stride: u32,
}

impl Series {
    /// An empty curve.
    pub fn new(name: &'static str) -> Self {
        Self { name, values: Vec::new(), buckets: Vec::new(), stride: 1 }
    }

    /// Adds a point to the right of all others, or in place of the last one if it lies there; what is no number is left out.
    pub fn push(&mut self, x: f64, y: f64) {
        if !x.is_finite() || !y.is_finite() {
            return;
        }
        if let (Some(last), Some(bucket)) = (self.values.last_mut(), self.buckets.last_mut())
            && last.0 == x
            && bucket.count == 1
        {
            last.1 = y;
            (bucket.low, bucket.high, bucket.mean) = (y, y, y);
            return;
        }
        self.values.push((x, y));
        match self.buckets.last_mut() {
            Some(last) if last.count < self.stride => {
                let count = f64::from(last.count);
                last.mean = (last.mean * count + y) / (count + 1.0);
                last.low = last.low.min(y);
                last.high = last.high.max(y);
                last.count += 1;
            }
            _ => self.buckets.push(Bucket { x, low: y, high: y, mean: y, count: 1 }),
        }
        if self.buckets.len() > DRAWN {
            self.halve();
        }
    }

    /// What is to be drawn, at most a few hundred points.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// All points.
    pub fn values(&self) -> &[(f64, f64)] {
        &self.values
    }

    /// What is drawn, as a curve of its own: small, whatever the length.
    pub fn outline(&self) -> Self {
        let values = self.buckets.iter().map(|bucket| (bucket.x, bucket.mean)).collect();
        Self { name: self.name, values, buckets: Vec::new(), stride: 1 }
    }

    /// The value at the latest point at or before `x`.
    pub fn at(&self, x: f64) -> Option<f64> {
        let after = self.values.partition_point(|&(at, _)| at <= x);
        self.values.get(after.checked_sub(1)?).map(|&(_, y)| y)
    }

    fn halve(&mut self) {
        self.stride *= 2;
        let merge = |pair: &[Bucket]| match *pair {
            [a, b] => {
                let (m, n) = (f64::from(a.count), f64::from(b.count));
                Bucket {
                    x: a.x,
                    low: a.low.min(b.low),
                    high: a.high.max(b.high),
                    mean: (a.mean * m + b.mean * n) / (m + n),
                    count: a.count + b.count,
                }
            }
            _ => pair[0],
        };
        self.buckets = self.buckets.chunks(2).map(merge).collect();
    }
}

/// A table of curves over one axis: a row for each place where any of them has a point.
pub fn csv(axis: &str, series: &[&Series]) -> String {
    let mut rows: std::collections::BTreeMap<u64, Vec<Option<f64>>> = std::collections::BTreeMap::new();
    for (column, series) in series.iter().enumerate() {
        for &(x, y) in series.values() {
            // Places are iterations: whole numbers from 0.
            let row = rows.entry(x.max(0.0) as u64).or_insert_with(|| vec![None; column]);
            row.resize(column, None);
            row.push(Some(y));
        }
    }
    let mut text = axis.to_owned();
    for series in series {
        let _ = write!(text, ",{}", series.name);
    }
    text.push('\n');
    for (x, mut row) in rows {
        row.resize(series.len(), None);
        let _ = write!(text, "{x}");
        for value in row {
            text.push(',');
            if let Some(value) = value {
                let _ = write!(text, "{value}");
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_value_at_the_same_place_takes_its_place() {
        let mut series = Series::new("gone");
        for (x, y) in [(1.0, 5.0), (2.0, 8.0), (2.0, 9.0)] {
            series.push(x, y);
        }
        // Two points above each other would be drawn as a wedge.
        assert_eq!(series.values(), [(1.0, 5.0), (2.0, 9.0)]);
        assert_eq!(
            series.buckets().iter().map(|bucket| (bucket.low, bucket.high)).collect::<Vec<_>>(),
            [(5.0, 5.0), (9.0, 9.0)]
        );
    }

    #[test]
    fn long_curves_keep_their_extremes_and_their_mean() {
        let mut series = Series::new("loss");
        let n = 100_000;
        let value = |i: usize| if i == 70_001 { 1e6 } else { (i % 7) as f64 };
        for i in 0..n {
            series.push(i as f64, value(i));
        }
        let drawn = series.buckets();
        assert!(drawn.len() <= DRAWN && drawn.len() >= DRAWN / 2, "{}", drawn.len());
        assert_eq!(drawn.iter().map(|b| b.high).fold(0.0, f64::max), 1e6);
        assert_eq!(drawn.iter().map(|b| u64::from(b.count)).sum::<u64>(), n as u64);
        let mean = drawn.iter().map(|b| b.mean * f64::from(b.count)).sum::<f64>() / n as f64;
        let expected = (0..n).map(value).sum::<f64>() / n as f64;
        assert!((mean - expected).abs() < 1e-6 * expected);
        assert!(drawn.windows(2).all(|pair| pair[0].x < pair[1].x));
        assert_eq!((series.at(70_001.5), series.at(-1.0), series.values().len()), (Some(1e6), None, n));
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let mut series = Series::new("loss");
        for y in [1.0, f64::NAN, f64::INFINITY, 2.0] {
            series.push(series.values().len() as f64, y);
        }
        assert_eq!(series.values(), [(0.0, 1.0), (1.0, 2.0)]);
    }

    #[test]
    fn a_table_has_gaps_where_a_curve_has_no_point() {
        let (mut a, mut b) = (Series::new("a"), Series::new("b"));
        a.push(0.0, 1.5);
        a.push(1.0, 2.5);
        b.push(1.0, -3.0);
        b.push(4.0, 4.0);
        assert_eq!(csv("iteration", &[&a, &b]), "iteration,a,b\n0,1.5,\n1,2.5,-3\n4,,4\n");
        assert_eq!(csv("iteration", &[&b, &a]), "iteration,b,a\n0,,1.5\n1,-3,2.5\n4,4,\n");
    }
}
