//! *Reject and retain* as one of the methods.

use serde_json::{Map, Value};

use super::{
    fields::FIELDS,
    settings::{PRESETS, RejectSettings, preset},
};
use crate::{
    networks::latents::NormalSource,
    train::{Losses, Trainer},
    unlearn::{
        adversarial::{
            ADVERSARIAL_LOSSES, Cursors, Images, Position, RETENTION, Stage as Training, TO_ORIGINAL, distance_between,
            no_way_on, reached, values_of,
        },
        chart::{Chart, Curve, Meaning},
        field::Field,
        method::{Method, MethodError, Needs, Outcome, Plan, Preset, Request, normal_values},
        monitor::{Iteration, Monitor, Stage, StageRound, State, StateRef, UNLEARN},
        values::Values,
    },
};

/// The distance to the original is measured every so many iterations.
const DISTANCE_EVERY: usize = 10;

const CHARTS: &[Chart] = &[
    Chart {
        title: "Adversarial losses",
        help: "They should stay close to each other. If one runs away, the learning rate is too high.",
        stage: UNLEARN.id,
        curves: ADVERSARIAL_LOSSES,
    },
    Chart {
        title: "Retention",
        help: "How far samples that may stay are from what they were.",
        stage: UNLEARN.id,
        curves: &[Curve { name: RETENTION, label: "retention", meaning: Meaning::Positive }],
    },
    Chart {
        title: "Distance of the weights",
        help: "From the original model.",
        stage: UNLEARN.id,
        curves: &[Curve { name: TO_ORIGINAL, label: "to the original", meaning: Meaning::Before }],
    },
];

/// Reject and retain.
#[derive(Clone, Copy, Debug)]
pub struct Reject;

impl Method for Reject {
    fn id(&self) -> &'static str {
        "reject"
    }

    fn name(&self) -> &'static str {
        "Reject and Retain"
    }

    fn help(&self) -> &'static str {
        "The model trains on what may stay, against a discriminator that goes on rejecting samples of what must go."
    }

    fn reference(&self) -> &'static str {
        "this program's own"
    }

    fn presets(&self) -> &'static [Preset] {
        PRESETS
    }

    fn preset(&self, id: &str) -> Option<Values> {
        preset(id)
    }

    fn follow(&self, _: &str, values: &mut Values, args: &Map<String, Value>) {
        if let Ok(mut settings) = values.read::<RejectSettings>() {
            settings.unlearn.follow(args);
            values.merge(Values::of(&settings));
        }
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn normalize(&self, values: &Values) -> Result<Values, String> {
        normal_values::<RejectSettings>(values)
    }

    fn check(&self, values: &Values) -> Result<(), String> {
        values.read::<RejectSettings>()?.check()
    }

    fn needs(&self, _: &Values) -> Needs {
        Needs { discriminator: true, positives: true, ..Needs::default() }
    }

    fn plan(&self, values: &Values) -> Option<Plan> {
        let RejectSettings { unlearn, .. } = values.read().ok()?;
        Some(Plan {
            iterations: unlearn.iterations,
            result_iterations: unlearn.iterations,
            batch: unlearn.train.batch,
            micro_batch: unlearn.train.micro_batch,
            samples: unlearn.iterations * unlearn.train.batch,
            pass: unlearn.train.pass(),
            auxiliary: 0,
        })
    }

    fn stages(&self) -> &'static [Stage] {
        &[UNLEARN]
    }

    fn charts(&self) -> &'static [Chart] {
        CHARTS
    }

    fn run(&self, request: Request<'_>, monitor: &mut dyn Monitor) -> Result<Outcome, MethodError> {
        let Request { base, negatives, positives, values, resume } = request;
        let settings: RejectSettings = values.read().map_err(MethodError)?;
        let gan = base.gan()?;
        let restricted = settings.restriction.find(base, negatives, monitor);
        let position = resume.map(|point| Position::of(point, gan, 0)).transpose().map_err(no_way_on)?;
        // What is shown is where it starts: nothing moves before training moves it.
        let first = restricted.start(&gan.g_ema);
        let mut trainer = gan.trainer(settings.unlearn.train.clone(), first.clone());
        trainer.g_ema = first;
        let at = StageRound { stage: &UNLEARN, round: 0, rounds: 1 };
        let of = settings.unlearn.iterations;
        let mut rng = NormalSource::new(settings.seed, 0);
        let mut after = |index: usize, losses: &Losses, state: &Trainer, cursors: &dyn Fn() -> Cursors| {
            let mut values = values_of(losses, "");
            if index.is_multiple_of(DISTANCE_EVERY) || index + 1 == of {
                values.push((TO_ORIGINAL, distance_between(&state.g, &gan.g_ema)));
            }
            let point = || Position::save(index + 1, cursors(), state, &[]);
            monitor.after(&Iteration { at, index, of, values }, StateRef::Trained(state), &point)
        };
        let images = Images { real: positives, unwanted: Some(negatives) };
        let training = Training { config: &settings.unlearn, restricted: &restricted };
        let resume = position.as_ref().map(Position::stage);
        let ended = training.run(trainer, images, None, &mut rng, resume, &mut after).map_err(no_way_on)?;
        let (state, ended) = reached(ended, at);
        Ok(Outcome { state: Some(State::Trained(state)), ended })
    }
}
