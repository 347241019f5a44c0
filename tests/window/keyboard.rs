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
