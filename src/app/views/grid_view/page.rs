//! What concerns all samples that are in view.

use super::view::GridView;
use crate::{
    app::state::studio::Studio,
    unlearn::feedback::{Mark, Sample},
};

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

/// Scrolls by so many screens.
pub(super) fn turn(view: &mut GridView, screens: f32) {
    view.scroll_to = Some(view.offset + screens * view.visible_height * 0.95);
}
