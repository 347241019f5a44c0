//! One run of a method, start to end: feedback, the method, a measurement.

use std::{ops::ControlFlow, sync::Arc, time::Instant};

use crossbeam_channel::{Receiver, Sender};

use super::{
    command::Command,
    control::RunControl,
    error::EngineError,
    estimate::Estimator,
    evaluate::compare,
    event::Event,
    phase::Phase,
    report::{RunReport, Seconds, provenance_of},
    request::{EvaluationRequest, RunRequest},
    session::Session,
    warm_up::{WarmUp, warm_up},
};
use crate::{
    feedback::{FeedbackSummary, Pools, collect},
    metrics::{Labeler, Target},
    model::program,
    unlearn::{Base, Ended, Plan, Request, Settings},
};

/// Runs a method on the session's model; the result stays in the session. `quit` is set if the worker should end.
pub(super) fn run(
    session: &mut Session,
    request: RunRequest,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    quit: &mut bool,
) -> Result<RunReport, EngineError> {
    // What can be wrong with the request is found before anything is computed.
    if let Some(number) = request.from {
        session.results.snapshot(number)?;
    }
    let measurement = request.evaluation.clone().map(Measurement::open).transpose()?;
    let settings = &request.settings;
    settings.check().map_err(EngineError::Settings)?;
    let method = settings.method();
    let plan = settings.plan().ok_or(EngineError::State("these settings cannot be run"))?;
    let mut control = RunControl::new(session, commands, events, quit, plan);
    if let Some(m) = measurement.as_ref().filter(|_| control.session.auto_snapshots > 0) {
        let model = control.session.model()?;
        control.estimator = Some(Estimator::new(&model, m.labeler.clone(), m.target.clone(), m.request.seed)?);
    }

    let clock = Instant::now();
    let Pools { mut negatives, mut positives, feedback, learned } = find_pools(&mut control, &request)?;
    let label = clock.elapsed().as_secs_f64();
    let feedback = FeedbackSummary {
        negatives: feedback.negatives().count(),
        positives: feedback.positives().count(),
        sha256: feedback.sha256().map_err(|e| EngineError::Internal(e.to_string()))?,
        learned,
    };
    let warm_up = match method.needs(settings.values()).discriminator {
        true => ensure_discriminator(&mut control, plan, settings)?,
        false => None,
    };
    let model = control.session.model()?;
    let base = base(&control, &request)?;
    let (path, sha256, original) = (model.path.clone(), model.sha256.clone(), model.g_ema.clone());
    drop(model);
    control.session.results.auxiliary.clear();
    control.session.results.method = Some(method);
    control.provenance = vec![
        ("program".to_owned(), program()),
        ("method".to_owned(), provenance_of(method)),
        ("source_sha256".to_owned(), sha256.clone()),
        ("feedback_sha256".to_owned(), feedback.sha256.clone()),
        ("settings".to_owned(), serde_json::to_string(settings).map_err(|e| EngineError::Internal(e.to_string()))?),
    ];

    control.begin();
    let values = settings.values();
    let request = Request { base: &base, negatives: &mut negatives, positives: &mut positives, values };
    let outcome = method.run(request, &mut control)?;
    let failed = match outcome.ended {
        Ended::Done | Ended::Stopped => None,
        Ended::NonFinite { at, iteration, what } => {
            control.reached = Some(at);
            let error = EngineError::NonFinite { at: at.to_string(), iteration: iteration + 1, what };
            Some(error.sentence())
        }
    };
    if let Some(state) = outcome.state {
        control.session.results.set(state);
        control.session.results.provenance.clone_from(&control.provenance);
    }
    let mut stages: indexmap::IndexMap<_, _> = method.stages().iter().map(|stage| (stage.id, 0.0)).collect();
    stages.extend(std::mem::take(&mut control.seconds));
    let mut report = RunReport {
        program: program(),
        model: path,
        model_sha256: sha256,
        device: control.session.device.name.clone(),
        settings: settings.clone(),
        feedback,
        stopped: control.stopped,
        failed,
        reached: control.reached,
        iterations: control.iterations,
        last_losses: std::mem::take(&mut control.last),
        seconds: Seconds { label, stages, evaluate: 0.0 },
        warm_up,
        evaluation: None,
    };

    // Who stops a run wants it to end: measuring can take longer than training did.
    let finished = !report.stopped && report.failed.is_none();
    let trained = control.session.results.state.as_ref().map(|state| state.g_ema().clone());
    if let (Some(Measurement { labeler, target, request }), Some(trained), true) = (&measurement, trained, finished) {
        let clock = Instant::now();
        let weights = [(&base.generator, &original), (&base.generator, &trained)];
        let of = 2 * request.samples;
        let mut progress = |done| control.step(Phase::Evaluate, done, of);
        report.evaluation = compare(weights, labeler, target, request.seed, request.samples, &mut progress)?;
        report.seconds.evaluate = clock.elapsed().as_secs_f64();
        report.stopped = control.stopped;
    }
    Ok(report)
}

