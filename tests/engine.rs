//! The worker without a window or a terminal: commands in, events out.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use unlearn_studio::{
    checkpoint, device,
    engine::{
        Command, Engine, EvaluationRequest, Event, FileJob, LabelQuestion, LabelRequest, LabelledSamples, Phase,
        PictureRequest, Progress, ProjectRequest, RenderedTiles, RunReport, RunRequest, SampleKind, SampleRequest,
        Walk, WalkRequest, WalkTiles, Weights,
    },
    feedback::{Feedback, FeedbackSource, LabelerSpec, Mark, Sample},
    metrics::{Caption, to_rgb8},
    model::{Model, ModelCard, Sampler},
    networks::{Dual, LatentAddress, Noise, flat::to_vec, latents::class_at},
    unlearn::{FIRST, Settings, method},
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// More iterations than any test waits for.
const ENDLESS: usize = 1_000_000;

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/stylegan2-16.pt")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn start() -> Engine {
    Engine::start(device::cpu()).expect("a thread")
}

/// An engine with the golden model.
fn open() -> Engine {
    let engine = start();
    load(&engine);
    engine
}

fn load(engine: &Engine) -> ModelCard {
    engine.send(Command::Load(model().into()));
    *wait(engine, |event| match event {
        Event::Loaded(card) => Some(card),
        _ => None,
    })
}

/// The first event that `pick` takes; a failure that it does not take ends the test.
fn wait<T>(engine: &Engine, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        let event = engine.events.recv_deadline(until).expect("an answer in time");
        let failure = if let Event::Failed(sentence) | Event::NotSaved(sentence) = &event {
            Some(sentence.clone())
        } else {
            None
        };
        match (pick(event), failure) {
            (Some(found), _) => return found,
            (None, Some(sentence)) => panic!("{sentence}"),
            (None, None) => {}
        }
    }
}

fn failure(engine: &Engine) -> String {
    wait(
        engine,
        |event| if let Event::Failed(sentence) | Event::NotSaved(sentence) = event { Some(sentence) } else { None },
    )
}

fn report(engine: &Engine) -> RunReport {
    wait(engine, |event| if let Event::Done(report) = event { Some(*report) } else { None })
}

fn unlearning(engine: &Engine) -> usize {
    wait(engine, |event| match event {
        Event::Iteration(iteration) if iteration.is_result() => Some(iteration.index),
        _ => None,
    })
}

fn request(kind: SampleKind, weights: Weights, seed: u64) -> SampleRequest {
    SampleRequest { kind, weights, seed, indices: (0..4).collect(), psi: 1.0, class: None }
}

fn sample(engine: &Engine, weights: Weights) -> Vec<u8> {
    engine.send(Command::Sample(request(SampleKind::Grid, weights, 1)));
    wait(engine, tiles).rgb
}

fn tiles(event: Event) -> Option<RenderedTiles> {
    if let Event::Tiles(tiles) = event { Some(*tiles) } else { None }
}

/// A run on a few marked samples.
fn run(adapt: usize, unlearn: usize) -> Command {
    let mut feedback = Feedback::new(&checkpoint::sha256(&model()).expect("a digest"));
    for index in 0..8 {
        let sample = Sample::new(LatentAddress { seed: 2, index }, 1.0).expect("a usable psi");
        feedback.mark(sample, if index < 4 { Mark::Negative } else { Mark::Positive });
    }
    let mut settings = Settings::of(FIRST);
    let counts = [("adapt-iters", adapt), ("iters", unlearn), ("adapted", 1), ("fisher-samples", 2), ("few-marks", 0)];
    for (key, value) in counts.into_iter().chain([("batch", 4)]) {
        settings.set(key, value).expect(key);
    }
    for (path, text) in [("adapt-lr", "0.01"), ("unlearn-lr", "0.01"), ("adapt.train.ema_decay", "0.5")] {
        settings.set_text(path, text).expect(path);
    }
    settings.set("ema-decay", 0.5).expect("a decay");
    let feedback = FeedbackSource::Marks(Box::new(feedback));
    Command::Start(Box::new(RunRequest {
        feedback,
        settings,
        evaluation: None,
        out: None,
        retain: None,
        preview: false,
    }))
}

#[test]
fn a_broken_file_leaves_the_good_model_open() {
    let (engine, files) = (start(), folder());
    let card = load(&engine);
    assert_eq!((card.resolution, card.latent, card.generator_parameters), (16, 32, 17538));
    let before = sample(&engine, Weights::Original);
    assert_eq!(before.len(), 4 * 16 * 16 * 3);

    let whole = std::fs::read(model()).expect("the model");
    let broken = files.path().join("broken.pt");
    std::fs::write(&broken, &whole[..whole.len() - 1000]).expect("written");
    for path in [broken, files.path().join("none.pt")] {
        engine.send(Command::Load(path.clone().into()));
        let sentence = failure(&engine);
        assert!(sentence.starts_with(&path.display().to_string()) && !sentence.contains('\n'), "{sentence}");
        assert_eq!(sample(&engine, Weights::Original), before);
    }
}

