//! Writing a file so that a failure at any moment leaves the old one, or none, and nothing else.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::CheckpointError;

/// Writes a temporary file beside `path` and renames it over `path` once everything is on the disk.
pub(super) fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<(), CheckpointError> {
    let attempt = || {
        if path.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let mut temporary = temporary_file(folder_of(path))?;
        let mut buffered = BufWriter::new(temporary.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|failed| failed.error)?;
        Ok(())
    };
    attempt().map_err(|error| CheckpointError::write(path, &error))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Temporary files are private by default; a model is an ordinary file, so the umask decides.
fn temporary_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    builder.prefix(".").suffix(".partial").tempfile_in(folder)
}
