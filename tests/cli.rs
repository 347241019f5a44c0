//! The headless verbs, as a person runs them: the built program on the fixtures.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use unlearn_studio::{
    checkpoint::{self, Checkpoint, read_tensors, write_tensors},
    feedback::{Feedback, Mark, Sample},
    metrics::Labeler,
    networks::{Architecture, HostTensor, LatentAddress, NormalSource},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_unlearn-studio");

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn model() -> PathBuf {
    fixture("golden/stylegan2-16.pt")
}

fn grey8() -> PathBuf {
    fixture("labelers/grey8.onnx")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// The program with these arguments, words and paths alike.
fn studio(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).env_remove("RUST_BACKTRACE").output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Runs the program, which must succeed without a word on stderr, and gives what it printed.
fn done(args: &[&str]) -> String {
    let output = studio(args);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{args:?}");
    stdout(&output)
}

/// A complete small `unlearn` command, forgetting class 2 of the grey labeler.
fn small_unlearn(out: &Path, more: &[&str]) -> Vec<String> {
    let fixed = [
        "unlearn",
        &text(&model()),
        "--labeler",
        &text(&grey8()),
        "--forget",
        "2",
        "--iters",
        "2",
        "--method",
        "adapt",
        "--adapt-iters",
        "2",
        "--batch",
        "4",
        "--adapted",
        "1",
        "--labelled",
        "64",
        "--samples",
        "64",
        "--device",
        "cpu",
        "--out",
        &text(out),
    ]
    .map(str::to_owned);
    fixed.into_iter().chain(more.iter().map(|&s| s.to_owned())).collect()
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// All values of a checkpoint.
fn values(checkpoint: &Checkpoint) -> impl Iterator<Item = f32> + '_ {
    let networks = [&checkpoint.g_ema, &checkpoint.g, &checkpoint.d].into_iter().flatten();
    let optimizers = [&checkpoint.g_optim, &checkpoint.d_optim].into_iter().flatten();
    let tensors = networks.flat_map(|network| network.values());
    let moments = optimizers.flat_map(|state| state.moments.values()).flat_map(|m| [&m.exp_avg, &m.exp_avg_sq]);
    tensors.chain(moments).flat_map(|tensor| tensor.data.iter().copied())
}

#[test]
fn info_says_what_is_in_the_file() {
    let path = text(&model());
    let card = done(&["info", &path]);
    for line in [
        "family          StyleGAN2, 16x16, 3 channels",
        "latent          32, mapped to 32",
        "mapping_layers  3",
        "channels        16 at 4, 16 at 8, 12 at 16",
        "generator       17538 parameters",
        "discriminator   14781 parameters",
        "contents        g_ema, g, d, g_optim, d_optim",
        "args.mixing     0.9",
    ] {
        assert!(card.lines().any(|found| found == line), "{line} is not in\n{card}");
    }
    let card: Value = serde_json::from_str(&done(&["info", &path, "--json"])).expect("JSON");
    assert_eq!(card["generator_parameters"], 17538);
    assert_eq!(card["discriminator_parameters"], 14781);
    assert_eq!((&card["resolution"], &card["latent"], &card["mapping_layers"]), (&16.into(), &32.into(), &3.into()));
    assert_eq!(card["channels"], serde_json::json!([16, 16, 12]));
    assert_eq!(card["sha256"], checkpoint::sha256(&model()).expect("a digest"));
    let bare = done(&["info", &text(&fixture("golden/stylegan2-16.adapted0.pt"))]);
    assert!(bare.contains("discriminator   none\ncontents        g_ema\n"), "{bare}");
}

#[test]
fn sampling_given_latents_gives_the_golden_images() {
    let out = folder();
    let (golden, _) = read_tensors(&fixture("golden/stylegan2-16.expected.safetensors")).expect("golden numbers");
    let (z, images) = (out.path().join("z.safetensors"), out.path().join("images.safetensors"));
    write_tensors(&z, &BTreeMap::from([("z".to_owned(), golden["z"].clone())]), &BTreeMap::new()).expect("written");
    let (z, out_images) = (text(&z), text(&images));
    done(&["sample", &text(&model()), "--latents", &z, "--out", &out_images, "--device", "cpu"]);

    let (found, _) = read_tensors(&images).expect("images");
    let (found, expected) = (&found["images"], &golden["image_ema"]);
    assert_eq!(found.shape, expected.shape);
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let difference = norm(&mut found.data.iter().zip(&expected.data).map(|(a, b)| a - b));
    let relative = difference / norm(&mut expected.data.iter().copied());
    assert!(relative <= 1e-4, "{relative:e}");
}

#[test]
fn what_is_seen_of_a_picture_stands_left_of_its_completion() {
    let out = folder();
    let mae = text(&fixture("golden/vit-mae-32"));
    let images = |name: &str, more: &[&str]| {
        let path = out.path().join(name);
        let written = text(&path);
        let args = ["sample", &mae, "--pictures", "avatars", "--count", "3", "--device", "cpu", "--out", &written];
        done(&[&args, more].concat());
        read_tensors(&path).expect("images").0["images"].clone()
    };
    let (alone, both) = (images("a.safetensors", &[]), images("b.safetensors", &["--masked"]));
    assert_eq!((&alone.shape[..], &both.shape[..]), (&[3, 3, 32, 32][..], &[3, 3, 32, 64][..]));
    let half =
        |from: usize| both.data.chunks_exact(64).flat_map(|row| row[from..from + 32].to_vec()).collect::<Vec<_>>();
    assert_eq!(half(32), alone.data);
    // Three quarters of the patches are hidden, all of one colour that no picture has there.
    let hidden = half(0).iter().filter(|value| **value == -0.3).count();
    assert_eq!(hidden, 3 * 3 * 32 * 32 * 3 / 4);

    let png = text(&out.path().join("grid.png"));
    let output = studio(&["sample", &text(&model()), "--masked", "--out", &png, "--device", "cpu"]);
    assert_ne!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("only a model that completes pictures sees something of them"), "{output:?}");
}

