//! Round values along the axes of charts.

use eframe::egui::Color32;
use egui_plot::{GridInput, GridMark, Plot, format_number};

/// A plot that is looked at and cannot be moved, with lines of this colour.
pub(crate) fn still(plot: Plot<'_>, lines: Color32) -> Plot<'_> {
    plot.allow_scroll(false)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .show_background(false)
        .show_crosshair(false)
        .grid_color(lines)
}

/// Places for about `lines` lines across a small chart, at round values that are at least `least` apart.
pub(crate) fn marks(input: GridInput, lines: f64, least: f64) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let step = round_step((high - low) / lines).max(least);
    if !step.is_normal() {
        return Vec::new();
    }
    let first = (low / step).ceil();
    let values = (0..16).map(|i| (first + f64::from(i)) * step).take_while(|&value| value <= high);
    values.map(|value| GridMark { value, step_size: step }).collect()
}

/// The largest of 1, 2, 5, 10, ... (and their tenths) that is not above `step`.
fn round_step(step: f64) -> f64 {
    let unit = 10f64.powf(step.log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|factor| factor * unit).find(|&round| round <= step * 1.000_001).unwrap_or(unit)
}

/// A value beside an axis, as exact as its distance to the next one asks for.
pub(crate) fn tick(value: f64, step: f64) -> String {
    if value == 0.0 || value.abs() < step * 1e-6 {
        return "0".to_owned();
    }
    let place = step.log10().floor();
    if value.abs() >= 1e5 || step < 1e-3 {
        let digits = (value.abs().log10().floor() - place).clamp(0.0, 6.0) as usize;
        format!("{value:.digits$e}")
    } else {
        let digits = (-place).clamp(0.0, 6.0) as usize;
        format!("{value:.digits$}")
    }
}

/// A value that stands alone.
pub(crate) fn number(value: f64) -> String {
    if value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e5) {
        format!("{value:.0e}")
    } else {
        format_number(value, if value.abs() < 1.0 { 3 } else { 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_few_lines_at_round_values() {
        for (step, expected) in [(0.33, 0.2), (5.0, 5.0), (9.9, 5.0), (2.7e10, 2e10), (1.0, 1.0), (0.0019, 0.001)] {
            assert!((round_step(step) / expected - 1.0).abs() < 1e-9, "{step}: {}", round_step(step));
        }
        for bounds in [(0.0, 8.3e10), (-0.7, 1.9), (0.0, 1e-4), (99.0, 101.0), (-3.0, 4.2)] {
            let marks = marks(GridInput { bounds, base_step_size: 1.0 }, 3.0, 0.0);
            assert!((2..=7).contains(&marks.len()), "{bounds:?}: {marks:?}");
            assert!(marks.iter().all(|mark| mark.value >= bounds.0 && mark.value <= bounds.1));
        }
        let ticks = [(0.8, 0.2, "0.8"), (1.0, 0.2, "1.0"), (400.0, 200.0, "400"), (1e-17, 0.2, "0")];
        let small = [(0.00102, 1e-5, "1.02e-3"), (2e10, 2e10, "2e10"), (-0.5, 0.5, "-0.5")];
        for (value, step, expected) in ticks.into_iter().chain(small) {
            assert_eq!(tick(value, step), expected);
        }
        let at = |bounds| marks(GridInput { bounds, base_step_size: 1.0 }, 4.0, 1.0);
        assert!(at((1.0, f64::NAN)).is_empty());
        assert_eq!(at((-0.2, 2.2)).iter().map(|mark| mark.value).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    }
}