#[test]
fn without_a_model_every_command_fails_in_a_sentence() {
    let (engine, files) = (start(), folder());
    let grid = Command::Sample(request(SampleKind::Grid, Weights::Current, 0));
    let path = files.path().join("x.pt");
    for command in [run(1, 1), grid, Command::Export(path.clone())] {
        engine.send(command);
        assert_eq!(failure(&engine), "no model is open; open one first");
    }
    engine.send(Command::Snapshot);
    assert_eq!(failure(&engine), "nothing was trained yet");
    assert!(!path.exists());
}

#[test]
fn of_a_burst_of_requests_only_the_latest_of_each_kind_is_answered() {
    let engine = start();
    // All of it waits while the model is read, and is answered while the run goes on.
    engine.send(Command::Load(model().into()));
    engine.send(run(1, ENDLESS));
    for seed in 0..50 {
        engine.send(Command::Sample(request(SampleKind::Grid, Weights::Current, seed)));
        engine.send(Command::Sample(request(SampleKind::Detail, Weights::Original, 100 + seed)));
    }
    let (mut answers, mut iterations) = (Vec::new(), 0);
    while iterations < 5 {
        wait(&engine, |event| match event {
            Event::Tiles(tiles) => {
                answers.push((tiles.request.kind, tiles.request.seed));
                Some(())
            }
            Event::Iteration(_) => {
                iterations += 1;
                Some(())
            }
            _ => None,
        });
    }
    assert_eq!(answers, [(SampleKind::Grid, 49), (SampleKind::Detail, 149)]);
}

#[test]
fn a_run_can_be_held_and_stopped() {
    let engine = open();
    engine.send(run(1, ENDLESS));
    unlearning(&engine);
    engine.send(Command::Pause);
    wait(&engine, |event| matches!(event, Event::Paused).then_some(()));

    // Held: samples are rendered, nothing is trained.
    let held = sample(&engine, Weights::Current);
    engine.send(Command::Snapshot);
    assert_eq!(wait(&engine, |event| if let Event::Snapshot { number, .. } = event { Some(number) } else { None }), 0);
    while let Ok(event) = engine.events.recv_timeout(Duration::from_millis(200)) {
        assert!(!matches!(event, Event::Iteration(_)), "an iteration while held");
    }
    assert_eq!(sample(&engine, Weights::Current), held);

    engine.send(Command::Resume);
    wait(&engine, |event| matches!(event, Event::Resumed).then_some(()));
    for _ in 0..5 {
        unlearning(&engine);
    }
    // Other weights by now, but the snapshot stays.
    assert_ne!(sample(&engine, Weights::Current), held);
    assert_eq!(sample(&engine, Weights::Snapshot(0)), held);
    assert_ne!(sample(&engine, Weights::Original), held);
    engine.send(Command::Sample(request(SampleKind::Grid, Weights::Snapshot(1), 0)));
    wait(&engine, |event| matches!(event, Event::NoTiles(_)).then_some(()));

    engine.send(run(1, 1));
    let warning = wait(&engine, |event| if let Event::Warning(sentence) = event { Some(sentence) } else { None });
    assert_eq!(warning, "a run is in progress; stop it first");

    engine.send(Command::Stop);
    let report = report(&engine);
    assert!(report.stopped && report.failed.is_none() && report.iterations > 5 && report.iterations < ENDLESS);
    assert_eq!(sample(&engine, Weights::Snapshot(0)), held);
}

#[test]
fn a_held_run_can_be_stopped() {
    let engine = open();
    engine.send(run(ENDLESS, 1));
    engine.send(Command::Pause);
    wait(&engine, |event| matches!(event, Event::Paused).then_some(()));
    engine.send(Command::Stop);
    let report = report(&engine);
    assert_eq!((report.stopped, report.iterations), (true, 0));
}

#[test]
fn a_stopped_run_goes_on_without_a_project() {
    let files = folder();
    let go_on = || Command::Project(Box::new(ProjectRequest::Continue { micro_batch: None }));
    let whole = open();
    whole.send(go_on());
    assert!(failure(&whole).contains("no run"));
    whole.send(run(8, 40));
    assert_eq!(report(&whole).iterations, 40);
    let whole = exported(&whole, Command::Export(files.path().join("whole.safetensors")));
    let engine = open();
    engine.send(run(8, 40));
    for stop_after in [2, 14] {
        for _ in 0..stop_after {
            wait(&engine, |event| matches!(event, Event::Iteration(_)).then_some(()));
        }
        engine.send(Command::Stop);
        let report = report(&engine);
        assert!(report.stopped && report.can_go_on.is_some(), "{report:?}");
        // A run that does not come to train anything takes nothing away.
        let nothing = FeedbackSource::Marks(Box::new(Feedback::new(&report.model_sha256)));
        engine.send(run_with(8, 40, |request| request.feedback = nothing));
        assert!(failure(&engine).contains("no negative sample"));
        engine.send(go_on());
    }
    let report = report(&engine);
    assert_eq!((report.iterations, report.stopped, report.can_go_on.is_some()), (40, false, false));
    let out = exported(&engine, Command::Export(files.path().join("stopped.safetensors")));
    assert!(std::fs::read(whole).expect("a result") == std::fs::read(out).expect("a result"), "a stop left its trace");
}

