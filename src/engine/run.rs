//! One run of a method, start to end: feedback, the method, a measurement.

use std::{ops::ControlFlow, path::Path, sync::Arc, time::Instant};

use crossbeam_channel::{Receiver, Sender};

use super::{
    command::Command,
    control::RunControl,
    error::{EngineError, panic_sentence},
    estimate::Estimator,
    evaluate::compare,
    event::Event,
    export::export,
    history,
    phase::Phase,
    pictures::sentences,
    report::{RunReport, Seconds, provenance_of},
    request::{EvaluationRequest, RunRequest},
    session::Session,
    warm_up::{WarmUp, warm_up},
};
use crate::{
    checkpoint::{read_tensors, write_tensors},
    data::PictureSet,
    feedback::{CollectRequest, FeedbackSummary, Pools, collect},
    metrics::{Labeler, Target},
    model::program,
    networks::Pictures,
    project::{NodeId, Status},
    unlearn::{Base, Ended, Plan, Request, Settings},
};

/// What is to be run.
pub(super) enum Job {
    /// A new request.
    New(Box<RunRequest>),
    /// The project's interrupted one, with this micro-batch if one is given.
    Continue(Option<usize>),
}

/// Runs a method on the session's model; the result stays in the session and, where a history is kept, becomes a node.
/// `quit` is set if the worker should end; a run that can go on later has no report then.
pub(super) fn run(
    session: &mut Session,
    job: Job,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    quit: &mut bool,
) -> Result<Option<RunReport>, EngineError> {
    let (interrupted, mut request) = match job {
        Job::New(request) => (None, *request),
        Job::Continue(micro_batch) => {
            let (node, mut kept) = history::interrupted(session)?;
            if let Some(micro_batch) = micro_batch {
                kept.request.settings.set("micro-batch", micro_batch).map_err(EngineError::Settings)?;
            }
            (Some(node), kept.request)
        }
    };
    // What can be wrong with the request is found before anything is computed or written.
    let measurement = request.evaluation.clone().map(Measurement::open).transpose()?;
    request.settings.check().map_err(EngineError::Settings)?;
    let plan = request.settings.plan().ok_or(EngineError::State("these settings cannot be run"))?;
    let needs = request.settings.method().needs(request.settings.values());
    if needs.classes && session.model()?.generator.classes() < 2 {
        return Err(EngineError::State("these settings are for a model that draws classes, and this one draws none"));
    }
    let completes = session.model()?.generator.completion().is_some();
    if !needs.samples.fits(completes) {
        return Err(EngineError::State(match completes {
            true => {
                "this method is for models that draw samples; the open one completes pictures: choose `image-to-image`"
            }
            false => "this method is for models that complete pictures, and the open one draws samples: choose another",
        }));
    }
    if request.retain.is_some() && !completes {
        return Err(EngineError::State("pictures that may stay are for models that complete pictures"));
    }
    session.model()?.check_samples()?;
    if interrupted.is_none() && session.project.as_ref().is_some_and(|project| project.unfinished().is_some()) {
        return Err(EngineError::State("a run was interrupted: go on with it, or delete it in the history, first"));
    }
    let node = match interrupted {
        Some(node) => Some(node),
        None if request.preview => None,
        None => history::begin(session, &mut request)?,
    };
    let began = std::panic::AssertUnwindSafe(|| {
        let mut control = RunControl::new(session, commands, events, quit, plan);
        control.node = node;
        if let Some(card) = history::card(control.session, node) {
            control.send_event(Event::Project(Some(card)));
        }
        run_request(&mut control, &request, measurement, interrupted.is_some())
    });
    let report = std::panic::catch_unwind(began);
    // What never trained anything leaves no node behind; what did can be gone on with.
    let nothing_saved = |node: &NodeId| {
        let file = session.project.as_ref().map(|project| project.run_file(*node));
        file.is_some_and(|file| !file.is_file())
    };
    if !matches!(report, Ok(Ok(_)))
        && let Some(node) = node.filter(nothing_saved).filter(|_| interrupted.is_none())
        && let Some(project) = &mut session.project
        && project.node(node).is_ok_and(|node| node.status == Status::Unfinished)
    {
        project.delete(node)?;
    }
    match report {
        Ok(report) => report,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn run_request(
    control: &mut RunControl,
    request: &RunRequest,
    measurement: Option<Measurement>,
    resumed: bool,
) -> Result<Option<RunReport>, EngineError> {
    let (settings, node) = (&request.settings, control.node);
    let (method, plan) = (settings.method(), control.plan);
    if let Some(m) = measurement.as_ref().filter(|_| control.session.auto_snapshots > 0) {
        let model = control.session.model()?;
        control.estimator = Some(Estimator::new(&model, m.labeler.clone(), m.target.clone(), m.request.seed)?);
    }

    let clock = Instant::now();
    let Some(Pools { mut negatives, mut positives, feedback, learned }) = find_pools(control, request)? else {
        return control.left_off();
    };
    let label = clock.elapsed().as_secs_f64();
    let feedback = FeedbackSummary {
        negatives: feedback.negatives().count(),
        positives: feedback.positives().count(),
        sha256: feedback.sha256().map_err(|e| EngineError::Internal(e.to_string()))?,
        learned,
    };
    let draws = control.session.model()?.generator.completion().is_none();
    let warm_up = match draws && method.needs(settings.values()).discriminator {
        true => match ensure_discriminator(control, plan, settings)? {
            ControlFlow::Continue(warm_up) => warm_up,
            ControlFlow::Break(()) => return control.left_off(),
        },
        false => None,
    };
    let model = control.session.model()?;
    let base = Base::of(&model);
    let (path, sha256, original) = (model.path.clone(), model.sha256.clone(), model.g_ema.clone());
    drop(model);
    let resume = match resumed {
        true => control.saved_state()?,
        false => None,
    };
    match node {
        // What an earlier run left is in its own node.
        Some(_) => control.session.results = control.session.results.cleared(),
        None => control.session.results.auxiliary.clear(),
    }
    control.session.results.method = Some(method);
    if resumed && let (Some(project), Some(node)) = (&mut control.session.project, node) {
        project.drop_snapshots_after(node, control.iterations)?;
        let taken = project.node(node)?.snapshots.iter().enumerate();
        let taken: Vec<_> = taken.map(|(place, &at)| (project.snapshot_file(node, place), at)).collect();
        for (file, iteration) in taken {
            let number = control.session.results.keep_file(file, iteration);
            control.send_event(Event::Snapshot { number, iteration });
        }
    }
    control.provenance = vec![
        ("program".to_owned(), program()),
        ("method".to_owned(), provenance_of(method)),
        ("source_sha256".to_owned(), sha256.clone()),
        ("feedback_sha256".to_owned(), feedback.sha256.clone()),
        ("settings".to_owned(), serde_json::to_string(settings).map_err(|e| EngineError::Internal(e.to_string()))?),
    ];

    control.begin()?;
    let values = settings.values();
    let asked = Request { base: &base, negatives: &mut negatives, positives: &mut positives, values, resume };
    let outcome = method.run(asked, control)?;
    control.wait_for_autosave();
    if *control.quit && node.is_some() {
        // Where it stands is on the disk, and the next program to open the project can go on.
        return Ok(None);
    }
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
        measurement_failed: None,
        layers: std::mem::take(&mut control.layers),
        preview: request.preview,
        node,
        evaluation: None,
    };

    // What was trained is on the disk before it is measured: no failure of a measurement costs a result.
    keep(control, request, &report)?;

    // Who stops a run wants it to end: measuring can take longer than training did.
    let finished = !report.stopped && report.failed.is_none();
    let trained = control.session.results.state.as_ref().map(|state| state.g_ema().clone());
    if let (Some(Measurement { labeler, target, request }), Some(trained), true) = (&measurement, trained, finished) {
        let clock = Instant::now();
        let weights = [(&base.generator, &original), (&base.generator, &trained)];
        let of = 2 * request.samples;
        let mut progress = |done| control.step(Phase::Evaluate, done, of);
        let measure = || compare(weights, labeler, target, request.seed, request.samples, &mut progress);
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(measure)) {
            Ok(Ok(evaluation)) => report.evaluation = evaluation,
            Ok(Err(error)) => report.measurement_failed = Some(error.sentence()),
            Err(panic) => report.measurement_failed = Some(panic_sentence(panic.as_ref())),
        }
        report.seconds.evaluate = clock.elapsed().as_secs_f64();
        report.stopped = control.stopped;
        save_report(control, &report)?;
    }
    Ok(Some(report))
}

