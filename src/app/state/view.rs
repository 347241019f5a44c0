//! What the grid shows, and the sample that is looked at closely.

use std::sync::Arc;

use crate::{
    feedback::Sample,
    networks::{Masking, Motion},
};

/// How the grid compares before with after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// The result.
    #[default]
    After,
    /// The model as it was opened.
    Before,
    /// Left half before, right half after.
    Split,
    /// What changed, in its colours.
    Difference,
    /// How much changed, as a heat map over the result.
    Heat,
}

impl Compare {
    /// All of them, with their names and what they show.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::After, "After", "Samples from the result (1)"),
        (Self::Before, "Before", "The same samples from the original model (2)"),
        (Self::Split, "Split", "Before on the left of the line, after on the right (3)"),
        (Self::Difference, "Difference", "What was removed or added, in its own colours (4)"),
        (Self::Heat, "Heat", "How much each pixel changed: dark is little, bright is much (5)"),
    ];
}

/// What stands before the result, in a model that completes pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beside {
    /// What the original model makes of the picture.
    #[default]
    Original,
    /// The picture itself.
    Picture,
    /// What the model sees of it.
    Masked,
}

impl Beside {
    /// All of them, with their names and what they show.
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Original, "Completed before", "What the original model makes of the pictures"),
        (Self::Picture, "Picture", "The pictures as they are"),
        (Self::Masked, "What is seen", "What the model sees of the pictures; it draws the rest"),
    ];
}

/// What the grid shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Seed of the samples.
    pub seed: u64,
    /// Truncation.
    pub psi: f32,
    /// The class of all samples; without one each has the class of its address (in class-conditional models).
    pub class: Option<u32>,
    /// How samples are moved before they are drawn, where the model can draw them so.
    pub motion: Motion,
    /// What of the pictures is hidden that the model completes, if it does that.
    pub masking: Masking,
    /// What stands before the result, in a model that completes pictures.
    pub beside: Beside,
    /// TileRequest width of a tile in points.
    pub tile: f32,
    /// Before or after.
    pub compare: Compare,
    /// Whether the nodes made from the base stand side by side in the grid's place.
    pub scatter: bool,
    /// Where the line stands in [`Compare::Split`], 0 to 1.
    pub split: f32,
    /// The sample that the keyboard is at.
    pub cursor: usize,
}

impl Default for View {
    fn default() -> Self {
        Self {
            seed: 0,
            psi: 1.0,
            class: None,
            motion: Motion::default(),
            masking: Masking::default(),
            beside: Beside::default(),
            tile: 96.0,
            compare: Compare::default(),
            scatter: false,
            split: 0.5,
            cursor: 0,
        }
    }
}

/// One sample, looked at closely.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// Which.
    pub sample: Sample,
    /// Before and after at full size, as they arrive.
    pub tiles: [Option<DetailTile>; 2],
    /// What a feedback file says of it, once it is known.
    pub entry: Option<String>,
}

/// A picture at full size.
#[derive(Clone, Debug, PartialEq)]
pub struct DetailTile {
    /// Width and height.
    pub side: usize,
    /// `[side, side, 3]`.
    pub rgb: Arc<[u8]>,
}
