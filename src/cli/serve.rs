//! `serve`: lends this machine's device to runs of another.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::anyhow;
use clap::Args;

use super::{
    args::DeviceArgs,
    output::{complain, say},
    progress::end_when_interrupted,
    run_device::TokenArgs,
    unusable::Unusable,
};
use crate::remote::{Server, Token};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address to listen at; port 0 takes any that is free.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7447")]
    listen: String,
    /// Listen where other machines can reach it. Nothing on the line is encrypted; an SSH tunnel to 127.0.0.1 is better.
    #[arg(long)]
    open_to_network: bool,
    #[command(flatten)]
    token: TokenArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// What to do instead of letting everybody in.
fn tunnel(port: u16) -> String {
    format!("an SSH tunnel from the other machine is safer: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE")
}

pub(super) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let listen = &args.listen;
    let places: Vec<SocketAddr> = match listen.to_socket_addrs() {
        Ok(places) => places.collect(),
        Err(error) => return Err(Unusable(format!("--listen {listen}: {error}; an address is HOST:PORT")).into()),
    };
    let port = places.first().map_or(0, SocketAddr::port);
    let is_open = places.iter().any(|place| !place.ip().is_loopback());
    if is_open && !args.open_to_network {
        let tunnel = tunnel(port);
        return Err(Unusable(format!(
            "--listen {listen}: other machines could reach it, and nothing on the line is encrypted; {tunnel}, or add \
             --open-to-network"
        ))
        .into());
    }
    let given = args.token.token()?;
    let token = given.clone().map_or_else(Token::random, Ok)?;
    let device = args.device.open()?;
    let name = device.name.clone();
    let failed = |error: std::io::Error| anyhow!("{listen}: it cannot be listened at: {error}");
    let server = Server::bind(places.as_slice(), token.clone(), device).map_err(failed)?;
    if is_open {
        complain(&format!("warning: nothing on the line is encrypted; {}", tunnel(port)));
    }
    end_when_interrupted()?;
    say(format!("listening at {} with {name}", server.address()?))?;
    if given.is_none() {
        say(format!("token: {}", token.text()))?;
    }
    match server.serve(|notice| {
        // Whoever closed the terminal still wants the server.
        let _ = say(notice);
    })? {}
}
