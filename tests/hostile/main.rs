//! No file can hurt: whatever is done to a model file, opening it ends in an error or a valid model, in little memory,
//! and nothing in it is run. How long it takes is measured by `cargo bench --bench waits`.

mod allocation;
#[path = "../common/counting.rs"]
mod counting;
mod crafted;
mod mutated_text;
mod mutation;
mod tiny;

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant},
};

use unlearn_studio::{checkpoint::save, device, model::Model};

/// Mutations of each format, unless `UNLEARN_MUTATIONS` (first..last) asks for others.
const MUTATIONS: Range<u64> = 0..20_000;
/// No file keeps the reader busy for hours: a hundred times what the slowest one takes.
const STUCK: Duration = Duration::from_secs(60);
const LARGEST: usize = 1 << 30;

/// Time that this thread has computed for; on systems that do not say so, time that has passed, which on a busy machine is
/// more.
fn clock() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let computed = || std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok();
    computed().map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// Opens a file as the program does, held to the limit of memory; the error's sentence, if it is one.
fn open(path: &Path, what: &str) -> Result<Model, String> {
    let clock = clock();
    let before = allocation::restart();
    let opened = catch_unwind(AssertUnwindSafe(|| Model::load(path, &device::cpu().device)));
    let used = allocation::peak().saturating_sub(before);
    let time = self::clock() - clock;
    assert!(time < STUCK, "{what}: took {time:?}");
    assert!(used < LARGEST, "{what}: took {used} bytes");
    match opened {
        Err(_) => panic!("{what}: panicked"),
        Ok(Err(error)) => {
            let sentence = error.to_string();
            assert!(!sentence.contains(char::is_control), "{what}: not one plain sentence: {sentence:?}");
            Err(sentence)
        }
        Ok(Ok(model)) => Ok(model),
    }
}

fn mutations() -> Range<u64> {
    let wanted = std::env::var("UNLEARN_MUTATIONS").ok();
    let range = wanted.as_deref().and_then(|range| range.split_once(".."));
    let range = range.map(|(first, last)| first.parse().expect("a number")..last.parse().expect("a number"));
    range.unwrap_or(MUTATIONS)
}

fn mutate_all(extension: &str, seed: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(format!("model.{extension}"));
    std::fs::write(&path, seed).expect("a file");
    open(&path, "unchanged").expect("the seed is a model");
    // Panics that the reader's own guard catches need not be printed.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut models, mutations) = (0, mutations());
    let count = mutations.end - mutations.start;
    for number in mutations {
        let (bytes, kind) = mutation::mutated(seed, number);
        std::fs::write(&path, bytes).expect("a file");
        if open(&path, &format!("{extension} {number} ({kind})")).is_ok() {
            models += 1;
        }
    }
    println!("{extension}: {models} of {count} mutations are still models");
    // Most of a file is weights, where any bit gives another valid model; were there none, nothing was reached.
    assert!(models > 0 && models < count);
}

/// Mutations of one of the texts beside a masked autoencoder's weights.
fn mutate_text(name: &str, seed: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mae");
    std::fs::create_dir(&path).expect("a folder");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/vit-mae-32");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(golden.join(file), path.join(file)).expect("a copy");
    }
    std::fs::write(path.join(name), seed).expect("a file");
    open(&path, "unchanged").expect("the seed is a model");
    std::panic::set_hook(Box::new(|_| {}));
    let (mut models, mutations) = (0, mutations());
    let count = mutations.end - mutations.start;
    for number in mutations {
        let (text, kind) = mutated_text::mutated_text(seed, number);
        std::fs::write(path.join(name), text).expect("a file");
        let what = format!("{name} {number} ({kind})");
        if let Ok(model) = open(&path, &what) {
            models += 1;
            let share = model.generator.completion().map(|network| network.mask_ratio());
            assert!(share.is_some_and(|share| share > 0.0 && share < 1.0), "{what}: hides {share:?}");
        }
    }
    println!("{name}: {models} of {count} mutations are still models");
    assert!(models > 0 && models < count);
}

fn saved(extension: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(format!("model.{extension}"));
    save(&path, &tiny::checkpoint()).expect("a written model");
    std::fs::read(&path).expect("a model")
}

#[test]
fn mutated_pt_files() {
    mutate_all("pt", &saved("pt"));
}

#[test]
fn mutated_safetensors_files() {
    mutate_all("safetensors", &saved("safetensors"));
}

#[test]
fn mutated_network_pickles() {
    mutate_all("pkl", include_bytes!("../fixtures/golden/ada-8-conditional.pkl"));
}

#[test]
fn mutated_stylegan3_pickles() {
    mutate_all("pkl", include_bytes!("../fixtures/golden/sg3-t-16-conditional.pkl"));
}

#[test]
fn mutated_dcgan_files() {
    mutate_all("pth", include_bytes!("../fixtures/dcgan/strided-16.pt"));
}

#[test]
fn mutated_dcgan_files_of_the_older_format() {
    mutate_all("pth", include_bytes!("../fixtures/dcgan/strided-16.legacy.pth"));
}

#[test]
fn mutated_configs_of_masked_autoencoders() {
    mutate_text("config.json", include_str!("../fixtures/golden/vit-mae-32/config.json"));
}

#[test]
fn mutated_preprocessor_configs_of_masked_autoencoders() {
    let seed = r#"{"do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.25, 0.5], "size": 32}"#;
    mutate_text("preprocessor_config.json", seed);
}

/// The fuzz targets begin with these; one is in PyTorch's older container.
#[test]
fn seeds_of_the_fuzz_targets_are_models() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for name in
        ["pt/everything.pt", "pt/legacy.pt", "safetensors/bare.safetensors", "safetensors/everything.safetensors"]
    {
        open(&seeds.join(name), name).expect("a model");
    }
    let load = |name: &str| unlearn_studio::checkpoint::load(&seeds.join(name)).expect("a model");
    assert_eq!(load("pt/legacy.pt"), load("pt/bare.pt"));
}
