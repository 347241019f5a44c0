//! Which compute device: a GPU through wgpu, else the CPU.
//!
//! Automatic choice: discrete GPU, integrated GPU, CPU. A software Vulkan adapter is never chosen by itself: it is ten
//! times slower than the CPU backend.

use burn::tensor::{
    Device, DeviceKind, FloatDType,
    wgpu::wgpu::{Backend, Backends, DeviceType, Instance, InstanceDescriptor},
};
use serde::{Deserialize, Serialize};

/// What the person asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// What kind of device it is, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A graphics card.
    Discrete,
    /// A GPU within the processor.
    Integrated,
    /// A GPU of the host, seen by a virtual machine.
    Virtual,
    /// A software implementation of a GPU.
    Software,
    /// The processor.
    Cpu,
}

impl Kind {
    /// In a person's words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Discrete => "graphics card",
            Self::Integrated => "integrated GPU",
            Self::Virtual => "virtual GPU",
            Self::Software => "GPU in software: slower than the CPU",
            Self::Cpu => "processor",
        }
    }
}

/// A device as a person wants to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCard {
    /// `CPU`, or the adapter's own name; with a number behind it if there are several of that name.
    pub name: String,
    /// What kind it is.
    pub kind: Kind,
    /// The graphics interface it is reached through; none for the CPU.
    pub api: Option<&'static str>,
    /// Its memory in bytes, where the system tells it. wgpu does not: it is known for the CPU and for AMD's driver on Linux.
    pub memory: Option<u64>,
}

impl DeviceCard {
    /// Whether it computes through a graphics interface, and so tunes its kernels at first.
    pub fn is_gpu(&self) -> bool {
        self.kind != Kind::Cpu
    }
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
    /// What kind it is.
    pub kind: Kind,
    /// See [`DeviceCard::api`].
    pub api: Option<&'static str>,
    /// See [`DeviceCard::memory`].
    pub memory: Option<u64>,
}

impl ComputeDevice {
    /// The graphics interfaces that there are, see [`DeviceCard::api`].
    pub const APIS: &[&str] = &["Vulkan", "Metal", "DirectX 12"];

    /// What a person wants to know of it.
    pub fn card(&self) -> DeviceCard {
        DeviceCard { name: self.name.clone(), kind: self.kind, api: self.api, memory: self.memory }
    }

    /// Whether it can store maps in half precision; the error says why not.
    pub fn half_precision(&self) -> Result<(), NoHalfPrecision> {
        if self.device == Device::flex() {
            return Err(NoHalfPrecision::Processor);
        }
        match self.device.supports_dtype(FloatDType::F16) {
            true => Ok(()),
            false => Err(NoHalfPrecision::Missing(self.name.clone())),
        }
    }

    /// Bytes that a run may take, as far as they are known: what is free in the machine, or all that a graphics card has.
    pub fn usable_memory(&self) -> Option<u64> {
        match self.kind {
            Kind::Cpu => system_memory().map(|memory| memory.available),
            _ => self.memory,
        }
    }

    /// Bytes of it that are free beside so many that are held already.
    pub fn free_beside(&self, held: u64) -> Option<u64> {
        Some(free_beside(self.kind, self.usable_memory()?, held))
    }
}

/// What is free of usable memory beside so many bytes that are held already: a system says what is free, of a graphics card all memory is
/// known.
pub fn free_beside(kind: Kind, usable: u64, held: u64) -> u64 {
    if kind == Kind::Cpu { usable } else { usable.saturating_sub(held) }
}

/// There is no device of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no GPU was found: no Vulkan, Metal or DirectX 12 adapter; choose the CPU instead")]
pub struct NoGpu;

/// Maps cannot be stored in half precision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHalfPrecision {
    /// It is no GPU.
    #[error("half precision is for GPUs, and this computes on the processor: set it to off or auto")]
    Processor,
    /// The GPU of this name does not compute with such numbers.
    #[error("{0} knows no 16-bit floating-point numbers: set half precision to off or auto")]
    Missing(String),
}

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

/// The device of choice; of several GPUs the one of this name (see [`DeviceCard::name`]), as long as it is there.
pub fn open(choice: DeviceChoice, adapter: Option<&str>) -> Result<ComputeDevice, NoGpu> {
    let named = |name: &str| gpus().into_iter().find(|gpu| gpu.name == name);
    match (choice, adapter.and_then(|name| (choice == DeviceChoice::Gpu).then(|| named(name)).flatten())) {
        (_, Some(gpu)) => Ok(gpu),
        (choice, None) => choice.open(),
    }
}

/// The CPU backend.
pub fn cpu() -> ComputeDevice {
    let memory = system_memory().map(|memory| memory.total);
    let name = "CPU".to_owned();
    ComputeDevice { device: Device::flex(), name, software: false, kind: Kind::Cpu, api: None, memory }
}

