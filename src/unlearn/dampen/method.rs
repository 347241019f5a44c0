//! *Selective Synaptic Dampening* as one of the methods.

use burn::tensor::Tensor;

use super::{
    dampening::{dampen, dampened_share},
    settings::{DampenSettings, FIELDS, Judge, PRESETS, preset},
};
use crate::{
    feedback::Origin,
    networks::{FlatParams, NormalSource, discriminator::BATCH_GROUP, flat::to_vec},
    unlearn::{
        chart::Chart,
        field::Field,
        importance::{Importance, origins, random_origins},
        method::{
            Ended, Method, MethodError, Needs, Outcome, Plan, Preset, Request, SampleSource, Slider, normal_values,
        },
        monitor::{Auxiliary, Flow, Iteration, Monitor, Stage, StageRound, State, StateRef},
        resume::ResumePoint,
        values::Values,
    },
};

const IMPORTANCE: Stage = Stage {
    id: "importance",
    name: "the measurement",
    title: "Find weights",
    doing: "Finding the weights that matter",
    repeats: false,
    is_result: false,
};
const DAMPEN: Stage =
    Stage { id: "dampen", name: "the dampening", title: "Dampen", doing: "Dampening", repeats: false, is_result: true };
const SHARE: &str = "dampened_share";

const ALPHA: Slider = Slider {
    name: "Choose above",
    help: "Weights that matter for what must go this many times as much as for all samples are shrunk. To the right fewer.",
    caption: "dampened",
    note: "dampened, alpha and lambda",
    min: 0.1,
    max: 1000.0,
    step: 0.0,
    original: 10.0,
    setting: None,
};
const LAMBDA: Slider = Slider {
    name: "Shrink to",
    help: "How much of the chosen weights is left. To the left less.",
    min: 0.01,
    max: 10.0,
    original: 1.0,
    ..ALPHA
};

/// Selective Synaptic Dampening (Foster, Schoepf, Brintrup 2024, arXiv 2308.07707).
#[derive(Clone, Copy, Debug)]
pub struct Dampen;

impl Method for Dampen {
    fn id(&self) -> &'static str {
        "dampen"
    }

    fn name(&self) -> &'static str {
        "Dampening"
    }

    fn help(&self) -> &'static str {
        "Shrinks the weights that matter for what must go only. Nothing is trained: seconds, and two sliders after it."
    }

    fn reference(&self) -> &'static str {
        "arXiv 2308.07707"
    }

    fn presets(&self) -> &'static [Preset] {
        PRESETS
    }

    fn preset(&self, id: &str) -> Option<Values> {
        preset(id)
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn trains(&self) -> bool {
        false
    }

    fn normalize(&self, values: &Values) -> Result<Values, String> {
        normal_values::<DampenSettings>(values)
    }

    fn check(&self, values: &Values) -> Result<(), String> {
        values.read::<DampenSettings>()?.check()
    }

    fn needs(&self, values: &Values) -> Needs {
        let judged = values.read().is_ok_and(|settings: DampenSettings| settings.judge == Judge::Discriminator);
        Needs { discriminator: judged, samples: SampleSource::Any, ..Needs::default() }
    }

    fn plan(&self, values: &Values) -> Option<Plan> {
        let DampenSettings { samples, batch, .. } = values.read().ok()?;
        let batches = 2 * samples.div_ceil(batch.max(1));
        Some(Plan {
            iterations: batches + 1,
            result_iterations: 1,
            batch,
            micro_batch: 0,
            samples: batches * batch,
            pass: batch,
            auxiliary: 2,
        })
    }

    fn stages(&self) -> &'static [Stage] {
        &[IMPORTANCE, DAMPEN]
    }

    fn charts(&self) -> &'static [Chart] {
        &[]
    }

    fn sliders(&self) -> &'static [Slider] {
        &[ALPHA, LAMBDA]
    }

    fn slide(&self, original: &FlatParams, auxiliary: &[FlatParams], [alpha, lambda]: [f64; 2]) -> Option<FlatParams> {
        let [forget, all] = auxiliary else { return None };
        Some(original.with_values(dampen(&original.values, &forget.values, &all.values, alpha, lambda)))
    }

    /// What was interrupted is done anew: it takes seconds.
    fn run(&self, request: Request<'_>, monitor: &mut dyn Monitor) -> Result<Outcome, MethodError> {
        let Request { base, negatives, values, .. } = request;
        let settings: DampenSettings = values.read().map_err(MethodError)?;
        if negatives.is_empty() {
            return Err(MethodError("dampening needs samples of what must go; mark some".to_owned()));
        }
        let judged = settings.judge == Judge::Discriminator;
        let forget = origins(negatives, settings.samples);
        // The mean of few gradients is larger than that of many: both importances are measured on batches of one size.
        let batch = match forget.len().min(settings.batch) {
            few if few > BATCH_GROUP => few / BATCH_GROUP * BATCH_GROUP,
            few => few,
        };
        let importance = Importance::new(base, batch, judged);
        let all = random_origins(&base.generator, settings.samples, &mut NormalSource::new(settings.seed, 0));
        let of = importance.batches(&forget).len() + importance.batches(&all).len();
        let nothing = ResumePoint::start;
        let at = StageRound { stage: &IMPORTANCE, round: 0, rounds: 1 };
        let mut done = 0;
        let mut measure = |samples: &[Origin], monitor: &mut dyn Monitor| -> Option<Tensor<1>> {
            let batches = importance.batches(samples);
            let mut sum = base.g_ema.values.zeros_like();
            for batch in &batches {
                let gradient = importance.gradient(batch);
                sum = sum + if importance.is_judged() { gradient.square() } else { gradient.abs() };
                let iteration = Iteration { at, index: done, of, values: Vec::new() };
                done += 1;
                if monitor.after(&iteration, StateRef::Generator(&base.g_ema), &nothing) == Flow::Stop {
                    return None;
                }
            }
            Some(sum / batches.len() as f64)
        };
        let stopped = Outcome { state: None, ended: Ended::Stopped };
        let Some(forget) = measure(&forget, monitor) else { return Ok(stopped) };
        let Some(all) = measure(&all, monitor) else { return Ok(stopped) };
        for (name, importance) in [("importance for what must go", &forget), ("importance for all samples", &all)] {
            let weights = base.g_ema.with_values(importance.clone());
            monitor.offer(Auxiliary { name: name.to_owned(), weights });
        }
        let at = StageRound { stage: &DAMPEN, round: 0, rounds: 1 };
        let DampenSettings { alpha, lambda, .. } = settings;
        let result = base.g_ema.with_values(dampen(&base.g_ema.values, &forget, &all, alpha, lambda));
        let finite = to_vec(result.values.clone()).iter().all(|value| value.is_finite());
        if !finite {
            return Ok(Outcome { state: None, ended: Ended::NonFinite { at, iteration: 0, what: "importance" } });
        }
        let share = to_vec(dampened_share(&forget, &all, alpha));
        let values = share.into_iter().map(|share| (SHARE, share)).collect();
        let iteration = Iteration { at, index: 0, of: 1, values };
        let flow = monitor.after(&iteration, StateRef::Generator(&result), &nothing);
        let ended = if flow == Flow::Stop { Ended::Stopped } else { Ended::Done };
        Ok(Outcome { state: Some(State::Generator(Box::new(result))), ended })
    }
}
