//! *Redirect and Polish* as one of the methods.

use serde_json::{Map, Value};

use super::{
    settings::{FIELDS, PRESETS, RedirectSettings, preset},
    targets::{KEPT, REDIRECTED, Redirected, targets},
};
use crate::{
    networks::latents::NormalSource,
    train::{Losses, Trainer},
    unlearn::{
        adversarial::{
            ADVERSARIAL_LOSSES, Cursors, Images, Position, Stage as Training, no_way_on, reached, values_of,
        },
        chart::{Chart, Curve, Meaning},
        field::Field,
        latent_rule::{LatentRule, Space},
        method::{Ended, Method, MethodError, Needs, Outcome, Plan, Preset, Request, normal_values},
        monitor::{Iteration, Monitor, Stage, StageRound, State, StateRef},
        regression::Regression,
        values::Values,
    },
};

const REDIRECT: Stage = Stage {
    id: "redirect",
    name: "the redirection",
    title: "Redirect",
    doing: "Redirecting what must go",
    repeats: false,
    is_result: true,
};
const POLISH: Stage = Stage {
    id: "polish",
    name: "the polish",
    title: "Polish",
    doing: "Polishing the result",
    repeats: false,
    is_result: true,
};

const CHARTS: &[Chart] = &[
    Chart {
        title: "Losses",
        help: "How far samples that must go are from what they are to become, and the others from what they were.",
        stage: REDIRECT.id,
        curves: &[
            Curve { name: REDIRECTED, label: "must go", meaning: Meaning::Negative },
            Curve { name: KEPT, label: "may stay", meaning: Meaning::Positive },
        ],
    },
    Chart {
        title: "Adversarial losses",
        help: "They should stay close to each other. If one runs away, the learning rate is too high.",
        stage: POLISH.id,
        curves: ADVERSARIAL_LOSSES,
    },
];

/// Redirect and polish.
#[derive(Clone, Copy, Debug)]
pub struct Redirect;

impl Method for Redirect {
    fn id(&self) -> &'static str {
        "redirect"
    }

    fn name(&self) -> &'static str {
        "Redirect and Polish"
    }

    fn help(&self) -> &'static str {
        "Samples that must go are led to pictures without it, all others are held; a short adversarial training finishes."
    }

    fn reference(&self) -> &'static str {
        "this program's own, after arXiv 2303.05699"
    }

    fn presets(&self) -> &'static [Preset] {
        PRESETS
    }

    fn preset(&self, id: &str) -> Option<Values> {
        preset(id)
    }

    fn follow(&self, _: &str, values: &mut Values, args: &Map<String, Value>) {
        if let Ok(mut settings) = values.read::<RedirectSettings>() {
            settings.polish.follow(args);
            values.merge(Values::of(&settings));
        }
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn normalize(&self, values: &Values) -> Result<Values, String> {
        normal_values::<RedirectSettings>(values)
    }

    fn check(&self, values: &Values) -> Result<(), String> {
        values.read::<RedirectSettings>()?.check()
    }

    fn needs(&self, values: &Values) -> Needs {
        let polishes = values.read().is_ok_and(|settings: RedirectSettings| settings.polish.iterations > 0);
        Needs { discriminator: polishes, positives: true, ..Needs::default() }
    }

    fn plan(&self, values: &Values) -> Option<Plan> {
        let RedirectSettings { train, polish, .. } = values.read().ok()?;
        Some(Plan {
            iterations: train.iterations + polish.iterations,
            result_iterations: train.iterations + polish.iterations,
            batch: train.batch,
            micro_batch: train.micro_batch,
            samples: train.iterations * train.batch + polish.iterations * polish.train.batch,
            pass: train.pass().max(polish.train.pass()),
            auxiliary: 0,
        })
    }

    fn stages(&self) -> &'static [Stage] {
        &[REDIRECT, POLISH]
    }

    fn charts(&self) -> &'static [Chart] {
        CHARTS
    }

    fn run(&self, request: Request<'_>, monitor: &mut dyn Monitor) -> Result<Outcome, MethodError> {
        let Request { base, negatives, positives, values, resume } = request;
        let settings: RedirectSettings = values.read().map_err(MethodError)?;
        let restricted = settings.restriction.find(base, negatives, monitor);
        let polishing = settings.polish.iterations > 0;
        // What an adversarial training saves holds a discriminator.
        let (first, second) = match resume {
            Some(point) if point.tensor("d").is_some() => (None, Some(point)),
            other => (other, None),
        };
        let mut redirected = None;
        if second.is_none() {
            let rule = LatentRule::of(base, negatives, positives, Space::W, settings.seed).map_err(MethodError)?;
            let mut targets = targets(&rule, negatives, settings.depth);
            let mut examples = Redirected {
                truncated: rule.centre().is_some(),
                targets: &mut targets,
                positives,
                device: base.g_ema.device(),
                alpha: settings.alpha,
                batch: settings.train.batch,
            };
            let at = StageRound { stage: &REDIRECT, round: 0, rounds: 1 };
            let centre = rule.centre().cloned();
            let training =
                Regression { config: &settings.train, restricted: &restricted, centre, at, seed: settings.seed };
            let outcome = training.run(&base.generator, &base.g_ema, &mut examples, first, monitor)?;
            if outcome.ended != Ended::Done || !polishing {
                return Ok(outcome);
            }
            redirected = outcome.state;
        }
        let gan = base.gan()?;
        let position = second.map(|point| Position::of(point, gan, 0)).transpose().map_err(no_way_on)?;
        let start = redirected.as_ref().map_or(&gan.g_ema, State::g_ema);
        let mut trainer = gan.trainer(settings.polish.train.clone(), start.clone());
        trainer.g_ema = start.clone();
        let at = StageRound { stage: &POLISH, round: 0, rounds: 1 };
        let of = settings.polish.iterations;
        let mut after = |index: usize, losses: &Losses, state: &Trainer, cursors: &dyn Fn() -> Cursors| {
            let point = || Position::save(index + 1, cursors(), state, &[]);
            let iteration = Iteration { at, index, of, values: values_of(losses, "") };
            monitor.after(&iteration, StateRef::Trained(state), &point)
        };
        let mut rng = NormalSource::new(settings.seed, 2);
        let images = Images { real: positives, unwanted: Some(negatives) };
        let training = Training { config: &settings.polish, restricted: &restricted };
        let resume = position.as_ref().map(Position::stage);
        let ended = training.run(trainer, images, None, &mut rng, resume, &mut after).map_err(no_way_on)?;
        let (state, ended) = reached(ended, at);
        Ok(Outcome { state: Some(State::Trained(state)), ended })
    }
}
