//! The estimate of a run's memory beside what a run allocates.
//!
//! One test alone in its program: the counter sees all threads.

#[path = "common/counting.rs"]
mod counting;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use counting::Counting;
use unlearn_studio::{
    checkpoint::{self, Checkpoint},
    device,
    engine::{
        Command, Engine, Event, ImageSource, RunRequest, SampleKind, SampleRequest, Weights,
        fit::Way,
        memory_estimate::MemoryEstimate,
        request::{TrainRequest, TrainingLength, TrainingStart},
        training::{Card, ChosenChoices, training_bytes},
    },
    feedback::{Feedback, FeedbackSource, LabelerSpec, Mark, Sample},
    networks::{Architecture, FreshFamily, LatentAddress, NormalSource},
    train::Checkpointing,
    unlearn::{Settings, method},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting { took, gave };

// What the whole program holds of the heap, and the most it has held.
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn took(size: usize) {
    let held = HELD.fetch_add(size, Ordering::Relaxed) + size;
    PEAK.fetch_max(held, Ordering::Relaxed);
}

fn gave(size: usize) {
    HELD.fetch_sub(size, Ordering::Relaxed);
}

/// What it may be off by, either way.
const TOLERANCE: f64 = 1.5;

/// Who says what must go.
enum Marks {
    /// The bundled labeler of digits, of so many samples.
    Labeler(usize),
    /// The first samples of a seed, so many.
    Few(usize),
}

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name)
}

/// A GAN of random weights.
fn random(folder: &Path, name: &str, channels: &[usize], latent: usize) -> PathBuf {
    let architecture = Architecture { channels: channels.to_vec(), image_channels: 3, latent, mapping_layers: 4 };
    let mut rng = NormalSource::new(1, 0);
    let (g, d) = (architecture.generator(&mut rng), architecture.discriminator(&mut rng));
    let path = folder.join(name);
    let checkpoint = Checkpoint { g_ema: Some(g.clone()), g: Some(g), d: Some(d), ..Checkpoint::default() };
    checkpoint::save(&path, &checkpoint).expect("a model");
    path
}

fn wait<T>(engine: &Engine, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(600);
    loop {
        match engine.events.recv_deadline(until).expect("an answer in time") {
            Event::Failed(sentence) | Event::NotSaved(sentence) => panic!("{sentence}"),
            event => {
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        }
    }
}

/// A run to measure.
struct Row<'a> {
    name: &'a str,
    model: &'a Path,
    method: &'a str,
    changes: &'a [(&'a str, usize)],
    marks: Marks,
    /// Samples of the result so far that are looked at between two iterations, as a window does.
    looked_at: u64,
    /// Whether blocks are computed again in the backward pass.
    checkpointing: bool,
}

/// What a run takes at its highest, and what the estimate says.
fn measure(row: &Row) -> (f64, MemoryEstimate) {
    let &Row { model, method: method_id, changes, ref marks, looked_at, .. } = row;
    let mut settings = Settings::of(method(method_id).expect(method_id));
    let (labelled, feedback) = match marks {
        Marks::Labeler(count) => {
            let labeler = LabelerSpec { path: asset("labelers/digits.onnx"), mean: None, std: None };
            (*count, FeedbackSource::Labeler { labeler, forget: "4".to_owned() })
        }
        Marks::Few(count) => {
            let mut feedback = Feedback::new(&checkpoint::sha256(model).expect("a digest"));
            for index in 0..*count as u64 {
                let sample = Sample::new(LatentAddress { seed: 2, index }, 1.0).expect("a usable psi");
                feedback.mark(sample, if index.is_multiple_of(2) { Mark::Negative } else { Mark::Positive });
            }
            (*count, FeedbackSource::Marks(Box::new(feedback)))
        }
    };
    for (key, value) in changes.iter().copied().chain([("labelled", labelled), ("few-marks", 0)]) {
        settings.set(key, value).expect(key);
    }
    settings.set("checkpointing", if row.checkpointing { "on" } else { "off" }).expect("a setting");
    let engine = Engine::start(device::cpu()).expect("a thread");
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    engine.send(Command::Load(model.to_owned().into()));
    let card = wait(&engine, |event| if let Event::Loaded(card) = event { Some(card) } else { None });
    let estimate = MemoryEstimate::of(&card, &settings, 0).expect("settings that can be run");
    // As a preview nothing is measured afterwards, and no history is kept.
    let request = RunRequest { feedback, settings, evaluation: None, out: None, retain: None, preview: true };
    engine.send(Command::Start(Box::new(request)));
    if looked_at > 0 {
        let (kind, weights, indices) = (SampleKind::Grid, Weights::Current, (0..looked_at).collect());
        engine.send(Command::Sample(SampleRequest { kind, weights, seed: 3, indices, psi: 1.0, class: None }));
    }
    wait(&engine, |event| matches!(event, Event::Done(_)).then_some(()));
    ((PEAK.load(Ordering::Relaxed) - before) as f64, estimate)
}

