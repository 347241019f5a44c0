//! Charts as SVG, for a page that loads nothing.

use std::fmt::Write;

/// A line of a chart.
pub(super) struct Line {
    /// What it is; plain words, no markup.
    pub(super) name: String,
    /// Its colour as CSS writes it.
    pub(super) colour: &'static str,
    /// Whether it is dashed.
    pub(super) dashed: bool,
    /// Places and values, from the left.
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 40.0;

/// Lines over a common x, y in percent from 0 to at least 100; `across` says what x is, `level` is a line to compare with.
pub(super) fn lines(lines: &[Line], across: &str, level: Option<f64>) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let most_x = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let most_y = points().map(|(_, y)| *y).fold(100.0, f64::max);
    let x = |value: f64| LEFT + value / most_x * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| TOP + (1.0 - value / most_y) * (HEIGHT - TOP - BOTTOM);
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(out, r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">"#);
    for value in [0.0, 25.0, 50.0, 75.0, 100.0] {
        let (at, right, label) = (y(value), WIDTH - RIGHT, y(value) + 4.0);
        let _ = write!(out, r##"<line x1="{LEFT}" y1="{at:.1}" x2="{right}" y2="{at:.1}" stroke="#ddd"/>"##);
        let end = LEFT - 6.0;
        let _ = write!(out, r##"<text x="{end}" y="{label:.1}" text-anchor="end" class="tick">{value:.0} %</text>"##);
    }
    let ticks = 5.min(most_x as usize).max(1);
    for tick in 0..=ticks {
        let value = most_x * tick as f64 / ticks as f64;
        let (at, low) = (x(value), HEIGHT - BOTTOM + 16.0);
        let _ = write!(out, r##"<text x="{at:.1}" y="{low}" text-anchor="middle" class="tick">{value:.0}</text>"##);
    }
    let (middle, low) = (LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - 6.0);
    let _ = write!(out, r#"<text x="{middle}" y="{low}" text-anchor="middle" class="tick">{across}</text>"#);
    if let Some(level) = level {
        let (at, right) = (y(level), WIDTH - RIGHT);
        let _ = write!(
            out,
            r##"<line x1="{LEFT}" y1="{at:.1}" x2="{right}" y2="{at:.1}" stroke="#b00020" stroke-dasharray="2 4"/>"##
        );
    }
    // Names stand beside the ends of their lines, none over another.
    let mut ends: Vec<(f64, &Line)> = lines.iter().filter_map(|line| Some((y(line.points.last()?.1), line))).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut lowest = f64::MIN;
    for (end, line) in ends {
        let path: Vec<String> = line.points.iter().map(|(px, py)| format!("{:.1},{:.1}", x(*px), y(*py))).collect();
        let dash = if line.dashed { r#" stroke-dasharray="6 4""# } else { "" };
        let (colour, name) = (line.colour, &line.name);
        let _ = write!(
            out,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>"#,
            path.join(" ")
        );
        for (px, py) in &line.points {
            let _ = write!(out, r#"<circle cx="{:.1}" cy="{:.1}" r="2.5" fill="{colour}"/>"#, x(*px), y(*py));
        }
        lowest = (end + 4.0).max(lowest + 14.0);
        let from = WIDTH - RIGHT + 8.0;
        let _ = write!(out, r#"<text x="{from}" y="{lowest:.1}" fill="{colour}" class="name">{name}</text>"#);
    }
    out + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_every_point_and_name_once() {
        let line = |name: &str, last: f64| Line {
            name: name.to_owned(),
            colour: "#123456",
            dashed: name == "b",
            points: vec![(0.0, 0.0), (5.0, 20.0), (10.0, last)],
        };
        let svg = lines(&[line("a", 60.0), line("b", 61.0)], "steps", Some(50.0));
        assert_eq!((svg.matches("<circle").count(), svg.matches("<polyline").count()), (6, 2));
        assert!(
            svg.starts_with("<svg")
                && svg.ends_with("</svg>")
                && svg.contains(">a</text>")
                && svg.contains(">b</text>")
        );
        // The names of lines that end at the same place stand apart.
        let places: Vec<f64> = svg
            .split(r#"class="name""#)
            .take(2)
            .filter_map(|part| part.rsplit(" y=\"").next()?.split('"').next()?.parse().ok())
            .collect();
        assert!((places[0] - places[1]).abs() >= 14.0, "{places:?}");
    }
}
