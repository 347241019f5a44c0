//! The format on the line: a frame is the length of its text, the length of what follows it, the text (JSON), and what follows: tensors as a
//! safetensors file lays them out, or bytes.
//!
//! Both lengths are checked before anything is read, and no more memory is taken than bytes arrive: whoever is at the other end may be
//! nobody's friend.

use std::io::{self, Read, Write};

/// Longest frames that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of the text.
    pub(super) text: u32,
    /// Bytes of what follows.
    pub(super) payload: u64,
}

/// Before the other end has shown that it knows the token.
pub(super) const STRANGER: Limits = Limits { text: 4096, payload: 0 };
/// Afterwards: a million samples have their order in a text, a network of a billion parameters has a state of 28 GB.
pub(super) const KNOWN: Limits = Limits { text: 1 << 26, payload: 1 << 36 };

/// What stands before a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// What it says, in JSON.
    pub(super) text: Vec<u8>,
    /// Bytes that follow.
    pub(super) payload: u64,
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The line.
    #[error(transparent)]
    Line(#[from] io::Error),
    /// Something else than a frame, or one that is too long.
    #[error("a frame of {text} and {payload} bytes")]
    TooLong {
        /// Bytes its text claims.
        text: u32,
        /// Bytes its payload claims.
        payload: u64,
    },
}

/// Reads a frame up to its payload.
pub(super) fn read(from: &mut impl Read, limits: Limits) -> Result<Frame, FrameError> {
    let mut head = [0; 12];
    from.read_exact(&mut head)?;
    let [a, b, c, d, rest @ ..] = head;
    let (length, payload) = (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(rest));
    if length > limits.text || payload > limits.payload {
        return Err(FrameError::TooLong { text: length, payload });
    }
    let mut text = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut text)?;
    match text.len() == length as usize {
        true => Ok(Frame { text, payload }),
        false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}

/// Writes a frame up to its payload.
pub(super) fn write(to: &mut dyn Write, text: &[u8], payload: u64) -> io::Result<()> {
    let length = u32::try_from(text.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&payload.to_le_bytes())?;
    to.write_all(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back() {
        for (text, payload) in [(&b""[..], 0), (b"{}", 0), (b"\"beat\"", 1 << 36)] {
            let mut line = Vec::new();
            write(&mut line, text, payload).unwrap();
            line.extend(b"what follows");
            let mut from = line.as_slice();
            let frame = read(&mut from, KNOWN).unwrap();
            assert_eq!((frame.text.as_slice(), frame.payload, from), (text, payload, &b"what follows"[..]));
        }
    }

    #[test]
    fn lengths_are_limits() {
        let line = |text: u32, payload: u64| [&text.to_le_bytes()[..], &payload.to_le_bytes(), &[b' '; 5000]].concat();
        let read = |text, payload, limits| read(&mut line(text, payload).as_slice(), limits);
        assert!(read(4096, 0, STRANGER).is_ok());
        for (text, payload) in [(4097, 0), (u32::MAX, 0), (0, 1), (0, u64::MAX)] {
            let error = read(text, payload, STRANGER).unwrap_err();
            assert!(matches!(error, FrameError::TooLong { .. }), "{error}");
        }
        assert!(read(5000, 1 << 36, KNOWN).is_ok());
        assert!(matches!(read(0, (1 << 36) + 1, KNOWN), Err(FrameError::TooLong { .. })));
        // More is claimed than comes.
        assert!(matches!(read(5001, 0, KNOWN), Err(FrameError::Line(_))));
    }
}