/// What a training from scratch takes at its highest, and what the estimate says.
fn measure_training(folder: &Path, data: &Path, micro_batch: usize, checkpointing: Checkpointing) -> (f64, f64) {
    let out = folder.join("trained.safetensors");
    let start = TrainingStart::Fresh {
        resolution: Some(64),
        channels: vec![128, 128, 128, 64, 32],
        latent: 128,
        mapping: 4,
        family: FreshFamily::StyleGan2,
        seed: 1,
        grow: None,
    };
    let (batch, path) = (16, 2.0);
    let choices = ChosenChoices {
        batch: Some(batch),
        micro_batch: Some(micro_batch),
        path: Some(path),
        checkpointing: Some(checkpointing),
        ..ChosenChoices::default()
    };
    let card = Card { data: "noise".to_owned(), date: None, excluded: None, licence: None };
    let request = TrainRequest {
        data: ImageSource::of(data.to_owned()),
        start,
        choices,
        length: TrainingLength::Iterations(2),
        out: out.clone(),
        grid: None,
        save_every: 100,
        labeler: None,
        card,
        exclude: None,
    };
    let engine = Engine::start(device::cpu()).expect("a thread");
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    engine.send(Command::Train(Box::new(request)));
    wait(&engine, |event| matches!(event, Event::Trained(_)).then_some(()));
    let taken = (PEAK.load(Ordering::Relaxed) - before) as f64;
    engine.send(Command::Load(out.into()));
    let card = wait(&engine, |event| if let Event::Loaded(card) = event { Some(card) } else { None });
    let model = 2 * card.generator_parameters + card.discriminator_parameters.expect("a discriminator");
    let way = Way {
        samples: if micro_batch == 0 { batch } else { micro_batch },
        checkpointing: checkpointing == Checkpointing::On,
    };
    (taken, (model * size_of::<f32>()) as f64 + training_bytes(&card, batch, way))
}

/// A folder of pictures of noise.
fn pictures(folder: &Path) -> PathBuf {
    let (data, mut rng) = (folder.join("pictures"), NormalSource::new(1, 0));
    std::fs::create_dir(&data).expect("a folder");
    for number in 0..32 {
        let values = rng.normals(64 * 64 * 3).into_iter().map(|value| (128.0 + 40.0 * value) as u8).collect();
        let picture = image::RgbImage::from_raw(64, 64, values).expect("a picture");
        picture.save(data.join(format!("{number}.png"))).expect("a file");
    }
    data
}

