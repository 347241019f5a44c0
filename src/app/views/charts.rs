//! The curves of a run, small and readable.

use eframe::egui::{self, Color32, RichText, Ui, Vec2b};
use egui_plot::{
    AxisHints, Corner, GridInput, GridMark, Legend, Line, Plot, PlotPoint, PlotPoints, Points, format_number,
};

use super::{
    dialogs::{Dialogs, Purpose},
    theme::{Palette, palette},
    widgets,
};
use crate::app::state::{series::Series, studio::Studio};

const HEIGHT: f32 = 118.0;

/// One chart.
struct Chart<'a> {
    title: &'static str,
    help: &'static str,
    curves: Vec<(&'a Series, &'static str, Color32)>,
    /// Where the curves' names stand in nobody's way.
    legend: Corner,
    /// Whether its values may be put on a logarithmic axis.
    can_log: bool,
}

pub(crate) fn ui(ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
    if studio.charts.is_empty() {
        return;
    }
    widgets::gap(ui);
    let mut log = studio.charts.log;
    widgets::section(ui, "Charts", |ui| {
        if ui.button("CSV").on_hover_text("Save all points as a CSV file").accessible_name("Save charts").clicked() {
            dialogs.ask(Purpose::SaveCharts, studio);
        }
        ui.checkbox(&mut log, "Log").on_hover_text("Logarithmic axes");
    });
    studio.charts.log = log;
    let p = palette(ui.style());
    for chart in charts(studio, p) {
        // One point is no curve.
        if chart.curves.iter().any(|(series, ..)| series.values().len() > 1) {
            ui.add_space(6.0);
            draw(ui, &chart, log && chart.can_log);
        }
    }
}

fn charts(studio: &Studio, p: Palette) -> Vec<Chart<'_>> {
    let c = &studio.charts;
    let stage_2 = !c.d.values().is_empty();
    let mut all = vec![
        Chart {
            title: "Share gone (%)",
            help: "Percentage of unlearning (PUL), measured by the labeler: 100 means that nothing is left.",
            curves: vec![(&c.pul, "gone %", p.after)],
            legend: Corner::RightTop,
            can_log: false,
        },
        Chart {
            title: "Change in everything else (Fr\u{e9}chet distance)",
            help: "Distance of all samples from the original ones that may stay: lower is better.",
            curves: vec![(&c.frechet, "distance", p.before)],
            legend: Corner::RightTop,
            can_log: true,
        },
        Chart {
            title: "Adversarial losses",
            help: "They should stay close to each other. If one runs away, the learning rate is too high.",
            curves: vec![(&c.d, "discriminator", p.before), (&c.g, "generator", p.after)],
            legend: Corner::RightTop,
            can_log: true,
        },
        Chart {
            title: "Repulsion and retention",
            help: "What pushes away from what must go, and what protects everything else.",
            curves: vec![(&c.repulsion, "repulsion", p.negative), (&c.retain, "retention", p.positive)],
            legend: Corner::RightTop,
            can_log: true,
        },
        Chart {
            title: "Distance of the weights",
            help: "From the copies that generate what must go, and from the original model.",
            curves: vec![(&c.to_adapted, "to what must go", p.negative), (&c.to_original, "to the original", p.before)],
            legend: Corner::RightBottom,
            can_log: true,
        },
    ];
    if !stage_2 {
        all.insert(
            0,
            Chart {
                title: "Drift from the original",
                help: "How far the copies have moved where their weights matter (EWC).",
                curves: vec![(&c.ewc, "EWC", p.negative)],
                legend: Corner::RightTop,
                can_log: true,
            },
        );
    }
    all
}

