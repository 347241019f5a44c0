//! Which compute device: a GPU through wgpu, else the CPU.
//!
//! Automatic choice: discrete GPU, integrated GPU, CPU. A software Vulkan adapter is never chosen by itself: it is ten
//! times slower than the CPU backend.

use burn::tensor::{
    Device, DeviceKind,
    wgpu::wgpu::{Backends, DeviceType, Instance, InstanceDescriptor},
};
use serde::{Deserialize, Serialize};

/// What the person asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// The best GPU, else the CPU.
    #[default]
    Auto,
    /// A GPU; a software adapter only if there is no other.
    Gpu,
    /// The CPU.
    Cpu,
}

/// A device and how to name it to a person.
#[derive(Clone, Debug)]
pub struct ComputeDevice {
    /// The device, without autodiff.
    pub device: Device,
    /// `CPU`, or the adapter's own name.
    pub name: String,
    /// Whether it is a software implementation of a GPU.
    pub software: bool,
}

/// There is no device of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no GPU was found: no Vulkan, Metal or DirectX 12 adapter; use --device cpu")]
pub struct NoGpu;

impl DeviceChoice {
    /// Finds the device. Looking for GPUs opens the graphics drivers, which takes a moment.
    pub fn open(self) -> Result<ComputeDevice, NoGpu> {
        let gpu = match self {
            Self::Cpu => None,
            Self::Auto => gpus().into_iter().find(|gpu| !gpu.software),
            Self::Gpu => Some(gpus().into_iter().next().ok_or(NoGpu)?),
        };
        Ok(gpu.unwrap_or_else(cpu))
    }
}

/// The CPU backend.
pub fn cpu() -> ComputeDevice {
    ComputeDevice { device: Device::flex(), name: "CPU".to_owned(), software: false }
}

/// Every GPU, best first, software adapters last.
pub fn gpus() -> Vec<ComputeDevice> {
    let descriptor =
        InstanceDescriptor { backends: Backends::PRIMARY, ..InstanceDescriptor::new_without_display_handle() };
    let instance = Instance::new(descriptor);
    let mut counts = [0; 3];
    let mut seen = Vec::new();
    let adapters = pollster::block_on(instance.enumerate_adapters(Backends::PRIMARY));
    for adapter in adapters {
        let info = adapter.get_info();
        let (rank, kind) = match info.device_type {
            DeviceType::DiscreteGpu => (0, DeviceKind::DiscreteGpu(counts[0])),
            DeviceType::IntegratedGpu => (1, DeviceKind::IntegratedGpu(counts[1])),
            DeviceType::VirtualGpu => (2, DeviceKind::VirtualGpu(counts[2])),
            DeviceType::Cpu => (3, DeviceKind::Cpu),
            DeviceType::Other => continue,
        };
        if let Some(count) = counts.get_mut(rank) {
            *count += 1;
        }
        seen.push((rank, kind, info.name));
    }
    seen.sort_by_key(|(rank, ..)| *rank);
    seen.into_iter()
        .map(|(rank, kind, name)| ComputeDevice { device: Device::wgpu(kind), name, software: rank == 3 })
        .collect()
}
