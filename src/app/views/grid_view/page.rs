//! What concerns all samples that are in view, and going on to others.

use std::ops::Range;

use super::view::GridView;
use crate::{
    app::state::{layout::TileLayout, studio::Studio},
    unlearn::feedback::{Mark, Sample},
};

/// Room around the tiles, in points.
pub(super) const MARGIN: f32 = 14.0;

/// The tiles of which at least a third is seen between two heights of the scrolled content.
pub(super) fn page(layout: &TileLayout, top: f32, bottom: f32) -> Range<usize> {
    let third = layout.tile / 3.0;
    layout.seen(top - MARGIN + third, bottom - MARGIN - third)
}

fn samples(view: &GridView, studio: &Studio) -> Vec<Sample> {
    view.page.clone().filter_map(|index| studio.sample(index)).collect()
}

pub(super) fn mark_page(view: &GridView, studio: &mut Studio, mark: Option<Mark>) {
    let samples = samples(view, studio);
    studio.marks.set(samples, mark);
}

pub(super) fn rest_may_stay(view: &GridView, studio: &mut Studio) {
    let samples = samples(view, studio);
    let rest: Vec<Sample> = samples.into_iter().filter(|&sample| studio.marks.get(sample).is_none()).collect();
    studio.marks.set(rest, Some(Mark::Positive));
}

/// Scrolls by so many screens. The keyboard's cursor moves along: keys must not act on a tile that is out of view.
pub(super) fn turn(view: &mut GridView, studio: &mut Studio, screens: f32) {
    let (layout, height) = (view.layout, view.visible_height);
    let from = view.scroll_to.unwrap_or(view.offset);
    let last = (layout.size().y + 2.0 * MARGIN - height).max(0.0);
    let to = (from + screens * height * 0.95).clamp(0.0, last);
    let rows = ((to - from) / layout.pitch()).round() as isize;
    view.scroll_to = Some(to);
    view.page = page(&layout, to, to + height);
    studio.view.cursor = layout.nearest(layout.step(studio.view.cursor, 0, rows), &view.page);
}
