//! Walking from one sample to another.

use eframe::egui::{Key, accesskit::Role};
use egui_kittest::kittest::Queryable;
use unlearn_studio::app::state::walk::{OpenWalk, WalkState};

use crate::support::*;

/// The walk that is open, once the place that its slider stands at is drawn.
fn walked(window: &mut Window) -> OpenWalk {
    until(window, "a place", |app| app.studio().walk.open().is_some_and(|walk| !walk.is_waiting()));
    app(window).studio().walk.open().expect("a walk").clone()
}

fn pictures(walk: &OpenWalk) -> Vec<Vec<u8>> {
    let place = walk.place.as_ref().expect("a place");
    place.tiles.iter().map(|tile| tile.rgb.to_vec()).collect()
}

/// What the close view shows of a sample.
fn closely(window: &mut Window, index: usize) -> Vec<Vec<u8>> {
    let studio = app(window).studio();
    let sample = studio.sample(index).expect("a sample");
    studio.open_detail(sample);
    let detail = |app: &mut unlearn_studio::app::App| app.studio().detail.clone();
    until(window, "the sample", |app| detail(app).is_some_and(|d| d.tiles.iter().all(Option::is_some)));
    let tiles = app(window).studio().detail.take().expect("a sample").tiles;
    window.run_ok();
    tiles.into_iter().flatten().map(|tile| tile.rgb.to_vec()).collect()
}

fn place(window: &mut Window, t: f64) {
    window.get_by_role_and_label(Role::Slider, "Place on the way").set_value_accesskit(t);
    window.step();
    window.step();
}

#[test]
fn a_slider_leads_from_one_sample_to_another() {
    let (mut window, files) = (window(), files());
    mark_some(&mut window);
    run_once(&mut window, 1, 3);
    let marks = app(&mut window).studio().marks.counts();
    let (start, end) = (closely(&mut window, 1), closely(&mut window, 10));
    assert!(start.len() == 2 && start[0] != start[1], "before and after");

    let first = app(&mut window).studio().sample(1).expect("a sample");
    app(&mut window).studio().open_detail(first);
    window.run_ok();
    press(&mut window, "Walk to\u{2026}");
    assert_eq!(app(&mut window).studio().walk, WalkState::Choosing(first));
    window.get_by_label_contains("Walk from sample 1:");
    press(&mut window, "Sample 10");
    assert_eq!(app(&mut window).studio().marks.counts(), marks, "that click is no mark");
    assert_eq!(pictures(&walked(&mut window)), start);

    for t in [0.2, 0.8, 0.5] {
        place(&mut window, t);
    }
    let middle = walked(&mut window);
    assert!(middle.t == 0.5 && middle.place.as_ref().is_some_and(|place| place.mapped));
    let middle = pictures(&middle);
    assert!((0..2).all(|i| middle[i] != start[i] && middle[i] != end[i]) && middle[0] != middle[1]);
    place(&mut window, 1.0);
    assert_eq!(pictures(&walked(&mut window)), end);

    let path = files.path().join("walk.gif");
    press(&mut window, "Save animation\u{2026}");
    answer(&mut window, &path);
    until(&mut window, "the file", |app| !app.studio().is_writing());
    assert!(std::fs::read(&path).expect("a file").starts_with(b"GIF89a"));
    window.key_press(Key::Escape);
    window.run_ok();
    assert_eq!(app(&mut window).studio().walk, WalkState::None);
}

#[test]
fn the_keyboard_walks_as_well() {
    let mut window = window();
    for key in [Key::W, Key::ArrowRight, Key::ArrowRight] {
        window.key_press(key);
        window.run_ok();
    }
    window.key_press(Key::Escape);
    window.run_ok();
    assert_eq!(app(&mut window).studio().walk, WalkState::None, "Escape chooses nothing");
    for key in [Key::W, Key::ArrowRight, Key::Enter] {
        window.key_press(key);
        window.run_ok();
    }
    let walk = walked(&mut window);
    assert_eq!((walk.from.address().index, walk.to.index, walk.t), (2, 3, 0.0));
    assert_eq!(pictures(&walk).len(), 1, "nothing was unlearned: there is no after");
    // The slider has the keyboard.
    window.key_press(Key::ArrowRight);
    window.run_ok();
    let further = walked(&mut window);
    assert!(further.t > 0.0);
    press(&mut window, "Close");
    assert_eq!((app(&mut window).studio().marks.counts(), &app(&mut window).studio().detail), ((0, 0), &None));
}
