//! The charts of a run, the scale of the heat view, and the timeline as it plays.

use eframe::egui::{Key, Pos2};
use egui_kittest::kittest::{NodeT, Queryable};
use unlearn_studio::{
    app::state::{tiles::Source, view::Compare},
    feedback::Mark,
};

use crate::support::*;

const TITLE: &str = "Adversarial losses";
const BOTH: [Source; 2] = [Source::Original, Source::Current];

/// A window after a short run.
fn after_a_run() -> Window {
    let mut window = window();
    mark_some(&mut window);
    run_once(&mut window, 3, 24);
    window.run_ok();
    window
}

#[test]
fn a_chart_is_shown_large_and_read_with_the_keyboard() {
    let mut window = after_a_run();
    let steps: Vec<f64> =
        app(&mut window).studio().charts.values("unlearn", "discriminator").iter().map(|&(step, _)| step).collect();
    let last = *steps.last().expect("steps");
    window.get_by_label(&format!("Larger: {TITLE}")).focus();
    window.run_ok();
    window.key_press(Key::Enter);
    window.run_ok();
    window.get_by_label_contains(&format!("Large chart: {TITLE}; discriminator"));
    for expected in [last - 1.0, last - 2.0] {
        window.key_press(Key::ArrowLeft);
        window.run_ok();
        window.get_by_label(&format!("step {expected}"));
    }
    window.key_press(Key::ArrowRight);
    window.run_ok();
    window.get_by_label(&format!("step {}", last - 1.0));
    window.key_press(Key::Escape);
    window.run_ok();
    assert!(window.query_by_label("Close chart").is_none());
    assert!(window.query_by_label(&format!("step {}", last - 1.0)).is_none());
}

#[test]
fn one_cursor_goes_through_all_charts() {
    let mut window = after_a_run();
    let distances = |window: &Window| {
        let chart = window.get_by_label_contains("Chart: Distance of the weights");
        chart.accesskit_node().label().expect("its values")
    };
    let at_the_end = distances(&window);
    // It may be out of view.
    window.get_by_label(&format!("Larger: {TITLE}")).click_accesskit();
    window.run_ok();
    let chart = window.get_by_label_contains(&format!("Large chart: {TITLE}")).rect();
    // Only a pointer that moves takes the cursor along.
    for place in [chart.left_center(), chart.center()] {
        window.hover_at(place);
        window.run_ok();
    }
    assert!(distances(&window) != at_the_end, "the chart below reads the same step: {at_the_end}");
    press(&mut window, "Close chart");
    window.hover_at(Pos2::ZERO);
    window.run_ok();
    assert_eq!(distances(&window), at_the_end);
}

#[test]
fn heat_has_a_scale_and_tiles_below_it_can_be_marked() {
    let mut window = after_a_run();
    let scale = "Heat scale: how much a pixel changed, from 0% to 75% and more";
    assert!(window.query_by_label(scale).is_none());
    app(&mut window).studio().view.compare = Compare::Heat;
    window.run_ok();
    let place = window.get_by_label(scale).rect();
    let rows = (0..=4).map(|part| place.top() + place.height() * part as f32 / 4.0);
    let points =
        rows.flat_map(|y| (0..40).map(move |part| Pos2::new(place.left() + place.width() * part as f32 / 40.0, y)));
    let tile = |index: usize| {
        let name = format!("Sample {index}");
        Some(window.query_by_label(&name)?.rect().shrink(2.0))
    };
    let tiles: Vec<_> = (10..300).filter_map(tile).collect();
    let is_on_a_tile = |point: &Pos2| tiles.iter().any(|rect| rect.contains(*point));
    let point = points.into_iter().find(is_on_a_tile).expect("a tile below the scale");
    window.hover_at(point);
    window.drag_at(point);
    window.drop_at(point);
    window.run_ok();
    assert_eq!(app(&mut window).studio().marks.counts(), (5, 4));
}

#[test]
fn the_timeline_plays_up_to_now_and_runs_stand_apart() {
    let mut window = after_a_run();
    let snapshots = app(&mut window).studio().timeline.snapshots().to_vec();
    assert!(snapshots.len() > 1 && window.query_by_label("Run 1").is_none());
    let stops = std::iter::once(Source::Original);
    let stops: Vec<_> = stops.chain(snapshots.iter().map(|snapshot| Source::Snapshot(snapshot.number))).collect();
    app(&mut window).studio().view.compare = Compare::Before;
    window.get_by_label("Play the timeline").click();
    let mut seen = Vec::new();
    until(&mut window, "the last stop", |app| {
        let timeline = &app.studio().timeline;
        if timeline.is_playing() && seen.last() != Some(&timeline.shown()) {
            seen.push(timeline.shown());
        }
        !seen.is_empty() && !timeline.is_playing()
    });
    assert_eq!(seen, stops);
    let studio = app(&mut window).studio();
    assert_eq!((studio.timeline.shown(), studio.view.compare), (Source::Current, Compare::After));
    let first = studio.sample(0).expect("a sample");
    assert!(stops.iter().all(|&stop| studio.has_tile(stop, first)), "each was there before the next");

    run_once(&mut window, 1, 24);
    window.run_ok();
    for label in ["Run 1", "Run 2"] {
        window.get_by_label(label);
    }
    let number = snapshots.len() + 1;
    window.get_by_label_contains(&format!("Snapshot {number}: run 2, after"));
}

#[test]
fn the_timeline_shows_the_sample_that_changed_most() {
    let mut window = window();
    mark_some(&mut window);
    let first = app(&mut window).studio().sample(0);
    assert_eq!(app(&mut window).studio().preview_sample(), first);
    run_once(&mut window, 3, 24);
    until(&mut window, "the samples of the result", |app| {
        let studio = app.studio();
        !studio.is_waiting_for_samples()
            && (0..4).all(|index| studio.sample(index).is_some_and(|sample| studio.has_tile(Source::Current, sample)))
    });
    let studio = app(&mut window).studio();
    let chosen = studio.preview_sample().expect("a sample");
    assert_eq!(studio.marks.get(chosen), Some(Mark::Negative));
    let changes: Vec<f32> =
        studio.marks.feedback().negatives().filter_map(|sample| studio.tiles.change(sample, BOTH)).collect();
    let most = changes.iter().copied().fold(0.0, f32::max);
    let own = studio.tiles.change(chosen, BOTH).expect("its pictures");
    assert!(changes.len() == 4 && most > 0.01 && own * 1.5 >= most, "{own} of {changes:?}");
    // Without marks it is the one that the keyboard is at.
    studio.marks.clear();
    assert_eq!(studio.preview_sample(), studio.sample(studio.view.cursor));
}