#[test]
fn a_picture_shows_the_numbers() {
    let out = folder();
    let (png, numbers) = (out.path().join("grid.png"), out.path().join("images.safetensors"));
    for path in [&png, &numbers] {
        let path = text(path);
        done(&[
            "sample",
            &text(&model()),
            "--out",
            &path,
            "--seed",
            "7",
            "--count",
            "6",
            "--psi",
            "0.5",
            "--device",
            "cpu",
        ]);
    }
    // Three columns, two rows; tiles of 16 pixels are enlarged sixfold and have a border of 3.
    let picture = image::open(&png).expect("a picture").to_rgb8();
    assert_eq!(picture.dimensions(), (3 * 102, 2 * 102));
    let images = &read_tensors(&numbers).expect("images").0["images"];
    assert_eq!(images.shape, [6, 3, 16, 16]);
    for (i, value) in images.data.iter().enumerate() {
        let (x, y, channel, tile) = (i % 16, i / 16 % 16, i / 256 % 3, i / 768);
        let (x, y) = (tile % 3 * 102 + 3 + x * 6, tile / 3 * 102 + 3 + y * 6);
        let expected = (value.clamp(-1.0, 1.0) + 1.0) * 127.5;
        let found = f32::from(picture.get_pixel(x as u32, y as u32).0[channel]);
        assert!((found - expected).abs() < 0.51, "tile {tile}, value {i}: {found} instead of {expected}");
    }
}

/// Equal but for the last bit of a number, which JSON in a safetensors header may cost.
fn same_json(a: &Value, b: &Value) {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a.iter().zip(b).for_each(|(a, b)| same_json(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{a:?} and {b:?}");
            a.values().zip(b.values()).for_each(|(a, b)| same_json(a, b));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            assert!((a - b).abs() <= 1e-15 * b.abs(), "{a} and {b}");
        }
        _ => assert_eq!(a, b),
    }
}

#[test]
fn export_there_and_back_changes_nothing() {
    let out = folder();
    let (there, back) = (out.path().join("there.safetensors"), out.path().join("back.pt"));
    assert_eq!(done(&["export", &text(&model()), &text(&there)]), format!("{}\n", there.display()));
    done(&["export", &text(&there), &text(&back)]);
    let original = checkpoint::load(&model()).expect("the original");
    for path in [there, back] {
        let copy = checkpoint::load(&path).expect("a copy");
        assert!(copy.g_ema == original.g_ema && copy.g == original.g && copy.d == original.d, "{path:?}");
        for (copy, original) in [(&copy.g_optim, &original.g_optim), (&copy.d_optim, &original.d_optim)] {
            let (Some(copy), Some(original)) = (copy, original) else { panic!("{path:?}: an optimizer is gone") };
            assert!(copy.moments == original.moments, "{path:?}");
            same_json(&copy.param_groups, &original.param_groups);
        }
        assert_eq!(copy.args, original.args, "{path:?}");
    }
    assert_eq!(std::fs::read_dir(out.path()).expect("the folder").count(), 2);
}

#[test]
fn unlearn_writes_weights_report_and_picture() {
    let out = folder();
    let at = |name: &str| out.path().join(name);
    let (weights, report, grid) = (at("w.safetensors"), at("r.json"), at("g.png"));
    let printed =
        done(&words(&small_unlearn(&weights, &["--report", &text(&report), "--grid", &text(&grid), "--seed", "3"])));
    assert!(printed.contains("negatives") && printed.contains("PUL"), "{printed}");

    let original = checkpoint::load(&model()).expect("the original");
    let trained = checkpoint::load(&weights).expect("the result");
    assert!(trained.g_ema != original.g_ema && trained.g != original.g && trained.d != original.d);
    assert!(values(&trained).all(f32::is_finite));
    assert_eq!(trained.metadata["source_sha256"], checkpoint::sha256(&model()).expect("a digest"));

    let json = std::fs::read_to_string(&report).expect("a report");
    let report: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (&report["iterations"], &report["stopped"], &report["failed"]),
        (&2.into(), &false.into(), &Value::Null)
    );
    assert_eq!(report["settings"]["seed"], 3);
    assert_eq!((&report["evaluation"]["samples"], &report["evaluation"]["forget"]), (&64.into(), &2.into()));
    assert!(report["evaluation"]["frechet"].as_f64().is_some_and(f64::is_finite));
    // Ten columns and rows before, as many after, a gap of 12 between.
    let picture = image::open(&grid).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (2 * 1020 + 12, 1020));
    assert_eq!(std::fs::read_dir(out.path()).expect("the folder").count(), 3);
    #[cfg(unix)]
    for name in ["w.safetensors", "r.json", "g.png"] {
        use std::os::unix::fs::PermissionsExt;
        let modes: Vec<_> = ["w.safetensors", name]
            .iter()
            .map(|name| std::fs::metadata(at(name)).expect("a file").permissions().mode())
            .collect();
        assert_eq!(modes[0], modes[1], "{name} is as readable as the weights");
    }

    // The settings in a report can be used again.
    let settings = at("settings.json");
    std::fs::write(&settings, report["settings"].to_string()).expect("written");
    let again = at("again.safetensors");
    done(&[
        "unlearn",
        &text(&model()),
        "--labeler",
        &text(&grey8()),
        "--forget",
        "2",
        "--settings",
        &text(&settings),
        "--samples",
        "0",
        "--device",
        "cpu",
        "--out",
        &text(&again),
    ]);
    assert!(std::fs::read(&again).expect("again") == std::fs::read(&weights).expect("weights"));
}

