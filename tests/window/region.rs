//! Showing where in a picture the thing is.

use eframe::egui::{Key, Modifiers, Pos2, vec2};
use egui_kittest::kittest::Queryable;
use unlearn_studio::feedback::{Mark, Outline, Region, Sample};

use crate::support::*;

const PICTURE: &str = "Sample 2 Before";

/// A window that looks closely at sample 2.
fn looking() -> (Window, Sample) {
    let mut window = window();
    press(&mut window, "Sample 0");
    press(&mut window, "Sample 0, must go");
    for key in [Key::ArrowRight, Key::ArrowRight, Key::Enter] {
        window.key_press(key);
        window.run_ok();
    }
    until(&mut window, "the picture", |app| {
        app.studio().detail.as_ref().is_some_and(|detail| detail.tiles[0].is_some())
    });
    window.run_ok();
    let sample = app(&mut window).studio().sample(2).expect("a sample");
    (window, sample)
}

/// Drags over the picture, from one place in it to another.
fn drag(window: &mut Window, from: [f32; 2], to: [f32; 2]) {
    let picture = window.get_by_label(PICTURE).rect();
    let at = |[x, y]: [f32; 2]| -> Pos2 { picture.min + vec2(x, y) * picture.size() };
    window.drag_at(at(from));
    window.run_ok();
    for step in 1..=10 {
        window.hover_at(at(from) + (at(to) - at(from)) * (step as f32 / 10.0));
        window.run_ok();
    }
    window.drop_at(at(to));
    window.run_ok();
}

fn region(window: &mut Window, sample: Sample) -> Option<Region> {
    app(window).studio().marks.region(sample).cloned()
}

#[test]
fn a_place_is_painted_cleared_and_kept_with_the_mark() {
    let (mut window, sample) = looking();
    drag(&mut window, [0.25, 0.4], [0.75, 0.4]);
    assert_eq!(
        app(&mut window).studio().marks.get(sample),
        Some(Mark::Negative),
        "who shows where says that it must go"
    );
    let Some(Outline::Stroke(points, radius)) = region(&mut window, sample).map(|region| region.outline()) else {
        panic!("a stroke")
    };
    let (first, last) = (points[0], points[points.len() - 1]);
    assert!(points.len() > 4 && (first[0] - 0.25).abs() < 0.02 && (last[0] - 0.75).abs() < 0.05, "{points:?}");
    assert!(points.iter().all(|at| (at[1] - 0.4).abs() < 0.02) && (0.02..0.2).contains(&radius), "{points:?}");
    window.get_by_label_contains("a stroke from 19 to");

    press(&mut window, "Box");
    drag(&mut window, [0.8, 0.9], [0.2, 0.5]);
    let Some(Outline::Box(low, high)) = region(&mut window, sample).map(|region| region.outline()) else {
        panic!("a box")
    };
    let expected = [0.2, 0.5, 0.8, 0.9];
    let near = [low, high].concat().iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 0.02);
    assert!(near, "{low:?} {high:?}");

    press(&mut window, "Clear place");
    assert_eq!((region(&mut window, sample), app(&mut window).studio().marks.counts()), (None, (1, 0)));
    window.key_press(Key::Escape);
    window.run_ok();
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run_ok();
    assert!(region(&mut window, sample).is_some(), "undone");

    // It goes to a file with the mark and comes back.
    let files = files();
    let path = files.path().join("marks.json");
    save_as(&mut window, "Marks (JSON)\u{2026}", &path);
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("marks")).expect("JSON");
    assert!(saved["negatives"][0]["region"]["box"].is_array(), "{saved}");
    let before = app(&mut window).studio().marks.feedback().clone();
    app(&mut window).studio().marks.clear();
    app(&mut window).open(path);
    until(&mut window, "the marks", |app| app.studio().marks.feedback() == &before);
}

/// Looking closely at a marked sample, by the two clicks that open it, loses nothing of the mark.
#[test]
fn a_double_click_keeps_the_place() {
    let (mut window, sample) = looking();
    drag(&mut window, [0.25, 0.4], [0.75, 0.4]);
    let painted = region(&mut window, sample);
    assert!(painted.is_some());
    window.key_press(Key::Escape);
    window.run_ok();
    let at = window.get_by_label("Sample 2, must go").rect().center();
    // A frame is a quarter of a second here.
    window.ctx.options_mut(|options| options.input_options.max_double_click_delay = 5.0);
    for _ in 0..2 {
        window.drag_at(at);
        window.drop_at(at);
        window.run_ok();
    }
    assert!(app(&mut window).studio().detail.is_some(), "it is looked at closely");
    assert_eq!(region(&mut window, sample), painted);
}

#[test]
fn the_keyboard_places_a_box() {
    let (mut window, sample) = looking();
    window.get_by_label(PICTURE).focus();
    window.run_ok();
    let outline = |window: &mut Window| match region(window, sample).map(|region| region.outline()) {
        Some(Outline::Box(low, high)) => [low[0], low[1], high[0], high[1]].map(|at| (at * 100.0).round() as i32),
        other => panic!("a box, not {other:?}"),
    };
    window.key_press(Key::ArrowRight);
    window.run_ok();
    assert_eq!(outline(&mut window), [30, 30, 70, 70], "the first key begins one");
    for key in [Key::ArrowRight, Key::ArrowUp] {
        window.key_press(key);
        window.run_ok();
    }
    assert_eq!(outline(&mut window), [32, 28, 72, 68]);
    window.key_press_modifiers(Modifiers::SHIFT, Key::ArrowDown);
    window.run_ok();
    assert_eq!(outline(&mut window), [32, 28, 72, 70]);
    let looked_at = app(&mut window).studio().detail.as_ref().map(|detail| detail.sample);
    assert_eq!(looked_at, Some(sample), "arrows did not turn the page");
    window.key_press(Key::Delete);
    window.run_ok();
    assert_eq!((region(&mut window, sample), app(&mut window).studio().marks.counts()), (None, (1, 0)));
}

#[test]
fn the_rest_of_a_page_is_asked_for() {
    let mut window = window();
    assert!(window.query_by_label("Marked all that must go here?").is_none(), "nothing must go yet");
    press(&mut window, "Sample 1");
    window.get_by_label("Marked all that must go here?");
    window.get_by_label_contains("The other ").click();
    window.run_ok();
    let (negatives, positives) = app(&mut window).studio().marks.counts();
    assert!(negatives == 1 && positives > 20, "{positives}");
    assert!(window.query_by_label("Marked all that must go here?").is_none(), "it is answered");
}
