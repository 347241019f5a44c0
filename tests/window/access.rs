//! What the keyboard reaches and shows, what fits, and what is said where.

use eframe::egui::{Key, Modifiers, Rect, Shape, StrokeKind, accesskit::Role};
use egui_kittest::kittest::{NodeT, Queryable};
use unlearn_studio::app::state::{notices::Level, prefs::Theme, view::Compare};

use crate::support::*;

/// A control that has had the keyboard.
#[derive(Debug)]
struct Stop {
    name: String,
    role: Role,
    rect: Rect,
    /// The ring around it.
    ring: Option<Rect>,
}

/// What has the keyboard.
fn stop(window: &Window) -> Option<Stop> {
    let ring = window.output().shapes.iter().rev().find_map(|clipped| match &clipped.shape {
        Shape::Rect(shape) if shape.stroke.width == 2.0 && shape.stroke_kind == StrokeKind::Outside => Some(shape.rect),
        _ => None,
    });
    let mut focused = window.query_all_by(|node| node.is_focused() && node.role() != Role::Window);
    let node = focused.next()?;
    let name = node.accesskit_node().label().unwrap_or_default();
    Some(Stop { name, role: node.accesskit_node().role(), rect: node.rect(), ring })
}

/// All controls that Tab leads to, in its order, from the first to the last.
fn stops(window: &mut Window) -> Vec<Stop> {
    let mut stops: Vec<Stop> = Vec::new();
    // From the beginning, not from where the keyboard was.
    window.key_press(Key::Escape);
    window.run_ok();
    for _ in 0..200 {
        window.key_press(Key::Tab);
        window.run_ok();
        let Some(stop) = stop(window) else { continue };
        if stops.first().is_some_and(|first| (&first.name, first.rect) == (&stop.name, stop.rect)) {
            return stops;
        }
        stops.push(stop);
    }
    panic!("Tab does not come back to where it began: {stops:?}");
}

#[test]
fn tab_goes_through_the_window_as_the_eye_does() {
    let mut window = window();
    let stops = stops(&mut window);
    let at = |name: &str| {
        let names: Vec<&str> = stops.iter().map(|stop| stop.name.as_str()).collect();
        names.iter().position(|stop| *stop == name).unwrap_or_else(|| panic!("{name} is not among {names:?}"))
    };
    let order = ["Open", "Marks", "Choose labeler", "After", "Samples", "Method", "Preset"];
    for pair in order.windows(2) {
        assert!(at(pair[0]) < at(pair[1]), "{} before {}", pair[0], pair[1]);
    }
    let mut marked = window;
    mark_some(&mut marked);
    tiny_run(&mut marked, 1, 3);
    marked.run_ok();
    let names: Vec<String> = self::stops(&mut marked).into_iter().map(|stop| stop.name).collect();
    let last = |name: &str| names.iter().rposition(|stop| stop == name);
    assert!(last("Method") < last("Unlearn"), "settings before what begins a run: {names:?}");
    for name in ["Seed", "View", "Page"] {
        assert!(at("Choose labeler") < at(name) && at(name) < at("Samples"), "{name} is in the bar above the grid");
    }
}

/// Filled buttons and titles that fold do not show by themselves that they have the keyboard; one that is out of view is
/// scrolled to.
#[test]
fn whatever_has_the_keyboard_wears_a_ring() {
    let mut window = window_with([1360.0, 600.0], Theme::Dark, false, model());
    filled(&mut window);
    mark_some(&mut window);
    tiny_run(&mut window, 1, 3);
    window.run_ok();
    let stops = stops(&mut window);
    assert!(stops.len() > 20, "{stops:?}");
    for (name, role) in [("Unlearn", Role::Button), ("Choose labeler", Role::Button)] {
        assert!(stops.iter().any(|stop| (stop.name.as_str(), stop.role) == (name, role)), "{name}: {stops:?}");
    }
    assert!(stops.iter().any(|stop| stop.role == Role::DisclosureTriangle), "titles that fold: {stops:?}");
    for stop in stops {
        // The grid has a cursor.
        if stop.role == Role::Group {
            assert_eq!(stop.name, "Samples");
            continue;
        }
        let ring = stop.ring.unwrap_or_else(|| panic!("no ring around {} ({:?})", stop.name, stop.role));
        assert!(
            ring.is_positive() && stop.rect.expand(3.0).contains_rect(ring),
            "{}: {:?}, {ring:?}",
            stop.name,
            stop.rect
        );
    }
}

