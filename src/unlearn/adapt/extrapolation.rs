//! Extrapolation as a method of its own: stage 1 of *Adapt then Unlearn*, then one step away from it (Tiwary et al., section 4.1).

use std::{ops::ControlFlow, sync::LazyLock};

use serde_json::{Map, Value};

use super::{
    charts::{ADAPT, CHARTS},
    fields,
    method::{Adapt, EXTRAPOLATE, adapted_generators},
    presets::{EXTRAPOLATED, extrapolated},
    settings::AdaptSettings,
};
use crate::{
    networks::FlatParams,
    unlearn::{
        adversarial::{Position, no_way_on},
        chart::Chart,
        field::{Field, FieldKind},
        method::{
            Ended, Method, MethodError, Needs, Outcome, Plan, Preset, Request, Slider, normal_values, preset_values,
        },
        monitor::{Flow, Iteration, Monitor, Stage, StageRound, State, StateRef},
        resume::ResumePoint,
        values::Values,
    },
};

const EXTRAPOLATION: Stage = Stage {
    id: "extrapolate",
    name: "the extrapolation",
    title: "Push",
    doing: "Moving the weights away",
    repeats: false,
    is_result: true,
};

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let own = Field {
        key: "extrapolate",
        paths: &["extrapolate"],
        label: "Gamma",
        help: "The result is theta_N + gamma (theta_G - theta_N): 1 is the original, more leads further away from what must go.",
        group: "",
        kind: FieldKind::Real { min: -4.0, max: 8.0, step: 0.01, decimals: 3 },
    };
    std::iter::once(own).chain(fields::FIELDS.iter().filter(|field| field.group == fields::STAGE_1).copied()).collect()
});

/// Extrapolation from an ensemble of adapted generators.
#[derive(Clone, Copy, Debug)]
pub struct Extrapolate;

impl Method for Extrapolate {
    fn id(&self) -> &'static str {
        "extrapolate"
    }

    fn name(&self) -> &'static str {
        "Extrapolation"
    }

    fn help(&self) -> &'static str {
        "Copies of the model learn to generate what must go; then the weights are moved away from them, once."
    }

    fn reference(&self) -> &'static str {
        "arXiv 2309.14054"
    }

    fn presets(&self) -> &'static [Preset] {
        EXTRAPOLATED
    }

    fn preset(&self, id: &str) -> Option<Values> {
        let (settings, collect) = extrapolated(id)?;
        Some(preset_values(&settings, &collect))
    }

    fn follow(&self, preset: &str, values: &mut Values, args: &Map<String, Value>) {
        Adapt.follow(preset, values, args);
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn trains(&self) -> bool {
        false
    }

    fn normalize(&self, values: &Values) -> Result<Values, String> {
        normal_values::<AdaptSettings>(values)
    }

    fn check(&self, values: &Values) -> Result<(), String> {
        Adapt.check(values)
    }

    fn needs(&self, _: &Values) -> Needs {
        Needs { discriminator: true, positives: false, ..Needs::default() }
    }

    fn plan(&self, values: &Values) -> Option<Plan> {
        let AdaptSettings { adapted, adapt, .. } = values.read().ok()?;
        Some(Plan {
            iterations: adapted * adapt.iterations + 1,
            result_iterations: 1,
            batch: adapt.train.batch,
            micro_batch: adapt.train.micro_batch,
            samples: adapted * adapt.iterations * adapt.train.batch,
            pass: adapt.train.pass(),
            auxiliary: adapted,
        })
    }

    fn stages(&self) -> &'static [Stage] {
        &[ADAPT, EXTRAPOLATION]
    }

    fn charts(&self) -> &'static [Chart] {
        &CHARTS[..1]
    }

    fn sliders(&self) -> &'static [Slider] {
        std::slice::from_ref(&EXTRAPOLATE)
    }

    fn slide(&self, original: &FlatParams, auxiliary: &[FlatParams], places: [f64; 2]) -> Option<FlatParams> {
        Adapt.slide(original, auxiliary, places)
    }

    fn run(&self, request: Request<'_>, monitor: &mut dyn Monitor) -> Result<Outcome, MethodError> {
        let Request { base, negatives, values, resume, .. } = request;
        let settings: AdaptSettings = values.read().map_err(MethodError)?;
        let gan = base.gan()?;
        let position = resume.map(|point| Position::of(point, gan, settings.adapted)).transpose().map_err(no_way_on)?;
        let (adapted, _) = match adapted_generators(gan, negatives, &settings, position, monitor)? {
            ControlFlow::Continue(made) => made,
            ControlFlow::Break(ended) => return Ok(Outcome { state: None, ended }),
        };
        let Some(result) = self.slide(&gan.g_ema, &adapted, [settings.extrapolate, 0.0]) else {
            return Err(MethodError("there is no adapted generator to move away from".to_owned()));
        };
        let at = StageRound { stage: &EXTRAPOLATION, round: 0, rounds: 1 };
        let nothing = ResumePoint::start;
        let iteration = Iteration { at, index: 0, of: 1, values: Vec::new() };
        let flow = monitor.after(&iteration, StateRef::Generator(&result), &nothing);
        let ended = if flow == Flow::Stop { Ended::Stopped } else { Ended::Done };
        Ok(Outcome { state: Some(State::Generator(Box::new(result))), ended })
    }
}
