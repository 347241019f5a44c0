//! Unlearn Studio: make a trained GAN stop producing something unwanted and keep everything else.
//!
//! Imports run one way: `app -> engine -> unlearn -> train -> gan`; `checkpoint -> gan`; `metrics -> gan`;
//! `data -> gan`; `cli -> engine`. `gan` knows nobody. All may use [`plain`].

// What a user meets must not end the program; tests may.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo, clippy::unimplemented)
)]

pub mod app;
pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod device;
pub mod engine;
pub mod gan;
pub mod metrics;
pub mod plain;
pub mod train;
pub mod unlearn;