/// Dampening keeps nothing to go on with.
#[test]
fn what_would_begin_anew_is_not_offered_to_go_on() {
    let engine = open();
    engine.send(run_with(1, 1, |request| {
        request.settings = Settings::of(method("dampen").expect("dampening"));
        request.settings.set("few-marks", 0).expect("a setting");
    }));
    engine.send(Command::Stop);
    let report = report(&engine);
    assert!(report.stopped && report.iterations == 0 && report.can_go_on.is_none(), "{report:?}");
    engine.send(Command::Project(Box::new(ProjectRequest::Continue { micro_batch: None })));
    assert!(failure(&engine).contains("no run"));
}

#[test]
fn a_run_from_marks_says_how_much_is_gone_or_why_it_cannot() {
    let seen = |command: Command| {
        let engine = open();
        engine.send(command);
        let report = report(&engine);
        (report.estimated, report.estimate_failed)
    };
    let first = seen(run(1, 2));
    assert!(first.0.is_some() != first.1.is_some(), "{first:?}");
    assert_eq!(first, seen(run(1, 2)), "the same again");
    // A labeler measures, and marks are not asked.
    let (seed, samples) = (1, 16);
    let evaluation = EvaluationRequest { labeler: labeler(), forget: "1".to_owned(), samples, seed };
    assert_eq!(seen(run_with(1, 2, |request| request.evaluation = Some(evaluation))), (None, None));
}

#[test]
fn who_stops_a_run_need_not_wait_for_what_the_marks_say() {
    let engine = open();
    engine.send(run(1, 2));
    let learning = |progress: &Progress| matches!(progress.phase, Phase::Evaluate) && progress.done == 0;
    wait(&engine, |event| matches!(&event, Event::Progress(progress) if learning(progress)).then_some(()));
    engine.send(Command::Stop);
    let report = report(&engine);
    assert!(report.stopped && report.iterations == 2 && report.can_go_on.is_none(), "{report:?}");
    assert_eq!((report.estimated, report.estimate_failed), (None, None));
}

#[test]
fn all_phases_say_how_much_time_is_left() {
    let engine = open();
    engine.send(run(4, 8));
    let mut left = Vec::new();
    wait(&engine, |event| match event {
        Event::Progress(progress) => {
            left.push(progress.seconds_left);
            None
        }
        Event::Done(_) => Some(()),
        _ => None,
    });
    // The first step says nothing about the others.
    assert!(left.len() >= 12 && left[0].is_none(), "{left:?}");
    assert!(left[1..].iter().all(|left| left.is_some_and(|seconds| seconds.is_finite() && seconds >= 0.0)), "{left:?}");
}

#[test]
fn extrapolation_leads_from_adapted_to_original() {
    let engine = open();
    engine.send(Command::Sample(request(SampleKind::Grid, Weights::Slider([0.5, 0.0]), 1)));
    assert_eq!(failure(&engine), "these weights do not exist yet");
    engine.send(run(8, 1));
    assert!(!report(&engine).stopped);

    let [original, adapted] = [Weights::Original, Weights::Auxiliary(0)].map(|weights| sample(&engine, weights));
    let at = |gamma| sample(&engine, Weights::Slider([gamma, 0.0]));
    let apart = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(
        apart(&original, &adapted) > Some(8),
        "an adapted generator that differs: {:?}",
        apart(&original, &adapted)
    );
    assert_eq!(at(0.0), adapted);
    // (a - b) + b is a but for the last bit, which may tip a rounding to 8 bits.
    assert!(apart(&at(1.0), &original) <= Some(1));
    assert!(apart(&at(1.5), &original) > Some(1) && apart(&at(0.5), &adapted) > Some(1));
    engine.send(Command::Sample(request(SampleKind::Grid, Weights::Auxiliary(1), 1)));
    assert_eq!(failure(&engine), "these weights do not exist yet");
}

