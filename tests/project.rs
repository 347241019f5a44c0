//! Projects: what is remembered, and that every request is drawn from its own parent.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

mod common;
#[path = "common/events.rs"]
mod events;

use events::{failure, idle, wait};
use tempfile::TempDir;
use unlearn_studio::{
    checkpoint, device,
    engine::{
        Command, Engine, EvaluationRequest, Event, ProjectCard, ProjectRequest, RunReport, RunRequest, SampleKind,
        SampleRequest, Weights,
    },
    feedback::{Feedback, FeedbackSource, LabelerSpec, Mark, Sample},
    networks::LatentAddress,
    project::{NodeId, Status},
    unlearn::{FIRST, Settings},
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn model() -> PathBuf {
    fixtures().join("golden/stylegan2-16.pt")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn card(engine: &Engine) -> ProjectCard {
    wait(engine, |event| if let Event::Project(card) = event { Some(*card.expect("a project")) } else { None })
}

/// An engine with a model or a project, and its history.
fn open(path: &Path) -> (Engine, ProjectCard, Feedback) {
    let engine = Engine::start(device::cpu()).expect("a thread");
    engine.send(Command::SaveEvery(Duration::ZERO));
    engine.send(Command::Load(path.to_owned().into()));
    let marks = wait(&engine, |event| if let Event::Marks(marks) = event { Some(*marks) } else { None });
    let card = card(&engine);
    idle(&engine);
    (engine, card, marks)
}

/// An engine that keeps the golden model's history in a new folder.
fn keep_in(folder: &Path) -> Engine {
    let engine = Engine::start(device::cpu()).expect("a thread");
    engine.send(Command::SaveEvery(Duration::ZERO));
    engine.send(Command::Load(model().into()));
    idle(&engine);
    engine.send(project(ProjectRequest::KeepIn(folder.to_owned())));
    card(&engine);
    engine
}

fn project(request: ProjectRequest) -> Command {
    Command::Project(Box::new(request))
}

/// Marks of a model: the first four samples must go, the next four may stay.
fn marks(sha256: &str) -> Feedback {
    let mut feedback = Feedback::new(sha256);
    for index in 0..8 {
        let sample = Sample::new(LatentAddress { seed: 2, index }, 1.0).expect("a usable psi");
        feedback.mark(sample, if index < 4 { Mark::Negative } else { Mark::Positive });
    }
    feedback
}

fn request(sha256: &str, [adapt, unlearn]: [usize; 2], out: Option<PathBuf>) -> RunRequest {
    let mut settings = Settings::of(FIRST);
    let counts = [("adapt-iters", adapt), ("iters", unlearn), ("adapted", 2), ("fisher-samples", 2), ("few-marks", 0)];
    for (key, value) in counts.into_iter().chain([("batch", 4)]) {
        settings.set(key, value).expect(key);
    }
    // Pools are smaller than what the stages take from them, so that their order is shuffled again and again.
    RunRequest {
        feedback: FeedbackSource::Marks(Box::new(marks(sha256))),
        settings,
        evaluation: None,
        out,
        retain: None,
        preview: false,
    }
}

fn start(request: RunRequest) -> Command {
    Command::Start(Box::new(request))
}

fn report(engine: &Engine) -> RunReport {
    let report = wait(engine, |event| if let Event::Done(report) = event { Some(*report) } else { None });
    idle(engine);
    report
}

fn sample(engine: &Engine, weights: Weights) -> Vec<u8> {
    let indices = (0..4).collect();
    let request = SampleRequest { kind: SampleKind::Grid, weights, seed: 1, indices, psi: 1.0, class: None };
    engine.send(Command::Sample(request));
    wait(engine, |event| if let Event::Tiles(tiles) = event { Some(tiles.rgb) } else { None })
}

fn golden_sha() -> String {
    checkpoint::sha256(&model()).expect("a digest")
}

/// Every file of a folder and what is in it.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            let bytes = fs::read(&path).expect("a file");
            found.insert(path, bytes);
        }
    }
    found
}

