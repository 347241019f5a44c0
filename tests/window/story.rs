//! What a user does, from opening a model to saving another.

use std::time::Duration;

use eframe::egui::{Event, Key, Modifiers, accesskit::Role};
use egui_kittest::kittest::Queryable;
use unlearn_studio::{
    app::{
        App,
        state::{prefs::Theme, tiles::Source, view::Compare},
    },
    checkpoint,
    device::DeviceChoice,
    feedback::Mark,
};

use crate::support::*;

#[test]
fn the_whole_story() {
    let (mut window, files) = (window(), files());
    assert_eq!(app(&mut window).studio().obstacle().as_deref(), Some("Click the samples that must go."));
    mark_some(&mut window);
    assert_eq!(app(&mut window).studio().marks.counts(), (4, 4));
    window.get_by_label("Sample 2, must go");
    window.get_by_label("Sample 5, may stay");

    tiny_run(&mut window, 3, 120);
    window.run_ok();
    start_run(&mut window);
    until(&mut window, "unlearning", |app| !app.studio().charts.values("unlearn", "discriminator").is_empty());
    press_button(&mut window, "Pause");
    until(&mut window, "a pause", |app| {
        app.studio().run.in_progress().is_some_and(|run| run.description() == "Paused")
    });
    let paused_at = app(&mut window).studio().charts.values("unlearn", "discriminator").len();
    for _ in 0..20 {
        window.step();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(
        app(&mut window).studio().charts.values("unlearn", "discriminator").len(),
        paused_at,
        "no iteration while paused_at"
    );
    press_button(&mut window, "Resume");
    until(&mut window, "two snapshots", |app| app.studio().timeline.snapshots().len() >= 2);
    press_button(&mut window, "Stop");
    until(&mut window, "the end", |app| app.studio().run.in_progress().is_none());
    window.get_by_label("Stopped");
    assert!(app(&mut window).studio().unsaved);

    press_button(&mut window, "Split");
    assert_eq!(app(&mut window).studio().view.compare, Compare::Split);
    until(&mut window, "both halves", |app| {
        let studio = app.studio();
        studio.sample(0).is_some_and(|s| studio.has_tile(Source::Original, s) && studio.has_tile(Source::Current, s))
    });
    let first = app(&mut window).studio().timeline.snapshots()[0];
    press(&mut window, &format!("Snapshot 1: after {} steps", first.iteration));
    assert_eq!(app(&mut window).studio().timeline.shown(), Source::Snapshot(0));
    window.get_by_role_and_label(Role::Slider, "Push further").set_value_accesskit(1.5);
    until(&mut window, "extrapolated samples", |app| {
        let studio = app.studio();
        assert!(studio.timeline.shown() != Source::Current);
        studio.sample(0).is_some_and(|s| studio.has_tile(Source::Slider([1500, 0]), s))
    });
    press(&mut window, "Now: the latest result");

    let others = [
        ("Image (PNG)\u{2026}", "samples.png", &b"\x89PNG"[..]),
        ("Animation (GIF)\u{2026}", "run.gif", b"GIF89a"),
        ("Charts (CSV)\u{2026}", "charts.csv", b"iteration,discriminator,generator"),
        ("Marks (JSON)\u{2026}", "marks.json", b"{"),
    ];
    for (entry, name, begins) in others {
        let path = files.path().join(name);
        save_as(&mut window, entry, &path);
        assert!(std::fs::read(&path).expect("the file").starts_with(begins), "{name}");
    }
    assert!(app(&mut window).studio().unsaved, "pictures are no model");
    let path = files.path().join("forgotten.safetensors");
    save_as(&mut window, "Model as\u{2026} Ctrl+S", &path);
    let (before, after) = (checkpoint::load(&model()).expect("before"), checkpoint::load(&path).expect("after"));
    assert!(before.g_ema != after.g_ema && after.metadata.contains_key("feedback_sha256"));
    assert!(!app(&mut window).studio().unsaved, "it is in a file now");
}

#[test]
fn keys_mark_undo_and_turn_pages() {
    let mut window = window();
    press(&mut window, "Sample 0");
    for key in [Key::ArrowRight, Key::Space, Key::ArrowRight, Key::P, Key::ArrowDown, Key::N] {
        window.key_press(key);
        window.run_ok();
    }
    let marks: Vec<(u64, Mark)> = {
        let feedback = app(&mut window).studio().marks.feedback();
        feedback.iter().map(|(sample, mark)| (sample.address().index, mark)).collect()
    };
    assert_eq!(marks[..3], [(0, Mark::Negative), (1, Mark::Negative), (2, Mark::Positive)]);
    assert_eq!(marks.len(), 4);
    assert!(marks[3].0 > 4 && marks[3].1 == Mark::Negative, "the row below: {marks:?}");
    for expected in [3, 2, 1] {
        window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
        window.run_ok();
        assert_eq!(app(&mut window).studio().marks.feedback().len(), expected);
    }
    window.key_press_modifiers(Modifiers::COMMAND, Key::Y);
    window.run_ok();
    assert_eq!(app(&mut window).studio().marks.feedback().len(), 2);
    window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::A);
    window.run_ok();
    let (negatives, positives) = app(&mut window).studio().marks.counts();
    assert!(negatives == 2 && positives > 20, "the rest of the page may stay: {negatives}, {positives}");
    window.key_press(Key::PageDown);
    window.run_ok();
    assert!(window.query_by_label_contains("Sample 0,").is_none(), "the first row is out of view");
    window.key_press(Key::Enter);
    window.run_ok();
    window.get_by_label("Copy address");
    window.key_press(Key::Escape);
    window.run_ok();
    assert!(window.query_by_label("Copy address").is_none());
}

