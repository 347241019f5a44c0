//! A way around a defect of `zip` 9.4.1, which `pytorch-reader` opens archives with.
//!
//! PyTorch ends every archive with a ZIP64 record and locator (76 bytes) even where 32 bits are enough. `zip` then
//! guesses the central directory's start from its size and the archive's end, 76 bytes too late, and believes the guess
//! if a directory entry starts there: so it does whenever the first entry is 76 bytes long, which is to say, whenever
//! the file was saved under a name of 21 letters. A copy without the superfluous bytes reads well.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// The record and its locator.
const ZIP64_LENGTH: usize = 76;
/// The end of the central directory, without a comment; PyTorch writes none.
const END_LENGTH: usize = 22;

/// A temporary copy of the archive without its ZIP64 end, if it has the superfluous one PyTorch writes.
pub(super) fn without_zip64_end(path: &Path) -> io::Result<Option<NamedTempFile>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let Some(directory_end) = length.checked_sub((ZIP64_LENGTH + END_LENGTH) as u64) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(directory_end))?;
    let mut tail = [0; ZIP64_LENGTH + END_LENGTH];
    file.read_exact(&mut tail)?;
    let (zip64, end) = tail.split_at(ZIP64_LENGTH);
    let superfluous = zip64.starts_with(b"PK\x06\x06") && zip64[56..].starts_with(b"PK\x06\x07");
    if !superfluous || !end.starts_with(b"PK\x05\x06") {
        return Ok(None);
    }
    let mut copy = NamedTempFile::new()?;
    file.rewind()?;
    io::copy(&mut file.take(directory_end), &mut copy)?;
    copy.write_all(end)?;
    copy.flush()?;
    Ok(Some(copy))
}
