//! The curves of a run, small and readable.

use eframe::egui::{self, Color32, RichText, Ui, Vec2b};
use egui_plot::{AxisHints, Corner, GridInput, GridMark, Legend, Line, Plot, PlotPoint, PlotPoints, Points};

use super::{
    axes,
    dialogs::{Dialogs, Purpose},
    theme::{Palette, palette},
    widgets,
};
use crate::{
    app::state::{charts::Charts, series::Series, studio::Studio},
    unlearn::{self, Meaning, Stage},
};

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
    let Some((result, before)) = c.stages() else { return Vec::new() };
    let of = |stage: &Stage| c.charts_of(stage).map(|chart| drawn(c, chart, p)).collect::<Vec<_>>();
    // What led to the result is looked at only until there is one.
    let mut all = match c.of_stage(result).is_empty() {
        true => before.iter().flat_map(of).collect(),
        false => Vec::new(),
    };
    all.push(Chart {
        title: "Share gone (%)",
        help: "Percentage of unlearning (PUL), measured by the labeler: 100 means that nothing is left.",
        curves: vec![(&c.pul, "gone %", p.after)],
        legend: Corner::RightTop,
        can_log: false,
    });
    all.push(Chart {
        title: "Change in everything else (Fr\u{e9}chet distance)",
        help: "Distance of all samples from the original ones that may stay: lower is better.",
        curves: vec![(&c.frechet, "distance", p.before)],
        legend: Corner::RightTop,
        can_log: true,
    });
    all.extend(of(result));
    all
}

/// A chart as the method describes it.
fn drawn<'a>(charts: &'a Charts, chart: &'static unlearn::Chart, p: Palette) -> Chart<'a> {
    let colour = |meaning: Meaning| match meaning {
        Meaning::Before => p.before,
        Meaning::After => p.after,
        Meaning::Negative => p.negative,
        Meaning::Positive => p.positive,
    };
    let curve = |curve: &unlearn::Curve| {
        let series = charts.series(chart.stage, curve.name)?;
        Some((series, curve.label, colour(curve.meaning)))
    };
    Chart {
        title: chart.title,
        help: chart.help,
        curves: chart.curves.iter().filter_map(curve).collect(),
        legend: if chart.rises { Corner::RightBottom } else { Corner::RightTop },
        can_log: true,
    }
}

fn draw(ui: &mut Ui, chart: &Chart<'_>, log: bool) {
    ui.label(RichText::new(chart.title).small().weak()).on_hover_text(chart.help);
    let grid = palette(ui.style()).line;
    let scale = move |y: f64| if log { y.max(1e-12).log10() } else { y };
    let back = move |y: f64| if log { 10f64.powf(y) } else { y };
    let series: Vec<(String, Series)> =
        chart.curves.iter().map(|(series, name, _)| ((*name).to_owned(), series.outline())).collect();
    let mut plot =
        Plot::new(chart.title)
            .height(HEIGHT)
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_drag(false)
            .allow_boxed_zoom(false)
            .show_background(false)
            .auto_bounds(Vec2b::TRUE)
            .show_grid(true)
            .grid_color(grid)
            .y_grid_spacer(|input: GridInput| axes::marks(input, 3.0, 0.0))
            .x_grid_spacer(|input: GridInput| axes::marks(input, 4.0, 1.0))
            .custom_x_axes(vec![
                AxisHints::new_x()
                    .formatter(|mark: GridMark, _: &_| format!("{}", mark.value))
                    .label_spacing(egui::Rangef::new(24.0, 40.0)),
            ])
            .custom_y_axes(vec![
                AxisHints::new_y()
                    .formatter(move |mark: GridMark, _: &_| {
                        if log { axes::number(back(mark.value)) } else { axes::tick(mark.value, mark.step_size) }
                    })
                    .label_spacing(egui::Rangef::new(14.0, 24.0))
                    .min_thickness(38.0),
            ])
            .label_formatter(move |hover| {
                let x = position(hover)?;
                let mut text = format!("step {}", x.round().max(0.0));
                for (name, series) in &series {
                    if let Some(y) = series.at(x) {
                        text.push_str(&format!("\n{name} {}", axes::number(y)));
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
        .filter_map(|(series, name, _)| series.values().last().map(|(_, y)| format!("{name} {}", axes::number(*y))))
        .collect();
    let name = format!("Chart: {}; {}", chart.title, last.join(", "));
    response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Group, true, &name));
}

fn position(hover: &egui_plot::HoverPosition<'_>) -> Option<f64> {
    let at = |point: &PlotPoint| point.x;
    match hover {
        egui_plot::HoverPosition::NearDataPoint { position, .. } => Some(at(position)),
        egui_plot::HoverPosition::Elsewhere { position } => Some(at(position)),
    }
}
