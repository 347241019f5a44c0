//! What several test files need.
#![allow(dead_code)]

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

/// The checkpoints of a folder, by file name: every file of PyTorch or pickle, every folder. Files that share a name up to
/// the first dot share one `NAME.expected.safetensors`.
pub fn checkpoints(folder: &Path) -> Vec<String> {
    let is_checkpoint = |path: &Path, name: &str| {
        let named = ["pt", "pth", "pkl"].iter().any(|extension| path.extension().is_some_and(|e| e == *extension));
        (named || path.is_dir()) && !name.contains(".adapted")
    };
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the golden folder exists")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.path(), entry.file_name().into_string().expect("a name in UTF-8")))
        .filter(|(path, name)| is_checkpoint(path, name))
        .map(|(_, name)| name)
        .collect();
    names.sort();
    names
}

/// A golden checkpoint with its expected numbers.
pub struct Golden {
    /// The name of its file.
    pub name: String,
    pub folder: PathBuf,
    pub model: Model,
    tensors: BTreeMap<String, HostTensor>,
    metadata: BTreeMap<String, String>,
}

impl Golden {
    /// The checkpoint in the file (or folder) `name`.
    pub fn open(folder: &Path, name: &str, device: &Device) -> Self {
        let stem = name.split('.').next().expect("a name");
        let (tensors, metadata) =
            read_tensors(&folder.join(format!("{stem}.expected.safetensors"))).expect("expected numbers");
        // No file of a DCGAN says how many classes it has.
        let classes = metadata.get("classes").and_then(|classes| classes.parse().ok()).filter(|classes| *classes > 0);
        let opened = Model::load_with_classes(&folder.join(name), classes, device, &mut |_, _| {});
        let model = opened.expect("a golden checkpoint");
        Self { name: name.to_owned(), folder: folder.to_owned(), model, tensors, metadata }
    }

    /// Everything that training needs.
    pub fn gan(&self) -> &Gan {
        self.model.gan().expect("a discriminator")
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
            .map(|k| self.folder.join(format!("{}.adapted{k}.pt", self.name.trim_end_matches(".pt"))))
            .take_while(|path| path.is_file())
            .map(|path| {
                let checkpoint = unlearn_studio::checkpoint::load(&path).expect("an adapted generator");
                let params = checkpoint.g_ema.expect("g_ema");
                FlatParams::from_host(&self.gan().g.layout, &params, device).values
            })
            .collect()
    }
}