/// Where a frame takes long, or a key is held, several presses come with one frame: each of them counts, in their order.
#[test]
fn no_key_is_lost_in_a_slow_frame() {
    let mut window = window();
    press(&mut window, "Sample 0");
    let event = |key, pressed| {
        let modifiers = Modifiers::NONE;
        // Whether it comes again egui finds out by itself.
        Event::Key { key, physical_key: None, pressed, repeat: false, modifiers }
    };
    let keys =
        [Key::ArrowRight, Key::ArrowRight, Key::Space, Key::ArrowRight, Key::ArrowRight, Key::P, Key::ArrowRight];
    let typed = keys.into_iter().flat_map(|key| [event(key, true), event(key, false)]);
    window.input_mut().events.extend(typed);
    window.run_ok();
    let feedback = app(&mut window).studio().marks.feedback().clone();
    let marks: Vec<_> = feedback.iter().map(|(sample, mark)| (sample.address().index, mark)).collect();
    assert_eq!(marks, [(0, Mark::Negative), (2, Mark::Negative), (4, Mark::Positive)]);
    assert_eq!(app(&mut window).studio().view.cursor, 5);

    // What a key leads to is not in view at once: the next key is meant for it all the same.
    for keys in [&[Key::ArrowDown; 15][..], &[Key::N], &[Key::Home], &[Key::P]] {
        let typed = keys.iter().flat_map(|&key| [event(key, true), event(key, false)]);
        window.input_mut().events.extend(typed);
        window.step();
    }
    assert_eq!(app(&mut window).studio().marks.counts(), (2, 2));
    window.run_ok();

    // One that is held comes again and again: it leads on, but marks once.
    for key in [Key::ArrowRight, Key::Space] {
        for _ in 0..4 {
            window.input_mut().events.push(event(key, true));
            window.step();
        }
    }
    assert_eq!(app(&mut window).studio().view.cursor, 4);
    window.get_by_label("Sample 4, must go");
}

/// Right, Right, Space, Page Down, Space: the second Space marks a tile that is in view, not the first one once more.
#[test]
fn keys_never_act_on_a_tile_out_of_view() {
    let mut window = window();
    press(&mut window, "Sample 0");
    press(&mut window, "Sample 0, must go");
    for key in [Key::ArrowRight, Key::ArrowRight, Key::Space, Key::PageDown, Key::Space] {
        window.key_press(key);
        window.run_ok();
    }
    let marked: Vec<u64> =
        app(&mut window).studio().marks.feedback().negatives().map(|sample| sample.address().index).collect();
    let [first, second] = marked[..] else { panic!("two samples are marked: {marked:?}") };
    assert_eq!(first, 2);
    assert!(window.query_by_label("Sample 2, must go").is_none(), "it is out of view");
    window.get_by_label(&format!("Sample {second}, must go"));
    window.key_press(Key::PageUp);
    window.run_ok();
    assert_eq!(app(&mut window).studio().view.cursor, 2, "a page up leads back");

    // The wheel leaves the cursor behind: a key first leads back to it.
    let over_the_grid = window.get_by_label("Sample 2, must go").rect().center();
    window.hover_at(over_the_grid);
    window.run_ok();
    for _ in 0..30 {
        wheel(&mut window, -200.0);
        window.step();
    }
    window.run_ok();
    assert!(window.query_by_label("Sample 2, must go").is_none(), "it has scrolled");
    window.key_press(Key::Delete);
    window.run_ok();
    assert_eq!(app(&mut window).studio().marks.counts(), (2, 0));
    window.get_by_label("Sample 2, must go");
    window.key_press(Key::Delete);
    window.run_ok();
    assert_eq!(app(&mut window).studio().marks.counts(), (1, 0));
}

