//! What the window knows: plain data that knows no drawing and is tested without a window.
//!
//! [`studio`] holds all of it, sends commands to the engine through [`super::link`] and takes in its events; each other file
//! is one kind of data. Imports `link`, the engine, and the values that go into its commands (`unlearn`, `networks`,
//! `device`); of egui only the geometry types of [`layout`]. Never imports `views`, `grid` or `measure`.

pub mod audit;
pub mod bundled;
pub mod charts;
pub mod comparison;
pub mod labeler;
pub mod layout;
pub mod marks;
pub mod marks_check;
pub mod most_changed;
pub mod notices;
pub mod pending_action;
pub mod prefs;
pub mod preset;
pub mod run_state;
pub mod sample_order;
pub mod series;
pub mod studio;
pub mod tiles;
pub mod timeline;
pub mod view;
pub mod walk;
pub mod window_layout;
