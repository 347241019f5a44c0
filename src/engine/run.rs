//! One run of a method, start to end: feedback, the method, a measurement.

use std::{ops::ControlFlow, path::Path, sync::Arc, time::Instant};

use crossbeam_channel::{Receiver, Sender};

use super::{
    autosave::Counters,
    command::Command,
    control::RunControl,
    error::{EngineError, panic_sentence},
    estimate::Estimator,
    evaluate::compare,
    event::Event,
    export::export,
    fit::{Way, fit},
    history,
    job::{outcome, send_event},
    memory_estimate::MemoryEstimate,
    phase::Phase,
    prepare::{ensure_discriminator, find_pools},
    project_card::AskedRun,
    report::{RunReport, Seconds, provenance_of},
    request::{EvaluationRequest, ProjectRequest, RunRequest},
    seed::EVALUATION_SEED,
    session::{Session, StoppedRun},
    time_left::TimeLeft,
};
use crate::{
    feedback::{Feedback, FeedbackSummary, MarksProbe, Pools, estimate_gone, gone_samples},
    metrics::{Labeler, Target},
    model::program,
    networks::FlatParams,
    project::{NodeId, Status},
    train::Checkpointing,
    unlearn::{Base, Ended, Request, ResumePoint},
};

/// What is to be run.
pub(super) enum Job {
    /// A new request.
    New(Box<RunRequest>),
    /// The one that was interrupted or stopped, computed this way if one is given.
    Continue(Option<Way>),
}

/// Where a run begins.
enum Beginning {
    /// At its start.
    Start,
    /// Where the disk says that its node's run stood.
    Node(NodeId),
    /// Where a run stood of which there is no node.
    Memory(Box<(ResumePoint, Counters)>),
}

