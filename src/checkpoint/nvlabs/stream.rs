//! The stream that holds one storage of a network pickle: what `torch.save` writes, in its legacy format or as a zip archive.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

use super::super::element::Element;
use super::super::pickle::{Node, Pickle, PickleError};
use super::super::pt_values::has_legacy_magic;
use super::NetworkError;

/// Most bytes of a stream's pickle; a storage's has 80.
const LARGEST_PICKLE: u64 = 1 << 16;
/// First bytes of a zip archive.
const ARCHIVE: &[u8] = b"PK";

/// Where a stream lies.
pub(super) enum Stream {
    /// In the file.
    File(Range<u64>),
    /// Unpacked from text.
    Memory(Vec<u8>),
}

/// Numbers of one type.
pub(super) struct Storage {
    pub(super) element: Element,
    /// Number of values.
    pub(super) count: usize,
    pub(super) place: Place,
}

/// Where a storage's numbers lie.
pub(super) enum Place {
    /// From this byte of the file on.
    File(u64),
    /// Unpacked from an archive or from text.
    Memory(Vec<u8>),
}

impl Stream {
    /// Whether a part of the file is an archive, which is unpacked in memory.
    pub(super) fn is_archive(file: &mut BufReader<File>, range: &Range<u64>) -> Result<bool, NetworkError> {
        let mut head = [0; ARCHIVE.len()];
        if range.end - range.start < head.len() as u64 {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(range.start)).and_then(|_| file.read_exact(&mut head)).map_err(NetworkError::Io)?;
        Ok(head == ARCHIVE)
    }

    /// Finds the storage. What is unpacked from an archive has at most `most` bytes.
    pub(super) fn open(self, file: &mut BufReader<File>, most: u64) -> Result<Storage, NetworkError> {
        match self {
            Self::File(range) => {
                file.seek(SeekFrom::Start(range.start)).map_err(NetworkError::Io)?;
                let (element, count, start) = legacy(file, range.end)?;
                Ok(Storage { element, count, place: Place::File(start) })
            }
            Self::Memory(bytes) if bytes.starts_with(ARCHIVE) => archive(bytes, most),
            Self::Memory(mut bytes) => {
                let (element, count, start) = legacy(&mut Cursor::new(&bytes), bytes.len() as u64)?;
                bytes.drain(..start as usize);
                Ok(Storage { element, count, place: Place::Memory(bytes) })
            }
        }
    }
}

/// A legacy stream: pickles of a magic number, a version, word sizes, the storage and a list of keys, then every key's
/// number of values and the values. `input` stands at its beginning; the answer is type and number of values, and where
/// they begin.
fn legacy(input: &mut (impl BufRead + Seek), end: u64) -> Result<(Element, usize, u64), NetworkError> {
    let start = input.stream_position().map_err(NetworkError::Io)?;
    let mut head = Vec::new();
    input.take(end.saturating_sub(start).min(32)).read_to_end(&mut head).map_err(NetworkError::Io)?;
    if !has_legacy_magic(&head) {
        return Err(bad("its storage is no PyTorch stream"));
    }
    input.seek(SeekFrom::Start(start)).map_err(NetworkError::Io)?;
    for _ in 0..3 {
        stream_pickle(input, end)?;
    }
    let (element, count) = described(&stream_pickle(input, end)?)?;
    stream_pickle(input, end)?;
    let mut stored = [0; 8];
    let start = input.stream_position().map_err(NetworkError::Io)? + stored.len() as u64;
    if start > end {
        return Err(bad("its storage ends early"));
    }
    input.read_exact(&mut stored).map_err(NetworkError::Io)?;
    let bytes = count.checked_mul(element.size()).map(|bytes| bytes as u64);
    if u64::from_le_bytes(stored) != count as u64 || bytes.is_none_or(|bytes| bytes > end - start) {
        return Err(bad("its storage contradicts itself"));
    }
    Ok((element, count, start))
}