/// What a run of 8 and 24 iterations makes that nothing interrupts.
fn whole_run(folder: &Path) -> Vec<u8> {
    let engine = keep_in(&folder.join("whole.unlearn"));
    let out = folder.join("whole.safetensors");
    engine.send(start(request(&golden_sha(), [8, 24], Some(out.clone()))));
    assert_eq!(report(&engine).iterations, 24);
    fs::read(out).expect("a result")
}

#[test]
fn a_run_that_is_interrupted_again_and_again_ends_in_the_same_bytes() {
    let files = folder();
    let path = |name: &str| files.path().join(name);
    let whole = whole_run(files.path());

    // Two rounds of stage 1 and stage 2, left after these iterations of all.
    let (broken, out) = (path("broken.unlearn"), path("broken.safetensors"));
    let mut engine = keep_in(&broken);
    engine.send(start(request(&golden_sha(), [8, 24], Some(out.clone()))));
    for stop_after in [1, 3, 2, 4, 1, 6, 3] {
        for _ in 0..stop_after {
            wait(&engine, |event| matches!(event, Event::Iteration(_)).then_some(()));
        }
        // As when the window is closed: the engine saves and ends.
        drop(engine);
        assert!(!out.exists());
        let (opened, card, kept) = open(&broken);
        assert_eq!((card.interrupted.map(|run| run.node), kept.len()), (Some(1), 8));
        engine = opened;
        engine.send(project(ProjectRequest::Continue { micro_batch: None }));
    }
    let report = report(&engine);
    assert_eq!((report.iterations, report.stopped, report.node), (24, false, Some(1)));
    assert!(whole == fs::read(out).expect("a result"), "an interruption left its trace");
    assert_eq!(fs::read(broken.join("nodes/1/model.safetensors")).expect("the node"), whole);
    assert!(!broken.join("nodes/1/run.safetensors").exists(), "what it takes to go on is not wanted any more");
}

#[test]
fn a_run_that_is_stopped_goes_on_to_the_same_bytes() {
    let files = folder();
    let path = |name: &str| files.path().join(name);
    let whole = whole_run(files.path());

    let (stopped, out) = (path("stopped.unlearn"), path("stopped.safetensors"));
    let mut engine = keep_in(&stopped);
    engine.send(start(request(&golden_sha(), [8, 24], Some(out.clone()))));
    // At first in stage 1, of which there is no node, then in stage 2.
    for stop_after in [2, 4, 12, 2] {
        for _ in 0..stop_after {
            wait(&engine, |event| matches!(event, Event::Iteration(_)).then_some(()));
        }
        engine.send(Command::Stop);
        let report = report(&engine);
        assert!(report.stopped && report.can_go_on.is_some(), "{report:?}");
        assert_eq!(report.node.is_some(), report.iterations > 0);
        engine.send(project(ProjectRequest::Rename(0, "first".to_owned())));
        let card = card(&engine);
        assert_eq!((card.stopped.map(|run| run.node), card.interrupted), (report.node, None));
        if let Some(node) = report.node {
            assert!(stopped.join(format!("nodes/{node}/run.safetensors")).exists());
            // The program may have ended meanwhile.
            drop(engine);
            let (opened, card, _) = open(&stopped);
            assert_eq!(card.stopped.map(|run| run.node), Some(node));
            engine = opened;
        }
        engine.send(project(ProjectRequest::Continue { micro_batch: None }));
    }
    let report = report(&engine);
    assert_eq!((report.iterations, report.stopped, report.can_go_on.is_some()), (24, false, false));
    assert!(whole == fs::read(out).expect("a result"), "a stop left its trace");
    let node = stopped.join(format!("nodes/{}", report.node.expect("a node")));
    assert_eq!(fs::read(node.join("model.safetensors")).expect("the node"), whole);
    assert!(!node.join("run.safetensors").exists(), "what it takes to go on is not wanted any more");
}