/// Marks on 12 samples for the model with this digest.
fn marks(sha256: &str) -> Feedback {
    let mut feedback = Feedback::new(sha256);
    for index in 0..12 {
        let sample = Sample::new(LatentAddress { seed: 5, index }, 0.7).expect("a usable psi");
        feedback.mark(sample, if index % 3 == 0 { Mark::Negative } else { Mark::Positive });
    }
    feedback
}

#[test]
fn the_same_command_gives_the_same_file() {
    let out = folder();
    let marked = out.path().join("marks.json");
    marks(&checkpoint::sha256(&model()).expect("a digest")).save(&marked).expect("written");
    let by_labeler = |path: &Path, seed: &str| small_unlearn(path, &["--samples", "0", "--seed", seed]);
    let by_marks = |path: &Path, seed: &str| {
        [
            "unlearn",
            &text(&model()),
            "--feedback",
            &text(&marked),
            "--as-marked",
            "--iters",
            "2",
            "--method",
            "adapt",
            "--adapt-iters",
            "2",
            "--adapted",
            "1",
            "--batch",
            "4",
            "--device",
            "cpu",
            "--seed",
            seed,
            "--out",
            &text(path),
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let run = |command: &dyn Fn(&Path, &str) -> Vec<String>, name: &str, seed: &str| {
        let path = out.path().join(name);
        done(&words(&command(&path, seed)));
        std::fs::read(path).expect("the result")
    };
    for extension in ["safetensors", "pt"] {
        for command in [&by_labeler as &dyn Fn(&Path, &str) -> Vec<String>, &by_marks] {
            let first = run(command, &format!("first.{extension}"), "0");
            assert!(first == run(command, &format!("second.{extension}"), "0"), "{extension}: the same");
            if extension == "pt" {
                assert!(first != run(command, "third.pt", "1"), "another seed");
            }
        }
    }
}

#[test]
fn a_setting_can_be_given_by_option_key_or_path() {
    let out = folder();
    let run = |more: &[&str], name: &str| {
        let path = out.path().join(name);
        done(&words(&small_unlearn(&path, &[more, &["--samples", "0"]].concat())));
        std::fs::read(path).expect("the result")
    };
    let by_option = run(&["--repulsion", "nl2", "--lr", "0.002"], "option.pt");
    let by_key = ["--set", "repulsion=NL2", "--set", "adapt_lr=0.002", "--set", "unlearn-lr=2e-3"];
    let by_path = ["--set", "repulsion.loss=nl2", "--set", "adapt.train.lr=0.002", "--set", "unlearn.train.lr=0.002"];
    assert!(run(&by_key, "key.pt") == by_option && run(&by_path, "path.pt") == by_option);
    assert!(run(&[], "preset.pt") != by_option);
}

/// A DCGAN with classes and without a discriminator: one is warmed up, and the file is written as it came.
#[test]
fn a_dcgan_unlearns_and_is_written_as_it_came() {
    let folder = folder();
    let at = |name: &str| text(&folder.path().join(name));
    let dcgan = fixture("dcgan/conditional-16.pt");
    marks(&checkpoint::sha256(&dcgan).expect("a digest")).save(Path::new(&at("marks.json"))).expect("written");
    let run = |out: &str| {
        let (model, feedback, out) = (text(&dcgan), at("marks.json"), at(out));
        let fixed = ["unlearn", &model, "--classes", "3", "--feedback", &feedback, "--as-marked", "--out", &out];
        let sizes = "--method adapt --iters 2 --adapt-iters 1 --adapted 1 --batch 4 --samples 0 --device cpu";
        let output = studio(&fixed.into_iter().chain(sizes.split(' ')).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("no discriminator in this file; one is warmed up"), "{}", stderr(&output));
        std::fs::read(&out).expect("a file")
    };
    let (first, second) = (run("first.pt"), run("second.pt"));
    assert!(first == second, "the same command gives the same bytes");
    let before = std::fs::read(&dcgan).expect("a file");
    assert!(first.len() == before.len() && first != before, "other weights in the same places");
    let (before, after) =
        (checkpoint::load(&dcgan).expect("before"), checkpoint::load(&folder.path().join("first.pt")));
    let (before, after) = (before.g_ema.expect("a generator"), after.expect("after").g_ema.expect("a generator"));
    assert_ne!(before["layers.0.weight"], after["layers.0.weight"]);
    assert_eq!(before["layers.0.norm.running_mean"], after["layers.0.norm.running_mean"], "statistics stay");
}

#[test]
fn evaluate_counts_what_the_labeler_sees() {
    let (before, after) = (model(), fixture("golden/stylegan2-16.adapted0.pt"));
    let args = [
        "evaluate",
        &text(&before),
        &text(&after),
        "--labeler",
        &text(&grey8()),
        "--forget",
        "1",
        "--samples",
        "50",
        "--seed",
        "9",
        "--device",
        "cpu",
    ]
    .map(str::to_owned);
    let mut args = words(&args);
    let table = done(&args);
    args.push("--json");
    let found: Value = serde_json::from_str(&done(&args)).expect("JSON");

    // The same by hand: numbers of both models through the labeler.
    let out = folder();
    let labeler = Labeler::open(&grey8()).expect("the labeler");
    let counts = [before, after].map(|path| {
        let images = out.path().join("images.safetensors");
        done(&["sample", &text(&path), "--out", &text(&images), "--seed", "9", "--count", "50", "--device", "cpu"]);
        let images = &read_tensors(&images).expect("images").0["images"];
        let labels = labeler.label(&images.data, [50, 3, 16, 16]).expect("labels");
        [0, 1, 2].map(|class| labels.classes.iter().filter(|&&found| found == class).count())
    });
    assert!(counts[0][1] > 0 && counts[0] != counts[1], "a comparison worth making: {counts:?}");
    assert_eq!((&found["negatives_before"], &found["negatives_after"]), (&counts[0][1].into(), &counts[1][1].into()));
    let pul = 1.0 - counts[1][1] as f64 / counts[0][1] as f64;
    assert!((found["pul"].as_f64().expect("a PUL") - pul).abs() < 1e-12);
    for (key, counts) in [("shares_before", counts[0]), ("shares_after", counts[1])] {
        assert_eq!(found[key], serde_json::json!(counts.map(|count| count as f64 / 50.0)), "{key}");
    }
    assert!(table.contains(&format!("{:.1} %", pul * 100.0)) && table.ends_with('\n'), "{table}");
}

/// The whole method on a set of classes of a labeler's second head.
#[test]
fn what_is_to_be_forgotten_can_be_named() {
    let out = folder();
    let at = |name: &str| text(&out.path().join(name));
    let labeler = text(&fixture("labelers/two8.onnx"));
    let fixed = [
        "--method",
        "adapt",
        "--iters",
        "2",
        "--adapt-iters",
        "2",
        "--batch",
        "4",
        "--adapted",
        "1",
        "--labelled",
        "64",
    ];
    let unlearn = |forget: &str, weights: &str| {
        let more = ["--samples", "64", "--device", "cpu", "--out", weights, "--report", &at("r.json")];
        let ends = ["unlearn", &text(&model()), "--labeler", &labeler, "--forget", forget];
        let printed = done(&[&ends[..], &fixed, &more].concat());
        let report = std::fs::read_to_string(at("r.json")).expect("a report");
        (printed, serde_json::from_str::<Value>(&report).expect("JSON"))
    };
    let (printed, report) = unlearn("half=upper|half=both", &at("a.safetensors"));
    let result = &report["evaluation"];
    assert_eq!((&result["head"], &result["forget"]), (&"half".into(), &serde_json::json!([0, 2])));
    assert_eq!(result["classes"], serde_json::json!(["upper", "lower", "both"]));
    let share = |class: usize| result["shares_before"][class].as_f64().expect("a share");
    assert_eq!(result["negatives_before"].as_f64().expect("a count"), 64.0 * (share(0) + share(2)));
    assert_eq!(printed.matches("to be forgotten").count(), 2);
    assert!(printed.contains("\nupper ") && printed.contains("\nboth "), "{printed}");
    unlearn("half!=lower", &at("b.safetensors"));
    assert!(std::fs::read(at("a.safetensors")).expect("a") == std::fs::read(at("b.safetensors")).expect("b"));
}

/// Starts a run that would take hours, sends SIGINT once it has begun, and gives its result.
#[cfg(unix)]
fn interrupted(out: &Path, more: &[&str], reached: &str) -> Output {
    let args = small_unlearn(out, more);
    // How long a busy machine takes to begin is not known, and without a terminal the program is silent meanwhile.
    let mut last = None;
    for wait in [500, 2000, 8000] {
        let mut command = Command::new(PROGRAM);
        command.args(&args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the program starts");
        std::thread::sleep(Duration::from_millis(wait));
        let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
        assert!(kill.success());
        let output = child.wait_with_output().expect("it ends");
        if stdout(&output).contains(reached) {
            return output;
        }
        last = Some(output);
    }
    last.expect("at least one try")
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_reached() {
    let original = checkpoint::load(&model()).expect("the original");
    for (stage, adapt_iters, reached) in
        [(2, "1", "iterations of stage 2"), (1, "9999999", "stopped in stage 1, before anything was unlearned")]
    {
        let out = folder();
        let weights = out.path().join("stopped.pt");
        let more = ["--method", "adapt", "--iters", "9999999", "--adapt-iters", adapt_iters, "--samples", "9999999"];
        let output = interrupted(&weights, &more, reached);
        assert_eq!(output.status.code(), Some(0), "stage {stage}: {}", stderr(&output));
        assert!(stdout(&output).contains(reached), "stage {stage}: {}", stdout(&output));
        assert_eq!(stderr(&output), "stopping after this iteration; what was reached is kept\n", "stage {stage}");
        let result = checkpoint::load(&weights).expect("the result");
        assert_eq!(result.g_ema == original.g_ema, stage == 1);
        assert!(values(&result).all(f32::is_finite));
        assert_eq!(std::fs::read_dir(out.path()).expect("the folder").count(), 1);
    }
}

/// The exit code, and how long it took, of a program that reads a model from a pipe which nobody writes to, after it was
/// sent SIGINT that many times.
#[cfg(unix)]
fn interrupted_while_loading(args: &[&str], signals: usize) -> (Option<i32>, Duration) {
    let mut last = None;
    // How long a busy machine takes to begin is not known; a signal that comes before that ends any program.
    for wait in [300, 2000, 8000] {
        let mut command = Command::new(PROGRAM);
        let mut child = command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(wait));
        let clock = std::time::Instant::now();
        for _ in 0..signals {
            // Signals that arrive together are one.
            std::thread::sleep(Duration::from_millis(200));
            let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
            assert!(kill.success() || signals > 1);
        }
        while child.try_wait().expect("a child").is_none() && clock.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let ended = child.try_wait().expect("a child");
        let _ = child.kill();
        let _ = child.wait();
        last = Some((ended.and_then(|status| status.code()), clock.elapsed()));
        if ended.is_none_or(|status| status.code().is_some()) {
            break;
        }
    }
    last.expect("one try")
}

#[cfg(unix)]
#[test]
fn the_second_ctrl_c_ends_the_program_at_once() {
    let folder = folder();
    let (pipe, out) = (folder.path().join("model.pt"), folder.path().join("out.safetensors"));
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let (pipe, out) = (text(&pipe), text(&out));
    let labeler = text(&grey8());
    let unlearn = ["unlearn", &pipe, "--labeler", &labeler, "--forget", "2", "--device", "cpu", "--out", &out];
    // The first one only asks to stop, which a program that waits for a file cannot do.
    assert_eq!(interrupted_while_loading(&unlearn, 1).0, None);
    let (code, took) = interrupted_while_loading(&unlearn, 2);
    assert_eq!(code, Some(130));
    assert!(took < Duration::from_secs(3), "{took:?}");
    // Where there is nothing to keep the first one ends it.
    assert_eq!(interrupted_while_loading(&["export", &pipe, &out], 1).0, Some(130));
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

#[test]
fn a_training_that_diverges_keeps_the_last_good_state() {
    // The first breaks off at once, the others some iterations later.
    for lr in ["1e30", "1e8", "300"] {
        let out = folder();
        let (weights, report) = (out.path().join("w.pt"), out.path().join("r.json"));
        let more =
            ["--method", "adapt", "--lr", lr, "--iters", "40", "--adapt-iters", "40", "--report", &text(&report)];
        let output = studio(&words(&small_unlearn(&weights, &more)));
        let sentence = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{lr}: {sentence}");
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
        for part in ["iteration ", " is not finite; the last good state is kept", "w.pt holds"] {
            assert!(sentence.contains(part), "{lr}: {sentence}");
        }
        let kept = checkpoint::load(&weights).expect("the last good state");
        assert!(values(&kept).all(f32::is_finite), "{lr}");
        let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
        assert!(report["failed"].as_str().is_some_and(|failed| sentence.contains(failed)), "{report}");
    }
}

/// Files that are not what they should be, in a folder that nothing may be written to.
struct BadFiles(TempDir);

impl BadFiles {
    fn new() -> Self {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("letter.txt"), "Dear model,\n").expect("written");
        std::fs::write(at("empty.pt"), "").expect("written");
        image::RgbImage::new(8, 8).save(at("picture.png")).expect("written");
        std::fs::copy(at("picture.png"), at("picture.pt")).expect("copied");
        std::fs::copy(at("picture.png"), at("picture.onnx")).expect("copied");
        let whole = std::fs::read(model()).expect("the model");
        std::fs::write(at("truncated.pt"), &whole[..whole.len() / 2]).expect("written");

        let mut other = checkpoint::load(&model()).expect("the model");
        for network in [&mut other.g_ema, &mut other.g].into_iter().flatten() {
            let weight = network.shift_remove("convs.0.conv.weight").expect("a convolution");
            network.insert("blocks.0.attention.weight".to_owned(), weight);
        }
        checkpoint::save(&at("other.pt"), &other).expect("written");
        marks(&"0".repeat(64)).save(&at("marks.json")).expect("written");
        let mut few = Feedback::new(&checkpoint::sha256(&model()).expect("a digest"));
        few.mark(Sample::new(LatentAddress { seed: 5, index: 0 }, 0.7).expect("a usable psi"), Mark::Negative);
        few.save(&at("few.json")).expect("written");
        let outside = format!(
            r#"{{"version":1,"model_sha256":"{}","positives":[],"negatives":[{{"seed":0,"index":3,"psi":1,
            "region":{{"box":[0.5,0.5,1.5,0.9]}}}}]}}"#,
            few.model_sha256()
        );
        std::fs::write(at("outside.json"), outside).expect("written");
        let odd = BTreeMap::from([("z".to_owned(), HostTensor::new(vec![2, 31], vec![0.0; 62]))]);
        write_tensors(&at("odd.safetensors"), &odd, &BTreeMap::new()).expect("written");
        let nan = BTreeMap::from([("z".to_owned(), HostTensor::new(vec![1, 32], vec![f32::NAN; 32]))]);
        write_tensors(&at("nan.safetensors"), &nan, &BTreeMap::new()).expect("written");
        Self(folder)
    }
}

