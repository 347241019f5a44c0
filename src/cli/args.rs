//! Options that several verbs share.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::{
    data::ImageSource,
    device::{ComputeDevice, DeviceChoice},
    engine::OpenRequest,
    feedback::LabelerSpec,
};

/// The compute device.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct DeviceArgs {
    /// Compute device.
    #[arg(long, value_enum, default_value_t)]
    pub(super) device: DeviceName,
}

impl DeviceArgs {
    pub(super) fn open(self) -> anyhow::Result<ComputeDevice> {
        Ok(DeviceChoice::from(self.device).open()?)
    }
}

/// A [`DeviceChoice`] as it is written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum DeviceName {
    /// The best GPU, else the CPU.
    #[default]
    Auto,
    /// A GPU; a software adapter only if there is no other.
    Gpu,
    /// The CPU.
    Cpu,
}

impl From<DeviceName> for DeviceChoice {
    fn from(name: DeviceName) -> Self {
        match name {
            DeviceName::Auto => Self::Auto,
            DeviceName::Gpu => Self::Gpu,
            DeviceName::Cpu => Self::Cpu,
        }
    }
}

/// Which class of a class-conditional model.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct ClassArgs {
    /// Draw only this class of a class-conditional model; without it, every sample has a class of its own.
    #[arg(long, value_name = "CLASS")]
    pub(super) class: Option<usize>,
}

/// What a model needs beside its file.
#[derive(Clone, Debug, Args)]
pub(super) struct ModelArgs {
    /// Number of classes of a class-conditional DCGAN, which stand one-hot behind its latent; no such file says so.
    #[arg(long, value_name = "N")]
    pub(super) classes: Option<usize>,
    /// The pictures of a model that completes pictures: a folder, an IDX file (as MNIST's, .gz or not), or `avatars`.
    #[arg(long, value_name = "PICTURES")]
    pictures: Option<PathBuf>,
}

impl ModelArgs {
    /// The pictures that were named.
    pub(super) fn pictures(&self) -> Option<ImageSource> {
        self.pictures.clone().map(ImageSource::of)
    }

    /// The request to open a model file.
    pub(super) fn open(&self, path: &Path) -> OpenRequest {
        OpenRequest { path: path.to_owned(), classes: self.classes, pictures: self.pictures() }
    }
}

/// A classifier in an ONNX file.
#[derive(Clone, Debug, Args)]
pub(super) struct LabelerArgs {
    /// Mean that the labeler subtracts from values in [0, 1]: one number, or one per channel.
    #[arg(long, value_delimiter = ',', value_name = "MEAN")]
    labeler_mean: Option<Vec<f32>>,
    /// Standard deviation that the labeler divides by: one number, or one per channel.
    #[arg(long, value_delimiter = ',', value_name = "STD")]
    labeler_std: Option<Vec<f32>>,
}

impl LabelerArgs {
    pub(super) fn spec(&self, path: &Path) -> LabelerSpec {
        LabelerSpec { path: path.to_owned(), mean: self.labeler_mean.clone(), std: self.labeler_std.clone() }
    }
}

/// A time, as an option gives it.
pub(super) fn seconds(seconds: f64) -> Result<std::time::Duration, super::unusable::Unusable> {
    std::time::Duration::try_from_secs_f64(seconds)
        .map_err(|_| super::unusable::Unusable(format!("{seconds} is no number of seconds")))
}

/// A number of things, at least one.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}