/// A zip archive with `data.pkl` and one entry under `data/`.
fn archive(bytes: Vec<u8>, most: u64) -> Result<Storage, NetworkError> {
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let broken = |error: zip::result::ZipError| bad(&format!("its storage's archive is broken ({error})"));
    let mut archive = ZipArchive::with_config(config, Cursor::new(bytes)).map_err(broken)?;
    let names: Vec<String> = archive.file_names().filter_map(Result::ok).map(Into::into).collect();
    let named = |end: fn(&str) -> bool| names.iter().find(|name| end(name));
    let unpack = |archive: &mut ZipArchive<_>, name: Option<&String>, most: u64| {
        let name = name.ok_or_else(|| bad("its storage's archive lacks an entry"))?;
        let mut out = Vec::new();
        let entry = archive.by_name(name).map_err(broken)?;
        entry.take(most).read_to_end(&mut out).map_err(|_| bad("its storage's archive is broken"))?;
        Ok::<_, NetworkError>(out)
    };
    let pickle = unpack(&mut archive, named(|name| name.ends_with("/data.pkl")), LARGEST_PICKLE)?;
    let end = pickle.len() as u64;
    let (element, count) = described(&stream_pickle(&mut Cursor::new(pickle), end)?)?;
    let size = count.checked_mul(element.size()).map(|size| size as u64);
    let size = size.filter(|size| *size <= most).ok_or_else(|| bad("its storage claims too much"))?;
    let values = unpack(&mut archive, named(|name| name.contains("/data/")), size)?;
    if values.len() as u64 != size {
        return Err(bad("its storage ends early"));
    }
    Ok(Storage { element, count, place: Place::Memory(values) })
}

/// The bytes of a text (in UTF-8) whose letters stand for one each, as `bytes.decode("latin1")` gives them; `None` of any
/// other text.
pub(super) fn bytes_of_latin1(text: Vec<u8>) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.into_iter();
    while let Some(first) = rest.next() {
        bytes.push(match first {
            0..0x80 => first,
            0xc2 | 0xc3 => rest.next().filter(|next| next & 0xc0 == 0x80).map(|next| first << 6 | next & 0x3f)?,
            _ => return None,
        });
    }
    Some(bytes)
}

pub(super) fn bad(reason: &str) -> NetworkError {
    NetworkError::Bad(reason.to_owned())
}

fn stream_pickle(input: &mut (impl BufRead + Seek), end: u64) -> Result<Pickle, NetworkError> {
    let start = input.stream_position().map_err(NetworkError::Io)?;
    let pickle = Pickle::read(input, end.min(start.saturating_add(LARGEST_PICKLE)));
    let pickle = pickle.map_err(|error| match error {
        PickleError::Io(error) => NetworkError::Io(error),
        other => bad(&format!("its storage: {other}")),
    })?;
    match pickle.hostile_name() {
        Some(name) => Err(NetworkError::Hostile(name.to_owned())),
        None => Ok(pickle),
    }
}

/// Type and number of values of `('storage', torch.FloatStorage, key, device, count, ...)`, a persistent id.
fn described(pickle: &Pickle) -> Result<(Element, usize), NetworkError> {
    let Node::Persistent(id) = pickle.node(pickle.root()) else { return Err(bad("expected a storage")) };
    let [kind, class, _, _, count, rest @ ..] = pickle.items(*id) else { return Err(bad("expected a storage")) };
    if pickle.text(*kind) != Some("storage") || rest.iter().any(|view| !matches!(pickle.node(*view), Node::None)) {
        return Err(bad("expected a whole storage"));
    }
    let Node::Class(class) = pickle.node(*class) else { return Err(bad("expected a storage")) };
    let element = Element::of_storage(class).ok_or_else(|| bad("it does not hold numbers"))?;
    let count = pickle.size(*count).ok_or_else(|| bad("its storage has no size"))?;
    Ok((element, count))
}

#[cfg(test)]
mod tests {
    use super::bytes_of_latin1;

    #[test]
    fn every_byte_has_its_letter() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        assert_eq!(bytes_of_latin1(text.into_bytes()), Some(bytes));
        for other in [&b"\xc4\x80"[..], b"\xc2", b"\xc2a", b"\x80", b"\xe2\x82\xac"] {
            assert_eq!(bytes_of_latin1(other.to_vec()), None);
        }
    }
}
