//! What the grid's view remembers from frame to frame.

use eframe::{egui::Pos2, wgpu};

use crate::{
    app::{grid::atlas::Atlas, state::tiles::Source},
    unlearn::feedback::{Mark, Sample},
};

/// The grid's own state.
pub(crate) struct GridView {
    /// Format of what is drawn onto; without a GPU nothing is.
    pub(super) format: Option<wgpu::TextureFormat>,
    pub(super) atlas: Atlas,
    /// The sample that was clicked last, and its mark before.
    pub(super) before_click: Option<(Sample, Option<Mark>)>,
    /// Where a rectangle was begun, in the content.
    pub(super) corner: Option<Pos2>,
    /// The cursor has moved: bring it into view.
    pub(super) follow: bool,
    /// Jump there in the next frame.
    pub(super) scroll_to: Option<f32>,
    /// What was shown as after when all of it was there.
    pub(super) settled: Source,
    /// Tiles that are seen, for what concerns the page.
    pub(super) page: std::ops::Range<usize>,
    pub(super) columns: usize,
    pub(super) visible_height: f32,
    pub(super) offset: f32,
    /// Whether nothing had the keyboard when the frame began.
    pub(crate) keyboard_is_free: bool,
    /// Whether new pictures fade in: not where drawing is dear.
    pub(super) fades: bool,
    /// Tiles of the last frame, for the frame log.
    pub(crate) drawn: usize,
    /// Whether all of them had their picture, and whether any had.
    pub(crate) filled: bool,
    pub(super) any: bool,
}

impl GridView {
    pub(crate) fn new(format: Option<wgpu::TextureFormat>, fades: bool) -> Self {
        Self {
            format,
            atlas: Atlas::new(64),
            before_click: None,
            corner: None,
            follow: false,
            scroll_to: None,
            settled: Source::Original,
            page: 0..0,
            columns: 1,
            visible_height: 0.0,
            offset: 0.0,
            keyboard_is_free: true,
            fades,
            drawn: 0,
            filled: false,
            any: false,
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
    pub(crate) fn jump(&mut self, offset: f32) {
        self.scroll_to = Some(offset);
    }

    /// The first tile that is seen.
    pub(crate) fn first(&self) -> usize {
        self.page.start
    }
}
