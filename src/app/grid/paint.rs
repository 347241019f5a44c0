//! The grid on the GPU: one texture of tiles, one draw call.

use std::{collections::HashMap, sync::Arc};

use bytemuck::Zeroable as _;
use eframe::{
    egui::{PaintCallbackInfo, Rect, Shape},
    egui_wgpu::{Callback, CallbackResources, CallbackTrait, ScreenDescriptor},
    wgpu::{self, util::DeviceExt as _},
};

use super::{
    instance::{DrawMode, Globals, Instance},
    pipeline::{bind_group_layout, pipeline},
};

/// A picture and its place in the texture. Every frame names all its pictures: whether one is there already is known
/// where the texture is, since not every frame that is made is also painted.
#[derive(Clone, Debug)]
pub(crate) struct TileUpload {
    pub(crate) slot: u32,
    /// See [`crate::app::state::tiles::Tile::serial`].
    pub(crate) serial: u64,
    /// `[side, side, 4]`.
    pub(crate) rgba: Arc<[u8]>,
}

/// Everything that one frame of the grid needs.
pub(crate) struct GridFrame {
    pub(crate) format: wgpu::TextureFormat,
    pub(crate) mode: DrawMode,
    pub(crate) globals: Globals,
    pub(crate) instances: Vec<Instance>,
    pub(crate) uploads: Vec<TileUpload>,
    /// Tiles in a row of the atlas and their side; another one means another texture.
    pub(crate) atlas: (usize, usize),
}

impl GridFrame {
    /// The shape that paints it.
    pub(crate) fn shape(self, rect: Rect) -> Shape {
        Shape::Callback(Callback::new_paint_callback(rect, self))
    }
}

struct GridResources {
    format: wgpu::TextureFormat,
    module: wgpu::ShaderModule,
    /// Those that were needed so far.
    pipelines: HashMap<DrawMode, wgpu::RenderPipeline>,
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
    contents: HashMap<u32, u64>,
}

impl GridResources {
    fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("grid"),
            source: wgpu::ShaderSource::Wgsl(include_str!("../../../shaders/grid.wgsl").into()),
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

    fn atlas_texture(&mut self, device: &wgpu::Device, shape: (usize, usize)) -> &mut AtlasTexture {
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
            AtlasTexture { shape, texture, bind_group, contents: HashMap::new() }
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
        if resources.get::<GridResources>().is_none_or(|gpu| gpu.format != self.format) {
            resources.insert(GridResources::new(device, self.format));
        }
        let Some(gpu) = resources.get_mut::<GridResources>() else { return Vec::new() };
        if gpu.capacity < self.instances.len() {
            gpu.capacity = self.instances.len().next_power_of_two();
            gpu.instances = instance_buffer(device, gpu.capacity);
        }
        gpu.count = self.instances.len() as u32;
        let GridResources { pipelines, module, pipeline_layout, .. } = gpu;
        pipelines.entry(self.mode).or_insert_with(|| pipeline(device, module, pipeline_layout, self.format, self.mode));
        queue.write_buffer(&gpu.globals, 0, bytemuck::bytes_of(&self.globals));
        queue.write_buffer(&gpu.instances, 0, bytemuck::cast_slice(&self.instances));
        let (columns, side) = self.atlas;
        let AtlasTexture { texture, contents, .. } = gpu.atlas_texture(device, self.atlas);
        for TileUpload { slot, serial, rgba } in &self.uploads {
            if contents.insert(*slot, *serial) == Some(*serial) {
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
        let Some(gpu) = resources.get::<GridResources>() else { return };
        let (Some(atlas), Some(pipeline)) = (&gpu.atlas, gpu.pipelines.get(&self.mode)) else { return };
        render_pass.set_pipeline(pipeline);
        render_pass.set_bind_group(0, &atlas.bind_group, &[]);
        render_pass.set_vertex_buffer(0, gpu.instances.slice(..));
        render_pass.draw(0..4, 0..gpu.count);
    }
}
