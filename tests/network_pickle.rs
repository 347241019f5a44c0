//! NVlabs network pickles from opening to exporting, as a person uses them; classes; generators without a discriminator.

#[path = "common/program.rs"]
mod program;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Output,
};

use burn::tensor::{Tensor, TensorData};
use program::{done, studio};
use serde_json::Value;
use unlearn_studio::{
    checkpoint::{self, Checkpoint, read_tensors, write_tensors},
    device,
    feedback::{Feedback, Mark, Sample},
    model::Model,
    networks::{Dual, LatentAddress, Motion, Noise, NormalSource, flat::to_vec},
};

const ADA: &str = "stylegan2-ada-32";
const CONDITIONAL: &str = "ada-8-conditional";
const STYLEGAN3: &str = "sg3-t-16-conditional";
const STYLEGAN3_R: &str = "sg3-r-16";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn pickle(name: &str) -> PathBuf {
    fixture(&format!("golden/{name}.pkl"))
}

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_str().expect("a path in UTF-8").to_owned()
}

/// The sentence that a command fails with.
fn failed(args: &[&str]) -> String {
    let output = studio(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}

/// A complete small run that forgets class 0 of the grey labeler.
fn unlearn(model: &Path, out: &str, more: &[&str]) -> Output {
    let labeler = text(fixture("labelers/grey8.onnx"));
    let model = text(model);
    let fixed = ["unlearn", &model, "--labeler", &labeler, "--forget", "0", "--out", out, "--device", "cpu"];
    let small =
        "--method adapt --iters 2 --adapt-iters 2 --batch 4 --adapted 1 --labelled 256 --samples 64 --preset paper";
    let small: Vec<&str> = small.split(' ').collect();
    studio(&[&fixed[..], &small, more].concat())
}

fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let difference: f64 = found.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    (difference / expected.iter().map(|b| square(*b)).sum::<f64>()).sqrt()
}

#[test]
fn info_says_what_is_in_a_pickle() {
    let card: Value = serde_json::from_str(&done(&["info", &text(pickle(ADA)), "--json"])).expect("JSON");
    assert_eq!((&card["resolution"], &card["latent"], &card["classes"]), (&32.into(), &32.into(), &0.into()));
    assert_eq!((&card["mapping_layers"], &card["w_avg"]), (&2.into(), &true.into()));
    assert_eq!(card["contents"], serde_json::json!(["g_ema", "g", "d"]));
    assert_eq!(card["args"]["training_set_kwargs"]["use_labels"], false);
    let lines = done(&["info", &text(pickle(CONDITIONAL))]);
    assert!(lines.contains("classes         3\n") && lines.contains("conv_clamp      1.5"), "{lines}");
    let lines = done(&["info", &text(pickle(STYLEGAN3))]);
    for line in ["family          StyleGAN3, 16x16, 3 channels", "channels        5 at 14, 5 at 22, 4 at 22, 4 at 16"] {
        assert!(lines.contains(line), "{lines}");
    }
    assert!(lines.contains("equivariance    \"translation\"") && !lines.contains("conv_clamp"), "{lines}");
    let lines = done(&["info", &text(pickle(STYLEGAN3_R))]);
    assert!(
        lines.contains("equivariance    \"translation and rotation\"") && lines.contains("contents        g_ema, g\n")
    );
}

#[test]
fn samples_are_those_of_the_published_code() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in [ADA, CONDITIONAL, STYLEGAN3, STYLEGAN3_R] {
        let expected = read_tensors(&fixture(&format!("golden/{name}.expected.safetensors"))).expect("numbers").0;
        let (latents, out) = (folder.path().join("z.safetensors"), folder.path().join("images.safetensors"));
        let inputs: BTreeMap<_, _> = expected.iter().filter(|(key, _)| ["z", "c"].contains(&key.as_str())).collect();
        write_tensors(&latents, inputs, &BTreeMap::new()).expect("latents");
        done(&["sample", &text(pickle(name)), "--latents", &text(&latents), "--out", &text(&out), "--device", "cpu"]);
        let images = &read_tensors(&out).expect("images").0["images"];
        assert!(relative_error(&images.data, &expected["image_ema"].data) < 1e-4, "{name}");
    }
}

