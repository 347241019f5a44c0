//! The charts of a run: one below the other, with one cursor through all steps of a stage, and each of them large.

use eframe::egui::{Context, Key, RichText, Ui, Vec2};

use super::{
    chart_plot::{self, Chart, Curve, Look, Values},
    dialogs::{Dialogs, Purpose},
    theme::{Palette, palette},
    widgets,
};
use crate::{
    app::state::{charts::Charts, studio::Studio},
    unlearn::{self, Meaning, Stage},
};

/// Height of a plot in the panel, in points.
const HEIGHT: f32 = 118.0;
/// Steps that an arrow key moves the cursor by in a large chart, as a share of all.
const KEY_SHARE: f64 = 0.005;

/// What the charts remember from frame to frame.
#[derive(Default)]
pub(crate) struct ChartsView {
    /// The stage and the step that are pointed at.
    cursor: Option<(&'static str, f64)>,
    /// Stage and title of the chart that is shown large.
    large: Option<(&'static str, &'static str)>,
}

impl ChartsView {
    /// Whether a chart is shown large, above everything else.
    pub(crate) fn is_large(&self) -> bool {
        self.large.is_some()
    }

    pub(crate) fn ui(&mut self, ui: &mut Ui, studio: &mut Studio, dialogs: &mut Dialogs) {
        // A method that trains nothing measures next to nothing on the way.
        if !studio.charts.has_curves() {
            return;
        }
        widgets::gap(ui);
        let mut log = studio.charts.log;
        widgets::section(ui, "Charts", |ui| {
            if ui.button("CSV").on_hover_text("Save all points as a CSV file").accessible_name("Save charts").clicked()
            {
                dialogs.ask(Purpose::SaveCharts, studio);
            }
            widgets::outlined(ui, |ui| ui.checkbox(&mut log, "Log")).on_hover_text("Logarithmic axes");
        });
        studio.charts.log = log;
        let all = charts(studio, palette(ui.style()));
        let mut pointed = None;
        for chart in &all {
            ui.add_space(6.0);
            if chart_plot::title(ui, chart) {
                self.large = Some((chart.stage, chart.title));
            }
            let cursor = self.cursor_of(chart);
            chart_plot::legend(ui, chart, cursor);
            let look = Look { steps: steps(&all, chart.stage), cursor, log, height: HEIGHT, is_large: false };
            if let Some(step) = chart_plot::plot(ui, chart, &look) {
                pointed = Some((chart.stage, step));
            }
        }
        // A large chart keeps the cursor where the keyboard left it.
        if !self.is_large() {
            self.set_cursor(ui, pointed);
        }
    }

    /// The chart that is shown large, until it is closed or there is none any more.
    pub(crate) fn large(&mut self, ctx: &Context, studio: &mut Studio) {
        let Some(wanted) = self.large else { return };
        let mut log = studio.charts.log;
        let all = charts(studio, palette(&ctx.global_style()));
        let Some(chart) = all.iter().find(|chart| (chart.stage, chart.title) == wanted) else {
            self.large = None;
            return;
        };
        let steps = steps(&all, chart.stage);
        let response = widgets::question(ctx, "large chart").show(ctx, |ui| self.content(ui, chart, steps, &mut log));
        if response.inner || response.should_close() {
            (self.large, self.cursor) = (None, None);
        }
        studio.charts.log = log;
    }

    /// Whether it is to be closed.
    fn content(&mut self, ui: &mut Ui, chart: &Chart<'_>, steps: [f64; 2], log: &mut bool) -> bool {
        let screen = ui.ctx().content_rect().size();
        ui.set_width((screen.x - 120.0).clamp(320.0, 1100.0));
        let cursor = self.cursor_of(chart);
        ui.horizontal(|ui| {
            ui.label(RichText::new(chart.title).heading());
            let step = cursor.map_or_else(String::new, |step| format!("step {step}"));
            ui.label(RichText::new(step).weak());
        });
        widgets::explain(ui, chart.help);
        chart_plot::legend(ui, chart, cursor);
        ui.add_space(4.0);
        let height = (screen.y - 260.0).clamp(160.0, 560.0);
        let look = Look { steps, cursor, log: *log, height, is_large: true };
        // A pointer that rests leaves the cursor to the keyboard.
        let moves = ui.input(|input| input.pointer.delta() != Vec2::ZERO);
        let pointed = chart_plot::plot(ui, chart, &look).filter(|_| moves);
        let moved = by_keys(ui, cursor, steps);
        self.set_cursor(ui, moved.or(pointed.or(cursor)).map(|step| (chart.stage, step)));
        ui.add_space(6.0);
        ui.horizontal(|ui| {
            if chart.values == Values::Any {
                let log = widgets::outlined(ui, |ui| ui.checkbox(log, "Log")).on_hover_text("Logarithmic axis");
                log.accessible_name("Logarithmic axis");
            }
            let help = "Escape closes it, too. The arrow keys move the cursor.";
            ui.button("Close").accessible_name("Close chart").on_hover_text(help).clicked()
        })
        .inner
    }