/// `{m}` is the model, `{l}` the grey labeler, `{f}` the fixtures, `{b}` the bad files, `{o}` the folder for results.
const BAD_INPUT: &[(&str, i32, &str)] = &[
    // Model files.
    ("info {b}/none.pt", 1, "none.pt: cannot be read: no such file"),
    ("info {b}", 1, "it has neither a config.json nor a model.safetensors"),
    ("info {b}/letter.txt", 1, "letter.txt: not a model file"),
    ("info {b}/empty.pt", 1, "empty.pt: not a model file (the file is empty)"),
    ("info {b}/picture.png", 1, "picture.png: not a model file"),
    ("info {b}/picture.pt", 1, "picture.pt: not a model file"),
    ("info {b}/truncated.pt", 1, "truncated.pt: damaged or incomplete"),
    ("info {b}/other.pt", 1, "other.pt: "),
    ("info {b}/odd.safetensors", 1, "odd.safetensors: not a StyleGAN2 checkpoint"),
    (
        "info {f}/dcgan/broken-chain.pth",
        1,
        "broken-chain.pth: neither a StyleGAN2 checkpoint in the rosinality layout nor a",
    ),
    (
        "info {f}/dcgan/conditional-16.pt --classes 13",
        1,
        "13 classes do not fit into the generator's input of 13 numbers",
    ),
    ("info {m} --classes 3", 1, "this file says itself how many classes its model has; none can be given"),
    ("sample {b}/none.pt --out {o}/a.png", 1, "none.pt: cannot be read"),
    ("sample {b}/truncated.pt --out {o}/a.png", 1, "truncated.pt: damaged or incomplete"),
    ("export {b}/truncated.pt {o}/a.pt", 1, "truncated.pt: damaged or incomplete"),
    ("export {b}/other.pt {o}/a.safetensors", 1, "other.pt: "),
    ("evaluate {m} {b}/picture.pt --labeler {l} --forget 0", 1, "picture.pt: not a model file"),
    ("unlearn {b}/none.pt --labeler {l} --forget 0 --out {o}/a.pt", 1, "none.pt: cannot be read"),
    ("unlearn {b} --labeler {l} --forget 0 --out {o}/a.pt", 1, "it has neither a config.json nor a model.safetensors"),
    ("unlearn {b}/truncated.pt --labeler {l} --forget 0 --out {o}/a.pt", 1, "truncated.pt: damaged or incomplete"),
    ("unlearn {b}/other.pt --labeler {l} --forget 0 --out {o}/a.pt", 1, "other.pt: "),
    // Labelers.
    ("unlearn {m} --labeler {b}/none.onnx --forget 0 --out {o}/a.pt", 1, "none.onnx: cannot be read"),
    ("unlearn {m} --labeler {b} --forget 0 --out {o}/a.pt", 1, "cannot be read"),
    ("unlearn {m} --labeler {b}/picture.onnx --forget 0 --out {o}/a.pt", 1, "picture.onnx: not an ONNX model"),
    ("unlearn {m} --labeler {b}/letter.txt --forget 0 --out {o}/a.pt --samples 0", 1, "letter.txt: not an ONNX model"),
    ("unlearn {m} --labeler {f}/labelers/flat.onnx --forget 0 --out {o}/a.pt", 1, "flat.onnx: its input has rank 2"),
    ("unlearn {m} --labeler {f}/labelers/channels4.onnx --forget 0 --out {o}/a.pt", 1, "channels4.onnx: its input is"),
    ("unlearn {m} --labeler {f}/labelers/loose.onnx --forget 0 --out {o}/a.pt", 1, "loose.onnx: its input is"),
    (
        "unlearn {m} --labeler {l} --forget 3 --out {o}/a.pt",
        1,
        "grey8.onnx: it has 3 classes (0 to 2); there is no class 3",
    ),
    ("unlearn {m} --labeler {l} --forget 3 --out {o}/a.pt --samples 0", 1, "there is no class 3"),
    (
        "unlearn {m} --labeler {f}/labelers/two8.onnx --forget dim --out {o}/a.pt",
        1,
        "two8.onnx: it knows half (upper, lower, both), light (dark, bright); there is no class dim",
    ),
    ("unlearn {m} --labeler {f}/labelers/two8.onnx --forget upper,dark --out {o}/a.pt", 1, "are different outputs"),
    ("evaluate {m} {m} --labeler {f}/labelers/two8.onnx --forget hat=cap", 1, "it has no output hat"),
    ("unlearn {m} --labeler {l} --labeler-std 0 --forget 1 --out {o}/a.pt", 1, "grey8.onnx: mean and deviation"),
    ("unlearn {m} --labeler {l} --forget 0 --labelled 1 --out {o}/a.pt", 1, "sample was found"),
    ("evaluate {m} {m} --labeler {l} --forget 9", 1, "there is no class 9"),
    ("evaluate {m} {m} --labeler {f}/labelers/flat.onnx --forget 0", 1, "flat.onnx: its input has rank 2"),
    // Feedback, settings and latents.
    ("unlearn {m} --feedback {b}/marks.json --out {o}/a.pt", 1, "marks.json: feedback for another model"),
    ("unlearn {m} --feedback {b}/none.json --out {o}/a.pt", 1, "none.json: cannot be read"),
    ("unlearn {m} --feedback {b}/letter.txt --out {o}/a.pt", 1, "letter.txt: not a feedback file"),
    (
        "unlearn {m} --labeler {l} --forget 0 --settings {b}/letter.txt --out {o}/a.pt",
        1,
        "letter.txt: not a settings file",
    ),
    ("unlearn {m} --labeler {l} --forget 0 --settings {b}/none.json --out {o}/a.pt", 1, "none.json: cannot be read"),
    ("sample {m} --latents {b}/odd.safetensors --out {o}/a.png", 1, "odd.safetensors: the tensor z has shape [2, 31]"),
    ("sample {m} --latents {b}/nan.safetensors --out {o}/a.png", 1, "nan.safetensors: the tensor z has values"),
    ("sample {m} --latents {b}/letter.txt --out {o}/a.png", 1, "letter.txt: "),
    ("sample {m} --latents {b}/none.safetensors --out {o}/a.png", 1, "none.safetensors: cannot be read"),
    // Where results go.
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/none/a.pt", 2, "none/a.pt: its folder does not exist"),
    ("unlearn {m} --labeler {l} --forget 0 --out {b}/letter.txt/a.pt", 2, "letter.txt/a.pt: its folder is a file"),
    ("unlearn {m} --labeler {l} --forget 0 --out /proc/a.pt", 2, "/proc/a.pt: its folder cannot be written to"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}", 2, "a model is written as .safetensors or .pt or .pth"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.onnx", 2, "a.onnx: a model is written as"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a", 2, "a: a model is written as"),
    (
        "unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --report {o}/none/r.json",
        2,
        "r.json: its folder does not exist",
    ),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --report {o}", 2, "is a folder, not a file"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --report {o}/a.pt", 2, "must be different files"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --grid {o}/g.jpg", 2, "g.jpg: a picture is written as .png"),
    ("export {m} {o}/a.pkl", 1, "this model was not opened from a .pkl file"),
    ("export {m} {o}/none/a.pt", 2, "none/a.pt: its folder does not exist"),
    ("sample {m} --out {o}/none/a.png", 2, "none/a.png: its folder does not exist"),
    ("sample {m} --out {o}/a.gif", 2, "a.gif: a picture or a set of numbers is written as .png or .safetensors"),
    // Options.
    (
        "unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --batch 6",
        2,
        "a batch of 6 does not divide into groups of 4",
    ),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --batch 0", 2, "a batch of 0"),
    (
        "unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --iters 0",
        2,
        "stage 2: there must be at least one iteration",
    ),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --adapt-iters 0", 2, "stage 1: there must be at least one"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --adapted 0", 2, "at least one adapted generator"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --lr nan", 2, "every setting must be a finite number"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --gamma inf", 2, "every setting must be a finite number"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --iters many", 2, "invalid value 'many' for '--iters"),
    ("unlearn {m} --labeler {l} --forget -1 --out {o}/a.pt", 2, "'-1'"),
    ("unlearn {m} --clicks 12 --out {o}/a.pt", 2, "--labeler"),
    ("unlearn {m} --labeler {l} --forget 0 --labeler-features --out {o}/a.pt", 2, "--clicks"),
    ("unlearn {m} --labeler {l} --forget 0 --regions --out {o}/a.pt", 2, "--clicks"),
    (
        "unlearn {m} --labeler {l} --forget 0 --clicks 12 --regions --out {o}/a.pt",
        1,
        "nobody knows where in the picture that is",
    ),
    (
        "unlearn {m} --feedback {b}/outside.json --out {o}/a.pt",
        1,
        "outside.json: the region of sample 3 of seed 0 reaches out of the picture",
    ),
    (
        "unlearn {m} --feedback {b}/few.json --out {o}/a.pt",
        1,
        "1 negative and 0 positive samples are marked; mark at least 3",
    ),
    ("train {b}/letter.txt --out {o}/a.pt --mixing 2", 2, "--mixing must be a number from 0 to 1"),
    ("train avatars --grow {m} --resolution 64 --out {o}/a.pt", 1, "it cannot be grown"),
    ("unlearn {m} --out {o}/a.pt", 2, "Give --feedback, or --labeler and --forget"),
    ("unlearn {m} --labeler {l} --out {o}/a.pt", 2, "--forget"),
    ("unlearn {m} --labeler {l} --forget 0", 2, "--out"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --repulsion el3", 2, "[possible values: el2, nl2, il2]"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --bach 4", 2, "--bach"),
    (
        "unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --method magic",
        2,
        "[possible values: reject, redirect, adapt, saliency, feature, dampen, extrapolate, image-to-image]",
    ),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --set mask-ratio=0", 2, "a share above 0 and at most 1"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --set mask-ratio=1.5", 2, "a share above 0 and at most 1"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --set prune=1", 2, "at least 0 and below 1"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --set l1=-1", 2, "a number of at least 0"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --method dampen --set alpha=-1", 2, "at least 0"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --method feature --set alpha=0", 2, "a positive number"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --method saliency --preset class", 1, "this one draws none"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pkl", 2, "only what came in a .pkl file"),
    ("compare {m} --methods magic --labeler {l} --forget 0 --out {o}/t.json", 2, "there is no method 'magic'"),
    ("compare {m} --methods adapt:slow --labeler {l} --forget 0 --out {o}/t.json", 2, "adapt has no preset 'slow'"),
    ("compare {m} --methods reject+mask-ratio=0 --labeler {l} --forget 0 --out {o}/t.json", 2, "a share above 0"),
    ("compare {m} --methods reject --labeler {l} --forget 0 --out {o}/t.csv", 2, "json"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --preset slow", 2, "[possible values: quick, paper]"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --set gamma", 2, "--set gamma: it must be KEY=VALUE"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --set magic=1", 2, "has no setting `magic`; it has iters"),
    ("unlearn {m} --labeler {l} --forget 0 --out {o}/a.pt --set repulsion=el3", 2, "it must be el2 or nl2 or il2"),
    ("evaluate {m} {m} --labeler {l} --forget 0 --samples 0", 2, "at least 1"),
    ("sample {m} --out {o}/a.png --psi nan", 2, "--psi must be a finite number"),
    ("sample {m} --out {o}/a.png --count 0", 2, "0 is not in 1..=65536"),
    ("sample {m} --out {o}/a.png --latents {b}/odd.safetensors --seed 1", 2, "cannot be used with"),
];

