//! The models that come with the program.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;
use unlearn_studio::{
    checkpoint, device,
    engine::training::Fidelity,
    feedback::LabelerSpec,
    model::{Model, Sampler},
};

/// Together on the disk, in bytes.
const LARGEST: u64 = 12_000_000;
const SAMPLES: usize = 600;

fn asset(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets").join(name)
}

/// The stored hashes by file name.
fn hashes() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(asset("models/SHA256SUMS")).expect("the hashes");
    text.lines()
        .map(|line| line.split_once("  ").expect("a hash and a name"))
        .map(|(hash, name)| (name.to_owned(), hash.to_owned()))
        .collect()
}

fn card(model: &Model) -> Value {
    serde_json::from_str(&model.card().metadata["card"]).expect("a card")
}

#[test]
fn bundled_models_are_the_ones_that_were_measured() {
    let hashes = hashes();
    let names: Vec<&str> = hashes.keys().map(String::as_str).collect();
    let bundled =
        ["avatars-64", "avatars-mae-64", "avatars-without-hats", "clothes-32", "digits-32", "digits-without-4"];
    assert_eq!(names, bundled.map(|name| format!("{name}.safetensors")));
    let mut size = 0;
    for (name, hash) in &hashes {
        let path = asset("models").join(name);
        size += std::fs::metadata(&path).expect("the file").len();
        assert_eq!(&checkpoint::sha256(&path).expect("a digest"), hash, "{name}");
        let model = Model::load(&path, &device::cpu().device).expect("a model");
        assert!(model.gan().is_ok() || model.generator.completion().is_some(), "{name} can be unlearned");
        let card = card(&model);
        for key in ["data", "date", "licence"] {
            assert!(card[key].as_str().is_some_and(|text| !text.is_empty()), "{name}: {key} in {card}");
        }
        for key in ["iterations", "images_seen", "seed"] {
            assert!(card[key].is_u64(), "{name}: {key} in {card}");
        }
        assert!(card["fidelity"]["frechet"].is_f64(), "{name}: {card}");
    }
    assert!(size < LARGEST, "{size} bytes");
}

/// Model, labeler.
const PAIRS: [(&str, &str); 3] = [("avatars-64", "avatars"), ("clothes-32", "clothes"), ("digits-32", "digits")];
/// How far a class's share may be from the data's, as a factor.
const FACTOR: f64 = 2.0;

/// The gold standard of audits: it never saw a 4, and makes next to none.
#[test]
fn digits_without_4_have_every_other_class() {
    let model = Model::load(&asset("models/digits-without-4.safetensors"), &device::cpu().device).expect("a model");
    let card = card(&model);
    assert_eq!(card["excluded"], "4");
    let fidelity: Fidelity = serde_json::from_value(card["fidelity"].clone()).expect("measured");
    let spec = LabelerSpec { path: asset("labelers/digits.onnx"), mean: None, std: None };
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let [channels, height, width] = sampler.image_shape();
    let images = sampler.render_at(7, 0..SAMPLES as u64, 1.0);
    let found = spec.open().expect("a labeler").label_all(&images, [SAMPLES, channels, height, width]).expect("labels");
    for (class, share) in found[0].shares().into_iter().enumerate() {
        match class {
            4 => assert!(share < 0.02 && fidelity.heads[0].samples[4] < 0.01, "4: {share:.3}"),
            _ => assert!(share > 0.05, "{class}: {share:.3}"),
        }
    }
}

#[test]
fn their_samples_show_every_class() {
    for (name, labeler) in PAIRS {
        let model = Model::load(&asset("models").join(format!("{name}.safetensors")), &device::cpu().device);
        let model = model.expect("a model");
        let spec = LabelerSpec { path: asset("labelers").join(format!("{labeler}.onnx")), mean: None, std: None };
        let mut sampler = Sampler::new(&model.generator, &model.g_ema);
        let [channels, height, width] = sampler.image_shape();
        let images = sampler.render_at(7, 0..SAMPLES as u64, 1.0);
        let found = spec.open().expect("a labeler").label_all(&images, [SAMPLES, channels, height, width]);
        let fidelity: Fidelity = serde_json::from_value(card(&model)["fidelity"].clone()).expect("measured");
        for (shares, found) in fidelity.heads.iter().zip(found.expect("labels")) {
            for (class, (data, share)) in shares.classes.iter().zip(shares.data.iter().zip(found.shares())) {
                // Room for chance: three standard deviations of so many samples.
                let chance = 3.0 * (data * (1.0 - data) / SAMPLES as f64).sqrt();
                let fits = share > data / FACTOR - chance && share < data * FACTOR + chance;
                assert!(fits && share > 0.0, "{name}: {}={class} {share:.3}, {data:.3} of the data", shares.head);
            }
        }
    }
}