/// What Python writes where it knows no bytes, and storages in the container of newer PyTorch.
#[test]
fn however_the_bytes_are_wrapped() {
    // All but what is kept to write the same file again.
    let load = |name: &str| {
        let path = fixture(&format!("pickles/{name}.pkl"));
        Checkpoint { pickle: None, ..checkpoint::load(&path).expect("a pickle") }
    };
    let plain = load("smallest");
    let generator = plain.g_ema.as_ref().expect("a generator");
    assert_eq!(generator["noises.noise_2"].shape, [1, 1, 8, 8]);
    assert_eq!(generator["to_rgbs.0.upsample.kernel"].data[5], 9.0 / 16.0);
    for name in ["smallest-protocol2", "smallest-zipped"] {
        assert_eq!(load(name), plain, "{name}");
    }
    let model = Model::load(&fixture("pickles/smallest-protocol2.pkl"), &device::cpu().device).expect("a model");
    let mut sampler = unlearn_studio::model::Sampler::new(&model.generator, &model.g_ema);
    assert_eq!(sampler.render_at(1, 0..2, 0.7).len(), 2 * 3 * 8 * 8);
}

#[test]
fn opening_says_how_far_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = vec![pickle(ADA), fixture("pickles/smallest-protocol2.pkl"), fixture("golden/stylegan2-16.pt")];
    files.push(folder.path().join("model.safetensors"));
    checkpoint::save(&files[3], &checkpoint::load(&files[0]).expect("a pickle")).expect("a file");
    for path in files {
        let length = std::fs::metadata(&path).expect("a file").len();
        let mut told = Vec::new();
        Model::load_watched(&path, &device::cpu().device, &mut |read, of| told.push((read, of))).expect("a model");
        assert!(told.is_sorted() && told.iter().all(|(_, of)| *of == 2 * length), "{}", path.display());
        // Every tensor, then the digest.
        assert!(told.iter().filter(|(read, _)| (1..=length).contains(read)).count() > 20, "{}", path.display());
        assert_eq!(told.last(), Some(&(2 * length, 2 * length)), "{}", path.display());
    }
}

#[test]
fn an_export_is_the_same_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let formats = [(ADA, &["safetensors", "pt"][..]), (CONDITIONAL, &["safetensors"]), (STYLEGAN3, &["safetensors"])];
    for (name, formats) in formats {
        let original = checkpoint::load(&pickle(name)).expect("a pickle");
        for format in formats {
            let out = folder.path().join(format!("{name}.{format}"));
            done(&["export", &text(pickle(name)), &text(&out)]);
            let Checkpoint { g_ema, g, d, args, metadata, .. } = checkpoint::load(&out).expect("an export");
            assert_eq!(metadata["source_sha256"], checkpoint::sha256(&pickle(name)).expect("a digest"));
            assert!(metadata["program"].starts_with("unlearn-studio "));
            assert_eq!(args, original.args);
            assert_eq!((&g_ema, &d), (&original.g_ema, &original.d), "{name}.{format}");
            if *format == "safetensors" {
                assert_eq!(g, original.g);
            }
            // What was exported can be exported again, and says where it first came from.
            let again = folder.path().join("again.safetensors");
            done(&["export", &text(&out), &text(&again)]);
            let again = checkpoint::load(&again).expect("an export");
            assert_eq!((again.g_ema, again.metadata), (g_ema, metadata));
        }
    }
    for name in [CONDITIONAL, STYLEGAN3] {
        let refused = failed(&["export", &text(pickle(name)), &text(folder.path().join("c.pt"))]);
        assert!(refused.contains("a .pt file in the rosinality layout cannot hold"), "{refused}");
        assert!(!folder.path().join("c.pt").exists());
    }
}