#[test]
fn bad_input_gets_one_sentence_and_writes_nothing() {
    let (bad, out) = (BadFiles::new(), folder());
    let places = [
        ("{m}", text(&model())),
        ("{l}", text(&grey8())),
        ("{f}", text(&fixture(""))),
        ("{b}", text(bad.0.path())),
        ("{o}", text(out.path())),
    ];
    let given = std::fs::read_dir(bad.0.path()).expect("the folder").count();
    let mut wrong = Vec::new();
    for (line, code, expected) in BAD_INPUT {
        let mut args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for arg in &mut args {
            for (name, place) in &places {
                *arg = arg.replace(name, place);
            }
        }
        if args[0] == "unlearn" && !line.contains("--method") {
            args.extend(["--method", "adapt"].map(str::to_owned));
        }
        if ["sample", "unlearn", "evaluate", "compare"].contains(&args[0].as_str()) {
            args.extend(["--device", "cpu"].map(str::to_owned));
        }
        let output = studio(&words(&args));
        let said = stderr(&output);
        let fine = output.status.code() == Some(*code)
            && said.starts_with("error: ")
            && said.lines().count() == 1
            && said.contains(expected)
            && !said.contains("panicked")
            && output.stdout.is_empty();
        if !fine {
            wrong.push(format!("{line}\n  {:?} instead of {code}: {said}", output.status.code()));
        }
        let written = std::fs::read_dir(out.path()).expect("the folder").count();
        assert_eq!(written, 0, "{line} left something");
    }
    assert_eq!(std::fs::read_dir(bad.0.path()).expect("the folder").count(), given);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn methods_are_compared_on_the_same_feedback() {
    let out = folder();
    let (table, kept) = (out.path().join("table.json"), out.path().join("kept"));
    let small = "+labelled=64+batch=4";
    let methods = format!("dampen:ssd{small}+importance-samples=8,reject{small}+iters=2+mask-ratio=0.5");
    let (model, labeler) = (text(&model()), text(&grey8()));
    let mut args = vec!["compare", &model, "--methods", &methods, "--labeler", &labeler, "--forget", "2"];
    let (table_text, kept_text) = (text(&table), text(&kept));
    args.extend(["--samples", "64", "--device", "cpu", "--out", &table_text, "--keep", &kept_text]);
    let output = studio(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows: serde_json::Value = serde_json::from_slice(&std::fs::read(&table).expect("a table")).expect("JSON");
    let rows = rows.as_array().expect("a list");
    assert_eq!(rows.len(), 2);
    for (row, method) in rows.iter().zip(["dampen", "reject"]) {
        assert_eq!(row["settings"]["method"], method);
        assert!(row["method"].as_str().is_some_and(|name| name.starts_with(method)));
        let number = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key} in {row}"));
        assert!(number("pul") <= 100.0 && number("frechet") >= 0.0 && number("frechet_floor") >= 0.0);
        assert!(number("seconds") > 0.0 && (0.0..2.0).contains(&number("kept_change")), "{row}");
    }
    // The same samples of the same model: both counted the same negatives before.
    assert_eq!(rows[0]["negatives"][0], rows[1]["negatives"][0]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("| reject+labelled=64"));
    let files = std::fs::read_dir(&kept).expect("a folder").count();
    assert_eq!(files, 4, "two results and two pictures");
}

#[test]
fn help_and_version_are_no_failures() {
    assert_eq!(done(&["--version"]), format!("unlearn-studio {}\n", env!("CARGO_PKG_VERSION")));
    for verb in ["info", "sample", "unlearn", "evaluate", "export"] {
        assert!(done(&["--help"]).contains(verb));
        assert!(done(&[verb, "--help"]).contains("Usage: unlearn-studio"), "{verb}");
    }
}

/// `unlearn-studio info MODEL | head -1` is no failure.
#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = Command::new(PROGRAM)
        .args(["info", &text(&model())])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_screen_there_is_a_sentence_instead_of_a_window() {
    for args in [vec![], vec![text(&model())]] {
        let output = Command::new(PROGRAM)
            .args(args)
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("RUST_BACKTRACE")
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.starts_with("error: there is no screen") && said.contains("unlearn-studio unlearn"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// A disk that is full in the middle of a file, in a place where anybody may fill one: a limit on a file's size.
#[test]
#[cfg(unix)]
fn a_file_that_does_not_fit_leaves_nothing_behind() {
    let out = folder();
    for name in ["model.pt", "model.safetensors"] {
        let path = out.path().join(name);
        std::fs::write(&path, b"what was there before").expect("written");
        let limited = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", limited, PROGRAM, "export"]).arg(model()).arg(&path).env_remove("RUST_BACKTRACE");
        let output = command.output().expect("a shell");
        let sentence = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{sentence}");
        assert!(sentence.contains(name) && sentence.contains("cannot be written"), "{sentence}");
        assert_eq!(sentence.trim_end().lines().count(), 1, "{sentence}");
        assert_eq!(std::fs::read(&path).expect("the old file"), b"what was there before");
        std::fs::remove_file(&path).expect("removed");
        let left: Vec<_> = std::fs::read_dir(out.path()).expect("the folder").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A file of a tiny network that draws large images.
fn large_model(folder: &Path) -> PathBuf {
    let architecture = Architecture { channels: vec![1; 9], image_channels: 3, latent: 4, mapping_layers: 1 };
    let generator = architecture.generator(&mut NormalSource::new(1, 0));
    let path = folder.join("large.safetensors");
    checkpoint::save(&path, &Checkpoint { g_ema: Some(generator), ..Checkpoint::default() }).expect("a model");
    path
}

#[test]
fn more_samples_than_a_picture_holds_are_declined_with_the_number_that_fits() {
    let folder = folder();
    let model = text(&large_model(folder.path()));
    let out = folder.path().join("grid.png");
    let output = studio(&["sample", &model, "--out", &text(&out), "--count", "65536", "--device", "cpu"]);
    let sentence = "error: 65536 samples of 1024x1024 pixels are too many for one picture; at most 992 fit\n";
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), sentence));
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

/// Linux tells how much memory a process had at most.
#[cfg(target_os = "linux")]
#[test]
fn many_samples_are_never_held_together() {
    let folder = folder();
    let model = text(&large_model(folder.path()));
    // The most memory that drawing so many samples took, in MiB.
    let peak = |count: u32, name: &str| {
        let out = text(&folder.path().join(name));
        let count = count.to_string();
        let mut child = Command::new(PROGRAM)
            .args(["sample", &model, "--out", &out, "--count", &count, "--device", "cpu"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut peak = 0;
        while child.try_wait().expect("a child").is_none() {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            peak = peak.max(kilobytes.unwrap_or(0) / 1024);
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(child.wait().expect("a child").success());
        std::fs::remove_file(out).expect("the file");
        peak
    };
    for name in ["numbers.safetensors", "grid.png"] {
        let (few, many) = (peak(4, name), peak(64, name));
        println!("{name}: {few} MiB for 4 samples, {many} MiB for 64");
        // 60 more samples are 720 MiB of numbers, or 180 MiB of pixels.
        assert!(many < few + 60, "{name}: {few} MiB for 4 samples, {many} MiB for 64");
    }
}
