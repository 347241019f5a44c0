//! Samples of a StyleGAN3, moved and turned.

use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable;
use unlearn_studio::{
    app::state::{
        prefs::Theme,
        tiles::{Source, TileKey},
    },
    networks::Motion,
};

use crate::support::*;

/// The picture of the first sample, once it is there.
fn picture(window: &mut Window) -> Vec<u8> {
    until(window, "a sample", |app| {
        let studio = app.studio();
        studio.sample(0).is_some_and(|sample| studio.has_tile(Source::Original, sample))
    });
    let studio = app(window).studio();
    let sample = studio.sample(0).expect("a sample");
    studio.tiles.get(TileKey { source: Source::Original, sample }).expect("its tile").rgba.to_vec()
}

#[test]
fn samples_are_moved_where_the_model_can() {
    let pickle = fixture("golden/sg3-r-16.pkl");
    let mut window = window_with([1360.0, 860.0], Theme::Dark, false, pickle);
    let still = picture(&mut window);
    press_button(&mut window, "View");
    window.step();
    let slider = |window: &mut Window, name: &str, value: f64| {
        window.get_by_role_and_label(Role::Slider, name).set_value_accesskit(value);
        window.step();
        window.step();
    };
    slider(&mut window, "Rotation", 90.0);
    assert_eq!(app(&mut window).studio().view.motion, Motion { degrees: 90.0, ..Motion::default() });
    let turned = picture(&mut window);
    assert_ne!(still, turned);
    slider(&mut window, "Right", 25.0);
    assert_eq!(app(&mut window).studio().view.motion.x, 0.25);
    assert_ne!(picture(&mut window), turned);
    press_button(&mut window, "Reset motion");
    assert_eq!(app(&mut window).studio().view.motion, Motion::default());
    assert_eq!(picture(&mut window), still);
}

#[test]
fn a_stylegan2_has_no_such_sliders() {
    let mut window = window();
    press_button(&mut window, "View");
    window.step();
    window.get_by_role_and_label(Role::Slider, "Truncation psi");
    assert!(window.query_by_role_and_label(Role::Slider, "Rotation").is_none());
}
