//! The exponential function of numbers that are not above 0, for loops that become vectors: GELU and softmax ask for no other.
//! Sums and products are rounded one by one, so that every instruction set gives the same bits.

/// `e^y` of `y <= 0`; what is below the smallest normal number is about that.
#[inline(always)]
pub fn exp_of_negative(y: f32) -> f32 {
    /// Adding it rounds a number of moderate size to a whole one.
    const ROUND: f32 = 12_582_912.0;
    // A value that is no number stays one.
    let y = if y < -87.0 { -87.0 } else { y };
    let rounded = y * std::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    // ln 2 in two parts, so that little is lost.
    let r = (y - whole * 0.693_359_4) - whole * -2.121_944_4e-4;
    let series =
        1.0 + r * (1.0 + r * (0.5 + r * (0.166_666_66 + r * (0.041_666_67 + r * (0.008_333_34 + r * 0.001_388_9)))));
    // The whole number, from -126 to 0, stands in the last bits of what was rounded; a conversion, which has to look for what is no
    // number, would not become vectors.
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    series * f32::from_bits(exponent << 23)
}

#[cfg(test)]
mod tests {
    use super::exp_of_negative;

    #[test]
    fn it_is_what_a_precise_one_is() {
        for step in 0..=8600 {
            let y = -(step as f32) / 100.0;
            let precise = f64::from(y).exp();
            let found = f64::from(exp_of_negative(y));
            assert!((found - precise).abs() < 3e-7 * precise, "{y}: {found} for {precise}");
        }
        assert!(exp_of_negative(f32::NAN).is_nan());
        assert!(exp_of_negative(f32::NEG_INFINITY) < 1e-37 && exp_of_negative(0.0) == 1.0);
    }
}
