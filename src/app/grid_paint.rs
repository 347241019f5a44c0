//! The grid on the GPU: one texture of tiles, one draw call.

mod pipeline;

use std::{collections::HashMap, sync::Arc};

use bytemuck::{Pod, Zeroable};
use eframe::{
    egui::{Color32, PaintCallbackInfo, Rect, Shape},
    egui_wgpu::{Callback, CallbackResources, CallbackTrait, ScreenDescriptor},
    wgpu::{self, util::DeviceExt as _},
};

use pipeline::{bind_group_layout, pipeline};

/// No tile: see `NONE` in `shaders/grid.wgsl`.
pub(super) const NO_SLOT: u32 = u32::MAX;
/// The flags of [`Instance`].
pub(super) mod flag {
    pub(in crate::app) const NEGATIVE: u32 = 1;
    pub(in crate::app) const POSITIVE: u32 = 2;
    pub(in crate::app) const CURSOR: u32 = 4;
    pub(in crate::app) const HOVERED: u32 = 8;
    pub(in crate::app) const CAUGHT: u32 = 16;
}

/// One tile, as the shader takes it.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Instance {
    /// Left, top, width, height in points from the grid's corner.
    pub(super) rect: [f32; 4],
    /// Places of before and after.
    pub(super) slots: [u32; 2],
    /// See [`flag`].
    pub(super) flags: u32,
    /// How far before and after have faded in.
    pub(super) fade: [f32; 2],
}

/// What is the same for all tiles, as the shader takes it.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Globals {
    pub(super) size: [f32; 2],
    pub(super) scale: f32,
    pub(super) pad0: f32,
    pub(super) split: f32,
    pub(super) radius: f32,
    pub(super) columns: u32,
    pub(super) tile: f32,
    pub(super) atlas: f32,
    pub(super) pad: [f32; 3],
    pub(super) negative: [f32; 4],
    pub(super) positive: [f32; 4],
    pub(super) before: [f32; 4],
    pub(super) after: [f32; 4],
    pub(super) cursor: [f32; 4],
    pub(super) empty: [f32; 4],
}

/// A picture and its place in the texture. Every frame names all its pictures: whether one is there already is known
/// where the texture is, since not every frame that is made is also painted.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) slot: u32,
    /// See [`super::tiles::Tile::serial`].
    pub(super) serial: u64,
    /// `[side, side, 4]`.
    pub(super) rgba: Arc<[u8]>,
}

/// How the pictures are drawn: every way has a pipeline of its own, see `shaders/grid.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Way {
    /// 0 after, 1 before, 2 split, 3 difference, 4 heat.
    pub(super) mode: u8,
    /// Pictures are drawn smaller than they are.
    pub(super) shrunk: bool,
}

/// Everything that one frame of the grid needs.
pub(super) struct GridFrame {
    pub(super) format: wgpu::TextureFormat,
    pub(super) way: Way,
    pub(super) globals: Globals,
    pub(super) instances: Vec<Instance>,
    pub(super) pictures: Vec<Picture>,
    /// Tiles in a row of the atlas and their side; another one means another texture.
    pub(super) atlas: (usize, usize),
}

impl GridFrame {
    /// The shape that paints it.
    pub(super) fn shape(self, rect: Rect) -> Shape {
        Shape::Callback(Callback::new_paint_callback(rect, self))
    }
}

/// A colour as the shader takes it.
pub(super) fn colour(colour: Color32) -> [f32; 4] {
    colour.to_normalized_gamma_f32()
}

struct Gpu {
    format: wgpu::TextureFormat,
    module: wgpu::ShaderModule,
    /// Those that were needed so far.
    pipelines: HashMap<Way, wgpu::RenderPipeline>,
    pipeline_layout: wgpu::PipelineLayout,
    layout: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
    globals: wgpu::Buffer,
    instances: wgpu::Buffer,
    capacity: usize,
    count: u32,
    atlas: Option<AtlasTexture>,
}

struct AtlasTexture {
    shape: (usize, usize),
    texture: wgpu::Texture,
    bind_group: wgpu::BindGroup,
    /// The picture at each place.
    holds: HashMap<u32, u64>,
}

