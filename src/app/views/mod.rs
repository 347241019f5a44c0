//! What is drawn: one panel or view a file, each with a `ui(...)` that draws the state and calls the studio's methods.
//!
//! In goes the [`Studio`](super::state::studio::Studio), out go calls of its methods. A view holds of its own only
//! what nobody else needs: textures, text being typed, which question is open. Imports `state`, `grid` (the grid's view) and
//! `link` (the list of GPUs); never `measure` or the shell. [`theme`], [`widgets`] and [`format`] are shared by all views.

mod audit_card;
mod axes;
mod captions;
mod chart_plot;
pub(crate) mod charts;
pub(crate) mod close;
pub(crate) mod compare_view;
pub(crate) mod detail;
mod device_menu;
pub(crate) mod dialogs;
pub(crate) mod feedback_panel;
pub(crate) mod follow;
mod format;
pub(crate) mod grid_view;
pub(crate) mod history;
pub(crate) mod key_list;
mod mask_picture;
pub(crate) mod model_card;
pub(crate) mod notices;
mod picture_row;
mod region_painter;
pub(crate) mod remote_dialog;
mod result_card;
mod retrained_row;
pub(crate) mod run_panel;
mod scatter;
mod settings_form;
pub(crate) mod theme;
pub(crate) mod thumbnails;
pub(crate) mod timeline;
pub(crate) mod top_bar;
pub(crate) mod walk;
pub(crate) mod widgets;
