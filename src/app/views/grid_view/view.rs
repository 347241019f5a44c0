//! What the grid's view remembers from frame to frame.

use std::collections::HashMap;

use eframe::{egui::Pos2, wgpu};

use super::magnifier::Magnifier;
use crate::{
    app::{
        grid::atlas::Atlas,
        state::{layout::TileLayout, marks::MarkState, tiles::Source},
    },
    feedback::Sample,
    networks::LatentAddress,
};

/// The grid's own state.
pub(crate) struct GridView {
    /// Format of what is drawn onto; without a GPU nothing is.
    pub(super) format: Option<wgpu::TextureFormat>,
    pub(super) atlas: Atlas,
    /// The sample that was clicked last, and what was said of it before.
    pub(super) before_click: Option<(Sample, MarkState)>,
    pub(super) magnifier: Magnifier,
    /// Where a rectangle was begun, in the content.
    pub(super) drag_start: Option<Pos2>,
    /// The cursor has moved: bring it into view.
    pub(super) scroll_to_cursor: bool,
    /// The tile that a key has led to and that is not in view yet: scrolling takes some frames.
    pub(super) led_to: Option<usize>,
    /// Whether it is asked if the rest of the page may stay.
    pub(super) asks_for_rest: bool,
    /// Jump there in the next frame.
    pub(super) scroll_to: Option<f32>,
    /// The order of the samples that was shown last.
    pub(super) order_revision: u64,
    /// What was shown as after when all of it was last there.
    pub(super) last_complete: Source,
    /// With which truncation each latent (of which class) was drawn in the last frame.
    pub(super) drawn_as: HashMap<(LatentAddress, Option<u32>), Sample>,
    /// Tiles of which at least a third is seen.
    pub(super) page: std::ops::Range<usize>,
    /// How tiles lay in the last frame.
    pub(super) layout: TileLayout,
    pub(super) visible_height: f32,
    pub(super) offset: f32,
    /// Whether nothing had the keyboard when the frame began, nor a field for text just before.
    pub(crate) keyboard_is_free: bool,
    /// Whether new pictures fade in: not where drawing is dear.
    pub(super) fade_in: bool,
    /// Tiles of the last frame, for the frame log.
    pub(crate) drawn: usize,
    /// Whether all of them had their picture, and whether any had.
    pub(crate) filled: bool,
    pub(super) any_drawn: bool,
}

impl GridView {
    pub(crate) fn new(format: Option<wgpu::TextureFormat>, fade_in: bool) -> Self {
        Self {
            format,
            atlas: Atlas::new(64),
            before_click: None,
            magnifier: Magnifier::default(),
            drag_start: None,
            scroll_to_cursor: false,
            led_to: None,
            asks_for_rest: false,
            scroll_to: None,
            order_revision: 0,
            last_complete: Source::Original,
            drawn_as: HashMap::new(),
            page: 0..0,
            layout: TileLayout { columns: 1, count: 0, tile: 1.0 },
            visible_height: 0.0,
            offset: 0.0,
            keyboard_is_free: true,
            fade_in,
            drawn: 0,
            filled: false,
            any_drawn: false,
        }
    }

    /// Format of what is drawn onto.
    pub(crate) fn format(&self) -> Option<wgpu::TextureFormat> {
        self.format
    }

    /// Height of what is seen, in points.
    pub(crate) fn height(&self) -> f32 {
        self.visible_height
    }

    /// Scrolls there in the next frame.
    pub(crate) fn scroll_to(&mut self, offset: f32) {
        self.scroll_to = Some(offset);
    }

    /// The first tile that is seen.
    pub(crate) fn first(&self) -> usize {
        self.page.start
    }
}
