//! The colour behind the grid, half a window of it.
//!
//! egui's own shader looks a texture up for every pixel, also for those of a plain rectangle. Without a GPU that is most of
//! a frame's time, so the panels show what the window is cleared with, and this one colour has a shader of its own.

use std::collections::HashMap;

use eframe::{
    egui::{Color32, PaintCallbackInfo, Rect, Shape},
    egui_wgpu::{Callback, CallbackResources, CallbackTrait, ScreenDescriptor},
    wgpu,
};

const SHADER: &str = "
override RED: f32 = 0.0;
override GREEN: f32 = 0.0;
override BLUE: f32 = 0.0;

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return vec4<f32>(f32(index & 1u) * 2.0 - 1.0, f32(index >> 1u) * 2.0 - 1.0, 0.0, 1.0);
}

@fragment
fn fragment() -> @location(0) vec4<f32> {
    return vec4<f32>(RED, GREEN, BLUE, 1.0);
}
";

/// A rectangle of one colour; without a format, as egui draws it.
pub(crate) fn background(rect: Rect, colour: Color32, format: Option<wgpu::TextureFormat>) -> Shape {
    match format {
        Some(format) => Shape::Callback(Callback::new_paint_callback(rect, Background { colour, format })),
        None => Shape::rect_filled(rect, 0.0, colour),
    }
}

struct Background {
    colour: Color32,
    format: wgpu::TextureFormat,
}

/// One for each colour: there are two themes.
#[derive(Default)]
struct Pipelines(HashMap<(Color32, wgpu::TextureFormat), wgpu::RenderPipeline>);

impl CallbackTrait for Background {
    fn prepare(
        &self,
        device: &wgpu::Device,
        _queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let Pipelines(pipelines) = resources.entry().or_insert_with(Pipelines::default);
        pipelines.entry((self.colour, self.format)).or_insert_with(|| pipeline(device, self));
        Vec::new()
    }

    fn paint(&self, _info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, resources: &CallbackResources) {
        let key = (self.colour, self.format);
        if let Some(pipeline) = resources.get::<Pipelines>().and_then(|Pipelines(known)| known.get(&key)) {
            pass.set_pipeline(pipeline);
            pass.draw(0..4, 0..1);
        }
    }
}

fn pipeline(device: &wgpu::Device, Background { colour, format }: &Background) -> wgpu::RenderPipeline {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("background"),
        source: wgpu::ShaderSource::Wgsl(SHADER.into()),
    });
    let [red, green, blue, _] = colour.to_normalized_gamma_f32().map(f64::from);
    let constants = [("RED", red), ("GREEN", green), ("BLUE", blue)];
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("background"),
        layout: None,
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("vertex"),
            buffers: &[],
            compilation_options: wgpu::PipelineCompilationOptions::default(),
        },
        primitive: wgpu::PrimitiveState {
            topology: wgpu::PrimitiveTopology::TriangleStrip,
            ..wgpu::PrimitiveState::default()
        },
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some("fragment"),
            targets: &[Some(wgpu::ColorTargetState::from(*format))],
            compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
        }),
        multiview_mask: None,
        cache: None,
    })
}
