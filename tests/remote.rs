//! Runs on another machine: a second process on this one.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command as Program, Stdio},
    time::Duration,
};

#[path = "common/events.rs"]
mod events;
#[path = "common/server.rs"]
mod server;

use events::{failure, idle, wait};
use server::{SECRET, Server, token};
use tempfile::TempDir;
use unlearn_studio::{
    checkpoint, device,
    engine::{
        Command, Devices, Engine, Event, ImageSource, OpenRequest, ProjectRequest, RunReport, RunRequest, SampleKind,
        SampleRequest, Weights,
    },
    feedback::{Feedback, FeedbackSource, Mark, Sample},
    model::program,
    networks::LatentAddress,
    remote::{Remote, RemoteError, Token},
    unlearn::{METHODS, SampleSource, Settings, method},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_unlearn-studio");

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn golden() -> PathBuf {
    fixture("golden/stylegan2-16.pt")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[track_caller]
fn iteration(engine: &Engine) -> usize {
    wait(engine, |event| if let Event::Iteration(iteration) = event { Some(iteration.place()) } else { None })
}

#[track_caller]
fn report(engine: &Engine) -> RunReport {
    let report = wait(engine, |event| if let Event::Done(report) = event { Some(*report) } else { None });
    idle(engine);
    report
}

fn project(request: ProjectRequest) -> Command {
    Command::Project(Box::new(request))
}

/// An engine in which a model is open.
fn open(devices: impl Into<Devices>, model: OpenRequest) -> Engine {
    let engine = Engine::start(devices).expect("a thread");
    engine.send(Command::SaveEvery(Duration::ZERO));
    engine.send(Command::Load(model));
    idle(&engine);
    engine
}

/// Marks on eight samples of a model; `pictures` of one that completes pictures.
fn marks(model: &Path) -> Feedback {
    let mut feedback = Feedback::new(&checkpoint::sha256(model).expect("a digest"));
    for index in 0..8 {
        let psi = if index == 5 { 0.7 } else { 1.0 };
        let sample = Sample::new(LatentAddress { seed: 2, index }, psi).expect("a usable psi");
        feedback.mark(sample, if index < 4 { Mark::Negative } else { Mark::Positive });
    }
    feedback
}

/// A run on these marks.
fn request(feedback: Feedback, id: &str, changes: &[(&str, usize)], out: Option<PathBuf>) -> RunRequest {
    let mut settings = Settings::of(method(id).expect("a method"));
    for (key, value) in changes.iter().chain(&[("few-marks", 0)]) {
        settings.set(key, *value).expect(key);
    }
    let feedback = FeedbackSource::Marks(Box::new(feedback));
    RunRequest { feedback, settings, evaluation: None, out, retain: None, preview: false }
}

fn start(request: RunRequest) -> Command {
    Command::Start(Box::new(request))
}

/// Few steps of everything that a method has steps of.
fn few_steps(id: &str) -> Settings {
    let mut settings = Settings::of(method(id).expect("a method"));
    for (key, value) in [
        ("few-marks", 0),
        ("batch", 4),
        ("iters", 3),
        ("polish-iters", 2),
        ("adapt-iters", 2),
        ("adapted", 1),
        ("fisher-samples", 2),
        ("labelled", 8),
    ] {
        if settings.field(key).is_some() {
            settings.set(key, value).expect(key);
        }
    }
    settings
}

/// Everything that a run tells of its iterations, by bits, and what it writes.
fn outcome(devices: impl Into<Devices>, model: &OpenRequest, request: &RunRequest) -> (Vec<String>, Vec<u8>) {
    let out = folder();
    let path = out.path().join("result.safetensors");
    let engine = open(devices, model.clone());
    engine.send(start(RunRequest { out: Some(path.clone()), ..request.clone() }));
    let mut told = Vec::new();
    wait(&engine, |event| match event {
        Event::Iteration(iteration) => {
            let values = iteration.values.iter().map(|(name, value)| format!("{name} {:x}", value.to_bits()));
            told.push(format!("{} {} {}", iteration.at, iteration.index, values.collect::<Vec<_>>().join(", ")));
            None
        }
        Event::Layers(shares) => {
            told.push(format!("{shares:?}"));
            None
        }
        Event::Auxiliary { number, name } => {
            told.push(format!("{number} {name}"));
            None
        }
        Event::Warning(sentence) => {
            told.push(sentence);
            None
        }
        Event::Done(_) => Some(()),
        _ => None,
    });
    (told, fs::read(&path).expect("a result"))
}

#[test]
fn a_run_elsewhere_makes_the_same_bytes_as_one_here() {
    let server = Server::start();
    let conditional = OpenRequest { classes: Some(3), ..fixture("dcgan/conditional-16.pt").into() };
    let models: [(OpenRequest, &[&str]); 4] = [
        (golden().into(), &["reject", "redirect", "adapt", "saliency", "feature", "dampen", "extrapolate"]),
        (fixture("golden/ada-8-conditional.pkl").into(), &["reject", "dampen"]),
        (fixture("golden/sg3-t-16-conditional.pkl").into(), &["redirect"]),
        (conditional, &["feature"]),
    ];
    let drawing = METHODS.iter().filter(|method| {
        let settings = Settings::of(**method);
        method.needs(settings.values()).samples != SampleSource::Pictures
    });
    assert_eq!(drawing.count(), models[0].1.len(), "every method");
    for (model, ids) in &models {
        for id in *ids {
            let settings = few_steps(id);
            let request = RunRequest { settings, ..request(marks(&model.path), id, &[], None) };
            let here = outcome(device::cpu(), model, &request);
            let there = outcome(server.remote(), model, &request);
            let name = model.path.display();
            assert_eq!(here.0, there.0, "{id} of {name}");
            assert!(here.1 == there.1, "{id} of {name}: other bytes");
            assert!(!here.0.is_empty() && here.1 != fs::read(&model.path).expect("a model"));
        }
    }
}

#[test]
fn pictures_go_along() {
    let server = Server::start();
    let path = fixture("golden/vit-mae-32");
    let model = OpenRequest { pictures: Some(ImageSource::Avatars), ..path.clone().into() };
    for (id, retain) in [("image-to-image", None), ("image-to-image", Some(ImageSource::Avatars)), ("dampen", None)] {
        let settings = few_steps(id);
        let request = RunRequest { settings, retain, ..request(marks(&path), id, &[], None) };
        let here = outcome(device::cpu(), &model, &request);
        let there = outcome(server.remote(), &model, &request);
        assert_eq!(here.0, there.0, "{id}");
        assert!(here.1 == there.1, "{id}: other bytes");
    }
}

#[test]
fn the_command_line_runs_elsewhere() {
    let (server, files) = (Server::start(), folder());
    let token_file = files.path().join("token");
    fs::write(&token_file, format!("{SECRET}\n")).expect("a file");
    let run = |out: &str, device: &str| {
        let out = files.path().join(out);
        let fixed = ["unlearn", text(&golden()), "--labeler", text(&fixture("labelers/grey8.onnx")), "--forget", "2"]
            .map(str::to_owned);
        let sizes = "--method reject --iters 3 --batch 4 --labelled 64 --samples 64".split(' ').map(str::to_owned);
        let output = Program::new(PROGRAM)
            .args(fixed.into_iter().chain(sizes))
            .args(["--out", text(&out), "--device", device, "--token-file", text(&token_file)])
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(out).expect("a result")
    };
    let there = run("there.safetensors", &format!("remote:{}", server.address));
    assert!(run("here.safetensors", "cpu") == there, "other bytes");
    let written = fs::read_dir(files.path()).expect("a folder").flatten().map(|entry| entry.path());
    for path in written.filter(|path| *path != token_file) {
        let bytes = fs::read(&path).expect("a file");
        let holds = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        assert!(!holds, "{} holds the token", path.display());
    }
}

const STEPS: &[(&str, usize)] = &[("batch", 4), ("iters", 24)];

#[test]
fn a_run_whose_server_is_killed_goes_on_to_the_same_bytes() {
    let files = folder();
    let path = |name: &str| files.path().join(name);
    let engine = open(device::cpu(), golden().into());
    engine.send(start(request(marks(&golden()), "reject", STEPS, Some(path("whole.safetensors")))));
    report(&engine);
    let whole = fs::read(path("whole.safetensors")).expect("a result");

    let (kept, out) = (path("killed.unlearn"), path("killed.safetensors"));
    let server = Server::start();
    let engine = open(server.remote(), golden().into());
    engine.send(project(ProjectRequest::KeepIn(kept.clone())));
    engine.send(start(request(marks(&golden()), "reject", STEPS, Some(out.clone()))));
    (0..4).for_each(|_| assert!(iteration(&engine) < 24));
    let address = server.kill();
    let sentence = failure(&engine);
    assert!(sentence.starts_with(&address) && sentence.contains("the line dropped"), "{sentence}");
    idle(&engine);
    assert!(!out.exists());

    // Nobody is there yet: it stays what it was.
    engine.send(project(ProjectRequest::Continue { micro_batch: None }));
    let sentence = failure(&engine);
    assert!(sentence.contains("nobody answers there"), "{sentence}");
    idle(&engine);

    // The same engine goes on where another server listens, until that is killed as well.
    let server = Server::listening_at(&address);
    engine.send(project(ProjectRequest::Continue { micro_batch: None }));
    let next = iteration(&engine);
    assert!((1..24).contains(&next), "it goes on from iteration {next}");
    iteration(&engine);
    server.kill();
    failure(&engine);
    drop(engine);

    // And this machine can do without any.
    let engine = open(device::cpu(), kept.clone().into());
    engine.send(project(ProjectRequest::Continue { micro_batch: None }));
    assert!(iteration(&engine) > next);
    assert_eq!(report(&engine).iterations, 24);
    assert!(fs::read(out).expect("a result") == whole, "other bytes");
}

#[test]
fn a_run_elsewhere_is_looked_at_paused_and_stopped_like_one_here() {
    let server = Server::start();
    let sample = |engine: &Engine, weights: Weights| {
        let indices = (0..4).collect();
        let kind = SampleKind::Grid;
        engine.send(Command::Sample(SampleRequest { kind, weights, seed: 1, indices, psi: 1.0, class: None }));
        wait(engine, |event| if let Event::Tiles(tiles) = event { Some(tiles.rgb) } else { None })
    };
    let files = folder();
    let seen = |devices: Devices, name: &str| {
        let out = files.path().join(name);
        let engine = open(devices, golden().into());
        let steps = [("batch", 4), ("iters", 5000)];
        engine.send(start(request(marks(&golden()), "reject", &steps, Some(out.clone()))));
        engine.send(Command::Pause);
        wait(&engine, |event| matches!(event, Event::Paused).then_some(()));
        let (now, before) = (sample(&engine, Weights::Current), sample(&engine, Weights::Original));
        assert!(now != before);
        engine.send(Command::Snapshot);
        wait(&engine, |event| matches!(event, Event::Snapshot { number: 0, iteration: 1 }).then_some(()));
        assert!(sample(&engine, Weights::Snapshot(0)) == now);
        let exported = files.path().join(format!("paused-{name}"));
        engine.send(Command::Export(exported.clone()));
        wait(&engine, |event| matches!(event, Event::Exported(_)).then_some(()));
        engine.send(Command::Stop);
        let stopped = report(&engine);
        assert_eq!((stopped.stopped, stopped.iterations, stopped.can_go_on.is_some()), (true, 1, true));
        assert!(sample(&engine, Weights::Current) == now);
        let after = fs::read(&out).expect("a result");
        assert!(fs::read(exported).expect("a model") == after);
        // It goes on from memory.
        engine.send(project(ProjectRequest::Continue { micro_batch: None }));
        iteration(&engine);
        engine.send(Command::Stop);
        assert!(report(&engine).iterations > 1);
        (now, after, stopped.device)
    };
    let (here, there) =
        (seen(device::cpu().into(), "here.safetensors"), seen(server.remote().into(), "there.safetensors"));
    assert!(here.0 == there.0, "other pictures");
    assert!(here.1 == there.1, "other bytes");
    assert_eq!((here.2.as_str(), there.2.as_str()), ("CPU", "CPU (remote)"));
}

#[test]
fn one_run_goes_on_at_a_time() {
    let server = Server::start();
    let run = |engine: &Engine| engine.send(start(request(marks(&golden()), "reject", &[("iters", 5000)], None)));
    let (first, second) = (open(server.remote(), golden().into()), open(server.remote(), golden().into()));
    run(&first);
    iteration(&first);
    first.send(Command::Pause);
    wait(&first, |event| matches!(event, Event::Paused).then_some(()));
    run(&second);
    let sentence = failure(&second);
    assert!(sentence.contains("another run is in progress there"), "{sentence}");
    first.send(Command::Stop);
    report(&first);
    run(&second);
    iteration(&second);
    // A client that is gone leaves its place.
    drop(second);
    run(&first);
    iteration(&first);
    first.send(Command::Stop);
    report(&first);
}

/// Somebody who answers the first line with these bytes, and then hangs up.
fn impostor(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut head = [0; 12];
            let _ = stream.read_exact(&mut head);
            let _ = stream.write_all(&answer);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    address
}

/// A frame without a payload.
fn frame(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes()[..], &0_u64.to_le_bytes(), text.as_bytes()].concat()
}

fn hello(protocol: u32, program: &str) -> String {
    let magic = "unlearn-studio remote";
    serde_json::json!({ "Hello": { "magic": magic, "protocol": protocol, "program": program, "challenge": "0" } })
        .to_string()
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    let server = Server::start();
    let unused = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string();
    let connect = |address: &str| Remote::connect(address, token()).expect_err(address);
    let other = Token::parse("another-token-that-is-wrong").expect("a token");
    let proof = serde_json::json!({ "Proof": "00" }).to_string();
    let liar = [frame(&hello(1, &program())), frame(&proof)].concat();
    let table = [
        (Remote::connect(&server.address, other).expect_err("another token"), "the token is wrong"),
        (connect(&unused), "nobody answers there (connection refused"),
        (connect("no-such-machine.invalid:7447"), "nobody answers there"),
        (
            connect(&impostor(frame(&hello(1, "unlearn-studio 9.9.9")))),
            "the other end is unlearn-studio 9.9.9 (protocol 1), this is",
        ),
        (connect(&impostor(frame(&hello(7, &program())))), "(protocol 7), this is"),
        (connect(&impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())), "is no `unlearn-studio serve`"),
        (connect(&impostor(b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec())), "is no `unlearn-studio serve`"),
        (connect(&impostor(frame("\"Beat\"").repeat(3))), "the line dropped"),
        (connect(&impostor(frame("[1, 2"))), "is no `unlearn-studio serve`"),
        (connect(&impostor(Vec::new())), "the line dropped"),
        // Who pretends to be the server does not know the token either.
        (connect(&impostor(liar)), "the token is wrong"),
        (connect("127.0.0.1"), "127.0.0.1: an address is HOST:PORT"),
        (connect(":7447"), "an address is HOST:PORT"),
        (connect("127.0.0.1:http"), "an address is HOST:PORT"),
    ];
    for (error, expected) in table {
        let sentence = error.to_string();
        assert!(sentence.contains(expected) && !sentence.contains('\n'), "{sentence}");
    }
    assert_eq!(server.remote().card().name, "CPU (remote)");
    let sentence = RemoteError::Silent { address: "a:1".to_owned(), seconds: 20 }.to_string();
    assert!(sentence.contains("nothing has come from there for 20 s"), "{sentence}");
}