/// Writes the result where it was asked for, and into its node.
fn keep(control: &mut RunControl, request: &RunRequest, report: &RunReport) -> Result<(), EngineError> {
    let model = control.session.model()?;
    if let (Some(node), Some(project)) = (control.node, &mut control.session.project) {
        let results = &control.session.results;
        if results.state.is_none() {
            // It ended before it made anything.
            project.delete(node)?;
            control.node = None;
        } else {
            let write = |path: &Path| export(&model, results, None, path);
            let status = (history::status(report), report.iterations);
            project.finish(node, status, history::extension(&model), write)?;
        }
    }
    save_report(control, report)?;
    if let Some(out) = &request.out {
        export(&model, &control.session.results, None, out)?;
        control.send_event(Event::Exported(out.clone()));
    }
    Ok(())
}

fn save_report(control: &mut RunControl, report: &RunReport) -> Result<(), EngineError> {
    let (Some(node), Some(project)) = (control.node, &mut control.session.project) else { return Ok(()) };
    let numbers = history::numbers(report);
    let report = serde_json::to_value(report).map_err(|error| EngineError::Internal(error.to_string()))?;
    Ok(project.save_report(node, &report, numbers)?)
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

/// The images to train on, and a warning where a probe that found them is unsure; `None` if it was stopped meanwhile.
fn find_pools(control: &mut RunControl, request: &RunRequest) -> Result<Option<Pools>, EngineError> {
    let model = control.session.model()?;
    let settings = request.settings.collect().map_err(EngineError::Settings)?;
    let helper = request.evaluation.as_ref().map(|evaluation| &evaluation.labeler);
    let positives = request.settings.method().needs(request.settings.values()).positives;
    let side = model.generator.resolution();
    let retain = match &request.retain {
        None => None,
        Some(source) => {
            let (pictures, notes) = PictureSet::open(source, side)?;
            let notes = sentences(source, &notes, side);
            notes.into_iter().for_each(|note| control.send_event(Event::Warning(note)));
            Some(pictures)
        }
    };
    let mut progress = |done| control.step(Phase::Label, done, settings.labelled);
    let asked = CollectRequest {
        source: &request.feedback,
        settings: &settings,
        helper,
        positives,
        retain: retain.as_ref().map(|set| set as &dyn Pictures),
    };
    let Some(pools) = collect(&model, asked, &mut progress)? else { return Ok(None) };
    if let Some(doubt) = pools.learned.and_then(|learned| learned.quality.doubt()) {
        control.send_event(Event::Warning(doubt));
    }
    Ok(Some(pools))
}

/// Gives the session's model a discriminator if it has none; nothing is told of one that it has. A project keeps it, so that
/// a run that is resumed has the same.
fn ensure_discriminator(
    control: &mut RunControl,
    plan: Plan,
    settings: &Settings,
) -> Result<ControlFlow<(), Option<WarmUp>>, EngineError> {
    let model = control.session.model()?;
    let file =
        control.node.zip(control.session.project.as_ref()).map(|(node, project)| project.discriminator_file(node));
    if model.has_own_discriminator {
        return Ok(ControlFlow::Continue(None));
    }
    if let Some(file) = file.as_ref().filter(|file| file.is_file()) {
        let (params, _) = read_tensors(file)?;
        drop(model);
        control.session.model_mut()?.adopt_discriminator(params.into_iter().collect())?;
        return Ok(ControlFlow::Continue(None));
    }
    let mut made = None;
    if model.gan.is_none() {
        control.send_event(Event::Warning(format!(
            "{}: no discriminator in this file; one is warmed up on the generator's own samples first",
            model.path.display()
        )));
        let seed = settings.collect().map_err(EngineError::Settings)?.seed;
        let mut progress = |done, of| control.step(Phase::WarmUp, done, of);
        let (params, warm_up) = match warm_up(&model, (plan.batch, plan.micro_batch), seed, &mut progress)? {
            ControlFlow::Continue(made) => made,
            ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
        };
        drop(model);
        control.session.model_mut()?.adopt_discriminator(params)?;
        made = Some(warm_up);
    }
    if let (Some(file), Some(params)) = (file, control.session.model()?.discriminator_params()) {
        write_tensors(&file, &params, &Default::default())?;
    }
    Ok(ControlFlow::Continue(made))
}
