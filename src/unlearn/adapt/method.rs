//! *Adapt then Unlearn* as one of the methods.

use std::ops::ControlFlow;

use serde_json::{Map, Value};

use super::{
    charts::{ADAPT, CHARTS, EWC, REPULSION, STAGES, TO_ADAPTED, UNLEARN},
    extrapolate::extrapolate,
    fields::FIELDS,
    presets::{PAPER, PRESETS, preset},
    settings::AdaptSettings,
    stages::{Pools, adapt, unlearn},
};
use crate::{
    feedback::ImagePool,
    model::Gan,
    networks::FlatParams,
    train::{Losses, Trainer},
    unlearn::{
        adversarial::{Cursors, Position, TO_ORIGINAL, distance_between, no_way_on, reached, values_of},
        chart::Chart,
        field::Field,
        method::{
            Ended, Method, MethodError, Needs, Outcome, Plan, Preset, Request, Slider, normal_values, preset_values,
        },
        monitor::{Auxiliary, Iteration, Monitor, Stage, StageRound, State, StateRef},
        values::Values,
    },
};

/// Distances are measured every so many iterations of stage 2.
const DISTANCES_EVERY: usize = 10;

pub(super) static EXTRAPOLATE: Slider = Slider {
    name: "Push further",
    help: "Moves the weights away from what must go: 0 generates it, 1 is the original model, more leads away from it.\n\n\
           Details: theta_N + gamma (theta_G - theta_N), where theta_G is the original and theta_N generates what must \
           go.",
    caption: "pushed further",
    note: "extrapolated, gamma",
    min: 0.0,
    max: 3.0,
    step: 0.02,
    original: 1.0,
    setting: Some("extrapolate"),
};

/// *Adapt then Unlearn* (Tiwary, Guha, Panda, Prathosh; arXiv 2309.14054).
#[derive(Clone, Copy, Debug)]
pub struct Adapt;

impl Method for Adapt {
    fn id(&self) -> &'static str {
        "adapt"
    }

    fn name(&self) -> &'static str {
        "Adapt then Unlearn"
    }

    fn help(&self) -> &'static str {
        "Copies of the model learn to generate what must go; then the model trains on what may stay, repelled from them."
    }

    fn reference(&self) -> &'static str {
        "arXiv 2309.14054"
    }

    fn presets(&self) -> &'static [Preset] {
        PRESETS
    }

    fn preset(&self, id: &str) -> Option<Values> {
        let (settings, collect) = preset(id)?;
        Some(preset_values(&settings, &collect))
    }

    fn follow(&self, preset: &str, values: &mut Values, args: &Map<String, Value>) {
        // The published method has weights of its own.
        if preset == PAPER {
            return;
        }
        if let Ok(mut settings) = values.read::<AdaptSettings>() {
            settings.follow(args);
            values.merge(Values::of(&settings));
        }
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn normalize(&self, values: &Values) -> Result<Values, String> {
        normal_values::<AdaptSettings>(values)
    }

    fn check(&self, values: &Values) -> Result<(), String> {
        values.read::<AdaptSettings>()?.check()
    }

    fn needs(&self, _: &Values) -> Needs {
        Needs { discriminator: true, positives: true, ..Needs::default() }
    }

    fn plan(&self, values: &Values) -> Option<Plan> {
        let AdaptSettings { adapted, adapt, unlearn, .. } = values.read().ok()?;
        Some(Plan {
            iterations: adapted * adapt.iterations + unlearn.iterations,
            result_iterations: unlearn.iterations,
            batch: unlearn.train.batch,
            micro_batch: unlearn.train.micro_batch,
            samples: adapted * adapt.iterations * adapt.train.batch + unlearn.iterations * unlearn.train.batch,
            pass: adapt.train.pass().max(unlearn.train.pass()),
            auxiliary: adapted,
        })
    }

    fn stages(&self) -> &'static [Stage] {
        STAGES
    }

    fn charts(&self) -> &'static [Chart] {
        CHARTS
    }

    fn sliders(&self) -> &'static [Slider] {
        std::slice::from_ref(&EXTRAPOLATE)
    }

    fn slide(&self, original: &FlatParams, auxiliary: &[FlatParams], [gamma, _]: [f64; 2]) -> Option<FlatParams> {
        let adapted: Vec<_> = auxiliary.iter().map(|weights| weights.values.clone()).collect();
        let apart = !adapted.is_empty();
        apart.then(|| original.with_values(extrapolate(&original.values, &adapted, gamma)))
    }

    fn run(&self, request: Request<'_>, monitor: &mut dyn Monitor) -> Result<Outcome, MethodError> {
        let Request { base, negatives, positives, values, resume } = request;
        let settings: AdaptSettings = values.read().map_err(MethodError)?;
        let gan = base.gan()?;
        let position = resume.map(|point| Position::of(point, gan, settings.adapted)).transpose().map_err(no_way_on)?;
        let (adapted, resume) = match adapted_generators(gan, negatives, &settings, position, monitor)? {
            ControlFlow::Continue(made) => made,
            ControlFlow::Break(ended) => return Ok(Outcome { state: None, ended }),
        };
        let restricted = settings.restriction.find(base, negatives, monitor);
        let at = StageRound { stage: &UNLEARN, round: 0, rounds: 1 };
        let of = settings.unlearn.iterations;
        let values: Vec<_> = adapted.iter().map(|weights| weights.values.clone()).collect();
        let resume = resume.as_ref().map(Position::stage);
        let mut after = |index: usize, losses: &Losses, state: &Trainer, cursors: &dyn Fn() -> Cursors| {
            let mut values = values_of(losses, REPULSION);
            if index.is_multiple_of(DISTANCES_EVERY) || index + 1 == of {
                values.extend(distances(gan, &adapted, state));
            }
            let point = || Position::save(index + 1, cursors(), state, &adapted);
            monitor.after(&Iteration { at, index, of, values }, StateRef::Trained(state), &point)
        };
        let pools = Pools { positives, negatives, adapted: &values, restricted: &restricted };
        let ended = unlearn(gan, pools, &settings, resume, &mut after).map_err(no_way_on)?;
        let (state, ended) = reached(ended, at);
        Ok(Outcome { state: Some(State::Trained(state)), ended })
    }
}

