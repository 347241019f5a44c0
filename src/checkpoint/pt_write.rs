//! Writes `.pt` files that the authors' code loads with `strict=True` and `torch.load` with `weights_only=True`.

use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::assemble::{Entry, LATENT_AVG};
use super::pickle_write::PickleWriter;
use super::{Checkpoint, CheckpointError, OptimState};
use crate::atomic_file;
use crate::networks::{Params, dcgan::is_dcgan, stylegan2::extension, stylegan3::is_stylegan3, vit_mae::is_vit_mae};

/// The folder inside the archive; PyTorch's own name for an archive written to a buffer.
const FOLDER: &str = "archive";
/// PyTorch aligns storages so that they can be mapped into memory.
const ALIGNMENT: u16 = 64;

pub(super) fn save(path: &Path, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
    if let Some(part) = unrepresentable(checkpoint) {
        return Err(CheckpointError::Unrepresentable { file: path.to_owned(), part: part.to_owned() });
    }
    let (pickle, storages) = describe(checkpoint);
    atomic_file::write_with(path, |file| {
        let mut archive = ZipWriter::new(file);
        let written = fill(&mut archive, &pickle, &storages);
        if written.is_err() {
            // Let go, it would try to finish on a disk that is full, and say so on stderr.
            std::mem::forget(archive);
            return written;
        }
        archive.finish().map_err(io_error)?;
        Ok(())
    })
    .map_err(|error| CheckpointError::write(path, &error))
}

fn fill(archive: &mut ZipWriter<impl Write + io::Seek>, pickle: &[u8], storages: &[&[u8]]) -> io::Result<()> {
    let mut add = |name: &str, bytes: &[u8]| -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            // Now would make every file another one.
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(u32::try_from(bytes.len()).is_err())
            .with_alignment(ALIGNMENT);
        archive.start_file(format!("{FOLDER}/{name}"), options).map_err(io_error)?;
        archive.write_all(bytes)
    };
    add("data.pkl", pickle)?;
    add("byteorder", b"little")?;
    for (key, bytes) in storages.iter().enumerate() {
        add(&format!("data/{key}"), bytes)?;
    }
    add("version", b"3\n")
}

/// The system's own error where there is one, so that a full disk is called a full disk.
fn io_error(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// What the rosinality layout has no place for, if the checkpoint has any of it: its code would compute something else.
fn unrepresentable(checkpoint: &Checkpoint) -> Option<&'static str> {
    let generators = [&checkpoint.g_ema, &checkpoint.g].into_iter().flatten();
    if generators.clone().any(is_dcgan) {
        return Some("a DCGAN that was not opened from a .pt or .pth file");
    }
    if generators.clone().any(is_stylegan3) {
        return Some("a StyleGAN3");
    }
    if generators.clone().any(is_vit_mae) {
        return Some("a masked autoencoder");
    }
    let networks = generators.clone().chain(&checkpoint.d);
    let extended = networks.flat_map(Params::keys).find_map(|key| match key.as_str() {
        extension::CONV_CLAMP => Some("clamped convolutions (`conv_clamp`)"),
        extension::LR_MULTIPLIER => Some("a mapping network's own learning-rate multiplier"),
        extension::STDDEV_GROUP => Some("another group size of the minibatch standard deviation than 4"),
        extension::STDDEV_FEATURES => Some("another number of minibatch standard deviation channels than 1"),
        key if key.starts_with("embed.") => Some("classes"),
        _ => None,
    });
    extended.or_else(|| {
        generators.into_iter().find_map(|generator| {
            let widths = || generator.iter().filter(|(key, _)| key.starts_with("style.") && key.ends_with(".weight"));
            let first = widths().next().and_then(|(_, weight)| weight.shape.first());
            let even = widths().all(|(_, weight)| weight.shape.iter().all(|extent| Some(extent) == first));
            let has = |key: &str| generator.contains_key(key);
            match (even, has("conv1.conv.weight") && !has("conv1.noise.weight")) {
                (false, _) => Some("a mapping network of changing width"),
                (true, true) => Some("a generator without noise"),
                (true, false) => None,
            }
        })
    })
}

/// The pickle, and the storages its tensors refer to by place.
fn describe(checkpoint: &Checkpoint) -> (Vec<u8>, Vec<&[u8]>) {
    let Checkpoint { g_ema, g, d, g_optim, d_optim, args, ada_aug_p, metadata, dcgan: _, pickle: _ } = checkpoint;
    let mut pickle = PickleWriter::new();
    let mut storages = Vec::new();
    pickle.dict(|pickle| {
        for (part, params) in [("g", g), ("d", d), ("g_ema", g_ema)] {
            if let Some(params) = params {
                pickle.text(part);
                state_dict(pickle, &mut storages, params);
            }
        }
        if let Some(mean) = [g_ema, g].into_iter().flatten().find_map(|generator| generator.get(extension::W_AVG)) {
            pickle.text(LATENT_AVG);
            tensor(pickle, &mut storages, &Entry::new(LATENT_AVG.to_owned(), mean));
        }
        for (part, state) in [("g_optim", g_optim), ("d_optim", d_optim)] {
            if let Some(state) = state {
                pickle.text(part);
                optimizer(pickle, &mut storages, state);
            }
        }
        // `argparse.Namespace` is not on `weights_only`'s list, so a dictionary stands in for it.
        if !args.is_empty() {
            pickle.text("args");
            pickle.json(&Value::Object(args.clone()));
        }
        if let Some(strength) = ada_aug_p {
            pickle.text("ada_aug_p");
            pickle.float(*strength);
        }
        if !metadata.is_empty() {
            pickle.text("metadata");
            pickle.dict(|pickle| {
                for text in metadata.iter().flat_map(|(key, value)| [key, value]) {
                    pickle.text(text);
                }
            });
        }
    });
    (pickle.finish(), storages)
}

fn state_dict<'a>(pickle: &mut PickleWriter, storages: &mut Vec<&'a [u8]>, params: &'a Params) {
    pickle.ordered_dict(|pickle| {
        for (key, value) in params.iter().filter(|(key, _)| *key != extension::W_AVG) {
            pickle.text(key);
            tensor(pickle, storages, &Entry::new(key.clone(), value));
        }
    });
}

/// `{'state': {0: {'step': ..., 'exp_avg': ..., 'exp_avg_sq': ...}, ...}, 'param_groups': [...]}`.
fn optimizer<'a>(pickle: &mut PickleWriter, storages: &mut Vec<&'a [u8]>, state: &'a OptimState) {
    pickle.dict(|pickle| {
        pickle.text("state");
        pickle.dict(|pickle| {
            for (index, moments) in &state.moments {
                pickle.int(*index as i64);
                pickle.dict(|pickle| {
                    for entry in moments.entries() {
                        pickle.text(&entry.name);
                        tensor(pickle, storages, &entry);
                    }
                });
            }
        });
        pickle.text("param_groups");
        pickle.json(&state.param_groups);
    });
}

fn tensor<'a>(pickle: &mut PickleWriter, storages: &mut Vec<&'a [u8]>, entry: &Entry<'a>) {
    pickle.tensor(storages.len(), entry.shape);
    storages.push(entry.bytes());
}
