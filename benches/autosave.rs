//! What saving where a run stands costs the run.
//!
//! `cargo bench --bench autosave` runs a few iterations of `assets/models/digits-32.safetensors` in a project again and again,
//! by turns without saving, and saving after every second. One save a minute is what a run pays.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use unlearn_studio::{
    checkpoint::sha256,
    device,
    engine::{Command, Engine, Event, ProjectRequest, RunRequest},
    feedback::{Feedback, FeedbackSource, Mark, Sample},
    networks::LatentAddress,
    unlearn::{FIRST, Settings},
};

const ROUNDS: usize = 5;
const ITERATIONS: usize = 100;
const SAVED_EVERY: Duration = Duration::from_secs(1);

/// Seconds of the iterations, and how often their state was written meanwhile.
fn seconds(save_every: Duration) -> f64 {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/digits-32.safetensors");
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::start(device::cpu()).expect("a thread");
    engine.send(Command::SaveEvery(save_every));
    engine.send(Command::Load(model.clone().into()));
    let keep = ProjectRequest::KeepIn(folder.path().join("p.unlearn"));
    engine.send(Command::Project(Box::new(keep)));
    let mut marks = Feedback::new(&sha256(&model).expect("a digest"));
    for index in 0..64 {
        let sample = Sample::new(LatentAddress { seed: 1, index }, 1.0).expect("a psi");
        marks.mark(sample, if index < 24 { Mark::Negative } else { Mark::Positive });
    }
    let mut settings = Settings::of(FIRST);
    for (key, value) in [("adapt-iters", 1), ("iters", ITERATIONS), ("fisher-samples", 2), ("few-marks", 0)] {
        settings.set(key, value).expect(key);
    }
    let feedback = FeedbackSource::Marks(Box::new(marks));
    engine.send(Command::Start(Box::new(RunRequest {
        feedback,
        settings,
        evaluation: None,
        out: None,
        retain: None,
        preview: false,
    })));
    let mut since = None;
    loop {
        match engine.events.recv().expect("an engine") {
            Event::Failed(sentence) => panic!("{sentence}"),
            Event::Iteration(iteration) if iteration.is_result() && iteration.index == 9 => {
                since = Some(Instant::now())
            }
            Event::Iteration(iteration) if iteration.is_result() && iteration.index + 1 == ITERATIONS => {
                return since.expect("earlier iterations").elapsed().as_secs_f64();
            }
            _ => {}
        }
    }
}

fn main() {
    // Other benches are asked for by name.
    if std::env::args().skip(1).any(|argument| !argument.starts_with('-') && !"autosave".contains(&argument)) {
        return;
    }
    let mut rounds: Vec<[f64; 2]> = (0..ROUNDS).map(|_| [seconds(Duration::MAX), seconds(SAVED_EVERY)]).collect();
    let best =
        |which: usize, rounds: &[[f64; 2]]| rounds.iter().map(|round| round[which]).fold(f64::INFINITY, f64::min);
    let [without, with] = [best(0, &rounds), best(1, &rounds)];
    rounds.sort_by(|a, b| (a[1] / a[0]).total_cmp(&(b[1] / b[0])));
    let median = rounds[ROUNDS / 2][1] / rounds[ROUNDS / 2][0];
    let saves = without / SAVED_EVERY.as_secs_f64();
    println!(
        "{} iterations: {without:.2} s without saving, {with:.2} s saving every second (best of {ROUNDS})",
        ITERATIONS - 10
    );
    println!("median ratio in one round {median:.3}");
    let each = ((with - without) / saves).max(0.0);
    println!("a save costs {:.1} ms of the run; one a minute {:.3} %", 1000.0 * each, 100.0 * each / 60.0);
}
