//! Menus and lists of choices by keyboard.

use eframe::egui::{Key, accesskit::Role};
use egui_kittest::kittest::{NodeT, Queryable};
use unlearn_studio::{
    app::state::prefs::Theme,
    unlearn::{Settings, method},
};

use crate::support::*;

fn focused(window: &Window) -> Option<String> {
    let node = window.query_all_by(|node| node.is_focused() && node.role() != Role::Window).next()?;
    node.accesskit_node().label()
}

/// Opens what has this name, goes on with Tab to an entry of it, and chooses that.
fn choose(window: &mut Window, (role, name): (Role, &str), entry: &str, key: Key) {
    window.get_by_role_and_label(role, name).focus();
    window.run_ok();
    window.key_press(Key::Enter);
    window.run_ok();
    for _ in 0..20 {
        if focused(window).as_deref() == Some(entry) {
            break;
        }
        window.key_press(Key::Tab);
        window.run_ok();
    }
    assert_eq!(focused(window).as_deref(), Some(entry));
    window.key_press(key);
    window.run_ok();
}

#[test]
fn a_choice_by_keyboard_closes_its_menu_and_gives_the_keyboard_back() {
    let mut window = window();
    choose(&mut window, (Role::Button, "Theme"), "Light", Key::Enter);
    assert_eq!(app(&mut window).studio().prefs.theme, Theme::Light);
    assert!(window.query_by_label("Follow system").is_none());
    assert_eq!(focused(&window).as_deref(), Some("Theme"));

    choose(&mut window, (Role::ComboBox, "Method"), "Dampening", Key::Space);
    assert_eq!(app(&mut window).studio().settings.method().id(), "dampen");
    assert!(window.query_by_label("Redirect and Polish").is_none());
    assert_eq!(focused(&window).as_deref(), Some("Method"));
    assert_eq!(app(&mut window).studio().marks.counts(), (0, 0), "the key was meant for the list alone");

    // What asks for a path has the keyboard then, not the menu below it.
    press(&mut window, "Sample 0");
    choose(&mut window, (Role::Button, "Save"), "Image (PNG)\u{2026}", Key::Enter);
    assert!(window.query_by_label("Charts (CSV)\u{2026}").is_none());
    until(&mut window, "the question", |_| true);
    assert_eq!(focused(&window).as_deref(), Some("Path"));
}

#[test]
fn lists_of_choices_stay_within_the_panel() {
    for width in [800.0, 1024.0, 1360.0] {
        let mut window = window_with([width, 860.0], Theme::Dark, false, model());
        filled(&mut window);
        app(&mut window).studio().settings = Settings::of(method("dampen").expect("a method"));
        window.run_ok();
        let end = window.get_by_role_and_label(Role::Button, "Right panel").rect().right();
        let list = window.get_by_role_and_label(Role::ComboBox, "Importance by").rect();
        assert!(list.right() <= end + 0.5, "{width}: {list:?} ends beyond {end}");
    }
}

#[test]
fn a_bundled_model_is_offered_its_labeler() {
    let mut window = window();
    assert!(window.query_by_label("Use the one for this model").is_none(), "nobody made one for that");
    press_button(&mut window, "Open");
    press(&mut window, "Bundled digits");
    until(&mut window, "the digits", |app| app.studio().bundled_labeler.is_some());
    press(&mut window, "Use the one for this model");
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    window.run_ok();
    assert!(window.query_by_label("Class 4 must go").is_some());
}