#[test]
fn a_run_in_progress_can_be_exported() {
    let (engine, files) = (open(), folder());
    let original = checkpoint::load(&model()).expect("the original");
    let export = |name: &str| {
        let path = files.path().join(name);
        engine.send(Command::Export(path.clone()));
        wait(&engine, |event| if let Event::Exported(done) = event { Some(done == path) } else { None });
        checkpoint::load(&path).expect("the export")
    };
    engine.send(run(20, ENDLESS));
    wait(&engine, |event| matches!(event, Event::Iteration(i) if !i.is_result()).then_some(()));
    // Stage 1 makes what is to be forgotten: nothing of it is a result.
    engine.send(Command::Pause);
    wait(&engine, |event| matches!(event, Event::Paused).then_some(()));
    assert!(export("stage1.safetensors").g_ema == original.g_ema);
    engine.send(Command::Resume);

    unlearning(&engine);
    let first = export("first.safetensors");
    assert!(first.g_ema != original.g_ema && first.d != original.d);
    assert_eq!(first.metadata["source_sha256"], checkpoint::sha256(&model()).expect("a digest"));
    for _ in 0..3 {
        unlearning(&engine);
    }
    assert!(export("second.pt").g_ema != first.g_ema);

    engine.send(Command::Export(files.path().join("none/third.pt")));
    assert!(failure(&engine).contains("third.pt: cannot be written"));
    unlearning(&engine);
    engine.send(Command::Stop);
    assert!(report(&engine).stopped);
}

#[test]
fn a_later_run_that_ends_early_keeps_the_earlier_result() {
    let (engine, files) = (open(), folder());
    let export = |name: &str| {
        let path = files.path().join(name);
        engine.send(Command::Export(path.clone()));
        wait(&engine, |event| matches!(event, Event::Exported(_)).then_some(()));
        std::fs::read(path).expect("the export")
    };
    engine.send(run(1, 2));
    report(&engine);
    let first = export("first.pt");
    engine.send(run(ENDLESS, 1));
    wait(&engine, |event| matches!(event, Event::Iteration(_)).then_some(()));
    engine.send(Command::Stop);
    assert_eq!(report(&engine).iterations, 0);
    assert!(export("second.pt") == first, "weights and provenance of the first run");
}

#[test]
fn dropping_the_engine_ends_a_run() {
    for hold in [false, true] {
        let engine = open();
        engine.send(run(1, ENDLESS));
        unlearning(&engine);
        if hold {
            engine.send(Command::Pause);
            wait(&engine, |event| matches!(event, Event::Paused).then_some(()));
        }
        let events = engine.events.clone();
        // Dropping waits for the thread, which has a million iterations to go.
        let dropping = std::thread::spawn(move || drop(engine));
        let until = Instant::now() + PATIENCE;
        let end = std::iter::repeat_with(|| events.recv_deadline(until)).find_map(Result::err);
        assert_eq!(end, Some(crossbeam_channel::RecvTimeoutError::Disconnected), "the thread lets go of its end");
        dropping.join().expect("dropped");
    }
}

/// What `run` starts, with some of it changed.
fn run_with(adapt: usize, unlearn: usize, change: impl FnOnce(&mut RunRequest)) -> Command {
    let Command::Start(mut request) = run(adapt, unlearn) else { panic!("a run") };
    change(&mut request);
    Command::Start(request)
}

fn labeler() -> LabelerSpec {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/labelers/grey8.onnx");
    LabelerSpec { path, mean: None, std: None }
}

fn exported(engine: &Engine, command: Command) -> PathBuf {
    engine.send(command);
    wait(engine, |event| if let Event::Exported(path) = event { Some(path) } else { None })
}

#[test]
fn a_run_takes_snapshots_at_even_steps_and_looks_at_them() {
    let engine = open();
    engine.send(Command::AutoSnapshots(4));
    let evaluation = EvaluationRequest { labeler: labeler(), forget: "1".to_owned(), samples: 300, seed: 7 };
    engine.send(run_with(2, 10, |request| request.evaluation = Some(evaluation)));
    let (mut taken, mut looked) = (Vec::new(), Vec::new());
    let report = wait(&engine, |event| match event {
        Event::Snapshot { number, iteration } => {
            taken.push((number, iteration));
            None
        }
        Event::Estimate { index, pul, frechet } => {
            assert!(pul.is_some_and(|pul| pul <= 1.0) && frechet.is_some_and(|frechet| frechet >= 0.0));
            looked.push(index + 1);
            None
        }
        Event::Done(report) => Some(report),
        _ => None,
    });
    assert_eq!(taken, [(0, 3), (1, 5), (2, 8), (3, 10)]);
    assert_eq!(looked, [3, 5, 8, 10]);
    assert!(report.evaluation.is_some());
    wait(&engine, |event| matches!(event, Event::Idle).then_some(()));
    // The last one is the result.
    assert_eq!(sample(&engine, Weights::Snapshot(3)), sample(&engine, Weights::Current));
    assert_ne!(sample(&engine, Weights::Snapshot(0)), sample(&engine, Weights::Snapshot(3)));
}

