//! What the window measures itself with: [`benchmark`] drives it, [`frame_log`] notes the time of every frame.
//!
//! Used by `--measure` and `--frame-log` (`benches/window.sh`), never by a user's window. `benchmark` imports `state` and the
//! grid's view; `frame_log` imports nothing of the program.

pub(crate) mod benchmark;
pub(crate) mod frame_log;
