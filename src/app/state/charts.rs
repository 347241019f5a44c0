//! The curves of a run.

use super::series::Series;

/// The curves of a run.
#[derive(Clone, Debug)]
pub struct Charts {
    /// Loss of the discriminator, stage 2.
    pub d: Series,
    /// Loss of the generator, stage 2.
    pub g: Series,
    /// EWC, stage 1.
    pub ewc: Series,
    /// Repulsion, stage 2.
    pub repulsion: Series,
    /// Retention, stage 2.
    pub retain: Series,
    /// Distance to the adapted parameters.
    pub to_adapted: Series,
    /// Distance to the original parameters.
    pub to_original: Series,
    /// Percentage of unlearning.
    pub pul: Series,
    /// Fréchet distance.
    pub frechet: Series,
    /// Logarithmic axes where values allow it.
    pub log: bool,
}

impl Default for Charts {
    fn default() -> Self {
        let [d, g, ewc, repulsion] = ["discriminator", "generator", "ewc", "repulsion"].map(Series::new);
        let [retain, to_adapted, to_original] = ["retention", "to_adapted", "to_original"].map(Series::new);
        let [pul, frechet] = ["pul_percent", "frechet"].map(Series::new);
        Self { d, g, ewc, repulsion, retain, to_adapted, to_original, pul, frechet, log: false }
    }
}

impl Charts {
    /// Whether there is nothing to see.
    pub fn is_empty(&self) -> bool {
        self.d.values().is_empty() && self.ewc.values().is_empty()
    }
}
