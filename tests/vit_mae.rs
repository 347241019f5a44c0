//! Masked autoencoders: their folder, the pictures they complete, and the whole job on a tiny one.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use burn::tensor::Device;
use serde_json::Value;
use unlearn_studio::{
    checkpoint::{self, read_tensors, write_tensors},
    data::{ImageSource, PictureSet, avatars},
    engine::training::{Card, CompletionChoices, CompletionTraining, Training},
    feedback::{CollectRequest, CollectSettings, Feedback, FeedbackSource, Mark, Sample, collect},
    model::{Model, Sampler},
    networks::{CompletionArchitecture, Hidden, LatentAddress, Masking, Pictures, Purpose},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_unlearn-studio");

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn golden() -> PathBuf {
    fixture("golden/vit-mae-32")
}

fn load(path: &Path) -> Result<Model, String> {
    Model::load(path, &Device::flex()).map_err(|error| error.to_string())
}

/// A folder of pictures of `side` pixels: discs on a plain ground, those with even numbers dark.
fn pictures(folder: &Path, count: usize, side: u32) {
    std::fs::create_dir_all(folder).expect("a folder");
    for number in 0..count {
        let (ground, disc) = if number % 2 == 0 { (20, 90) } else { (235, 150) };
        let centre = (side as i64 / 2 + number as i64 % 5 - 2, side as i64 / 2 + number as i64 % 3 - 1);
        let pixel = |x: u32, y: u32| {
            let inside =
                (i64::from(x) - centre.0).pow(2) + (i64::from(y) - centre.1).pow(2) < i64::from(side).pow(2) / 9;
            image::Rgb(if inside { [disc, disc, (number * 7 % 256) as u8] } else { [ground; 3] })
        };
        let picture = image::RgbImage::from_fn(side, side, pixel);
        picture.save(folder.join(format!("{number:03}.png"))).expect("a picture");
    }
}

fn with_pictures(model: PathBuf, folder: &Path) -> Model {
    let mut model = load(&model).expect("a model");
    let source = ImageSource::of(folder.to_owned());
    let (pictures, _) = PictureSet::open(&source, model.generator.resolution()).expect("pictures");
    model.set_pictures(Arc::new(pictures));
    model
}

fn completions(model: &Model) -> Vec<f32> {
    Sampler::new(&model.generator, &model.g_ema).render_at(3, 0..4, 1.0)
}

#[test]
fn a_folder_comes_back_as_it_was_and_so_do_its_names() {
    let place = tempfile::tempdir().expect("a folder");
    let set = place.path().join("pictures");
    pictures(&set, 6, 32);
    let original = with_pictures(golden(), &set);
    let shown = completions(&original);
    // The other names that decoders have.
    let renamed = place.path().join("renamed");
    std::fs::create_dir(&renamed).expect("a folder");
    std::fs::copy(golden().join("config.json"), renamed.join("config.json")).expect("a copy");
    let (tensors, metadata) = read_tensors(&golden().join("model.safetensors")).expect("tensors");
    let others: std::collections::BTreeMap<_, _> = tensors
        .iter()
        .map(|(key, tensor)| (key.replace("decoder.decoder_layers.", "decoder.decoder_encoder.layer."), tensor.clone()))
        .collect();
    write_tensors(&renamed.join("model.safetensors"), &others, &metadata).expect("a file");
    for (folder, expected) in [(golden(), &tensors), (renamed, &others)] {
        // By its folder, by either file in it.
        for path in [folder.clone(), folder.join("config.json"), folder.join("model.safetensors")] {
            assert_eq!(completions(&with_pictures(path, &set)), shown);
        }
        let (out, file) = (place.path().join("out"), place.path().join("one.safetensors"));
        let model = load(&folder).expect("a model");
        checkpoint::save(&out, &model.export()).expect("a folder");
        checkpoint::save(&file, &model.export()).expect("a file");
        let (written, written_metadata) = read_tensors(&out.join("model.safetensors")).expect("tensors");
        assert_eq!(&written, expected);
        assert_eq!(written_metadata["format"], "pt");
        let json = |folder: &Path| -> Value {
            serde_json::from_slice(&std::fs::read(folder.join("config.json")).expect("a file")).expect("JSON")
        };
        assert_eq!(json(&out), json(&folder));
        assert_eq!(completions(&with_pictures(out.clone(), &set)), shown);
        // One file holds all of it, and gives the folder again.
        let again = with_pictures(file, &set);
        assert_eq!(completions(&again), shown);
        std::fs::remove_dir_all(&out).expect("gone");
        checkpoint::save(&out, &again.export()).expect("a folder");
        assert_eq!(
            (&read_tensors(&out.join("model.safetensors")).expect("tensors").0, json(&out)),
            (expected, json(&folder))
        );
        std::fs::remove_dir_all(&out).expect("gone");
    }
}

#[test]
fn what_is_wrong_with_a_folder_is_one_sentence() {
    let place = tempfile::tempdir().expect("a folder");
    let refused = |change: &dyn Fn(&Path, &mut Value)| {
        let folder = place.path().join("model");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("a folder");
        for name in ["config.json", "model.safetensors"] {
            std::fs::copy(golden().join(name), folder.join(name)).expect("a copy");
        }
        let config = folder.join("config.json");
        let mut value: Value = serde_json::from_slice(&std::fs::read(&config).expect("a file")).expect("JSON");
        std::fs::write(&config, value.to_string()).expect("a file");
        let before = value.clone();
        change(&folder, &mut value);
        if value != before {
            std::fs::write(&config, value.to_string()).expect("a file");
        }
        let error = load(&folder).expect_err("a refusal");
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    let set = |key: &'static str, to: Value| move |_: &Path, config: &mut Value| config[key] = to.clone();
    let expect = |error: String, part: &str| assert!(error.contains(part), "{error}\n{part}");
    expect(refused(&set("patch_size", 8.into())), "its config.json says patch_size 8, but its tensors say 4");
    expect(refused(&set("image_size", 224.into())), "says image_size 224, but its tensors say 32");
    expect(refused(&set("num_hidden_layers", 3.into())), "says num_hidden_layers 3, but its tensors say 2");
    expect(refused(&set("num_attention_heads", 5.into())), "`config.num_attention_heads` is 5, which it cannot be");
    expect(refused(&set("mask_ratio", 1.5.into())), "`config.mask_ratio` is 1.5, which it cannot be");
    expect(refused(&set("mask_ratio", 0.0.into())), "`config.mask_ratio` is 0, which it cannot be");
    expect(refused(&set("hidden_act", "relu".into())), "its activation is `relu`; only `gelu` is read");
    expect(refused(&set("hidden_size", "wide".into())), "`hidden_size` in its config.json is not a number");
    expect(refused(&set("model_type", "vit".into())), "a model of type `vit`, which is no masked autoencoder");
    let remove =
        |name: &'static str| move |folder: &Path, _: &mut Value| std::fs::remove_file(folder.join(name)).expect("gone");
    expect(refused(&remove("config.json")), "it has a model.safetensors, but no config.json");
    expect(refused(&remove("model.safetensors")), "it has a config.json, but no model.safetensors");
    let text = |folder: &Path, _: &mut Value| std::fs::write(folder.join("config.json"), "{").expect("a file");
    expect(refused(&text), "its config.json is not JSON");
    let encoder_alone = |folder: &Path, _: &mut Value| {
        let file = folder.join("model.safetensors");
        let (tensors, metadata) = read_tensors(&file).expect("tensors");
        let kept = tensors.iter().filter(|(key, _)| key.starts_with("vit."));
        write_tensors(&file, kept, &metadata).expect("a file");
    };
    expect(refused(&encoder_alone), "it is an encoder without the decoder that completes pictures");
    let one_less = |folder: &Path, _: &mut Value| {
        let file = folder.join("model.safetensors");
        let (tensors, metadata) = read_tensors(&file).expect("tensors");
        let kept = tensors.iter().filter(|(key, _)| *key != "vit.layernorm.bias");
        write_tensors(&file, kept, &metadata).expect("a file");
    };
    expect(refused(&one_less), "has no tensor `vit.layernorm.bias`");
    let empty = place.path().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    expect(load(&empty).expect_err("a refusal"), "it has neither a config.json nor a model.safetensors");
    // Of a file without a place for it, and of tensors without their configuration.
    let model = load(&golden()).expect("a model");
    let pt = checkpoint::save(&place.path().join("m.pt"), &model.export()).expect_err("a refusal").to_string();
    expect(pt, "cannot hold a masked autoencoder");
    let alone = place.path().join("alone.safetensors");
    std::fs::copy(golden().join("model.safetensors"), &alone).expect("a copy");
    expect(load(&alone).expect_err("a refusal"), "without the config.json that belongs beside them");
}

#[test]
fn marks_name_pictures_and_find_them_in_another_folder() {
    let place = tempfile::tempdir().expect("a folder");
    let (one, other) = (place.path().join("one"), place.path().join("other"));
    pictures(&one, 8, 40);
    // The same pictures under other names, in another order, and one is missing.
    std::fs::create_dir(&other).expect("a folder");
    for number in 1..8 {
        std::fs::copy(one.join(format!("{number:03}.png")), other.join(format!("{}.png", 9 - number))).expect("a copy");
    }
    let (here, there) = (with_pictures(golden(), &one), with_pictures(golden(), &other));
    let sample = |seed, index| Sample::new(LatentAddress { seed, index }, 1.0).expect("a sample");
    let mut marks = Feedback::new(&here.sha256);
    marks.mark(sample(0, 0), Mark::Negative);
    marks.mark(sample(0, 2), Mark::Negative);
    marks.mark(sample(7, 3), Mark::Positive);
    let file = place.path().join("marks.json");
    marks.named(&here).save(&file).expect("a file");
    let text = std::fs::read_to_string(&file).expect("a file");
    let digest: String = checkpoint::sha256(&one.join("002.png")).expect("a digest");
    assert!(text.contains(&format!("\"image\": \"{digest}\"")) && !text.contains("\"index\""), "{text}");
    let read = |model: &Model| Feedback::load(&file, &model.sha256).expect("marks").located(model);
    assert_eq!(read(&here), marks);
    let moved = read(&there);
    assert_eq!((moved.len(), moved.elsewhere()), (2, 1));
    // 2 is called 7 there, the sixth of seven; 3 the fifth.
    assert_eq!((moved.get(sample(0, 5)), moved.get(sample(7, 4))), (Some(Mark::Negative), Some(Mark::Positive)));
    // What is not there is not lost.
    moved.named(&there).save(&file).expect("a file");
    assert_eq!(read(&here), marks);
    for (wrong, expected) in [
        ("\"image\": \"abc\"", "`abc` is no SHA-256 of a picture"),
        ("\"of\": 1", "neither an index and a psi nor a picture's SHA-256"),
    ] {
        let text = format!(
            "{{\"version\": 1, \"model_sha256\": \"{}\", \"negatives\": [{{\"seed\": 1, {wrong}}}], \"positives\": []}}",
            here.sha256
        );
        let error = Feedback::parse(text.as_bytes(), "marks.json", &here.sha256).expect_err("a refusal").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Forty marked pictures of the bundled model's faces tell nearly all others apart, those next to the border included.
#[test]
fn what_a_few_marks_teach_reaches_nearly_all_pictures() {
    const LABELLED: usize = 800;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut model = load(&root.join("assets/models/avatars-mae-64.safetensors")).expect("a model");
    let (faces, _) = PictureSet::open(&ImageSource::Avatars, 64).expect("drawn faces");
    model.set_pictures(Arc::new(faces));
    // Behind those that a training sees.
    let has_hat = |number: u64| avatars::attributes(0, 100_000 + number).hat != avatars::Hat::None;
    let mut marks = Feedback::new(&model.sha256);
    let mut left = [20; 2];
    for number in (0..).map(|place| Purpose::Learn.number(place)) {
        let mark = if has_hat(number) { Mark::Negative } else { Mark::Positive };
        let left = &mut left[usize::from(mark == Mark::Positive)];
        if *left > 0 {
            *left -= 1;
            marks.mark(Sample::new(LatentAddress { seed: 0, index: number }, 1.0).expect("a sample"), mark);
        }
        if marks.len() == 40 {
            break;
        }
    }
    let source = FeedbackSource::Marks(Box::new(marks));
    let settings = CollectSettings { labelled: LABELLED, positive_below: 0.2, few_marks: 1000, seed: 0 };
    let request = CollectRequest { source: &source, settings: &settings, helper: None, positives: true, retain: None };
    let pools = collect(&model, request, &mut |_| ControlFlow::Continue(())).expect("pools").expect("all of them");
    let wrong = |mark: Mark| {
        let taken: Vec<u64> =
            pools.feedback.iter().filter(|(_, kind)| *kind == mark).map(|(s, _)| s.address().index).collect();
        let wrong = taken.iter().filter(|number| has_hat(**number) != (mark == Mark::Negative)).count();
        (wrong, taken.len())
    };
    let [(faces, negatives), (hats, positives)] = [wrong(Mark::Negative), wrong(Mark::Positive)];
    assert!(negatives + positives > LABELLED * 95 / 100, "{negatives} and {positives}");
    assert!(faces * 50 < negatives && hats * 50 < positives, "{faces} of {negatives}, {hats} of {positives}");
    assert_eq!((pools.negatives.len(), pools.positives.len()), (negatives, positives));
}

#[test]
fn a_mask_hides_what_it_says_and_nothing_else_changes() {
    let place = tempfile::tempdir().expect("a folder");
    pictures(place.path(), 4, 32);
    let model = with_pictures(golden(), place.path());
    let rows = model.generator.latents(0, 0..4);
    let network = model.generator.completion().expect("it completes");
    let originals = network.originals(&rows);
    let of = |masking: Masking| {
        let generator = model.generator.clone().with_masking(masking);
        let rows = generator.latents(0, 0..4);
        let hidden = generator.completion().expect("it completes").hidden(&rows);
        let found = Sampler::new(&generator, &model.g_ema).render(&rows, 1.0);
        let plane = 32 * 32;
        for (at, (a, b)) in found.iter().zip(&originals).enumerate() {
            let pixel = at / (3 * plane) * plane + at % plane;
            assert!(hidden[pixel] || (a - b).abs() < 1e-5, "a visible pixel changed");
        }
        hidden.iter().filter(|hidden| **hidden).count() as f64 / hidden.len() as f64
    };
    assert_eq!(of(Masking::default()), 0.75);
    assert_eq!(of(Masking { hidden: Hidden::Centre, share: Some(0.25) }), 0.25);
    assert_eq!(of(Masking { hidden: Hidden::Border, share: Some(0.5) }), 0.5);
    assert_eq!(of(Masking { hidden: Hidden::Random, share: Some(0.999) }), 63.0 / 64.0);
    assert_eq!(model.generator.pictures_for(Purpose::Learn), Some(3));
}

#[test]
fn a_folder_of_pictures_says_what_it_did() {
    let place = tempfile::tempdir().expect("a folder");
    pictures(&place.path().join("set"), 3, 48);
    std::fs::write(place.path().join("set/notes.txt"), "no picture").expect("a file");
    let source = ImageSource::of(place.path().join("set"));
    let (set, notes) = PictureSet::open(&source, 32).expect("pictures");
    assert_eq!((set.count(), set.side(), notes.resized, notes.skipped.len()), (3, 32, 3, 1));
    assert_eq!(set.find(&set.digest(2)), Some(2));
    std::fs::create_dir(place.path().join("none")).expect("a folder");
    let error = PictureSet::open(&ImageSource::of(place.path().join("none")), 32).expect_err("a refusal").to_string();
    assert!(error.ends_with("no readable PNG or JPEG picture among its 0 files"), "{error}");
}

#[test]
fn a_training_that_was_interrupted_goes_on_as_if_it_had_not() {
    let place = tempfile::tempdir().expect("a folder");
    pictures(&place.path().join("set"), 20, 32);
    let images = || ImageSource::of(place.path().join("set")).open(Some(32), 0).expect("images").0;
    let architecture = CompletionArchitecture {
        resolution: 32,
        patch: 8,
        channels: 3,
        encoder: [16, 1, 2],
        decoder: [8, 1, 2],
        mask_ratio: 0.75,
        norm_pix_loss: true,
    };
    let card = || Card { data: "set".to_owned(), date: None, excluded: None, licence: None };
    let choices = CompletionChoices { batch: 6, ..CompletionChoices::default() };
    let begun = || {
        let fresh = CompletionTraining::fresh(&architecture, (choices, 4), images(), card(), &Device::flex());
        let mut training = fresh.expect("a training");
        training.begin(9);
        training
    };
    let mut whole = begun();
    (0..9).for_each(|_| whole.step().expect("a step"));
    let mut half = begun();
    (0..4).for_each(|_| half.step().expect("a step"));
    let file = place.path().join("half.safetensors");
    checkpoint::save(&file, &half.checkpoint()).expect("a file");
    let resumed = CompletionTraining::resume(load(&file).expect("a model"), images(), card());
    let mut resumed = resumed.expect("a training wrote it").expect("it goes on");
    resumed.begin(9);
    (4..9).for_each(|_| resumed.step().expect("a step"));
    let bytes = |training: &CompletionTraining, name: &str| {
        let file = place.path().join(name);
        checkpoint::save(&file, &training.checkpoint()).expect("a file");
        std::fs::read(file).expect("a file")
    };
    assert!(bytes(&whole, "whole.safetensors") == bytes(&resumed, "resumed.safetensors"));
    assert!(bytes(&whole, "whole.safetensors") != bytes(&half, "half.safetensors"));
}

fn studio(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(PROGRAM).args(args).env_remove("RUST_BACKTRACE").output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Trains a tiny one on dark and light pictures, twice in halves, and makes it forget the dark ones.
#[test]
fn the_whole_job() {
    let place = tempfile::tempdir().expect("a folder");
    let path = |name: &str| place.path().join(name).to_str().expect("UTF-8").to_owned();
    pictures(&place.path().join("set"), 48, 32);
    let set = path("set");
    let train = |out: &str, more: &[&str]| {
        let mut args = vec!["train", &set, "--out", out, "--device", "cpu", "--iters", "12", "--batch", "8"];
        args.extend(more);
        let (code, _, errors) = studio(&args);
        assert_eq!((code, errors.as_str()), (Some(0), ""));
    };
    let tiny = ["--family", "vit-mae", "--resolution", "32", "--encoder", "16,1,2", "--decoder", "8,1,2"];
    let (whole, again) = (path("whole.safetensors"), path("again.safetensors"));
    train(&whole, &[&tiny[..], &["--save-every", "5", "--grid", &path("grid.png")]].concat());
    train(&again, &tiny);
    let bytes = |file: &str| std::fs::read(file).expect("a file");
    assert!(bytes(&whole) == bytes(&again), "the same command gives other bytes");
    train(&again, &["--resume", &again]);
    assert!(bytes(&whole) == bytes(&again), "nothing was left to do");

    let marks = {
        let model = with_pictures(whole.clone().into(), &place.path().join("set"));
        let mut marks = Feedback::new(&model.sha256);
        for index in 0..40 {
            let sample = Sample::new(LatentAddress { seed: 0, index }, 1.0).expect("a sample");
            marks.mark(sample, if index % 2 == 0 { Mark::Negative } else { Mark::Positive });
        }
        marks.named(&model)
    };
    marks.save(Path::new(&path("marks.json"))).expect("a file");
    let unlearn = |out: &str, more: &[&str]| {
        let marks = path("marks.json");
        let mut args = vec!["unlearn", &whole, "--pictures", &set, "--feedback", &marks, "--as-marked", "--out", out];
        args.extend(["--device", "cpu", "--set", "iters=6", "--set", "batch=8"]);
        args.extend(more);
        studio(&args)
    };
    let (one, two, folder) = (path("one.safetensors"), path("two.safetensors"), path("folder"));
    let labeler = fixture("labelers/grey8.onnx");
    assert_eq!(unlearn(&one, &["--grid", &path("grid.png"), "--report", &path("report.json")]).0, Some(0));
    assert_eq!(unlearn(&two, &[]).0, Some(0));
    assert!(bytes(&one) == bytes(&two), "the same command gives other bytes");
    assert_eq!(unlearn(&folder, &["--retain", &set]).0, Some(0));
    assert!(Path::new(&folder).join("config.json").is_file());
    let moved = load(Path::new(&folder)).expect("a model");
    assert!(moved.metadata()["method"].starts_with("Image to image"));
    // The decoder and the position tables stay bit for bit.
    let [before, after] = [&whole, &one].map(|file| read_tensors(Path::new(file)).expect("tensors").0);
    let changed: Vec<&String> =
        before.keys().filter(|key| key.starts_with("g_ema.") && before[*key] != after[*key]).collect();
    assert!(!changed.is_empty() && changed.iter().all(|key| key.starts_with("g_ema.vit.")), "{changed:?}");
    assert!(!changed.iter().any(|key| key.contains("position_embeddings")));

    let labeler = labeler.to_str().expect("UTF-8");
    let (code, table, errors) = studio(&[
        "evaluate",
        &whole,
        &one,
        "--pictures",
        &set,
        "--labeler",
        labeler,
        "--forget",
        "0",
        "--json",
        "--device",
        "cpu",
    ]);
    assert_eq!(code, Some(0), "{errors}");
    let table: Value = serde_json::from_str(&table).expect("JSON");
    assert_eq!(table["samples"], 12);
    let kept = &table["completions"]["kept"];
    assert!(kept["before"]["psnr"].as_f64().is_some_and(f64::is_finite), "{table}");

    for (args, expected) in [
        (vec!["sample", &whole, "--out", &path("s.png"), "--device", "cpu"], "open a folder of pictures beside it"),
        (
            vec!["sample", &whole, "--pictures", &set, "--hidden", "1", "--out", &path("s.png")],
            "--hidden must be a share above 0",
        ),
        (
            vec!["sample", &whole, "--pictures", &path("absent"), "--out", &path("s.png"), "--device", "cpu"],
            "cannot be read",
        ),
        (
            vec![
                "unlearn",
                &whole,
                "--pictures",
                &set,
                "--feedback",
                &path("marks.json"),
                "--method",
                "reject",
                "--out",
                &one,
            ],
            "this method is for models that draw samples",
        ),
        (
            vec!["train", &set, "--family", "vit-mae", "--encoder", "15,1,2", "--out", &one],
            "the width must be a multiple of 4 and of the heads",
        ),
        (
            vec![
                "train",
                &set,
                "--family",
                "vit-mae",
                "--resolution",
                "32",
                "--patch",
                "5",
                "--out",
                &one,
                "--device",
                "cpu",
            ],
            "cannot be cut into patches of 5",
        ),
    ] {
        let (code, _, errors) = studio(&args);
        assert!(code != Some(0) && errors.contains(expected), "{args:?}: {errors}");
    }
    let sample =
        studio(&["sample", &whole, "--pictures", &set, "--hide", "centre", "--out", &path("s.png"), "--device", "cpu"]);
    assert_eq!((sample.0, sample.2.as_str()), (Some(0), ""));
}
