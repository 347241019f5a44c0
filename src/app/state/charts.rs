//! The curves of a run.

use super::series::Series;
use crate::unlearn::{Chart, Method, Stage};

/// The curves of a run.
#[derive(Clone, Debug)]
pub struct Charts {
    /// What a method measured, by stage.
    series: Vec<(&'static str, Series)>,
    /// The method's stages; the last one makes the result.
    stages: &'static [Stage],
    /// How the method's curves are drawn.
    charts: &'static [Chart],
    /// Percentage of unlearning.
    pub pul: Series,
    /// Fréchet distance.
    pub frechet: Series,
    /// Logarithmic axes where values allow it.
    pub log: bool,
}

impl Default for Charts {
    fn default() -> Self {
        let [pul, frechet] = ["pul_percent", "frechet"].map(Series::new);
        Self { series: Vec::new(), stages: &[], charts: &[], pul, frechet, log: false }
    }
}

impl Charts {
    /// The curves of a run of this method, none of which has begun.
    pub fn of(method: &dyn Method, log: bool) -> Self {
        Self { stages: method.stages(), charts: method.charts(), log, ..Self::default() }
    }

    /// Adds a value that a stage measured.
    pub fn push(&mut self, stage: &'static str, name: &'static str, place: usize, value: f32) {
        let known = self.series.iter().position(|(at, series)| (*at, series.name) == (stage, name));
        let index = known.unwrap_or_else(|| {
            self.series.push((stage, Series::new(name)));
            self.series.len() - 1
        });
        if let Some((_, series)) = self.series.get_mut(index) {
            series.push(place as f64, f64::from(value));
        }
    }

    /// The curve of a value that a stage measures.
    pub fn series(&self, stage: &str, name: &str) -> Option<&Series> {
        self.series.iter().find(|(at, series)| *at == stage && series.name == name).map(|(_, series)| series)
    }

    /// The points of a curve; none if it has not begun.
    pub fn values(&self, stage: &str, name: &str) -> &[(f64, f64)] {
        self.series(stage, name).map_or(&[], Series::values)
    }

    /// All curves of a stage.
    pub fn of_stage(&self, stage: &Stage) -> Vec<&Series> {
        self.series.iter().filter(|(at, _)| *at == stage.id).map(|(_, series)| series).collect()
    }

    /// The stage that makes the result, and those before it.
    pub fn stages(&self) -> Option<(&'static Stage, &'static [Stage])> {
        self.stages.split_last()
    }

    /// The method's charts of a stage.
    pub fn charts_of(&self, stage: &Stage) -> impl Iterator<Item = &'static Chart> {
        self.charts.iter().filter(move |chart| chart.stage == stage.id)
    }

    /// Whether there is nothing to see.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Whether there is a curve to draw: one point is none.
    pub fn has_curves(&self) -> bool {
        let mut all = self.series.iter().map(|(_, series)| series).chain([&self.pul, &self.frechet]);
        all.any(|series| series.values().len() > 1)
    }
}