impl Gpu {
    fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("grid"),
            source: wgpu::ShaderSource::Wgsl(include_str!("../../shaders/grid.wgsl").into()),
        });
        let layout = bind_group_layout(device);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("grid"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("grid"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..wgpu::SamplerDescriptor::default()
        });
        let globals = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("grid"),
            contents: bytemuck::bytes_of(&Globals::zeroed()),
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        });
        let capacity = 512;
        let instances = instance_buffer(device, capacity);
        Self {
            format,
            module,
            pipelines: HashMap::new(),
            pipeline_layout,
            layout,
            sampler,
            globals,
            instances,
            capacity,
            count: 0,
            atlas: None,
        }
    }

    fn atlas(&mut self, device: &wgpu::Device, shape: (usize, usize)) -> &mut AtlasTexture {
        if self.atlas.as_ref().is_some_and(|atlas| atlas.shape != shape) {
            self.atlas = None;
        }
        self.atlas.get_or_insert_with(|| {
            let side = (shape.0 * shape.1) as u32;
            let texture = device.create_texture(&wgpu::TextureDescriptor {
                label: Some("grid"),
                size: wgpu::Extent3d { width: side, height: side, depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba8Unorm,
                usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            });
            let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
            let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("grid"),
                layout: &self.layout,
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: self.globals.as_entire_binding() },
                    wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::TextureView(&view) },
                    wgpu::BindGroupEntry { binding: 2, resource: wgpu::BindingResource::Sampler(&self.sampler) },
                ],
            });
            AtlasTexture { shape, texture, bind_group, holds: HashMap::new() }
        })
    }
}

fn instance_buffer(device: &wgpu::Device, capacity: usize) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("grid"),
        size: (capacity * size_of::<Instance>()) as u64,
        usage: wgpu::BufferUsages::VERTEX | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

impl CallbackTrait for GridFrame {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if resources.get::<Gpu>().is_none_or(|gpu| gpu.format != self.format) {
            resources.insert(Gpu::new(device, self.format));
        }
        let Some(gpu) = resources.get_mut::<Gpu>() else { return Vec::new() };
        if gpu.capacity < self.instances.len() {
            gpu.capacity = self.instances.len().next_power_of_two();
            gpu.instances = instance_buffer(device, gpu.capacity);
        }
        gpu.count = self.instances.len() as u32;
        let Gpu { pipelines, module, pipeline_layout, .. } = gpu;
        pipelines.entry(self.way).or_insert_with(|| pipeline(device, module, pipeline_layout, self.format, self.way));
        queue.write_buffer(&gpu.globals, 0, bytemuck::bytes_of(&self.globals));
        queue.write_buffer(&gpu.instances, 0, bytemuck::cast_slice(&self.instances));
        let (columns, side) = self.atlas;
        let AtlasTexture { texture, holds, .. } = gpu.atlas(device, self.atlas);
        for Picture { slot, serial, rgba } in &self.pictures {
            if holds.insert(*slot, *serial) == Some(*serial) {
                continue;
            }
            let (x, y) = (*slot as usize % columns * side, *slot as usize / columns * side);
            queue.write_texture(
                wgpu::TexelCopyTextureInfo {
                    texture,
                    mip_level: 0,
                    origin: wgpu::Origin3d { x: x as u32, y: y as u32, z: 0 },
                    aspect: wgpu::TextureAspect::All,
                },
                rgba,
                wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(side as u32 * 4),
                    rows_per_image: Some(side as u32),
                },
                wgpu::Extent3d { width: side as u32, height: side as u32, depth_or_array_layers: 1 },
            );
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        render_pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        let Some(gpu) = resources.get::<Gpu>() else { return };
        let (Some(atlas), Some(pipeline)) = (&gpu.atlas, gpu.pipelines.get(&self.way)) else { return };
        render_pass.set_pipeline(pipeline);
        render_pass.set_bind_group(0, &atlas.bind_group, &[]);
        render_pass.set_vertex_buffer(0, gpu.instances.slice(..));
        render_pass.draw(0..4, 0..gpu.count);
    }
}