const CONTROLS: [Role; 8] = [
    Role::Button,
    Role::CheckBox,
    Role::ComboBox,
    Role::DisclosureTriangle,
    Role::RadioButton,
    Role::Slider,
    Role::SpinButton,
    Role::TextInput,
];

/// All controls but the grid's samples, with their names.
fn controls(window: &Window) -> Vec<(String, Role, Rect)> {
    let nodes = window.query_all_by(|node| CONTROLS.contains(&node.role()));
    let all = nodes
        .map(|node| (node.accesskit_node().label().unwrap_or_default(), node.accesskit_node().role(), node.rect()));
    all.filter(|(name, ..)| !name.starts_with("Sample ")).collect()
}

/// Asserts that of these controls none leaves the window or lies over another.
fn assert_apart(controls: &[(String, Role, Rect)], width: f32) {
    for (number, (name, role, rect)) in controls.iter().enumerate() {
        assert!(rect.left() > -0.5 && rect.right() < width + 0.5, "{name} leaves the window {width} wide: {rect:?}");
        for (other, other_role, place) in &controls[number + 1..] {
            let shared = rect.intersect(*place);
            // A slider holds its number.
            let parts = [*role, *other_role].contains(&Role::Slider);
            let apart = shared.width() <= 1.0 || shared.height() <= 1.0;
            assert!(apart || parts, "at {width}, {name} {rect:?} lies over {other} {place:?}");
        }
    }
}

#[test]
fn nothing_overlaps_or_leaves_the_window_at_any_width() {
    for width in [800.0, 1024.0, 1920.0] {
        // So high that nothing has to be scrolled.
        let mut window = window_with([width, 1300.0], Theme::Dark, false, model());
        filled(&mut window);
        mark_some(&mut window);
        assert_apart(&controls(&window), width);
        run_once(&mut window, 1, 3);
        app(&mut window).studio().view.compare = Compare::Split;
        window.run_ok();
        // The bars; the timeline and the result's card have stories of their own.
        let bars: Vec<_> = controls(&window).into_iter().filter(|(.., rect)| rect.bottom() < 120.0).collect();
        assert!(bars.len() > 8, "{bars:?}");
        assert_apart(&bars, width);
    }
}

#[test]
fn the_bars_fit_in_the_least_window_for_every_kind_of_model() {
    for name in ["golden/ada-8-conditional.pkl", "golden/stylegan2-16.pt"] {
        let mut window = window_with([800.0, 560.0], Theme::Dark, false, fixture(name));
        filled(&mut window);
        window.run_ok();
        let bars: Vec<_> = controls(&window).into_iter().filter(|(.., rect)| rect.bottom() < 130.0).collect();
        assert_apart(&bars, 800.0);
        assert!(bars.iter().any(|(name, ..)| name == "Seed"), "{bars:?}");
    }
}

#[test]
fn notices_cover_nothing() {
    let mut window = window_with([800.0, 560.0], Theme::Dark, false, model());
    filled(&mut window);
    let studio = app(&mut window).studio();
    studio.notify(
        Level::Error,
        "out.pt: cannot be written, and this is said at some length, so that it takes a second line",
    );
    studio.notify(Level::Warning, "something else");
    for _ in 0..4 {
        window.step();
    }
    let notice = window.get_by_label("Dismiss error").rect();
    assert!(notice.bottom() < 560.0 && notice.right() < 800.0, "{notice:?}");
    let samples: Vec<Rect> = window.query_all_by_label_contains("Sample ").map(|node| node.rect()).collect();
    assert!(!samples.is_empty());
    for sample in samples {
        assert!(sample.bottom() <= notice.top(), "{sample:?} is below {notice:?}");
    }
    press(&mut window, "Dismiss error");
    assert!(window.query_by_label("Dismiss error").is_none());
}