/// What was not trained is written as it came, byte for byte: protocols 3 to 5, strided and frozen weights, no discriminator.
#[test]
fn a_pickle_is_written_again_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in [ADA, CONDITIONAL, "ada-16-converted", STYLEGAN3, STYLEGAN3_R] {
        let out = folder.path().join(format!("{name}.pkl"));
        done(&["export", &text(pickle(name)), &text(&out)]);
        let read = |path: &Path| std::fs::read(path).expect("a pickle");
        assert!(read(&pickle(name)) == read(&out), "{name}");
    }
    for (model, why) in [("pickles/smallest-zipped.pkl", "packed"), ("golden/stylegan2-16.pt", "no pickle")] {
        let refused = failed(&["export", &text(fixture(model)), &text(folder.path().join("no.pkl"))]);
        assert!(refused.contains("was not opened from a .pkl file that can be written again"), "{why}: {refused}");
        assert!(!folder.path().join("no.pkl").exists());
    }
}

/// Weights in the places of the old ones: the same networks as in a `.safetensors`, and only those bytes changed.
#[test]
fn a_result_goes_back_into_the_pickle() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in [ADA, CONDITIONAL, STYLEGAN3, STYLEGAN3_R] {
        let device = device::cpu().device;
        let model = Model::load(&pickle(name), &device).expect("a pickle");
        let moved = model.g_ema.with_values(model.g_ema.values.clone() * 1.01 + 0.003);
        let result = model.with_networks(&moved, None);
        let paths = ["pkl", "safetensors"].map(|extension| folder.path().join(format!("{name}.{extension}")));
        for path in &paths {
            checkpoint::save(path, &result).expect("a file");
        }
        let [in_pickle, beside] = paths.each_ref().map(|path| checkpoint::load(path).expect("a model"));
        assert_eq!((&in_pickle.g_ema, &in_pickle.g, &in_pickle.d), (&beside.g_ema, &beside.g, &beside.d), "{name}");
        assert_ne!(in_pickle.g_ema, checkpoint::load(&pickle(name)).expect("the original").g_ema);
        let [old, new] = [&pickle(name), &paths[0]].map(|path| std::fs::read(path).expect("a pickle"));
        let changed = old.iter().zip(&new).filter(|(a, b)| a != b).count();
        let weights = model.g_ema.layout.total() * 4 * 2;
        assert!(old.len() == new.len() && changed > weights / 4 && changed <= weights + 64, "{name}: {changed}");
    }
}