/// Root mean square distances of the generator's parameters: to the adapted ones (their mean) and to the original ones.
fn distances(gan: &Gan, adapted: &[FlatParams], state: &Trainer) -> [(&'static str, f32); 2] {
    let to_adapted =
        adapted.iter().map(|other| distance_between(&state.g, other)).sum::<f32>() / adapted.len().max(1) as f32;
    [(TO_ADAPTED, to_adapted), (TO_ORIGINAL, distance_between(&state.g, &gan.g_ema))]
}

/// The adapted generators, and where the stage after them goes on.
type Adapted = (Vec<FlatParams>, Option<Position>);

/// Stage 1, all of it: the adapted generators, each offered to the monitor. How it ended, if that was too early.
pub(super) fn adapted_generators(
    gan: &Gan,
    negatives: &mut ImagePool,
    settings: &AdaptSettings,
    mut resume: Option<Position>,
    monitor: &mut dyn Monitor,
) -> Result<ControlFlow<Ended, Adapted>, MethodError> {
    let mut adapted = Vec::with_capacity(settings.adapted);
    let offer = |adapted: &mut Vec<FlatParams>, weights: FlatParams, monitor: &mut dyn Monitor| {
        let name = format!("adapted generator {}", adapted.len() + 1);
        monitor.offer(Auxiliary { name, weights: weights.clone() });
        adapted.push(weights);
    };
    for weights in resume.as_ref().map_or(Vec::new(), |resume| resume.adapted.clone()) {
        offer(&mut adapted, weights, monitor);
    }
    for round in adapted.len()..settings.adapted {
        let at = StageRound { stage: &ADAPT, round, rounds: settings.adapted };
        let of = settings.adapt.iterations;
        let saved = resume.take();
        let resume = saved.as_ref().map(Position::stage);
        let ended = adapt(gan, negatives, settings, round, resume, &mut |index, losses, state, cursors| {
            let values = values_of(losses, EWC);
            let point = || Position::save(index + 1, cursors(), state, &adapted);
            monitor.after(&Iteration { at, index, of, values }, StateRef::Trained(state), &point)
        });
        let (state, ended) = reached(ended.map_err(no_way_on)?, at);
        if ended != Ended::Done {
            return Ok(ControlFlow::Break(ended));
        }
        offer(&mut adapted, state.g_ema.clone(), monitor);
    }
    Ok(ControlFlow::Continue((adapted, resume)))
}