fn draw(ui: &mut Ui, chart: &Chart<'_>, log: bool) {
    ui.label(RichText::new(chart.title).small().weak()).on_hover_text(chart.help);
    let grid = palette(ui.style()).line;
    let scale = move |y: f64| if log { y.max(1e-12).log10() } else { y };
    let back = move |y: f64| if log { 10f64.powf(y) } else { y };
    let series: Vec<(String, Series)> =
        chart.curves.iter().map(|(series, name, _)| ((*name).to_owned(), series.outline())).collect();
    let mut plot = Plot::new(chart.title)
        .height(HEIGHT)
        .allow_scroll(false)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .show_background(false)
        .auto_bounds(Vec2b::TRUE)
        .show_grid(true)
        .grid_color(grid)
        .y_grid_spacer(|input: GridInput| marks(input, 3.0, 0.0))
        .x_grid_spacer(|input: GridInput| marks(input, 4.0, 1.0))
        .custom_x_axes(vec![
            AxisHints::new_x()
                .formatter(|mark: GridMark, _: &_| format!("{}", mark.value))
                .label_spacing(egui::Rangef::new(24.0, 40.0)),
        ])
        .custom_y_axes(vec![
            AxisHints::new_y()
                .formatter(
                    move |mark: GridMark, _: &_| {
                        if log { number(back(mark.value)) } else { tick(mark.value, mark.step_size) }
                    },
                )
                .label_spacing(egui::Rangef::new(14.0, 24.0))
                .min_thickness(38.0),
        ])
        .label_formatter(move |hover| {
            let x = position(hover)?;
            let mut text = format!("step {}", x.round().max(0.0));
            for (name, series) in &series {
                if let Some(y) = series.at(x) {
                    text.push_str(&format!("\n{name} {}", number(y)));
                }
            }
            Some(text)
        });
    if chart.curves.len() > 1 {
        plot = plot
            .legend(Legend::default().position(chart.legend).text_style(egui::TextStyle::Small).background_alpha(0.35));
    }
    let response = plot.show(ui, |plot| {
        for (series, name, colour) in &chart.curves {
            let buckets = series.buckets();
            if buckets.len() < 24 {
                let points: Vec<[f64; 2]> = buckets.iter().map(|b| [b.x, scale(b.mean)]).collect();
                plot.points(
                    Points::new(format!("{name} points"), PlotPoints::from(points))
                        .name(*name)
                        .radius(2.2)
                        .color(*colour)
                        .allow_hover(false),
                );
            }
            if buckets.iter().any(|b| b.high > b.low) {
                // The band between the smallest and the largest value of a place.
                let band: Vec<[f64; 2]> =
                    buckets.iter().flat_map(|b| [[b.x, scale(b.low)], [b.x, scale(b.high)]]).collect();
                let faint = colour.gamma_multiply(0.3);
                plot.line(
                    Line::new(format!("{name} range"), PlotPoints::from(band))
                        .name(*name)
                        .color(faint)
                        .width(1.0)
                        .allow_hover(false),
                );
            }
            let line: Vec<[f64; 2]> = buckets.iter().map(|b| [b.x, scale(b.mean)]).collect();
            plot.line(Line::new(*name, PlotPoints::from(line)).color(*colour).width(1.6));
        }
    });
    let last: Vec<String> = chart
        .curves
        .iter()
        .filter_map(|(series, name, _)| series.values().last().map(|(_, y)| format!("{name} {}", number(*y))))
        .collect();
    let name = format!("Chart: {}; {}", chart.title, last.join(", "));
    response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Group, true, &name));
}

/// Places for about `lines` lines across a small chart, at round values that are at least `least` apart.
fn marks(input: GridInput, lines: f64, least: f64) -> Vec<GridMark> {
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
fn tick(value: f64, step: f64) -> String {
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

fn position(hover: &egui_plot::HoverPosition<'_>) -> Option<f64> {
    let at = |point: &PlotPoint| point.x;
    match hover {
        egui_plot::HoverPosition::NearDataPoint { position, .. } => Some(at(position)),
        egui_plot::HoverPosition::Elsewhere { position } => Some(at(position)),
    }
}

fn number(value: f64) -> String {
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
    fn a_chart_has_a_few_lines_at_round_values() {
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
