//! The window, driven through AccessKit as a screen reader or a person would: the whole story on a tiny model.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use eframe::egui::{Key, Modifiers, accesskit::Role};
use egui_kittest::{Harness, kittest::Queryable};
use tempfile::TempDir;
use unlearn_studio::{
    app::{App, Options, prefs::Prefs, prefs::Theme, studio::Compare, tiles::Source},
    checkpoint,
    device::DeviceChoice,
    unlearn::feedback::{Feedback, Mark},
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

type Window = Harness<'static, Option<App>>;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn model() -> PathBuf {
    fixture("golden/stylegan2-16.pt")
}

fn window_with(size: [f32; 2], theme: Theme, render: bool, model: PathBuf) -> Window {
    let mut prefs = Prefs::load(None);
    prefs.theme = theme;
    let options = Options { model: Some(model), device: Some(DeviceChoice::Cpu), frame_log: None };
    let mut start = Some((prefs, options));
    let builder = Harness::builder().with_size(size).with_max_steps(30);
    let builder = if render { builder.wgpu() } else { builder };
    // Without a renderer the grid is put together all the same.
    let format = Some(eframe::wgpu::TextureFormat::Rgba8Unorm);
    builder.build_ui_state(
        move |ui, app: &mut Option<App>| {
            if let Some((prefs, options)) = start.take() {
                *app = Some(App::new(ui.ctx(), format, prefs, options).without_system_dialogs());
            }
            if let Some(app) = app {
                app.show(ui, None);
            }
        },
        None,
    )
}

/// A window with the tiny model, its samples drawn.
fn window() -> Window {
    let mut window = window_with([1360.0, 860.0], Theme::Dark, false, model());
    filled(&mut window);
    window
}

fn app(window: &mut Window) -> &mut App {
    window.state_mut().as_mut().expect("a window")
}

