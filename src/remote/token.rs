//! The secret that lets a client use a server.
//!
//! It never goes over the line: each side sends a number that nobody has sent before, and the other answers with its HMAC
//! (RFC 2104, SHA-256) under the token.

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// Characters of a token at least: with fewer it could be guessed.
const SHORTEST: usize = 16;
/// Bytes of a token's file at most.
const LONGEST: u64 = 1024;
/// Bytes that SHA-256 takes at a time.
const BLOCK: usize = 64;

/// A secret that both ends know. It shows itself nowhere but through [`Token::text`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What is wrong with a token, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A file that cannot be read.
    #[error("{}: the token cannot be read ({reason})", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A token that could be guessed.
    #[error("a token has at least {} characters, without spaces", SHORTEST)]
    Unfit,
    /// A system that gives no random numbers.
    #[error("no token can be drawn: the system gives no random numbers ({0})")]
    NotDrawn(String),
}

impl Token {
    /// A new one: 32 hexadecimal digits.
    pub fn random() -> Result<Self, TokenError> {
        Ok(Self(hex(&random()?[..16])))
    }

    /// The token that a person wrote.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let fits = (SHORTEST..=LONGEST as usize).contains(&text.chars().count())
            && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if fits { Ok(Self(text.to_owned())) } else { Err(TokenError::Unfit) }
    }

    /// The token in a file, which holds nothing else.
    pub fn read(file: &Path) -> Result<Self, TokenError> {
        let mut text = String::new();
        let read = File::open(file).and_then(|opened| opened.take(LONGEST).read_to_string(&mut text));
        read.map_err(|error| TokenError::Unreadable { file: file.to_owned(), reason: error.to_string() })?;
        Self::parse(&text)
    }

    /// What it is.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What shows a side that sent `challenge` that the other, whose part is `role`, knows the token.
    pub(super) fn proof(&self, role: &str, challenge: &str) -> String {
        hex(&hmac(self.0.as_bytes(), format!("{role} {challenge}").as_bytes()))
    }

    /// Whether a proof is right. How long that takes says nothing about where it is wrong.
    pub(super) fn is_proof(&self, role: &str, challenge: &str, proof: &str) -> bool {
        let expected = self.proof(role, challenge);
        let differs = expected.bytes().zip(proof.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        (std::hint::black_box(differs) == 0) & (expected.len() == proof.len())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A number that nobody has sent before.
pub(super) fn challenge() -> Result<String, TokenError> {
    random().map(|bytes| hex(&bytes))
}

/// 32 bytes that nobody can foresee.
fn random() -> Result<[u8; 32], TokenError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| TokenError::NotDrawn(error.to_string()))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; BLOCK];
    match key.len() > BLOCK {
        true => block[..32].copy_from_slice(&Sha256::digest(key)),
        false => block[..key.len()].copy_from_slice(key),
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_4231() {
        let long = [0xaa; 131];
        for (key, text, expected) in [
            (&[0x0b; 20][..], &b"Hi There"[..], "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &long,
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(&hmac(key, text)), expected);
        }
    }

    #[test]
    fn a_proof_is_of_one_token_one_challenge_and_one_side() {
        let (token, other) = (Token::random().unwrap(), Token::random().unwrap());
        let (asked, again) = (challenge().unwrap(), challenge().unwrap());
        assert!(token != other && asked != again && token.text().len() == 32);
        let proof = token.proof("client", &asked);
        assert!(token.is_proof("client", &asked, &proof));
        assert!(!token.is_proof("server", &asked, &proof));
        assert!(!token.is_proof("client", &again, &proof));
        assert!(!other.is_proof("client", &asked, &proof));
        for wrong in ["", &proof[1..], &format!("{proof}0"), &proof.replace(&proof[..1], "x")] {
            assert!(!token.is_proof("client", &asked, wrong), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn tokens_that_could_be_guessed_are_none() {
        assert_eq!(Token::parse(" 0123456789abcdef\n").unwrap().text(), "0123456789abcdef");
        for wrong in ["", "0123456789abcde", "01234567 89abcdef", &"x".repeat(2000)] {
            assert!(Token::parse(wrong).is_err(), "{wrong}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let sentence = Token::read(&file).unwrap_err().to_string();
        assert!(sentence.contains("the token cannot be read"), "{sentence}");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        assert_eq!(Token::read(&file).unwrap(), Token::parse("0123456789abcdef").unwrap());
    }
}
