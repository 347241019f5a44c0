//! The SHA-256 of a model file, by which feedback files name it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::CheckpointError;

/// The SHA-256 of the file's bytes, in lower-case hexadecimal.
pub fn sha256(path: &Path) -> Result<String, CheckpointError> {
    let failed = |error| CheckpointError::read(path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut chunk).map_err(failed)?;
        if count == 0 {
            return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        digest.update(&chunk[..count]);
    }
}
