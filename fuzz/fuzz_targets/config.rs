//! The `config.json` of a masked autoencoder's folder, beside good weights.

#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use unlearn_studio_fuzz::{file, open_model_at};

const WEIGHTS: &[u8] = include_bytes!("../../tests/fixtures/golden/vit-mae-32/model.safetensors");

/// The folder, with its weights.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    file("model.safetensors", WEIGHTS).parent().expect("a folder").to_owned()
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fs::write(FOLDER.join("config.json"), bytes).expect("a file in the temporary folder");
    open_model_at(&FOLDER);
});
