//! Pictures of the main states, in both themes.

use egui_kittest::SnapshotOptions;
use unlearn_studio::{
    app::state::{prefs::Theme, tiles::Source, view::Compare},
    unlearn::feedback::Mark,
};

use crate::{skip::skip, support::*};

const THEMES: [(Theme, &str); 2] = [(Theme::Dark, "dark"), (Theme::Light, "light")];

/// Why no picture can be drawn here.
const NO_DRIVER: &str = "there is no Vulkan, Metal or DirectX driver to draw with";

/// A window that is drawn; `None` where there is no driver that could.
fn drawn(theme: Theme) -> Option<Window> {
    if unlearn_studio::device::gpus().is_empty() {
        return None;
    }
    let mut window = window_with([960.0, 540.0], theme, true, model());
    filled(&mut window);
    app(&mut window).studio().view.tile = 90.0;
    Some(window)
}

/// Compares with the stored picture, once every tile is there and has faded in. Another driver may round differently, so
/// some pixels may differ.
fn looks(window: &mut Window, name: &str, sources: &[Source], differing: usize) {
    for &source in sources {
        until(window, "all samples", |app| {
            let studio = app.studio();
            (0..6).all(|index| studio.sample(index).is_some_and(|sample| studio.has_tile(source, sample)))
        });
    }
    until(window, "all thumbnails", |app| !app.studio().is_waiting_for_samples());
    // A frame is a quarter of a second to the window: enough for every motion to end.
    for _ in 0..8 {
        window.step();
    }
    until(window, "what these frames asked for", |app| !app.studio().is_waiting_for_samples());
    let options = SnapshotOptions::new().threshold(1.5).max_failed_pixels(differing);
    if let Err(error) = window.try_snapshot_options(name, &options) {
        panic!("{error}");
    }
}

fn mark(window: &mut Window) {
    let studio = app(window).studio();
    for (range, mark) in [(0..3, Mark::Negative), (6..8, Mark::Positive)] {
        let samples: Vec<_> = range.filter_map(|index| studio.sample(index)).collect();
        studio.marks.set(samples, Some(mark));
    }
}

/// Too few marks to start with: what a run takes depends on the machine and would be in the picture.
#[test]
fn marks() {
    for (theme, name) in THEMES {
        let Some(mut window) = drawn(theme) else { skip!("{NO_DRIVER}") };
        mark(&mut window);
        looks(&mut window, &format!("marked-{name}"), &[Source::Original], 500);
    }
}

#[test]
fn a_result() {
    for (theme, name) in THEMES {
        let Some(mut window) = drawn(theme) else { skip!("{NO_DRIVER}") };
        mark(&mut window);
        run_once(&mut window, 3, 24);
        let studio = app(&mut window).studio();
        studio.marks.clear();
        studio.view.compare = Compare::Split;
        // It says how long it took.
        looks(&mut window, &format!("result-{name}"), &[Source::Original, Source::Current], 1000);
    }
}

#[test]
fn a_question() {
    for (theme, name) in THEMES {
        let Some(mut window) = drawn(theme) else { skip!("{NO_DRIVER}") };
        app(&mut window).studio().unsaved = true;
        app(&mut window).open("broken.onnx".into());
        noticed(&mut window, "broken.onnx");
        close(&mut window);
        looks(&mut window, &format!("question-{name}"), &[Source::Original], 500);
    }
}
