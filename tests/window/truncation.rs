//! Truncation is dragged while the grid is seen.

use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable;
use unlearn_studio::{
    app::state::tiles::{Source, TileKey},
    feedback::Sample,
};

use crate::support::*;

const SLIDER: &str = "Truncation psi";

fn samples(window: &mut Window) -> Vec<Sample> {
    let studio = app(window).studio();
    (0..8).filter_map(|index| studio.sample(index)).collect()
}

fn pictures(window: &mut Window, samples: &[Sample]) -> Vec<Vec<u8>> {
    let tiles = &mut app(window).studio().tiles;
    let picture = |&sample: &Sample| tiles.get(TileKey { source: Source::Original, sample }).map(|t| t.rgba.to_vec());
    samples.iter().filter_map(picture).collect()
}

#[test]
fn the_last_pictures_stand_in_while_truncation_is_dragged() {
    let mut window = window();
    let whole = samples(&mut window);
    let before = pictures(&mut window, &whole);
    assert_eq!(before.len(), 8);
    press_button(&mut window, "View");
    window.step();
    for psi in [0.8, 0.6, 0.45, 0.3] {
        window.get_by_role_and_label(Role::Slider, SLIDER).set_value_accesskit(psi);
        window.step();
        window.step();
        let (now, studio) = (samples(&mut window), app(&mut window).studio());
        assert_eq!(studio.view.psi, psi as f32);
        for sample in now {
            let shown = studio.tiles.stand_in(&[Source::Original], sample);
            assert_eq!(shown.address(), sample.address());
            assert!(studio.has_tile(Source::Original, shown), "psi {psi}: the grid has a hole");
        }
    }
    filled(&mut window);
    until(&mut window, "nothing more to draw", |app| !app.studio().is_waiting_for_samples());
    let last = samples(&mut window);
    assert_ne!(pictures(&mut window, &last), before);
    // The pictures are those of the new truncation, whatever was dropped on the way.
    let (dragged, direct) = (pictures(&mut window, &last), directly_drawn(&last));
    assert!(dragged.len() == 8 && direct.len() == 8);
    // Drawn together with other samples, a sum may be rounded otherwise.
    let off = dragged.concat().iter().zip(&direct.concat()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(off <= Some(1), "{off:?}");

    // A click on the slider's rail is no reason to close it.
    window.get_by_role_and_label(Role::Slider, SLIDER).click();
    window.run_ok();
    window.get_by_role_and_label(Role::Slider, SLIDER);
    window.key_press(eframe::egui::Key::Escape);
    window.run_ok();
    assert!(window.query_by_role_and_label(Role::Slider, SLIDER).is_none());
}

/// The same samples in a window that never showed another truncation.
fn directly_drawn(wanted: &[Sample]) -> Vec<Vec<u8>> {
    let mut fresh = window();
    app(&mut fresh).studio().view.psi = wanted[0].psi();
    filled(&mut fresh);
    pictures(&mut fresh, wanted)
}
