//! What the grid's shader is given, as it lies in memory: see `shaders/grid.wgsl`.

use bytemuck::{Pod, Zeroable};
use eframe::egui::Color32;

/// No tile: see `NONE` in `shaders/grid.wgsl`.
pub(crate) const NO_SLOT: u32 = u32::MAX;
/// The flags of [`Instance`].
pub(crate) mod flag {
    pub(crate) const NEGATIVE: u32 = 1;
    pub(crate) const POSITIVE: u32 = 2;
    pub(crate) const CURSOR: u32 = 4;
    pub(crate) const HOVERED: u32 = 8;
    pub(crate) const SELECTED: u32 = 16;
}

/// One tile, as the shader takes it.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Instance {
    /// Left, top, width, height in points from the grid's corner.
    pub(crate) rect: [f32; 4],
    /// Places of before and after.
    pub(crate) slots: [u32; 2],
    /// See [`flag`].
    pub(crate) flags: u32,
    /// How far before and after have faded in.
    pub(crate) fade: [f32; 2],
}

/// What is the same for all tiles, as the shader takes it.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Globals {
    pub(crate) size: [f32; 2],
    pub(crate) scale: f32,
    pub(crate) pad0: f32,
    pub(crate) split: f32,
    pub(crate) radius: f32,
    pub(crate) columns: u32,
    pub(crate) tile: f32,
    pub(crate) atlas: f32,
    pub(crate) pad: [f32; 3],
    pub(crate) negative: [f32; 4],
    pub(crate) positive: [f32; 4],
    pub(crate) before: [f32; 4],
    pub(crate) after: [f32; 4],
    pub(crate) cursor: [f32; 4],
    pub(crate) empty: [f32; 4],
}

/// How the pictures are drawn: every mode has a pipeline of its own, see `shaders/grid.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DrawMode {
    /// 0 after, 1 before, 2 split, 3 difference, 4 heat.
    pub(crate) compare: u8,
    /// Pictures are drawn smaller than they are.
    pub(crate) minified: bool,
}

/// A colour as the shader takes it.
pub(crate) fn colour(colour: Color32) -> [f32; 4] {
    colour.to_normalized_gamma_f32()
}