#[test]
fn a_run_from_a_pickle() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| text(folder.path().join(name));
    for (name, out, more) in [
        (ADA, "out.safetensors", &[][..]),
        (CONDITIONAL, "out.safetensors", &[]),
        (CONDITIONAL, "out.pkl", &["--class", "1"]),
    ] {
        let (out, report) = (at(out), at("report.json"));
        let output = unlearn(&pickle(name), &out, &[&["--report", &report], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
        assert_eq!((&report["iterations"], &report["warm_up"]), (&2.into(), &Value::Null));
        let (before, after) =
            (checkpoint::load(&pickle(name)).expect("a pickle"), checkpoint::load(Path::new(&out)).expect("a result"));
        // A pickle has no place for where it came from.
        for key in ["program", "method", "settings", "feedback_sha256", "source_sha256"] {
            assert_eq!(after.metadata.contains_key(key), out.ends_with(".safetensors"), "{key}");
        }
        let (before, after) = (before.g_ema.expect("g_ema"), after.g_ema.expect("g_ema"));
        assert_ne!(before["style.1.weight"], after["style.1.weight"]);
        // The mean of w follows the mapping network, by no more than that has moved.
        let drift = relative_error(&after["w_avg"].data, &before["w_avg"].data);
        assert!(drift > 0.0 && drift < 0.1, "{drift}");
        assert_eq!(before.get("conv_clamp"), after.get("conv_clamp"));
        let labeler = text(fixture("labelers/grey8.onnx"));
        let args = ["--labeler", &labeler, "--forget", "0", "--samples", "64", "--device", "cpu", "--json"];
        let evaluation = done(&[&["evaluate", &text(pickle(name)), &out], &args[..], more].concat());
        let evaluation: Value = serde_json::from_str(&evaluation).expect("JSON");
        assert_eq!(evaluation, report["evaluation"]);
    }
    let sentence = failed(&["sample", &text(pickle(CONDITIONAL)), "--class", "3", "--out", &at("grid.png")]);
    assert!(sentence.contains("no class 3; this model draws the classes 0 to 2"), "{sentence}");
    let sentence = failed(&["sample", &text(pickle(ADA)), "--class", "0", "--out", &at("grid.png")]);
    assert!(sentence.contains("this model draws no classes"), "{sentence}");
}

/// Eight samples of a class-conditional model, every other one marked as what must go.
fn eight_marks(model: &Model, classes: u32) -> Feedback {
    let mut feedback = Feedback::new(&model.sha256);
    for index in 0..8 {
        let sample = Sample::new(LatentAddress { seed: 1, index }, 1.0).expect("a usable psi");
        let mark = if index % 2 == 0 { Mark::Negative } else { Mark::Positive };
        feedback.mark(sample.with_class(Some(index as u32 % classes)), mark);
    }
    feedback
}

#[test]
fn a_run_from_a_stylegan3() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Model::load(&pickle(STYLEGAN3), &device::cpu().device).expect("a pickle");
    let marks = folder.path().join("marks.json");
    eight_marks(&model, 3).save(&marks).expect("a feedback file");
    let before = checkpoint::load(&pickle(STYLEGAN3)).expect("a pickle").g_ema.expect("g_ema");
    for out in ["out.safetensors", "out.pkl"] {
        let out = folder.path().join(out);
        let paths = [&pickle(STYLEGAN3), &marks, &out].map(text);
        let args = "--method adapt --iters 2 --adapt-iters 2 --batch 4 --device cpu --preset paper";
        let args: Vec<&str> = args.split(' ').collect();
        let [path, marks, to] = &paths;
        done(&[&["unlearn", path, "--feedback", marks, "--out", to], &args[..]].concat());
        let after = checkpoint::load(&out).expect("a result").g_ema.expect("g_ema");
        for key in ["mapping.fc0.weight", "synthesis.L2_22_4.weight", "synthesis.input.affine.bias"] {
            let moved = relative_error(&after[key].data, &before[key].data);
            assert!(moved > 0.0 && moved < 0.2, "{key}: {moved}");
        }
        let drift = relative_error(&after["mapping.w_avg"].data, &before["mapping.w_avg"].data);
        assert!(drift > 0.0 && drift < 0.1, "{drift}");
        for (key, tensor) in before.iter().filter(|(key, _)| key.ends_with("magnitude_ema") || key.contains("freqs")) {
            assert_eq!(&after[key], tensor, "{key}");
        }
    }
}

#[test]
fn marks_name_their_class() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Model::load(&pickle(CONDITIONAL), &device::cpu().device).expect("a pickle");
    let marks = folder.path().join("marks.json");
    let save = |classes: u32| {
        eight_marks(&model, classes).save(&marks).expect("a feedback file");
    };
    let run = |out: &str| {
        let args = [
            "--method",
            "adapt",
            "--iters",
            "1",
            "--adapt-iters",
            "1",
            "--batch",
            "4",
            "--device",
            "cpu",
            "--preset",
            "paper",
        ];
        let (model, marks) = (text(pickle(CONDITIONAL)), text(&marks));
        studio(&[&["unlearn", &model, "--feedback", &marks, "--out", out], &args[..]].concat())
    };
    let out = text(folder.path().join("out.safetensors"));
    save(3);
    let output = run(&out);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    save(4);
    let output = run(&out);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no class 3; this model draws the classes 0 to 2"));
}

#[test]
fn one_class_or_all_of_them() {
    let mut model = Model::load(&pickle(CONDITIONAL), &device::cpu().device).expect("a pickle");
    let rows = |model: &Model| model.generator.latents(7, 0..300);
    let mixed = rows(&model);
    let classes: Vec<usize> =
        mixed.chunks(8).map(|row| row[5..].iter().position(|c| *c == 1.0).expect("a class")).collect();
    assert!((0..3).all(|class| classes.iter().filter(|c| **c == class).count() > 70), "{classes:?}");
    model.set_class(Some(2)).expect("a class");
    for (fixed, mixed) in rows(&model).chunks(8).zip(mixed.chunks(8)) {
        assert_eq!(
            (&fixed[..5], &fixed[5..]),
            (&mixed[..5], &[0.0, 0.0, 1.0][..]),
            "the class leaves the latent alone"
        );
    }
}

