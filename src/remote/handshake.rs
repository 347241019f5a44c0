//! The first words on a line: who speaks, in which version, and whether both know the token.

use super::{
    connection::Line,
    error::RemoteError,
    message::{Hello, MAGIC, Message, PROTOCOL, Refusal, ServerCard},
    token::{Token, challenge},
};
use crate::{model::program, sanitize::sanitize};

/// What the two ends are called in proofs, so that neither can be given the other's.
const CLIENT: &str = "client";
const SERVER: &str = "server";

/// The client's first words; what the server computes with.
pub(super) fn greet(line: &mut Line, token: &Token) -> Result<ServerCard, RemoteError> {
    let (own, theirs) = hello(line)?;
    line.send(&Message::Proof(token.proof(CLIENT, &theirs.challenge)))?;
    let wrong = RemoteError::Token { address: line.address() };
    match line.receive()? {
        Message::Proof(proof) if token.is_proof(SERVER, &own.challenge, &proof) => {}
        Message::Proof(_) | Message::Refused(Refusal::Token) => return Err(wrong),
        Message::Refused(Refusal::Other(reason)) => return Err(refused(line, &reason)),
        other => return Err(line.unexpected(&other)),
    }
    match line.receive()? {
        Message::Card(card) => {
            line.open()?;
            Ok(ServerCard { name: sanitize(&card.name, 100), ..card })
        }
        other => Err(line.unexpected(&other)),
    }
}

/// The server's first words. A client that is refused knows why when this fails.
pub(super) fn welcome(line: &mut Line, token: &Token, card: ServerCard) -> Result<(), RemoteError> {
    let (own, theirs) = hello(line)?;
    match line.receive()? {
        Message::Proof(proof) if token.is_proof(CLIENT, &own.challenge, &proof) => {}
        Message::Proof(_) => {
            line.send(&Message::Refused(Refusal::Token))?;
            return Err(RemoteError::Token { address: line.address() });
        }
        other => return Err(line.unexpected(&other)),
    }
    line.send(&Message::Proof(token.proof(SERVER, &theirs.challenge)))?;
    line.send(&Message::Card(card))?;
    line.open()
}

/// What both ends say first, this one's and the other's.
fn hello(line: &mut Line) -> Result<(Hello, Hello), RemoteError> {
    let challenge = challenge().map_err(|error| RemoteError::Here(error.to_string()))?;
    let own = Hello { magic: MAGIC.to_owned(), protocol: PROTOCOL, program: program(), challenge };
    line.send(&Message::Hello(own.clone()))?;
    let stranger = RemoteError::Stranger { address: line.address() };
    let theirs = match line.receive() {
        Ok(Message::Hello(hello)) if hello.magic == MAGIC => hello,
        Ok(Message::Refused(Refusal::Other(reason))) => return Err(refused(line, &reason)),
        Ok(_) | Err(RemoteError::Garbled { .. }) => return Err(stranger),
        Err(error) => return Err(error),
    };
    if (theirs.protocol, &theirs.program) != (own.protocol, &own.program) {
        let named = |hello: &Hello| sanitize(&format!("{} (protocol {})", hello.program, hello.protocol), 100);
        return Err(RemoteError::Version { address: line.address(), theirs: named(&theirs), ours: named(&own) });
    }
    Ok((own, theirs))
}

/// What a server that will not do something says of it.
pub(super) fn refused(line: &Line, reason: &str) -> RemoteError {
    RemoteError::Refused { address: line.address(), reason: sanitize(reason, 500) }
}
