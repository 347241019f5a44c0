//! Runs on another machine: a method computes there, everything else stays here.
//!
//! Imports what a method works on (`unlearn`, `feedback`, `model`, `train`, `checkpoint`, `networks`), and `device`; it knows no project, no
//! history and no file of a person's. What goes over the line is the method's own seam: a [`Request`](crate::unlearn::Request) there, calls
//! of a [`Monitor`](crate::unlearn::Monitor) and an [`Outcome`](crate::unlearn::Outcome) back. After each iteration the server waits for
//! what its client says of it, so that pauses, stops, snapshots and saved states are those of this very iteration, as in a run that
//! computes here.
//!
//! `frame` is the format on the line, with its limits; `connection` a line with heartbeats; `token` and `handshake` who may use it;
//! `message` what is said, `parcel` how states, pools and pictures travel, `job` what a run works on; `client` and `server` the two ends.

mod client;
mod connection;
mod error;
mod frame;
mod handshake;
#[cfg(test)]
mod hostile;
mod job;
mod message;
mod parcel;
mod server;
mod token;

pub use client::Remote;
pub use error::RemoteError;
pub use message::ServerCard;
pub use server::{Notice, Server};
pub use token::{Token, TokenError};