/// Runs a method on the session's model; the result stays in the session and, where a history is kept, becomes a node.
/// `quit` is set if the worker should end; a run that can go on later has no report then. `pass` is how a batch is computed,
/// set while running out of memory may be due to it: from the warm-up of a discriminator until training is over.
pub(super) fn run(
    session: &mut Session,
    job: Job,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    (quit, pass): (&mut bool, &mut Option<Way>),
) -> Result<Option<RunReport>, EngineError> {
    let (beginning, mut request) = match job {
        Job::New(request) => (Beginning::Start, *request),
        Job::Continue(way) => {
            let class = session.model()?.generator.class();
            let (beginning, mut request) = unended(session)?;
            let now = session.model()?.generator.class();
            if now != class {
                send_event(events, Event::Class(now));
            }
            if let Some(way) = way {
                way.apply(&mut request.settings).map_err(EngineError::Settings)?;
            }
            (beginning, request)
        }
    };
    // What can be wrong with the request is found before anything is computed or written.
    let measurement = request.evaluation.clone().map(Measurement::open).transpose()?;
    request.settings.check().map_err(EngineError::Settings)?;
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
    session.devices.half_precision(&request.settings)?;
    session.model()?.check_samples()?;
    let has_node = matches!(beginning, Beginning::Node(_));
    if !has_node && session.project.as_ref().is_some_and(|project| project.unfinished().is_some()) {
        return Err(EngineError::State("a run was interrupted: go on with it, or delete it in the history, first"));
    }
    if matches!(beginning, Beginning::Start)
        && let Some(warning) = fit_into_memory(session, &mut request)?
    {
        send_event(events, Event::Warning(warning));
    }
    let plan = request.settings.plan().ok_or(EngineError::State("these settings cannot be run"))?;
    let node = match beginning {
        Beginning::Node(node) => Some(node),
        _ if request.preview => None,
        _ => history::begin(session, &mut request)?,
    };
    let was_stopped = match (node.filter(|_| has_node), &mut session.project) {
        (Some(node), Some(project)) if project.node(node)?.status == Status::Stopped => {
            // Should the program be killed, the run was interrupted.
            project.set_status(node, Status::Unfinished)?;
            Some(node)
        }
        _ => None,
    };
    let began = std::panic::AssertUnwindSafe(|| {
        let mut control = RunControl::new(session, commands, events, (quit, pass), plan);
        control.node = node;
        if let Some(card) = history::card(control.session, node) {
            control.send_event(Event::Project(Some(card)));
        }
        run_request(&mut control, &request, measurement, beginning)
    });
    let report = std::panic::catch_unwind(began);
    if has_node {
        // Its model is another one now.
        session.looked_at = None;
    }
    // What never trained anything leaves no node behind; what did can be gone on with.
    let nothing_saved = |node: &NodeId| {
        let file = session.project.as_ref().map(|project| project.run_file(*node));
        file.is_some_and(|file| !file.is_file())
    };
    if !matches!(report, Ok(Ok(_)))
        && let Some(node) = node.filter(nothing_saved).filter(|_| !has_node)
        && let Some(project) = &mut session.project
        && project.node(node).is_ok_and(|node| node.status == Status::Unfinished)
    {
        project.delete(node)?;
    }
    if !matches!(report, Ok(Ok(_)))
        && let Some(node) = was_stopped
        && history::project(session)?.node(node).is_ok_and(|node| node.status == Status::Unfinished)
    {
        // It is what it was, and can go on another time. Why it failed is worth more to be told of than why it cannot be shown
        // again, be that an error or a device that is still out of memory.
        let _ = outcome(|| {
            history::project_mut(session)?.set_status(node, Status::Stopped)?;
            // What was made since, and could not be written, can be saved elsewhere.
            if session.results.state.is_none() {
                history::change(session, ProjectRequest::Show(node))?;
            }
            Ok(())
        });
    }
    match report {
        Ok(report) => report,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Opens the model that the run to go on with was made on; gives whether another one was open.
pub(super) fn open_unended(session: &mut Session) -> Result<bool, EngineError> {
    if is_in_memory(session) { Ok(false) } else { history::open_parent(session) }
}

/// Whether what goes on is a run of which there is no node.
pub(super) fn is_in_memory(session: &Session) -> bool {
    session.stopped.is_some() && session.project.as_ref().is_none_or(|project| project.unfinished().is_none())
}

/// The run that was interrupted or stopped: where it goes on, and what was asked.
fn unended(session: &mut Session) -> Result<(Beginning, RunRequest), EngineError> {
    let in_memory = is_in_memory(session);
    if let Some(StoppedRun { request, class, point, counters }) = session.stopped.clone().filter(|_| in_memory) {
        if session.model()?.generator.class() != class {
            session.set_class(class)?;
        }
        return Ok((Beginning::Memory(Box::new((point, counters))), request));
    }
    let (node, kept) = history::interrupted(session)?;
    Ok((Beginning::Node(node), kept.request))
}

/// Lets a run compute a batch in parts, and blocks again, where it does not fit into the memory that is free, which are then settings of
/// the run like any other; what is to be said of it, in a sentence.
fn fit_into_memory(session: &Session, request: &mut RunRequest) -> Result<Option<String>, EngineError> {
    // What is kept of a run that has a node is on the disk.
    let snapshots = if session.project.is_some() { 0 } else { session.auto_snapshots };
    let mut card = session.model()?.card();
    if session.devices.half_precision(&request.settings)? {
        card.maps = card.half_maps;
    }
    let Some(estimate) = MemoryEstimate::of(&card, &request.settings, snapshots) else { return Ok(None) };
    let Some(free) = session.devices.free_beside(estimate.model as u64) else { return Ok(None) };
    let Some(fit) = fit(&card, &request.settings, snapshots, free) else { return Ok(None) };
    fit.way.apply(&mut request.settings).map_err(EngineError::Settings)?;
    Ok(Some(fit.sentence(free)))
}

fn run_request(
    control: &mut RunControl,
    request: &RunRequest,
    measurement: Option<Measurement>,
    beginning: Beginning,
) -> Result<Option<RunReport>, EngineError> {
    let (settings, node) = (&request.settings, control.node);
    let (method, plan) = (settings.method(), control.plan);
    if let Some(m) = measurement.as_ref().filter(|_| control.session.auto_snapshots > 0) {
        let model = control.session.model()?;
        control.estimator = Some(Estimator::new(&model, m.labeler.clone(), m.target.clone(), m.request.seed)?);
    }

    let by_marks = measurement.is_none() && !request.preview && request.feedback.is_marks();
    let model = control.session.model()?;
    let measured = measurement.as_ref().map_or(0, |measurement| measurement.request.samples);
    let measured = if by_marks { gone_samples(&model) } else { measured };
    control.time_left = TimeLeft::of_run(request, plan, &model, 2 * measured);
    drop(model);
    let clock = Instant::now();
    let Some(Pools { mut negatives, mut positives, feedback: marks, learned, probe }) = find_pools(control, request)?
    else {
        return control.left_off();
    };
    let label = clock.elapsed().as_secs_f64();
    let checkpointing = settings.compute().map_err(EngineError::Settings)?.checkpointing == Checkpointing::On;
    let half = control.session.devices.half_precision(settings)?;
    *control.pass = Some(Way { samples: plan.pass, checkpointing });
    let feedback = FeedbackSummary {
        negatives: marks.negatives().count(),
        positives: marks.positives().count(),
        sha256: marks.sha256().map_err(|e| EngineError::Internal(e.to_string()))?,
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
    let base = Base::of(&model).with_checkpointing(checkpointing).with_half_precision(half);
    let (path, sha256, original) = (model.path.clone(), model.sha256.clone(), model.g_ema.clone());
    drop(model);
    let (resumed, kept) = match beginning {
        Beginning::Start => (false, None),
        Beginning::Node(_) => (true, None),
        Beginning::Memory(kept) => (true, Some(*kept)),
    };
    let resume = if resumed { control.saved_state(kept)? } else { None };
    // What a preview makes takes no run's place.
    control.supersedes = !request.preview;
    match node {
        // What an earlier run left is in its own node.
        Some(_) => control.session.results = control.session.results.cleared(),
        None => control.session.results.auxiliary.clear(),
    }
    control.session.results.method = Some(method);
    if resumed && node.is_none() {
        for (number, snapshot) in control.session.results.snapshots.iter().enumerate() {
            control.send_event(Event::Snapshot { number, iteration: snapshot.iteration });
        }
    }
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
    let outcome = match control.session.devices.remote.clone() {
        Some(remote) => {
            let model = control.session.model()?;
            remote.run(method, &model, asked, control)?
        }
        None => method.run(asked, control)?,
    };
    *control.pass = None;
    if outcome.state.is_some() {
        // Some methods make it in one go.
        control.supersede();
    }
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
    let earlier = |id: &str| control.earlier.get(id).copied().unwrap_or_default();
    let mut stages: indexmap::IndexMap<_, _> =
        method.stages().iter().map(|stage| (stage.id, earlier(stage.id))).collect();
    stages.extend(std::mem::take(&mut control.seconds));
    let mut report = RunReport {
        program: program(),
        model: path,
        model_sha256: sha256,
        device: control.session.devices.card().name,
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
        estimated: None,
        estimate_failed: None,
        can_go_on: None,
    };

    // What was trained is on the disk before it is measured: no failure of a measurement costs a result.
    keep(control, request, &report)?;
    report.node = control.node;
    report.can_go_on = keep_stopped(control, request, &report);

    // Who stops a run wants it to end: measuring can take longer than training did.
    let finished = !report.stopped && report.failed.is_none();
    let trained = control.session.results.state.as_ref().map(|state| state.g_ema().clone());
    if let (Some(trained), true, true) = (&trained, finished, by_marks) {
        estimate(control, trained, (&marks, probe.as_ref()), &mut report)?;
        save_report(control, &report)?;
    }
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

/// Notes in the report how much is gone, as far as the marks tell.
fn estimate(
    control: &mut RunControl,
    trained: &FlatParams,
    marks: (&Feedback, Option<&MarksProbe>),
    report: &mut RunReport,
) -> Result<(), EngineError> {
    let clock = Instant::now();
    let model = control.session.model()?;
    let of = 2 * gone_samples(&model);
    let seeds = [report.settings.collect().map_err(EngineError::Settings)?.seed, EVALUATION_SEED];
    let mut progress = |done| control.step(Phase::Evaluate, done, of);
    let estimate = || estimate_gone((&model, trained), marks, seeds, &mut progress);
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(estimate)) {
        Ok(Ok(estimated)) => report.estimated = estimated,
        Ok(Err(error)) => report.estimate_failed = Some(error.to_string()),
        Err(panic) => report.estimate_failed = Some(panic_sentence(panic.as_ref())),
    }
    report.seconds.evaluate = clock.elapsed().as_secs_f64();
    report.stopped = control.stopped;
    Ok(())
}

/// Lets a run that was stopped go on later: from its node, or else from memory. Gives what was asked of it.
fn keep_stopped(control: &mut RunControl, request: &RunRequest, report: &RunReport) -> Option<Box<AskedRun>> {
    let (point, counters) = control.stopped_at.take()?;
    if report.failed.is_some() || request.preview {
        return None;
    }
    let node = control.node.zip(control.session.project.as_ref());
    if node.is_none_or(|(node, project)| !project.run_file(node).is_file()) {
        let class = control.session.model().ok()?.generator.class();
        control.session.stopped = Some(StoppedRun { request: request.clone(), class, point, counters });
    }
    Some(Box::new(request.clone().into()))
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
