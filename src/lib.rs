//! Unlearn Studio: make a trained generative model stop producing something unwanted and keep everything else.
//!
//! Imports run one way: `app, cli -> engine -> project, audit, remote -> unlearn -> feedback -> model -> checkpoint, train, metrics, data -> networks`.
//! `networks` knows nobody. All may use [`sanitize`] and [`atomic_file`], and from `model` on [`device`].

// What a user meets must not end the program; tests may.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo, clippy::unimplemented)
)]

pub mod app;
pub mod atomic_file;
pub mod audit;
pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod device;
pub mod engine;
pub mod feedback;
pub mod metrics;
pub mod model;
pub mod networks;
pub mod project;
pub mod remote;
pub mod sanitize;
#[cfg(test)]
#[path = "../tests/common/skip.rs"]
mod skip;
pub mod train;
pub mod unlearn;
