//! Opening the window on the screen there is.

use super::{
    options::Options,
    shell::App,
    state::{prefs::Prefs, window_layout::LEAST_SIZE},
};

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// There is no screen.
    #[error(
        "there is no screen to open a window on; `unlearn-studio unlearn MODEL --feedback MARKS.json --out OUT.safetensors` \
         does the same without one"
    )]
    NoScreen,
    /// The graphics system refused.
    #[error("the window cannot be opened ({0}); `unlearn-studio unlearn --help` shows how to do without one")]
    Graphics(String),
}

/// Opens the window and returns when it is closed.
pub fn run(options: Options) -> Result<(), WindowError> {
    let display = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(all(unix, not(target_os = "macos"))) && !display("DISPLAY") && !display("WAYLAND_DISPLAY") {
        return Err(WindowError::NoScreen);
    }
    let prefs = Prefs::of_user();
    let viewport = eframe::egui::ViewportBuilder::default()
        .with_title("Unlearn Studio")
        .with_app_id("unlearn-studio")
        .with_inner_size(prefs.window.usable_size())
        .with_maximized(prefs.window.maximized)
        .with_min_inner_size(LEAST_SIZE);
    // Surfaces are of one colour each: dithering would only cost time.
    let native = eframe::NativeOptions { viewport, centered: true, dithering: false, ..Default::default() };
    let create: eframe::AppCreator<'_> = Box::new(move |context| {
        let state = context.wgpu_render_state.as_ref();
        let format = state.map(|state| state.target_format);
        let software = state.is_some_and(|state| state.adapter.get_info().device_type == eframe::wgpu::DeviceType::Cpu);
        let projects = directories::ProjectDirs::from("", "", "unlearn-studio");
        let projects = projects.map(|folders| folders.data_dir().join("projects"));
        let options = Options { software, projects: options.projects.or(projects), ..options };
        Ok(Box::new(App::new(&context.egui_ctx, format, prefs, options)))
    });
    eframe::run_native("unlearn-studio", native, create).map_err(|error| WindowError::Graphics(error.to_string()))
}
