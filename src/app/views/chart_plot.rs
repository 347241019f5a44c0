//! One chart: its title, the names and values of its curves, and the plot below them.

use std::ops::RangeInclusive;

use eframe::egui::{self, Button, Color32, Label, Layout, Rangef, Rect, Response, RichText, Ui, vec2};
use egui_plot::{AxisHints, GridInput, GridMark, HoverPosition, Line, Plot, PlotBounds, PlotPoints, Points, VLine};

use super::{axes, theme::palette, widgets};
use crate::app::state::series::{Series, share_bounds, value_bounds};

/// Letters of all names of a chart, beyond which they do not stand in one line where it is narrower than this, in points.
const LONG: usize = 22;
const NARROW: f32 = 400.0;
/// Curves with fewer points show each of them.
const FEW: usize = 24;
/// How far out of the frame a spike is followed, in heights of the frame: the painter's numbers stay small.
const FARTHEST: f64 = 20.0;

/// One chart.
pub(super) struct Chart<'a> {
    /// The stage whose steps the axis shows: charts of one stage have one cursor.
    pub(super) stage: &'static str,
    pub(super) title: &'static str,
    pub(super) help: &'static str,
    pub(super) curves: Vec<Curve<'a>>,
    pub(super) values: Values,
}

/// One curve.
pub(super) struct Curve<'a> {
    pub(super) series: &'a Series,
    pub(super) name: &'static str,
    pub(super) colour: Color32,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Shares in percent, on an axis that is always the same.
    Shares,
    /// Anything else, which may be put on a logarithmic axis.
    Any,
}

/// How a chart is drawn.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// Steps at the left and the right end.
    pub(super) steps: [f64; 2],
    /// The step at which values are read.
    pub(super) cursor: Option<f64>,
    /// Whether values are on a logarithmic axis where that is possible.
    pub(super) log: bool,
    /// Height of the plot in points.
    pub(super) height: f32,
    /// Whether the chart has the window to itself.
    pub(super) is_large: bool,
}

impl Chart<'_> {
    /// One point is no curve.
    pub(super) fn has_curve(&self) -> bool {
        self.curves.iter().any(|curve| curve.series.values().len() > 1)
    }

    /// All its series.
    pub(super) fn series(&self) -> impl Iterator<Item = &Series> {
        self.curves.iter().map(|curve| curve.series)
    }

    /// What a curve says at the cursor, or at its end.
    fn reading(&self, curve: &Curve<'_>, cursor: Option<f64>) -> String {
        let value = match cursor {
            Some(step) => curve.series.at(step),
            None => curve.series.values().last().map(|&(_, y)| y),
        };
        let unit = if self.values == Values::Shares { "%" } else { "" };
        let value = value.map_or_else(|| "\u{2013}".to_owned(), |value| axes::number(value) + unit);
        format!("{} {value}", curve.name)
    }

    fn readings(&self, cursor: Option<f64>) -> Vec<String> {
        self.curves.iter().map(|curve| self.reading(curve, cursor)).collect()
    }
}

/// The title and a button that shows the chart large; gives whether that is asked for.
pub(super) fn title(ui: &mut Ui, chart: &Chart<'_>) -> bool {
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 20.0;
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
                let larger = larger_button(ui, chart.title).clicked();
                ui.with_layout(Layout::left_to_right(egui::Align::Center), |ui| {
                    let text = RichText::new(chart.title).small().weak();
                    ui.add(Label::new(text).truncate()).on_hover_text(chart.help);
                });
                larger
            })
            .inner
        })
        .inner
    })
    .inner
}

/// Four corners of a frame: fonts differ in the signs for this.
fn larger_button(ui: &mut Ui, title: &str) -> Response {
    let button = ui.add(Button::new("").small().min_size(vec2(24.0, 20.0)));
    let stroke = ui.style().interact(&button).fg_stroke;
    let frame = Rect::from_center_size(button.rect.center(), vec2(10.0, 10.0));
    for corner in [frame.left_top(), frame.right_top(), frame.left_bottom(), frame.right_bottom()] {
        let inwards = (frame.center() - corner) * 0.7;
        ui.painter().line_segment([corner, corner + vec2(inwards.x, 0.0)], stroke);
        ui.painter().line_segment([corner, corner + vec2(0.0, inwards.y)], stroke);
    }
    button.accessible_name(format!("Larger: {title}")).on_hover_text("Shows this chart large")
}