/// Draws frames until something holds.
fn until(window: &mut Window, what: &str, mut holds: impl FnMut(&mut App) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        window.step();
        if holds(app(window)) {
            window.step();
            return;
        }
        let said: Vec<_> = app(window).studio().notices.all().to_vec();
        assert!(Instant::now() < end, "waited for {what}; notices: {said:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn filled(window: &mut Window) {
    until(window, "samples", |app| {
        let studio = app.studio();
        studio.model.is_some()
            && (0..8).all(|index| studio.sample(index).is_some_and(|s| studio.has_tile(Source::Original, s)))
    });
}

fn press(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    window.run_ok();
}

/// A button among other things of the same name.
fn press_button(window: &mut Window, label: &str) {
    window.get_by_role_and_label(Role::Button, label).click();
    window.run_ok();
}

/// Few and quick iterations; the settings' form is tried elsewhere.
fn tiny_run(window: &mut Window, adapt: usize, unlearn: usize) {
    let settings = &mut app(window).studio().settings;
    (settings.adapt.iterations, settings.unlearn.iterations) = (adapt, unlearn);
    // The marks themselves are trained on.
    (settings.adapted, settings.fisher_samples, settings.few_marks) = (1, 2, 0);
    for stage in [&mut settings.adapt, &mut settings.unlearn] {
        (stage.train.batch, stage.train.lr, stage.train.ema_decay) = (4, 0.01, 0.5);
    }
}

fn mark_some(window: &mut Window) {
    for index in 0..4 {
        press(window, &format!("Sample {index}"));
    }
    for index in 4..8 {
        window.get_by_label(&format!("Sample {index}")).click_secondary();
        window.run_ok();
    }
    // A second click takes a mark away.
    press(window, "Sample 9");
    press(window, "Sample 9, must go");
    assert_eq!(app(window).studio().marks.counts(), (4, 4));
}

fn files() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Answers the question for a path.
fn answer(window: &mut Window, path: &Path) {
    until(window, "the question", |_| true);
    let line = window.get_by_label("Path");
    line.focus();
    window.run_ok();
    window.key_combination_modifiers(Modifiers::COMMAND, &[Key::A]);
    window.run_ok();
    window.get_by_label("Path").type_text(&path.display().to_string());
    window.run_ok();
    press(window, "Save file");
}

#[test]
fn the_whole_story() {
    let (mut window, files) = (window(), files());
    assert_eq!(app(&mut window).studio().obstacle().as_deref(), Some("Click the samples that must go."));
    mark_some(&mut window);
    assert_eq!(app(&mut window).studio().marks.counts(), (4, 4));
    window.get_by_label("Sample 2, must go");
    window.get_by_label("Sample 5, may stay");

    tiny_run(&mut window, 3, 400);
    window.run_ok();
    press_button(&mut window, "Unlearn");
    until(&mut window, "unlearning", |app| !app.studio().charts.d.values().is_empty());
    press_button(&mut window, "Pause");
    until(&mut window, "a pause", |app| app.studio().run.going().is_some_and(|run| run.doing() == "Paused"));
    let held = app(&mut window).studio().charts.d.values().len();
    for _ in 0..20 {
        window.step();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(app(&mut window).studio().charts.d.values().len(), held, "no iteration while held");
    press_button(&mut window, "Resume");
    until(&mut window, "two snapshots", |app| app.studio().timeline.moments().len() >= 2);
    press_button(&mut window, "Stop");
    until(&mut window, "the end", |app| app.studio().run.going().is_none());
    window.get_by_label("Stopped");
    assert!(app(&mut window).studio().unsaved);

    press_button(&mut window, "Split");
    assert_eq!(app(&mut window).studio().view.compare, Compare::Split);
    until(&mut window, "both halves", |app| {
        let studio = app.studio();
        studio.sample(0).is_some_and(|s| studio.has_tile(Source::Original, s) && studio.has_tile(Source::Current, s))
    });
    let first = app(&mut window).studio().timeline.moments()[0];
    press(&mut window, &format!("Snapshot 1: after {} iterations", first.iteration));
    assert_eq!(app(&mut window).studio().timeline.shown(), Source::Snapshot(0));
    window.get_by_role_and_label(Role::Slider, "Extrapolate, gamma").set_value_accesskit(1.5);
    until(&mut window, "extrapolated samples", |app| {
        let studio = app.studio();
        assert!(studio.timeline.shown() != Source::Current);
        studio.sample(0).is_some_and(|s| studio.has_tile(Source::Extrapolated(1500), s))
    });
    press(&mut window, "Now: the latest result");

    press_button(&mut window, "Save");
    press(&mut window, "Model as\u{2026} Ctrl+S");
    let path = files.path().join("forgotten.safetensors");
    answer(&mut window, &path);
    until(&mut window, "the file", |app| app.studio().writing == 0);
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
fn files_that_are_dropped_do_what_they_are() {
    let (mut window, files) = (window(), files());
    app(&mut window).open(fixture("labelers/grey8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    window.get_by_label("grey8.onnx");

    let sha = checkpoint::sha256(&model()).expect("a digest");
    let mut marks = Feedback::new(&sha);
    let sample = |index| unlearn_studio::app::tiles::sample_at(0, index, 1.0).expect("a sample");
    marks.mark(sample(3), Mark::Negative);
    marks.mark(sample(9), Mark::Positive);
    let path = files.path().join("marks.json");
    marks.save(&path).expect("saved");
    app(&mut window).open(path);
    until(&mut window, "marks", |app| app.studio().marks.counts() == (1, 1));
    window.get_by_label("Sample 3, must go");

    let broken = files.path().join("broken.pt");
    std::fs::write(&broken, &std::fs::read(model()).expect("the model")[..5000]).expect("written");
    app(&mut window).open(broken);
    until(&mut window, "a notice", |app| !app.studio().notices.all().is_empty() && app.studio().opening.is_none());
    window.get_by_label("Dismiss error");
    assert_eq!(app(&mut window).studio().marks.counts(), (1, 1), "what was open stays");
    press(&mut window, "Dismiss error");
    assert!(window.query_by_label("Dismiss error").is_none());
}

#[test]
fn a_file_that_cannot_be_written_is_a_notice_and_loses_nothing() {
    let (mut window, files) = (window(), files());
    mark_some(&mut window);
    tiny_run(&mut window, 1, 3);
    window.run_ok();
    press_button(&mut window, "Unlearn");
    until(&mut window, "the end", |app| app.studio().run.going().is_none());
    let path = files.path().join("none/out.pt");
    app(&mut window).studio().save_model(path.clone());
    until(&mut window, "a notice", |app| {
        app.studio().notices.all().iter().any(|notice| notice.text.contains("out.pt: cannot be written"))
    });
    assert!(app(&mut window).studio().unsaved, "the result is still there to be saved");
    let path = files.path().join("out.pt");
    app(&mut window).studio().save_model(path.clone());
    until(&mut window, "the file", |app| !app.studio().unsaved);
    assert!(path.is_file());
}

#[test]
fn closing_asks_before_anything_is_lost() {
    let mut window = window();
    mark_some(&mut window);
    tiny_run(&mut window, 1, 1_000_000);
    window.run_ok();
    press_button(&mut window, "Unlearn");
    until(&mut window, "unlearning", |app| !app.studio().charts.d.values().is_empty());
    close(&mut window);
    window.get_by_label("A run is under way");
    press(&mut window, "Stay");
    assert!(app(&mut window).studio().run.going().is_some());
    press_button(&mut window, "Stop");
    until(&mut window, "the end", |app| app.studio().run.going().is_none());
    close(&mut window);
    window.get_by_label("The result is not saved");
    press(&mut window, "Close without saving");
    // The window goes although a worker holds its state: nobody waits for it.
}

fn close(window: &mut Window) {
    use eframe::egui::{ViewportEvent, ViewportId};
    if let Some(viewport) = window.input_mut().viewports.get_mut(&ViewportId::ROOT) {
        viewport.events.push(ViewportEvent::Close);
    }
    window.step();
    window.step();
}

#[test]
fn settings_are_kept_as_presets() {
    let mut window = window();
    assert!(!app(&mut window).studio().is_changed());
    app(&mut window).studio().settings.unlearn.iterations = 123;
    window.run_ok();
    press(&mut window, "Keep\u{2026}");
    window.get_by_label("Name of the preset").focus();
    window.run_ok();
    window.get_by_label("Name of the preset").type_text("mine");
    window.run_ok();
    press(&mut window, "Keep");
    let studio = app(&mut window).studio();
    assert_eq!(studio.prefs.presets["mine"].unlearn.iterations, 123);
    assert!(!studio.is_changed());
}

/// Pictures of the main states, in both themes. Compared only where a driver that draws them exists.
#[test]
fn the_window_looks_as_it_did() {
    if !unlearn_studio::device::gpus().iter().any(|gpu| gpu.software) {
        eprintln!("there is no software Vulkan here, so no picture was compared");
        return;
    }
    for (theme, name) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let mut window = window_with([960.0, 540.0], theme, true, model());
        filled(&mut window);
        // Too few to start with: what a run takes depends on the machine and would be in the picture.
        let studio = app(&mut window).studio();
        for (range, mark) in [(0..3, Mark::Negative), (6..8, Mark::Positive)] {
            let samples: Vec<_> = range.filter_map(|index| studio.sample(index)).collect();
            studio.marks.set(samples, Some(mark));
        }
        studio.view.tile = 90.0;
        // Every tile and thumbnail is there, and has faded in.
        let until_quiet = Instant::now() + Duration::from_millis(1500);
        while Instant::now() < until_quiet {
            window.step();
            std::thread::sleep(Duration::from_millis(10));
        }
        let options = egui_kittest::SnapshotOptions::new().threshold(1.5).max_failed_pixels(400);
        if let Err(error) = window.try_snapshot_options(format!("marked-{name}"), &options) {
            panic!("{error}");
        }
    }
}

/// 4096 samples whose pictures are there scroll by, about 270 at a time. Prints what a frame takes in the program itself;
/// the bound only notices work that does not belong into a frame, on a machine as busy as it may be.
#[test]
fn thousands_of_samples_scroll_by() {
    let mut window = window();
    let studio = app(&mut window).studio();
    studio.view.tile = 40.0;
    let samples: Vec<_> = (0..4096).filter_map(|index| studio.sample(index)).collect();
    let rgb = vec![90; samples.len() * 64 * 64 * 3];
    studio.tiles.forget(|_| true);
    studio.tiles.put(Source::Original, &samples, 64, &rgb, (0, 0.0));
    window.run_ok();
    let over_the_grid = window.get_by_label("Sample 40").rect().center();
    window.hover_at(over_the_grid);
    window.run_ok();
    let mut frames = Vec::new();
    for _ in 0..100 {
        window.event(eframe::egui::Event::MouseWheel {
            unit: eframe::egui::MouseWheelUnit::Point,
            delta: eframe::egui::vec2(0.0, -100.0),
            phase: eframe::egui::TouchPhase::Move,
            source: eframe::egui::MouseWheelSource::Unknown,
            modifiers: Modifiers::NONE,
        });
        let clock = Instant::now();
        window.step();
        frames.push(clock.elapsed());
    }
    frames.sort_unstable();
    println!("a frame of scrolling: median {:.1?}, p99 {:.1?}, worst {:.1?}", frames[50], frames[98], frames[99]);
    assert!(window.query_by_label("Sample 40").is_none(), "it has scrolled");
    assert!(frames[50] < Duration::from_millis(100), "median {:?}", frames[50]);
}
