//! Where the keyboard is while runs begin and end, and after questions.

use eframe::egui::{Key, accesskit::Role};
use egui_kittest::kittest::{NodeT, Queryable};
use unlearn_studio::app::state::run_state::RunStatus;

use crate::support::*;

/// The name of what has the keyboard.
fn focused(window: &Window) -> Option<String> {
    let mut focused = window.query_all_by(|node| node.is_focused() && node.role() != Role::Window);
    focused.next().map(|node| node.accesskit_node().label().unwrap_or_default())
}

/// Gives a button the keyboard and presses Enter there.
fn enter_on(window: &mut Window, button: &str) {
    window.get_by_role_and_label(Role::Button, button).focus();
    for _ in 0..3 {
        window.step();
    }
    assert_eq!(focused(window).as_deref(), Some(button));
    enter(window);
}

fn enter(window: &mut Window) {
    window.key_press(Key::Enter);
    // What takes another's place is drawn in the frames that follow.
    for _ in 0..4 {
        window.step();
    }
}

/// A run that does not end by itself is about to begin.
fn ready() -> Window {
    let mut window = window();
    mark_some(&mut window);
    tiny_run(&mut window, 1, 1_000_000);
    window.run_ok();
    window
}

fn unlearning(window: &mut Window) {
    until(window, "unlearning", |app| !app.studio().charts.values("unlearn", "discriminator").is_empty());
}

fn ended(window: &mut Window) {
    until(window, "the end", |app| app.studio().run.in_progress().is_none());
    for _ in 0..4 {
        window.step();
    }
}

#[test]
fn the_keyboard_goes_along_with_a_run() {
    let mut window = ready();
    enter_on(&mut window, "Unlearn");
    until(&mut window, "what the marks say", |app| !app.studio().is_checking_marks());
    for _ in 0..4 {
        window.step();
    }
    if app(&mut window).studio().marks_question().is_some() {
        assert_eq!(focused(&window).as_deref(), Some("Mark more"));
        window.key_press(Key::Tab);
        window.step();
        assert_eq!(focused(&window).as_deref(), Some("Unlearn anyway"));
        enter(&mut window);
    }
    unlearning(&mut window);
    assert_eq!(focused(&window).as_deref(), Some("Pause"));
    enter(&mut window);
    until(&mut window, "the pause", |app| {
        app.studio().run.in_progress().is_some_and(|run| run.status == RunStatus::Paused)
    });
    assert_eq!(focused(&window).as_deref(), Some("Resume"));
    enter(&mut window);
    window.key_press(Key::Tab);
    window.step();
    assert_eq!(focused(&window).as_deref(), Some("Stop"));
    enter(&mut window);
    ended(&mut window);
    assert_eq!(focused(&window).as_deref(), Some("Save the result"));

    // After a question it is where it was before.
    enter(&mut window);
    assert_eq!(focused(&window).as_deref(), Some("Path"));
    window.key_press(Key::Escape);
    for _ in 0..4 {
        window.step();
    }
    assert_eq!(focused(&window).as_deref(), Some("Save the result"));
}

#[test]
fn who_is_elsewhere_keeps_the_keyboard() {
    let mut window = ready();
    let stays = |window: &mut Window, name: &str| {
        for _ in 0..4 {
            window.step();
        }
        assert_eq!(focused(window).as_deref(), Some(name));
    };
    {
        // The settings have another one.
        let mut seeds =
            window.query_all_by(|node| node.role() == Role::SpinButton && node.label().as_deref() == Some("Seed"));
        seeds.next().expect("the seed of the samples").focus();
    }
    stays(&mut window, "Seed");
    app(&mut window).studio().start();
    unlearning(&mut window);
    stays(&mut window, "Seed");
    app(&mut window).studio().stop();
    ended(&mut window);
    stays(&mut window, "Seed");
}

#[test]
fn who_uses_the_pointer_has_the_keyboard_nowhere() {
    let mut window = ready();
    start_run(&mut window);
    unlearning(&mut window);
    let before = focused(&window);
    assert!(before.as_deref().is_none_or(|name| name == "Samples"), "{before:?}");
    press_button(&mut window, "Stop");
    ended(&mut window);
    assert_eq!(focused(&window), before);
}

/// The same keys as in the grid.
#[test]
fn suggested_and_marked_samples_are_marked_by_keyboard() {
    let mut window = window();
    mark_some(&mut window);
    press(&mut window, "Suggest more like these");
    until(&mut window, "suggestions", |app| !app.studio().suggesting);
    window.run_ok();
    let name = {
        let node = window.query_all_by_label_contains("Suggested sample ").next().expect("a suggestion");
        node.accesskit_node().label().expect("its name")
    };
    window.get_by_label(&name).focus();
    window.run_ok();
    for (key, mark, counts) in [
        (Key::P, ", may stay", (4, 5)),
        (Key::N, ", must go", (5, 4)),
        (Key::Delete, "", (4, 4)),
        (Key::Space, ", must go", (5, 4)),
    ] {
        window.key_press(key);
        window.run_ok();
        window.get_by_label(&format!("{name}{mark}"));
        assert_eq!(app(&mut window).studio().marks.counts(), counts, "{key:?}");
    }
    window.get_by_label("Marked sample 0 of seed 0, must go").focus();
    window.run_ok();
    window.key_press(Key::Delete);
    window.run_ok();
    assert_eq!(app(&mut window).studio().marks.counts(), (4, 4));
    assert!(window.query_by_label("Marked sample 0 of seed 0, must go").is_none());
}

/// A field lets the keyboard go with Enter, and so does a button that is away for a while; after Escape Tab begins anew.
#[test]
fn tab_goes_on_from_where_the_keyboard_was() {
    let mut window = window();
    mark_some(&mut window);
    window.get_by_role_and_label(Role::SpinButton, "Unlearning steps").focus();
    window.run_ok();
    let mut tab = |key: Key| {
        window.key_press(key);
        window.run_ok();
        window.key_press(Key::Tab);
        window.run_ok();
        focused(&window)
    };
    assert_eq!(tab(Key::Enter).as_deref(), Some("Protect everything else"));
    assert_eq!(tab(Key::Escape).as_deref(), Some("Left panel"));
    window.get_by_label("Suggest more like these").focus();
    window.run_ok();
    window.key_press(Key::Enter);
    until(&mut window, "suggestions", |app| !app.studio().suggesting && app.studio().suggestions.is_some());
    window.run_ok();
    window.key_press(Key::Tab);
    window.run_ok();
    let first = focused(&window).expect("a suggestion");
    assert!(first.starts_with("Suggested sample "), "{first}");
}