/// The curves' names and what they say at the cursor, or at their ends. Whether each has a line of its own hangs on the names
/// alone: values that change must not move the plot away from the pointer.
pub(super) fn legend(ui: &mut Ui, chart: &Chart<'_>, cursor: Option<f64>) {
    let letters: usize = chart.curves.iter().map(|curve| curve.name.chars().count()).sum();
    let is_stacked = letters > LONG && ui.available_width() < NARROW;
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 14.0;
        ui.spacing_mut().item_spacing = vec2(4.0, 0.0);
        let entry = |ui: &mut Ui, curve: &Curve<'_>| {
            widgets::dot(ui, curve.colour);
            let text = RichText::new(chart.reading(curve, cursor)).small().weak();
            ui.add(Label::new(text).extend());
            ui.add_space(6.0);
        };
        if is_stacked {
            for curve in &chart.curves {
                ui.horizontal(|ui| entry(ui, curve));
            }
        } else {
            ui.horizontal_wrapped(|ui| chart.curves.iter().for_each(|curve| entry(ui, curve)));
        }
    });
}

/// The plot; gives the step that the pointer is at.
pub(super) fn plot(ui: &mut Ui, chart: &Chart<'_>, look: &Look) -> Option<f64> {
    let p = palette(ui.style());
    let log = look.log && chart.values == Values::Any;
    let scale = move |y: f64| if log { y.max(1e-12).log10() } else { y };
    let back = move |y: f64| if log { 10f64.powf(y) } else { y };
    let [low, high] = match chart.values {
        Values::Shares => share_bounds(chart.series()),
        Values::Any => value_bounds(chart.series(), scale)?,
    };
    let [first, last] = look.steps;
    let margin = ((last - first) * 0.02).max(0.5);
    let bounds = PlotBounds::from_min_max([first - margin, low], [last + margin, high]);
    let (across, up) = match (look.is_large, chart.values) {
        (true, _) => (6.0, 6.0),
        (false, Values::Shares) => (4.0, 2.0),
        (false, Values::Any) => (4.0, 3.0),
    };
    let step_at = move |x: f64| x.round().clamp(first, last);
    let plot = axes::still(Plot::new((chart.stage, chart.title, look.is_large)).height(look.height), p.line)
        .y_grid_spacer(move |input: GridInput| axes::marks(input, up, 0.0))
        .x_grid_spacer(move |input: GridInput| axes::marks(input, across, 1.0))
        .custom_x_axes(vec![x_axis()])
        .custom_y_axes(vec![
            AxisHints::new_y()
                .formatter(move |mark: GridMark, _: &RangeInclusive<f64>| match log {
                    true => axes::number(back(mark.value)),
                    false => axes::tick(mark.value, mark.step_size),
                })
                .label_spacing(Rangef::new(14.0, 24.0))
                .min_thickness(38.0),
        ])
        .label_formatter(move |hover| {
            let (HoverPosition::NearDataPoint { position, .. } | HoverPosition::Elsewhere { position }) = hover;
            let step = step_at(position.x);
            Some(format!("step {step}\n{}", chart.readings(Some(step)).join("\n")))
        });
    let farthest = FARTHEST * (high - low);
    let place = move |y: f64| scale(y).clamp(low - farthest, high + farthest);
    let response = plot.show(ui, |plot| {
        plot.set_plot_bounds(bounds);
        if let Some(step) = look.cursor {
            plot.vline(VLine::new("cursor", step).color(p.weak).width(1.0).allow_hover(false));
        }
        for curve in &chart.curves {
            let buckets = curve.series.buckets();
            let means: Vec<[f64; 2]> = buckets.iter().map(|b| [b.x, place(b.mean)]).collect();
            if buckets.len() < FEW {
                let name = format!("{} points", curve.name);
                let points = Points::new(name, PlotPoints::from(means.clone()));
                plot.points(points.radius(2.2).color(curve.colour).allow_hover(false));
            }
            if buckets.iter().any(|b| b.high > b.low) {
                // The band between the smallest and the largest value of a place.
                let ends = buckets.iter().flat_map(|b| [[b.x, place(b.low)], [b.x, place(b.high)]]);
                let band = PlotPoints::from(ends.collect::<Vec<_>>());
                let line = Line::new(format!("{} range", curve.name), band).color(curve.colour.gamma_multiply(0.3));
                plot.line(line.width(1.0).allow_hover(false));
            }
            let line = Line::new(curve.name, PlotPoints::from(means)).color(curve.colour);
            plot.line(line.width(1.6).allow_hover(false));
        }
    });
    let kind = if look.is_large { "Large chart" } else { "Chart" };
    let name = format!("{kind}: {}; {}", chart.title, chart.readings(look.cursor).join(", "));
    response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Group, true, &name));
    let pointer = response.response.hover_pos()?;
    Some(step_at(response.transform.value_from_position(pointer).x))
}

fn x_axis() -> AxisHints<'static> {
    AxisHints::new_x()
        .formatter(|mark: GridMark, _: &RangeInclusive<f64>| format!("{}", mark.value))
        .label_spacing(Rangef::new(24.0, 40.0))
}
