//! What a person waits for: a file to open, however damaged; a run to end; pictures to be labelled.
//!
//! `cargo bench --bench waits`. Tests say that these things happen, this says how long they take; what was measured is
//! written down in `benches/README.md`.

#[path = "../tests/hostile/mutation.rs"]
mod mutation;
#[path = "../tests/hostile/tiny.rs"]
mod tiny;

use std::path::{Path, PathBuf};

use divan::{Bencher, counter::ItemsCount};
use unlearn_studio::{
    checkpoint::{save, sha256},
    data::avatars,
    device,
    engine::{Command, Engine, Event, RunRequest},
    feedback::{Feedback, FeedbackSource, Mark, Sample},
    metrics::Labeler,
    model::Model,
    networks::LatentAddress,
    unlearn::{FIRST, Settings},
};

fn main() {
    // What a reader's guard catches need not be printed a thousand times.
    std::panic::set_hook(Box::new(|_| {}));
    divan::main();
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn model() -> PathBuf {
    fixture("tests/fixtures/golden/stylegan2-16.pt")
}

#[divan::bench(args = ["tests/fixtures/golden/stylegan2-ada-32.pkl", "assets/models/digits-32.safetensors", "assets/models/avatars-64.safetensors"])]
fn open(bencher: Bencher, file: &str) {
    let (path, device) = (fixture(file), device::cpu().device);
    bencher.bench_local(|| Model::load(&path, &device).expect("a model"));
}

/// A file of each format, each time damaged in another way; the slowest is what counts.
#[divan::bench(args = ["pt", "safetensors", "pkl"], sample_count = 2000, sample_size = 1)]
fn open_damaged(bencher: Bencher, extension: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(format!("model.{extension}"));
    if extension == "pkl" {
        std::fs::copy(fixture("tests/fixtures/golden/ada-8-conditional.pkl"), &path).expect("a model");
    } else {
        save(&path, &tiny::checkpoint()).expect("a written model");
    }
    let seed = std::fs::read(&path).expect("a model");
    let (device, mut number) = (device::cpu().device, 0);
    let damage = || {
        std::fs::write(&path, mutation::mutated(&seed, number).0).expect("a file");
        number += 1;
    };
    bencher.with_inputs(damage).bench_local_values(|()| Model::load(&path, &device).is_ok());
}

/// A run with a million iterations to go whose engine is dropped, as when the window is closed.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn drop_a_run(bencher: Bencher) {
    let run = || {
        let engine = Engine::start(device::cpu()).expect("a thread");
        engine.send(Command::Load(model().into()));
        let mut feedback = Feedback::new(&sha256(&model()).expect("a digest"));
        for index in 0..8 {
            let sample = Sample::new(LatentAddress { seed: 2, index }, 1.0).expect("a usable psi");
            feedback.mark(sample, if index < 4 { Mark::Negative } else { Mark::Positive });
        }
        let mut settings = Settings::of(FIRST);
        for (key, value) in
            [("adapted", 1), ("fisher-samples", 2), ("few-marks", 0), ("adapt-iters", 1_000_000), ("iters", 1)]
        {
            settings.set(key, value).expect(key);
        }
        let feedback = FeedbackSource::Marks(Box::new(feedback));
        engine.send(Command::Start(Box::new(RunRequest {
            feedback,
            settings,
            evaluation: None,
            out: None,
            retain: None,
            preview: false,
        })));
        while !matches!(engine.events.recv().expect("an event"), Event::Iteration(_)) {}
        engine
    };
    bencher.with_inputs(run).bench_local_values(drop);
}

/// From Ctrl-C to the end of the program, with what was reached written.
#[cfg(unix)]
#[divan::bench(sample_count = 3, sample_size = 1)]
fn interrupt(bencher: Bencher) {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().expect("a folder");
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unlearn-studio"));
        command.arg("unlearn").arg(model()).arg("--out").arg(folder.path().join("out.pt"));
        command.arg("--labeler").arg(fixture("tests/fixtures/labelers/grey8.onnx")).args(["--forget", "2"]);
        let sizes =
            "--iters 9999999 --adapt-iters 1 --adapted 1 --batch 4 --labelled 64 --samples 9999999 --device cpu";
        let child = command.args(sizes.split(' ')).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        // Until it trains; without a terminal it says nothing meanwhile.
        std::thread::sleep(std::time::Duration::from_secs(5));
        child.expect("the program starts")
    };
    bencher.with_inputs(start).bench_local_values(|mut child| {
        let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
        assert!(kill.success() && child.wait().expect("an end").success());
    });
}

/// Pictures a second of the bundled labelers' kind.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn label(bencher: Bencher) {
    const COUNT: usize = 500;
    let labeler = Labeler::open(&fixture("assets/labelers/avatars.onnx")).expect("a labeler");
    let drawn = (0..COUNT as u64).map(|index| avatars::draw(77_000, index, 64).rgb);
    let images: Vec<f32> = drawn
        .flat_map(|rgb| (0..3).flat_map(move |channel| rgb.clone().into_iter().skip(channel).step_by(3)))
        .map(|value| f32::from(value) / 127.5 - 1.0)
        .collect();
    bencher
        .counter(ItemsCount::new(COUNT))
        .bench_local(|| labeler.label_all(&images, [COUNT, 3, 64, 64]).expect("labels"));
}
