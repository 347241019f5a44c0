//! Numbers as they are shown: durations, memory, counts.

use std::time::Duration;

/// A duration, as exact as an estimate is.
pub(crate) fn format_duration(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.max(0.0)).map_or(u64::MAX, |time| time.as_secs());
    match seconds {
        0..=9 => "a few seconds".to_owned(),
        10..=89 => format!("{} s", seconds / 5 * 5),
        90..=5399 => format!("{} min", (seconds + 30) / 60),
        5400..=172_799 => format!("{:.1} h", seconds as f64 / 3600.0),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A part that is only estimated, 0 to 1: a percentage, to the nearest five.
pub(crate) fn about(part: f64) -> String {
    format!("{:.0}%", (part * 20.0).round() * 5.0)
}

/// An amount of memory.
pub(crate) fn format_bytes(bytes: f64) -> String {
    if bytes < 1e9 { format!("{:.0} MB", (bytes / 1e6).max(1.0)) } else { format!("{:.1} GB", bytes / 1e9) }
}

/// A Fréchet distance, and beside it what it would be if nothing had changed, where that is known.
pub(crate) fn format_change(distance: f64, floor: Option<f64>) -> String {
    let floor = floor.map_or_else(String::new, |floor| format!(" ({floor:.1} = no change)"));
    format!("{distance:.1} changed{floor}")
}

/// A probability, in whole percent.
pub(crate) fn format_probability(probability: f32) -> String {
    format!("{:.0}%", probability * 100.0)
}

/// Words as they begin a line.
pub(crate) fn with_capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |letter| letter.to_uppercase().chain(letters).collect())
}

/// A number with thin gaps between thousands.
pub(crate) fn group_digits(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_they_are_known() {
        let table = [(3.0, "a few seconds"), (47.0, "45 s"), (170.0, "3 min"), (7200.0, "2.0 h"), (1e6, "11 days")];
        for (seconds, expected) in table {
            assert_eq!(format_duration(seconds), expected);
        }
        assert_eq!([format_duration(f64::NAN), format_duration(-5.0)], ["a few seconds"; 2]);
        assert_eq!([format_bytes(3.4e8), format_bytes(1.25e9), format_bytes(10.0)], ["340 MB", "1.2 GB", "1 MB"]);
    }

    #[test]
    fn a_change_says_what_none_would_be() {
        assert_eq!(format_change(34.62, Some(7.1)), "34.6 changed (7.1 = no change)");
        assert_eq!(format_change(34.62, None), "34.6 changed");
    }

    #[test]
    fn an_estimate_is_rounded() {
        assert_eq!([0.0, 0.03, 0.874, 0.876, 1.0].map(about), ["0%", "5%", "85%", "90%", "100%"]);
    }

    #[test]
    fn thousands_are_separated() {
        let table = [(0, "0"), (999, "999"), (1000, "1\u{a0}000"), (1_234_567, "1\u{a0}234\u{a0}567")];
        for (number, expected) in table {
            assert_eq!(group_digits(number), expected);
        }
    }
}
