//! One run of the method, start to end: feedback, adapt, unlearn, measure.

use std::{sync::Arc, time::Instant};

use crossbeam_channel::{Receiver, Sender};

use super::{
    command::{Command, Event, Phase, RunRequest},
    control::Control,
    error::EngineError,
    estimate::Estimator,
    evaluate::compare,
    report::{METHOD, RunReport, Seconds},
    session::Session,
    warm_up,
};
use crate::{
    feedback::{FeedbackSummary, ImagePool, Pools, collect},
    model::{Gan, program},
    networks::FlatParams,
    train::{Losses, Trainer},
    unlearn::{
        Ended, Flow, Iteration, Monitor, Settings, Stage,
        adapt::stages::{adapt, unlearn},
    },
};

/// Runs the method on the session's model; the result stays in the session. `quit` is set if the worker should end.
pub(super) fn run(
    session: &mut Session,
    request: RunRequest,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    quit: &mut bool,
) -> Result<RunReport, EngineError> {
    if let Some(number) = request.from {
        session.kept(number)?;
    }
    // What can be wrong with the request is found before anything is computed.
    let evaluation = match &request.evaluation {
        None => None,
        Some(wanted) => {
            let labeler = Arc::new(wanted.labeler.open()?);
            let target = labeler.target(&wanted.forget)?;
            Some((labeler, target, wanted))
        }
    };
    let settings = request.settings.clone();
    let to_train = settings.adapted * settings.adapt.iterations + settings.unlearn.iterations;
    let mut control = Control::new(session, commands, events, quit, to_train);
    let mut seconds = Seconds::default();

    if let Some((labeler, target, wanted)) = evaluation.as_ref().filter(|_| control.session.auto_snapshots > 0) {
        let model = control.session.model()?;
        control.estimator = Some(Estimator::new(&model, labeler.clone(), target.clone(), wanted.seed)?);
    }

    let clock = Instant::now();
    let model = control.session.model()?;
    let helper = request.evaluation.as_ref().map(|evaluation| &evaluation.labeler);
    let mut progress = |done| control.step(Phase::Label, done, settings.labelled);
    let pools = collect(&model, &request.feedback, &settings.collect(), helper, &mut progress)?;
    drop(model);
    seconds.label = clock.elapsed().as_secs_f64();
    let Some(Pools { mut negatives, mut positives, feedback, learned }) = pools else {
        return Err(EngineError::State("stopped before training began; nothing was changed"));
    };
    if let Some(doubt) = learned.and_then(|learned| learned.quality.doubt()) {
        control.tell(Event::Warning(doubt));
    }
    let feedback = FeedbackSummary {
        negatives: feedback.negatives().count(),
        positives: feedback.positives().count(),
        sha256: feedback.sha256().map_err(|e| EngineError::Internal(e.to_string()))?,
        learned,
    };
    let warm_up = warm_up::ensure(&mut control, &settings)?;
    let model = control.session.model()?;
    let mut gan = model.gan()?.clone();
    if let Some(number) = request.from {
        // The optimizers are the checkpoint's: a snapshot holds networks only.
        let kept = control.session.kept(number)?.clone();
        (gan.g_ema, gan.g, gan.d) = (kept.g_ema, kept.g, kept.d);
    }
    let (path, sha256, original) = (model.path.clone(), model.sha256.clone(), model.g_ema.clone());
    drop(model);
    control.session.adapted.clear();
    let provenance = vec![
        ("program".to_owned(), program()),
        ("method".to_owned(), METHOD.to_owned()),
        ("source_sha256".to_owned(), sha256.clone()),
        ("feedback_sha256".to_owned(), feedback.sha256.clone()),
        ("settings".to_owned(), serde_json::to_string(&settings).map_err(|e| EngineError::Internal(e.to_string()))?),
    ];

    let mut report = RunReport {
        program: program(),
        model: path,
        model_sha256: sha256,
        device: control.session.device.name.clone(),
        settings: settings.clone(),
        feedback,
        stopped: false,
        failed: None,
        iterations: 0,
        last_losses: None,
        seconds,
        warm_up,
        evaluation: None,
    };

    let clock = Instant::now();
    for member in 0..settings.adapted {
        if control.stopped {
            break;
        }
        let ended = adapt(&gan, &mut negatives, &settings, member, &mut control);
        let state = take(ended, Stage::Adapt { member }, &mut report);
        if report.failed.is_some() {
            break;
        }
        control.session.adapted.push(state.g_ema);
    }
    report.seconds.adapt = clock.elapsed().as_secs_f64();
    if !control.stopped && report.failed.is_none() {
        let clock = Instant::now();
        // The result of an earlier run keeps its own provenance until this one has a result.
        control.session.provenance = provenance;
        train(&mut control, &gan, [&mut positives, &mut negatives], &settings, &mut report);
        report.seconds.unlearn = clock.elapsed().as_secs_f64();
    }
    report.stopped = control.stopped;

    // Who stops a run wants it to end: measuring can take longer than training did.
    let finished = !report.stopped && report.failed.is_none();
    if let (Some((labeler, target, wanted)), Some(trained), true) =
        (&evaluation, control.session.trained.clone(), finished)
    {
        let clock = Instant::now();
        let weights = [(&gan.networks.generator, &original), (&gan.networks.generator, &trained.g_ema)];
        let of = 2 * wanted.samples;
        let mut progress = |done| control.step(Phase::Evaluate, done, of);
        report.evaluation = compare(weights, labeler, target, wanted.seed, wanted.samples, &mut progress)?;
        report.seconds.evaluate = clock.elapsed().as_secs_f64();
        report.stopped = control.stopped;
    }
    Ok(report)
}

/// Stage 2; its state goes into the session.
fn train(
    control: &mut Control,
    gan: &Gan,
    [positives, negatives]: [&mut ImagePool; 2],
    settings: &Settings,
    report: &mut RunReport,
) {
    let adapted: Vec<_> = control.session.adapted.iter().map(|a: &FlatParams| a.values.clone()).collect();
    let mut last = Recorder { control, losses: None, iterations: 0 };
    let ended = unlearn(gan, positives, negatives, &adapted, settings, &mut last);
    report.iterations = last.iterations;
    report.last_losses = last.losses;
    let state = take(ended, Stage::Unlearn, report);
    control.session.trained = Some(Box::new(state));
}

/// The state a stage reached; one that failed gives its last good state, and the report says so.
fn take(ended: Ended, stage: Stage, report: &mut RunReport) -> Trainer {
    match ended {
        Ended::Done(state) | Ended::Stopped(state) => *state,
        Ended::NonFinite { last_good, loss, iteration } => {
            let error = EngineError::NonFinite { stage: stage.to_string(), iteration: iteration + 1, loss };
            report.failed = Some(error.sentence());
            *last_good
        }
    }
}

/// Remembers the last iteration for the report and passes everything on.
struct Recorder<'a, 'b> {
    control: &'a mut Control<'b>,
    losses: Option<Losses>,
    iterations: usize,
}

impl Monitor for Recorder<'_, '_> {
    fn after(&mut self, iteration: &Iteration, state: &Trainer) -> Flow {
        self.losses = Some(iteration.losses);
        self.iterations = iteration.index + 1;
        self.control.after(iteration, state)
    }
}
