//! *Adapt then Unlearn* as one of the methods.

use serde_json::{Map, Value};

use super::{
    charts::{
        ADAPT, CHARTS, DISCRIMINATOR, EWC, GENERATOR, PATH_LENGTH, R1, REPULSION, RETENTION, STAGES, TO_ADAPTED,
        TO_ORIGINAL, UNLEARN,
    },
    extrapolate::extrapolate,
    fields::FIELDS,
    position::Position,
    presets::{PAPER, PRESETS, preset},
    settings::AdaptSettings,
    stages::{Cursors, StageEnd, adapt, unlearn},
};
use crate::{
    model::Gan,
    networks::{FlatParams, flat::to_vec},
    train::{Losses, Trainer},
    unlearn::{
        chart::Chart,
        field::Field,
        method::{Ended, Method, MethodError, Needs, Outcome, Plan, Preset, Request, Slider},
        monitor::{Auxiliary, Iteration, Monitor, Stage, StageRound, State, StateRef},
        values::Values,
    },
};

/// Distances are measured every so many iterations of stage 2.
const DISTANCES_EVERY: usize = 10;

const EXTRAPOLATE: Slider = Slider {
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

    fn reference(&self) -> &'static str {
        "arXiv 2309.14054"
    }

    fn presets(&self) -> &'static [Preset] {
        PRESETS
    }

    fn preset(&self, id: &str) -> Option<Values> {
        let (settings, collect) = preset(id)?;
        let mut values = Values::of(&settings);
        values.merge(Values::of(&collect));
        Some(values)
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
        let mut normal = Values::of(&values.read::<AdaptSettings>()?);
        normal.merge(Values::of(&values.read::<crate::feedback::CollectSettings>()?));
        Ok(normal)
    }

    fn check(&self, values: &Values) -> Result<(), String> {
        values.read::<AdaptSettings>()?.check()
    }

    fn needs(&self, _: &Values) -> Needs {
        Needs { discriminator: true, positives: true, classes: false }
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

    fn slider(&self) -> Option<&'static Slider> {
        Some(&EXTRAPOLATE)
    }

    fn slide(&self, original: &FlatParams, auxiliary: &[FlatParams], value: f64) -> Option<FlatParams> {
        let adapted: Vec<_> = auxiliary.iter().map(|weights| weights.values.clone()).collect();
        let apart = !adapted.is_empty();
        apart.then(|| original.with_values(extrapolate(&original.values, &adapted, value)))
    }

    fn run(&self, request: Request<'_>, monitor: &mut dyn Monitor) -> Result<Outcome, MethodError> {
        let Request { base, negatives, positives, values, resume } = request;
        let settings: AdaptSettings = values.read().map_err(MethodError)?;
        let gan = base.gan()?;
        let mut resume = resume.map(|point| Position::of(point, gan, &settings)).transpose().map_err(no_way_on)?;
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
            let ended = adapt(gan, negatives, &settings, round, resume, &mut |index, losses, state, cursors| {
                let values = values_of(losses, EWC);
                let point = || Position::save(index + 1, cursors(), state, &adapted);
                monitor.after(&Iteration { at, index, of, values }, StateRef::Trained(state), &point)
            });
            let (state, ended) = reached(ended.map_err(no_way_on)?, at);
            if ended != Ended::Done {
                return Ok(Outcome { state: None, ended });
            }
            offer(&mut adapted, state.g_ema.clone(), monitor);
        }
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
        let ended = unlearn(gan, positives, negatives, &values, &settings, resume, &mut after).map_err(no_way_on)?;
        let (state, ended) = reached(ended, at);
        Ok(Outcome { state: Some(State::Trained(state)), ended })
    }
}

fn no_way_on(reason: String) -> MethodError {
    MethodError(format!("the run cannot go on where it was interrupted: {reason}"))
}

/// The state a stage reached, and how it ended.
fn reached(end: StageEnd, at: StageRound) -> (Box<Trainer>, Ended) {
    match end {
        StageEnd::Done(state) => (state, Ended::Done),
        StageEnd::Stopped(state) => (state, Ended::Stopped),
        StageEnd::NonFinite { last_good, loss, iteration } => {
            (last_good, Ended::NonFinite { at, iteration, what: loss })
        }
    }
}

/// The losses by name; `term` is the name of the stage's own.
fn values_of(losses: &Losses, term: &'static str) -> Vec<(&'static str, f32)> {
    let some = [
        (DISCRIMINATOR, Some(losses.d)),
        (GENERATOR, Some(losses.g)),
        (term, losses.term),
        (RETENTION, losses.retain),
        (R1, losses.r1),
        (PATH_LENGTH, losses.path),
    ];
    some.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Root mean square distances of the generator's parameters: to the adapted ones (their mean) and to the original ones.
fn distances(gan: &Gan, adapted: &[FlatParams], state: &Trainer) -> [(&'static str, f32); 2] {
    let distance = |other: &FlatParams| {
        let square = (state.g.values.clone() - other.values.clone()).square().mean();
        to_vec(square).first().map_or(f32::NAN, |square| square.sqrt())
    };
    let to_adapted = adapted.iter().map(distance).sum::<f32>() / adapted.len().max(1) as f32;
    [(TO_ADAPTED, to_adapted), (TO_ORIGINAL, distance(&gan.g_ema))]
}
