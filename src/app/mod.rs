//! The window: mark what must go, watch it go.
//!
//! ```text
//! +--------------------------------------------------------------------------------------------+
//! | Unlearn Studio   Open  Save   Undo Redo          avatars-64           CPU   theme          |  top_bar
//! +-------------+-------------------------------------------------------------+----------------+
//! | Model       |  After Before Split Difference Heat     seed  psi  size  Page |  Unlearn       |
//! |  card       |  . . . . . . . . . . . . . . . . . . . . . . . . . . . . .  |   preset       |
//! |             |  . . . . . . . . . . . . . . . . . . . . . . . . . . . . .  |   settings     |
//! | Must go  12 |  . . . . . . . . . the grid . . . . . . . . . . . . . . .  |   [ Unlearn ]  |
//! |  thumbnails |  . . . . . . . . . . . . . . . . . . . . . . . . . . . . .  |   progress     |
//! | May stay 30 |  . . . . . . . . . . . . . . . . . . . . . . . . . . . . .  |  Charts        |
//! |  thumbnails +-------------------------------------------------------------+                |
//! |             |  before  o---o---o---o---o  now        extrapolate ---o---  |   one below    |
//! | Labeler     |                                                  timeline   |   the other    |
//! +-------------+-------------------------------------------------------------+----------------+
//!   side panel                     grid_view, timeline_view                        run_panel
//! ```
//!
//! Four meanings have a colour each ([`theme`]): must go (red), may stay (green), before (amber), after (blue). What can
//! be said with a colour, a border or a thumbnail is not said with a number.
//!
//! State is plain data that knows no drawing and is tested without a window: [`marks`], [`tiles`], [`atlas`], [`layout`],
//! [`series`], [`timeline`], [`prefs`], and [`studio`], which holds them all, sends commands to the engine and takes in
//! its events. The other modules draw it, one panel each. Nothing here computes or touches a file while a frame is drawn:
//! that is the engine's thread's work, reached through [`link`].

pub mod atlas;
mod charts_view;
mod close;
mod detail;
mod device_menu;
mod dialogs;
mod feedback_panel;
mod frame_log;
mod grid_paint;
mod grid_view;
mod ground;
pub mod layout;
pub mod link;
pub mod marks;
mod model_card;
pub mod notices;
pub mod prefs;
mod run_panel;
mod run_state;
pub mod series;
mod settings_form;
mod shell;
pub mod studio;
pub mod theme;
mod thumbnails;
pub mod tiles;
pub mod timeline;
mod timeline_view;
mod top_bar;
mod tour;
mod widgets;

use std::{path::PathBuf, time::Instant};

pub use shell::App;
pub use studio::Studio;

use crate::device::DeviceChoice;

/// How the window is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The model to open; the bundled one if none is named.
    pub model: Option<PathBuf>,
    /// The compute device, if it is not to be the one chosen last.
    pub device: Option<DeviceChoice>,
    /// A CSV file for the time of every frame.
    pub frame_log: Option<PathBuf>,
    /// The window is drawn by the processor: motion for its own sake would take time from computing.
    pub software: bool,
    /// The window drives itself, prints how long its frames took, and closes.
    pub measure: bool,
    /// When the program began; now, if nobody says.
    pub since: Option<Instant>,
}

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
    let viewport = eframe::egui::ViewportBuilder::default()
        .with_title("Unlearn Studio")
        .with_app_id("unlearn-studio")
        .with_inner_size([1360.0, 860.0])
        .with_min_inner_size([860.0, 560.0]);
    // Surfaces are of one colour each: dithering would only cost time.
    let native = eframe::NativeOptions { viewport, centered: true, dithering: false, ..Default::default() };
    let create: eframe::AppCreator<'_> = Box::new(move |context| {
        let state = context.wgpu_render_state.as_ref();
        let format = state.map(|state| state.target_format);
        let software = state.is_some_and(|state| state.adapter.get_info().device_type == eframe::wgpu::DeviceType::Cpu);
        let options = Options { software, ..options };
        Ok(Box::new(App::new(&context.egui_ctx, format, prefs::Prefs::load(prefs::Prefs::folder()), options)))
    });
    eframe::run_native("unlearn-studio", native, create).map_err(|error| WindowError::Graphics(error.to_string()))
}

/// The model that is opened if none is named: from the program's installation, else from its source folder.
fn bundled_model() -> Option<PathBuf> {
    const NAME: &str = "assets/models/avatars-64.safetensors";
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(|path| path.parent());
    let installed = beside.map(|folder| folder.join("../share/unlearn-studio").join(NAME));
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(NAME);
    [beside.map(|folder| folder.join(NAME)), installed, Some(source)].into_iter().flatten().find(|path| path.is_file())
}