#[test]
fn snapshots_and_extrapolations_can_be_exported() {
    let (engine, files) = (open(), folder());
    engine.send(Command::AutoSnapshots(2));
    engine.send(run(4, 4));
    report(&engine);
    let original = checkpoint::load(&model()).expect("the original");
    let load = |name: &str, weights: Weights| {
        let path = files.path().join(name);
        assert_eq!(exported(&engine, Command::ExportWeights(path.clone(), weights)), path);
        checkpoint::load(&path).expect("the export")
    };
    let half = load("half.safetensors", Weights::Snapshot(0));
    assert!(half.g_ema != original.g_ema && half.g == original.g);
    assert_eq!(half.metadata["weights"], "snapshot after iteration 2");
    let far = load("far.safetensors", Weights::Slider([1.5, 0.0]));
    assert!(far.g_ema != original.g_ema && far.g_ema != half.g_ema);
    let same = load("same.pt", Weights::Original);
    assert!((same.g_ema, same.g, same.d) == (original.g_ema.clone(), original.g.clone(), original.d.clone()));
    assert!(load("now.pt", Weights::Current).g != original.g);
    engine.send(Command::ExportWeights(files.path().join("none.pt"), Weights::Snapshot(7)));
    assert_eq!(failure(&engine), "these weights do not exist yet");
    assert!(!files.path().join("none.pt").exists());
}

/// Stage 1 makes what is to be forgotten: it is not shown as a result either.
#[test]
fn what_stage_1_makes_is_no_result() {
    let engine = open();
    let before = sample(&engine, Weights::Original);
    engine.send(run(ENDLESS, 1));
    for _ in 0..5 {
        wait(&engine, |event| matches!(event, Event::Iteration(_)).then_some(()));
    }
    assert_eq!(sample(&engine, Weights::Current), before);
}

#[test]
fn other_files_are_read_and_written_by_the_worker() {
    let (engine, files) = (open(), folder());
    let path = |name: &str| files.path().join(name);
    let file = |job: FileJob| Command::File(Box::new(job));

    let sha = checkpoint::sha256(&model()).expect("a digest");
    let mut marks = Feedback::new(&sha);
    marks.mark(Sample::new(LatentAddress { seed: 3, index: 4 }, 0.7).expect("a usable psi"), Mark::Negative);
    assert_eq!(exported(&engine, file(FileJob::SaveFeedback(path("m.json"), marks.clone()))), path("m.json"));
    engine.send(file(FileJob::OpenFeedback(path("m.json"))));
    let read = wait(&engine, |event| if let Event::Feedback(_, feedback) = event { Some(feedback) } else { None });
    assert_eq!(*read, marks);
    std::fs::write(path("broken.json"), "{\"version\": 1").expect("written");
    engine.send(file(FileJob::OpenFeedback(path("broken.json"))));
    assert!(failure(&engine).starts_with("broken.json: not a feedback file"));

    engine.send(file(FileJob::OpenLabeler(labeler())));
    let card = wait(&engine, |event| if let Event::Labeler(card) = event { Some(card) } else { None });
    assert_eq!((card.heads[0].classes.len(), card.features, card.input), (3, true, [1, 8, 8]));
    engine.send(file(FileJob::OpenLabeler(LabelerSpec { path: model(), mean: None, std: None })));
    assert!(failure(&engine).contains("not an ONNX model"));

    let picture = |weights: &[Weights]| PictureRequest {
        weights: weights.to_vec(),
        seed: 0,
        indices: (0..6).collect(),
        psi: 1.0,
        class: None,
        columns: 3,
        negatives: vec![true],
        captions: Vec::new(),
    };
    exported(&engine, file(FileJob::Grid(path("one.png"), picture(&[Weights::Original]))));
    exported(&engine, file(FileJob::Grid(path("two.png"), picture(&[Weights::Original, Weights::Current]))));
    let size = |name: &str| image::image_dimensions(path(name)).expect("a picture");
    assert_eq!((size("two.png").0, size("two.png").1), (size("one.png").0 * 2 + 12, size("one.png").1));
    let captions = vec![Caption::new(40, vec![255; 40 * 7]); 2];
    let captioned = PictureRequest { captions, ..picture(&[Weights::Original, Weights::Current]) };
    exported(&engine, file(FileJob::Grid(path("words.png"), captioned.clone())));
    exported(&engine, file(FileJob::Animation(path("words.gif"), captioned)));
    assert_eq!(size("words.png"), (size("two.png").0, size("two.png").1 + 7));
    let gif = std::fs::read(path("words.gif")).expect("the animation");
    assert_eq!(u16::from_le_bytes([gif[8], gif[9]]), u16::try_from(size("one.png").1 + 7).expect("a small picture"));
    exported(&engine, file(FileJob::Animation(path("run.gif"), picture(&[Weights::Original, Weights::Current]))));
    assert!(std::fs::read(path("run.gif")).expect("the animation").starts_with(b"GIF89a"));
    let many = PictureRequest { indices: (0..1 << 20).collect(), columns: 1 << 10, ..picture(&[Weights::Original]) };
    for job in [FileJob::Grid(path("many.png"), many.clone()), FileJob::Animation(path("many.gif"), many)] {
        engine.send(file(job));
        let sentence = failure(&engine);
        assert!(
            sentence.starts_with("1048576 samples of 16x16 pixels are too many for one picture; at most "),
            "{sentence}"
        );
    }
    exported(&engine, file(FileJob::Text(path("t.csv"), "a,b\n".to_owned())));
    assert_eq!(std::fs::read_to_string(path("t.csv")).expect("the table"), "a,b\n");
    for job in [
        FileJob::Text(path("none/t.csv"), String::new()),
        FileJob::Grid(path("none/g.png"), picture(&[Weights::Original])),
        FileJob::SaveFeedback(path("none/m.json"), marks),
    ] {
        engine.send(file(job));
        assert!(failure(&engine).contains("cannot be written"));
    }
}

