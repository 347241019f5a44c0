//! A GPU that computes nothing: wgpu's `noop` backend, which holds buffers, checks shaders and drops what is launched.
//!
//! It is as large as a card of today (`limits`), without matrix units. Burn measures several ways to compute something and takes the quickest: here every
//! launch takes the same time (`while_tuning`), so that it takes the one with the fewest launches; but columns, which take nine times the memory of a map,
//! take longer. A busy machine blurs that: `nice -n -20` helps.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuSetup, wgpu};
use burn_cubecl::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, autotune::AutotuneLevel};
use burn_cubecl::cubecl::logging::{LaunchObservation, LaunchObserver};
use wgpu::hal::{self, Instance as _, noop};

/// How often each way is measured.
const SAMPLES: usize = 3;

/// What a launch takes, many times what the host needs for it.
const LAUNCH: Duration = Duration::from_micros(300);

struct Waits;

impl LaunchObserver for Waits {
    fn launched(&self, kernel: &'static str) {
        let start = Instant::now();
        let columns = ["im2col", "col2im"].iter().any(|columns| kernel.to_lowercase().contains(columns));
        let time = if columns { 4 * LAUNCH } else { LAUNCH };
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
    }
}

/// Makes every launch take its time for as long as this is kept.
pub fn while_tuning() -> LaunchObservation {
    LaunchObservation::new(Arc::new(Waits))
}

/// What a card of NVIDIA's reports through Vulkan, as far as kernels depend on it.
fn limits() -> wgpu::Limits {
    wgpu::Limits {
        max_bind_groups: 8,
        max_storage_buffers_per_shader_stage: 1 << 20,
        max_buffers_and_acceleration_structures_per_shader_stage: 1 << 20,
        max_buffer_size: (1 << 32) - 4,
        max_storage_buffer_binding_size: (1 << 32) - 4,
        min_uniform_buffer_offset_alignment: 64,
        min_storage_buffer_offset_alignment: 32,
        max_compute_workgroup_storage_size: 48 << 10,
        max_compute_invocations_per_workgroup: 1024,
        max_compute_workgroup_size_x: 1024,
        max_compute_workgroup_size_y: 1024,
        max_compute_workgroup_size_z: 64,
        max_immediate_size: 256,
        ..wgpu::Limits::default()
    }
}

/// The device. Nothing that was measured on it is kept.
pub fn device() -> Device {
    let mut config = CubeClRuntimeConfig::default();
    config.autotune.disable_cache = true;
    // All others compare with what the device could reach, which nobody can measure here.
    config.autotune.level = AutotuneLevel::Full;
    config.autotune.bench.min_samples = SAMPLES;
    config.autotune.bench.max_samples = SAMPLES;
    CubeClRuntimeConfig::set(config);

    let wanted = wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16 | wgpu::Features::IMMEDIATES;
    let noop = wgpu::NoopBackendOptions {
        limits: Some(limits()),
        features: Some(wanted),
        device_type: Some(wgpu::DeviceType::DiscreteGpu),
        subgroup_min_size: Some(32),
        subgroup_max_size: Some(32),
        ..wgpu::NoopBackendOptions::enabled()
    };
    let descriptor = hal::InstanceDescriptor {
        name: "launches",
        flags: wgpu::InstanceFlags::empty(),
        memory_budget_thresholds: wgpu::MemoryBudgetThresholds::default(),
        backend_options: wgpu::BackendOptions { noop, ..wgpu::BackendOptions::default() },
        telemetry: None,
        display: None,
    };
    // SAFETY: the backend has no instance, adapter or handle of any other library behind it; what is made of one stays with it.
    let (instance, adapter) = unsafe {
        let instance = noop::Context::init(&descriptor).expect("it is enabled");
        let mut adapter = instance.enumerate_adapters(None).pop().expect("there is one");
        adapter.info.device_type = wgpu::DeviceType::DiscreteGpu;
        let instance = wgpu::Instance::from_hal::<noop::Api>(instance);
        let adapter = instance.create_adapter_from_hal(adapter);
        (instance, adapter)
    };
    let descriptor = wgpu::DeviceDescriptor {
        required_features: adapter.features(),
        required_limits: adapter.limits(),
        ..wgpu::DeviceDescriptor::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("nothing can fail");
    let setup = WgpuSetup { instance, adapter, device, queue, backend: wgpu::Backend::Noop };
    Device::wgpu_options().setup(setup).init().expect("kernels are compiled to WGSL")
}