#[test]
fn a_new_run_gives_up_where_a_stopped_one_stood() {
    let files = folder();
    let engine = keep_in(&files.path().join("faces.unlearn"));
    let state = files.path().join("faces.unlearn/nodes/1/run.safetensors");
    engine.send(start(request(&golden_sha(), [1, 100_000], None)));
    wait(&engine, |event| matches!(&event, Event::Iteration(iteration) if iteration.is_result()).then_some(()));
    engine.send(Command::Stop);
    assert_eq!(report(&engine).node, Some(1));
    assert!(state.exists());
    let feedback = FeedbackSource::Marks(Box::new(Feedback::new(&golden_sha())));
    engine.send(start(RunRequest { feedback, ..request(&golden_sha(), [1, 2], None) }));
    assert!(failure(&engine).contains("no negative sample"));
    idle(&engine);
    assert!(state.exists(), "a run that does not come to train anything takes nothing away");
    engine.send(start(request(&golden_sha(), [1, 2], None)));
    assert_eq!(report(&engine).node, Some(3));
    assert!(!state.exists(), "its result stays, and nothing else");
    assert!(files.path().join("faces.unlearn/nodes/1/model.safetensors").exists());
    engine.send(project(ProjectRequest::Continue { micro_batch: None }));
    assert!(failure(&engine).contains("no run"));
    idle(&engine);
}

#[test]
fn what_was_stopped_outlives_an_interruption_that_is_given_up() {
    let files = folder();
    let folder = files.path().join("faces.unlearn");
    let engine = keep_in(&folder);
    engine.send(start(request(&golden_sha(), [1, 100_000], None)));
    let unlearning = |event| matches!(event, Event::Iteration(iteration) if iteration.is_result()).then_some(());
    wait(&engine, unlearning);
    engine.send(Command::Stop);
    assert_eq!(report(&engine).node, Some(1));
    engine.send(project(ProjectRequest::Continue { micro_batch: None }));
    wait(&engine, unlearning);
    drop(engine);
    let (engine, card_then, _) = open(&folder);
    assert_eq!(card_then.interrupted.map(|run| run.node), Some(1));
    engine.send(project(ProjectRequest::GiveUp(1)));
    let card = card(&engine);
    assert_eq!((card.interrupted, card.stopped.map(|run| run.node)), (None, Some(1)));
    let node = card.manifest.node(1).expect("its node");
    assert_eq!((node.status, &node.sha256), (Status::Stopped, &card_then.manifest.node(1).expect("its node").sha256));
    let file = folder.join(node.file.as_ref().expect("a model"));
    assert_eq!(checkpoint::sha256(&file).ok(), node.sha256);
}

#[test]
fn going_on_says_that_it_opens_the_model_that_the_run_began_with() {
    let files = folder();
    let engine = keep_in(&files.path().join("faces.unlearn"));
    engine.send(start(request(&golden_sha(), [1, 100_000], None)));
    let unlearning = |event| matches!(event, Event::Iteration(iteration) if iteration.is_result()).then_some(());
    wait(&engine, unlearning);
    engine.send(Command::Stop);
    assert_eq!(report(&engine).node, Some(1));
    let opened = || wait(&engine, |event| if let Event::Loaded(card) = event { Some(card.sha256) } else { None });
    engine.send(project(ProjectRequest::StartFrom(1)));
    assert_ne!(opened(), golden_sha());
    engine.send(project(ProjectRequest::Continue { micro_batch: None }));
    assert_eq!(opened(), golden_sha());
    // Whoever shows marks would write those of the result over them.
    let marks = wait(&engine, |event| if let Event::Marks(marks) = event { Some(marks) } else { None });
    assert_eq!((marks.model_sha256(), marks.len()), (golden_sha().as_str(), 8));
    wait(&engine, unlearning);
    engine.send(Command::Stop);
    assert_eq!(report(&engine).node, Some(1));
}