#[test]
fn a_request_that_cannot_be_answered_says_so_by_its_kind() {
    let engine = open();
    let refused = |engine: &Engine| {
        wait(
            engine,
            |event| if let Event::NoTiles(request) = event { Some((request.kind, request.weights)) } else { None },
        )
    };
    engine.send(Command::Sample(request(SampleKind::Timeline, Weights::Auxiliary(5), 0)));
    assert_eq!(refused(&engine), (SampleKind::Timeline, Weights::Auxiliary(5)));
    assert_eq!(failure(&engine), "these weights do not exist yet");
    // A snapshot may have gone while it was asked for: that is no failure.
    engine.send(Command::Sample(request(SampleKind::Timeline, Weights::Snapshot(5), 0)));
    assert_eq!(refused(&engine), (SampleKind::Timeline, Weights::Snapshot(5)));
    engine.send(Command::Sample(request(SampleKind::Timeline, Weights::Original, 0)));
    wait(&engine, tiles);
}

/// The centre of truncation is remembered between requests; it must be the right one for each set of weights.
#[test]
fn truncation_follows_the_weights() {
    let engine = open();
    engine.send(run(1, 4));
    report(&engine);
    let truncated = |weights| {
        engine.send(Command::Sample(SampleRequest { psi: 0.4, ..request(SampleKind::Grid, weights, 1) }));
        wait(&engine, tiles).rgb
    };
    let [original, current] = [Weights::Original, Weights::Current].map(truncated);
    assert_ne!(original, current);
    assert_eq!([truncated(Weights::Original), truncated(Weights::Current)], [original.clone(), current]);
    // A fresh engine has nothing to remember.
    let fresh = open();
    fresh.send(Command::Sample(SampleRequest { psi: 0.4, ..request(SampleKind::Grid, Weights::Original, 1) }));
    assert_eq!(wait(&fresh, tiles).rgb, original);
}

/// Samples `indices` of a seed, looked through for the labeler's first two classes.
fn look_through(seed: u64, indices: std::ops::Range<u64>) -> LabelRequest {
    let question = LabelQuestion { labeler: labeler(), target: "0|1".to_owned(), seed, psi: 0.7, class: None };
    LabelRequest { question, indices }
}

fn label(request: LabelRequest) -> Command {
    Command::Label(Some(Box::new(request)))
}

fn labelled(event: Event) -> Option<LabelledSamples> {
    if let Event::Labelled(found) = event { Some(*found) } else { None }
}

#[test]
fn labels_are_what_the_labeler_says_of_the_same_pictures() {
    const COUNT: usize = 150;
    let engine = open();
    let request = look_through(5, 3..3 + COUNT as u64);
    engine.send(label(request.clone()));
    let mut found = Vec::new();
    while found.len() < COUNT {
        let some = wait(&engine, labelled);
        assert_eq!((&some.question, some.start), (&request.question, 3 + found.len() as u64));
        assert!(!some.labels.is_empty());
        found.extend(some.labels);
    }
    assert_eq!(found.len(), COUNT);

    let model = Model::load(&model(), &device::cpu().device).expect("the model");
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let [channels, height, width] = sampler.image_shape();
    let images = sampler.render_at(5, request.indices, 0.7);
    let labeler = labeler().open().expect("the labeler");
    let target = labeler.target("0|1").expect("its classes");
    let expected = labeler.label(&images, [COUNT, channels, height, width]).expect("labels");
    for (image, label) in found.iter().enumerate() {
        let probability = expected.target_probability(image, &target).expect("a probability");
        assert!((label.probability - probability).abs() < 1e-4, "sample {image}: {label:?}, not {probability}");
        assert_eq!(label.shows, target.holds(expected.classes[image]), "sample {image}");
    }
}

