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
//! Four meanings have a colour each (`views/theme.rs`): must go (red), may stay (green), before (amber), after (blue). What can
//! be said with a colour, a border or a thumbnail is not said with a number.
//!
//! | folder | what lives there |
//! |---|---|
//! | [`state`] | plain data that knows no drawing; [`state::studio`] sends commands to the engine and takes in its events |
//! | `views` | one panel or view a file, each with a `ui(...)`; knows `state`, draws the grid through `grid` |
//! | `grid` | the grid's drawing on the GPU; knows `state`'s tiles, no view |
//! | `measure` | what the window measures itself with |
//!
//! [`link`] is the thread between the window and the engine, `shell` the window as a whole, `window` opens it. Nothing here
//! computes or touches a file while a frame is drawn: that is the engine's thread's work. Imports the engine and the values
//! that go into its commands (`unlearn`, `networks`, `device`).

mod grid;
pub mod link;
mod measure;
mod options;
mod shell;
pub mod state;
mod views;
mod window;

pub use options::Options;
pub use shell::App;
pub use state::studio::Studio;
pub use window::{WindowError, run};