#[test]
fn a_rectangle_marks_what_it_touches() {
    let mut window = window();
    let centre = |window: &Window, index: usize| window.get_by_label(&format!("Sample {index}")).rect().center();
    let (from, to) = (centre(&window, 1), centre(&window, 3));
    window.drag_at(from);
    window.run_ok();
    window.hover_at(from + (to - from) * 0.5);
    window.run_ok();
    window.hover_at(to);
    window.run_ok();
    window.drop_at(to);
    window.run_ok();
    let marked: Vec<u64> =
        app(&mut window).studio().marks.feedback().negatives().map(|sample| sample.address().index).collect();
    assert_eq!(marked, [1, 2, 3]);
    assert_eq!(app(&mut window).studio().marks.counts().1, 0);
}

#[test]
fn settings_are_kept_as_presets() {
    let mut window = window();
    assert!(!app(&mut window).studio().is_preset_modified());
    app(&mut window).studio().settings.set("iters", 123).expect("iterations");
    window.run_ok();
    press(&mut window, "Save preset\u{2026}");
    assert!(window.get_by_label("Preset name").is_focused(), "it waits for the name");
    window.get_by_label("Preset name").type_text("mine");
    window.run_ok();
    press(&mut window, "Save preset");
    let studio = app(&mut window).studio();
    assert_eq!(studio.prefs.presets["mine"].get("iters"), Some(&123.into()));
    assert!(!studio.is_preset_modified());
}

#[test]
fn one_class_of_a_model_that_draws_several() {
    let files = files();
    let model = fixture("golden/ada-8-conditional.pkl");
    let mut window = window_with([1360.0, 860.0], Theme::Dark, false, model);
    filled(&mut window);
    assert_eq!(app(&mut window).studio().view.class, None);
    press(&mut window, "Sample 3");
    window.get_by_role_and_label(Role::ComboBox, "Class").click();
    window.run_ok();
    press(&mut window, "Class 1");
    until(&mut window, "samples of the class", |app| {
        let studio = app.studio();
        (0..4).all(|i| studio.sample(i).is_some_and(|s| s.class() == Some(1) && studio.has_tile(Source::Original, s)))
    });
    assert!(window.query_by_label("Sample 3, must go").is_none(), "another class is another sample");
    press(&mut window, "Sample 0");
    window.get_by_label("Sample 0, must go");
    let path = files.path().join("marks.json");
    save_as(&mut window, "Marks (JSON)\u{2026}", &path);
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("marks")).expect("JSON");
    let class = |index: u64| {
        let marks = saved["negatives"].as_array().expect("marks");
        marks.iter().find(|mark| mark["index"] == index).expect("the mark")["class"].clone()
    };
    assert_eq!(class(0), 1);
    // The one that was marked among all classes says which it was.
    let classes = app(&mut window).studio().model.as_ref().map_or(0, |card| card.classes);
    assert_eq!(class(3), unlearn_studio::networks::latents::class_at(0, 3, classes));
    // The keyboard reaches it, too.
    window.get_by_role_and_label(Role::ComboBox, "Class").focus();
    window.run_ok();
    window.key_press(Key::Enter);
    window.run_ok();
    press(&mut window, "All classes");
    until(&mut window, "all classes", |app| app.studio().view.class.is_none());
    window.get_by_label("Sample 3, must go");
    assert_eq!(app(&mut window).studio().marks.counts(), (2, 0));
}

#[test]
fn another_device_keeps_the_marks() {
    let mut window = window();
    mark_some(&mut window);
    until(&mut window, "a device", |app| app.studio().device.is_some());
    press_button(&mut window, "CPU");
    // On a machine with a GPU this would tune its kernels, which is tried elsewhere.
    if unlearn_studio::device::gpus().iter().all(|gpu| gpu.software) {
        press(&mut window, "Best available");
        assert_eq!(app(&mut window).studio().requested_device.0, DeviceChoice::Auto);
    } else {
        app(&mut window).studio().use_device(DeviceChoice::Cpu, None);
    }
    until(&mut window, "the device", |app| app.studio().device.is_some() && app.studio().opening.is_none());
    filled(&mut window);
    assert_eq!(app(&mut window).studio().marks.counts(), (4, 4));
    window.get_by_label("Sample 2, must go");
}

