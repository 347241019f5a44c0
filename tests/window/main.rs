//! The window, driven through AccessKit as a screen reader or a person would, on tiny models.

mod failures;
mod pictures;
mod story;
mod support;