#[test]
fn unusable_arguments_are_said_before_anything_is_done() {
    let files = folder();
    let (short, missing) = (files.path().join("short"), files.path().join("missing"));
    fs::write(&short, "short").expect("a file");
    let out = files.path().join("out.safetensors");
    let (out, model) = (text(&out).to_owned(), golden());
    let unlearn = ["unlearn", text(&model), "--feedback", "marks.json", "--out", &out, "--device"];
    let with = |more: &[&str]| unlearn.iter().chain(more).map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let serve = |more: &[&str]| ["serve"].iter().chain(more).map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for (args, code, expected) in [
        (with(&["remote:127.0.0.1:1"]), 2, "which token?"),
        (with(&["remote:127.0.0.1:1", "--token-file", text(&short)]), 1, "at least 16 characters"),
        (with(&["remote:127.0.0.1:1", "--token-file", text(&missing)]), 1, "the token cannot be read"),
        (with(&["tpu"]), 2, "it is auto, gpu, cpu or remote:HOST:PORT"),
        (serve(&["--listen", "0.0.0.0:0"]), 2, "ssh -L"),
        (serve(&["--listen", "nowhere"]), 2, "an address is HOST:PORT"),
        (serve(&["--listen", "127.0.0.1:0", "--token-file", text(&short)]), 1, "at least 16 characters"),
    ] {
        let output =
            Program::new(PROGRAM).args(&args).env_remove("UNLEARN_TOKEN").output().expect("the program starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), told.lines().count()), (Some(code), 1), "{args:?}: {told}");
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_server_makes_its_own_token_and_warns_who_opens_it() {
    let mut process = Program::new(PROGRAM)
        .args(["serve", "--listen", "0.0.0.0:0", "--open-to-network", "--device", "cpu"])
        .env_remove("UNLEARN_TOKEN")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let line = lines.next().expect("a line");
    let port = line.strip_suffix(" with CPU").and_then(|rest| rest.rsplit_once(':')).expect("a port").1.to_owned();
    let line = lines.next().expect("a line");
    let token = Token::parse(line.strip_prefix("token: ").expect("a token")).expect("a token");
    assert!(Remote::connect(&format!("127.0.0.1:{port}"), token).is_ok());
    let mut warning = String::new();
    BufReader::new(process.stderr.take().expect("its warnings")).read_line(&mut warning).expect("a line");
    assert!(warning.contains("nothing on the line is encrypted") && warning.contains("SSH tunnel"), "{warning}");
    process.kill().expect("an end");
    process.wait().expect("an end");
}

/// Bytes that nobody means: frames with wrong lengths, wrong texts, and nothing like a frame.
fn garbage(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = match seed % 4 {
        0 => (0..next() % 200).map(|_| next() as u8).collect(),
        1 => frame(&hello(1, &program())),
        2 => [frame(&hello(1, &program())), frame("{\"Proof\":\"00\"}"), frame("{\"Answer\":\"Stop\"}")].concat(),
        _ => [&[255; 12][..], &frame("\"Beat\"").repeat(5)].concat(),
    };
    for _ in 0..next() % 6 {
        let place = (next() as usize) % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(place) {
            *byte = next() as u8;
        }
    }
    bytes.truncate((next() as usize) % (bytes.len() + 1));
    bytes
}

#[test]
fn nothing_that_comes_brings_a_server_down() {
    let mut server = Server::start();
    for seed in 0..300 {
        let bytes = garbage(seed);
        let mut stream = TcpStream::connect(&server.address).expect("somebody listens");
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 4096, "a stranger is told {} bytes", answer.len());
    }
    assert!(server.process.try_wait().expect("a process").is_none(), "it ended");
    assert_eq!(server.remote().card().name, "CPU (remote)");
}