#[test]
fn enter_answers_the_question_for_a_path() {
    let (mut window, files) = (window(), files());
    press(&mut window, "Sample 0");
    press_button(&mut window, "Save");
    press(&mut window, "Marks (JSON)\u{2026}");
    let path = files.path().join("marks.json");
    type_path(&mut window, &path);
    window.key_press(Key::Enter);
    window.run_ok();
    until(&mut window, "the file", |app| !app.studio().is_writing());
    assert!(path.is_file());
}

/// Enter that ends typing a number must not open the sample that the keyboard was at.
#[test]
fn a_key_that_ends_typing_is_not_meant_for_the_grid() {
    let mut window = window();
    window.get_by_role_and_label(Role::SpinButton, "Unlearning steps").click();
    window.run_ok();
    window.key_combination_modifiers(Modifiers::COMMAND, &[Key::A]);
    window.run_ok();
    window.event(eframe::egui::Event::Text("37".to_owned()));
    window.run_ok();
    window.key_press(Key::Enter);
    window.run_ok();
    let studio = app(&mut window).studio();
    assert_eq!((studio.settings.get("iters"), &studio.detail), (Some(&37.into()), &None));
    press(&mut window, "Sample 4");
    assert_eq!(app(&mut window).studio().marks.counts(), (1, 0));
}

#[test]
fn a_recent_model_is_opened_again() {
    let mut window = window();
    press(&mut window, "Sample 1");
    press_button(&mut window, "Open");
    press(&mut window, "stylegan2-16.pt");
    until(&mut window, "the model", |app| app.studio().opening.is_none());
    filled(&mut window);
    assert_eq!(app(&mut window).studio().marks.counts(), (1, 0), "the same model keeps its marks");
}

/// 4096 samples whose pictures are there scroll by, about 270 at a time; nothing is asked of the engine for them. What a
/// frame takes is measured by `benches/window.sh`.
#[test]
fn thousands_of_samples_scroll_by_without_being_asked_for() {
    let mut window = window();
    let studio = app(&mut window).studio();
    studio.view.tile = 40.0;
    let samples: Vec<_> = (0..4096).filter_map(|index| studio.sample(index)).collect();
    let rgb = vec![90; samples.len() * 64 * 64 * 3];
    studio.tiles.forget(|_| true);
    studio.tiles.put(Source::Original, &samples, 64, &rgb, (0, 0.0));
    window.run_ok();
    until(&mut window, "what was asked before", |app| !app.studio().is_filling());
    let over_the_grid = window.get_by_label("Sample 40").rect().center();
    window.hover_at(over_the_grid);
    window.run_ok();
    for frame in 0..100 {
        wheel(&mut window, -100.0);
        window.step();
        assert!(!app(&mut window).studio().is_filling(), "frame {frame} asks for samples whose pictures are there");
    }
    assert!(window.query_by_label("Sample 40").is_none(), "it has scrolled");
    let seen = (0..4096).filter(|index| window.query_by_label(&format!("Sample {index}")).is_some()).count();
    assert!(seen > 100, "{seen} samples are in view");
}

/// A DCGAN's file does not say how many classes it has: the user does, and the window remembers.
#[test]
fn classes_of_a_dcgan_are_asked_for() {
    let path = fixture("dcgan/conditional-16.pt");
    let mut window = window_with([1360.0, 860.0], Theme::Dark, false, path.clone());
    filled(&mut window);
    assert!(window.query_by_label("Number of classes").is_some(), "the model's card asks");
    app(&mut window).studio().set_classes(3);
    let classes = |app: &mut App| app.studio().model.as_ref().map(|card| card.classes);
    until(&mut window, "three classes", |app| classes(app) == Some(3));
    filled(&mut window);
    app(&mut window).studio().open(path);
    until(&mut window, "the file again", |app| app.studio().file_being_opened().is_none() && classes(app) == Some(3));
    // Where a file says so itself nobody is asked.
    app(&mut window).studio().open(model());
    until(&mut window, "another model", |app| classes(app) == Some(0));
    window.run_ok();
    assert!(window.query_by_label("Number of classes").is_none());
}
