//! A window for tests, and what a user does with it.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use eframe::egui::{Key, Modifiers, ViewportEvent, ViewportId, accesskit::Role};
use egui_kittest::{Harness, kittest::Queryable};
use tempfile::TempDir;
use unlearn_studio::{
    app::{
        App, Options,
        state::{
            prefs::{Prefs, Theme},
            tiles::Source,
        },
    },
    device::DeviceChoice,
    unlearn::{FIRST, Settings},
};

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(150);

pub type Window = Harness<'static, Option<App>>;

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn model() -> PathBuf {
    fixture("golden/stylegan2-16.pt")
}

pub fn window_with(size: [f32; 2], theme: Theme, render: bool, model: PathBuf) -> Window {
    window_keeping(size, theme, render, model, None)
}

/// A window that keeps projects in a folder.
pub fn window_keeping(size: [f32; 2], theme: Theme, render: bool, model: PathBuf, projects: Option<PathBuf>) -> Window {
    let options = Options { model: Some(model), projects, device: Some(DeviceChoice::Cpu), ..Options::default() };
    window_of(size, theme, render, options)
}

/// A window that is opened so.
pub fn window_of(size: [f32; 2], theme: Theme, render: bool, options: Options) -> Window {
    let mut prefs = Prefs::load(None);
    (prefs.theme, prefs.first_steps_done) = (theme, true);
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
pub fn window() -> Window {
    let mut window = window_with([1360.0, 860.0], Theme::Dark, false, model());
    filled(&mut window);
    window
}

pub fn app(window: &mut Window) -> &mut App {
    window.state_mut().as_mut().expect("a window")
}

/// Draws frames until something holds.
pub fn until(window: &mut Window, what: &str, mut holds: impl FnMut(&mut App) -> bool) {
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

pub fn filled(window: &mut Window) {
    until(window, "samples", |app| {
        let studio = app.studio();
        studio.model.is_some()
            && (0..8).all(|index| studio.sample(index).is_some_and(|s| studio.has_tile(Source::Original, s)))
    });
}

pub fn press(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    window.run_ok();
}

/// A button among other things of the same name.
pub fn press_button(window: &mut Window, label: &str) {
    window.get_by_role_and_label(Role::Button, label).click();
    window.run_ok();
}

/// Few and quick iterations; the settings' form is tried elsewhere.
pub fn tiny_run(window: &mut Window, adapt: usize, unlearn: usize) {
    let settings = &mut app(window).studio().settings;
    *settings = Settings::of(FIRST);
    // The marks themselves are trained on.
    let counts = [("adapt-iters", adapt), ("iters", unlearn), ("adapted", 1), ("fisher-samples", 2), ("few-marks", 0)];
    for (key, value) in counts.into_iter().chain([("batch", 4)]) {
        settings.set(key, value).expect(key);
    }
    for (path, text) in [("adapt-lr", "0.01"), ("unlearn-lr", "0.01"), ("adapt.train.ema_decay", "0.5")] {
        settings.set_text(path, text).expect(path);
    }
    settings.set("ema-decay", 0.5).expect("a decay");
}

pub fn mark_some(window: &mut Window) {
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

/// The mouse wheel turns by so many points.
pub fn wheel(window: &mut Window, points: f32) {
    window.event(eframe::egui::Event::MouseWheel {
        unit: eframe::egui::MouseWheelUnit::Point,
        delta: eframe::egui::vec2(0.0, points),
        phase: eframe::egui::TouchPhase::Move,
        source: eframe::egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
}

pub fn files() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Answers the question for a path.
pub fn answer(window: &mut Window, path: &Path) {
    type_path(window, path);
    press(window, "Save file");
}

/// Types a path where one is asked for.
pub fn type_path(window: &mut Window, path: &Path) {
    until(window, "the question", |_| true);
    let line = window.get_by_label("Path");
    line.focus();
    window.run_ok();
    window.key_combination_modifiers(Modifiers::COMMAND, &[Key::A]);
    window.run_ok();
    window.get_by_label("Path").type_text(&path.display().to_string());
    window.run_ok();
}

/// The user closes the window.
pub fn close(window: &mut Window) {
    if let Some(viewport) = window.input_mut().viewports.get_mut(&ViewportId::ROOT) {
        viewport.events.push(ViewportEvent::Close);
    }
    window.step();
    window.step();
}

/// What a notice says.
pub fn noticed(window: &mut Window, words: &str) {
    until(window, words, |app| app.studio().notices.all().iter().any(|notice| notice.text.contains(words)));
}

/// Begins a run, and insists on it where the marks are weak.
pub fn start_run(window: &mut Window) {
    window.run_ok();
    press_button(window, "Unlearn");
    until(window, "what the marks say", |app| !app.studio().is_checking_marks());
    if app(window).studio().marks_question().is_some() {
        press_button(window, "Unlearn anyway");
    }
    // What comes to stand under it would show so.
    window.remove_cursor();
    window.step();
}

/// A short run to its end.
pub fn run_once(window: &mut Window, adapt: usize, unlearn: usize) {
    tiny_run(window, adapt, unlearn);
    window.run_ok();
    start_run(window);
    until(window, "the end", |app| app.studio().run.in_progress().is_none());
}

/// Chooses from the Save menu and answers the question for a path.
pub fn save_as(window: &mut Window, entry: &str, path: &Path) {
    press_button(window, "Save");
    press(window, entry);
    answer(window, path);
    until(window, "the file", |app| !app.studio().is_writing());
    assert!(path.is_file(), "{entry}");
}

/// Marks some samples and begins a run that does not end by itself.
pub fn endless_run(window: &mut Window) {
    mark_some(window);
    tiny_run(window, 1, 1_000_000);
    window.run_ok();
    start_run(window);
    until(window, "unlearning", |app| !app.studio().charts.values("unlearn", "discriminator").is_empty());
}
