//! *Feature Unlearning* as one of the methods.

use super::{
    settings::{FIELDS, FeatureSettings, PRESETS, preset},
    targets::{CHANGED, KEPT, Targets},
};
use crate::{
    train::ms_ssim,
    unlearn::{
        chart::{Chart, Curve, Meaning},
        field::Field,
        latent_rule::LatentRule,
        method::{Method, MethodError, Needs, Outcome, Plan, Preset, Request, normal_values},
        monitor::{Monitor, Stage, StageRound, UNLEARN},
        regression::{Difference, Regression},
        values::Values,
    },
};

/// One direction that tells fewer pairs apart than this is doubtful.
const SEPARATES: f64 = 0.9;

const CHARTS: &[Chart] = &[Chart {
    title: "Losses",
    help: "How far samples that must change are from what they are to become, and the others from what they were.",
    stage: UNLEARN.id,
    curves: &[
        Curve { name: CHANGED, label: "must change", meaning: Meaning::Negative },
        Curve { name: KEPT, label: "may stay", meaning: Meaning::Positive },
    ],
}];

/// Feature Unlearning (Moon, Cho, Kim 2023, arXiv 2303.05699).
#[derive(Clone, Copy, Debug)]
pub struct Feature;

impl Method for Feature {
    fn id(&self) -> &'static str {
        "feature"
    }

    fn name(&self) -> &'static str {
        "Feature Unlearning"
    }

    fn help(&self) -> &'static str {
        "Each sample becomes itself without the feature, along one straight direction. Needs no discriminator."
    }

    fn reference(&self) -> &'static str {
        "arXiv 2303.05699"
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
        normal_values::<FeatureSettings>(values)
    }

    fn check(&self, values: &Values) -> Result<(), String> {
        values.read::<FeatureSettings>()?.check()
    }

    fn needs(&self, _: &Values) -> Needs {
        Needs { discriminator: false, positives: true, ..Needs::default() }
    }

    fn plan(&self, values: &Values) -> Option<Plan> {
        let FeatureSettings { train, .. } = values.read().ok()?;
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
        let settings: FeatureSettings = values.read().map_err(MethodError)?;
        let rule = LatentRule::of(base, negatives, positives, settings.space, settings.seed).map_err(MethodError)?;
        if rule.separation < SEPARATES {
            monitor.warn(rule.doubt());
        }
        let restricted = settings.restriction.find(base, negatives, monitor);
        let fits = ms_ssim::fits(base.generator.resolution());
        let mut examples = Targets {
            generator: &base.generator,
            rule: &rule,
            bound: rule.mean - settings.depth * rule.std,
            alpha: settings.alpha,
            batch: settings.train.batch,
            changed: if fits { Difference::AbsoluteAndStructure } else { Difference::Absolute },
        };
        let at = StageRound { stage: &UNLEARN, round: 0, rounds: 1 };
        let training =
            Regression { config: &settings.train, restricted: &restricted, centre: None, at, seed: settings.seed };
        training.run(&base.generator, &base.g_ema, &mut examples, resume, monitor)
    }
}
