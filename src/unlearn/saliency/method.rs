//! *SalUn* as one of the methods.

use super::{
    relabel::{FORGET, RETAIN, Relabelled},
    settings::{FIELDS, PRESETS, Relabel, SaliencySettings, preset},
};
use crate::unlearn::{
    chart::{Chart, Curve, Meaning},
    field::Field,
    method::{Method, MethodError, Needs, Outcome, Plan, Preset, Request, normal_values},
    monitor::{Monitor, Stage, StageRound, UNLEARN},
    regression::Regression,
    values::Values,
};

const CHARTS: &[Chart] = &[Chart {
    title: "Losses",
    help: "How far samples that must go are from what they are to become, and samples that may stay from what they were.",
    stage: UNLEARN.id,
    curves: &[
        Curve { name: FORGET, label: "must go", meaning: Meaning::Negative },
        Curve { name: RETAIN, label: "may stay", meaning: Meaning::Positive },
    ],
}];

/// SalUn (Fan et al. 2024, arXiv 2310.12508).
#[derive(Clone, Copy, Debug)]
pub struct Saliency;

impl Method for Saliency {
    fn id(&self) -> &'static str {
        "saliency"
    }

    fn name(&self) -> &'static str {
        "SalUn"
    }

    fn help(&self) -> &'static str {
        "The weights that matter most for what must go learn to draw other samples in its place."
    }

    fn reference(&self) -> &'static str {
        "arXiv 2310.12508"
    }

    fn presets(&self) -> &'static [Preset] {
        PRESETS
    }

    fn preset(&self, id: &str) -> Option<Values> {
        preset(id)
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn normalize(&self, values: &Values) -> Result<Values, String> {
        normal_values::<SaliencySettings>(values)
    }

    fn check(&self, values: &Values) -> Result<(), String> {
        values.read::<SaliencySettings>()?.check()
    }

    fn needs(&self, values: &Values) -> Needs {
        let classes = values.read().is_ok_and(|settings: SaliencySettings| settings.relabel == Relabel::Class);
        Needs { discriminator: false, positives: true, classes, ..Needs::default() }
    }

    fn plan(&self, values: &Values) -> Option<Plan> {
        let SaliencySettings { train, .. } = values.read().ok()?;
        Some(train.plan())
    }

    fn stages(&self) -> &'static [Stage] {
        &[UNLEARN]
    }

    fn charts(&self) -> &'static [Chart] {
        CHARTS
    }

    fn run(&self, request: Request<'_>, monitor: &mut dyn Monitor) -> Result<Outcome, MethodError> {
        let Request { base, negatives, positives, values, resume } = request;
        let settings: SaliencySettings = values.read().map_err(MethodError)?;
        let restricted = settings.restriction.find(base, negatives, monitor);
        let truncated = negatives.is_truncated() || positives.is_truncated();
        let centre = truncated.then(|| base.generator.w_mean(&base.g_ema.constants()));
        let mut examples = Relabelled {
            generator: &base.generator,
            base: &base.g_ema,
            negatives,
            positives,
            relabel: settings.relabel,
            alpha: settings.alpha,
            batch: settings.train.batch,
            truncated,
        };
        let at = StageRound { stage: &UNLEARN, round: 0, rounds: 1 };
        let training = Regression { config: &settings.train, restricted: &restricted, centre, at, seed: settings.seed };
        training.run(&base.generator, &base.g_ema, &mut examples, resume, monitor)
    }
}
