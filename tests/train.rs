//! Training from scratch and its data, as a person runs them.

#[path = "common/program.rs"]
mod program;

use std::path::Path;

use program::{done, studio};
use unlearn_studio::checkpoint;

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

const TINY: [&str; 12] = [
    "--resolution",
    "32",
    "--channels",
    "4,4,4,4",
    "--latent",
    "8",
    "--mapping",
    "2",
    "--batch",
    "4",
    "--device",
    "cpu",
];

#[test]
fn a_resumed_training_writes_the_same_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| text(&folder.path().join(name));
    let train = |out: &str, iters: &str, more: &[&str]| {
        done(&[&["train", "avatars", "--out", out, "--iters", iters], more].concat());
    };
    train(&at("whole.safetensors"), "20", &TINY);
    train(&at("half.pt"), "10", &TINY);
    train(&at("rest.safetensors"), "20", &["--resume", &at("half.pt"), "--device", "cpu"]);
    let read = |name: &str| std::fs::read(at(name)).expect("a model");
    assert_eq!(read("whole.safetensors"), read("rest.safetensors"));
    let model = checkpoint::load(Path::new(&at("whole.safetensors"))).expect("a model");
    assert_ne!(model.g, model.g_ema);
    let card: serde_json::Value = serde_json::from_str(&model.metadata["card"]).expect("a card");
    assert_eq!((&card["data"], &card["iterations"]), (&"avatars".into(), &20.into()));
}

#[test]
fn augmentation_is_resumed_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| text(&folder.path().join(name));
    let pictures = at("pictures");
    done(&["avatars", "--out", &pictures, "--count", "9", "--size", "32"]);
    std::fs::remove_file(folder.path().join("pictures/attributes.csv")).expect("the table");
    let train = |out: &str, iters: &str, more: &[&str]| {
        done(&[&["train", &pictures, "--out", out, "--iters", iters], more].concat());
    };
    let resume = |from: &str, out: &str, iters: &str| {
        train(&at(out), iters, &["--resume", &at(from), "--device", "cpu"]);
        std::fs::read(at(out)).expect("a model")
    };
    let load = |name: &str| checkpoint::load(Path::new(&at(name))).expect("a model");
    train(&at("start.safetensors"), "7", &TINY);
    assert_eq!(load("start.safetensors").ada_aug_p, Some(0.0), "the probability grows from nothing");
    // A training that has come to augment every second image, which would take a long time.
    let mut grown = load("start.safetensors");
    let mut state: serde_json::Value = serde_json::from_str(&grown.metadata["training"]).expect("a state");
    state["augment_p"] = 0.5_f64.to_bits().into();
    grown.metadata.insert("training".to_owned(), state.to_string());
    checkpoint::save(Path::new(&at("grown.safetensors")), &grown).expect("written");

    let whole = resume("grown.safetensors", "whole.safetensors", "16");
    resume("grown.safetensors", "half.safetensors", "11");
    assert!(whole == resume("half.safetensors", "rest.safetensors", "16"));
    // It moves every 4 iterations, of which iteration 8 is one, by so much for 16 images.
    let moved = load("half.safetensors").ada_aug_p.map(|p| (p - 0.5).abs());
    assert!(moved.is_some_and(|moved| (moved - 16.0 / 500_000.0).abs() < 1e-12), "{moved:?}");
    // And it does something to what is learned.
    resume("start.safetensors", "plain.safetensors", "16");
    assert_ne!(load("plain.safetensors").d, load("whole.safetensors").d);
    train(&at("none.safetensors"), "1", &[&TINY[..], &["--augment", "none"]].concat());
    assert_eq!(load("none.safetensors").ada_aug_p, None);
}

#[test]
fn a_model_is_grown_and_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| text(&folder.path().join(name));
    let small = at("16.safetensors");
    let common = ["--batch", "4", "--iters", "2", "--device", "cpu"];
    let mut args = vec!["train", "avatars", "--out", &small, "--resolution", "16", "--channels", "6", "--latent", "5"];
    args.extend(["--mapping", "3"]);
    args.extend(common);
    done(&args);
    let (grown, labeler) = (at("32.safetensors"), text(Path::new("tests/fixtures/labelers/grey8.onnx")));
    let mut args = vec!["train", "avatars", "--out", &grown, "--grow", &small, "--resolution", "32"];
    args.extend(["--channels", "6,6,6,7", "--labeler", &labeler]);
    args.extend(common);
    let said = done(&args);
    assert!(said.contains("between data and samples, floor"), "{said}");
    let model = checkpoint::load(Path::new(&grown)).expect("a model");
    let card: serde_json::Value = serde_json::from_str(&model.metadata["card"]).expect("a card");
    assert!(card["fidelity"]["frechet"].is_f64() && card["fidelity"]["heads"][0]["samples"].is_array(), "{card}");
    let before = serde_json::json!([{ "resolution": 16, "iterations": 2, "images_seen": 8 }]);
    assert_eq!((&card["grown_from"], &card["images_seen"]), (&before, &8.into()));
    assert_eq!(model.g.expect("a generator")["style.1.weight"].shape, [5, 5]);
    // Half the size, no optimizers, nothing to go on from.
    let half = at("half.safetensors");
    let said = done(&["export", &grown, &half, "--half", "--networks-only"]);
    assert!(said.contains("by more than 0/255") || said.contains("by more than 1/255"), "{said}");
    let size = |path: &str| std::fs::metadata(path).expect("a file").len();
    assert!(size(&half) * 3 < size(&grown));
    let rounded = checkpoint::load(Path::new(&half)).expect("a model");
    assert!(rounded.g_optim.is_none() && !rounded.metadata.contains_key("training"));
    assert_eq!(rounded.metadata["card"], model.metadata["card"]);
    let refused = studio(&["train", "avatars", "--out", &at("x.pt"), "--resume", &half, "--device", "cpu"]);
    assert_eq!(refused.status.code(), Some(1));
    let other = studio(&["export", &grown, &at("x.pt"), "--half"]);
    assert!(String::from_utf8_lossy(&other.stderr).contains("--half writes .safetensors files only"));
}

#[test]
fn avatars_are_written_with_their_attributes() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = text(&folder.path().join("new"));
    done(&["avatars", "--out", &out, "--count", "5", "--size", "32"]);
    let table = std::fs::read_to_string(Path::new(&out).join("attributes.csv")).expect("a table");
    assert_eq!(table.lines().count(), 6);
    assert!(table.starts_with("file,skin,hair,hair_colour,hat,glasses,mouth,beard,background\n000000.png,"));
    assert_eq!(std::fs::read_dir(&out).expect("a folder").count(), 6);
}

#[test]
fn what_cannot_be_done_is_one_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = text(&folder.path().join("m.safetensors"));
    let golden = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/stylegan2-16.pt"));
    for (args, code, sentence) in [
        (vec!["--resolution", "48"], 2, "--resolution must be a power of two from 8 to 1024"),
        (vec!["--batch", "6"], 2, "--batch must be 1 to 4 or a multiple of 4"),
        (vec!["--channels", "8,8"], 2, "--channels has 2 numbers where 64x64 pixels need 5"),
        (vec!["--resume", &golden], 1, "it was not written by a training that can go on"),
    ] {
        let output = studio(&[&["train", "avatars", "--out", &out, "--device", "cpu"], &args[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(sentence) && said.lines().count() == 1, "{said}");
        assert!(!Path::new(&out).exists());
    }
}