    fn cursor_of(&self, chart: &Chart<'_>) -> Option<f64> {
        self.cursor.filter(|(stage, _)| *stage == chart.stage).map(|(_, step)| step)
    }

    fn set_cursor(&mut self, ui: &Ui, cursor: Option<(&'static str, f64)>) {
        if self.cursor != cursor {
            self.cursor = cursor;
            // Charts above the one that is pointed at were drawn before.
            ui.ctx().request_repaint();
        }
    }
}

/// Where the arrow keys move the cursor to; from the end, where there is none yet.
fn by_keys(ui: &Ui, cursor: Option<f64>, [first, last]: [f64; 2]) -> Option<f64> {
    let by = widgets::presses(ui.ctx(), Key::ArrowRight, Key::ArrowLeft) as f64;
    let step = ((last - first) * KEY_SHARE).round().max(1.0);
    (by != 0.0).then(|| (cursor.unwrap_or(last) + by * step).clamp(first, last))
}

/// The first and the last step of a stage that any of its charts shows: their axes are the same.
fn steps(charts: &[Chart<'_>], stage: &str) -> [f64; 2] {
    let of_stage = charts.iter().filter(|chart| chart.stage == stage);
    let ends = of_stage.flat_map(Chart::series).filter_map(|series| {
        let values = series.values();
        let (first, last) = (values.first()?.0, values.last()?.0);
        Some([first.min(last), first.max(last)])
    });
    ends.reduce(|[first, last], [from, to]| [first.min(from), last.max(to)]).unwrap_or([0.0, 1.0])
}

/// The charts that have something to show.
fn charts(studio: &Studio, p: Palette) -> Vec<Chart<'_>> {
    let c = &studio.charts;
    let Some((result, before)) = c.stages() else { return Vec::new() };
    let of = |stage: &Stage| c.charts_of(stage).map(|chart| described(c, chart, p)).collect::<Vec<_>>();
    // What led to the result is looked at only until there is one.
    let mut all = match c.of_stage(result).is_empty() {
        true => before.iter().flat_map(of).collect(),
        false => Vec::new(),
    };
    all.push(Chart {
        stage: result.id,
        title: "Share gone (%)",
        help: "Percentage of unlearning (PUL), measured by the labeler: 100 means that nothing is left.",
        curves: vec![Curve { series: &c.pul, name: "gone", colour: p.after }],
        values: Values::Shares,
    });
    all.push(Chart {
        stage: result.id,
        title: "Change in everything else (Fr\u{e9}chet distance)",
        help: "Distance of all samples from the original ones that may stay: lower is better.",
        curves: vec![Curve { series: &c.frechet, name: "distance", colour: p.before }],
        values: Values::Any,
    });
    all.extend(of(result));
    all.retain(Chart::has_curve);
    all
}

/// A chart as the method describes it.
fn described<'a>(charts: &'a Charts, chart: &'static unlearn::Chart, p: Palette) -> Chart<'a> {
    let colour = |meaning: Meaning| match meaning {
        Meaning::Before => p.before,
        Meaning::After => p.after,
        Meaning::Negative => p.negative,
        Meaning::Positive => p.positive,
    };
    let curve = |curve: &unlearn::Curve| {
        let series = charts.series(chart.stage, curve.name)?;
        Some(Curve { series, name: curve.label, colour: colour(curve.meaning) })
    };
    Chart {
        stage: chart.stage,
        title: chart.title,
        help: chart.help,
        curves: chart.curves.iter().filter_map(curve).collect(),
        values: Values::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{state::series::Series, views::theme::DARK};

    #[test]
    fn charts_of_a_stage_have_the_same_steps() {
        let curve = |places: &[f64]| {
            let mut series = Series::new("loss");
            places.iter().for_each(|&x| series.push(x, 1.0));
            series
        };
        let (long, short, other) = (curve(&[0.0, 50.0, 99.0]), curve(&[19.0, 119.0]), curve(&[7.0, 900.0]));
        let chart = |stage, series| Chart {
            stage,
            title: "",
            help: "",
            curves: vec![Curve { series, name: "", colour: DARK.after }],
            values: Values::Any,
        };
        let all = [chart("unlearn", &long), chart("unlearn", &short), chart("adapt", &other)];
        assert_eq!(
            ["unlearn", "adapt", "none"].map(|stage| steps(&all, stage)),
            [[0.0, 119.0], [7.0, 900.0], [0.0, 1.0]]
        );
    }
}
