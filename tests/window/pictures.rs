//! Pictures of the main states, in both themes.

use egui_kittest::SnapshotOptions;
use unlearn_studio::{
    app::state::{prefs::Theme, tiles::Source, view::Compare},
    feedback::Mark,
    project::Numbers,
    unlearn::Settings,
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

/// Three results of one parent, with numbers that no machine measures differently.
#[test]
fn methods_compared() {
    for (theme, name) in THEMES {
        if unlearn_studio::device::gpus().is_empty() {
            skip!("{NO_DRIVER}");
        }
        let files = files();
        let mut window = window_keeping([1200.0, 760.0], theme, true, model(), Some(files.path().to_owned()));
        filled(&mut window);
        until(&mut window, "the history", |app| app.studio().history.is_some());
        mark(&mut window);
        for nodes in 2..=4 {
            run_once(&mut window, 1, 3);
            until(&mut window, "its node", |app| {
                let history = app.studio().history.as_ref();
                history.is_some_and(|history| history.manifest.nodes.len() == nodes && history.interrupted.is_none())
            });
        }
        app(&mut window).studio().show_history(2);
        until(&mut window, "the node", |app| app.studio().selected_node().is_some_and(|node| node.id == 2));
        let studio = app(&mut window).studio();
        let mut history = studio.history.clone().expect("a history");
        let nodes = &mut std::sync::Arc::make_mut(&mut history).manifest.nodes;
        let values = [
            ("Reject and Retain", Some((94.2, 15.7))),
            ("Feature Unlearning", Some((71.0, 8.2))),
            ("Dampening, LFSSD", None),
        ];
        for (node, (method, measured)) in nodes.iter_mut().skip(1).zip(values) {
            let numbers = measured.map(|(pul, frechet)| Numbers {
                pul: Some(pul),
                frechet: Some(frechet),
                frechet_floor: Some(2.5),
                estimated: None,
            });
            (node.method, node.numbers, node.name) = (Some(method.to_owned()), numbers, "without 4".to_owned());
        }
        studio.history = Some(history);
        studio.settings = Settings::default();
        studio.view.scatter = true;
        looks(&mut window, &format!("compared-{name}"), &[], 1000);
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
