//! Low-pass filters as the reference designs them: windowed sinc functions, and radially symmetric ones.

use std::f64::consts::PI;

/// Passes frequencies up to `cutoff` and stops them from half of `width` above it, at `rate` samples on a length of 1. Taps of
/// sum 1, by the window method with a Kaiser window: SciPy's `firwin(taps, cutoff, width, fs)`.
pub(super) fn separable(taps: usize, cutoff: f64, width: f64, rate: f64) -> Vec<f32> {
    let window = kaiser(taps, beta(taps, width / (rate / 2.0)));
    let share = cutoff / (rate / 2.0);
    let tap = |(i, window): (usize, &f64)| {
        let at = share * (i as f64 - (taps - 1) as f64 / 2.0) * PI;
        let sinc = if at == 0.0 { 1.0 } else { libm::sin(at) / at };
        share * sinc * window
    };
    normalised(window.iter().enumerate().map(tap).collect())
}

/// The same for all directions: a jinc function under the product of two Kaiser windows, `[taps, taps]`.
pub(super) fn radial(taps: usize, cutoff: f64, width: f64, rate: f64) -> Vec<f32> {
    let window = kaiser(taps, beta(taps, width / (rate / 2.0)));
    let at = |i: usize| (i as f64 - (taps - 1) as f64 / 2.0) / rate;
    let tap = |place: usize| {
        let (row, column) = (place / taps, place % taps);
        let radius = libm::hypot(at(row), at(column)) * PI;
        // The limit in the centre, which an even number of taps has none in.
        let jinc = if radius == 0.0 { cutoff } else { libm::j1(2.0 * cutoff * radius) / radius };
        jinc * window[row] * window[column]
    };
    normalised((0..taps * taps).map(tap).collect())
}

fn normalised(taps: Vec<f64>) -> Vec<f32> {
    let sum: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| (tap / sum) as f32).collect()
}

/// The Kaiser window's shape for a transition of `width`, as a share of half the sampling rate.
fn beta(taps: usize, width: f64) -> f64 {
    let attenuation = 2.285 * (taps - 1) as f64 * PI * width + 7.95;
    match attenuation {
        a if a > 50.0 => 0.1102 * (a - 8.7),
        a if a > 21.0 => 0.5842 * libm::pow(a - 21.0, 0.4) + 0.07886 * (a - 21.0),
        _ => 0.0,
    }
}

fn kaiser(taps: usize, beta: f64) -> Vec<f64> {
    let half = (taps - 1) as f64 / 2.0;
    let at = |i: usize| {
        let place = (i as f64 - half) / half;
        bessel_i0(beta * (1.0 - place * place).max(0.0).sqrt()) / bessel_i0(beta)
    };
    (0..taps).map(at).collect()
}

/// The modified Bessel function of order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..500 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum
}