#[test]
fn panels_are_hidden_and_shown_again() {
    let mut window = window();
    let width = |window: &Window| window.get_by_label("Samples").rect().width();
    let all = width(&window);
    window.key_press_modifiers(Modifiers::COMMAND, Key::B);
    for _ in 0..4 {
        window.step();
    }
    assert!(window.query_by_label("Choose labeler").is_none() && width(&window) > all + 200.0);
    assert!(!app(&mut window).studio().prefs.window.left_panel);
    press(&mut window, "Right panel");
    for _ in 0..4 {
        window.step();
    }
    assert!(window.query_by_label("Method").is_none() && width(&window) > 1300.0);
    press(&mut window, "Left panel");
    window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::B);
    for _ in 0..4 {
        window.step();
    }
    assert!(window.query_by_label("Choose labeler").is_some() && (width(&window) - all).abs() < 2.0);
    assert_eq!(app(&mut window).studio().prefs.window.size, [1360.0, 860.0]);
}

#[test]
fn a_key_lists_all_keys() {
    let mut window = window();
    for key in [Key::F1, Key::Questionmark] {
        window.key_press(key);
        window.run_ok();
        window.get_by_label("This list");
        window.get_by_label("F1 or ?");
        window.key_press(Key::Escape);
        window.run_ok();
        assert!(window.query_by_label("This list").is_none());
    }
    press_button(&mut window, "Help");
    press(&mut window, "Keys F1");
    window.get_by_label("This list");
    press_button(&mut window, "Close");
    assert!(window.query_by_label("This list").is_none());
}

#[test]
fn first_steps_tick_themselves_off_and_go_for_good() {
    let mut window = window();
    assert!(window.query_by_label("Hide first steps").is_none(), "other stories know the steps");
    app(&mut window).studio().prefs.first_steps_done = false;
    window.run_ok();
    window.get_by_label("1. Click what must go");
    mark_some(&mut window);
    window.get_by_label("Done: Click what must go");
    window.get_by_label("3. Unlearn");
    run_once(&mut window, 1, 3);
    window.run_ok();
    assert!(app(&mut window).studio().prefs.first_steps_done && window.query_by_label("Hide first steps").is_none());
    // Who wants to see them again does.
    press_button(&mut window, "Help");
    press(&mut window, "First steps");
    press(&mut window, "Hide first steps");
    assert!(app(&mut window).studio().prefs.first_steps_done);
}

/// In a narrow window a second line would take a row of the grid: only the next step is shown.
#[test]
fn first_steps_take_one_line() {
    for (width, next) in [(800.0, "Let it suggest more like these"), (1360.0, "2. Let it suggest more like these")] {
        let mut window = window_with([width, 600.0], Theme::Dark, false, model());
        filled(&mut window);
        app(&mut window).studio().prefs.first_steps_done = false;
        press(&mut window, "Sample 0");
        let (close, step) = (window.get_by_label("Hide first steps").rect(), window.get_by_label(next).rect());
        assert!(
            step.right() <= close.left() && step.y_range().contains(close.center().y),
            "{width}: {step:?}, {close:?}"
        );
        let end = window.get_by_role_and_label(Role::Button, "Page").rect().right();
        assert!(close.right() <= end, "{width}: {close:?} is beyond {end}");
    }
}