/// Every GPU, best first, software adapters last. Each is listed once, on the graphics interface that the backend takes:
/// the first of Vulkan, Metal and DirectX 12 on which there is one.
pub fn gpus() -> Vec<ComputeDevice> {
    let descriptor =
        InstanceDescriptor { backends: Backends::PRIMARY, ..InstanceDescriptor::new_without_display_handle() };
    let instance = Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(Backends::PRIMARY));
    let infos: Vec<_> = adapters.iter().map(|adapter| adapter.get_info()).collect();
    let real = |api: &Backend| infos.iter().any(|info| info.backend == *api && info.device_type != DeviceType::Cpu);
    let apis = [Backend::Vulkan, Backend::Metal, Backend::Dx12];
    let any = |api: &Backend| infos.iter().any(|info| info.backend == *api);
    let Some(api) = apis.into_iter().find(real).or_else(|| apis.into_iter().find(any)) else { return Vec::new() };
    let mut counts = [0; 3];
    let mut found: Vec<ComputeDevice> = Vec::new();
    for info in infos.into_iter().filter(|info| info.backend == api) {
        let [discrete, integrated, virtual_] = &mut counts;
        let next = |count: &mut usize| std::mem::replace(count, *count + 1);
        let (kind, device) = match info.device_type {
            DeviceType::DiscreteGpu => (Kind::Discrete, DeviceKind::DiscreteGpu(next(discrete))),
            DeviceType::IntegratedGpu => (Kind::Integrated, DeviceKind::IntegratedGpu(next(integrated))),
            DeviceType::VirtualGpu => (Kind::Virtual, DeviceKind::VirtualGpu(next(virtual_))),
            DeviceType::Cpu => (Kind::Software, DeviceKind::Cpu),
            DeviceType::Other => continue,
        };
        let name = distinct(&info.name, |name| found.iter().any(|gpu| gpu.name == name));
        found.push(ComputeDevice {
            device: Device::wgpu(device),
            name,
            software: kind == Kind::Software,
            kind,
            api: Some(match api {
                Backend::Metal => "Metal",
                Backend::Dx12 => "DirectX 12",
                _ => "Vulkan",
            }),
            memory: if kind == Kind::Discrete { video_memory(&info.device_pci_bus_id) } else { None },
        });
    }
    found.sort_by_key(|gpu| gpu.kind);
    found
}

/// The name, with a number behind it where it is taken.
fn distinct(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2_usize..).map(|number| format!("{name} ({number})"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// Memory of this machine, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemMemory {
    /// All there is.
    pub total: u64,
    /// What programs may still take.
    pub available: u64,
}

/// Memory of this machine, where the system tells it without further ado: on Linux.
pub fn system_memory() -> Option<SystemMemory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        kilobytes.checked_mul(1024)
    };
    Some(SystemMemory { total: bytes("MemTotal")?, available: bytes("MemAvailable")? })
}

/// Memory of the card at a PCI address, as AMD's driver on Linux tells it.
fn video_memory(address: &str) -> Option<u64> {
    let plain = address.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'));
    let path = format!("/sys/bus/pci/devices/{address}/mem_info_vram_total");
    std::fs::read_to_string(path).ok().filter(|_| plain)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_always_there() {
        let card = cpu().card();
        assert_eq!((card.name.as_str(), card.kind, card.api, card.is_gpu()), ("CPU", Kind::Cpu, None, false));
        if cfg!(target_os = "linux") {
            let memory = system_memory().unwrap();
            assert!(memory.available <= memory.total && memory.total > 1 << 28, "{memory:?}");
            assert_eq!(card.memory, Some(memory.total));
        }
        assert_eq!(cpu().half_precision(), Err(NoHalfPrecision::Processor));
        assert_eq!(open(DeviceChoice::Cpu, Some("a card that was taken out")).unwrap().kind, Kind::Cpu);
    }

    #[test]
    fn every_gpu_has_a_name_of_its_own() {
        let mut names: Vec<String> = Vec::new();
        for name in ["A", "A Ti", "A", "A", "B"] {
            names.push(distinct(name, |name| names.iter().any(|taken| taken == name)));
        }
        assert_eq!(names, ["A", "A Ti", "A (2)", "A (3)", "B"]);

        let names: Vec<String> = gpus().into_iter().map(|gpu| gpu.name).collect();
        if names.is_empty() {
            crate::skip::skip!("there is no Vulkan, Metal or DirectX 12 adapter on this machine");
        }
        let unique: std::collections::HashSet<&String> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "{names:?}");
    }

    #[test]
    fn only_addresses_are_looked_up() {
        assert_eq!(video_memory("../../../etc"), None);
        assert_eq!(video_memory(""), None);
    }
}
