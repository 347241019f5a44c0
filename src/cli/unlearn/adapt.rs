//! Options that several methods have, those of *Adapt then Unlearn* first: short forms of `--set KEY=VALUE`.

use clap::Args;
use serde_json::Value;

use crate::unlearn::Settings;

#[derive(Debug, Args)]
pub(super) struct AdaptArgs {
    /// Repulsion loss.
    #[arg(long, value_parser = ["el2", "nl2", "il2"])]
    repulsion: Option<String>,
    /// Factor on the distance in the repulsion loss.
    #[arg(long)]
    gamma: Option<f64>,
    /// Weight of the EL2 repulsion loss.
    #[arg(long)]
    weight: Option<f64>,
    /// Distance between parameters: the code's mean or the paper's sum.
    #[arg(long, value_parser = ["mean", "sum"])]
    distance: Option<String>,
    /// Iterations of stage 1, each member of the ensemble.
    #[arg(long)]
    adapt_iters: Option<usize>,
    /// Iterations of stage 2.
    #[arg(long)]
    iters: Option<usize>,
    /// Samples per iteration: at most 4, or a multiple of 4.
    #[arg(long)]
    batch: Option<usize>,
    /// Samples per forward pass (gradient accumulation, to save memory); 0 means the whole batch.
    #[arg(long)]
    micro_batch: Option<usize>,
    /// Number of adapted generators.
    #[arg(long)]
    adapted: Option<usize>,
    /// Start stage 2 at theta_N + GAMMA * (theta_G - theta_N); 1 is the original.
    #[arg(long, value_name = "GAMMA")]
    extrapolate: Option<f64>,
    /// Share of unwanted samples among what the discriminator learns to reject in stage 2; 0 is the published method.
    #[arg(long, value_name = "SHARE")]
    unwanted_share: Option<f64>,
    /// Weight of keeping the positive samples' own images in stage 2; 0 is the published method.
    #[arg(long, value_name = "WEIGHT")]
    retain: Option<f64>,
    /// Learning rate of all stages.
    #[arg(long)]
    lr: Option<f64>,
}

impl AdaptArgs {
    /// The settings that were given: key and value.
    pub(super) fn settings(&self, of: &Settings) -> Vec<(&'static str, Value)> {
        // One rate for all of a method's stages.
        let rates = ["adapt-lr", "unlearn-lr", "polish-lr", "lr"].into_iter().filter(|key| of.field(key).is_some());
        let numbers = [
            ("gamma", self.gamma),
            ("weight", self.weight),
            ("extrapolate", self.extrapolate),
            ("unwanted-share", self.unwanted_share),
            ("retain", self.retain),
        ];
        let counts = [
            ("adapt-iters", self.adapt_iters),
            ("iters", self.iters),
            ("batch", self.batch),
            ("micro-batch", self.micro_batch),
            ("adapted", self.adapted),
        ];
        let names = [("repulsion", &self.repulsion), ("distance", &self.distance)];
        let given = |key, value: Option<Value>| value.map(|value| (key, value));
        let numbers = numbers.into_iter().map(|(key, value)| given(key, value.map(Value::from)));
        let counts = counts.into_iter().map(|(key, value)| given(key, value.map(Value::from)));
        let names = names.into_iter().map(|(key, value)| given(key, value.clone().map(Value::from)));
        let rates = rates.map(|key| given(key, self.lr.map(Value::from)));
        numbers.chain(counts).chain(names).chain(rates).flatten().collect()
    }
}