/// However much there is to look through, samples are drawn meanwhile; it ends when that is asked, or another takes its place.
#[test]
fn looking_through_samples_lets_others_pass_and_can_be_stopped() {
    let engine = open();
    engine.send(label(look_through(5, 0..u64::MAX)));
    for seed in 0..4 {
        wait(&engine, labelled);
        engine.send(Command::Sample(request(SampleKind::Grid, Weights::Original, seed)));
        assert_eq!(wait(&engine, tiles).request.seed, seed);
    }
    engine.send(label(look_through(6, 0..u64::MAX)));
    wait(&engine, |event| labelled(event).filter(|found| (found.question.seed, found.start) == (6, 0)));
    engine.send(Command::Label(None));
    sample(&engine, Weights::Original);
    assert!(engine.events.recv_timeout(Duration::from_millis(100)).is_err(), "nothing is looked through any more");

    // What the labeler does not know is said once.
    let mut request = look_through(5, 0..9);
    request.question.target = "7".to_owned();
    engine.send(label(request.clone()));
    let refused = wait(&engine, |event| if let Event::NotLabelled(request) = event { Some(request) } else { None });
    assert_eq!(*refused, request);
    assert_eq!(failure(&engine), "grey8.onnx: it has 3 classes (0 to 2); there is no class 7");
    assert!(engine.events.recv_timeout(Duration::from_millis(100)).is_err());
}

#[test]
fn looking_through_samples_waits_for_a_run() {
    let engine = open();
    engine.send(run(1, ENDLESS));
    unlearning(&engine);
    engine.send(label(look_through(5, 0..4)));
    for _ in 0..5 {
        wait(&engine, |event| match event {
            Event::Iteration(_) => Some(()),
            Event::Labelled(_) => panic!("a label while the run goes on"),
            _ => None,
        });
    }
    engine.send(Command::Stop);
    assert!(report(&engine).stopped);
    // Of the model that was opened, whatever the run made of it.
    let found = wait(&engine, labelled);
    let fresh = open();
    fresh.send(label(look_through(5, 0..4)));
    assert_eq!(wait(&fresh, labelled), found);
}

const FROM: LatentAddress = LatentAddress { seed: 3, index: 4 };
const TO: LatentAddress = LatentAddress { seed: 5, index: 9 };

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name)
}

fn walk(weights: &[Weights]) -> Walk {
    Walk { weights: weights.to_vec(), from: Sample::new(FROM, 0.7).expect("a usable psi"), to: TO }
}

fn place(engine: &Engine, walk: &Walk, t: f32) -> WalkTiles {
    engine.send(Command::Walk(WalkRequest { walk: walk.clone(), t }));
    *wait(engine, |event| if let Event::Walk(tiles) = event { Some(tiles) } else { None })
}

/// A sample's own picture, as the close view asks for it.
fn own(engine: &Engine, weights: Weights, sample: Sample) -> Vec<u8> {
    let LatentAddress { seed, index } = sample.address();
    let (psi, class) = (sample.psi(), sample.class());
    let request = SampleRequest { kind: SampleKind::Detail, weights, seed, indices: vec![index], psi, class };
    engine.send(Command::Sample(request));
    wait(engine, tiles).rgb
}

/// The image half-way, computed without the engine, the sampler and its arc.
fn half_way(model: &Model, psi: f32) -> Vec<u8> {
    let generator = &model.generator;
    let (p, device) = (model.g_ema.constants(), model.g_ema.device());
    let [a, b] = [FROM, TO].map(|address| generator.latent(address));
    let map = |z: Vec<f32>| {
        let shape = [1, z.len()];
        generator.map(&p, burn::tensor::Tensor::from_data(burn::tensor::TensorData::new(z, shape), &device))
    };
    let w = if generator.has_mapping() {
        (map(a) + map(b)) / 2.0
    } else {
        // The middle of an arc is the sum, made longer by the cosine of half the angle.
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let cosine = dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt();
        let half = ((1.0 + cosine) / 2.0).sqrt();
        map(a.iter().zip(&b).map(|(a, b)| (a + b) / (2.0 * half)).collect())
    };
    let w = generator.truncate(w, generator.w_mean(&p), psi);
    let ws: Vec<Dual<2>> = generator.broadcast(w).into_iter().map(Dual::from).collect();
    let image = to_vec(generator.synthesize(&p, &ws, &Noise::Constant).value);
    let side = generator.resolution();
    to_rgb8(&image, [1, generator.image_channels(), side, side]).expect("a picture")
}