#[test]
fn a_bare_generator_gets_a_discriminator() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bare, out, report) =
        (folder.path().join("bare.safetensors"), folder.path().join("out.safetensors"), folder.path().join("r.json"));
    let Checkpoint { g_ema, .. } = checkpoint::load(&fixture("golden/stylegan2-16.pt")).expect("a checkpoint");
    checkpoint::save(&bare, &Checkpoint { g_ema, ..Checkpoint::default() }).expect("a bare generator");
    let output = unlearn(&bare, &text(&out), &["--report", &text(&report)]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("no discriminator in this file; one is warmed up"), "{stderr}");
    let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
    let told_apart = report["warm_up"]["told_apart"].as_f64().expect("a quality");
    assert!(told_apart > 0.6, "better than guessing: {told_apart}");
    let result = checkpoint::load(&out).expect("a result");
    assert!(result.d.is_some() && result.g.is_some() && result.d_optim.is_some());
    assert_ne!(result.g_ema, checkpoint::load(&bare).expect("the bare generator").g_ema);
}

/// A StyleGAN3 without a discriminator: the probe's features are its own maps, and a discriminator is warmed up.
#[test]
fn a_stylegan3_without_a_discriminator() {
    let model = Model::load(&pickle(STYLEGAN3_R), &device::cpu().device).expect("a pickle");
    let samples: Vec<Sample> =
        (0..3).map(|index| Sample::new(LatentAddress { seed: 4, index }, 0.8).expect("a usable psi")).collect();
    let mut sampler = unlearn_studio::model::Sampler::new(&model.generator, &model.g_ema);
    let (maps, side) = sampler.maps_of_samples(&model, &samples).expect("maps");
    assert_eq!((maps.len(), side), (3 * 7 * 8 * 8, 8));
    assert!(maps.iter().all(|value| value.is_finite()) && maps[..64] != maps[7 * 64..8 * 64]);
    // A sample does not depend on those it is drawn with.
    let (own, _) = sampler.maps_of_samples(&model, &samples[2..]).expect("maps");
    assert_eq!(own, maps[2 * 7 * 64..]);
    let together = sampler.subjects_of(&model, &samples).expect("images");
    assert_eq!(sampler.subjects_of(&model, &samples[1..2]).expect("an image"), together[256..512]);

    let folder = tempfile::tempdir().expect("a folder");
    let (out, report) = (folder.path().join("out.pkl"), folder.path().join("r.json"));
    let output = unlearn(&pickle(STYLEGAN3_R), &text(&out), &["--report", &text(&report)]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("no discriminator in this file; one is warmed up"), "{stderr}");
    assert!(checkpoint::load(&out).expect("a result").d.is_none());
}

