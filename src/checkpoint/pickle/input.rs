//! The bytes of one pickle, counted: nothing is believed that would reach beyond the input's end.

use std::io::{BufRead, Seek};

use super::PickleError;

/// Most bytes of text; the source text of a network's module is 40 000.
const MOST_TEXT: u64 = 64 << 20;

/// What a pickle is read from.
pub(super) struct Input<'a, R> {
    reader: &'a mut R,
    position: u64,
    end: u64,
    /// Bytes of text so far.
    text: u64,
}

impl<'a, R: BufRead + Seek> Input<'a, R> {
    /// `reader` from where it stands; it ends at `end`.
    pub(super) fn new(reader: &'a mut R, end: u64) -> Result<Self, PickleError> {
        let position = reader.stream_position()?;
        Ok(Self { reader, position, end, text: 0 })
    }

    /// Where it stands.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Accounts for `count` bytes of the input, which must be there.
    fn claim(&mut self, count: u64) -> Result<(), PickleError> {
        let after = self.position.checked_add(count).filter(|after| *after <= self.end);
        self.position = after.ok_or(PickleError::Truncated)?;
        Ok(())
    }

    /// The next bytes.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        self.claim(N as u64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// As many of the next bytes, which are kept.
    pub(super) fn take_vec(&mut self, count: u64) -> Result<Vec<u8>, PickleError> {
        self.claim(count)?;
        self.note_text(count)?;
        let mut bytes = vec![0; count as usize];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Leaves out bytes that must be there.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), PickleError> {
        self.claim(count)?;
        let distance = i64::try_from(count).map_err(|_| PickleError::Truncated)?;
        Ok(self.reader.seek_relative(distance)?)
    }

    /// The length in front of a payload, in `width` little-endian bytes.
    pub(super) fn length(&mut self, width: usize) -> Result<u64, PickleError> {
        Ok(match width {
            1 => self.take::<1>()?[0].into(),
            4 => u32::from_le_bytes(self.take()?).into(),
            _ => u64::from_le_bytes(self.take()?),
        })
    }

    /// The rest of a line of a text opcode.
    pub(super) fn line(&mut self) -> Result<String, PickleError> {
        let mut line = Vec::new();
        loop {
            match self.take()? {
                [b'\n'] => return Ok(String::from_utf8_lossy(&line).into_owned()),
                [byte] => line.push(byte),
            }
            self.note_text(1)?;
        }
    }

    fn note_text(&mut self, count: u64) -> Result<(), PickleError> {
        self.text += count;
        if self.text > MOST_TEXT { Err(PickleError::TooLarge) } else { Ok(()) }
    }
}
