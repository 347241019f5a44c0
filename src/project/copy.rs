//! Copying files and folders.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use super::error::ProjectError;
use crate::atomic_file;

/// Copies a file; the copy is there only once it is whole.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<(), ProjectError> {
    let mut source = File::open(from).map_err(ProjectError::read(from))?;
    atomic_file::write_with(to, |file| io::copy(&mut source, file).map(|_| ())).map_err(ProjectError::write(to))
}

/// Copies a folder with all that is in it, except what `leave_out` names.
pub(super) fn copy_folder(from: &Path, to: &Path, leave_out: &str) -> Result<(), ProjectError> {
    fs::create_dir_all(to).map_err(ProjectError::write(to))?;
    for entry in fs::read_dir(from).map_err(ProjectError::read(from))? {
        let entry = entry.map_err(ProjectError::read(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == leave_out {
            continue;
        }
        match entry.file_type().map_err(ProjectError::read(&source))?.is_dir() {
            true => copy_folder(&source, &target, leave_out)?,
            false => copy_file(&source, &target)?,
        }
    }
    Ok(())
}