/// Radial filters and pixel-wise convolutions follow a quarter turn exactly, and the others a shift by whole pixels of every map.
#[test]
fn motions_are_followed() {
    let device = device::cpu().device;
    let draw = |name: &str, motion: Motion| {
        let model = Model::load(&pickle(name), &device).expect("a pickle");
        assert!(model.card().can_move);
        let generator = model.generator.clone().with_motion(motion);
        unlearn_studio::model::Sampler::new(&generator, &model.g_ema).render_at(3, 0..2, 1.0)
    };
    const SIDE: usize = 16;
    let (still, turned) =
        (draw(STYLEGAN3_R, Motion::default()), draw(STYLEGAN3_R, Motion { degrees: 90.0, ..Motion::default() }));
    // Counter-clockwise: what is on the right comes to the top.
    let expected: Vec<f32> = still
        .chunks(SIDE * SIDE)
        .flat_map(|plane| (0..SIDE * SIDE).map(|at| plane[at % SIDE * SIDE + SIDE - 1 - at / SIDE]))
        .collect();
    assert!(relative_error(&turned, &expected) < 1e-4, "{}", relative_error(&turned, &expected));
    assert!(relative_error(&still, &expected) > 0.1);

    let moved = draw(STYLEGAN3, Motion { x: 0.25, y: -0.125, ..Motion::default() });
    let still = draw(STYLEGAN3, Motion::default());
    let inside = |images: &[f32], right: isize, down: isize| -> Vec<f32> {
        let at = |y: isize, x: isize| (y - down) as usize * SIDE + (x - right) as usize;
        images.chunks(SIDE * SIDE).flat_map(|p| (5..11).flat_map(move |y| (5..11).map(move |x| p[at(y, x)]))).collect()
    };
    let error = relative_error(&inside(&moved, 0, 0), &inside(&still, 4, -2));
    assert!(error < 0.05, "{error}");
    assert!(relative_error(&inside(&moved, 0, 0), &inside(&still, 0, 0)) > 4.0 * error);
    let other = Model::load(&pickle(ADA), &device).expect("a pickle");
    let moved = other.generator.clone().with_motion(Motion { degrees: 90.0, ..Motion::default() });
    let images = |generator| unlearn_studio::model::Sampler::new(generator, &other.g_ema).render_at(3, 0..1, 1.0);
    assert!(!other.card().can_move && images(&moved) == images(&other.generator));
}

/// Tangents against differences of values, where convolutions are clamped, classes are told and groups are of two.
#[test]
fn tangents_of_what_only_pickles_have() {
    let device = device::cpu().device;
    let model = Model::load(&pickle(CONDITIONAL), &device).expect("a pickle");
    let gan = model.gan.as_ref().expect("a discriminator");
    let mut rng = NormalSource::new(1, 0);
    let mut normal = |shape: [usize; 4]| -> Tensor<4> {
        Tensor::from_data(TensorData::new(rng.normals(shape.iter().product()), shape), &device)
    };
    const STEP: f64 = 1e-3;
    let check = |what: &str, tangent: Vec<f32>, ahead: Vec<f32>, behind: Vec<f32>| {
        let slope: Vec<f32> = ahead.iter().zip(&behind).map(|(a, b)| (a - b) / (2.0 * STEP as f32)).collect();
        assert!(slope.iter().any(|s| s.abs() > 1e-3), "{what}: nothing moves");
        assert!(relative_error(&tangent, &slope) < 2e-2, "{what}: {}", relative_error(&tangent, &slope));
    };

    let generator = &model.generator;
    let (p, d) = (gan.g.constants(), gan.d.constants());
    let z = Tensor::<2>::from_data(TensorData::new(generator.latents(3, 0..4), [4, generator.latent_dim()]), &device);
    let w = generator.map(&p, z.clone());
    let along = normal([1, 1, 4, generator.w_dim()]).reshape([4, generator.w_dim()]);
    let images = |w: Tensor<2>| {
        let ws: Vec<_> = generator.broadcast(w).into_iter().map(Dual::from).collect();
        generator.synthesize(&p, &ws, &Noise::Constant).value
    };
    let ws: Vec<_> = (0..generator.num_ws()).map(|_| Dual::new(w.clone(), along.clone())).collect();
    let image = generator.synthesize(&p, &ws, &Noise::Constant);
    let (ahead, behind) = (images(w.clone() + along.clone() * STEP), images(w - along * STEP));
    check("generator", to_vec(image.tangent.expect("a tangent")), to_vec(ahead), to_vec(behind));

    let (x, v) = (normal([4, 3, 8, 8]), normal([4, 3, 8, 8]));
    let labels = generator.labels(&z);
    let score = |x: Dual<4>| gan.networks.discriminator.forward_labelled(&d, x, labels.clone());
    let tangent = score(Dual::new(x.clone(), v.clone())).tangent.expect("a tangent");
    let (ahead, behind) = (score((x.clone() + v.clone() * STEP).into()), score((x - v * STEP).into()));
    check("discriminator", to_vec(tangent), to_vec(ahead.value), to_vec(behind.value));
}
