//! How a learning rate falls.

/// The factor on a learning rate at step `index` of `of`: half a cosine from 1 down to `last`.
pub fn half_cosine(index: usize, of: usize, last: f64) -> f64 {
    let progress = index as f64 / of.max(1) as f64;
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
    last + (1.0 - last) * cosine
}
