//! The SHA-256 of a model file, by which feedback files name it, and whether the file changed meanwhile.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{CheckpointError, hugging_face::weights_file};

/// The SHA-256 of the file's bytes (of a folder: of its tensors' file), in lower-case hexadecimal.
pub fn sha256(path: &Path) -> Result<String, CheckpointError> {
    sha256_watched(path, &mut |_| {})
}

/// As [`sha256`]; `watch` is told again and again how many bytes were read so far.
pub fn sha256_watched(path: &Path, watch: &mut dyn FnMut(u64)) -> Result<String, CheckpointError> {
    let failed = |error| CheckpointError::read(path, &error);
    let mut file = File::open(weights_file(path)).map_err(failed)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    let mut read = 0;
    loop {
        let count = file.read(&mut chunk).map_err(failed)?;
        if count == 0 {
            return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        digest.update(&chunk[..count]);
        read += count as u64;
        watch(read);
    }
}

/// Tells whether a path still leads to the same bytes. The readers open a file several times, each in its own way, and the
/// digest is taken after them: in between somebody may have put another file in its place, or written into it.
pub struct Unchanged<'a> {
    path: &'a Path,
    /// It stays open, so that no other file can get its number.
    file: File,
    before: Identity,
}

impl<'a> Unchanged<'a> {
    /// From now on.
    pub fn since_now(path: &'a Path) -> Result<Self, CheckpointError> {
        let failed = |error| CheckpointError::read(path, &error);
        let file = File::open(path).map_err(failed)?;
        let before = Identity::of(&file.metadata().map_err(failed)?);
        Ok(Self { path, file, before })
    }

    /// An error if it changed.
    pub fn check(&self) -> Result<(), CheckpointError> {
        let now = |metadata: std::io::Result<Metadata>| metadata.map(|metadata| Identity::of(&metadata));
        let same =
            [self.file.metadata(), std::fs::metadata(self.path)].map(|found| now(found).ok() == Some(self.before));
        if same == [true, true] { Ok(()) } else { Err(CheckpointError::Changed { file: self.path.to_owned() }) }
    }
}

/// What changes with a file's bytes, as far as the system tells it.
#[derive(Clone, Copy, PartialEq)]
struct Identity {
    length: u64,
    modified: Option<std::time::SystemTime>,
    /// Device and number of the file; seconds and nanoseconds of its last change, which no program can set.
    #[cfg(unix)]
    unix: [u64; 4],
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            unix: {
                use std::os::unix::fs::MetadataExt;
                [metadata.dev(), metadata.ino(), metadata.ctime() as u64, metadata.ctime_nsec() as u64]
            },
        }
    }
}