/// What `scripts/kill_test.sh` does a hundred times.
#[cfg(unix)]
#[test]
fn a_program_that_is_killed_loses_nothing() {
    use std::process::{Command as Program, Stdio};
    let files = folder();
    let program = |arguments: &[&str]| {
        let mut program = Program::new(env!("CARGO_BIN_EXE_unlearn-studio"));
        program.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        program
    };
    let feedback = files.path().join("marks.json");
    marks(&golden_sha()).save(&feedback).expect("marks");
    let (feedback, source) = (feedback.display().to_string(), model().display().to_string());
    let unlearn = |name: &str| -> Vec<String> {
        let [project, out] =
            ["unlearn", "safetensors"].map(|e| files.path().join(format!("{name}.{e}")).display().to_string());
        let text = format!(
            "unlearn|{source}|--feedback|{feedback}|--as-marked|--samples|0|--device|cpu|--batch|4|--method|adapt|--adapt-iters|20|\
             --iters|40|--save-every|0|--project|{project}|--out|{out}"
        );
        text.split('|').map(str::to_owned).collect()
    };
    let run = |name: &str| {
        let arguments = unlearn(name);
        program(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert!(run("whole").status().expect("a program").success());
    let killed = files.path().join("killed.unlearn");
    let folder = killed.display().to_string();
    let resume = || program(&["resume", &folder, "--device", "cpu", "--save-every", "0"]);
    let mut milliseconds = [90u64, 30, 150, 60, 120].into_iter();
    let mut child = run("killed").spawn().expect("a program");
    for pause in &mut milliseconds {
        std::thread::sleep(Duration::from_millis(pause));
        child.kill().expect("killed");
        child.wait().expect("gone");
        let unfinished = fs::read_to_string(killed.join("project.json")).is_ok_and(|text| text.contains("unfinished"));
        child = if unfinished { resume() } else { run("killed") }.spawn().expect("a program");
    }
    assert!(child.wait().expect("an end").success());
    let [whole, out] = ["whole", "killed"].map(|name| fs::read(files.path().join(name).with_extension("safetensors")));
    assert!(whole.expect("whole") == out.expect("resumed"), "a kill left its trace");
    assert!(content(&killed).keys().all(|path| path.extension().is_none_or(|extension| extension != "partial")));
}

#[test]
fn every_request_is_drawn_from_its_own_parent() {
    let files = folder();
    let engine = keep_in(&files.path().join("p.unlearn"));
    engine.send(Command::AutoSnapshots(2));
    engine.send(start(request(&golden_sha(), [1, 6], None)));
    assert_eq!(report(&engine).model_sha256, golden_sha());
    let [before, half, after] =
        [Weights::Original, Weights::Snapshot(0), Weights::Current].map(|weights| sample(&engine, weights));
    assert!(before != half && half != after);

    // From the result: it is what comes before now, nothing was made of it, and nobody has marked its samples.
    engine.send(project(ProjectRequest::StartFrom(1)));
    let made = wait(&engine, |event| if let Event::Marks(marks) = event { Some(*marks) } else { None });
    let history = card(&engine);
    let sha = history.manifest.node(1).and_then(|node| node.sha256.clone()).expect("a digest");
    assert_eq!((made.len(), made.model_sha256()), (0, sha.as_str()));
    assert_eq!((sample(&engine, Weights::Original), sample(&engine, Weights::Current)), (after.clone(), after));
    engine.send(start(request(&sha, [1, 2], None)));
    let second = report(&engine);
    assert_eq!((second.model_sha256.as_str(), second.node), (sha.as_str(), Some(2)));
    let written = checkpoint::load(&files.path().join("p.unlearn/nodes/2/model.safetensors")).expect("a model");
    assert_eq!(written.metadata["source_sha256"], sha, "a file names what it was made of");

    // From a snapshot of the first run, which is opened again for that: the samples trained on are the snapshot's.
    engine.send(project(ProjectRequest::Show(1)));
    card(&engine);
    assert_eq!([Weights::Original, Weights::Snapshot(0)].map(|w| sample(&engine, w)), [before.clone(), half.clone()]);
    engine.send(project(ProjectRequest::StartFromSnapshot(0)));
    let history = card(&engine);
    let node = history.manifest.node(3).expect("a node of its own").clone();
    assert_eq!((node.status, node.parent, history.manifest.base), (Status::Snapshot, Some(0), 3));
    assert_eq!(sample(&engine, Weights::Original), half);
    let sha = node.sha256.expect("a digest");
    engine.send(start(request(&sha, [1, 1], None)));
    assert_eq!(report(&engine).model_sha256, sha);
    // Undoing a request is choosing its parent.
    engine.send(project(ProjectRequest::StartFrom(0)));
    card(&engine);
    assert_eq!(sample(&engine, Weights::Current), before);
}

/// The model that is open, or its result, as a file.
fn exported(engine: &Engine, out: PathBuf) -> checkpoint::Checkpoint {
    engine.send(Command::Export(out.clone()));
    let written = wait(engine, |event| match event {
        Event::Exported(path) => Some(Ok(path)),
        Event::NotSaved(sentence) => Some(Err(sentence)),
        _ => None,
    });
    assert_eq!(written, Ok(out.clone()));
    checkpoint::load(&out).expect("a model")
}

/// Whether two files hold the same networks, of those that the first one has.
fn same(pickle: &checkpoint::Checkpoint, other: &checkpoint::Checkpoint) -> bool {
    pickle.g_ema == other.g_ema && pickle.g == other.g && (pickle.d.is_none() || pickle.d == other.d)
}

/// A history that began with a network pickle: whatever of it is open, it can be written as one, the next day as well.
#[test]
fn nodes_go_back_into_the_pickle_that_a_history_began_with() {
    for name in ["stylegan2-ada-32.pkl", "sg3-r-16.pkl"] {
        let files = folder();
        let at = |name: &str| files.path().join(name);
        let pickle = fixtures().join("golden").join(name);
        let sha = checkpoint::sha256(&pickle).expect("a digest");
        let engine = Engine::start(device::cpu()).expect("a thread");
        engine.send(Command::Load(pickle.clone().into()));
        idle(&engine);
        engine.send(project(ProjectRequest::KeepIn(at("p.unlearn"))));
        card(&engine);
        engine.send(start(request(&sha, [1, 2], None)));
        report(&engine);
        let first = exported(&engine, at("first.pkl"));
        let node = checkpoint::load(&at("p.unlearn/nodes/1/model.safetensors")).expect("a model");
        assert!(same(&first, &node), "{name}");
        // One that was warmed up has no place in a pickle without.
        assert_eq!((first.d.is_some(), node.d.is_some()), (name != "sg3-r-16.pkl", true));
        drop(engine);

        // Opened again: the result beside the first model, then as what the next request starts from.
        let (engine, history, _) = open(&at("p.unlearn"));
        assert_eq!((history.manifest.base, history.manifest.shown), (0, Some(1)));
        assert!(same(&exported(&engine, at("shown.pkl")), &first), "{name}");
        engine.send(project(ProjectRequest::StartFrom(1)));
        card(&engine);
        assert!(same(&exported(&engine, at("base.pkl")), &first), "{name}");
        drop(engine);

        // Opened once more, the first model is nowhere but on the disk.
        let (engine, history, _) = open(&at("p.unlearn"));
        assert_eq!((history.manifest.base, history.manifest.shown), (1, None));
        let base = exported(&engine, at("opened.pkl"));
        assert!(same(&base, &first), "{name}");
        let sha = history.manifest.node(1).and_then(|node| node.sha256.clone()).expect("a digest");
        engine.send(start(request(&sha, [1, 2], None)));
        report(&engine);
        let second = exported(&engine, at("second.pkl"));
        let node = checkpoint::load(&at("p.unlearn/nodes/2/model.safetensors")).expect("a model");
        assert!(same(&second, &node) && !same(&second, &first), "{name}");
        engine.send(project(ProjectRequest::StartFrom(0)));
        card(&engine);
        exported(&engine, at("original.pkl"));
        let bytes = |path: &Path| std::fs::read(path).expect("a pickle");
        assert!(bytes(&at("original.pkl")) == bytes(&pickle), "{name}");
    }
}

#[test]
fn a_measurement_that_fails_costs_no_result() {
    let files = folder();
    let engine = keep_in(&files.path().join("p.unlearn"));
    let out = files.path().join("out.safetensors");
    let mut request = request(&golden_sha(), [1, 2], Some(out.clone()));
    // Its features are wider than any covariance matrix should be.
    let labeler = LabelerSpec { path: fixtures().join("labelers/wide.onnx"), mean: None, std: None };
    request.evaluation = Some(EvaluationRequest { labeler, forget: "0".to_owned(), samples: 40, seed: 1 });
    engine.send(start(request));
    let report = report(&engine);
    let why = report.measurement_failed.expect("a reason");
    assert!(why.contains("features"), "{why}");
    assert_eq!((report.failed, report.iterations, report.evaluation.is_none()), (None, 2, true));
    assert!(checkpoint::load(&out).is_ok());
    engine.send(project(ProjectRequest::Rename(1, "kept".to_owned())));
    let node = card(&engine).manifest.node(1).cloned().expect("its node");
    assert_eq!((node.name.as_str(), node.status), ("kept", Status::Done));
}

#[test]
fn two_windows_do_not_write_one_project() {
    let files = folder();
    let path = files.path().join("p.unlearn");
    let first = keep_in(&path);
    let (second, seen, _) = open(&path);
    assert_eq!(seen.read_only.as_deref(), Some("another window or program has it open"));
    let before = content(&path);
    second.send(start(request(&golden_sha(), [1, 1], None)));
    let sentence = failure(&second);
    assert!(sentence.ends_with("so it is read-only here; save it under another name to go on"), "{sentence}");
    second.send(project(ProjectRequest::Marks(Box::new(marks(&golden_sha())))));
    failure(&second);
    assert_eq!(content(&path), before);
    // A copy is its own; and once the first window is closed the project can be had.
    second.send(project(ProjectRequest::SaveAs(files.path().join("copy.unlearn"))));
    assert_eq!(card(&second).read_only, None);
    second.send(start(request(&golden_sha(), [1, 1], None)));
    report(&second);
    drop(first);
    let (_third, seen, _) = open(&path);
    assert_eq!(seen.read_only, None);
}

#[test]
fn marks_names_and_fields_of_later_versions_are_there_again() {
    let files = folder();
    let path = files.path().join("p.unlearn");
    let engine = keep_in(&path);
    engine.send(start(request(&golden_sha(), [1, 1], None)));
    report(&engine);
    let mut made = marks(&golden_sha());
    made.mark(Sample::new(LatentAddress { seed: 9, index: 9 }, 0.5).expect("a psi"), Mark::Negative);
    engine.send(project(ProjectRequest::Marks(Box::new(made.clone()))));
    engine.send(project(ProjectRequest::Rename(1, "  nobody  ".to_owned())));
    card(&engine);
    drop(engine);
    let file = path.join("project.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
    (json["later"], json["nodes"][1]["later"]) = (7.into(), "too".into());
    fs::write(&file, json.to_string()).expect("written");
    let (engine, seen, kept) = open(&path);
    assert_eq!((&kept, seen.manifest.nodes[1].name.as_str()), (&made, "nobody"));
    engine.send(project(ProjectRequest::Rename(1, "somebody".to_owned())));
    card(&engine);
    let json: serde_json::Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
    assert_eq!((&json["later"], &json["nodes"][1]["later"]), (&7.into(), &"too".into()));

    // A later version, and damage, are declined in a sentence and left as they are.
    drop(engine);
    for (change, expected) in [
        (("version", serde_json::json!(2)), "a project of version 2"),
        (("nodes", serde_json::json!([])), "it has no node"),
        (("base", serde_json::json!(77)), "node 77, which the next request starts from, has no model"),
        (("version", serde_json::json!("x")), "it has no version"),
    ] {
        let mut other = json.clone();
        other[change.0] = change.1;
        fs::write(&file, other.to_string()).expect("written");
        let before = content(&path);
        let engine = Engine::start(device::cpu()).expect("a thread");
        engine.send(Command::Load(path.clone().into()));
        let sentence = failure(&engine);
        assert!(sentence.contains(expected) && sentence.contains("project.json"), "{sentence}");
        assert_eq!(content(&path), before);
    }
    let outside = serde_json::json!("../../secret.safetensors");
    let mut other = json.clone();
    other["nodes"][1]["file"] = outside;
    fs::write(&file, other.to_string()).expect("written");
    let engine = Engine::start(device::cpu()).expect("a thread");
    engine.send(Command::Load(path.clone().into()));
    assert!(failure(&engine).contains("the file of node 1 lies outside the project"));
}

#[test]
fn a_deleted_node_is_gone_with_all_that_was_made_from_it() {
    let files = folder();
    let path = files.path().join("p.unlearn");
    let engine = keep_in(&path);
    let mut sha = golden_sha();
    for id in 1..=2 as NodeId {
        engine.send(start(request(&sha, [1, 1], None)));
        report(&engine);
        engine.send(project(ProjectRequest::StartFrom(id)));
        let history = card(&engine);
        sha = history.manifest.node(id).and_then(|node| node.sha256.clone()).expect("a digest");
        assert!(history.sizes[id as usize] > 100_000);
    }
    engine.send(project(ProjectRequest::Delete(0)));
    assert!(failure(&engine).contains("cannot be deleted"));
    // The open model is among them: its parent is opened.
    engine.send(project(ProjectRequest::Delete(1)));
    let history = card(&engine);
    assert_eq!((history.manifest.base, history.manifest.nodes.len()), (0, 1));
    assert!(!path.join("nodes/1").exists() && !path.join("nodes/2").exists());
    engine.send(start(request(&golden_sha(), [1, 1], None)));
    assert_eq!(report(&engine).node, Some(3), "no number is given twice");
}

#[test]
fn a_bare_model_gets_a_project_of_its_own_and_finds_it_again() {
    let files = folder();
    let projects = files.path().join("projects");
    let copy = files.path().join("faces.pt");
    fs::copy(model(), &copy).expect("a copy");
    let open = |path: &Path| {
        let engine = Engine::start(device::cpu()).expect("a thread");
        engine.send(Command::ProjectsFolder(Some(projects.clone())));
        engine.send(Command::Load(path.to_owned().into()));
        let kept = wait(&engine, |event| if let Event::Marks(marks) = event { Some(*marks) } else { None });
        let card = card(&engine);
        idle(&engine);
        (engine, card, kept)
    };
    let (engine, seen, kept) = open(&copy);
    assert!(seen.is_unnamed && kept.is_empty());
    engine.send(project(ProjectRequest::Marks(Box::new(marks(&golden_sha())))));
    engine.send(start(request(&golden_sha(), [1, 1], None)));
    report(&engine);
    // Another window on the same file: a project beside it.
    let (other, beside, kept) = open(&copy);
    assert!(beside.folder != seen.folder && kept.is_empty());
    drop((engine, other));
    // The file was overwritten by something else since: the project has its own copy.
    fs::write(&copy, b"something else").expect("written");
    let (engine, _, kept) = open(&seen.folder);
    assert_eq!(kept.len(), 8);
    // Saved somewhere, it is no unnamed one any more, and goes on there.
    engine.send(project(ProjectRequest::SaveAs(files.path().join("mine.unlearn"))));
    let moved = card(&engine);
    assert!(!moved.is_unnamed && !seen.folder.exists());
    engine.send(start(request(&golden_sha(), [1, 1], None)));
    assert_eq!(report(&engine).node, Some(2));
}