#[test]
fn a_run_takes_what_is_estimated() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // More weights than the bundled models' by far, and layers that are matrices; then more maps.
    let wide = random(folder.path(), "wide.safetensors", &[256, 256, 128], 256);
    let large = random(folder.path(), "large.safetensors", &[128, 128, 128, 64, 32], 128);
    let (digits, faces) = (asset("models/digits-32.safetensors"), asset("models/avatars-64.safetensors"));
    let adapt = [("iters", 5), ("adapt-iters", 2), ("adapted", 2), ("fisher-samples", 4)];
    let row = |name, model, method, changes, marks| Row {
        name,
        model,
        method,
        changes,
        marks,
        looked_at: 0,
        checkpointing: false,
    };
    let whole = [("iters", 3), ("batch", 16)];
    let parts = [("iters", 3), ("batch", 16), ("micro-batch", 4)];
    let rows = [
        row("digits", &digits, "reject", &[("iters", 5)], Marks::Labeler(500)),
        row("digits", &digits, "saliency", &[("iters", 4)], Marks::Labeler(500)),
        row("digits", &digits, "adapt", &adapt, Marks::Few(32)),
        row("faces", &faces, "reject", &whole, Marks::Few(32)),
        Row { looked_at: 512, ..row("faces, looked at", &faces, "reject", &parts, Marks::Few(32)) },
        row("wide", &wide, "reject", &[("iters", 3), ("batch", 4)], Marks::Few(16)),
        row("large", &large, "reject", &whole, Marks::Few(16)),
        row("large, in parts", &large, "reject", &parts, Marks::Few(16)),
        Row { checkpointing: true, ..row("large, blocks again", &large, "reject", &whole, Marks::Few(16)) },
        row("large, towards images", &large, "saliency", &whole, Marks::Few(16)),
        Row { checkpointing: true, ..row("large, both", &large, "saliency", &whole, Marks::Few(16)) },
    ];
    let mut wrong = Vec::new();
    let mut all = HashMap::new();
    for row in &rows {
        let Row { name, method, .. } = row;
        let started = Instant::now();
        let (taken, estimate) = measure(row);
        let (ratio, seconds) = (estimate.total() / taken, started.elapsed().as_secs_f64());
        println!(
            "{name}, {method}: {:.0} MB taken, {ratio:.2} times as much estimated ({seconds:.1} s): {estimate:?}",
            taken / 1e6
        );
        all.insert(*name, taken);
        if !(1.0 / TOLERANCE..=TOLERANCE).contains(&ratio) {
            wrong.push(format!("{name}, {method}: {:.0} MB for {:.0} MB", estimate.total() / 1e6, taken / 1e6));
        }
    }
    // What is left are weights, and the largest block's maps.
    for (kept, again) in [("large", "large, blocks again"), ("large, towards images", "large, both")] {
        let (kept, again) = (all[kept], all[again]);
        println!("{:.0} MB with all maps kept, {:.0} MB with checkpointing", kept / 1e6, again / 1e6);
        if again > 0.8 * kept {
            wrong.push(format!("checkpointing: {:.0} MB of {:.0} MB", again / 1e6, kept / 1e6));
        }
    }
    let data = pictures(folder.path());
    let never = Checkpointing::Off;
    for (name, micro_batch, checkpointing) in
        [("whole", 0, never), ("parts", 4, never), ("again", 4, Checkpointing::On)]
    {
        let (taken, estimate) = measure_training(folder.path(), &data, micro_batch, checkpointing);
        let ratio = estimate / taken;
        println!("training, {name}: {:.0} MB taken, {ratio:.2} times as much estimated", taken / 1e6);
        if !(1.0 / TOLERANCE..=TOLERANCE).contains(&ratio) {
            wrong.push(format!("training, {name}: {:.0} MB for {:.0} MB", estimate / 1e6, taken / 1e6));
        }
    }
    // 400 images of 256x256 are 315 MB; a pool keeps a sixth of them.
    let pools = random(folder.path(), "pools.safetensors", &[4; 7], 16);
    let many = [("iters", 110), ("batch", 4)];
    let (taken, estimate) = measure(&row("pools", &pools, "saliency", &many, Marks::Few(400)));
    println!("pools: {:.0} MB taken, {:.0} MB estimated", taken / 1e6, estimate.total() / 1e6);
    if taken > 250e6 {
        wrong.push(format!("{:.0} MB for a run whose images are not all kept", taken / 1e6));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