/// A measurement whose labeler is open.
struct Measurement {
    labeler: Arc<Labeler>,
    target: Target,
    request: EvaluationRequest,
}

impl Measurement {
    fn open(request: EvaluationRequest) -> Result<Self, EngineError> {
        let labeler = Arc::new(request.labeler.open()?);
        let target = labeler.target(&request.forget)?;
        Ok(Self { labeler, target, request })
    }
}

const STOPPED_EARLY: EngineError = EngineError::State("stopped before training began; nothing was changed");

/// The images to train on, and a warning where a probe that found them is unsure.
fn find_pools(control: &mut RunControl, request: &RunRequest) -> Result<Pools, EngineError> {
    let model = control.session.model()?;
    let settings = request.settings.collect().map_err(EngineError::Settings)?;
    let helper = request.evaluation.as_ref().map(|evaluation| &evaluation.labeler);
    let mut progress = |done| control.step(Phase::Label, done, settings.labelled);
    let pools = collect(&model, &request.feedback, &settings, helper, &mut progress)?.ok_or(STOPPED_EARLY)?;
    if let Some(doubt) = pools.learned.and_then(|learned| learned.quality.doubt()) {
        control.send_event(Event::Warning(doubt));
    }
    Ok(pools)
}

/// Gives the session's model a discriminator if it has none; `None` if it has one.
fn ensure_discriminator(
    control: &mut RunControl,
    plan: Plan,
    settings: &Settings,
) -> Result<Option<WarmUp>, EngineError> {
    let model = control.session.model()?;
    if model.gan.is_some() {
        return Ok(None);
    }
    control.send_event(Event::Warning(format!(
        "{}: no discriminator in this file; one is warmed up on the generator's own samples first",
        model.path.display()
    )));
    let seed = settings.collect().map_err(EngineError::Settings)?.seed;
    let mut progress = |done, of| control.step(Phase::WarmUp, done, of);
    let (params, warm_up) = match warm_up(&model, (plan.batch, plan.micro_batch), seed, &mut progress)? {
        ControlFlow::Continue(made) => made,
        ControlFlow::Break(()) => return Err(STOPPED_EARLY),
    };
    drop(model);
    control.session.model_mut()?.adopt_discriminator(params)?;
    Ok(Some(warm_up))
}

/// What the method starts from: the model as it was loaded, or a snapshot in its place.
fn base(control: &RunControl, request: &RunRequest) -> Result<Base, EngineError> {
    let mut base = Base::of(&*control.session.model()?);
    let Some(number) = request.from else { return Ok(base) };
    let snapshot = control.session.results.snapshot(number)?.clone();
    base.g_ema = snapshot.g_ema.clone();
    if let Some(gan) = &mut base.gan {
        // The optimizers are the checkpoint's: a snapshot holds networks only.
        gan.g_ema = snapshot.g_ema.clone();
        (gan.g, gan.d) = snapshot.trained.unwrap_or((snapshot.g_ema, gan.d.clone()));
    }
    Ok(base)
}