#[test]
fn a_walk_leads_from_one_sample_to_another() {
    for (name, mapped) in [("stylegan2-16.pt", true), ("dcgan-64.pt", false), ("sg3-r-16.pkl", true)] {
        let engine = start();
        engine.send(Command::Load(golden(name).into()));
        let walk = walk(&[Weights::Original]);
        let at = |t| place(&engine, &walk, t);
        let [start, middle, end] = [at(0.0), at(0.5), at(1.0)];
        assert_eq!([start.mapped, end.mapped], [mapped; 2], "{name}");
        assert!(start.rgb == own(&engine, Weights::Original, walk.from), "{name} begins at its sample");
        let to = Sample::new(TO, 0.7).expect("a usable psi");
        assert!(end.rgb == own(&engine, Weights::Original, to), "{name} ends at its sample");
        let model = Model::load(&golden(name), &device::cpu().device).expect(name);
        let direct = half_way(&model, 0.7);
        let off = middle.rgb.iter().zip(&direct).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(middle.rgb.len() == direct.len() && off <= Some(1), "{name}: {off:?}");
        assert!(middle.rgb != start.rgb && middle.rgb != end.rgb, "{name}");
        assert!(at(-3.0).rgb == start.rgb && at(7.0).rgb == end.rgb, "{name}: nothing lies beyond the ends");
    }
}

/// All of it is drawn with the class of the sample that it begins at: the chosen one, or that of its address.
#[test]
fn a_walk_keeps_its_class() {
    let engine = start();
    engine.send(Command::Load(golden("ada-8-conditional.pkl").into()));
    let card = wait(&engine, |event| if let Event::Loaded(card) = event { Some(card) } else { None });
    let to = Sample::new(TO, 0.7).expect("a usable psi");
    let drawn = u32::try_from(class_at(FROM.seed, FROM.index, card.classes)).ok();
    let other = drawn.map(|class| (class + 1) % card.classes as u32);
    for (chosen, class) in [(None, drawn), (other, other)] {
        let mut walk = walk(&[Weights::Original]);
        walk.from = walk.from.with_class(chosen);
        assert_eq!(place(&engine, &walk, 0.0).rgb, own(&engine, Weights::Original, walk.from));
        assert_eq!(place(&engine, &walk, 1.0).rgb, own(&engine, Weights::Original, to.with_class(class)));
    }
    let mut none = walk(&[Weights::Original]);
    none.from = none.from.with_class(Some(99));
    engine.send(Command::Walk(WalkRequest { walk: none, t: 0.5 }));
    assert!(failure(&engine).contains("99"));
}

#[test]
fn a_walk_is_drawn_before_and_after_and_kept_as_an_animation() {
    let (engine, files) = (open(), folder());
    engine.send(run(1, 4));
    report(&engine);
    let both = walk(&[Weights::Original, Weights::Current]);
    let drawn = place(&engine, &both, 0.5);
    let (before, after) = drawn.rgb.split_at(drawn.side * drawn.side * 3);
    assert!(before != after);
    for (weights, half) in [(Weights::Original, before), (Weights::Current, after)] {
        assert_eq!(place(&engine, &walk(&[weights]), 0.5).rgb, half, "{weights:?}");
    }

    let path = files.path().join("walk.gif");
    exported(&engine, Command::File(Box::new(FileJob::Walk(path.clone(), both))));
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut animation = options.read_info(std::fs::File::open(path).expect("the file")).expect("a GIF");
    let mut frames = Vec::new();
    while let Some(frame) = animation.read_next_frame().expect("a picture") {
        frames.push((frame.width, frame.height, frame.buffer.to_vec()));
    }
    let (width, height, _) = frames[0];
    assert_eq!((frames.len(), width), (24, 2 * height), "two pictures side by side");
    assert!(frames[0].2 != frames[12].2 && frames[12].2 != frames[23].2, "it goes on");
}

#[test]
fn of_a_burst_of_places_only_the_latest_is_drawn_and_before_the_grid() {
    let engine = start();
    engine.send(Command::Load(model().into()));
    engine.send(run(1, ENDLESS));
    engine.send(Command::Sample(request(SampleKind::Grid, Weights::Original, 1)));
    let way = walk(&[Weights::Original]);
    for step in 0..=50 {
        engine.send(Command::Walk(WalkRequest { walk: way.clone(), t: step as f32 / 50.0 }));
    }
    let (mut answers, mut iterations) = (Vec::new(), 0);
    while iterations < 3 {
        wait(&engine, |event| match event {
            Event::Walk(tiles) => {
                answers.push(Some(tiles.request.t));
                Some(())
            }
            Event::Tiles(_) => {
                answers.push(None);
                Some(())
            }
            Event::Iteration(_) => {
                iterations += 1;
                Some(())
            }
            _ => None,
        });
    }
    assert_eq!(answers, [Some(1.0), None]);
}

#[test]
fn a_model_that_completes_pictures_has_nothing_to_walk_between() {
    let engine = start();
    engine.send(Command::Load(golden("vit-mae-32").into()));
    let request = WalkRequest { walk: walk(&[Weights::Original]), t: 0.5 };
    engine.send(Command::Walk(request.clone()));
    let refused = wait(&engine, |event| if let Event::NoWalk(request) = event { Some(request) } else { None });
    assert_eq!(*refused, request);
    assert_eq!(failure(&engine), "a model that completes pictures has no latents to walk between");
}
