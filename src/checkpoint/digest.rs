//! The SHA-256 of a model file, by which feedback files name it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::CheckpointError;

/// The SHA-256 of the file's bytes, in lower-case hexadecimal.
pub fn sha256(path: &Path) -> Result<String, CheckpointError> {
    sha256_watched(path, &mut |_| {})
}

/// As [`sha256`]; `watch` is told again and again how many bytes were read so far.
pub fn sha256_watched(path: &Path, watch: &mut dyn FnMut(u64)) -> Result<String, CheckpointError> {
    let failed = |error| CheckpointError::read(path, &error);
    let mut file = File::open(path).map_err(failed)?;
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
