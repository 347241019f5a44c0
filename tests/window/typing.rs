//! What is typed in a field goes there, and does nothing else.

use eframe::egui::{Key, Modifiers, accesskit::Role};
use egui_kittest::kittest::{NodeT, Queryable};
use unlearn_studio::app::state::walk::WalkState;

use crate::support::*;

const NAME: &str = "Preset name";

/// A window with one mark, another to redo, and a name to be typed.
fn naming() -> Window {
    let mut window = window();
    press(&mut window, "Sample 0");
    press(&mut window, "Sample 1");
    press_button(&mut window, "Undo");
    app(&mut window).studio().settings.set("iters", 123).expect("iterations");
    window.run_ok();
    press(&mut window, "Save preset\u{2026}");
    window.get_by_label(NAME).focus();
    window.run_ok();
    window
}

fn typed(window: &Window) -> String {
    window.get_by_label(NAME).accesskit_node().value().unwrap_or_default()
}

#[test]
fn a_field_undoes_what_was_typed_in_it_not_marks() {
    let mut window = naming();
    window.get_by_label(NAME).type_text("mine");
    window.run_ok();
    assert_eq!(typed(&window), "mine");
    let keys =
        [(Modifiers::COMMAND, Key::Z), (Modifiers::COMMAND, Key::Y), (Modifiers::COMMAND | Modifiers::SHIFT, Key::Z)];
    for (number, (modifiers, key)) in keys.into_iter().enumerate() {
        window.key_press_modifiers(modifiers, key);
        window.run_ok();
        assert!(number > 0 || typed(&window).is_empty(), "{:?}", typed(&window));
        assert_eq!(app(&mut window).studio().marks.counts(), (1, 0), "{modifiers:?} {key:?}");
    }
    // The grid has it again once nothing is typed.
    window.key_press(Key::Escape);
    window.run_ok();
    window.key_press_modifiers(Modifiers::COMMAND, Key::Y);
    window.run_ok();
    assert_eq!(app(&mut window).studio().marks.counts(), (2, 0));
}

#[test]
fn keys_of_the_grid_are_letters_in_a_field() {
    let mut window = naming();
    for key in [Key::N, Key::P, Key::W, Key::Space, Key::Questionmark, Key::Delete, Key::Home, Key::Backspace] {
        window.key_press(key);
        window.run_ok();
    }
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.run_ok();
    let studio = app(&mut window).studio();
    assert_eq!(studio.marks.counts(), (1, 0));
    assert_eq!((&studio.walk, &studio.detail), (&WalkState::None, &None));
    assert!(window.query_by_label("This list").is_none() && window.get_by_label(NAME).is_focused());
}

#[test]
fn the_key_that_ends_typing_ends_nothing_else() {
    let mut window = window();
    window.key_press(Key::W);
    window.run_ok();
    let chooses = |window: &mut Window| app(window).studio().walk.start().is_some();
    assert!(chooses(&mut window));
    window.get_by_role_and_label(Role::SpinButton, "Unlearning steps").focus();
    window.run_ok();
    window.key_press(Key::Escape);
    window.run_ok();
    assert!(chooses(&mut window), "it was typing that ended");
    window.key_press(Key::Escape);
    window.run_ok();
    assert!(!chooses(&mut window));
}

#[test]
fn arrow_keys_that_size_the_brush_lead_to_no_other_sample() {
    let mut window = window();
    window.key_press(Key::Enter);
    window.run_ok();
    let sample = app(&mut window).studio().sample(0).expect("a sample");
    let shown = |window: &mut Window| app(window).studio().detail.as_ref().map(|detail| detail.sample);
    assert_eq!(shown(&mut window), Some(sample));
    window.get_by_role_and_label(Role::Slider, "Brush size").focus();
    window.run_ok();
    let slider =
        |window: &Window| window.get_by_role_and_label(Role::Slider, "Brush size").accesskit_node().numeric_value();
    let size = |window: &Window| slider(window).expect("a size");
    let before = size(&window);
    window.key_press(Key::ArrowRight);
    window.run_ok();
    assert!(size(&window) > before, "{before:?}");
    assert_eq!(shown(&mut window), Some(sample));
    press_button(&mut window, "Close");
}
