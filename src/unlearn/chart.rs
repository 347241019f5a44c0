//! How what a method measures is drawn.

/// A chart of some of the values of [`super::Iteration::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chart {
    /// What it shows.
    pub title: &'static str,
    /// How to read it.
    pub help: &'static str,
    /// The stage whose values these are, by its id.
    pub stage: &'static str,
    /// Its curves.
    pub curves: &'static [Curve],
}

/// One curve of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Curve {
    /// Name of the value.
    pub name: &'static str,
    /// What a person calls it.
    pub label: &'static str,
    /// What it stands for.
    pub meaning: Meaning,
}

/// What a curve stands for; its colour follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The model as it was, or what judges it.
    Before,
    /// The result.
    After,
    /// What must be forgotten.
    Negative,
    /// What must stay.
    Positive,
}
