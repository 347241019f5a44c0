//! The window, driven through AccessKit as a screen reader or a user would, on tiny models.

mod access;
mod audits;
mod charts;
mod compare;
mod completions;
mod failures;
mod history;
mod keyboard;
mod menus;
mod motion;
mod order;
mod panel;
mod pictures;
mod region;
mod remote;
#[path = "../common/server.rs"]
mod server;
#[path = "../common/skip.rs"]
mod skip;
mod story;
mod support;
mod truncation;
mod typing;
mod walk;