/// It comes up once a sample is marked: whoever clicks on among the lowest ones must not meet it under the pointer.
#[test]
fn the_question_for_the_rest_comes_up_beside_the_pointer() {
    let mut window = window();
    let asked = |window: &Window| window.query_by_label("Marked all that must go here?").map(|node| node.rect());
    press(&mut window, "Sample 0");
    window.hover_at(window.get_by_label("Sample 1").rect().center());
    window.run_ok();
    let place = asked(&window).expect("the question");
    press(&mut window, "Sample 0, must go");
    window.hover_at(place.center());
    window.run_ok();
    assert_eq!(asked(&window), None);
    window.key_press(Key::Space);
    window.run_ok();
    assert_eq!(app(&mut window).studio().marks.counts(), (1, 0));
    assert_eq!(asked(&window), None, "the pointer is there");
    window.hover_at(window.get_by_label("Sample 1").rect().center());
    window.run_ok();
    assert_eq!(asked(&window), Some(place));
    // By now it is seen, and the pointer may come.
    window.hover_at(place.center());
    window.run_ok();
    assert_eq!(asked(&window), Some(place));
}

#[test]
fn a_model_that_cannot_be_opened_is_said_in_the_middle() {
    let files = files();
    let broken = files.path().join("broken.pt");
    std::fs::write(&broken, b"this is no model").expect("written");
    let mut window = window_with([1000.0, 700.0], Theme::Dark, false, broken);
    until(&mut window, "the reason", |app| app.studio().not_opened.is_some() && app.studio().opening.is_none());
    window.run_ok();
    let title = window.get_by_label("The file was not opened").rect();
    let reason = window.get_by_label_contains("broken.pt: ").rect();
    assert!(title.left() > 200.0 && title.right() < 700.0 && reason.top() > title.top(), "{title:?}, {reason:?}");
    assert!(app(&mut window).studio().notices.all().is_empty(), "it is said once");
    app(&mut window).open(model());
    filled(&mut window);
    assert!(window.query_by_label("The file was not opened").is_none());
    assert_eq!(app(&mut window).studio().not_opened, None);
}

/// What was said of one labeler goes when another opens well.
#[test]
fn a_notice_goes_with_its_cause() {
    let (mut window, files) = (window(), files());
    let broken = files.path().join("broken.onnx");
    std::fs::write(&broken, b"{ this is neither }").expect("written");
    app(&mut window).open(broken);
    noticed(&mut window, "broken.onnx");
    app(&mut window).open(fixture("labelers/grey8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    assert!(app(&mut window).studio().notices.all().iter().all(|notice| notice.level != Level::Error));
}

/// Of two files that are opened together one opens well: what was said of the other stays.
#[test]
fn a_notice_stays_while_its_cause_does() {
    let (mut window, files) = (window(), files());
    let broken = files.path().join("broken.pt");
    std::fs::write(&broken, b"this is no model").expect("written");
    app(&mut window).open(broken);
    app(&mut window).open(fixture("labelers/grey8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    noticed(&mut window, "broken.pt");
    app(&mut window).open(model());
    until(&mut window, "a model", |app| app.studio().notices.all().is_empty());
}

#[test]
fn a_path_that_could_not_be_written_is_offered_again() {
    let (mut window, files) = (window(), files());
    press(&mut window, "Sample 0");
    let marks = "Marks (JSON)\u{2026}";
    let offered = |window: &mut Window| {
        press_button(window, "Save");
        press(window, marks);
        until(window, "the question", |_| true);
        window.get_by_label("Path").accesskit_node().value().unwrap_or_default()
    };
    let path = files.path().join("none/mine.json");
    let first = offered(&mut window);
    assert!(first.ends_with("-marks.json"), "{first}");
    answer(&mut window, &path);
    noticed(&mut window, "mine.json: cannot be written");
    assert_eq!(offered(&mut window), path.display().to_string());
    let path = files.path().join("mine.json");
    answer(&mut window, &path);
    until(&mut window, "the file", |app| !app.studio().is_writing());
    // Written, it gives way to the usual name, in the folder used last.
    let again = offered(&mut window);
    let folder = files.path().display().to_string();
    assert!(again.starts_with(&folder) && again.ends_with("-marks.json"), "{again}");
    press_button(&mut window, "Cancel");
}
