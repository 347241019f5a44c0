//! Curves that grow over thousands of points and stay readable.

use std::fmt::Write;

/// Points that are drawn at most.
const DRAWN: usize = 512;
/// Share of the drawn points at either end that may be spikes.
const SPIKES: f64 = 0.05;
/// Drawn points below which every one of them counts.
const FEW: usize = 8;
/// How far beyond the other points an axis reaches for a spike, as a share of what these span.
const REACH: f64 = 0.5;
/// Room above and below the curves, as a share of what they span.
const MARGIN: f64 = 0.05;

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

    /// What an axis has to show of it, lowest and highest: all values, but of a few spikes only so much that they do not
    /// flatten the rest. The latest value is always within. `scale` says where on the axis a value lies and never falls;
    /// `None` without values.
    fn range(&self, scale: impl Fn(f64) -> f64) -> Option<[f64; 2]> {
        let latest = scale(self.values.last()?.1);
        let mut lows: Vec<f64> = self.buckets.iter().map(|bucket| scale(bucket.low)).collect();
        let mut highs: Vec<f64> = self.buckets.iter().map(|bucket| scale(bucket.high)).collect();
        lows.sort_unstable_by(f64::total_cmp);
        highs.sort_unstable_by(f64::total_cmp);
        let (lowest, highest) = (*lows.first()?, *highs.last()?);
        let end = lows.len() - 1;
        let spikes = (end as f64 * SPIKES).ceil() as usize;
        let (low, high) = (lows[spikes], highs[end - spikes]);
        let reach = (high - low) * REACH;
        // Among equal values the few others are what there is to see.
        if lows.len() < FEW || reach <= 0.0 {
            return Some([lowest, highest]);
        }
        Some([lowest.max(low - reach).min(latest), highest.min(high + reach).max(latest)])
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

/// The ends of an axis for these curves, with some room around them; see [`share_bounds`] for shares. A few spikes do not
/// flatten the rest: they lead out of the frame. `scale` says where on the axis a value lies and never falls; `None` without
/// values.
pub fn value_bounds<'a>(
    curves: impl IntoIterator<Item = &'a Series>,
    scale: impl Fn(f64) -> f64 + Copy,
) -> Option<[f64; 2]> {
    let ranges = curves.into_iter().filter_map(|series| series.range(scale));
    let [low, high] = ranges.reduce(|[low, high], [lower, higher]| [low.min(lower), high.max(higher)])?;
    Some(with_margin(low, high))
}

/// The ends of an axis for shares in percent: always the same, so that little looks little. A share below 0 (more than
/// before) makes it longer.
pub fn share_bounds<'a>(curves: impl IntoIterator<Item = &'a Series>) -> [f64; 2] {
    let lows = curves.into_iter().filter_map(|series| series.range(|y| y)).map(|[low, _]| low);
    with_margin(lows.fold(0.0, f64::min), 100.0)
}

fn with_margin(low: f64, high: f64) -> [f64; 2] {
    let span = high - low;
    // A flat curve lies in the middle.
    let margin = if span > 0.0 { span * MARGIN } else { (low.abs() * MARGIN).max(1e-9) };
    [low - margin, high + margin]
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

    fn curve(values: impl IntoIterator<Item = f64>) -> Series {
        let mut series = Series::new("loss");
        values.into_iter().enumerate().for_each(|(i, y)| series.push(i as f64, y));
        series
    }

    #[test]
    fn an_early_spike_does_not_flatten_the_rest() {
        let wave = |i: usize| 1.0 + 0.1 * (i as f64 * 0.7).sin();
        let spiked = curve((0..100).map(|i| if i < 3 { 500.0 } else { wave(i) }));
        let [low, high] = value_bounds([&spiked], |y| y).unwrap();
        assert!((0.85..0.9).contains(&low) && (1.1..1.25).contains(&high), "{low} to {high}");
        // The rest fills most of the frame, on a logarithmic axis as well.
        let [low, high] = value_bounds([&spiked], f64::log10).unwrap();
        assert!((1.1f64.log10() - 0.9f64.log10()) / (high - low) > 0.5, "{low} to {high}");
        // Thousands of points stand for each other: the spike is in one of them.
        let long = curve((0..20_000).map(|i| if i == 40 { 500.0 } else { wave(i) }));
        let [_, high] = value_bounds([&long], |y| y).unwrap();
        assert!((1.1..1.25).contains(&high), "{high}");
        let down = curve((0..100).map(|i| if i == 7 { -9.0 } else { wave(i) }));
        assert!(value_bounds([&down], |y| y).unwrap()[0] > 0.7);
    }

    #[test]
    fn what_is_no_spike_is_seen_whole() {
        let within = |values: Vec<f64>| {
            let series = curve(values.iter().copied());
            let [low, high] = value_bounds([&series], |y| y).unwrap();
            assert!(low < high && values.iter().all(|y| (low..=high).contains(y)), "{values:?}: {low} to {high}");
        };
        within(vec![0.7]);
        within(vec![0.0, 0.0]);
        within(vec![900.0, 1.0, 1.1, 1.2]);
        within((0..300).map(f64::from).collect());
        within((0..300).map(|i| (f64::from(i) * 0.1).sin()).collect());
        // One value differs from all others.
        within((0..40).map(|i| f64::from(u8::from(i == 20))).collect());
        // What runs away at the end is the news.
        within((0..100).map(|i| if i == 99 { 80.0 } else { f64::from(i % 5) }).collect());
        assert_eq!(value_bounds([&curve([])], |y| y), None);
        // Each curve has spikes of its own: neither is cut for the other's sake.
        let (small, large) =
            (curve((0..50).map(|i| f64::from(i % 3))), curve((0..50).map(|i| 70.0 + f64::from(i % 3))));
        let [low, high] = value_bounds([&small, &large], |y| y).unwrap();
        assert!(low < 0.0 && high > 72.0, "{low} to {high}");
    }

    #[test]
    fn shares_are_always_seen_between_nothing_and_all() {
        let [low, high] = share_bounds([&curve([36.2, 36.8])]);
        assert_eq!([low, high], share_bounds([&curve([])]));
        assert!((-6.0..0.0).contains(&low) && (100.0..106.0).contains(&high), "{low} to {high}");
        let [low, high] = share_bounds([&curve([-30.0, 10.0])]);
        assert!(low < -30.0 && high > 100.0, "{low} to {high}");
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
