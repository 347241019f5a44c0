//! What several test files need.
#![allow(dead_code)]

pub mod skip;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::tensor::{Device, Tensor, TensorData};
use unlearn_studio::{
    checkpoint::read_tensors,
    device::{self, DeviceChoice},
    engine::Model,
    networks::{FlatParams, HostTensor},
    unlearn::Gan,
};

/// The folder of golden checkpoints: the repository's own, or the one `UNLEARN_GOLDEN` names.
pub fn golden_folder() -> PathBuf {
    std::env::var_os("UNLEARN_GOLDEN")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden"), PathBuf::from)
}

/// The device that `UNLEARN_DEVICE` names, `cpu` by default.
pub fn device() -> Device {
    match std::env::var("UNLEARN_DEVICE").as_deref() {
        Ok("gpu") => DeviceChoice::Gpu.open().expect("UNLEARN_DEVICE=gpu needs a GPU").device,
        _ => device::cpu().device,
    }
}

/// Names of the checkpoints `NAME.pt` and `NAME.pkl` that have expected numbers.
pub fn checkpoints(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the golden folder exists")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".expected.safetensors").map(str::to_owned))
        .filter(|name| {
            let readable = checkpoint_file(folder, name).is_some();
            if !readable {
                skip::note(name, "there is no .pt or .pkl file of this name that it could be compared with");
            }
            readable
        })
        .collect();
    names.sort();
    names
}

fn checkpoint_file(folder: &Path, name: &str) -> Option<PathBuf> {
    ["pt", "pkl"].iter().map(|extension| folder.join(format!("{name}.{extension}"))).find(|path| path.is_file())
}

/// A golden checkpoint with its expected numbers.
pub struct Golden {
    pub name: String,
    pub folder: PathBuf,
    pub gan: Gan,
    pub model: Model,
    tensors: BTreeMap<String, HostTensor>,
    metadata: BTreeMap<String, String>,
}

impl Golden {
    pub fn open(folder: &Path, name: &str, device: &Device) -> Self {
        let (tensors, metadata) =
            read_tensors(&folder.join(format!("{name}.expected.safetensors"))).expect("expected numbers");
        let file = checkpoint_file(folder, name).expect("a golden checkpoint");
        let model = Model::load(&file, device).expect("a golden checkpoint");
        let gan = model.gan.clone().expect("a discriminator");
        Self { name: name.to_owned(), folder: folder.to_owned(), gan, model, tensors, metadata }
    }

    /// Whether the checkpoint is an NVlabs network pickle.
    pub fn is_pickle(&self) -> bool {
        self.model.path.extension().is_some_and(|extension| extension == "pkl")
    }

    pub fn has(&self, key: &str) -> bool {
        self.tensors.contains_key(key)
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn expected(&self, key: &str) -> &HostTensor {
        self.tensors.get(key).unwrap_or_else(|| panic!("{}: no expected {key}", self.name))
    }

    pub fn metadata(&self, key: &str) -> &str {
        &self.metadata[key]
    }

    pub fn tensor<const D: usize>(&self, key: &str, device: &Device) -> Tensor<D> {
        let tensor = self.expected(key);
        Tensor::from_data(TensorData::new(tensor.data.clone(), tensor.shape.clone()), device)
    }

    /// The parameters of the adapted generators beside the checkpoint, each `[parameters]`.
    pub fn adapted(&self, device: &Device) -> Vec<Tensor<1>> {
        (0..)
            .map(|k| self.folder.join(format!("{}.adapted{k}.pt", self.name)))
            .take_while(|path| path.is_file())
            .map(|path| {
                let checkpoint = unlearn_studio::checkpoint::load(&path).expect("an adapted generator");
                let params = checkpoint.g_ema.expect("g_ema");
                FlatParams::from_host(&self.gan.g.layout, &params, device).values
            })
            .collect()
    }
}
